"""How fast rows are stored as the table grows: ours beside straight COPY into the same table.

    python -m tests.benchmarks.growth [--rows 5000000] [--led-by-hash] [--data DIR] [--out FILE]

At each point every contender stores one block of new rows, in an order that the seed shuffles,
all into one table: so each meets the same indexes, as full as the others do, and the machine in
the same mood. Before the first point each stores blocks into the empty table, in turn. What is
not counted: making the rows, and encoding them for the contender that sends bytes.

All of them send the same columns over as many connections, and commit as many rows at a time.
Checkpoints are the server's own, by `max_wal_size` and `checkpoint_timeout`: after each, the first
change of a page writes the whole page to the WAL. Hashes and addresses are random, so that on a
large table nearly every row is the first change of some page: the points tell the pages and bytes
of WAL for a row. With `--led-by-hash` the primary key begins with the random hash of the
transaction and not with that of its block: the control of that choice.
"""

import argparse
import asyncio
import gc
import io
import random
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from msgspec.structs import astuple

from tests.benchmarks.frame import OURS
from tests.benchmarks.growing_rows import Transfers
from tests.benchmarks.server import measured_server
from tests.measure.indexes.alternatives import LED_BY_HASH
from typedsql import testing
from typedsql.bulk.limits import CHUNK_ROWS, LANES
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.project import PROJECT
from whaledb.queries import whale_transactions
from whaledb.rows import NewWhaleTransaction

TABLE: Final = "whale_transactions"
COLUMNS: Final = NewWhaleTransaction.__struct_fields__
STRAIGHT: Final = "straight COPY"
ENCODED: Final = "COPY of encoded bytes"
CONTENDERS: Final = (OURS, STRAIGHT, ENCODED)

ROWS: Final = 5_000_000
BLOCK_ROWS: Final = 100_000
EMPTY_ROUNDS: Final = 3
LAST_POINTS: Final = 3
"""The points at the end whose median is told as the rate into the grown table."""
STATEMENT_LIMIT_S: Final = 600.0
LEAST_OF_STRAIGHT: Final = 0.9
LEAST_OF_EMPTY: Final = 0.5

Rows = Sequence[NewWhaleTransaction]
Store = Callable[[Rows], Coroutine[Any, Any, float]]
"""Stores the rows and returns the seconds that it took."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One block of each contender."""

    rows: int
    """In the table afterwards."""
    seconds: dict[str, float]
    wal_bytes_per_row: float
    wal_pages_per_row: float
    """Whole pages that the WAL got, as they changed first after a checkpoint."""
    checkpoints: int
    """Since the point before."""


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The curve, and what is left of the rate into the empty table at its end."""

    block_rows: int
    empty: dict[str, list[float]]
    """Seconds of each block that went into an empty table."""
    points: list[Point]
    relations: dict[str, int]
    """Bytes of the table and each of its indexes at the end."""
    settings: dict[str, str]

    def rate_into_empty(self, name: str) -> float:
        return self.block_rows / statistics.median(self.empty[name])

    def rate_at_end(self, name: str) -> float:
        last = [point.seconds[name] for point in self.points[-LAST_POINTS:]]
        return self.block_rows / statistics.median(last)

    @property
    def of_straight(self) -> float:
        """Our rate in that of straight COPY into the grown table; the median of paired points."""
        return self._of(STRAIGHT)

    @property
    def of_encoded(self) -> float:
        return self._of(ENCODED)

    @property
    def of_empty(self) -> float:
        """Our rate into the grown table in our own into the empty one."""
        return self.rate_at_end(OURS) / self.rate_into_empty(OURS)

    def _of(self, name: str) -> float:
        last = self.points[-LAST_POINTS:]
        return statistics.median(point.seconds[name] / point.seconds[OURS] for point in last)


async def run(
    target: ConnectionTarget,
    *,
    rows: int = ROWS,
    block_rows: int = BLOCK_ROWS,
    seed: int,
    prepare: Sequence[str] = (),
    on_point: Callable[[Point], None] = lambda _: None,
) -> Growth:
    """Grow the table of a migrated database of its own from empty to `rows`.

    The statements of `prepare` are run first.
    """
    transfers = Transfers(seed)
    shuffle = random.Random(seed).shuffle
    order = list(CONTENDERS)
    empty: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    points: list[Point] = []
    # The first merge opens its connections.
    first = transfers.next(2 * LANES)
    async with contenders(target, first) as stores, watching(target) as watcher:
        for statement in prepare:
            await watcher.execute(statement)
        for _ in range(EMPTY_ROUNDS):
            shuffle(order)
            for name in order:
                await watcher.execute(f"TRUNCATE public.{TABLE}")
                empty[name].append(await timed(stores[name], transfers.next(block_rows)))
        await watcher.execute(f"TRUNCATE public.{TABLE}")
        stored = 0
        before = await activity(watcher)
        while stored < rows:
            shuffle(order)
            seconds: dict[str, float] = {}
            for name in order:
                seconds[name] = await timed(stores[name], transfers.next(block_rows))
            stored += block_rows * len(order)
            after = await activity(watcher)
            added = block_rows * len(order)
            points.append(
                Point(
                    rows=stored,
                    seconds=seconds,
                    wal_bytes_per_row=(after["wal_bytes"] - before["wal_bytes"]) / added,
                    wal_pages_per_row=(after["wal_pages"] - before["wal_pages"]) / added,
                    checkpoints=after["checkpoints"] - before["checkpoints"],
                )
            )
            before = after
            on_point(points[-1])
        found = await watcher.fetchval(f"SELECT count(*) FROM public.{TABLE}")
        if found != stored:
            raise RuntimeError(f"{found} rows are stored instead of {stored}")
        return Growth(
            block_rows=block_rows,
            empty=empty,
            points=points,
            relations=await sizes(watcher),
            settings=await settings(watcher),
        )


async def timed(store: Store, rows: Rows) -> float:
    """The store's own time; what others left to collect is collected before."""
    gc.collect()
    return await store(rows)


