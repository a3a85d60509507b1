"""The connection a migration run is watched from: it decides on TLS and holds the lock."""

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from typedsql.connect_failure import connection_failed
from typedsql.connection_target import SESSION_PORT
from typedsql.embedded import reachable
from typedsql.errors import ConfigurationError, OperatorError, TimeoutExpired
from typedsql.identifiers import quoted
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.sqlstate import translate
from typedsql.tools.dbmate import Announce

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
LOCK_WAIT_LIMIT_S = 300.0
LOCK_POLL_INTERVAL_S = 0.2
CREATE_ATTEMPTS = 20
CREATE_PAUSE_S = 0.25
CANCEL_LIMIT_S = 5.0

_DBMATE_DEFAULT_TABLE = "public.schema_migrations"
_MAINTENANCE_DATABASES = ("postgres", "template1")
_MODES_WITHOUT_DEMAND = {"prefer": ("require", "disable"), "allow": ("disable", "require")}


class MigrationSession(msgspec.Struct, frozen=True):
    """What a run needs once it alone may migrate."""

    connection: Any
    target: ConnectionTarget
    child_sslmode: str
    """What the connection turned out to use, said to the child in so many words."""
    child_name: str
    """application_name of the child's own connection."""
    created_database: bool


@asynccontextmanager
async def migration_session(
    target: ConnectionTarget,
    project: Project,
    *,
    create_database: bool,
    announce: Announce,
    lock_wait_limit_s: float = LOCK_WAIT_LIMIT_S,
) -> AsyncGenerator[MigrationSession, None]:
    """Connect, make the database if asked and absent, and wait until no other run migrates.

    The lock is polled and never waited for inside the server: a waiting statement's
    snapshot would stop a concurrent index build of the run that holds the lock.

    Raises ConfigurationError for a transaction pooler, ConnectionFailed, TimeoutExpired
    where another run is still at work after `lock_wait_limit_s`, OperatorError for a
    read-only server.
    """
    if target.mode == "transaction":
        raise ConfigurationError(
            f"{target.describe()}: through a pooler in transaction mode migrations lose their "
            f"lock; use the direct host or the session pooler, port {SESSION_PORT} "
            "(DATABASE_MODE says so where host and port do not)",
            code="transaction_pooler",
        )
    async with reachable(target) as concrete:
        connection, sslmode, created = await _connect(concrete, project, create_database)
        if created:
            announce(f"Created database {concrete.database}")
        key = lock_key(project)
        name = child_name(key)
        try:
            await _refuse_read_only(connection, concrete)
            await _wait_for_lock(connection, key, name, announce, lock_wait_limit_s)
            yield MigrationSession(connection, concrete, sslmode, name, created)
        finally:
            await _close(connection)


