"""A table of things and what merges into it, for tests of merging itself."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from msgspec import Struct

from tests.databases import Databases
from typedsql.bulk import BulkMerge
from typedsql.database import Database
from typedsql.statements import Statement
from whaledb.project import PROJECT

SCHEMA: Final = """
CREATE TABLE public.kinds (name TEXT PRIMARY KEY);
INSERT INTO public.kinds VALUES ('good');
CREATE TABLE public.things (
    id BIGINT PRIMARY KEY,
    word TEXT NOT NULL CHECK (word <> 'bad'),
    kind TEXT REFERENCES public.kinds (name),
    cost NUMERIC,
    made_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
"""
MERGE: Final = """
WITH merged AS (
    INSERT INTO public.things AS t (id, word, kind, cost)
    SELECT s.id, s.word, s.kind, s.cost
    FROM pg_temp.things_staging AS s
    ORDER BY s.ctid ASC
    ON CONFLICT (id) DO UPDATE
        SET word = excluded.word
        WHERE t.word IS DISTINCT FROM excluded.word
    RETURNING (t.xmax = 0) AS inserted
)
SELECT
    count(*) FILTER (WHERE m.inserted) AS inserted,
    count(*) FILTER (WHERE NOT m.inserted) AS updated
FROM merged AS m
"""
MAX_POLLS: Final = 1000
POLL_INTERVAL_S: Final = 0.01


class Thing(Struct, frozen=True, gc=False, kw_only=True):
    id: int
    word: str
    kind: str | None = None
    cost: Any = None


_statement = Statement(
    name="things.merge_rows",
    sql=f"/* things.merge_rows */ {MERGE}",
    suffix="^",
    parameters=(),
    declared=(),
    prose="",
    location="things.sql:1",
    staging="things",
    columns=(("inserted", "int8"), ("updated", "int8")),
)
MERGING: Final = BulkMerge(_statement, Thing, table="public.things", key=("id",))


@asynccontextmanager
async def connected(databases: Databases) -> AsyncGenerator[Database, None]:
    """A database of its own with nothing else in it."""
    async with (
        databases.fresh() as target,
        Database.connect(target, project=PROJECT, migrations="ignore") as db,
    ):
        async with db.connection() as connection:
            await connection.execute(SCHEMA)
        yield db


async def merge(
    db: Any, rows: Any, on_progress: Any = None, on_rejected: Any = None, **limits: Any
) -> Any:
    return await MERGING.run(db, rows, on_progress, on_rejected, {"lanes": 1} | limits)


async def stored(db: Database) -> dict[int, str]:
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT id, word FROM public.things")
        left = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relname = 'things_staging'"
        )
    assert left == 0, "a staging table was left"
    assert db.statistics().bulk.in_use == 0
    return {row["id"]: row["word"] for row in rows}


@asynccontextmanager
async def locked(db: Database) -> AsyncGenerator[Any, None]:
    """While nobody else can write: a COPY stands still, and its sender is made to wait."""
    async with db.connection() as connection:
        block = connection.transaction()
        await block.start()
        await connection.execute("LOCK TABLE public.things IN SHARE MODE")
        try:
            yield connection
        finally:
            await block.rollback()


async def waiting(
    observer: "asyncpg.Connection[Any]", *tasks: "asyncio.Task[Any]", count: int = 1
) -> list[int]:
    """Process ids of the backends that wait for a lock, once there are so many.

    The tasks are those that have to be at it still.
    """
    for _ in range(MAX_POLLS):
        # Within a transaction what was seen first is seen again.
        await observer.execute("SELECT pg_stat_clear_snapshot()")
        rows = await observer.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if len(rows) == count:
            return [row["pid"] for row in rows]
        for task in tasks:
            assert not task.done(), task.exception()
        await asyncio.sleep(POLL_INTERVAL_S)
    raise AssertionError(f"{count} backends never waited for a lock")
