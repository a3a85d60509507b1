"""Migrations: run by dbmate, one run at a time, and reported in a sentence or two.

Every function takes the target and the project and opens its own connections. What
dbmate does not do is done here: a lock between runners, TLS settled beforehand, a limit
on waiting for locks, and a look at the indexes afterwards.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from typedsql.connect_failure import connection_failed
from typedsql.embedded import reachable
from typedsql.errors import ConfigurationError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.sqlstate import translate
from typedsql.tools.dbmate import Announce, find_dbmate
from typedsql.tools.migration_files import list_migrations, new_migration
from typedsql.tools.migration_run import MigrationRun
from typedsql.tools.migration_session import (
    LOCK_WAIT_LIMIT_S,
    applied_versions,
    migration_session,
    open_connection,
)

__all__ = [
    "MigrationState",
    "MigrationSummary",
    "create_tables",
    "drop_tables",
    "migrate",
    "new_migration",
    "refuse_remote",
    "reset_database",
    "rollback",
    "status",
]


class MigrationState(msgspec.Struct, frozen=True):
    """One migration; `name` is None where the database has a version without a file here."""

    version: str
    name: str | None
    applied: bool


class MigrationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did: the files it ran, in order, and where the database is now.

    `version` is the newest applied one, None where none is.
    """

    files: tuple[str, ...]
    version: str | None
    created_database: bool = False


def _silent(line: str) -> None:
    del line


@asynccontextmanager
async def _run(
    target: ConnectionTarget,
    project: Project,
    *,
    announce: Announce,
    create_database: bool = False,
    lock_wait_limit_s: float = LOCK_WAIT_LIMIT_S,
) -> AsyncGenerator[MigrationRun, None]:
    """Check all that can be checked without a server, then connect and take the lock."""
    files = list_migrations(project)
    program = await find_dbmate(project)
    async with migration_session(
        target,
        project,
        create_database=create_database,
        announce=announce,
        lock_wait_limit_s=lock_wait_limit_s,
    ) as session:
        run = MigrationRun(
            session=session, project=project, program=program, files=files, announce=announce
        )
        try:
            yield run
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as failure:
            raise translate(failure, query=None) or failure from failure


async def migrate(
    target: ConnectionTarget,
    project: Project,
    *,
    announce: Announce = _silent,
    lock_wait_limit_s: float = LOCK_WAIT_LIMIT_S,
) -> MigrationSummary:
    """Apply all pending migrations; makes the database if the server has none of its name.

    Concurrent callers wait for each other, `lock_wait_limit_s` at most, and the later ones
    find nothing left to do. `announce` is told each step.

    Raises OperatorError naming the migration that failed, the server's message and what
    to do; TransientError if it failed for want of a table lock; ConnectionFailed and
    ConfigurationError before anything was done.
    """
    async with _run(
        target,
        project,
        announce=announce,
        create_database=True,
        lock_wait_limit_s=lock_wait_limit_s,
    ) as run:
        files = await run.up()
        return MigrationSummary(
            files=files,
            version=run.files[-1].version if run.files else None,
            created_database=run.session.created_database,
        )


async def rollback(
    target: ConnectionTarget, project: Project, *, announce: Announce = _silent
) -> MigrationSummary:
    """Undo the newest applied migration, told to `announce` before anything is done.

    Does nothing where none is applied. Raises OperatorError if its down section fails,
    or if its file is not here: dbmate would then undo an older one.
    """
    async with _run(target, project, announce=announce) as run:
        files, version = await run.down(1)
        return MigrationSummary(files=files, version=version)


async def drop_tables(
    target: ConnectionTarget,
    project: Project,
    *,
    force: bool = False,
    announce: Announce = _silent,
) -> MigrationSummary:
    """Undo every migration, newest first. All data is lost.

    Refuses, before it connects, a server that is not on this machine unless `force`.
    """
    refuse_remote(target, "drop_tables", force=force)
    async with _run(target, project, announce=announce) as run:
        files, version = await run.down(len(run.files))
        return MigrationSummary(files=files, version=version)


async def create_tables(
    target: ConnectionTarget, project: Project, *, announce: Announce = _silent
) -> MigrationSummary:
    """The same as `migrate`."""
    return await migrate(target, project, announce=announce)


async def reset_database(
    target: ConnectionTarget,
    project: Project,
    *,
    force: bool = False,
    announce: Announce = _silent,
) -> MigrationSummary:
    """Undo every migration and apply all again. All data is lost.

    Refuses, before it connects, a server that is not on this machine unless `force`.
    """
    refuse_remote(target, "reset", force=force)
    async with _run(target, project, announce=announce, create_database=True) as run:
        await run.down(len(run.files))
        files = await run.up()
        return MigrationSummary(
            files=files,
            version=run.files[-1].version if run.files else None,
            created_database=run.session.created_database,
        )


async def status(target: ConnectionTarget, project: Project) -> list[MigrationState]:
    """All migrations by version, those the database has and this project lacks included.

    Reads only: it makes no table, and works on a read-only server.
    """
    files = {item.version: item.name for item in list_migrations(project)}
    async with reachable(target) as concrete:
        try:
            connection, _ = await open_connection(
                concrete, application_name=f"{project.name} migrations"
            )
            try:
                applied = await applied_versions(connection, project)
            finally:
                await connection.close()
        except Exception as failure:
            raise connection_failed(failure, concrete) or failure from failure
    return [
        MigrationState(version, files.get(version), version in applied)
        for version in sorted({*files, *applied})
    ]


def refuse_remote(target: ConnectionTarget, what: str, *, force: bool) -> None:
    """Raises ConfigurationError for a server that is not on this machine, unless forced."""
    if force or target.is_local():
        return
    raise ConfigurationError(
        f"{what} deletes all data and {target.describe()} is not on this machine: "
        "nothing was done; use force (--force) if you mean it"
    )