@asynccontextmanager
async def contenders(
    target: ConnectionTarget, first: Rows
) -> AsyncGenerator[Mapping[str, Store], None]:
    """What stores rows, each with connections of its own, opened by storing the `first` ones."""
    lanes: list[asyncpg.Connection] = []
    try:
        for _ in range(LANES):
            lanes.append(
                await asyncpg.connect(
                    **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
                )
            )
        await lanes[0].execute(
            f"CREATE TEMPORARY TABLE encoding (LIKE public.{TABLE} INCLUDING DEFAULTS)"
        )
        async with Database.connect(target, project=PROJECT) as db:
            await whale_transactions.merge_rows(db, first)

            async def ours(rows: Rows) -> float:
                started = time.perf_counter()
                report = await whale_transactions.merge_rows(db, rows)
                seconds = time.perf_counter() - started
                if report.inserted != len(rows):
                    raise RuntimeError(f"{report.inserted} of {len(rows)} rows were inserted")
                return seconds

            yield {
                OURS: ours,
                STRAIGHT: lambda rows: straight(lanes, rows),
                ENCODED: lambda rows: encoded(lanes, rows),
            }
    finally:
        for lane in lanes:
            await lane.close()


async def straight(lanes: Sequence[asyncpg.Connection], rows: Rows) -> float:
    """COPY of the rows as they come, in chunks as large as ours."""
    values = [astuple(row) for row in rows]
    chunks = iter([values[at : at + CHUNK_ROWS] for at in range(0, len(values), CHUNK_ROWS)])

    async def send(lane: asyncpg.Connection) -> None:
        for chunk in chunks:
            await lane.copy_records_to_table(
                TABLE, schema_name="public", columns=COLUMNS, records=chunk
            )

    return await all_of([send(lane) for lane in lanes])


async def encoded(lanes: Sequence[asyncpg.Connection], rows: Rows) -> float:
    """COPY of bytes that the server made of the rows beforehand: what a client cannot beat."""
    pieces: list[bytes] = []
    for at in range(0, len(rows), CHUNK_ROWS):
        buffer = io.BytesIO()
        await lanes[0].copy_records_to_table(
            "encoding", columns=COLUMNS, records=map(astuple, rows[at : at + CHUNK_ROWS])
        )
        await lanes[0].copy_from_table("encoding", columns=COLUMNS, output=buffer, format="binary")
        await lanes[0].execute("TRUNCATE encoding")
        pieces.append(buffer.getvalue())
    chunks = iter(pieces)

    async def send(lane: asyncpg.Connection) -> None:
        for chunk in chunks:
            await lane.copy_to_table(
                TABLE,
                schema_name="public",
                columns=COLUMNS,
                source=io.BytesIO(chunk),
                format="binary",
            )

    return await all_of([send(lane) for lane in lanes])


