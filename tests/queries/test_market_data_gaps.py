"""Missing candles: between the first and the last of each chart, by length or by month."""

import csv
import gzip
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.queries.accounts import ALICE, make_accounts
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.settings import ConnectionTarget
from whaledb.queries import market_data
from whaledb.rows import CandleGap

pytestmark = pytest.mark.versions

MANY: Final = 1000
HOUR: Final = timedelta(hours=1)
# Two hours before a month ends: what spans hours from here spans two partitions.
START: Final = datetime(2024, 10, 31, 22, tzinfo=UTC)
CHART: Final[dict[str, Any]] = {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1h"}
ALWAYS: Final[dict[str, Any]] = {
    "since": datetime(2000, 1, 1, tzinfo=UTC),
    "until": datetime(2100, 1, 1, tzinfo=UTC),
}


async def store(db: Database, times: list[datetime], **chart: Any) -> None:
    """Candles that open at these times, stored newest first: order is the statement's."""
    await market_data.ensure_months(db, first=min(times), last=max(times))
    prices = [Decimal(1)] * len(times)
    await market_data.merge_batch(
        db,
        **(CHART | chart),
        open_times=sorted(times, reverse=True),
        opens=prices,
        highs=prices,
        lows=prices,
        closes=prices,
        volumes=prices,
        trade_counts=[None] * len(times),
    )


async def gaps(db: Database, **given: Any) -> list[CandleGap]:
    return await market_data.list_gaps(db, **(ALWAYS | {"max_rows": MANY} | given))


def spans(rows: list[CandleGap]) -> list[tuple[float, float, int]]:
    """First and last missing hour, counted from START, and how many are missing."""
    return [
        (
            (row.first_open_time - START) / HOUR,
            (row.last_open_time - START) / HOUR,
            row.missing_count,
        )
        for row in rows
    ]


async def test_gaps_are_ranges_between_the_first_and_the_last_candle(db: Database) -> None:
    await store(db, [START + hour * HOUR for hour in (0, 1, 3, 4, 8)])
    assert spans(await gaps(db)) == [(2, 2, 1), (5, 7, 3)]
    [first] = await gaps(db, max_rows=1)
    assert {name: getattr(first, name) for name in CHART} == CHART


async def test_a_chart_without_a_gap_has_none(db: Database) -> None:
    assert await gaps(db) == []
    await store(db, [START])
    assert await gaps(db) == []
    await store(db, [START + hour * HOUR for hour in range(5)])
    assert await gaps(db) == []


async def test_a_period_is_half_open_and_looks_no_further(db: Database) -> None:
    await store(db, [START + hour * HOUR for hour in (0, 2, 4, 6)])
    assert spans(await gaps(db, since=START + 2 * HOUR, until=START + 6 * HOUR)) == [(3, 3, 1)]
    end = START + 6 * HOUR + timedelta(microseconds=1)
    assert spans(await gaps(db, since=START + 2 * HOUR, until=end)) == [(3, 3, 1), (5, 5, 1)]
    assert await gaps(db, since=START + HOUR, until=START + 4 * HOUR) == []


async def test_charts_are_apart_and_can_be_chosen(db: Database) -> None:
    charts = [
        {"exchange": exchange, "symbol": symbol, "interval": interval}
        for symbol in ("BTC", "ETH")
        for exchange in ("kraken", "okx")
        for interval in ("1h", "30m")
    ]
    for index, chart in enumerate(charts):
        # What lies between is another chart's; only two hours apart there is a gap.
        await store(db, [START, START + (2 + index) * HOUR], **chart)
    rows = await gaps(db)
    assert [
        {"exchange": row.exchange, "symbol": row.symbol, "interval": row.interval} for row in rows
    ] == charts
    hours = {"1h": 1, "30m": 2}
    assert [row.missing_count for row in rows] == [
        (2 + index) * hours[chart["interval"]] - 1 for index, chart in enumerate(charts)
    ]
    assert await gaps(db, symbol="ETH") == rows[4:]
    assert await gaps(db, exchange="okx") == rows[2:4] + rows[6:]
    assert await gaps(db, exchange="okx", symbol="ETH") == rows[6:]
    assert await gaps(db, exchange="nowhere") == []
    assert await gaps(db, max_rows=3) == rows[:3]


async def test_a_chart_that_lies_outside_of_the_period_is_passed_over(db: Database) -> None:
    await store(db, [START, START + 2 * HOUR], symbol="A")
    later = START + timedelta(days=1)
    await store(db, [later, later + 2 * HOUR], symbol="B")
    await store(db, [START, START + 2 * HOUR], symbol="C")
    assert [row.symbol for row in await gaps(db, until=START + 12 * HOUR)] == ["A", "C"]
    assert [row.symbol for row in await gaps(db, since=START + 12 * HOUR)] == ["B"]


async def test_months_follow_each_other_by_the_calendar(db: Database) -> None:
    months = [datetime(2023, month, 1, tzinfo=UTC) for month in (10, 11)]
    months += [datetime(2024, month, 1, tzinfo=UTC) for month in (2, 3, 7)]
    await store(db, months, interval="1M")
    assert [
        (row.first_open_time, row.last_open_time, row.missing_count) for row in await gaps(db)
    ] == [
        (datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC), 2),
        (datetime(2024, 4, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC), 3),
    ]


