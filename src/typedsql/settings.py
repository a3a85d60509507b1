"""Where to connect: an argument, DATABASE_URL, POSTGRES_* or SUPABASE_*, in this order."""

import getpass
import ipaddress
import logging
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from typedsql.connection_url import DEFAULT_PORT, check_port, is_host, is_ipv6, parse_url
from typedsql.environment import POSTGRES_VARIABLES, Environment
from typedsql.errors import ConfigurationError
from typedsql.tls import choose_tls, client_context

EMBEDDED_MAJOR = 18
"""The PostgreSQL release of the embedded server."""

_SUPABASE_URL = re.compile(r"https?://([A-Za-z0-9.-]+)(:[0-9]{1,5})?/?")
_SUPABASE_PROJECT_HOST = re.compile(r"([a-z0-9-]{1,63})\.supabase\.co")
_LOCAL_SUPABASE_HOST = "127.0.0.1"
_LOCAL_SUPABASE_PORT = 54322

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTarget:
    """One database and how to reach it; the password is masked in every representation.

    `host` is a host name, an IP address or the absolute folder of a socket; "" for an
    embedded server that was not started yet. `sslmode` is as in libpq, None where nothing
    was said; `sslrootcert` is a file, or `system` for the system's store. `source` names
    what decided. `embedded_dir` is the data folder of the embedded server, None for any
    other server.
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

    def is_local(self) -> bool:
        """Whether the server is on this machine: a socket, a loopback address, embedded."""
        if self.embedded_dir is not None or self.host.startswith("/"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower().rstrip(".") == "localhost"

    def describe(self) -> str:
        """Who, where and why, for people; never the password."""
        if self.embedded_dir is not None:
            return f"{self.database} on the embedded server in {self.embedded_dir} ({self.source})"
        host = f"[{self.host}]" if is_ipv6(self.host) else self.host
        return f"{self.user}@{host}:{self.port}/{self.database} ({self.source})"

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


def resolve_target(
    url: str | None = None,
    *,
    project: str,
    environ: Mapping[str, str] | None = None,
    embedded_default: bool = False,
) -> ConnectionTarget:
    """Decide where to connect: `url`, else DATABASE_URL, POSTGRES_*, SUPABASE_*.

    `project` names the default folder of the embedded server. `environ` replaces the
    process's environment. With `embedded_default`, nothing being set means the embedded
    server. Sources of the environment that disagree are logged, by their names alone.

    Raises:
        ConfigurationError: nothing is set, or what is set cannot be used; no message
            holds a part of a URL or a password.
    """
    environment = Environment.read(environ)
    given = None if url is None else SecretStr(url)
    # Neither may stand among the locals of a frame that a traceback can show.
    del url, environ
    if given is not None:
        return _from_url(given, "argument", project, environment)
    target = _from_environment(environment, project)
    if target is not None:
        _warn_where_sources_disagree(target, environment)
        return target
    if embedded_default:
        return _embedded(default_embedded_dir(project, environment), "embedded (default)")
    raise ConfigurationError(
        "Nothing says where the database is. Set DATABASE_URL"
        " (postgresql://USER:PASSWORD@HOST:5432/DATABASE, or embedded: for the embedded"
        " server), or POSTGRES_HOST and its siblings POSTGRES_PORT, POSTGRES_DB,"
        " POSTGRES_USER, POSTGRES_PASSWORD, or SUPABASE_URL with SUPABASE_DB_PASSWORD."
    )


def default_embedded_dir(project: str, environment: Environment | None = None) -> Path:
    """The data folder of the embedded server where none is named.

    As root it is below /var/lib unless XDG_DATA_HOME says where, because the server's own
    user cannot enter root's home, and opening that home to everybody is not ours to do.
    """
    environment = environment or Environment.read()
    data_home = environment.xdg_data_home
    if data_home is None or not data_home.is_absolute():
        if os.geteuid() == 0:
            data_home = Path("/var/lib")
        else:
            data_home = environment.home_folder() / ".local" / "share"
    return data_home / project / f"postgresql-{EMBEDDED_MAJOR}"


def _from_environment(environment: Environment, project: str) -> ConnectionTarget | None:
    if environment.database_url is not None:
        return _from_url(environment.database_url, "DATABASE_URL", project, environment)
    return _from_postgres(environment) or _from_supabase(environment)


def _from_url(
    url: SecretStr, source: str, project: str, environment: Environment
) -> ConnectionTarget:
    name = "The given URL" if source == "argument" else source
    if not url.get_secret_value().strip():
        raise ConfigurationError(
            f"{name} is empty. Write postgresql://USER:PASSWORD@HOST:5432/DATABASE, or"
            " embedded: for the embedded server."
        )
    scheme, separator, folder = url.get_secret_value().strip().partition(":")
    if separator and scheme == "embedded":
        return _embedded(_embedded_folder(folder, project, environment), source)
    del scheme, folder
    parts = parse_url(url, name=name)
    user = parts.user or getpass.getuser()
    return _server(
        environment,
        name=name,
        source=source,
        host=parts.host,
        port=parts.port,
        database=parts.database or user,
        user=user,
        password=parts.password,
        sslmode=parts.sslmode,
        sslrootcert=parts.sslrootcert,
    )


def _from_postgres(environment: Environment) -> ConnectionTarget | None:
    said = environment.postgres()
    if not said:
        return None
    text = {name: value.get_secret_value() for name, value in said.items() if name != "password"}
    host = text.get("host", "localhost")
    port = check_port(text.get("port", str(DEFAULT_PORT)))
    if not is_host(host):
        raise ConfigurationError(
            "POSTGRES_HOST is neither a host name, nor an address, nor an absolute socket"
            " folder (a URL belongs into DATABASE_URL)."
        )
    if port is None:
        raise ConfigurationError("POSTGRES_PORT is not a number from 1 to 65535.")
    return _server(
        environment,
        name="POSTGRES_HOST",
        source="POSTGRES_*",
        host=host,
        port=port,
        database=text.get("database", "postgres"),
        user=text.get("user", "postgres"),
        password=said.get("password", SecretStr("postgres")),
    )


def _from_supabase(environment: Environment) -> ConnectionTarget | None:
    if environment.supabase_url is None:
        if environment.supabase_db_password is None:
            return None
        raise ConfigurationError(
            "SUPABASE_DB_PASSWORD is set without SUPABASE_URL, which names the project."
        )
    host = _supabase_host(environment.supabase_url)
    if host is None:
        raise ConfigurationError(
            "SUPABASE_URL is neither https://<project>.supabase.co nor a local"
            " http://localhost:54321; set DATABASE_URL instead."
        )
    password = environment.supabase_db_password
    if host == _LOCAL_SUPABASE_HOST:
        return ConnectionTarget(
            host=host,
            port=_LOCAL_SUPABASE_PORT,
            database="postgres",
            user="postgres",
            password=password or SecretStr("postgres"),
            sslmode=None,
            sslrootcert=None,
            source="SUPABASE_*",
            embedded_dir=None,
        )
    if password is None:
        raise ConfigurationError(
            "SUPABASE_URL alone does not open PostgreSQL: set SUPABASE_DB_PASSWORD, the"
            " database's password (SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY open the"
            " HTTP interface only)."
        )
    return _server(
        environment,
        name="SUPABASE_URL",
        source="SUPABASE_*",
        host=host,
        port=DEFAULT_PORT,
        database="postgres",
        user="postgres",
        password=password,
    )


def _supabase_host(url: SecretStr) -> str | None:
    """The database's host that SUPABASE_URL implies; None if it is no Supabase URL."""
    match = _SUPABASE_URL.fullmatch(url.get_secret_value().strip())
    host = match[1].lower() if match else ""
    if host in ("localhost", "127.0.0.1"):
        return _LOCAL_SUPABASE_HOST
    project = _SUPABASE_PROJECT_HOST.fullmatch(host)
    return f"db.{project[1]}.supabase.co" if project else None


