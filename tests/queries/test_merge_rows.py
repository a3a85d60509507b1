"""Bulk merges store what awaiting the single statement for each row in turn would."""

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest

from tests.queries.transfers import START, address_of, hash_of
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import liquidity_zones, market_data, whale_transactions
from whaledb.rows import NewLiquidityZone, NewMarketData, NewWhaleTransaction

pytestmark = pytest.mark.versions

SEED: Final = 6
GIVEN: Final = 150
KEYS: Final = 40
HOUR: Final = timedelta(hours=1)


def transfer(chance: random.Random) -> NewWhaleTransaction:
    number = chance.randrange(KEYS)
    return NewWhaleTransaction(
        hash=hash_of(number),
        chain_id=1,
        block_hash=hash_of(1),
        trace_path=chance.choice(["", "0_1"]),
        block_number=1,
        block_timestamp=START,
        from_address=address_of(number),
        to_address=chance.choice([address_of(2), None]),
        value_eth=Decimal(chance.randrange(10**20)).scaleb(-18),
        gas_price=1,
        gas_used=chance.choice([None, None, 21_000, 50_000]),
        succeeded=chance.choice([None, True, False]),
    )


def candle(chance: random.Random) -> NewMarketData:
    return NewMarketData(
        exchange=chance.choice(["kraken", "binance"]),
        symbol=chance.choice(["b", "B", "ä", "a"]),
        interval="1h",
        open_time=START + chance.randrange(15) * HOUR,
        open=Decimal(10),
        high=Decimal(chance.choice([20, 21])),
        low=Decimal(-5),
        close=Decimal(10),
        volume=Decimal("1.50"),
        trade_count=chance.choice([None, 1, 2]),
    )


def level(chance: random.Random) -> NewLiquidityZone:
    return NewLiquidityZone(
        exchange="kraken",
        symbol=chance.choice(["b", "B", "ä"]),
        side=chance.choice(["bid", "ask"]),
        # Equal numbers are one key, whatever their zeros.
        price_level=Decimal(chance.choice(["1", "1.0", "1E3", "1000", "-2", "7.25"])),
        size=Decimal(chance.randrange(1, 4)),
        strength=chance.choice([None, Decimal("0.25")]),
    )


CASES: Final[dict[str, tuple[Any, Any, Any, str]]] = {
    "whale_transactions": (
        whale_transactions.merge_rows,
        whale_transactions.merge,
        transfer,
        "t.hash, t.trace_path",
    ),
    "market_data": (
        market_data.merge_rows,
        market_data.merge,
        candle,
        "t.symbol, t.exchange, t.open_time",
    ),
    "liquidity_zones": (
        liquidity_zones.merge_rows,
        liquidity_zones.merge,
        level,
        "t.symbol, t.side, t.price_level",
    ),
}


async def table(db: Database, name: str, order: str) -> Sequence[Any]:
    """All rows, but what differs each time: ids, and when they were written."""
    async with db.transaction() as tx:
        rows = await tx.driver_connection.fetch(
            f"SELECT t.* FROM public.{name} AS t ORDER BY {order}"
        )
        await tx.driver_connection.execute(f"TRUNCATE public.{name}")
    volatile = {"id", "created_at", "updated_at", "whale_score"}
    return [
        {key: value for key, value in row.items() if key not in volatile}
        | {"changed": row["updated_at"] > row["created_at"]}
        for row in rows
    ]


@pytest.mark.parametrize("name", CASES)
async def test_the_same_as_one_by_one(db: Database, name: str) -> None:
    merge_rows, merge, make, order = CASES[name]
    chance = random.Random(SEED)
    rows = [make(chance) for _ in range(GIVEN)]
    await market_data.ensure_months(db, first=START, last=START + 20 * HOUR)
    single: Callable[..., Awaitable[bool | None]] = merge
    without_score = {"whale_score"}
    fates = [
        await single(
            db,
            **{
                key: value
                for key, value in msgspec.structs.asdict(row).items()
                if key not in without_score
            },
        )
        for row in rows
    ]
    expected = await table(db, name, order)
    assert len({len(rows), len(expected), fates.count(True)}) == 2

    for chunk_rows, lanes in ((GIVEN, 1), (25, 2)):
        report = await merge_rows(db, rows, chunk_rows=chunk_rows, lanes=lanes)
        assert report.inserted == fates.count(True)
        assert report.updated == fates.count(False)
        assert report.unchanged == fates.count(None)
        assert (report.given, report.rejected) == (GIVEN, 0)
        again = await merge_rows(db, [rows[-1]])
        assert again.unchanged == 1
        assert await table(db, name, order) == expected


async def test_the_score_is_given_or_follows_the_receipt(db: Database) -> None:
    given = msgspec.structs.replace(transfer(random.Random(1)), succeeded=None, gas_used=None)
    scored = msgspec.structs.replace(given, hash=hash_of(999), whale_score=Decimal("0.5000"))
    report = await whale_transactions.merge_rows(db, [given, scored])
    assert report.inserted == 2
    learnt = [msgspec.structs.replace(row, succeeded=True) for row in (given, scored)]
    before = await whale_transactions.list_by_block(db, chain_id=1, block_number=1, max_rows=9)
    assert {row.whale_score for row in before} == {None, Decimal("0.5000")}
    report = await whale_transactions.merge_rows(db, learnt)
    assert report.updated == 2
    after = await whale_transactions.list_by_block(db, chain_id=1, block_number=1, max_rows=9)
    assert None not in {row.whale_score for row in after}


async def test_a_candle_of_a_month_that_was_not_made_is_refused(db: Database) -> None:
    row = candle(random.Random(1))
    refused: list[DataError] = []
    report = await market_data.merge_rows(
        db, [row], on_rejected=lambda _, error: refused.append(error)
    )
    assert report.rejected == 1
    assert "no partition of the table takes the row: make it first" in str(refused[0])
