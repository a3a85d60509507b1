"""Prices from candles, given prices and scores: set-based, and never from the wrong time."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.plans import indexes, nodes
from tests.queries.stamps import LONG_AGO, age
from tests.queries.test_plans import SEED
from tests.queries.transfers import CHAIN, again, hash_of, stored
from typedsql.database import Database
from typedsql.errors import DataError
from typedsql.settings import ConnectionTarget
from typedsql.statements import load_statements
from whaledb.project import PROJECT
from whaledb.queries import market_data, whale_transactions
from whaledb.rows import PricedBatch, WhaleTransaction

pytestmark = pytest.mark.versions

# The candles of these tests have ended, whatever the clock of the server says.
NOON: Final = datetime(2024, 3, 31, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
TICK: Final = timedelta(microseconds=1)
CHART: Final[dict[str, Any]] = {"exchange": "binance", "symbol": "ETHUSDT", "interval": "1m"}
SOURCE: Final = "market_data:binance:ETHUSDT:1m"
PERIOD: Final[dict[str, Any]] = {
    "chain_id": CHAIN,
    "after_timestamp": NOON - timedelta(days=1),
    "after_hash": "",
    "after_block_hash": "",
    "after_trace_path": "",
    "until": NOON + timedelta(days=1),
}


async def candle(db: Database, open_time: datetime, close: str, **chart: Any) -> None:
    await market_data.ensure_months(db, first=open_time, last=open_time)
    price = Decimal(close)
    await market_data.merge(
        db,
        **(CHART | chart),
        open_time=open_time,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
        trade_count=None,
    )


async def moved(db: Database, number: int, at: datetime, **changes: Any) -> WhaleTransaction:
    return await stored(db, number, block_timestamp=at, **changes)


async def reprice(db: Database, **changes: Any) -> PricedBatch:
    return await whale_transactions.reprice_from_market(
        db, **(PERIOD | CHART | {"again": False, "max_rows": 1000} | changes)
    )


async def reprice_at(db: Database, price: str, **changes: Any) -> PricedBatch:
    given = {"price_usd": Decimal(price), "price_source": "a person", "again": False}
    return await whale_transactions.reprice_at(
        db, **(PERIOD | given | {"max_rows": 1000} | changes)
    )


def counts(batch: PricedBatch) -> tuple[int, int, int, int]:
    return (
        batch.row_count,
        batch.priced_count,
        batch.without_price_count,
        batch.refused_count,
    )


async def prices(db: Database, *rows: WhaleTransaction) -> list[Decimal | None]:
    return [(await again(db, row)).value_usd for row in rows]


async def test_a_price_says_where_it_is_from_and_when(db: Database) -> None:
    await candle(db, NOON - MINUTE, "1850.255")
    row = await moved(db, 1, NOON, value_eth=Decimal("1250.5"))
    await age(db, "whale_transactions")
    assert counts(await reprice(db)) == (1, 1, 0, 0)
    priced = await again(db, row)
    assert (priced.value_usd, priced.price_source) == (Decimal("2313743.88"), SOURCE)
    assert priced.priced_at == priced.updated_at > LONG_AGO


async def test_the_last_candle_that_had_ended_and_no_other(db: Database) -> None:
    """Each close is the number of its minute, so that a price tells which candle gave it."""
    for minute in range(10):
        await candle(db, NOON + minute * MINUTE, str(minute + 1))
    times = [
        NOON + MINUTE - TICK,  # The first candle has not ended.
        NOON + MINUTE,
        NOON + 2 * MINUTE - TICK,
        NOON + 2 * MINUTE,
        NOON + 10 * MINUTE,
        NOON + 11 * MINUTE - TICK,
        NOON + 11 * MINUTE,  # The last one ended a whole interval ago.
    ]
    rows = [await moved(db, number, at, value_eth=Decimal(1)) for number, at in enumerate(times, 1)]
    assert counts(await reprice(db)) == (7, 5, 2, 0)
    assert await prices(db, *rows) == [None, 1, 1, 2, 10, 10, None]


async def test_other_charts_give_no_price(db: Database) -> None:
    for other in ({"exchange": "okx"}, {"symbol": "BTCUSDT"}, {"interval": "3m"}):
        await candle(db, NOON - MINUTE, "7", **other)
    row = await moved(db, 1, NOON, value_eth=Decimal(1))
    assert counts(await reprice(db)) == (1, 0, 1, 0)
    assert await prices(db, row) == [None]
    # The control: with its own chart there is one.
    await candle(db, NOON - MINUTE, "8")
    assert counts(await reprice(db)) == (1, 1, 0, 0)
    assert await prices(db, row) == [8]


async def test_a_candle_that_was_last_written_while_open_is_not_final(
    db: Database, connection: Any
) -> None:
    await candle(db, NOON - MINUTE, "1850")
    row = await moved(db, 1, NOON, value_eth=Decimal(1))
    await connection.execute(
        "UPDATE public.market_data SET updated_at = $1", NOON - timedelta(seconds=1)
    )
    assert counts(await reprice(db)) == (1, 0, 1, 0)
    # The control: written when it had ended, it prices.
    await candle(db, NOON - MINUTE, "1851")
    assert counts(await reprice(db)) == (1, 1, 0, 0)
    assert await prices(db, row) == [1851]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
async def test_a_day_is_as_long_in_every_time_zone(
    db: Database, connection: Any, target: ConnectionTarget, zone: str
) -> None:
    """The clocks of Berlin went forward on that day: '1 day' before noon was 23 hours there."""
    chart = {"interval": "1d"}
    await candle(db, NOON - timedelta(hours=24), "1800", **chart)
    early = await moved(db, 1, NOON - TICK, value_eth=Decimal(1))
    late = await moved(db, 2, NOON, value_eth=Decimal(1))
    await connection.execute(f"ALTER DATABASE {target.database} SET TimeZone = '{zone}'")
    # A pooler's server connections keep the time zone with which they were opened.
    async with Database.connect(target, project=PROJECT) as elsewhere:
        async with elsewhere.connection() as session:
            assert await session.fetchval("SELECT current_setting('TimeZone')") == zone
        batch = await reprice(elsewhere, **chart)
    assert counts(batch) == (2, 1, 1, 0)
    assert await prices(db, early, late) == [None, 1800]


async def test_months_price_nothing(db: Database) -> None:
    await candle(db, datetime(2024, 2, 1, tzinfo=UTC), "1800", interval="1M")
    await moved(db, 1, NOON)
    assert counts(await reprice(db, interval="1M")) == (1, 0, 1, 0)


async def test_what_value_usd_cannot_hold_costs_its_own_row_alone(db: Database) -> None:
    await candle(db, NOON - MINUTE, "2000")
    huge = await moved(db, 1, NOON, value_eth=Decimal(10) ** 16)
    edge = await moved(db, 2, NOON, value_eth=Decimal("499999999999999.999995"))
    small = await moved(db, 3, NOON, value_eth=Decimal(1))
    batch = await reprice(db)
    assert (counts(batch), batch.refused_hashes) == ((3, 2, 0, 1), [huge.hash])
    assert await prices(db, huge, edge, small) == [None, Decimal("999999999999999999.99"), 2000]
    # The control: written without that care the whole statement fails.
    with pytest.raises(DataError) as refusal:
        await whale_transactions.update_usd_price(
            db,
            hash=huge.hash,
            chain_id=CHAIN,
            block_hash=huge.block_hash,
            trace_path="",
            value_usd=Decimal(10) ** 18,
            price_source="x",
            priced_at=NOON,
        )
    assert refusal.value.sqlstate == "22003"


@pytest.mark.parametrize("close", ["0", "-13311.5"])
async def test_a_close_that_is_no_price_is_refused(db: Database, close: str) -> None:
    await candle(db, NOON - MINUTE, close)
    row = await moved(db, 1, NOON)
    assert counts(await reprice(db)) == (1, 0, 0, 1)
    assert await prices(db, row) == [None]


async def test_orphaned_and_failed_rows_and_every_hop_have_their_price(db: Database) -> None:
    await candle(db, NOON - MINUTE, "2")
    rows = [
        await moved(db, 1, NOON, value_eth=Decimal(5), orphaned=True),
        await moved(db, 2, NOON, value_eth=Decimal(5), block=1, succeeded=False),
        await moved(db, 3, NOON, value_eth=Decimal(5), block=2),
        await moved(db, 3, NOON, value_eth=Decimal(5), block=2, trace_path="0_1"),
    ]
    foreign = await moved(db, 4, NOON, value_eth=Decimal(5), chain_id=10)
    assert counts(await reprice(db)) == (4, 4, 0, 0)
    assert await prices(db, *rows, foreign) == [10, 10, 10, 10, None]


async def test_a_price_stays_unless_it_is_asked_for_again(db: Database) -> None:
    await candle(db, NOON - MINUTE, "2")
    await candle(db, NOON, "3")
    same = await moved(db, 1, NOON, value_eth=Decimal(1))
    other = await moved(db, 2, NOON + MINUTE, value_eth=Decimal(1))
    assert counts(await reprice(db)) == (2, 2, 0, 0)
    await candle(db, NOON, "4")
    await age(db, "whale_transactions")
    assert counts(await reprice(db)) == (0, 0, 0, 0)
    assert counts(await reprice(db, again=True)) == (2, 1, 0, 0)
    assert await prices(db, same, other) == [2, 4]
    assert (await again(db, same)).updated_at == LONG_AGO
    assert (await again(db, other)).updated_at > LONG_AGO

    # The same amount from another source is another price; one that is gone stays as it was.
    await candle(db, NOON - MINUTE, "2", exchange="okx")
    assert counts(await reprice(db, again=True, exchange="okx")) == (2, 1, 1, 0)
    assert (await again(db, same)).price_source == "market_data:okx:ETHUSDT:1m"
    assert (await again(db, other)).value_usd == 4


async def test_batches_meet_every_row_once_and_in_order(db: Database) -> None:
    await candle(db, NOON - MINUTE, "2")
    rows = [
        await moved(db, number, NOON, trace_path=path) for number in (1, 2) for path in ("", "0")
    ]
    rows += [await moved(db, 1, NOON, block_hash=hash_of(5))]
    # Without a candle these stay in the way of any loop that asks for what has no price.
    bare = [await moved(db, number, NOON - 2 * MINUTE) for number in (7, 8, 9)]
    key: dict[str, Any] = {}
    seen = priced = 0
    for _ in range(len(rows) + len(bare)):
        batch = await reprice(db, max_rows=1, **key)
        key = {
            "after_timestamp": batch.last_timestamp,
            "after_hash": batch.last_hash,
            "after_block_hash": batch.last_block_hash,
            "after_trace_path": batch.last_trace_path,
        }
        seen, priced = seen + batch.row_count, priced + batch.priced_count
    assert (seen, priced) == (8, 5)
    end = await reprice(db, max_rows=1, **key)
    assert (counts(end), end.last_timestamp, end.last_hash) == ((0, 0, 0, 0), None, None)
    assert None not in await prices(db, *rows)
    assert await prices(db, *bare) == [None] * 3


async def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    db: Database,
) -> None:
    period = {"after_timestamp": NOON, "until": NOON + MINUTE}
    times = [NOON - TICK, NOON, NOON + MINUTE - TICK, NOON + MINUTE]
    rows = [await moved(db, number, at, value_eth=Decimal(1)) for number, at in enumerate(times, 1)]
    assert counts(await reprice_at(db, "3", **period)) == (2, 2, 0, 0)
    assert await prices(db, *rows) == [None, 3, 3, None]


async def test_a_given_price_is_written_with_who_gave_it(db: Database) -> None:
    row = await moved(db, 1, NOON, value_eth=Decimal("0.5"))
    huge = await moved(db, 2, NOON, value_eth=Decimal(10) ** 16)
    batch = await reprice_at(db, "1850.25")
    assert (counts(batch), batch.refused_hashes) == ((2, 1, 0, 1), [huge.hash])
    priced = await again(db, row)
    assert (priced.value_usd, priced.price_source) == (Decimal("925.13"), "a person")
    await age(db, "whale_transactions")
    assert counts(await reprice_at(db, "1900")) == (1, 0, 0, 1)
    assert counts(await reprice_at(db, "1850.25", again=True)) == (2, 0, 0, 1)
    assert (await again(db, row)).updated_at == LONG_AGO
    assert counts(await reprice_at(db, "1900", again=True)) == (2, 1, 0, 1)
    assert await prices(db, row) == [950]
    for price in ("0", "-1"):
        assert counts(await reprice_at(db, price, again=True)) == (2, 0, 0, 2)
    with pytest.raises(DataError) as refusal:
        await reprice_at(db, "1", price_source="", again=True)
    assert refusal.value.constraint == "whale_transactions_price_source_length"


async def test_score_missing_scores_what_has_none(db: Database) -> None:
    rows = [
        await moved(db, 1, NOON, value_eth=Decimal(100)),
        await moved(db, 2, NOON, value_eth=Decimal(1000), succeeded=True),
        await moved(db, 3, NOON, value_eth=Decimal(1000), block=1, succeeded=False),
        await moved(db, 4, NOON, value_eth=Decimal(10), block=2, chain_id=10, orphaned=True),
    ]
    scored = await moved(db, 5, NOON, block=3, whale_score=Decimal("0.99"))
    await age(db, "whale_transactions")
    score = whale_transactions.score_missing
    assert [await score(db, max_rows=3) for _ in range(3)] == [3, 1, 0]
    found = [(await again(db, row)).whale_score for row in rows]
    assert found == [Decimal("0.4"), Decimal("0.6"), Decimal(0), Decimal("0.2")]
    left = await again(db, scored)
    assert (left.whale_score, left.updated_at) == (Decimal("0.99"), LONG_AGO)


async def test_scoring_passes_over_what_another_transaction_holds(db: Database) -> None:
    held = await moved(db, 1, NOON, value_eth=Decimal(100))
    free = await moved(db, 2, NOON, value_eth=Decimal(100))
    async with db.transaction() as tx:
        await whale_transactions.update_usd_price(
            tx,
            hash=held.hash,
            chain_id=CHAIN,
            block_hash=held.block_hash,
            trace_path="",
            value_usd=Decimal(1),
            price_source="x",
            priced_at=NOON,
        )
        assert await whale_transactions.score_missing(db, max_rows=10) == 1
        assert (await again(db, free)).whale_score == Decimal("0.4")
    assert await whale_transactions.score_missing(db, max_rows=10) == 1
    assert (await again(db, held)).whale_score == Decimal("0.4")


async def test_batches_are_found_by_the_indexes_that_are_named(connection: Any) -> None:
    """As in test_plans, which plans what reads: without knowing the values."""
    statements = load_statements(PROJECT.root / PROJECT.queries_dir / "whale_transactions.sql")
    await connection.execute(SEED)
    for name in ("reprice_from_market", "reprice_at", "score_missing"):
        statement = statements[name]
        nulls = ", ".join(["NULL"] * len(statement.parameters))
        async with connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE planned AS {statement.sql}")
            text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({nulls})")
            await connection.execute("DEALLOCATE planned")
        plan = json.loads(text)[0]["Plan"]
        assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}, name
        used = indexes(plan)
        assert used
        for index in used:
            assert index in statement.prose, (name, index)
