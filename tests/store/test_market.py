"""Candles and patterns are stored with the alerts they fire, or not at all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest

from tests.queries.accounts import ALICE, make_accounts
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.alerting import to_document, type_of
from whaledb.documents import AlertConditions, Pattern, PriceLevel
from whaledb.queries import alert_events, alerts, market_data, smc_patterns
from whaledb.rows import AlertEvent
from whaledb.store import Candle, FoundPattern, Stored, market, store_candles, store_patterns

pytestmark = pytest.mark.versions

MANY: Final = 1000
START: Final = datetime(2026, 11, 30, 23, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
CHART: Final[dict[str, Any]] = {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1h"}
BARS: Final[dict[str, Any]] = {"exchange": "kraken", "symbol": "ETH/USD", "time_frame": "1h"}


@pytest.fixture(autouse=True)
async def accounts(db: Database) -> None:
    await make_accounts(db, ALICE)


async def alert(db: Database, conditions: AlertConditions) -> UUID:
    row = await alerts.insert(
        db,
        user_id=ALICE,
        alert_type=type_of(conditions),
        conditions=to_document(conditions),
        enabled=True,
    )
    return row.id


def above(price: int) -> PriceLevel:
    return PriceLevel(**CHART, direction="above", price=Decimal(price))


def candle(hour: int, high: int, close: int = 100) -> Candle:
    return Candle(
        open_time=START + hour * HOUR,
        open=Decimal(95),
        high=Decimal(high),
        low=Decimal(90),
        close=Decimal(close),
        volume=Decimal(1),
    )


def pattern(hour: int, **changes: Any) -> FoundPattern:
    found = FoundPattern(
        pattern_type="order_block", detected_at=START + hour * HOUR, price_level=Decimal(2000)
    )
    return msgspec.structs.replace(found, **changes)


async def fired(db: Database, alert_id: UUID) -> list[AlertEvent]:
    found = await alert_events.list_by_alert(db, alert_id=alert_id, max_rows=MANY)
    return sorted(found, key=lambda row: row.open_time or START)


async def test_candles_fire_the_alerts_that_they_cross(db: Database) -> None:
    at_110, at_130 = await alert(db, above(110)), await alert(db, above(130))
    both = [candle(0, 110), candle(1, 120)]
    assert await store_candles(db, **CHART, candles=both) == Stored(added=2, changed=0, fired=2)
    assert [row.open_time for row in await fired(db, at_110)] == [START, START + HOUR]
    assert await fired(db, at_130) == []

    # The last one is still open, and goes on to rise.
    for high, stored in ((120, Stored(0, 0, 0)), (125, Stored(0, 1, 0)), (130, Stored(0, 1, 1))):
        assert await store_candles(db, **CHART, candles=[candle(1, high)]) == stored
    assert [row.open_time for row in await fired(db, at_130)] == [START + HOUR]
    assert len(await fired(db, at_110)) == 2


async def test_a_second_run_of_candles_writes_nothing(db: Database) -> None:
    mine = await alert(db, above(110))
    both = [candle(0, 110), candle(1, 120)]
    await store_candles(db, **CHART, candles=both)
    for table in ("market_data", "alert_events"):
        await age(db, table)
    assert await store_candles(db, **CHART, candles=both) == Stored(0, 0, 0)
    assert {row.updated_at for row in await fired(db, mine)} == {LONG_AGO}
    rows = await market_data.list_recent(db, **CHART, max_rows=MANY)
    assert {row.updated_at for row in rows} == {LONG_AGO}
    assert await store_candles(db, **CHART, candles=[]) == Stored(0, 0, 0)


async def test_old_candles_are_no_news(db: Database) -> None:
    mine = await alert(db, above(110))
    done = await store_candles(db, **CHART, candles=[candle(0, 120)], match_alerts=False)
    assert done == Stored(added=1, changed=0, fired=0)
    assert await fired(db, mine) == []


async def test_a_refused_candle_takes_all_with_it(db: Database) -> None:
    mine = await alert(db, above(110))
    with pytest.raises(DataError):
        await store_candles(db, **CHART, candles=[candle(0, 120), candle(1, 80)])
    assert await market_data.list_recent(db, **CHART, max_rows=MANY) == []
    assert await fired(db, mine) == []


async def test_candles_are_not_kept_when_what_they_fire_cannot_be(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alert(db, above(110))

    async def refused(*_: object, **__: object) -> None:
        raise DataError("refused")

    monkeypatch.setattr(alert_events, "merge_candles", refused)
    with pytest.raises(DataError):
        await store_candles(db, **CHART, candles=[candle(0, 120)])
    assert await market_data.list_recent(db, **CHART, max_rows=MANY) == []


async def test_new_active_patterns_fire(db: Database) -> None:
    mine = await alert(db, Pattern(symbol="ETH/USD", min_confidence=Decimal("0.5")))
    found = [
        pattern(0, confidence_score=Decimal("0.5")),
        pattern(1),
        pattern(2, confidence_score=Decimal(1), status="mitigated"),
    ]
    assert await store_patterns(db, **BARS, patterns=found) == Stored(3, 0, 1)
    [event] = await fired(db, mine)
    assert event.pattern_id is not None
    row = await smc_patterns.get(db, id=event.pattern_id)
    assert row is not None
    assert row.detected_at == START
    assert await store_patterns(db, **BARS, patterns=found) == Stored(0, 0, 0)
    # Known already: neither more confidence nor another status makes one new.
    later = [
        pattern(1, confidence_score=Decimal(1)),
        pattern(2, confidence_score=Decimal(1), status="active"),
    ]
    assert await store_patterns(db, **BARS, patterns=later) == Stored(0, 2, 0)
    old = [pattern(3, confidence_score=Decimal(1))]
    assert await store_patterns(db, **BARS, patterns=old, match_alerts=False) == Stored(1, 0, 0)
    assert await fired(db, mine) == [event]
    assert await store_patterns(db, **BARS, patterns=[]) == Stored(0, 0, 0)


async def test_a_call_has_a_limit(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "MAX_CANDLES_PER_CALL", 1)
    monkeypatch.setattr(market, "MAX_PATTERNS_PER_CALL", 1)
    with pytest.raises(DataError, match="2 candles given, at most 1"):
        await store_candles(db, **CHART, candles=[candle(0, 110), candle(1, 110)])
    with pytest.raises(DataError, match="2 patterns given, at most 1"):
        await store_patterns(db, **BARS, patterns=[pattern(0), pattern(1)])
