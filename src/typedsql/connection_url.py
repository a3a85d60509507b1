"""Reading `postgres://` URLs without ever repeating any part of one in a message.

The standard library and the driver quote what they cannot parse, which is the start of a
password as often as not; so URLs are read here, and an error names the part alone.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from pydantic import SecretStr

from typedsql.errors import ConfigurationError
from typedsql.hosts import is_ipv6
from typedsql.tls import SSL_MODES

DEFAULT_PORT = 5432

PARAMETERS = ("host", "socket", "port", "sslmode", "sslrootcert")

_PERCENT_HINT = (
    "Inside a user name, password or database name these characters must be"
    " percent-encoded: # as %23, / as %2F, @ as %40, ? as %3F, % as %25, : as %3A."
)
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?")
_PARAMETER_NAME = re.compile(r"[a-z][a-z_]{0,39}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlParts:
    """What a URL says; None where it says nothing."""

    host: str
    port: int
    database: str | None
    user: str | None
    password: SecretStr | None
    sslmode: str | None
    sslrootcert: str | None


class _MalformedError(Exception):
    """Says which part of a URL is wrong; never leaves this module."""

    def __init__(self, problem: str, *, escape: bool = False) -> None:
        super().__init__(problem)
        self.escape = escape
        """Whether a character that was not percent-encoded is the likely reason."""


def parse_url(url: SecretStr, *, name: str) -> UrlParts:
    """Split a `postgres://` or `postgresql://` URL.

    Raises:
        ConfigurationError: the URL is malformed; the message says `name` and which part
            is wrong, and holds nothing of the URL.
    """
    # Raised outside the except block: a chained exception would carry the frames, and
    # with them the URL, to anything that prints the locals of a traceback.
    try:
        return _parse(url.get_secret_value().strip())
    except _MalformedError as malformed:
        problem, escape = str(malformed), malformed.escape
    told = f"{name} is not a usable PostgreSQL URL: {problem}"
    if escape:
        raise ConfigurationError(told, action=_PERCENT_HINT, code="special_characters")
    raise ConfigurationError(told)


def check_port(text: str) -> int | None:
    """The port number that `text` writes, None if it is not one (1 to 65535)."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if 1 <= port <= 65535 else None


def is_host(text: str) -> bool:
    """Whether `text` is a host name, an IP address or an absolute socket directory."""
    if text.startswith("/"):
        return "\0" not in text
    return is_ipv6(text) or _HOST_NAME.fullmatch(text) is not None


def _parse(url: str) -> UrlParts:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql"):
        raise _MalformedError(
            "it does not begin with postgresql:// or postgres://. Write"
            " postgresql://USER:PASSWORD@HOST:5432/DATABASE, or embedded: for the"
            " embedded server."
        )
    if any(character.isspace() or not character.isprintable() for character in rest):
        raise _MalformedError("it contains a space or a control character; percent-encode it.")
    if "#" in rest:
        raise _MalformedError("it contains a bare #.", escape=True)
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.partition("/")
    if "@" in path or "@" in query or authority.count("@") > 1:
        # Where a password holds a bare / ? or @, its tail would be taken for another part.
        raise _MalformedError("it contains an @ where none can stand.", escape=True)
    if "/" in path:
        raise _MalformedError("its database name contains a bare /.", escape=True)
    userinfo, at, hostinfo = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    if at and not user:
        raise _MalformedError("it has a password or an @ but no user name.")
    parameters = _parameters(query)
    host, port = _address(hostinfo, parameters)
    secret = _decode(password, "password") if colon and password else None
    return UrlParts(
        host=host,
        port=port,
        database=_decode(path, "database name") or None,
        user=_decode(user, "user name") or None,
        password=None if secret is None else SecretStr(secret),
        sslmode=parameters.get("sslmode"),
        sslrootcert=parameters.get("sslrootcert"),
    )


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, equals, value = pair.partition("=")
        if not equals or _PARAMETER_NAME.fullmatch(name) is None:
            raise _MalformedError("what follows its ? is not a list of name=value.", escape=True)
        if name not in PARAMETERS:
            raise _MalformedError(
                f"its parameter {name} is not supported; supported are {', '.join(PARAMETERS)}."
            )
        if name in parameters:
            raise _MalformedError(f"its parameter {name} is given twice.")
        parameters[name] = _decode(value, f"parameter {name}")
        if not parameters[name]:
            raise _MalformedError(f"its parameter {name} is empty.")
    if parameters.get("sslmode", "disable") not in SSL_MODES:
        raise _MalformedError(f"its parameter sslmode must be one of {', '.join(SSL_MODES)}.")
    return parameters


def _address(hostinfo: str, parameters: dict[str, str]) -> tuple[str, int]:
    host, port = _host_and_port(hostinfo)
    for name, text in (("port", port), ("host", host), ("socket", host)):
        if text and name in parameters:
            raise _MalformedError(f"its parameter {name} says again what stands before the ?.")
    if "host" in parameters and "socket" in parameters:
        raise _MalformedError("it has both parameters host and socket; they mean the same.")
    host = host or parameters.get("host", "") or parameters.get("socket", "")
    port = port or parameters.get("port", "")
    if not host:
        raise _MalformedError(
            "it names no host. Write localhost, or ?host=/path for a folder with a socket."
        )
    if "," in host:
        raise _MalformedError("it names several hosts; name one.")
    if not is_host(host) or ("socket" in parameters and not host.startswith("/")):
        raise _MalformedError(
            "its host is neither a name, nor an address, nor an absolute socket folder"
            " (IPv6 stands in brackets before the port).",
            escape=True,
        )
    if not port:
        return host, DEFAULT_PORT
    number = check_port(port)
    if number is None:
        raise _MalformedError("its port is not a number from 1 to 65535.", escape=True)
    return host, number


def _host_and_port(hostinfo: str) -> tuple[str, str]:
    if hostinfo.startswith("["):
        bracketed, _, port = hostinfo[1:].partition("]")
        host = _decode(bracketed, "host")
        if not is_ipv6(host) or (port and not port.startswith(":")):
            raise _MalformedError("its host in brackets is not an IPv6 address.")
        return host, port[1:]
    host, _, port = hostinfo.partition(":")
    return _decode(host, "host"), port


def _decode(text: str, part: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise _MalformedError(f"its {part} contains a bare %.", escape=True)
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = None
    if decoded is None:
        raise _MalformedError(f"its {part} is not UTF-8 once percent-decoded.", escape=True)
    if "\0" in decoded:
        raise _MalformedError(f"its {part} contains a NUL character, which PostgreSQL cannot take.")
    return decoded
