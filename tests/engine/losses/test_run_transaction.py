"""Transaction functions: what is run again, and what becomes of a COMMIT nobody answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import pytest

import whaledb
from tests.engine.losses.notes import SLOW_COMMIT, Notes, attempts, stored
from tests.engine.proxy import Proxy
from typedsql import rerun
from typedsql.database import Database, Transaction
from typedsql.errors import (
    CodeError,
    ConfigurationError,
    ConnectionLost,
    DataError,
    OutcomeUnknown,
    TimeoutExpired,
    TransientError,
)
from typedsql.settings import ConnectionTarget

T = TypeVar("T")


class Noting:
    """A transaction function that notes a word, and counts how often it was called."""

    def __init__(self, notes: Notes, word: str = "a") -> None:
        self._notes = notes
        self._word = word
        self.calls = 0

    async def __call__(self, tx: Transaction) -> str:
        self.calls += 1
        await self._notes.insert(tx, self._word)
        return f"call {self.calls}"


async def naively(db: Database, function: Callable[[Transaction], Awaitable[T]]) -> T:
    """The control: whoever runs again whatever was lost does not ask what became of it."""
    while True:
        try:
            async with db.transaction() as tx:
                return await function(tx)
        except (ConnectionLost, TransientError):
            continue


async def test_a_commit_that_was_not_answered_is_not_run_again(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    function = Noting(notes)
    proxy.cut_after(b"COMMIT")
    assert await db.run_transaction(function) == "call 1"
    assert proxy.met.is_set()
    assert await stored(connection) == ["first", "a"]

    proxy.cut_after(b"COMMIT")
    assert await naively(db, Noting(notes, "twice")) == "call 2"
    assert await stored(connection) == ["first", "a", "twice", "twice"]


async def test_a_commit_that_did_not_arrive_is(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    # What is prepared on a connection already passes without its text.
    for words in (b"pg_current_xact_id", b"BEGIN", b"unlucky", b"COMMIT"):
        before = len(await stored(connection))
        proxy.cut_before(words)
        await db.run_transaction(Noting(notes, "unlucky"))
        assert proxy.met.is_set()
        assert len(await stored(connection)) == before + 1


async def test_a_commit_still_at_work_is_waited_for(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    await connection.execute(SLOW_COMMIT.format(seconds=0.3))
    proxy.cut_during(b"COMMIT")
    function = Noting(notes)
    assert await db.run_transaction(function) == "call 1"
    assert proxy.met.is_set()
    assert await stored(connection) == ["first", "a"]


async def test_a_commit_at_work_for_too_long_is_unknown(
    lossy: tuple[Proxy, Database],
    notes: Notes,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy, db = lossy
    monkeypatch.setattr(rerun, "OUTCOME_TIMEOUT_S", 0.2)
    await connection.execute(SLOW_COMMIT.format(seconds=1))
    proxy.cut_during(b"COMMIT")
    with pytest.raises(OutcomeUnknown, match="COMMIT"):
        await db.run_transaction(Noting(notes))


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend", "the time limit"])
async def test_a_commit_that_was_ended_is_run_again(
    notes: Notes, target: ConnectionTarget, connection: asyncpg.Connection, how: str
) -> None:
    await connection.execute(SLOW_COMMIT.format(seconds=30))
    limit_s = 1.0 if how == "the time limit" else 60
    async with whaledb.connect(target, max_size=2, command_timeout_s=limit_s) as db:
        function = Noting(notes)
        running = asyncio.create_task(db.run_transaction(function))
        if how.startswith("pg_"):
            await end_the_sleeper(connection, how)
        if how == "pg_cancel_backend":  # 57014 is told by the server, and never run again
            with pytest.raises(TimeoutExpired, match="57014"):
                await running
            assert await stored(connection) == []
        else:
            assert await running == "call 2"
            assert await stored(connection) == ["a"]


async def end_the_sleeper(connection: asyncpg.Connection, how: str) -> None:
    ended = None
    while not ended:
        await asyncio.sleep(0.01)
        ended = await connection.fetchval(
            f"SELECT {how}(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )


@pytest.mark.versions
async def test_serialization_failures_are_run_again(
    db: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE TABLE public.counter (n BIGINT); INSERT INTO counter VALUES (0)"
    )
    calls = 0
    reading = asyncio.Barrier(2)

    async def increment(tx: Transaction) -> None:
        nonlocal calls
        calls += 1
        n = await tx.driver_connection.fetchval("SELECT n FROM public.counter")
        if calls <= 2:
            await reading.wait()  # both have read before either writes
        async with tx.transaction() as inner:
            await write(inner, n + 1)

    await asyncio.gather(
        *(db.run_transaction(increment, isolation="repeatable_read") for _ in range(2))
    )
    assert await connection.fetchval("SELECT n FROM public.counter") == 2
    assert calls == 3


async def write(tx: Transaction, n: int) -> None:
    try:
        await tx.driver_connection.execute("UPDATE public.counter SET n = $1", n)
    except asyncpg.SerializationError as failure:
        raise TransientError("the counter moved", sqlstate="40001") from failure


async def test_an_online_migration_under_a_transaction_function(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    migration = "ALTER TABLE public.notes ALTER COLUMN word TYPE VARCHAR({width})"
    await connection.execute(migration.format(width=50))

    async def find(tx: Transaction) -> object:
        return await notes.find(tx, "none")

    assert await db.run_transaction(find) is None
    await connection.execute(migration.format(width=60))
    with pytest.raises(TransientError, match="the schema changed"):  # the control
        async with db.transaction() as tx:
            await find(tx)
    await db.run_transaction(find)
    await connection.execute(migration.format(width=70))
    assert await db.run_transaction(find) is None


async def test_the_number_of_attempts_is_bounded_and_the_last_failure_told(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    async def fail(tx: Transaction) -> None:
        await notes.insert(tx, "never")
        await notes.fail_as(tx, "40001")

    with pytest.raises(TransientError, match="could not be serialized"):
        await db.run_transaction(fail, attempts=3)
    assert await attempts(connection) == 3
    assert await stored(connection) == []
    with pytest.raises(ConfigurationError, match="at least 1"):
        await db.run_transaction(fail, attempts=0)


async def test_what_no_repetition_changes_is_raised_at_once(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    async def fail(tx: Transaction) -> None:
        await notes.fail_as(tx, "23505")

    with pytest.raises(DataError):
        await db.run_transaction(fail)

    async def go_on(tx: Transaction) -> None:
        with pytest.raises(DataError):
            await fail(tx)

    with pytest.raises(CodeError, match="the block went on"):
        await db.run_transaction(go_on)
    assert await attempts(connection) == 2


async def test_one_inside_another_is_refused_and_beside_it_is_not(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    later: list[asyncio.Task[str]] = []
    ended = asyncio.Event()

    async def outer(tx: Transaction) -> str:
        with pytest.raises(CodeError, match="inside a transaction function"):
            await db.run_transaction(Noting(notes, "inner"))

        async def afterwards() -> str:
            await ended.wait()
            return await db.run_transaction(Noting(notes, "later"))

        later.append(asyncio.create_task(afterwards()))
        return "outer"

    assert await db.run_transaction(outer) == "outer"
    ended.set()
    assert await later[0] == "call 1"
    beside = [db.run_transaction(Noting(notes, "beside")) for _ in range(2)]
    assert await asyncio.gather(*beside) == ["call 1"] * 2
    assert await stored(connection) == ["later", "beside", "beside"]


async def test_what_only_reads_is_not_asked_for_its_number(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    proxy, db = lossy
    proxy.cut_before(b"pg_current_xact_id")
    assert await db.run_transaction(lambda tx: notes.count(tx), readonly=True) == 1
    assert not proxy.met.is_set()


async def test_a_cancelled_run_is_not_run_again(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    function = Noting(notes)

    async def dawdle(tx: Transaction) -> None:
        await function(tx)
        await asyncio.sleep(30)

    running = asyncio.create_task(db.run_transaction(dawdle))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert function.calls == 1
    assert await stored(connection) == []


async def test_a_call_in_place_of_the_function_is_told(db: Database, notes: Notes) -> None:
    async with db.transaction() as tx:
        called: Any = Noting(notes)(tx)
        with pytest.raises(CodeError, match=r"takes the function itself.*got coroutine"):
            await db.run_transaction(called)
