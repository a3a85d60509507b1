"""What a transaction stores when something in its block goes wrong, and what it says."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import whaledb
from typedsql.database import Database
from typedsql.errors import (
    CodeError,
    ConfigurationError,
    ConnectionLost,
    DataError,
    StatementDrift,
    TransientError,
)
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement
from whaledb.queries import liquidity_zones

pytestmark = pytest.mark.versions

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}


def zone(price: str, **changes: Any) -> dict[str, Any]:
    level = {"price_level": Decimal(price), "size": Decimal(1), "side": "bid", "strength": None}
    return level | MARKET | changes


async def count(db: Any) -> int | None:
    return await liquidity_zones.count(db, **MARKET)


async def test_a_swallowed_failure_does_not_end_as_if_all_was_stored(db: Database) -> None:
    with pytest.raises(CodeError, match="a statement failed and the block went on") as caught:
        async with db.transaction() as tx:
            await liquidity_zones.insert(tx, **zone("1"))
            with pytest.raises(DataError):
                await liquidity_zones.insert(tx, **zone("2", side="left"))
    assert isinstance(caught.value.__cause__, DataError)
    assert await count(db) == 0


async def test_the_driver_alone_commits_nothing_and_says_nothing(db: Database) -> None:
    """The control of the test before."""
    async with db.connection() as connection, connection.transaction():
        await connection.execute("CREATE TABLE public.unseen ()")
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("SELECT 1 / 0")
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('public.unseen')") is None


async def test_an_argument_refused_before_it_is_sent_costs_nothing_else(db: Database) -> None:
    async with db.transaction() as tx:
        await liquidity_zones.insert(tx, **zone("1"))
        with pytest.raises(DataError, match="parameter size was refused"):
            await liquidity_zones.insert(tx, **zone("2", size=1.5))
    assert await count(db) == 1


async def test_a_swallowed_failure_in_a_savepoint_takes_back_its_part(db: Database) -> None:
    async with db.transaction() as tx:
        await liquidity_zones.insert(tx, **zone("1"))
        with pytest.raises(CodeError, match="the block went on"):
            async with tx.transaction() as savepoint:
                await liquidity_zones.insert(savepoint, **zone("2"))
                with pytest.raises(DataError):
                    await liquidity_zones.insert(savepoint, **zone("3", side="left"))
        await liquidity_zones.insert(tx, **zone("4"))
    assert await count(db) == 2


async def test_a_savepoint_that_cannot_be_taken_back_takes_all_back(db: Database) -> None:
    """Another task's statement is in the way of ROLLBACK TO, so what is inside remains."""
    with pytest.raises(CodeError, match="nothing of it was stored"):
        async with db.transaction() as tx:
            with pytest.raises(KeyError):
                async with tx.transaction() as savepoint:
                    await liquidity_zones.insert(savepoint, **zone("1"))
                    other = asyncio.create_task(count(tx))
                    await asyncio.sleep(0)
                    raise KeyError
            await other
    assert await count(db) == 0


@pytest.mark.parametrize("failure", [None, KeyError("the block's own")])
async def test_a_task_that_outlives_its_transaction_harms_no_one_else(
    target: ConnectionTarget, failure: Exception | None
) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        await count(db)
        with pytest.raises((CodeError, KeyError)) as caught:
            async with db.transaction() as tx:
                await liquidity_zones.insert(tx, **zone("1"))
                other = asyncio.create_task(count(tx))
                await asyncio.sleep(0)
                if failure:
                    raise failure
        assert isinstance(caught.value, type(failure) if failure else CodeError)
        with pytest.raises(ConnectionLost):
            await other
        assert await count(db) == 0


async def test_a_statement_given_up_in_a_block_that_goes_on(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=2) as db, db.connection() as blocker:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE public.liquidity_zones")
            with pytest.raises(CodeError, match="the block went on"):
                async with db.transaction() as tx:
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await count(tx)
        assert await count(db) == 0


async def test_a_cancelled_begin_is_no_noise(db: Database) -> None:
    """The driver tells the event loop of a transaction that nobody ends; there is none."""
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        for turns in range(12):
            task = asyncio.create_task(in_a_transaction(db))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await count(db) in (0, 1)
    finally:
        loop.set_exception_handler(None)
    assert told == []
    assert db.pool_size == db.pool_idle


async def in_a_transaction(db: Database) -> None:
    async with db.transaction() as tx:
        await count(tx)


async def test_a_schema_change_under_a_prepared_statement(
    db: Database, connection: asyncpg.Connection
) -> None:
    async def levels() -> int:
        async with db.transaction() as tx:
            return len(await liquidity_zones.list_by_symbol(tx, symbol="ETH-USD", max_rows=1))

    assert await levels() == 0
    assert await liquidity_zones.get(db, id=UUID(int=1)) is None
    change = "ALTER TABLE public.liquidity_zones ALTER COLUMN exchange TYPE"
    await connection.execute(f"{change} VARCHAR(60)")
    with pytest.raises(TransientError, match="the schema changed meanwhile") as caught:
        await levels()
    assert caught.value.sqlstate == "0A000"
    with pytest.raises(StatementDrift, match="exchange varchar where exchange text"):
        await levels()
    with pytest.raises(StatementDrift):
        await liquidity_zones.list_by_symbol(db, symbol="ETH-USD", max_rows=1)
    # Of this one the driver has forgotten what it had prepared, and so the server tells nothing.
    with pytest.raises(StatementDrift):
        await liquidity_zones.get(db, id=UUID(int=1))
    # A connection that still waited inside the refused statement would lock the table.
    await connection.execute("SET lock_timeout = '5s'")
    await connection.execute(f"{change} TEXT")
    assert await levels() == 0


async def test_a_refused_first_call_locks_nothing(
    db: Database, connection: asyncpg.Connection
) -> None:
    with pytest.raises(DataError, match="parameter max_rows was refused: expected int, got float"):
        await liquidity_zones.list_by_symbol(db, symbol="ETH-USD", max_rows=1.5)  # type: ignore[arg-type]
    await connection.execute("SET lock_timeout = '5s'")
    async with connection.transaction():
        await connection.execute("LOCK TABLE public.liquidity_zones")


async def test_use_after_close_names_the_mistake(target: ConnectionTarget) -> None:
    async with whaledb.connect(target) as db:
        pass
    with pytest.raises(CodeError, match="the database is closed"):
        await count(db)


async def test_a_session_role_of_a_raw_connection_does_not_leak(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        async with db.connection() as connection:
            user = await connection.fetchval("SELECT current_user")
            await connection.execute("SET SESSION AUTHORIZATION whaledb_reader")
            await connection.execute("SELECT pg_advisory_lock(7)")
        async with db.connection() as connection:
            assert await connection.fetchval("SELECT current_user") == user
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7"
            assert await connection.fetchval(held) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"maxsize": 4}, "unknown option maxsize: known are"),
        ({"command_timeout_s": None}, "command_timeout_s: expected seconds"),
        ({"acquire_timeout_s": float("inf")}, "acquire_timeout_s: expected seconds"),
        ({"max_size": 0}, "max_size: expected a whole number of at least 1"),
    ],
)
async def test_options_that_would_be_ignored_or_wait_for_ever(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        async with whaledb.connect("postgresql://nobody@127.0.0.1/none", **options):
            pass


async def test_a_statement_that_counts_nothing_affects_no_rows(db: Database) -> None:
    statement = Statement(
        name="upkeep.analyse",
        sql="ANALYZE public.liquidity_zones",
        suffix="!",
        parameters=(),
        declared=(),
        prose="",
        location="",
    )
    assert await db.execute(statement, []) == 0
