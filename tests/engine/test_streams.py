"""Streams: bounded memory, and whatever they hold is released however they end.

Each pool here has one connection: a stream that keeps it is found out by whoever asks next.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import whaledb
from tests.engine.query_folder import QueryFolder
from typedsql.database import Database
from typedsql.errors import CodeError, DataError, OperatorError, TimeoutExpired
from typedsql.query import Many, RowStream, Stream
from typedsql.settings import ConnectionTarget
from typedsql.transaction import CURSOR_BATCH_ROWS

pytestmark = pytest.mark.versions

ROWS = 3 * CURSOR_BATCH_ROWS + 7
WIDTH = 1_000

QUERIES = f"""\
-- name: stream_numbers(count)
SELECT n, repeat('x', {WIDTH}) AS filler FROM generate_series(1, CAST(:count AS INTEGER)) AS g (n);

-- name: stream_things(least)
SELECT t.id FROM public.things AS t WHERE t.id >= :least ORDER BY t.id ASC;

-- name: count_cursors()$
SELECT count(*) AS cursors FROM pg_catalog.pg_cursors AS c WHERE c.name <> '';

-- name: alter_things()!
ALTER TABLE public.things ADD COLUMN word TEXT;

-- name: stream_slow(pause_s)
-- @timeout 300ms
SELECT n, pg_sleep(CASE WHEN n > {CURSOR_BATCH_ROWS} THEN :pause_s ELSE 0 END) AS slept
FROM generate_series(1, {CURSOR_BATCH_ROWS + 10}) AS g (n);
"""

Use = Callable[[RowStream[Any]], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> QueryFolder:
    made = QueryFolder(tmp_path, QUERIES)
    assert made.told == []
    return made


@pytest.fixture
async def narrow(target: ConnectionTarget) -> AsyncGenerator[Database, None]:
    """A pool of one connection, for which nobody waits long."""
    async with whaledb.connect(target, max_size=1, acquire_timeout_s=2) as db:
        yield db


async def is_free(db: Database) -> bool:
    try:
        async with db.connection() as connection:
            return await connection.fetchval("SELECT 1") == 1
    except TimeoutExpired:
        return False


async def to_the_end(rows: RowStream[Any]) -> None:
    assert [row[0] async for row in rows] == list(range(1, ROWS + 1))
    assert [row async for row in rows] == []


async def break_out(rows: RowStream[Any]) -> None:
    async with rows:
        async for _ in rows:
            break


async def break_out_later(rows: RowStream[Any]) -> None:
    async with rows as same:
        async for row in same:
            if row[0] == CURSOR_BATCH_ROWS + 1:
                break


async def close_twice(rows: RowStream[Any]) -> None:
    await anext(rows)
    await rows.aclose()
    await rows.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(rows)


async def close_as_a_generator(rows: RowStream[Any]) -> None:
    async with aclosing(rows) as same:
        await anext(same)


async def raise_in_the_body(rows: RowStream[Any]) -> None:
    with pytest.raises(KeyError):
        async with rows:
            async for _ in rows:
                raise KeyError


async def be_cancelled_in_the_body(rows: RowStream[Any]) -> None:
    async def read() -> None:
        async with rows:
            async for _ in rows:
                inside.set()
                await asyncio.Event().wait()

    inside = asyncio.Event()
    task = asyncio.create_task(read())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def never_start(rows: RowStream[Any]) -> None:
    del rows


async def never_start_but_enter(rows: RowStream[Any]) -> None:
    async with rows:
        pass


ENDINGS: list[Use] = [
    to_the_end,
    break_out,
    break_out_later,
    close_twice,
    close_as_a_generator,
    raise_in_the_body,
    be_cancelled_in_the_body,
    never_start,
    never_start_but_enter,
]


@pytest.mark.parametrize("use", ENDINGS)
async def test_a_stream_releases_its_connection(
    narrow: Database, folder: QueryFolder, use: Use
) -> None:
    await use(folder.bound("stream_numbers")(narrow, ROWS))
    assert narrow.pool_idle == 1
    assert await is_free(narrow)


async def test_a_stream_that_is_kept_keeps_its_connection(
    target: ConnectionTarget, folder: QueryFolder
) -> None:
    """The control: without the block around it, and with a name for it, nothing releases it."""
    async with whaledb.connect(target, max_size=1, acquire_timeout_s=0.2) as db:
        rows = folder.bound("stream_numbers")(db, ROWS)
        async for _ in rows:
            break
        assert not await is_free(db)
        await rows.aclose()
        assert await is_free(db)


async def test_a_break_releases_a_stream_that_has_no_name(
    narrow: Database, folder: QueryFolder
) -> None:
    async for _ in folder.bound("stream_numbers")(narrow, ROWS):
        break
    assert await is_free(narrow)
    with pytest.raises(KeyError):
        async for _ in folder.bound("stream_numbers")(narrow, ROWS):
            raise KeyError
    assert await is_free(narrow)


async def test_a_stream_in_a_cycle_is_found_by_the_garbage_collector(
    narrow: Database, folder: QueryFolder
) -> None:
    async def start() -> None:
        cycle: list[Any] = [folder.bound("stream_numbers")(narrow, ROWS)]
        cycle.append(cycle)
        await anext(cycle[0])

    await start()
    gc.collect()
    assert await is_free(narrow)


async def test_cancellation_at_every_await(target: ConnectionTarget, folder: QueryFolder) -> None:
    stream = folder.bound("stream_numbers")

    async def read() -> None:
        async with stream(db, ROWS) as rows:
            async for _ in rows:
                pass

    async with whaledb.connect(target, max_size=1, acquire_timeout_s=5) as db:
        cancelled = 0
        for turns in range(60):
            task = asyncio.create_task(read())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            cancelled += isinstance(outcome, asyncio.CancelledError)
            assert await is_free(db), f"lost after {turns} turns"
        assert cancelled > 10


async def test_a_row_that_cannot_be_built_releases_the_connection(
    narrow: Database, folder: QueryFolder
) -> None:
    def build(*_: object) -> None:
        raise DataError("refused")

    stream = Stream(folder.statement("stream_numbers"), build).run
    rows = stream(narrow, ROWS)
    with pytest.raises(DataError, match="refused"):
        await anext(rows)
    assert await is_free(narrow)


async def test_a_late_batch_is_cancelled_and_releases_the_connection(
    narrow: Database, folder: QueryFolder
) -> None:
    rows = folder.bound("stream_slow")(narrow, 30)
    seen = 0
    with pytest.raises(TimeoutExpired, match=r"things\.stream_slow: .* @timeout of 0\.3 s"):
        async for _ in rows:
            seen += 1
    assert seen == CURSOR_BATCH_ROWS
    assert await is_free(narrow)


async def test_memory_holds_one_batch(narrow: Database, folder: QueryFolder) -> None:
    count = 40 * CURSOR_BATCH_ROWS

    async def streamed() -> None:
        async for _ in folder.bound("stream_numbers")(narrow, count):
            pass

    async def fetched() -> None:
        statement = folder.statement("stream_numbers")
        await Many(statement, lambda *values: values).run(narrow, count)

    stream_peak, fetch_peak = await peak_of(streamed), await peak_of(fetched)
    assert fetch_peak > count * WIDTH  # the control: all of it at once
    assert stream_peak < 3 * CURSOR_BATCH_ROWS * WIDTH * 2


async def peak_of(work: Callable[[], Awaitable[None]]) -> int:
    """Bytes that Python's objects took at most."""
    await work()
    gc.collect()
    tracemalloc.start()
    try:
        await work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("use", ENDINGS)
