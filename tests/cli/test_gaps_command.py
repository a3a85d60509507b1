"""`gaps` as a process: both kinds, tables and JSON, and the exit code."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.cli.commands import whaledb
from tests.queries.test_blocks import block
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.queries import blocks, market_data

NOON = datetime(2024, 3, 31, 12, tzinfo=UTC)


async def store_blocks(db: Database, *numbers: int) -> None:
    for number in numbers:
        await blocks.merge(db, **block(number))


async def store_candles(db: Database, *hours: int, symbol: str = "ETHUSDT") -> None:
    await market_data.ensure_months(db, first=NOON, last=NOON)
    prices = [Decimal(1)] * len(hours)
    await market_data.merge_batch(
        db,
        exchange="binance",
        symbol=symbol,
        interval="1h",
        open_times=[NOON + timedelta(hours=hour) for hour in hours],
        opens=prices,
        highs=prices,
        lows=prices,
        closes=prices,
        volumes=prices,
        trade_counts=[None] * len(hours),
    )


async def test_nothing_missing_is_code_0(db: Database, target: ConnectionTarget) -> None:
    empty = whaledb("gaps", target=target)
    assert (empty.code, empty.err) == (0, "")
    assert empty.out.splitlines() == [
        "Blocks: none is stored of chain 1",
        "",
        "Candles, missing: none",
    ]
    await store_blocks(db, 5, 6, 7)
    await store_candles(db, 0, 1, 2)
    whole = whaledb("gaps", target=target)
    assert (whole.code, whole.err) == (0, "")
    assert whole.out.splitlines()[0] == "Blocks of chain 1 from 5 to 7, missing: none"


async def test_what_is_missing_is_listed_and_is_code_1(
    db: Database, target: ConnectionTarget
) -> None:
    await store_blocks(db, 5, 7, 11)
    await store_candles(db, 0, 3)
    done = whaledb("gaps", target=target)
    assert (done.code, done.err) == (1, "")
    assert [line.split() for line in done.out.splitlines()] == [
        ["Blocks", "of", "chain", "1", "from", "5", "to", "11,", "missing:", "4", "blocks"],
        ["first_number", "last_number", "block_count"],
        ["-" * 12, "-" * 11, "-" * 11],
        ["6", "6", "1"],
        ["8", "10", "3"],
        [],
        ["Candles,", "missing:", "2", "candles"],
        ["exchange", "binance"],
        ["symbol", "ETHUSDT"],
        ["interval", "1h"],
        ["missing_count", "2"],
        ["first_open_time", "2024-03-31", "13:00:00+00:00"],
        ["last_open_time", "2024-03-31", "14:00:00+00:00"],
    ]
    found = whaledb("gaps", "--json", target=target)
    assert found.code == 1
    assert found.json() == {
        "chain_id": 1,
        "first_number": 5,
        "last_number": 11,
        "blocks": [
            {"first_number": 6, "last_number": 6, "block_count": 1},
            {"first_number": 8, "last_number": 10, "block_count": 3},
        ],
        "more_blocks": False,
        "candles": [
            {
                "exchange": "binance",
                "symbol": "ETHUSDT",
                "interval": "1h",
                "missing_count": 2,
                "first_open_time": "2024-03-31T13:00:00Z",
                "last_open_time": "2024-03-31T14:00:00Z",
            }
        ],
        "more_candles": False,
    }


async def test_one_kind_alone_is_code_1_too(db: Database, target: ConnectionTarget) -> None:
    await store_candles(db, 0, 3)
    assert whaledb("gaps", target=target).code == 1
    assert whaledb("gaps", "--symbol", "BTCUSDT", target=target).code == 0
    assert whaledb("gaps", "--exchange", "okx", target=target).code == 0
    assert whaledb("gaps", "--since", "2024-03-31T13:00:00Z", target=target).code == 0
    assert whaledb("gaps", "--until", "2024-03-31T15:00:00Z", target=target).code == 0
    await store_blocks(db, 5, 7)
    other = whaledb("gaps", "--chain-id=10", "--symbol=BTCUSDT", "--json", target=target)
    assert (other.code, other.json()["first_number"]) == (0, None)
    assert whaledb("gaps", "--symbol", "BTCUSDT", target=target).code == 1


async def test_it_says_that_there_are_more(db: Database, target: ConnectionTarget) -> None:
    await store_blocks(db, 1, 3, 5)
    await store_candles(db, 0, 2, 4)
    found = whaledb("gaps", "--max-ranges=1", "--json", target=target).json()
    assert (len(found["blocks"]), found["more_blocks"]) == (1, True)
    assert (len(found["candles"]), found["more_candles"]) == (1, True)
    told = whaledb("gaps", "--max-ranges=1", target=target).out
    assert "missing: 1 block, and more" in told
    assert "Candles, missing: 1 candle, and more" in told
    exact = whaledb("gaps", "--max-ranges=2", "--json", target=target).json()
    assert (exact["more_blocks"], exact["more_candles"]) == (False, False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--since", "2024-03-31T12:00:00"), "--since has to be a time with its zone"),
        (("--max-ranges", "1001"), "--max-ranges has to be at most 1000"),
        (("--max-ranges", "0"), "--max-ranges"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_reached(words: tuple[str, ...], told: str) -> None:
    done = whaledb("gaps", *words)
    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())