def _server(
    environment: Environment,
    *,
    name: str,
    source: str,
    host: str,
    port: int,
    database: str,
    user: str,
    password: SecretStr | None,
    sslmode: str | None = None,
    sslrootcert: str | None = None,
) -> ConnectionTarget:
    mode, certificate = choose_tls(
        host,
        name=name,
        mode=sslmode,
        certificate=sslrootcert,
        environment_mode=environment.pgsslmode,
        environment_certificate=environment.pgsslrootcert,
        home=environment.home_folder,
    )
    return ConnectionTarget(
        host=host,
        port=port,
        database=database,
        user=user,
        password=password,
        sslmode=mode,
        sslrootcert=certificate,
        source=source,
        embedded_dir=None,
    )


def _embedded_folder(folder: str, project: str, environment: Environment) -> Path:
    if not folder:
        return default_embedded_dir(project, environment)
    if folder.startswith("~/"):
        return environment.home_folder() / folder[2:]
    return Path(folder).absolute()


def _embedded(folder: Path, source: str) -> ConnectionTarget:
    return ConnectionTarget(
        host="",
        port=DEFAULT_PORT,
        database="postgres",
        user="postgres",
        password=None,
        sslmode=None,
        sslrootcert=None,
        source=source,
        embedded_dir=folder,
    )


def _warn_where_sources_disagree(target: ConnectionTarget, environment: Environment) -> None:
    """Log which variables of a source that lost say something else; their names alone."""
    ignored: list[str] = []
    if target.source == "DATABASE_URL":
        for name, value in environment.postgres().items():
            used = target.password if name == "password" else SecretStr(str(getattr(target, name)))
            if used != value and not (name == "host" and target.is_local() and _is_loopback(value)):
                ignored.append(POSTGRES_VARIABLES[name])
    if target.source != "SUPABASE_*" and not _same_supabase(target, environment):
        ignored.append("SUPABASE_URL")
    if ignored:
        _LOGGER.warning(
            "%s decides where to connect, but %s would lead elsewhere.",
            target.source,
            ", ".join(ignored),
        )


def _is_loopback(host: SecretStr) -> bool:
    return host.get_secret_value() in ("localhost", "127.0.0.1", "::1")


def _same_supabase(target: ConnectionTarget, environment: Environment) -> bool:
    """Whether SUPABASE_* names the same server, or does not name a database at all."""
    if environment.supabase_url is None or environment.supabase_db_password is None:
        return True
    host = _supabase_host(environment.supabase_url)
    if host is None:
        return True
    if host == _LOCAL_SUPABASE_HOST:
        return target.is_local() and target.port == _LOCAL_SUPABASE_PORT
    # Supabase's shared pooler has another host, and the project within the user's name.
    project = host.removeprefix("db.").removesuffix(".supabase.co")
    return target.host == host or target.user.endswith(f".{project}")
