"""Many rows at once: new ones, and such of which half are there."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
from msgspec.structs import astuple

import whaledb
from tests.benchmarks.data import COLUMNS, make_rows
from tests.benchmarks.frame import OURS, Bench, Case, Contenders, Goal, Sample
from tests.benchmarks.peers import psycopg3, statements_of_project
from typedsql.bulk.limits import CHUNK_ROWS, LANES
from typedsql.database import Database
from whaledb.queries import whale_transactions
from whaledb.rows import NewWhaleTransaction

MERGED_ROWS = 100_000
STATEMENT_LIMIT_S = 600.0
MERGED_COLUMNS = NewWhaleTransaction.__struct_fields__

LIMIT = "COPY of encoded bytes"
"""What no client can beat: the server's part alone."""
STRAIGHT = "asyncpg COPY"
PSYCOPG_COPY = f"{psycopg3.NAME} COPY"
EXECUTEMANY = "asyncpg executemany"
PIPELINE = f"{psycopg3.NAME} executemany"


@dataclass(frozen=True, slots=True)
class Table:
    """The table that is merged into, and what belongs to a case."""

    rows: Sequence[NewWhaleTransaction]
    admin: Any
    lanes: Sequence[Any]
    encoded: Sequence[bytes]
    """All rows in binary, a part for each lane."""
    encoded_half: Sequence[bytes]
    """Every second row."""

    async def clear(self) -> None:
        await self.admin.execute("TRUNCATE public.whale_transactions; CHECKPOINT")

    async def fill_half(self) -> None:
        await self.clear()
        await self.send(self.encoded_half)
        await self.admin.execute("CHECKPOINT")

    async def send(self, parts: Sequence[bytes]) -> None:
        async with asyncio.TaskGroup() as group:
            for lane, part in zip(self.lanes, parts, strict=True):
                group.create_task(copy_bytes(lane, part))

    async def check(self) -> None:
        """Raises RuntimeError where not every row is there."""
        stored = await self.admin.fetchval("SELECT count(*) FROM public.whale_transactions")
        if stored != len(self.rows):
            raise RuntimeError(f"{stored} rows are stored instead of {len(self.rows)}")

    def timed(
        self, prepare: Callable[[], Awaitable[None]], store: Callable[[], Awaitable[object]]
    ) -> Sample:
        async def sample() -> float:
            await prepare()
            started = time.perf_counter()
            await store()
            seconds = time.perf_counter() - started
            await self.check()
            return seconds

        return sample


async def copy_bytes(lane: Any, part: bytes) -> None:
    await lane.copy_to_table(
        "whale_transactions", source=io.BytesIO(part), columns=MERGED_COLUMNS, format="binary"
    )


def rows_to_merge(seed: int, count: int) -> list[NewWhaleTransaction]:
    wanted = [COLUMNS.index(name) for name in MERGED_COLUMNS if name in COLUMNS]
    names = [COLUMNS[index] for index in wanted]
    return [
        NewWhaleTransaction(**{name: row[index] for name, index in zip(names, wanted, strict=True)})
        for row in make_rows(seed, count)
    ]


async def encode(
    connection: Any, rows: Sequence[NewWhaleTransaction], parts: int
) -> Sequence[bytes]:
    """The bytes of binary COPY, as the server writes them."""
    found: list[bytes] = []
    await connection.execute(
        "CREATE TEMPORARY TABLE encoding (LIKE public.whale_transactions INCLUDING DEFAULTS)"
    )
    for part in range(parts):
        output = io.BytesIO()
        await connection.copy_records_to_table(
            "encoding", records=map(astuple, rows[part::parts]), columns=MERGED_COLUMNS
        )
        await connection.copy_from_table(
            "encoding", columns=MERGED_COLUMNS, output=output, format="binary"
        )
        await connection.execute("TRUNCATE encoding")
        found.append(output.getvalue())
    await connection.execute("DROP TABLE encoding")
    return found


@asynccontextmanager
async def opened(bench: Bench) -> AsyncGenerator[tuple[Database, Table], None]:
    rows = rows_to_merge(bench.seed + 2, bench.scaled(MERGED_ROWS, least=2 * LANES))
    async with AsyncExitStack() as stack:
        connections: list[Any] = []
        for _ in range(LANES + 1):
            connection = await asyncpg.connect(
                **bench.empty.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
            )
            stack.push_async_callback(connection.close)
            connections.append(connection)
        admin, *lanes = connections
        db = await stack.enter_async_context(
            whaledb.connect(bench.empty, command_timeout_s=STATEMENT_LIMIT_S)
        )
        table = Table(
            rows,
            admin,
            lanes,
            await encode(admin, rows, LANES),
            await encode(admin, rows[::2], LANES),
        )
        yield db, table
        await table.clear()


