"""Through a pooler: nothing counts on a session of its own, and nothing is left in one."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import asyncpg
import pytest

import whaledb
from tests.engine.raw_statements import statement, value_of
from tests.pgbouncer import Pgbouncer, standing_before
from typedsql.database import Database, Transaction
from typedsql.driver_connection import ConnectionForTransactions
from typedsql.errors import CodeError, DataError
from typedsql.health import check_health
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones, users
from whaledb.rows import NewLiquidityZone

LIMIT = "SELECT current_setting('idle_in_transaction_session_timeout')"
LEFT = "SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture(scope="module")
def pgbouncer(shared_target: ConnectionTarget) -> Iterator[Pgbouncer]:
    # One session for all: what is left in it, the next one finds.
    with standing_before(shared_target, pool_size=1) as running:
        yield running
        assert running.complaints() == []


@pytest.fixture
def pooled(pgbouncer: Pgbouncer, target: ConnectionTarget) -> ConnectionTarget:
    return pgbouncer.target(target)


async def work(db: Database) -> int | None:
    """Each way of running statements, once."""
    zones = [
        NewLiquidityZone(
            exchange="kraken", symbol="ETH", side="bid", price_level=Decimal(n), size=Decimal(1)
        )
        for n in range(50)
    ]
    async with db.transaction() as tx:
        await liquidity_zones.insert(
            tx, exchange="kraken", symbol="X", price_level=Decimal(1), size=Decimal(1),
            side="bid", strength=None,
        )  # fmt: skip
        async with tx.transaction() as savepoint:
            assert [row async for row in users.stream_all(savepoint)] == []
        await liquidity_zones.delete_book(tx, exchange="kraken", symbol="X")

    async def count(tx: Transaction) -> int | None:
        return await liquidity_zones.count(tx, exchange="kraken", symbol="ETH")

    report = await liquidity_zones.merge_rows(db, zones)
    assert report.inserted + report.unchanged == 50
    assert [row async for row in users.stream_all(db)] == []
    return await db.run_transaction(count)


async def test_everything_runs_in_one_session_by_turns(pooled: ConnectionTarget) -> None:
    async with (
        whaledb.connect(pooled, max_size=5) as db,
        whaledb.connect(pooled, max_size=5) as another,
    ):
        assert await asyncio.gather(*(work(db) for _ in range(3)), work(another)) == [50] * 4
        assert await value_of(db, LEFT) == 0
        assert (await check_health(db)).status == "healthy"


class AsInAProcessOfItsOwn(asyncpg.Connection):
    """Each process counts its names from the beginning."""

    def _get_unique_id(self, prefix: str) -> str:
        return f"__asyncpg_{prefix}_1__"


async def test_the_driver_alone_leaves_names_that_others_meet(pooled: ConnectionTarget) -> None:
    """The control: with its cache the plain driver counts on its session."""
    arguments = pooled.asyncpg_arguments() | {"connection_class": AsInAProcessOfItsOwn}
    first = await asyncpg.connect(**arguments)
    second = await asyncpg.connect(**arguments)
    try:
        assert await first.fetchval(LEFT) == 1
        with pytest.raises(asyncpg.DuplicatePreparedStatementError):
            await second.fetchval(LEFT)
        await second.execute("DEALLOCATE ALL")
        with pytest.raises(asyncpg.InvalidSQLStatementNameError):
            await first.fetchval(LEFT)
    finally:
        await first.close()
        await second.close()


async def test_a_raw_connection_is_refused_for_it_has_no_session(pooled: ConnectionTarget) -> None:
    async with whaledb.connect(pooled) as db:
        with pytest.raises(CodeError, match="a transaction pooler has none to give"):
            async with db.connection():
                raise AssertionError


async def test_each_transaction_tells_how_long_it_may_be_idle(pooled: ConnectionTarget) -> None:
    async with whaledb.connect(pooled, idle_in_transaction_timeout_s=7) as db:
        for begin in (db.transaction, db.bulk_transaction):
            async with begin() as tx:
                assert await value_of(tx, LIMIT) == "7s"
        [[record]] = [records async for records in db.batches(statement(LIMIT), ())]
        assert record[0] == "7s"
        assert await value_of(db, LIMIT) == "0"


async def test_nothing_is_reset_in_a_session_that_others_have(pooled: ConnectionTarget) -> None:
    async with whaledb.connect(pooled, max_size=1) as db:
        async with db.transaction() as tx:
            assert isinstance(tx.driver_connection._con, ConnectionForTransactions)
        with pytest.raises(ZeroDivisionError):
            async with db.transaction():
                raise ZeroDivisionError
        assert db.statistics().queries.cleaned > 0
        assert db.statistics().queries.closed_broken == 0


async def test_a_refused_argument_leaves_no_table_locked(
    pooled: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with whaledb.connect(pooled, max_size=1) as db:
        with pytest.raises(DataError):
            await liquidity_zones.count(db, exchange="\ud800", symbol="ETH")
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute("LOCK TABLE public.liquidity_zones")
        assert await liquidity_zones.count(db, exchange="kraken", symbol="ETH") == 0


async def test_a_session_pooler_is_told_the_limit_once_it_is_open(
    target: ConnectionTarget,
) -> None:
    with standing_before(target, pool_mode="session") as running:
        async with whaledb.connect(
            running.target(target), max_size=1, idle_in_transaction_timeout_s=7
        ) as db:
            async with db.connection() as connection:
                assert await connection.fetchval(LIMIT) == "7s"
                await connection.execute("SET idle_in_transaction_session_timeout = '1h'")
            assert await value_of(db, LIMIT) == "7s"
        assert running.complaints() == []