def lock_key(project: Project) -> int:
    """One lock for each migrations table; PostgreSQL keeps the databases apart itself."""
    digest = hashlib.sha256(f"typedsql migrations {project.migrations_table}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def child_name(key: int) -> str:
    """application_name of the dbmate that runs under a lock."""
    return f"typedsql dbmate {key & 0xFFFFFFFF:08x}"


async def open_connection(
    target: ConnectionTarget, *, application_name: str, settings: Mapping[str, str] | None = None
) -> tuple["Connection", str]:
    """A connection, and the sslmode that says what it uses, for a child's URL.

    `settings` are for the session; poolers refuse most of them.

    Where the target leaves TLS open (prefer, allow), each way is tried by itself, so that
    which one was taken is known. The server's own view (pg_stat_ssl) is not asked: behind
    a pooler it is that of another connection.
    """
    mode = target.sslmode or "prefer"
    if target.host.startswith("/"):
        attempts: tuple[str, ...] = ("disable",)
    else:
        attempts = _MODES_WITHOUT_DEMAND.get(mode, (mode,))
    for attempt in attempts:
        how: dict[str, Any] = {"ssl": attempt} if len(attempts) > 1 else {}
        if target.mode == "transaction":
            # The next statement may be in another session, where none has this one's names.
            how["statement_cache_size"] = 0
        try:
            connection = await asyncpg.connect(
                **(target.asyncpg_arguments() | how),
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings={"application_name": application_name, **(settings or {})},
            )
        except (OSError, asyncpg.InvalidAuthorizationSpecificationError) as failure:
            if attempt == attempts[-1] or not _may_be_tls(failure):
                raise
            continue
        return connection, attempt
    raise AssertionError("unreachable")


def _may_be_tls(failure: Exception) -> bool:
    """Whether the other way (with TLS or without) could end differently."""
    if isinstance(failure, asyncpg.InvalidPasswordError):
        return False
    return isinstance(failure, asyncpg.PostgresError) or "SSL" in str(failure)


async def _connect(
    target: ConnectionTarget, project: Project, create_database: bool
) -> tuple["Connection", str, bool]:
    name = f"{project.name} migrate"
    created = False
    try:
        try:
            connection, sslmode = await open_connection(target, application_name=name)
        except asyncpg.InvalidCatalogNameError:
            if not create_database:
                raise
            created = await _create_database(target, name)
            connection, sslmode = await open_connection(target, application_name=name)
    except Exception as failure:
        raise connection_failed(failure, target) or failure from failure
    return connection, sslmode, created


async def _create_database(target: ConnectionTarget, name: str) -> bool:
    """False where somebody else made it at the same moment."""
    connection = await _maintenance_connection(target, name)
    try:
        for _ in range(CREATE_ATTEMPTS):
            try:
                await connection.execute(f"CREATE DATABASE {quoted(target.database)}")
            except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                return False
            except asyncpg.ObjectInUseError:
                # The template is being copied by another creator.
                await asyncio.sleep(CREATE_PAUSE_S)
            except asyncpg.InsufficientPrivilegeError as failure:
                raise OperatorError(
                    f"{target.describe()}: the database does not exist and this role may not "
                    "create it: have it created, or grant CREATEDB",
                    sqlstate=failure.sqlstate,
                ) from None
            else:
                return True
    finally:
        await _close(connection)
    raise TimeoutExpired(
        f"{target.describe()}: the database does not exist, and the template to create it from "
        f"stayed in use for {CREATE_ATTEMPTS * CREATE_PAUSE_S:g} s: try again"
    )


async def _maintenance_connection(target: ConnectionTarget, name: str) -> "Connection":
    for database in _MAINTENANCE_DATABASES:
        elsewhere = dataclasses.replace(target, database=database)
        try:
            return (await open_connection(elsewhere, application_name=name))[0]
        except asyncpg.InvalidCatalogNameError:
            continue
    raise OperatorError(
        f"{target.describe()}: the database does not exist, nor does one to create it from "
        f"({' or '.join(_MAINTENANCE_DATABASES)}): have it created"
    )


async def _refuse_read_only(connection: "Connection", target: ConnectionTarget) -> None:
    if await connection.fetchval("SELECT current_setting('transaction_read_only')::boolean"):
        raise OperatorError(
            f"{target.describe()}: this server or role is read-only, so it cannot be migrated: "
            "name the primary server"
        )


async def _wait_for_lock(
    connection: "Connection", key: int, child: str, announce: Announce, limit_s: float
) -> None:
    told = False
    try:
        # An idle session that holds the lock must outlive the longest migration.
        await connection.execute("SET idle_session_timeout = 0")
        async with asyncio.timeout(limit_s):
            while not await _try_lock(connection, key, child):
                if not told:
                    announce(f"Another migration run is at work; waiting up to {limit_s:g} s")
                    told = True
                await asyncio.sleep(LOCK_POLL_INTERVAL_S)
    except TimeoutError:
        raise TimeoutExpired(
            f"another migration run was still at work after {limit_s:g} s: wait for it to end, or "
            f"find it in pg_stat_activity by application_name '{child}'"
        ) from None
    except Exception as failure:
        raise translate(failure, query=None) or failure from failure


async def _try_lock(connection: "Connection", key: int, child: str) -> bool:
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
        return False
    # A killed runner lets go of the lock while its child is still at work.
    orphans = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = $1",
        child,
    )
    if orphans == 0:
        return True
    await connection.fetchval("SELECT pg_advisory_unlock($1)", key)
    return False


async def applied_versions(connection: Any, project: Project) -> list[str]:
    """Every version the database has recorded, in order; none where nothing was migrated.

    Raises OperatorError where the role may not read dbmate's table.
    """
    try:
        rows = await connection.fetch(
            f"SELECT version FROM {project.quoted_migrations_table} ORDER BY version"  # noqa: S608
        )
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return []
    except asyncpg.InsufficientPrivilegeError as failure:
        raise OperatorError(
            f"this role may not read {project.migrations_table}, so which migrations are "
            "applied is unknown: grant it SELECT there, or use the role that migrates",
            sqlstate=failure.sqlstate,
        ) from None
    return [row[0] for row in rows]


async def recorded_elsewhere(connection: Any, project: Project, versions: list[str]) -> str | None:
    """What is wrong where dbmate ran without this project's settings, None if it did not.

    It keeps its record in public.schema_migrations then, which may belong to somebody else
    as well: only one that holds a version of `versions` is of this project.
    """
    if project.migrations_table == _DBMATE_DEFAULT_TABLE:
        return None
    try:
        found = await connection.fetchval(
            f"SELECT count(*) FROM {_DBMATE_DEFAULT_TABLE} WHERE version = ANY($1)",  # noqa: S608
            versions,
        )
    except asyncpg.PostgresError:
        return None
    if not found:
        return None
    schema, _, table = project.migrations_table.rpartition(".")
    stray = _DBMATE_DEFAULT_TABLE.rpartition(".")[2]
    steps = [
        f"CREATE SCHEMA {schema};",
        f"ALTER TABLE {_DBMATE_DEFAULT_TABLE} SET SCHEMA {schema};",
    ]
    if table != stray:
        steps.append(f"ALTER TABLE {schema}.{stray} RENAME TO {table};")
    return (
        f"its migrations are recorded in {_DBMATE_DEFAULT_TABLE}, because dbmate ran without "
        f"--env-file {project.dbmate_env}: run {' '.join(steps)} or start with an empty database"
    )


async def cancel_child(session: MigrationSession) -> None:
    """Cancel what the child's connection is doing: its end alone does not stop the server."""
    try:
        async with asyncio.timeout(CANCEL_LIMIT_S):
            await session.connection.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = $1",
                session.child_name,
            )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return


async def _close(connection: "Connection") -> None:
    try:
        await connection.close(timeout=CANCEL_LIMIT_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection.terminate()
