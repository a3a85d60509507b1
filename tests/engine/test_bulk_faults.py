"""Merging many rows while connections break, callers are cancelled and others merge too."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.engine.bulk_things import Thing, connected, locked, merge, stored, waiting
from typedsql.bulk import MergeReport, chunks, merging
from typedsql.bulk.copying import guarded
from typedsql.bulk.rows import describe
from typedsql.database import Database
from typedsql.errors import ConnectionLost, TransientError

# More than the buffers of a socket and of the driver hold, so that its writer is paused.
PAUSING: Final = 1_000
LONG: Final = "x" * 4_000
HANGS_AFTER_S: Final = 0.7
DEADLINE_S: Final = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(databases: Databases) -> AsyncGenerator[Database]:
    async with connected(databases) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def db(database: Database) -> Database:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE public.things")
    return database


async def cancelled_after(turns: int, work: Coroutine[Any, Any, Any]) -> None:
    """Cancels it after so many turns of the event loop, and takes whatever it raised."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_failure_that_nobody_waits_for_is_not_logged(db: Database) -> None:
    """The event loop would tell of it with the row's values."""

    async def fail() -> None:
        raise asyncpg.UniqueViolationError("(hash)=(secret)")

    async def unguarded() -> None:
        await asyncio.wait({asyncio.ensure_future(fail())})

    async def noise_of(waiting_for: Callable[[], Coroutine[Any, Any, Any]]) -> int:
        loop, noise = asyncio.get_running_loop(), list[Any]()
        loop.set_exception_handler(lambda _, told: noise.append(told))
        try:
            for turns in range(1, 6):
                await cancelled_after(turns, waiting_for())
            gc.collect()
        finally:
            loop.set_exception_handler(None)
        return len(noise)

    async with db.bulk_transaction() as tx:
        connection = tx.driver_connection
        assert await noise_of(lambda: guarded(connection, fail(), DEADLINE_S)) == 0
    # The control.
    assert await noise_of(unguarded) > 0


def things(count: int, *, start: int = 0, word: str = LONG) -> list[Thing]:
    return [Thing(id=number, word=word) for number in range(start, start + count)]


async def ended(observer: Any, task: "asyncio.Task[Any]") -> None:
    """Ends the backend that waits for the lock."""
    (pid,) = await waiting(observer, task)
    assert await observer.fetchval("SELECT pg_terminate_backend($1)", pid)


async def test_a_connection_that_breaks_within_a_copy_is_told_at_once(db: Database) -> None:
    before = things(10)
    await merge(db, before)
    async with locked(db) as observer:
        task = asyncio.create_task(merge(db, things(PAUSING, start=10), attempts=1))
        await ended(observer, task)
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(task, DEADLINE_S)
    assert len(await stored(db)) == len(before)
    report = await merge(db, things(PAUSING + 10))
    assert (report.inserted, report.unchanged) == (PAUSING, 10)
    assert len(await stored(db)) == PAUSING + 10


async def test_the_driver_by_itself_waits_for_ever(db: Database) -> None:
    """The control of the test above, and of the next."""
    driver = await asyncpg.connect(**db.target.asyncpg_arguments())
    records = [(thing.id, thing.word) for thing in things(PAUSING)]
    async with locked(db) as observer:
        task = asyncio.create_task(
            driver.copy_records_to_table(
                "things", columns=["id", "word"], records=records, timeout=HANGS_AFTER_S / 2
            )
        )
        await ended(observer, task)
        done, _ = await asyncio.wait({task}, timeout=HANGS_AFTER_S)
    assert not done
    task.cancel()
    await asyncio.wait({task})
    driver.terminate()


