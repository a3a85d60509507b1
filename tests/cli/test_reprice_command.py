"""`reprice` as a process: what it writes, what it tells, what it refuses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from tests.cli.commands import whaledb
from tests.queries.transfers import stored
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.queries import market_data

NOON = datetime(2024, 3, 31, 12, tzinfo=UTC)
CHART = ("--exchange", "binance", "--symbol", "ETHUSDT")
BY_HAND = ("--price", "1850.25", "--source", "a person")
PERIOD = ("--since", "2024-03-31T00:00:00Z", "--until", "2024-04-01T00:00:00Z")
KEYS = [
    "rows",
    "priced",
    "unchanged",
    "without_price",
    "refused",
    "refused_hashes",
    "scored",
]


@pytest.fixture
async def transfers(db: Database) -> None:
    """Two transfers, of which one has a candle before it, and one on another chain."""
    await stored(db, 1, block_timestamp=NOON, value_eth=Decimal(100))
    await stored(db, 2, block_timestamp=NOON + timedelta(hours=1), value_eth=Decimal(1000))
    await stored(db, 3, block_timestamp=NOON, chain_id=10)
    await market_data.ensure_months(db, first=NOON, last=NOON)
    price = Decimal(2000)
    await market_data.merge(
        db,
        exchange="binance",
        symbol="ETHUSDT",
        interval="1m",
        open_time=NOON - timedelta(minutes=1),
        open=price,
        high=price,
        low=price,
        close=price,
        volume=price,
        trade_count=1,
    )


async def prices(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await connection.fetch(
        "SELECT value_usd, price_source FROM public.whale_transactions ORDER BY hash"
    )
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("transfers")
async def test_candles_price_what_they_can(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    done = whaledb("reprice", *CHART, target=target)
    assert (done.code, done.err) == (0, "")
    assert done.out == "Rows of chain 1: 2. Priced: 1, unchanged: 0, left without a new price: 1.\n"
    source = "market_data:binance:ETHUSDT:1m"
    assert await prices(connection) == [(200_000, source), (None, None), (None, None)]

    again = whaledb("reprice", *CHART, "--again", "--json", target=target)
    assert (again.code, list(again.json())) == (0, KEYS)
    assert (again.json()["rows"], again.json()["unchanged"]) == (2, 1)


@pytest.mark.usefixtures("transfers")
async def test_a_price_by_hand_and_scores(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    done = whaledb("reprice", *BY_HAND, *PERIOD, "--scores", target=target)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "Rows of chain 1: 2. Priced: 2, unchanged: 0, left without a new price: 0.\nScored: 3.\n"
    )
    assert await prices(connection) == [
        (185_025, "a person"),
        (1_850_250, "a person"),
        (None, None),
    ]
    alone = whaledb("reprice", "--scores", "--json", target=target)
    assert (alone.json()["rows"], alone.json()["scored"]) == (0, 0)
    other = whaledb("reprice", *BY_HAND, *PERIOD, "--chain-id=10", "--json", target=target)
    assert other.json()["priced"] == 1


@pytest.mark.usefixtures("transfers")
async def test_a_row_that_cannot_hold_its_price_makes_it_a_failed_job(
    db: Database, target: ConnectionTarget
) -> None:
    await stored(db, 4, block_timestamp=NOON, value_eth=Decimal(10) ** 16)
    done = whaledb("reprice", *CHART, "--json", target=target)
    assert (done.code, done.json()["priced"], done.json()["refused"]) == (1, 1, 1)
    assert done.json()["refused_hashes"] == [f"0x{4:064x}"]
    assert done.err.splitlines() == [
        "1 row cannot hold a price, because the amount in dollars is too large or the close is"
        " not above 0; all else was priced",
        f"  0x{4:064x}",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing says what to price by"),
        (("--exchange", "binance"), "--exchange and --symbol belong together"),
        (("--price", "1"), "--price and --source belong together"),
        ((*CHART, *BY_HAND), "not from both"),
        ((*CHART, "--interval", "1M"), "months differ in length"),
        ((*CHART, "--interval", "7m"), "there is no such interval"),
        (BY_HAND, "give both since and until"),
        ((*BY_HAND, "--since", "2024-03-31", *PERIOD[2:]), "--since has to be a time with its"),
        ((*CHART, "--until", "2024-03-31T12:00:00"), "--until has to be a time with its zone"),
        ((*CHART, "--since", PERIOD[3], "--until", PERIOD[1]), "the period is empty"),
        (("--price", "much", "--source", "x", *PERIOD), "--price has to be an amount"),
        (("--price", "-1", "--source", "x", *PERIOD), "above 0"),
        ((*CHART, "--chain-id", "0"), "--chain-id"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_reached(words: tuple[str, ...], told: str) -> None:
    """No database is named: without the check an embedded server would be started."""
    done = whaledb("reprice", *words)
    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())


def test_a_chart_without_candles_is_code_2(target: ConnectionTarget) -> None:
    done = whaledb("reprice", *CHART, "--json", target=target)
    assert (done.code, done.json()["error"]["kind"]) == (2, "CandlesMissing")