async def test_in_a_transaction_a_stream_leaves_no_cursor(
    narrow: Database, folder: QueryFolder, use: Use
) -> None:
    async with narrow.transaction() as tx:
        await use(folder.bound("stream_numbers")(tx, ROWS))
        assert await folder.bound("count_cursors")(tx) == 0
        assert await anext(folder.bound("stream_numbers")(tx, 1)) == (1, "x" * WIDTH)
    assert await is_free(narrow)


async def test_an_open_cursor_is_in_the_way(narrow: Database, folder: QueryFolder) -> None:
    """The control: what a stream that is not closed does to the rest of its transaction."""
    async with narrow.connection() as connection:
        await connection.execute(
            "CREATE TABLE public.things AS SELECT n AS id FROM generate_series(1, 2000) AS g (n)"
        )
    alter, stream = folder.bound("alter_things"), folder.bound("stream_things")
    async with narrow.transaction() as tx:
        rows = stream(tx, 1)
        assert await anext(rows) == (1,)
        assert await folder.bound("count_cursors")(tx) == 1
        with pytest.raises(OperatorError, match="is being used by active queries"):
            async with tx.transaction() as savepoint:
                await alter(savepoint)
        await rows.aclose()
        await alter(tx)


@pytest.mark.parametrize("then", ["statement", "stream", "savepoint", "end"])
async def test_a_dropped_stream_does_not_disturb_its_transaction(
    narrow: Database, folder: QueryFolder, then: str
) -> None:
    """It ends in a task of the event loop's, while the block goes on."""
    stream = folder.bound("stream_numbers")
    numbers = Many(folder.statement("stream_numbers"), lambda *values: values).run
    for turns in range(8):
        async with narrow.transaction() as tx:
            rows = stream(tx, ROWS)
            await anext(rows)
            async for _ in stream(tx, ROWS):
                break
            for _ in range(turns):
                await asyncio.sleep(0)
            if then == "statement":
                assert len(await numbers(tx, 3)) == 3
            elif then == "stream":
                assert len([row async for row in rows]) == ROWS - 1
            elif then == "savepoint":
                async with tx.transaction() as savepoint:
                    assert len(await numbers(savepoint, 3)) == 3
        assert await is_free(narrow)


async def test_a_stream_that_outlives_its_transaction_touches_nobody_else(
    narrow: Database, folder: QueryFolder
) -> None:
    stream = folder.bound("stream_numbers")
    numbers = Many(folder.statement("stream_numbers"), lambda *values: values).run
    for turns in range(4):
        async with narrow.transaction() as tx:
            rows = stream(tx, ROWS)
            await anext(rows)
        async with narrow.transaction() as other:
            closing = asyncio.create_task(rows.aclose())
            for _ in range(turns):
                await asyncio.sleep(0)
            assert len(await numbers(other, 2)) == 2
            await closing
    with pytest.raises(CodeError, match="the transaction has ended"):
        stream(tx, 1)


async def test_two_streams_take_turns_in_a_transaction(
    narrow: Database, folder: QueryFolder
) -> None:
    stream = folder.bound("stream_numbers")
    async with narrow.transaction() as tx, stream(tx, ROWS) as one, stream(tx, ROWS) as other:
        async for row in one:
            assert await anext(other) == row
