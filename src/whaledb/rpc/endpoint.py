"""Where a node is, read from its URL."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from typedsql.errors import ConfigurationError

_WEBSOCKET_SCHEMES: Final = frozenset({"ws", "wss"})
_SCHEMES: Final = frozenset({"http", "https"}) | _WEBSOCKET_SCHEMES
_EXPECTED: Final = (
    "a node's URL begins with http://, https://, ws:// or wss:// and names a host,"
    " such as http://127.0.0.1:8545"
)


class Endpoint(msgspec.Struct, frozen=True):
    """A node's address. `host` (with its port) may be told, `url` may hold a key and may not."""

    url: str
    host: str
    is_websocket: bool

    def __repr__(self) -> str:
        return f"Endpoint(host={self.host!r})"


def parse_endpoint(url: str) -> Endpoint:
    """The address that a URL stands for; nothing is connected.

    Raises:
        ConfigurationError: it is not a URL of a kind that a node answers at.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ConfigurationError(
            f"the node's URL holds a space or a control character: {_EXPECTED}"
        )
    try:
        parts = urlsplit(url)
        scheme, hostname, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        # Its text may quote what was given.
        scheme, hostname, port = "", None, None
    if scheme not in _SCHEMES or not hostname:
        raise ConfigurationError(f"the node's URL cannot be used: {_EXPECTED}")
    host = f"[{hostname}]" if ":" in hostname else hostname
    return Endpoint(
        url=url,
        host=host if port is None else f"{host}:{port}",
        is_websocket=scheme in _WEBSOCKET_SCHEMES,
    )
