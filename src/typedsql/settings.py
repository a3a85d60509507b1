"""Where to connect: an argument, DATABASE_URL, POSTGRES_* or SUPABASE_*, in this order."""

import getpass
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from typedsql import supabase
from typedsql.connection_target import ConnectionTarget, Mode, detect_mode
from typedsql.connection_url import DEFAULT_PORT, check_port, is_host, parse_url
from typedsql.environment import POSTGRES_VARIABLES, Environment
from typedsql.errors import ConfigurationError
from typedsql.hosts import is_local
from typedsql.tls import choose_tls

__all__ = [
    "EMBEDDED_MAJOR",
    "ConnectionTarget",
    "Mode",
    "default_embedded_dir",
    "masked",
    "resolve_gateway",
    "resolve_target",
]

EMBEDDED_MAJOR = 18
"""The PostgreSQL release of the embedded server."""

GATEWAY_VARIABLE = "GATEWAY_DATABASE_URL"

_MODES: tuple[Mode, ...] = get_args(Mode)

_LOGGER = logging.getLogger(__name__)


def resolve_target(
    url: str | SecretStr | None = None,
    *,
    project: str,
    environ: Mapping[str, str] | None = None,
    embedded_default: bool = False,
    mode: Mode | None = None,
) -> ConnectionTarget:
    """Decide where to connect: `url`, else DATABASE_URL, POSTGRES_*, SUPABASE_*.

    `project` names the default folder of the embedded server. `environ` replaces the
    process's environment. With `embedded_default`, nothing being set means the embedded
    server. `mode` says what may be expected of a session, else DATABASE_MODE does, else
    host and port (see `detect_mode`). Sources of the environment that disagree are logged,
    by their names alone.

    Raises:
        ConfigurationError: nothing is set, or what is set cannot be used; no message
            holds a part of a URL or a password.
    """
    given = _secret(url)
    # Neither may stand among the locals of a frame that a traceback can show.
    del url
    try:
        environment = Environment.read(environ)
    finally:
        del environ
    mode = _chosen_mode(mode, environment)
    if given is not None:
        return _in_mode(_from_url(given, "argument", project, environment), mode)
    target = _from_environment(environment, project)
    if target is not None:
        _warn_where_sources_disagree(target, environment)
        return _in_mode(target, mode)
    if embedded_default:
        folder = default_embedded_dir(project, environment)
        return _in_mode(_embedded(folder, "embedded (default)"), mode)
    raise ConfigurationError(
        "Nothing says where the database is. Set DATABASE_URL"
        " (postgresql://USER:PASSWORD@HOST:5432/DATABASE, or embedded: for the embedded"
        " server), or POSTGRES_HOST and its siblings POSTGRES_PORT, POSTGRES_DB,"
        " POSTGRES_USER, POSTGRES_PASSWORD, or SUPABASE_URL with SUPABASE_DB_PASSWORD."
    )


def resolve_gateway(
    url: str | SecretStr | None = None,
    *,
    project: str,
    environ: Mapping[str, str] | None = None,
    beside: ConnectionTarget | None = None,
) -> ConnectionTarget | None:
    """Decide where the gateway's login connects: `url`, else GATEWAY_DATABASE_URL, else None.

    Its rules are those of any URL, but that it is never an embedded server: it is a second
    login of the server that `beside`, the main target, names. At the same host and port it
    has the mode of `beside`, elsewhere that of its own host and port. Where `beside` is not
    given, DATABASE_MODE counts if the environment's main target has the same host and port.

    Raises:
        ConfigurationError: what is set cannot be used; see `resolve_target`.
    """
    given = _secret(url)
    del url
    try:
        environment = Environment.read(environ)
    finally:
        del environ
    source = GATEWAY_VARIABLE if given is None else "argument"
    given = environment.gateway_database_url if given is None else given
    if given is None:
        return None
    name = "The given URL of the gateway" if source == "argument" else source
    gateway = _from_url(given, source, project, environment, name=name)
    if gateway.embedded_dir is not None:
        raise ConfigurationError(
            f"{name} names an embedded server, which has one login: name a login of the"
            " server that DATABASE_URL names, postgresql://USER:PASSWORD@HOST:5432/DATABASE."
        )
    if beside is None:
        mode = _chosen_mode(None, environment)
        # Only what DATABASE_MODE is about has to be usable for this.
        beside = None if mode is None else _from_environment(environment, project)
        beside = None if beside is None else _in_mode(beside, mode)
    if beside is not None and (beside.host, beside.port) == (gateway.host, gateway.port):
        return _in_mode(gateway, beside.mode)
    return gateway


def masked(url: str | SecretStr | ConnectionTarget | None) -> SecretStr | ConnectionTarget | None:
    """A URL as it may stand among the local variables of a frame; a target is so already.

    Raises ConfigurationError for what is neither.
    """
    return url if isinstance(url, ConnectionTarget) else _secret(url)


def _secret(url: str | SecretStr | None) -> SecretStr | None:
    if url is None or isinstance(url, SecretStr):
        return url
    if isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return SecretStr(url)
    given = type(url).__name__
    del url
    raise ConfigurationError(f"A URL is expected as a str or a SecretStr, and this is a {given}.")


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


