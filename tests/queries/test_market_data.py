"""Candles: made months, merged states of an open candle, and ranges by time."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import market_data
from whaledb.rows import MarketData

pytestmark = pytest.mark.versions

MANY = 1000
HOUR: Final = timedelta(hours=1)
# Two hours before a month ends: what spans hours from here spans two partitions.
START: Final = datetime(2026, 10, 31, 22, tzinfo=UTC)
CHART: Final[dict[str, str]] = {"exchange": "bitmex", "symbol": "XBTUSD", "interval": "1h"}


@pytest.fixture(autouse=True)
async def months(db: Database) -> None:
    assert await market_data.ensure_months(db, first=START, last=START + 4 * HOUR) == 2


def candle(hour: int, **changes: Any) -> dict[str, Any]:
    return (
        CHART
        | {
            "open_time": START + hour * HOUR,
            "open": Decimal(10),
            "high": Decimal(12),
            "low": Decimal(9),
            "close": Decimal(11),
            "volume": Decimal(100),
            "trade_count": None,
        }
        | changes
    )


async def stored(db: Database, *hours: int, **changes: Any) -> list[MarketData]:
    return [await market_data.insert(db, **candle(hour, **changes)) for hour in hours]


async def neighbours(db: Database) -> None:
    """Candles of charts that differ in one part of the key, at every hour of these tests."""
    for changes in ({"exchange": "okx"}, {"symbol": "ETH"}, {"interval": "1d"}):
        await stored(db, 0, 1, 2, 3, 4, **changes)


async def at(db: Database, hour: int) -> MarketData:
    row = await market_data.get(db, **CHART, open_time=START + hour * HOUR)
    assert row is not None
    return row


def hours(rows: list[MarketData]) -> list[float]:
    return [(row.open_time - START) / HOUR for row in rows]


def between(first: float, last: float) -> dict[str, Any]:
    return {**CHART, "since": START + first * HOUR, "until": START + last * HOUR}


async def test_ensure_months_makes_what_is_missing(db: Database) -> None:
    year = {"first": START, "last": START + timedelta(days=365)}
    assert await market_data.ensure_months(db, **year) == 11
    assert await market_data.ensure_months(db, **year) == 0
    with pytest.raises(DataError):
        await market_data.ensure_months(db, first=START, last=START - HOUR)


async def test_a_month_that_was_not_made_is_refused(db: Database) -> None:
    with pytest.raises(DataError) as refusal:
        await stored(db, 24 * 60)
    assert refusal.value.sqlstate == "23514"


async def test_insert_returns_the_row_as_stored(db: Database) -> None:
    prices = {
        "open": Decimal("-13311.5"),
        "high": Decimal("-1.00000001485"),
        "low": Decimal(-20000),
    }
    given = candle(0, **prices, close=Decimal(-5), trade_count=7)
    row = await market_data.insert(db, **given)
    assert {name: getattr(row, name) for name in given} == given
    assert await at(db, 0) == row
    with pytest.raises(DataError) as refusal:
        await market_data.insert(db, **given)
    assert refusal.value.sqlstate == "23505"
    [bare] = await stored(db, 1)
    assert bare.trade_count is None


async def test_merge_writes_the_newer_state_of_a_candle(db: Database) -> None:
    assert await market_data.merge(db, **candle(0)) is True
    assert await market_data.merge(db, **candle(0, volume=Decimal("100.0"))) is None
    assert await market_data.merge(db, **candle(0, close=Decimal(12), trade_count=5)) is False
    assert await market_data.merge(db, **candle(0, close=Decimal(12))) is None
    assert await market_data.merge(db, **candle(0, close=Decimal(9))) is False
    row = await at(db, 0)
    assert (row.close, row.trade_count) == (9, 5)
    for changes in ({"exchange": "okx"}, {"symbol": "ETH"}, {"interval": "4h"}):
        assert await market_data.merge(db, **(candle(0) | changes)) is True
    assert await market_data.merge(db, **candle(2)) is True
    assert await market_data.merge(db, **candle(2, trade_count=1)) is False


async def test_a_candle_stays_added_within_the_transaction_that_added_it(db: Database) -> None:
    async with db.transaction() as tx:
        assert await market_data.merge(tx, **candle(0)) is True
        assert await market_data.merge(tx, **candle(0, close=Decimal(12))) is True
        assert await market_data.merge(tx, **candle(0, close=Decimal(12))) is None
    assert await market_data.merge(db, **candle(0)) is False


@pytest.mark.parametrize(
    "changes",
    [
        {"open": Decimal("10.5")},
        {"high": Decimal(13)},
        {"low": Decimal(8)},
        {"close": Decimal(10)},
        {"volume": Decimal(101)},
        {"trade_count": 3},
    ],
)
async def test_merge_moves_updated_at_only_with_a_change(
    db: Database, changes: dict[str, Any]
) -> None:
    [row] = await stored(db, 0)
    await age(db, "market_data")
    await market_data.merge(db, **candle(0))
    assert (await at(db, 0)).updated_at == LONG_AGO
    await market_data.merge(db, **candle(0, **changes))
    changed = await at(db, 0)
    assert {name: getattr(changed, name) for name in changes} == changes
    assert changed.updated_at > LONG_AGO
    assert changed.created_at == row.created_at


async def batch(db: Database, *candles: dict[str, Any]) -> list[tuple[Any, bool | None]]:
    rows = await market_data.merge_batch(
        db,
        **CHART,
        open_times=[each["open_time"] for each in candles],
        opens=[each["open"] for each in candles],
        highs=[each["high"] for each in candles],
        lows=[each["low"] for each in candles],
        closes=[each["close"] for each in candles],
        volumes=[each["volume"] for each in candles],
        trade_counts=[each["trade_count"] for each in candles],
    )
    return sorted(((row.open_time - START) / HOUR, row.inserted) for row in rows)


async def test_merge_batch_writes_only_what_changed(db: Database) -> None:
    assert await batch(db, candle(3, trade_count=8), candle(0, trade_count=4), candle(1)) == [
        (0, True),
        (1, True),
        (3, True),
    ]
    await age(db, "market_data")
    assert await batch(db, candle(0), candle(3, close=Decimal(9)), candle(2)) == [
        (2, True),
        (3, False),
    ]
    rows = await market_data.list_candles(db, **between(0, 9), max_rows=MANY)
    assert [(row.close, row.trade_count, row.updated_at > LONG_AGO) for row in rows] == [
        (11, 4, False),
        (11, None, False),
        (11, None, True),
        (9, 8, True),
    ]
    assert await batch(db) == []


async def test_of_a_candle_given_twice_the_last_counts(db: Database) -> None:
    assert await batch(db, candle(0), candle(0, close=Decimal(12))) == [(0, True)]
    assert (await at(db, 0)).close == 12


@pytest.mark.parametrize(
    "changes",
    [
        {"interval": "7m"},
        {"high": Decimal("10.9")},
        {"low": Decimal("10.1")},
        {"volume": Decimal(-1)},
        {"trade_count": -1},
        {"exchange": ""},
    ],
)
async def test_bounds_are_refused(db: Database, changes: dict[str, Any]) -> None:
    for write in (market_data.insert, market_data.merge):
        with pytest.raises(DataError):
            await write(db, **(candle(0) | changes))
    assert await market_data.count(db, **between(0, 1)) == 0


async def test_get_latest_is_of_one_chart(db: Database) -> None:
    await neighbours(db)
    assert await market_data.get_latest(db, **CHART) is None
    await stored(db, 0, 3, 1)
    assert await market_data.get_latest(db, **CHART) == await at(db, 3)
    assert await market_data.get(db, **CHART, open_time=START + 2 * HOUR) is None


async def test_ranges_are_half_open(db: Database) -> None:
    await stored(db, 0, 1, 2, 3, 4)
    await neighbours(db)
    given = between(1, 4)
    rows = await market_data.list_candles(db, **given, max_rows=MANY)
    assert hours(rows) == [1, 2, 3]
    async with aclosing(market_data.stream_candles(db, **given)) as stream:
        assert [row async for row in stream] == rows
    assert await market_data.count(db, **given) == 3
    assert await market_data.delete_range(db, **given) == 3
    assert await market_data.delete_range(db, **given) == 0
    assert hours(await market_data.list_candles(db, **between(0, 9), max_rows=MANY)) == [0, 4]
    for changes in ({"exchange": "okx"}, {"symbol": "ETH"}, {"interval": "1d"}):
        assert await market_data.count(db, **(between(0, 9) | changes)) == 5


async def test_pages_of_candles_walk_both_ways(db: Database) -> None:
    await stored(db, 0, 1, 2, 3, 4)
    await neighbours(db)

    async def later(row: MarketData) -> list[MarketData]:
        return await market_data.list_candles(
            db, **between(0, 4), after_open_time=row.open_time, max_rows=2
        )

    async def earlier(row: MarketData) -> list[MarketData]:
        return await market_data.list_recent(
            db, **CHART, before_open_time=row.open_time, max_rows=2
        )

    first = market_data.list_candles(db, **between(0, 4), max_rows=2)
    assert hours(await walk(first, later)) == [0, 1, 2, 3]
    newest = market_data.list_recent(db, **CHART, max_rows=2)
    assert hours(await walk(newest, earlier)) == [4, 3, 2, 1, 0]
