"""Bulk transactions: the same results as everywhere else, on connections that can COPY numbers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import whaledb
from typedsql.database import Database
from typedsql.errors import CodeError, DataError
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones, smc_patterns

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}


def zone(**changes: Any) -> dict[str, Any]:
    level = {"price_level": Decimal("2000.50"), "size": Decimal(1), "side": "bid", "strength": None}
    return level | MARKET | changes


async def test_generated_functions_give_the_same(db: Database) -> None:
    async with db.bulk_transaction() as bulk:
        made = await liquidity_zones.insert(bulk, **zone(size=Decimal("0.10"), strength=1))
        pattern = await smc_patterns.insert(
            bulk,
            exchange="fx",
            symbol="EURUSD",
            pattern_type="fvg_bullish",
            time_frame="15m",
            detected_at=datetime(2022, 10, 10, tzinfo=UTC),
            price_level=Decimal("0.97"),
            status="active",
            metadata={"top": Decimal("1.6E-7")},
        )
    for read in (db.transaction, db.bulk_transaction):
        async with read() as tx:
            assert await liquidity_zones.get(tx, id=made.id) == made
            assert await smc_patterns.get(tx, id=pattern.id) == pattern
    assert repr(await liquidity_zones.get(db, id=made.id)) == repr(made)


async def test_records_with_numbers_can_be_copied(db: Database) -> None:
    columns = ["exchange", "symbol", "side", "price_level", "size"]
    record = ("kraken", "ETH-USD", "bid", Decimal("1.10"), Decimal(2))
    async with db.bulk_transaction() as bulk:
        await bulk.driver_connection.copy_records_to_table(
            "liquidity_zones", schema_name="public", columns=columns, records=[record]
        )
    assert await liquidity_zones.count(db, **MARKET) == 1
    # The control: on the connections for queries the driver refuses it.
    with pytest.raises(asyncpg.InternalClientError, match="no binary format encoder"):
        async with db.transaction() as tx:
            await tx.driver_connection.copy_records_to_table(
                "liquidity_zones", schema_name="public", columns=columns, records=[record]
            )
    with pytest.raises(CodeError, match="the transaction has ended"):
        _ = tx.driver_connection


@pytest.mark.parametrize(
    "size",
    [
        1.5,
        "1",
        True,
        Decimal("1E131072"),
        Decimal("-1E131072"),
        pytest.param(10**131_073, id="ten to the power of 131073"),
        Decimal("sNaN"),
        Decimal("-NaN"),
        Decimal("NaN7"),
        Decimal("1E-16384"),
    ],
)
async def test_a_number_is_refused_on_both_kinds_of_connection(db: Database, size: Any) -> None:
    for begin in (db.transaction, db.bulk_transaction):
        with pytest.raises(DataError, match=r"liquidity_zones\.insert: ") as caught:
            async with begin() as tx:
                await liquidity_zones.insert(tx, **zone(size=size))
        assert "131072" not in str(caught.value)
        with pytest.raises(DataError, match=r"liquidity_zones\.merge_batch: "):
            async with begin() as tx:
                await liquidity_zones.merge_batch(
                    tx,
                    **MARKET,
                    sides=["bid"],
                    price_levels=[Decimal(1)],
                    sizes=[size],
                    strengths=[None],
                )
    assert await liquidity_zones.count(db, **MARKET) == 0


@pytest.mark.parametrize(("size", "stored"), [(1.5, "1.5"), (Decimal("1E131072"), "0")])
async def test_the_drivers_codec_takes_them(
    connection: asyncpg.Connection, size: Any, stored: str
) -> None:
    """The control of the test before."""
    assert await connection.fetchval("SELECT CAST($1::NUMERIC AS TEXT)", size) == stored


async def test_bulk_work_leaves_the_connections_of_queries_alone(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1, bulk_max_size=1) as db:
        assert db.statistics().bulk.size == 0
        async with db.bulk_transaction() as bulk, db.transaction() as tx:
            assert await liquidity_zones.count(bulk, **MARKET) == 0
            assert await liquidity_zones.count(tx, **MARKET) == 0
            counts = db.statistics()
            assert (counts.bulk.in_use, counts.queries.in_use) == (1, 1)
        assert (db.statistics().bulk.idle, db.statistics().queries.idle) == (1, 1)
