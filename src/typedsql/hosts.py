"""What the name of a host tells."""

import ipaddress


def is_ipv6(text: str) -> bool:
    """Whether `text` is an IPv6 address (a zone such as %eth0 included), without brackets."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Whether it is this machine: the folder of a socket, a loopback address, localhost."""
    if host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
