"""Pricing in batches: what is told, what is refused beforehand, what goes on after a stop."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.queries.transfers import CHAIN, stored
from typedsql.database import Database
from typedsql.errors import TransientError
from typedsql.retry import MAX_TRANSACTION_ATTEMPTS
from whaledb.queries import market_data, whale_transactions
from whaledb.store import pricing
from whaledb.store.pricing import CandlesMissing, Chart, GivenPrice, PriceUnusable

NOON: Final = datetime(2024, 3, 31, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
CHART: Final = Chart.named(exchange="binance", symbol="ETHUSDT", interval="1m")
GIVEN: Final = GivenPrice.stated(Decimal("1850.25"), source="a person")


async def candle(db: Database, open_time: datetime, close: str) -> None:
    await market_data.ensure_months(db, first=open_time, last=open_time)
    price = Decimal(close)
    await market_data.merge(
        db,
        exchange="binance",
        symbol="ETHUSDT",
        interval="1m",
        open_time=open_time,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        trade_count=None,
    )


async def moved(db: Database, number: int, at: datetime = NOON, **changes: Any) -> None:
    await stored(db, number, block_timestamp=at, **changes)


async def priced(db: Database) -> int:
    async with db.connection() as connection:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM public.whale_transactions WHERE value_usd IS NOT NULL"
        )
    return found


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 100])
async def test_the_summary_is_the_same_in_batches_of_any_size(
    db: Database, batch_rows: int
) -> None:
    await candle(db, NOON - MINUTE, "2000")
    for number in range(3):
        await moved(db, number)
    await moved(db, 3, NOON - MINUTE)
    await moved(db, 4, value_eth=Decimal(10) ** 16)
    seen: list[int] = []
    done = await pricing.reprice(
        db,
        CHART,
        chain_id=CHAIN,
        batch_rows=batch_rows,
        on_progress=lambda now: seen.append(now.rows),
    )
    assert (done.rows, done.priced, done.unchanged) == (5, 3, 0)
    assert (done.without_price, done.refused) == (1, 1)
    assert done.refused_hashes == (f"0x{4:064x}",)
    assert seen == [*range(batch_rows, 5, batch_rows), 5]
    again = await pricing.reprice(db, CHART, chain_id=CHAIN, again=True, batch_rows=batch_rows)
    assert (again.rows, again.priced, again.unchanged) == (5, 0, 3)


async def test_a_run_that_was_stopped_goes_on(db: Database) -> None:
    await candle(db, NOON - MINUTE, "2000")
    for number in range(5):
        await moved(db, number)

    class Stopped(Exception):
        pass

    def stop(now: pricing.RepriceSummary) -> None:
        if now.rows == 4:
            raise Stopped

    with pytest.raises(Stopped):
        await pricing.reprice(db, CHART, chain_id=CHAIN, batch_rows=2, on_progress=stop)
    assert await priced(db) == 4, "each batch commits by itself"
    done = await pricing.reprice(db, CHART, chain_id=CHAIN)
    assert (done.rows, done.priced) == (1, 1)


async def test_a_period_bounds_what_is_priced(db: Database) -> None:
    for number in range(4):
        await moved(db, number, NOON + number * MINUTE)
    done = await pricing.reprice(
        db, GIVEN, chain_id=CHAIN, since=NOON + MINUTE, until=NOON + 3 * MINUTE
    )
    assert (done.rows, done.priced) == (2, 2)


async def test_the_oldest_block_of_all_is_within_no_bounds(db: Database) -> None:
    """Block 0 of mainnet has the time 0."""
    await moved(db, 0, pricing.FIRST_TIME)
    await candle(db, NOON, "1")
    done = await pricing.reprice(db, CHART, chain_id=CHAIN)
    assert (done.rows, done.without_price) == (1, 1)


async def test_a_chart_that_is_not_there_is_told(db: Database) -> None:
    await moved(db, 1)
    with pytest.raises(CandlesMissing, match="no 1m candles of ETHUSDT at binance"):
        await pricing.reprice(db, CHART, chain_id=CHAIN)
    await candle(db, NOON - MINUTE, "2000")
    assert (await pricing.reprice(db, CHART, chain_id=CHAIN)).priced == 1


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ({"interval": "1M"}, "months differ in length"),
        ({"interval": "60"}, "take one of 1m, 3m,"),
        ({"exchange": ""}, "have to be named"),
        ({"symbol": "x" * 100}, "1 to 100 characters, and it is 123"),
    ],
)
def test_a_chart_that_cannot_price_is_refused(chart: dict[str, str], told: str) -> None:
    with pytest.raises(PriceUnusable, match=told):
        Chart.named(**({"exchange": "binance", "symbol": "ETHUSDT", "interval": "1m"} | chart))


@pytest.mark.parametrize(
    ("price", "source", "told"),
    [
        ("0", "a person", "above 0"),
        ("-1", "a person", "above 0"),
        ("NaN", "a person", "above 0"),
        ("Infinity", "a person", "above 0"),
        ("1E200000", "a person", "above 0"),
        ("1", "", "1 to 100 characters"),
        ("1", "x" * 101, "1 to 100 characters"),
        ("1", "market_data:binance:ETHUSDT:1m", "names candles"),
    ],
)
def test_a_price_that_is_none_is_refused(price: str, source: str, told: str) -> None:
    with pytest.raises(PriceUnusable, match=told):
        GivenPrice.stated(Decimal(price), source=source)


def test_a_given_price_needs_both_ends_of_its_period() -> None:
    for since, until in ((None, None), (NOON, None), (None, NOON)):
        with pytest.raises(PriceUnusable, match="holds for a period"):
            pricing.check_period(GIVEN, since=since, until=until)
    assert pricing.check_period(CHART, since=None, until=None)
    for price in (GIVEN, CHART):
        with pytest.raises(PriceUnusable, match="the period is empty"):
            pricing.check_period(price, since=NOON, until=NOON)


async def test_scores_are_written_in_batches(db: Database) -> None:
    for number in range(5):
        await moved(db, number)
    seen: list[int] = []
    assert await pricing.score_missing(db, batch_rows=2, on_progress=seen.append) == 5
    assert seen == [2, 4, 5]
    assert await pricing.score_missing(db) == 0


async def test_a_batch_that_the_server_ended_is_tried_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real deadlock: this session holds the second row and waits for the first one."""
    await moved(db, 1)
    await moved(db, 2, block=1)
    tries = 0
    reprice_at = whale_transactions.reprice_at

    async def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        return await reprice_at(*arguments, **named)

    monkeypatch.setattr(whale_transactions, "reprice_at", counted)
    lock = "SELECT 1 FROM public.whale_transactions WHERE hash = $1 FOR UPDATE"
    async with db.connection() as other:
        # The other session never is the one that the server ends.
        await other.execute("SET deadlock_timeout = '1 min'")
        async with other.transaction():
            await other.execute(lock, f"0x{2:064x}")
            run = asyncio.create_task(
                pricing.reprice(
                    db, GIVEN, chain_id=CHAIN, since=NOON, until=NOON + timedelta(days=1)
                )
            )
            async with db.connection() as watching, asyncio.timeout(60):
                waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
                while not await watching.fetchval(waits):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await other.execute(lock, f"0x{1:064x}")
    done = await run
    assert tries > 2, "a batch, its repetition and the empty one that ends the run"
    assert (done.rows, done.priced) == (2, 2)


async def test_a_batch_is_not_tried_for_ever(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def refused(*_: Any, **__: Any) -> int:
        nonlocal tries
        tries += 1
        raise TransientError("a deadlock")

    monkeypatch.setattr(whale_transactions, "score_missing", refused)
    with pytest.raises(TransientError):
        await pricing.score_missing(db)
    assert tries == MAX_TRANSACTION_ATTEMPTS