async def all_of(senders: Sequence[Coroutine[Any, Any, None]]) -> float:
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(sender)
    return time.perf_counter() - started


@asynccontextmanager
async def watching(target: ConnectionTarget) -> AsyncGenerator[asyncpg.Connection, None]:
    connection = await asyncpg.connect(
        **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
    )
    try:
        yield connection
    finally:
        await connection.close()


async def activity(connection: asyncpg.Connection) -> asyncpg.Record:
    """Counters of the server, which this benchmark has to itself."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    return await connection.fetchrow(
        "SELECT w.wal_bytes::BIGINT AS wal_bytes, w.wal_fpi AS wal_pages,"
        " c.num_timed + c.num_requested AS checkpoints"
        " FROM pg_stat_wal AS w CROSS JOIN pg_stat_checkpointer AS c"
    )


async def sizes(connection: asyncpg.Connection) -> dict[str, int]:
    found = await connection.fetch(
        "SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes FROM pg_class AS c"
        " LEFT JOIN pg_index AS i ON i.indexrelid = c.oid"
        " WHERE coalesce(i.indrelid, c.oid) = $1::TEXT::REGCLASS ORDER BY c.relname",
        f"public.{TABLE}",
    )
    return {row["name"]: row["bytes"] for row in found}


async def settings(connection: asyncpg.Connection) -> dict[str, str]:
    names = ("shared_buffers", "max_wal_size", "checkpoint_timeout", "wal_compression", "fsync")
    return {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}


def line_of(point: Point, block_rows: int) -> str:
    rates = "".join(f"{block_rows / point.seconds[name]:30,.0f}" for name in CONTENDERS)
    return (
        f"{point.rows:10,}{rates}{point.seconds[STRAIGHT] / point.seconds[OURS]:10.2f}"
        f"{point.wal_bytes_per_row:12,.0f}{point.wal_pages_per_row:12.2f}{point.checkpoints:13}"
    )


def heading() -> str:
    names = "".join(f"{name + ', rows/s':>30}" for name in CONTENDERS)
    return f"{'rows':>10}{names}{'ratio':>10}{'WAL bytes':>12}{'WAL pages':>12}{'checkpoints':>13}"


def conclusion(growth: Growth) -> str:
    """The rates at both ends and the two ratios that are asked for."""
    lines = [
        f"{name}: {growth.rate_into_empty(name):,.0f} rows/s into the empty table,"
        f" {growth.rate_at_end(name):,.0f} into the grown one"
        for name in CONTENDERS
    ]
    lines += [
        f"ours / straight COPY, grown: {growth.of_straight:.2f} (at least {LEAST_OF_STRAIGHT})",
        f"ours / COPY of encoded bytes, grown: {growth.of_encoded:.2f}",
        f"ours, grown / empty: {growth.of_empty:.2f} (at least {LEAST_OF_EMPTY})",
        ", ".join(f"{name} {value}" for name, value in growth.settings.items()),
        ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in growth.relations.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--block-rows", type=int, default=BLOCK_ROWS)
    parser.add_argument(
        "--led-by-hash", action="store_true", help="with the primary key led by the hash"
    )
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--data", type=Path, metavar="DIR", help="for the server's data")
    parser.add_argument("--out", type=Path, metavar="FILE", help="for the figures as JSON")
    options = parser.parse_args()
    with measured_server(options.data) as place:
        print("\n".join(place.description))
        print(f"seed {options.seed}, blocks of {options.block_rows} rows\n{heading()}", flush=True)
        with testing.Databases(place.target, PROJECT) as databases:
            growth = asyncio.run(
                run(
                    databases.create(databases.template()),
                    rows=options.rows,
                    block_rows=options.block_rows,
                    seed=options.seed,
                    prepare=LED_BY_HASH.do if options.led_by_hash else (),
                    on_point=lambda point: print(line_of(point, options.block_rows), flush=True),
                )
            )
    print(conclusion(growth))
    if options.out is not None:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(growth)))


if __name__ == "__main__":
    main()
