"""The pool and its transactions, and what they say when something is wrong."""

import asyncio
import socket
import traceback
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import whaledb
from typedsql.database import Database
from typedsql.errors import (
    CodeError,
    ConnectionFailed,
    ConnectionLost,
    DataError,
    Error,
    MigrationMismatch,
    NoRowFound,
    OperatorError,
    StatementDrift,
    TimeoutExpired,
    TransientError,
)
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones, smc_patterns, whale_transactions
from whaledb.rows import LiquidityZone, WhaleTransaction

pytestmark = pytest.mark.versions

CANARY = Decimal("987654321.123456789")


def zone(price: str = "2000", **changes: Any) -> dict[str, Any]:
    return {
        "price_level": Decimal(price),
        "size": Decimal("1.5"),
        "side": "bid",
        "strength": Decimal("0.5"),
        "exchange": "kraken",
        "symbol": "ETH-USD",
    } | changes


async def count(db: Database) -> int | None:
    return await liquidity_zones.count(db, exchange="kraken", symbol="ETH-USD")


async def test_rows_are_typed_and_statements_commit_on_their_own(db: Database) -> None:
    made = await liquidity_zones.insert(db, **zone())
    assert isinstance(made, LiquidityZone)
    assert (made.price_level, made.side, made.created_at.tzinfo) == (Decimal(2000), "bid", UTC)
    assert await liquidity_zones.get(db, id=made.id) == made
    assert await liquidity_zones.delete(db, id=made.id) == 1
    assert await liquidity_zones.delete(db, id=made.id) == 0
    assert await liquidity_zones.get(db, id=made.id) is None