async def test_days_and_weeks_do_not_depend_on_the_time_zone(
    db: Database, connection: Any, target: ConnectionTarget
) -> None:
    """Berlin put its clocks back on 2024-10-27: a day of 25 hours there."""
    days = [datetime(2024, 10, day, tzinfo=UTC) for day in (25, 26, 27, 28, 30)]
    await store(db, days, interval="1d")
    weeks = [datetime(2024, 10, 7, tzinfo=UTC), datetime(2024, 11, 4, tzinfo=UTC)]
    await store(db, weeks, interval="1w")
    await connection.execute(f"ALTER DATABASE {target.database} SET TimeZone = 'Europe/Berlin'")
    # A pooler's server connections keep the time zone with which they were opened.
    async with Database.connect(target, project=db.project) as elsewhere:
        rows = await gaps(elsewhere)
    assert [
        (row.interval, row.first_open_time, row.last_open_time, row.missing_count) for row in rows
    ] == [
        ("1d", datetime(2024, 10, 29, tzinfo=UTC), datetime(2024, 10, 29, tzinfo=UTC), 1),
        ("1w", datetime(2024, 10, 14, tzinfo=UTC), datetime(2024, 10, 28, tzinfo=UTC), 3),
    ]


async def test_a_candle_between_the_hours_makes_no_gap_of_its_own(db: Database) -> None:
    await store(db, [START, START + 1.5 * HOUR, START + 4 * HOUR])
    assert spans(await gaps(db)) == [(2.5, 2.5, 1)]


async def test_a_user_reads_candles_and_not_their_gaps(db: Database) -> None:
    await make_accounts(db, ALICE)
    await store(db, [START, START + 2 * HOUR])
    async with db.as_user(ALICE) as tx:
        assert await market_data.count(tx, **CHART, **ALWAYS) == 2
    with pytest.raises(Error) as refusal:
        async with db.as_user(ALICE) as tx:
            await market_data.list_gaps(tx, **ALWAYS, max_rows=MANY)
    assert refusal.value.sqlstate == "42501"


async def test_real_bars_have_the_gaps_of_their_weekends(db: Database, shared_data: Path) -> None:
    path = shared_data / "market" / "smart-money-concepts" / "EURUSD_15M.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        times = [
            datetime.strptime(f"{bar[0]} +0000", "%Y.%m.%d %H:%M:%S %z")
            for bar in list(csv.reader(file))[1:]
        ]
    await store(db, times, exchange="fx", symbol="EURUSD", interval="15m")
    quarter = timedelta(minutes=15)
    expected = [
        (before + quarter, after - quarter, (after - before) // quarter - 1)
        for before, after in itertools.pairwise(times)
        if after - before > quarter
    ]
    rows = await gaps(db)
    assert [
        (row.first_open_time, row.last_open_time, row.missing_count) for row in rows
    ] == expected
    assert len(expected) > 5
