"""What pending migrations do to the named queries: analysed before and after each of them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from typedsql.embedded import EmbeddedServer
from typedsql.errors import ConfigurationError
from typedsql.tools.analysis import Analysed
from typedsql.tools.config import Checkout, read_checkout
from typedsql.tools.differences import Change, compare
from typedsql.tools.migration_files import MigrationFile, list_migrations
from typedsql.tools.project_analysis import (
    ProjectAnalysis,
    Reading,
    analyse_project,
    read_queries,
    statements_of,
)
from typedsql.tools.proof.access import ROWS
from typedsql.tools.scratch import migrate_with, open_analysis, scratch_server

_DATABASE = "impact"


class Step(msgspec.Struct, frozen=True):
    """One pending migration."""

    version: str
    name: str
    changes: tuple[Change, ...]


class Impact(msgspec.Struct, frozen=True):
    """What the pending migrations do, one after the other."""

    since: str | None
    """Version before the first of them, None where nothing was applied."""
    steps: tuple[Step, ...]
    unread: tuple[str, ...]
    """Columns that no query reads once all are applied: ``schema.table.column``."""

    @property
    def broken(self) -> tuple[str, ...]:
        """The queries that were right, and are wrong in the end."""
        state: dict[str, bool] = {}
        for step in self.steps:
            state |= {change.query: change.breaks for change in step.changes}
        return tuple(name for name, breaks in state.items() if breaks)

    @property
    def breaks(self) -> bool:
        """Whether there is one."""
        return bool(self.broken)


async def find_impact(root: Path, applied: Sequence[str]) -> Impact:
    """Apply the migrations that are not among `applied` one by one to a scratch database.

    Raises ConfigurationError where `applied` names a migration that is not here, or lacks
    one that is older than its newest: in which order they would run is not known then.
    """
    checkout = read_checkout(root)
    files = list_migrations(checkout.project)
    count = _prefix(checkout, files, applied)
    readings = read_queries(checkout)
    with scratch_server(checkout.project) as server:
        before = await _analyse_after(server, checkout, files[:count], readings)
        steps: list[Step] = []
        latest = {item.statement.name: item for item in statements_of(before)}
        for end in range(count + 1, len(files) + 1):
            after = await _analyse_after(server, checkout, files[:end], readings)
            file = files[end - 1]
            steps.append(Step(file.version, file.name, tuple(compare(before, after))))
            before = after
            latest |= {item.statement.name: item for item in statements_of(after)}
    since = files[count - 1].version if count else None
    return Impact(since, tuple(steps), tuple(unread_columns(before, latest.values())))


def _prefix(checkout: Checkout, files: Sequence[MigrationFile], applied: Sequence[str]) -> int:
    """How many of the files are applied."""
    known = [file.version for file in files]
    done = set(applied)
    strange = sorted(done - set(known))
    if strange:
        raise ConfigurationError(
            f"the database has the migration {strange[0]}, which "
            f"{checkout.project.migrations_dir} lacks: check out the code that has it"
        )
    missing = [version for version in known[: len(done)] if version not in done]
    if missing:
        raise ConfigurationError(
            f"the database lacks the migration {missing[0]}, though it has a newer one: "
            "apply it first, or give it a newer version"
        )
    return len(done)


async def _analyse_after(
    server: EmbeddedServer,
    checkout: Checkout,
    files: Sequence[MigrationFile],
    readings: Sequence[Reading],
) -> ProjectAnalysis:
    target = server.target(_DATABASE)
    await migrate_with(target, checkout.project, files)
    async with open_analysis(target) as connection:
        return await analyse_project(connection, checkout, readings)


def unread_columns(analysis: ProjectAnalysis, readers: Iterable[Analysed]) -> Iterator[str]:
    """Columns of tables that no query mentions; a table that none reads is told as a whole.

    `readers` are all queries as they last could be analysed: what one reads that is broken now
    is not unread, since it will be repaired.
    """
    read = {item for found in readers for item in found.access.reads}
    tables: dict[str, list[str]] = {}
    for table, column in analysis.columns:
        tables.setdefault(table, []).append(column)
    for table, columns in tables.items():
        unread = [name for name in columns if (table, name) not in read]
        if unread == columns and (table, ROWS) not in read:
            yield f"{table}.*"
        else:
            yield from (f"{table}.{name}" for name in unread)