async def test_a_transaction_commits_at_its_end_and_rolls_back_on_any_exception(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        await liquidity_zones.insert(tx, **zone())
        assert await count(db) == 0
    assert await count(db) == 1
    with pytest.raises(KeyError):
        async with db.transaction() as tx:
            await liquidity_zones.insert(tx, **zone("2001"))
            raise KeyError("the caller's own")
    assert await count(db) == 1


async def test_a_savepoint_takes_back_its_part_alone(db: Database) -> None:
    async with db.transaction() as tx:
        await liquidity_zones.insert(tx, **zone())
        with pytest.raises(DataError):
            async with tx.transaction() as savepoint:
                await liquidity_zones.insert(savepoint, **zone("2001"))
                await liquidity_zones.insert(savepoint, **zone(side="buy"))
        await liquidity_zones.insert(tx, **zone("2002"))
    assert await count(db) == 2


async def test_without_a_savepoint_the_refused_row_takes_the_others_with_it(db: Database) -> None:
    """The control of the test before."""
    with pytest.raises(CodeError, match="transaction is aborted"):
        async with db.transaction() as tx:
            await liquidity_zones.insert(tx, **zone())
            with pytest.raises(DataError):
                await liquidity_zones.insert(tx, **zone(side="buy"))
            await liquidity_zones.insert(tx, **zone("2002"))
    assert await count(db) == 0


async def test_use_after_the_end_is_refused(db: Database) -> None:
    async with db.transaction() as tx:
        async with tx.transaction() as savepoint:
            pass
        with pytest.raises(CodeError, match="the transaction has ended"):
            await count_in(savepoint)
    with pytest.raises(CodeError, match="the transaction has ended"):
        await count_in(tx)


async def count_in(tx: Any) -> int | None:
    return await liquidity_zones.count(tx, exchange="kraken", symbol="ETH-USD")


async def test_two_tasks_on_one_transaction_are_told_so(db: Database) -> None:
    async with db.transaction() as tx:
        results = await asyncio.gather(*(count_in(tx) for _ in range(4)), return_exceptions=True)
    assert any(isinstance(result, CodeError) for result in results)
    assert all(isinstance(result, CodeError | int) for result in results)


async def test_isolation_read_only_and_serialization_failures(db: Database) -> None:
    with pytest.raises(OperatorError, match="read-only") as caught:
        async with db.transaction(readonly=True) as tx:
            await liquidity_zones.insert(tx, **zone())
    assert caught.value.sqlstate == "25006"
    async with db.connection() as connection, db.transaction(isolation="serializable") as tx:
        await count_in(tx)
        level = await connection.fetchval("SHOW transaction_isolation")
        assert level == "read committed"

    async def read_then_write(price: str, barrier: asyncio.Barrier) -> None:
        async with db.transaction(isolation="serializable") as tx:
            await count_in(tx)
            await barrier.wait()
            await liquidity_zones.insert(tx, **zone(price))

    barrier = asyncio.Barrier(2)
    results = await asyncio.gather(
        read_then_write("1", barrier), read_then_write("2", barrier), return_exceptions=True
    )
    failed = [result for result in results if result is not None]
    assert len(failed) == 1
    assert isinstance(failed[0], TransientError)
    assert failed[0].sqlstate == "40001"


async def test_stream_reads_all_in_order_and_gives_its_connection_back(
    target: ConnectionTarget,
) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        prices = [Decimal(n) for n in range(1, 1201)]
        await liquidity_zones.merge_batch(
            db,
            exchange="kraken",
            symbol="ETH-USD",
            sides=["bid"] * len(prices),
            price_levels=prices,
            sizes=[Decimal(1)] * len(prices),
            strengths=[None] * len(prices),
        )
        seen = [z.price_level async for z in liquidity_zones.stream_by_symbol(db, symbol="ETH-USD")]
        assert seen == prices
        async with aclosing(liquidity_zones.stream_by_symbol(db, symbol="ETH-USD")) as zones:
            async for found in zones:
                assert found.price_level == 1
                break
        # The pool has one connection: had the stream kept it, this would time out.
        assert await count(db) == len(prices)


async def test_a_cancelled_stream_gives_its_connection_back(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        await liquidity_zones.insert(db, **zone())
        inside = asyncio.Event()

        async def read() -> None:
            async with aclosing(liquidity_zones.stream_by_symbol(db, symbol="ETH-USD")) as zones:
                async for _ in zones:
                    inside.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(read())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await count(db) == 1


def shown(failure: BaseException) -> str:
    return "".join(traceback.format_exception(failure)) + repr(failure)


@pytest.mark.parametrize(
    ("changes", "told", "state"),
    [
        ({"size": -CANARY}, "liquidity_zones_size", "23514"),
        ({"side": "987654321"}, "liquidity_zones_side", "23514"),
        ({"exchange": None}, "parameter exchange was refused: it must not be None", None),
        ({"size": "987654321"}, "parameter size was refused", None),
        ({"size": 987654321.5}, "expected Decimal or int, got float", None),
        ({"symbol": 987654321}, "expected str, got int", None),
        ({"symbol": "987654321\x00"}, "liquidity_zones.insert", "22021"),
        ({"size": Decimal("987654321E131072")}, "value out of numeric range", "22003"),
    ],
)
async def test_refused_rows_are_named_and_their_content_is_not(
    db: Database, changes: dict[str, Any], told: str, state: str | None
) -> None:
    """Its control, the driver's own message, is case 44 in tests/security/test_secrets.py."""
    with pytest.raises(DataError) as caught:
        await liquidity_zones.insert(db, **zone(**changes))
    assert told in str(caught.value)
    assert str(caught.value).startswith("liquidity_zones.insert: ")
    assert caught.value.query == "liquidity_zones.insert"
    assert caught.value.sqlstate == state
    # What never reached the driver has no cause there.
    assert (caught.value.__cause__ is None) is (changes == {"exchange": None})
    # The calling line of this test is in the traceback, its values are not.
    assert "987654321" not in shown(caught.value)
    assert await count(db) == 0


async def test_exactly_one_row_is_kept_as_a_promise(db: Database) -> None:
    from typedsql.query import ExactlyOne

    statement = ExactlyOne(whale_transactions._get_by_hash._statement, WhaleTransaction)
    with pytest.raises(NoRowFound, match=r"whale_transactions\.get_by_hash: no row came back"):
        await statement.run(db, "0x" + "ab" * 32, 1)


async def test_documents_decode_with_exact_numbers(db: Database) -> None:
    made = await smc_patterns.insert(
        db,
        exchange="fx",
        symbol="EURUSD",
        pattern_type="fvg_bullish",
        time_frame="15m",
        detected_at=datetime(2022, 10, 10, tzinfo=UTC),
        price_level=Decimal("0.97"),
        status="active",
        metadata={"top": 1, "why": None},
    )
    assert made.metadata == {"top": 1, "why": None}
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE public.smc_patterns SET metadata = CAST($1 AS TEXT)::jsonb, updated_at = now()",
            '{"tick": 1.6E-7}',
        )
    read = await smc_patterns.get(db, id=made.id)
    assert read is not None
    assert read.metadata == {"tick": Decimal("1.6E-7")}


async def test_a_slow_statement_is_cancelled_and_the_pool_recovers(
    target: ConnectionTarget,
) -> None:
    async with whaledb.connect(target, max_size=2, command_timeout_s=0.3) as db:
        async with db.connection() as connection:
            await connection.execute("BEGIN")
            await connection.execute("LOCK TABLE public.liquidity_zones")
            with pytest.raises(TimeoutExpired, match=r"liquidity_zones\.count"):
                await count(db)
            await connection.execute("ROLLBACK")
        assert await count(db) == 0


async def test_a_connection_killed_in_a_transaction_is_a_typed_error(db: Database) -> None:
    with pytest.raises(ConnectionLost):
        async with db.transaction() as tx:
            await liquidity_zones.insert(tx, **zone())
            async with db.connection() as other:
                await other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND state = 'idle in transaction'"
                )
            await count_in(tx)
    assert await count(db) == 0