def _chosen_mode(mode: Mode | None, environment: Environment) -> Mode | None:
    """The mode that the caller says, else DATABASE_MODE, else None."""
    name, text = (
        ("mode", mode) if mode is not None else ("DATABASE_MODE", environment.database_mode)
    )
    if text is None:
        return None
    for known in _MODES:
        if text == known:
            return known
    raise ConfigurationError(f"{name} must be one of {', '.join(_MODES)}.")


def _in_mode(target: ConnectionTarget, mode: Mode | None) -> ConnectionTarget:
    return target if mode is None else replace(target, mode=mode)


def _from_url(
    url: SecretStr, source: str, project: str, environment: Environment, *, name: str | None = None
) -> ConnectionTarget:
    name = name or ("The given URL" if source == "argument" else source)
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
        opened_by=name,
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
        # It may be a URL with its password in it.
        del text, host
        raise ConfigurationError(
            "POSTGRES_HOST is neither a host name, nor an address, nor an absolute socket"
            " folder (a URL belongs into DATABASE_URL)."
        )
    if port is None:
        del text
        raise ConfigurationError("POSTGRES_PORT is not a number from 1 to 65535.")
    return _server(
        environment,
        name="POSTGRES_HOST",
        opened_by="POSTGRES_PASSWORD",
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
    host = supabase.database_host(environment.supabase_url.get_secret_value())
    if host is None:
        raise ConfigurationError(
            "SUPABASE_URL is neither https://<project>.supabase.co nor a local"
            " http://localhost:54321; set DATABASE_URL instead."
        )
    password = environment.supabase_db_password
    if host == supabase.LOCAL_HOST:
        _refuse_api_key(password, "SUPABASE_DB_PASSWORD", environment)
        return ConnectionTarget(
            host=host,
            port=supabase.LOCAL_PORT,
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
        opened_by="SUPABASE_DB_PASSWORD",
        source="SUPABASE_*",
        host=host,
        port=DEFAULT_PORT,
        database="postgres",
        user="postgres",
        password=password,
    )


def _server(
    environment: Environment,
    *,
    name: str,
    opened_by: str,
    source: str,
    host: str,
    port: int,
    database: str,
    user: str,
    password: SecretStr | None,
    sslmode: str | None = None,
    sslrootcert: str | None = None,
) -> ConnectionTarget:
    """`name` is the variable that says where, `opened_by` the one that holds the password."""
    _refuse_api_key(password, opened_by, environment)
    tls, certificate = choose_tls(
        host,
        name=name,
        mode=sslmode,
        certificate=sslrootcert,
        environment_mode=environment.pgsslmode,
        environment_certificate=environment.pgsslrootcert,
        home=environment.home_folder,
    )
    if supabase.is_shared_pooler(host) and not supabase.names_project(user):
        raise ConfigurationError(
            f"{name} is Supabase's shared pooler, which tells projects apart by the user's name,"
            " and that names none.",
            action="Write role.project_ref, such as postgres.abcdefghijklmnopqrst, as in the"
            " URL that the project's dashboard shows under Connect.",
            code="pooler_user",
        )
    return ConnectionTarget(
        host=host,
        port=port,
        database=database,
        user=user,
        password=password,
        sslmode=tls,
        sslrootcert=certificate,
        source=source,
        embedded_dir=None,
        mode=detect_mode(host, port),
    )


def _refuse_api_key(password: SecretStr | None, variable: str, environment: Environment) -> None:
    """Raises ConfigurationError where a password is a key of Supabase's HTTP API."""
    if password is None:
        return
    same = [name for name, key in environment.api_keys().items() if key == password]
    if same:
        told = f"{variable} has as its password what {same[0]} holds"
    elif supabase.looks_like_api_key(password.get_secret_value()):
        told = f"{variable} has an API key of Supabase's as its password"
    else:
        return
    raise ConfigurationError(
        f"{told}, which opens Supabase's HTTP API and never PostgreSQL.",
        action="Put the database's own password there: the dashboard sets a new one under"
        " Database, Settings.",
        code="api_key",
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
            is_same_place = (
                name == "host" and target.is_local() and is_local(value.get_secret_value())
            )
            if used != value and not is_same_place:
                ignored.append(POSTGRES_VARIABLES[name])
    if target.source != "SUPABASE_*" and not _same_supabase(target, environment):
        ignored.append("SUPABASE_URL")
    if ignored:
        _LOGGER.warning(
            "%s decides where to connect, but %s would lead elsewhere.",
            target.source,
            ", ".join(ignored),
        )


def _same_supabase(target: ConnectionTarget, environment: Environment) -> bool:
    """Whether SUPABASE_* names the same server, or does not name a database at all."""
    if environment.supabase_url is None:
        return True
    host = supabase.database_host(environment.supabase_url.get_secret_value())
    if host == supabase.LOCAL_HOST:
        # It needs no password to name a database.
        return target.is_local() and target.port == supabase.LOCAL_PORT
    if host is None or environment.supabase_db_password is None:
        return True
    # Supabase's shared pooler has another host, and the project within the user's name.
    project = host.removeprefix("db.").removesuffix(".supabase.co")
    return target.host == host or target.user.endswith(f".{project}")
