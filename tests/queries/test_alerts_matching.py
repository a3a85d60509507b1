"""Which alerts fire: of transfers, candles and patterns that were stored."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.accounts import ALICE, BOB, make_accounts
from tests.queries.paging import walk
from tests.queries.transfers import BLOCK, CHAIN, address_of, hash_of, stored
from typedsql.database import Database
from whaledb.alerting import to_document, type_of
from whaledb.documents import (
    AddressActivity,
    AlertConditions,
    LargeTransfer,
    Pattern,
    PriceLevel,
)
from whaledb.queries import alerts, market_data, smc_patterns
from whaledb.rows import MatchedCandle, MatchedPattern, MatchedTransfer

pytestmark = pytest.mark.versions

MANY: Final = 1000
BLOCK_HASH: Final = hash_of(0xB10C0000)
SENDER: Final = "0x" + "aB" * 20
RECIPIENT: Final = "0x" + "cD" * 20
START: Final = datetime(2026, 11, 30, 22, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
CHART: Final[dict[str, Any]] = {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1h"}


@pytest.fixture(autouse=True)
async def accounts(db: Database) -> None:
    await make_accounts(db, ALICE, BOB)
    await market_data.ensure_months(db, first=START, last=START + 24 * HOUR)


async def alert(
    db: Database, conditions: AlertConditions, *, owner: UUID = ALICE, enabled: bool = True
) -> UUID:
    row = await alerts.insert(
        db,
        user_id=owner,
        alert_type=type_of(conditions),
        conditions=to_document(conditions),
        enabled=enabled,
    )
    return row.id


def large(value: str, chain: int | None = None) -> LargeTransfer:
    return LargeTransfer(min_value_eth=Decimal(value), chain_id=chain)


async def matching(db: Database, *numbers: int, **changes: Any) -> list[MatchedTransfer]:
    arguments: dict[str, Any] = {
        "chain_id": CHAIN,
        "block_hash": BLOCK_HASH.upper().replace("0X", "0x"),
        "block_number": BLOCK,
        "hashes": [hash_of(number) for number in numbers],
        "trace_paths": [""] * len(numbers),
        "max_rows": MANY,
    }
    return await alerts.list_matching(db, **(arguments | changes))


async def fired(db: Database, *numbers: int, **changes: Any) -> set[tuple[int, UUID]]:
    found = await matching(db, *numbers, **changes)
    pairs = [(int(row.hash, 16), row.alert_id) for row in found]
    assert len(pairs) == len(set(pairs)), "each alert and row once"
    return set(pairs)


async def test_a_large_transfer_fires_from_its_threshold_on(db: Database) -> None:
    await stored(db, 1, value_eth=Decimal("99.999999999999999999"))
    await stored(db, 2, value_eth=Decimal(100))
    exactly = await alert(db, large("100"))
    less = await alert(db, large("99.9"), owner=BOB)
    await alert(db, large("100.000000000000000001"))
    await alert(db, large("1"), enabled=False)
    assert await fired(db, 1, 2) == {(1, less), (2, less), (2, exactly)}
    assert await fired(db, 1) == {(1, less)}
    assert await fired(db) == set()


async def test_a_chain_narrows_an_alert(db: Database) -> None:
    await stored(db, 1)
    await stored(db, 1, chain_id=10)
    here, everywhere = await alert(db, large("1", CHAIN)), await alert(db, large("1"))
    there = await alert(db, large("1", 10))
    active = await alert(db, AddressActivity(address=address_of(1), chain_id=10))
    assert await fired(db, 1) == {(1, here), (1, everywhere)}
    assert await fired(db, 1, chain_id=10) == {(1, there), (1, everywhere), (1, active)}


async def test_an_address_fires_on_the_side_that_it_watches(db: Database) -> None:
    await stored(db, 1, from_address=SENDER, to_address=RECIPIENT)
    await stored(db, 2, from_address=RECIPIENT, to_address=SENDER)
    await stored(db, 3, from_address=RECIPIENT, to_address=None)
    await stored(db, 4, from_address=SENDER, to_address=SENDER)
    any_side = await alert(db, AddressActivity(address=SENDER))
    sends = await alert(db, AddressActivity(address=SENDER.lower(), direction="from"))
    receives = await alert(db, AddressActivity(address="0x" + "AB" * 20, direction="to"))
    await alert(db, AddressActivity(address=SENDER), enabled=False)
    await alert(db, AddressActivity(address=address_of(7)))
    assert await fired(db, 1, 2, 3, 4) == {
        (1, any_side),
        (2, any_side),
        (4, any_side),
        (1, sends),
        (4, sends),
        (2, receives),
        (4, receives),
    }


async def test_an_address_may_ask_for_a_value(db: Database) -> None:
    await stored(db, 1, from_address=SENDER, value_eth=Decimal(0))
    await stored(db, 2, from_address=SENDER, value_eth=Decimal(5))
    any_value = await alert(db, AddressActivity(address=SENDER))
    five = await alert(db, AddressActivity(address=SENDER, min_value_eth=Decimal(5)))
    await alert(db, AddressActivity(address=SENDER, min_value_eth=Decimal("5.1")))
    assert await fired(db, 1, 2) == {(1, any_value), (2, any_value), (2, five)}


async def test_what_did_not_happen_fires_nothing(db: Database) -> None:
    await stored(db, 1, succeeded=False)
    await stored(db, 2, succeeded=True)
    await stored(db, 3)
    every = await alert(db, large("1"))
    await alert(db, AddressActivity(address=address_of(7)))
    assert await fired(db, 1, 2, 3, 4) == {(2, every), (3, every)}
    # An internal transfer of the failed transaction is a row of its own.
    await stored(db, 1, trace_path="0_1", succeeded=True)
    assert await fired(db, 1, trace_paths=["0_1"]) == {(1, every)}
    await stored(db, 5, block=1, orphaned=True)
    elsewhere = {"block_hash": hash_of(0xB10C0001), "block_number": BLOCK + 1}
    assert await fired(db, 5, **elsewhere) == set()
    assert await fired(db, 2, **elsewhere) == set()


async def test_pages_of_matches_walk_every_pair_once_in_order(db: Database) -> None:
    for number in (1, 2, 3):
        await stored(db, number)
    await stored(db, 2, trace_path="0")
    ids = [await alert(db, large("1")) for _ in range(3)]
    keys = {
        "hashes": [hash_of(3), hash_of(2).upper().replace("0X", "0x"), hash_of(2), hash_of(3)],
        "trace_paths": ["", "0", "", ""],
    }

    async def following(row: MatchedTransfer) -> list[MatchedTransfer]:
        return await matching(
            db,
            **keys,
            after_hash=row.hash,
            after_trace_path=row.trace_path,
            after_alert_id=row.alert_id,
            max_rows=2,
        )

    found = await walk(matching(db, **keys, max_rows=2), following)
    assert [(row.hash, row.trace_path, row.alert_id) for row in found] == [
        (hash_of(number), trace, each)
        for number, trace in ((2, ""), (2, "0"), (3, ""))
        for each in sorted(ids)
    ]


async def candle(db: Database, hour: int, low: int, high: int, close: int, **chart: str) -> None:
    await market_data.merge(
        db,
        **(CHART | chart),
        open_time=START + hour * HOUR,
        open=Decimal((low + high) // 2),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close),
        volume=Decimal(1),
        trade_count=None,
    )


async def crossing(db: Database, *hours: int, **changes: Any) -> list[MatchedCandle]:
    arguments: dict[str, Any] = CHART | {
        "open_times": [START + hour * HOUR for hour in hours],
        "max_rows": MANY,
    }
    return await alerts.list_matching_candles(db, **(arguments | changes))


async def crossed(db: Database, *hours: int) -> set[tuple[int, UUID]]:
    found = await crossing(db, *hours)
    pairs = {((row.open_time - START) // HOUR, row.alert_id) for row in found}
    assert len(pairs) == len(found)
    return pairs


def level(price: str, direction: Any = "above", **chart: str) -> PriceLevel:
    return PriceLevel(**(CHART | chart), direction=direction, price=Decimal(price))


async def test_a_price_fires_in_the_candle_in_which_it_crosses(db: Database) -> None:
    # Over the end of a month, which is another partition.
    await candle(db, 0, 90, 110, 95)
    await candle(db, 1, 94, 100, 100)
    await candle(db, 2, 98, 120, 115)
    await candle(db, 3, 80, 116, 85)
    at_100 = await alert(db, level("100"))
    at_120 = await alert(db, level("120"))
    below_100 = await alert(db, level("100", "below"))
    below_80 = await alert(db, level("80", "below"))
    await alert(db, level("120.00000001"))
    await alert(db, level("79.99999999", "below"))
    await alert(db, level("120"), enabled=False)
    # The close of hour 1 stands on 100: hour 2 does not cross it upwards, nor downwards.
    assert await crossed(db, 1, 2, 3) == {
        (1, at_100),
        (2, at_120),
        (3, below_100),
        (3, below_80),
    }
    assert await crossed(db, 2) == {(2, at_120)}
    assert await crossed(db) == set()


async def test_a_first_candle_crosses_from_its_own_open(db: Database) -> None:
    await candle(db, 0, 90, 110, 95)
    up, down = await alert(db, level("101")), await alert(db, level("99", "below"))
    await alert(db, level("100"))
    await alert(db, level("100", "below"))
    assert await crossed(db, 0) == {(0, up), (0, down)}


@pytest.mark.parametrize(
    "other",
    [{"exchange": "okx"}, {"symbol": "ETH"}, {"interval": "4h"}],
    ids=lambda d: next(iter(d)),
)
async def test_a_level_is_one_of_its_chart(db: Database, other: dict[str, str]) -> None:
    await candle(db, 0, 90, 110, 95)
    await candle(db, 0, 1, 3, 2, **other)
    await candle(db, 1, 95, 110, 96)
    await alert(db, level("100", **other))
    await alert(db, level("2.5", **other))
    here = await alert(db, level("100"))
    assert await crossed(db, 1) == {(1, here)}


async def test_pages_of_crossings_walk_every_pair_once_in_order(db: Database) -> None:
    for hour in (0, 1, 2):
        await candle(db, hour, 90, 110, 95)
    ids = [await alert(db, level("100")) for _ in range(3)]

    async def following(row: MatchedCandle) -> list[MatchedCandle]:
        return await crossing(
            db, 2, 1, 2, after_open_time=row.open_time, after_alert_id=row.alert_id, max_rows=2
        )

    found = await walk(crossing(db, 2, 1, 2, max_rows=2), following)
    assert [(row.open_time, row.alert_id) for row in found] == [
        (START + hour * HOUR, each) for hour in (1, 2) for each in sorted(ids)
    ]


async def pattern(db: Database, **changes: Any) -> UUID:
    given: dict[str, Any] = {
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "pattern_type": "order_block",
        "time_frame": "1h",
        "detected_at": START,
        "price_level": Decimal(2000),
        "confidence_score": Decimal("0.5"),
        "status": "active",
        "metadata": None,
    }
    return (await smc_patterns.insert(db, **(given | changes))).id


async def test_a_pattern_fires_where_it_is_all_that_is_asked_for(db: Database) -> None:
    found = await pattern(db)
    unsure = await pattern(db, detected_at=START + HOUR, confidence_score=None)
    gone = await pattern(db, detected_at=START + 2 * HOUR, status="mitigated")
    ids = [found, unsure, gone, UUID(int=5)]
    any_kind = await alert(db, Pattern(symbol="ETH/USD"))
    exact = await alert(
        db,
        Pattern(
            symbol="ETH/USD",
            exchange="kraken",
            pattern_type="order_block",
            time_frame="1h",
            min_confidence=Decimal("0.5"),
        ),
    )
    for other in (
        Pattern(symbol="BTC/USD"),
        Pattern(symbol="ETH/USD", exchange="okx"),
        Pattern(symbol="ETH/USD", pattern_type="liquidity"),
        Pattern(symbol="ETH/USD", time_frame="4h"),
        Pattern(symbol="ETH/USD", min_confidence=Decimal("0.50001")),
    ):
        await alert(db, other)
    await alert(db, Pattern(symbol="ETH/USD"), enabled=False)
    matches = await alerts.list_matching_patterns(db, pattern_ids=ids, max_rows=MANY)
    pairs = [(row.pattern_id, row.alert_id) for row in matches]
    assert pairs == sorted([(found, any_kind), (found, exact), (unsure, any_kind)])

    async def following(row: MatchedPattern) -> list[MatchedPattern]:
        return await alerts.list_matching_patterns(
            db,
            pattern_ids=ids,
            after_pattern_id=row.pattern_id,
            after_alert_id=row.alert_id,
            max_rows=1,
        )

    first = alerts.list_matching_patterns(db, pattern_ids=ids, max_rows=1)
    assert await walk(first, following) == matches
