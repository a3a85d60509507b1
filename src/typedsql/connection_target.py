"""One database and how to reach it, with its password masked."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from typedsql.connection_url import DEFAULT_PORT
from typedsql.errors import ConfigurationError
from typedsql.hosts import is_ipv6, is_local
from typedsql.supabase import is_shared_pooler
from typedsql.tls import client_context

Mode = Literal["direct", "session", "transaction"]
"""What a connection reaches: the server itself, or a pooler that lends a server's session for
as long as the connection lasts, or for one transaction at a time.
"""

SESSION_PORT: Final = DEFAULT_PORT
"""Supabase's session pooler; the server itself has the same."""
TRANSACTION_PORTS: Final = (6543, 6432)
"""Supabase's transaction poolers, and what PgBouncer listens on unless told otherwise."""


def detect_mode(host: str, port: int) -> Mode:
    """What host and port say of a session, as far as they say anything.

    PgBouncer's port may as well be one that keeps sessions: then it gets less than it could
    give, and all of it works.
    """
    if is_shared_pooler(host):
        return "session" if port == SESSION_PORT else "transaction"
    return "transaction" if port in TRANSACTION_PORTS else "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTarget:
    """One database and how to reach it; the password is masked in every representation.

    `host` is a host name, an IP address or the absolute folder of a socket; "" for an
    embedded server that was not started yet. `sslmode` is as in libpq, None where nothing
    was said; `sslrootcert` is a file, or `system` for the system's store. `source` names
    what decided. `embedded_dir` is the data folder of the embedded server, None for any
    other server. `mode` says what may be expected of a session.
    """

    host: str
    port: int
    database: str
    user: str
    password: SecretStr | None
    sslmode: str | None
    sslrootcert: Path | None
    source: str
    embedded_dir: Path | None
    mode: Mode = "direct"

    def is_local(self) -> bool:
        """Whether the server is on this machine: a socket, a loopback address, embedded."""
        return self.embedded_dir is not None or is_local(self.host)

    def describe(self) -> str:
        """Who, where, why and, where not direct, in which mode; never the password."""
        why = self.source if self.mode == "direct" else f"{self.source}, mode {self.mode}"
        if self.embedded_dir is not None:
            return f"{self.database} on the embedded server in {self.embedded_dir} ({why})"
        host = f"[{self.host}]" if is_ipv6(self.host) else self.host
        return f"{self.user}@{host}:{self.port}/{self.database} ({why})"

    def asyncpg_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `asyncpg.connect` and `asyncpg.create_pool`.

        The password is among them in the clear: pass them on, do not print or keep them.

        Raises:
            ConfigurationError: the embedded server was not started, or `sslrootcert`
                cannot be read.
        """
        self._require_host()
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": None if self.password is None else self.password.get_secret_value(),
            "ssl": self._ssl_argument(),
        }

    def dbmate_url(self, *, sslmode: str | None = None) -> str:
        """A URL that dbmate and pg_dump understand, with the password in it.

        For the environment of a child process only: a command line is visible to every
        user of the machine. `sslmode` replaces the target's own.

        Raises:
            ConfigurationError: the embedded server was not started.
        """
        self._require_host()
        secret = "" if self.password is None else self.password.get_secret_value()
        login = quote(self.user, safe="") + (f":{quote(secret, safe='')}" if secret else "")
        if self.host.startswith("/"):
            parameters = {"sslmode": "disable"}
        else:
            mode = sslmode or self.sslmode or ("disable" if self.is_local() else "prefer")
            parameters = {"sslmode": mode}
            if self.sslrootcert is not None and mode.startswith("verify-"):
                parameters["sslrootcert"] = str(self.sslrootcert)
        address = f"{self.host}:{self.port}"
        if self.host.startswith("/") or is_ipv6(self.host):
            # dbmate drops the brackets of an IPv6 address, and loses its port with them.
            parameters |= {"host": self.host, "port": str(self.port)}
            address = ""
        query = urlencode(parameters, quote_via=quote, safe="/")
        return f"postgres://{login}@{address}/{quote(self.database, safe='')}?{query}"

    def __copy__(self) -> "ConnectionTarget":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "ConnectionTarget":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled: the password would be in the clear wherever that lands."""
        raise TypeError("a ConnectionTarget is not pickled; resolve it again where it is needed")

    def _require_host(self) -> None:
        if not self.host:
            raise ConfigurationError(
                f"The embedded server in {self.embedded_dir} was not started:"
                " connect inside `async with embedded.reachable(target)`."
            )

    def _ssl_argument(self) -> ssl.SSLContext | str:
        if self.host.startswith("/"):
            return "disable"
        mode = self.sslmode or "prefer"
        return client_context(mode, self.sslrootcert) if mode.startswith("verify-") else mode