async def test_session_settings_of_a_raw_connection_do_not_leak(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        async with db.connection() as connection:
            await connection.execute("SET work_mem = '77MB'; CREATE TEMPORARY TABLE mine ()")
        async with db.connection() as connection:
            assert await connection.fetchval("SHOW work_mem") != "77MB"
            await connection.execute("CREATE TEMPORARY TABLE mine ()")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("RENAME COLUMN strength TO power", "does not exist: is the database migrated"),
        ("ALTER COLUMN exchange TYPE VARCHAR(50)", "exchange varchar where exchange text"),
    ],
)
async def test_first_use_finds_a_drifted_database(db: Database, change: str, told: str) -> None:
    async with db.connection() as connection:
        # The view is in the way of a type change, and of no interest here.
        await connection.execute(f"ALTER TABLE public.liquidity_zones {change}")
    with pytest.raises((StatementDrift, CodeError), match=told) as caught:
        await liquidity_zones.list_by_symbol(db, symbol="ETH-USD", max_rows=1)
    assert "liquidity_zones.list_by_symbol" in str(caught.value)


async def test_connect_compares_the_migration_version(target: ConnectionTarget) -> None:
    async with whaledb.connect(target) as db, db.connection() as connection:
        await connection.execute(
            "INSERT INTO dbmate.schema_migrations (version) VALUES ('29990101000000')"
        )
    with pytest.raises(MigrationMismatch, match=r"newer than .* deploy the newer code"):
        async with whaledb.connect(target):
            pass
    async with whaledb.connect(target, migrations="at_least") as db:
        assert await count(db) == 0
        async with db.connection() as connection:
            await connection.execute(
                "DELETE FROM dbmate.schema_migrations WHERE version >= '29990101000000' OR "
                "version = (SELECT max(version) FROM dbmate.schema_migrations "
                "WHERE version < '29990101000000')"
            )
    for demand in ("exact", "at_least"):
        with pytest.raises(MigrationMismatch, match="run `whaledb migrate`"):
            async with whaledb.connect(target, migrations=demand):  # type: ignore[arg-type]
                pass
    async with whaledb.connect(target, migrations="ignore") as db:
        assert await count(db) == 0


async def test_connect_to_an_empty_database_says_migrate(
    empty_database: ConnectionTarget,
) -> None:
    with pytest.raises(MigrationMismatch, match=r"has no migrations.*run `whaledb migrate`"):
        async with whaledb.connect(empty_database):
            pass


async def test_no_server_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        port = unused.getsockname()[1]
        await no_server_at(port)


async def no_server_at(port: int) -> None:
    url = f"postgresql://nobody:secret-canary@127.0.0.1:{port}/none?sslmode=disable"
    with pytest.raises(ConnectionFailed, match="no server answers there") as caught:
        async with whaledb.connect(url):
            pass
    assert "secret-canary" not in shown(caught.value)


async def test_every_error_has_one_base(db: Database) -> None:
    with pytest.raises(Error):
        await liquidity_zones.insert(db, **zone(side="left"))
