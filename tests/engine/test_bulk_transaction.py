"""Bulk transactions: the same results as everywhere else, on connections that can COPY numbers."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.engine.query_folder import QueryFolder
from typedsql.database import Database
from typedsql.errors import CodeError, DataError
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones, smc_patterns, whale_transactions

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
        transfer = await whale_transactions.insert(
            bulk,
            hash="0x" + "ab" * 32,
            chain_id=1,
            block_hash="0x" + "cd" * 32,
            trace_path="",
            block_number=20_615_000,
            block_timestamp=datetime(2024, 8, 26, 16, 21, tzinfo=UTC),
            from_address="0x" + "01" * 20,
            value_eth=Decimal("1250.5"),
            gas_price=20_000_000_000,
        )
    # As text, since numbers that are equal can be written in several ways.
    for begin in (db.transaction, db.bulk_transaction):
        async with begin() as tx:
            assert repr(await liquidity_zones.get(tx, id=made.id)) == repr(made)
            assert repr(await smc_patterns.get(tx, id=pattern.id)) == repr(pattern)
            found = await whale_transactions.get_by_hash(tx, chain_id=1, hash=transfer.hash)
            assert repr(found) == repr(transfer)
            rows = whale_transactions.stream_since(
                tx, chain_id=1, since=datetime(2024, 1, 1, tzinfo=UTC)
            )
            assert [repr(row) async for row in rows] == [repr(transfer)]


VALUES = """
    SELECT v.v FROM unnest(CAST(ARRAY[
        0, 0.00, 1.50, 10000, -100000000, 10000.00, 12345678.000012340000, -0.0001, 1e130,
        1e-20, 99990000, 123456789012345678901234567890.123456789, 'NaN', 'Infinity', '-Infinity'
    ] AS NUMERIC[])) AS v (v)
"""
QUERIES = f"""\
-- name: list_values()
{VALUES};

-- name: values_as_array()$
SELECT array_agg(v.v) AS v FROM ({VALUES}) AS v (v);

-- name: stream_values()
{VALUES};

-- name: insert_domains(single, many)!
INSERT INTO public.things (single, many) VALUES (:single, :many);
"""


async def test_numbers_are_written_the_same(db: Database, tmp_path: Path) -> None:
    folder = QueryFolder(tmp_path, QUERIES)
    found: list[list[tuple[str, str, str]]] = []
    for begin in (db.transaction, db.bulk_transaction):
        async with begin() as tx:
            listed = [row[0] for row in await folder.bound("list_values")(tx)]
            array = await folder.bound("values_as_array")(tx)
            streamed = [row[0] async for row in folder.bound("stream_values")(tx)]
        texts = [list(map(str, values)) for values in (listed, array, streamed)]
        found.append(list(zip(*texts, strict=True)))
    assert found[0] == found[1]
    async with db.bulk_transaction() as tx:  # the control: the driver's codec by itself
        drivers = [str(row["v"]) for row in await tx.driver_connection.fetch(VALUES)]
    assert drivers != [listed for listed, _, _ in found[0]]


async def test_domains_over_numbers_are_looked_at_as_well(
    db: Database, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await connection.execute(
        "CREATE DOMAIN public.amount AS NUMERIC; CREATE DOMAIN public.price AS public.amount;"
        "CREATE TABLE public.things (single public.price, many public.price[])"
    )
    insert = QueryFolder(tmp_path, QUERIES).bound("insert_domains")
    for begin in (db.transaction, db.bulk_transaction):
        for single, many in ((1.5, []), (Decimal(1), [1.5]), (Decimal(1), [Decimal("1E131072")])):
            with pytest.raises(DataError):
                async with begin() as tx:
                    await insert(tx, single, many)
        async with begin() as tx:
            assert await insert(tx, Decimal(1), [Decimal(2), 3, None]) == 1


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