@asynccontextmanager
async def new_rows(bench: Bench) -> AsyncGenerator[Contenders, None]:
    async with opened(bench) as (db, table):
        stores: dict[str, Callable[[], Awaitable[object]]] = {
            OURS: partial(whale_transactions.merge_rows, db, table.rows),
            LIMIT: partial(table.send, table.encoded),
            STRAIGHT: partial(straight, table),
        }
        missing: dict[str, str] = {}
        lacking = psycopg3.ARGS_ROW.lacks()
        if lacking is None:
            stores[PSYCOPG_COPY] = partial(psycopg_copy, bench, table)
        else:
            missing[PSYCOPG_COPY] = lacking
        samples = {name: table.timed(table.clear, store) for name, store in stores.items()}
        note = f"{LANES} lanes each; only {OURS} could be run again without an error"
        yield Contenders(samples, len(table.rows), missing, [note])


@asynccontextmanager
async def half_present(bench: Bench) -> AsyncGenerator[Contenders, None]:
    statement = statements_of_project("whale_transactions")["merge"]
    async with opened(bench) as (db, table):
        arguments = [[getattr(row, name) for name in statement.parameters] for row in table.rows]
        stores: dict[str, Callable[[], Awaitable[object]]] = {
            OURS: partial(whale_transactions.merge_rows, db, table.rows),
            EXECUTEMANY: partial(table.lanes[0].executemany, statement.sql, arguments),
        }
        missing: dict[str, str] = {}
        lacking = psycopg3.ARGS_ROW.lacks()
        if lacking is None:
            stores[PIPELINE] = partial(psycopg_executemany, bench, statement.sql, arguments)
        else:
            missing[PIPELINE] = lacking
        samples = {name: table.timed(table.fill_half, store) for name, store in stores.items()}
        yield Contenders(samples, len(table.rows), missing, ["every second row is there before"])


async def straight(table: Table) -> None:
    """COPY of records in chunks as large as ours, over as many connections."""
    chunks = iter(
        [table.rows[at : at + CHUNK_ROWS] for at in range(0, len(table.rows), CHUNK_ROWS)]
    )

    async def send(lane: Any) -> None:
        for chunk in chunks:
            await lane.copy_records_to_table(
                "whale_transactions", records=map(astuple, chunk), columns=MERGED_COLUMNS
            )

    async with asyncio.TaskGroup() as group:
        for lane in table.lanes:
            group.create_task(send(lane))


async def psycopg_copy(bench: Bench, table: Table) -> None:
    """COPY of rows as text, which takes them of any type, over as many connections."""
    import psycopg

    columns = ", ".join(MERGED_COLUMNS)

    async def send(part: Sequence[NewWhaleTransaction]) -> None:
        async with (
            await psycopg.AsyncConnection.connect(psycopg3.conninfo(bench.empty)) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"COPY public.whale_transactions ({columns}) FROM STDIN") as copy,
        ):
            for row in part:
                await copy.write_row(astuple(row))

    async with asyncio.TaskGroup() as group:
        for lane in range(LANES):
            group.create_task(send(table.rows[lane::LANES]))


async def psycopg_executemany(
    bench: Bench, sql: str, arguments: Sequence[Sequence[object]]
) -> None:
    """The single statement for each row, pipelined, in one transaction."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(psycopg3.conninfo(bench.empty)) as connection:
        cursor: Any = psycopg.AsyncRawCursor(connection)
        await cursor.executemany(sql, arguments)


CASES = (
    Case(
        name="merge/new",
        title="Merge new rows, idempotently",
        unit="rows",
        control=LIMIT,
        open=new_rows,
        goals=(Goal("merge_new_rate_vs_limit", OURS, LIMIT, "rate", "at least", 0.85),),
        rounds=7,
        quick_rounds=3,
        quick_scale=0.4,
    ),
    Case(
        name="merge/half",
        title="Merge rows of which half are there",
        unit="rows",
        control=EXECUTEMANY,
        open=half_present,
        goals=(Goal("merge_half_rate_vs_executemany", OURS, EXECUTEMANY, "rate", "at least", 2.0),),
        rounds=5,
        quick_rounds=3,
        quick_scale=0.1,
    ),
)