async def test_its_chunk_is_merged_again_on_another_connection(db: Database) -> None:
    reports: list[MergeReport] = []
    async with locked(db) as observer:
        task = asyncio.create_task(
            merge(db, things(PAUSING), on_progress=reports.append, chunk_rows=PAUSING // 2)
        )
        await ended(observer, task)
        await waiting(observer, task)
    report = await asyncio.wait_for(task, DEADLINE_S)
    assert report.inserted == PAUSING
    assert [each.given for each in reports] == [PAUSING // 2, PAUSING]
    assert len(await stored(db)) == PAUSING


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_connection_that_breaks_before_the_first_chunk(
    db: Database, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    broken: list[int] = []

    async def break_once(connection: Any, table: str, columns: Sequence[str]) -> Any:
        if not broken:
            broken.append(await connection.fetchval("SELECT pg_backend_pid()"))
            await connection.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")
        return await describe(connection, table, columns)

    monkeypatch.setattr(merging, "describe", break_once)
    task = merge(db, things(10), attempts=attempts)
    if attempts == 1:
        with pytest.raises(ConnectionLost):
            await task
    else:
        assert (await task).inserted == 10
    assert broken


@pytest.mark.parametrize("staged", [False, True])
async def test_a_cancelled_merge_leaves_whole_chunks_only(db: Database, staged: bool) -> None:
    if staged:
        await merge(db, things(1, start=500, word="there"))
    first = asyncio.Event()
    go = asyncio.Event()

    async def after_the_first(_: MergeReport) -> None:
        first.set()
        await go.wait()

    task = asyncio.create_task(
        merge(db, things(1_000, word="w"), on_progress=after_the_first, chunk_rows=300)
    )
    await asyncio.wait_for(first.wait(), DEADLINE_S)
    async with locked(db) as observer:
        go.set()
        await waiting(observer, task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE_S)
    kept = await stored(db)
    assert {number for number, word in kept.items() if word == "w"} == set(range(300))
    report = await merge(db, things(1_000, word="w"))
    assert (report.given, report.unchanged) == (1_000, 300)


async def meet(db: Database, upwards: list[Thing], downwards: list[Thing]) -> list[Any]:
    """Two merges that each wait for the row in the middle, which then is not stored."""
    middle = upwards[len(upwards) // 2]
    async with db.connection() as holder, db.connection() as observer:
        block = holder.transaction()
        await block.start()
        await holder.execute(
            "INSERT INTO public.things (id, word) VALUES ($1, $2)", middle.id, middle.word
        )
        tasks = [asyncio.create_task(merge(db, rows, attempts=1)) for rows in (upwards, downwards)]
        await waiting(observer, *tasks, count=2)
        await block.rollback()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE_S)


async def test_two_merges_in_opposite_orders_do_not_deadlock(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    upwards = things(101, word="w")
    reports = await meet(db, upwards, upwards[::-1])
    assert sorted(report.inserted for report in reports) == [0, 101]
    assert sorted(report.unchanged for report in reports) == [0, 101]

    # The control: where chunks are not sorted, one is the victim of a deadlock.
    async with db.connection() as connection:
        await connection.execute("TRUNCATE public.things")
    monkeypatch.setattr(chunks, "in_order", list)
    reports = await meet(db, upwards, upwards[::-1])
    assert [report.sqlstate for report in reports if isinstance(report, TransientError)] == [
        "40P01"
    ]


async def overtaken(db: Database) -> list[int]:
    """Merges rows in two lanes of which the first chunk waits, and the second has a key of it.

    Returns what was stored while it waited, by the identifiers.
    """
    rows = [
        *(Thing(id=0, word="w"), Thing(id=1, word="first")),
        *(Thing(id=1, word="second"), Thing(id=2, word="w")),
        *(Thing(id=3, word="w"), Thing(id=4, word="w")),
    ]
    others = asyncio.Event()
    async with db.connection() as holder, db.connection() as observer:
        block = holder.transaction()
        await block.start()
        await holder.execute("INSERT INTO public.things (id, word) VALUES (0, 'held')")
        task = asyncio.create_task(
            merge(db, rows, on_progress=lambda _: others.set(), chunk_rows=2, lanes=2)
        )
        await asyncio.wait_for(others.wait(), DEADLINE_S)
        await waiting(observer, task)
        found = [each["id"] for each in await observer.fetch("SELECT id FROM public.things")]
        await block.rollback()
    report = await asyncio.wait_for(task, DEADLINE_S)
    assert report.given == len(rows)
    return sorted(found)


async def test_chunks_with_a_key_in_common_keep_their_order(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await overtaken(db) == [3, 4]
    assert (await stored(db))[1] == "second"

    # The control: where lanes do not look at the keys, the first is stored last.
    async with db.connection() as connection:
        await connection.execute("TRUNCATE public.things")
    monkeypatch.setattr(merging, "in_common", lambda _, __: False)
    assert {1, 2} <= set(await overtaken(db))
    assert (await stored(db))[1] == "first"
