"""One run of migrations, once it holds the lock: what dbmate is told, and what its end means."""

import asyncio
from typing import Any, NoReturn

import msgspec

from typedsql.errors import ConfigurationError, OperatorError, TransientError
from typedsql.project import Project
from typedsql.tools.dbmate import Announce, Dbmate, DbmateRun, child_environment, run_dbmate
from typedsql.tools.migration_files import MigrationFile
from typedsql.tools.migration_session import (
    MigrationSession,
    applied_versions,
    cancel_child,
    recorded_elsewhere,
)

LOCK_TIMEOUT_MS = 5000
"""How long a migration waits for a table lock before it gives way to the queue behind it."""
LOCK_ATTEMPTS = 5
LOCK_BACKOFF_S = 1.0

_LOCK_NOT_AVAILABLE = "55P03"
_DUPLICATE_RELATION = "42P07"
_REFUSED_OPTIONS = "unsupported startup parameter"

_INVALID_INDEXES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    NOT i.indisvalid
    AND c.relkind = 'i'
    AND n.nspname !~ '^pg_'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
        WHERE p.index_relid = i.indexrelid
    )
ORDER BY 1
"""


class MigrationRun(msgspec.Struct, frozen=True, kw_only=True):
    """What all steps of a run share."""

    session: MigrationSession
    project: Project
    program: Dbmate
    files: list[MigrationFile]
    announce: Announce

    async def applied(self) -> list[str]:
        """The versions the database has; OperatorError if one has no file here."""
        versions = await applied_versions(self.session.connection, self.project)
        known = [item.version for item in self.files]
        unknown = sorted(set(versions) - set(known))
        if unknown:
            folder = self.session.target.embedded_dir
            way_out = "" if folder is None else f", or delete {folder} if its data may go"
            raise OperatorError(
                f"the database has migration {unknown[-1]}, which is not in "
                f"{self.project.migrations_dir}/: use the newer code that has it{way_out}; "
                "nothing was done"
            )
        if not versions:
            stray = await recorded_elsewhere(self.session.connection, self.project, known)
            if stray:
                raise OperatorError(f"nothing was done to this database: {stray}")
        return versions

    async def up(self) -> tuple[str, ...]:
        """Apply what is pending; returns the files that were run."""
        applied = await self.applied()
        pending = [item for item in self.files if item.version not in applied]
        empty = [item.path.name for item in pending if item.empty]
        if empty:
            raise ConfigurationError(
                f"{self.project.migrations_dir}/{empty[0]} has nothing under `-- migrate:up`: "
                "write the change, or delete the file; nothing was done"
            )
        finished = await self._dbmate("migrate", pending) if pending else ()
        invalid = await invalid_indexes(self.session.connection)
        if invalid:
            raise OperatorError(
                f"the database has an invalid index, which no query uses: {', '.join(invalid)}; "
                f"its build failed: run REINDEX INDEX CONCURRENTLY {invalid[0]}; and "
                f"`{self.project.command} migrate` again"
            )
        return finished

    async def down(self, limit: int) -> tuple[tuple[str, ...], str | None]:
        """Undo up to `limit` migrations, newest first, each announced before it is touched.

        Returns the files that were undone, and the version that is left.
        """
        by_version = {item.version: item for item in self.files}
        applied = await self.applied()
        finished: list[str] = []
        while applied and len(finished) < limit:
            newest = by_version[max(applied)]
            self.announce(f"Undoing {newest.path.name}")
            finished += await self._dbmate("rollback", [newest])
            applied.remove(newest.version)
        return tuple(finished), max(applied, default=None)

    async def _dbmate(self, command: str, files: list[MigrationFile]) -> tuple[str, ...]:
        """Run dbmate, again where a table lock was not to be had; returns the files that ran."""
        finished: tuple[str, ...] = ()
        for attempt in range(1, LOCK_ATTEMPTS + 1):
            run = await self._dbmate_once(command, files)
            finished += run.finished
            if run.succeeded:
                return finished
            if run.sqlstate != _LOCK_NOT_AVAILABLE or attempt == LOCK_ATTEMPTS:
                await self._fail(command, files, run)
            pause_s = LOCK_BACKOFF_S * 2 ** (attempt - 1)
            self.announce(f"{run.failed} did not get its lock; trying again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
        raise AssertionError("unreachable")

    async def _dbmate_once(self, command: str, files: list[MigrationFile]) -> DbmateRun:
        target = self.session.target
        extra = {"PGAPPNAME": self.session.child_name}
        # A concurrent index build that runs into the limit leaves an invalid index behind.
        if all(item.transactional for item in files):
            extra["PGOPTIONS"] = f"-c lock_timeout={LOCK_TIMEOUT_MS}"
        try:
            while True:
                run = await run_dbmate(
                    self.program,
                    self.project,
                    command,
                    environment=child_environment(self.project, extra),
                    target=target,
                    sslmode=self.session.child_sslmode,
                    announce=self.announce,
                )
                if _REFUSED_OPTIONS not in run.message or "PGOPTIONS" not in extra:
                    return run
                # A session pooler takes no options; nothing has been run yet.
                del extra["PGOPTIONS"]
        except BaseException:
            await asyncio.shield(cancel_child(self.session))
            raise

    async def _fail(self, command: str, files: list[MigrationFile], run: DbmateRun) -> NoReturn:
        """Raise what a failed run comes to."""
        if run.failed is None:
            raise OperatorError(
                f"dbmate {command} failed: {run.message}: correct that and run it again; "
                "what was applied before stays",
                sqlstate=run.sqlstate,
            )
        told = run.failed + (f", line {run.line}" if run.line else "") + f": {run.message}"
        if run.sqlstate:
            told += f" (SQLSTATE {run.sqlstate})"
        if run.sqlstate == _LOCK_NOT_AVAILABLE:
            raise TransientError(
                f"migration {told}, {LOCK_ATTEMPTS} times: end the transactions that use its "
                "tables, or run it again when they are quiet",
                sqlstate=run.sqlstate,
            )
        failed = next((item for item in files if item.path.name == run.failed), None)
        if command == "migrate" and failed is not None and not failed.transactional:
            advice = await self._advice_outside_transaction(run)
        elif command == "migrate":
            advice = (
                "nothing of it was kept: correct the file and run it again; "
                "the migrations before it stay"
            )
        else:
            advice = "it is still applied: correct its down section and run it again"
        raise OperatorError(f"migration {told}; {advice}", sqlstate=run.sqlstate)

    async def _advice_outside_transaction(self, run: DbmateRun) -> str:
        invalid = await invalid_indexes(self.session.connection)
        if invalid:
            return (
                f"it left the invalid index {', '.join(invalid)}: remove what stood in its way, "
                f"run DROP INDEX CONCURRENTLY {invalid[0]}; and migrate again"
            )
        if run.sqlstate == _DUPLICATE_RELATION:
            return (
                "an earlier run was probably killed between making it and recording that: "
                "drop it (an index: DROP INDEX CONCURRENTLY) and migrate again"
            )
        return (
            "it runs outside a transaction, so what it did before that may have been kept: "
            "undo that by hand, correct the file and migrate again"
        )


async def invalid_indexes(connection: Any) -> list[str]:
    """Indexes that a failed build left behind, as ``schema.index``.

    PostgreSQL keeps them up to date and never reads them, and `IF NOT EXISTS` takes them
    for the real thing. The parent index of a partitioned table may rightly be invalid
    while its parts are attached, and is left out; so is one that is being built.
    """
    return [row[0] for row in await connection.fetch(_INVALID_INDEXES)]
