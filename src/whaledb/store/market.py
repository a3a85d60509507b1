"""Candles and patterns of one chart, with the alerts they fire: one transaction."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.alerting import fire_candles, fire_patterns
from whaledb.documents import JSONObject
from whaledb.queries import market_data, smc_patterns
from whaledb.rows import MarketDataInterval, SMCPatternStatus, SMCPatternTimeFrame

MAX_CANDLES_PER_CALL: Final = 10_000
"""A week of minutes; more would hold the locks of a transaction for long."""
MAX_PATTERNS_PER_CALL: Final = 10_000


class Candle(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A candle of a chart. Prices are in the symbol's quote currency."""

    open_time: datetime
    """When the candle begins; with a zone."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    """Amount traded in the symbol's base currency or contracts."""
    trade_count: int | None = None
    """None where the exchange does not tell, which leaves the stored one."""


class FoundPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern that a detector found in a chart."""

    pattern_type: str
    """Kind of pattern in snake_case."""
    detected_at: datetime
    """Open time of the bar; with a zone."""
    price_level: Decimal
    """Quote currency of the symbol."""
    confidence_score: Decimal | None = None
    """0 to 1; None where the detector gives none, which leaves the stored one."""
    status: SMCPatternStatus = "active"
    metadata: JSONObject | None = None
    """What the detector says beyond that; None leaves the stored one."""


class Stored(msgspec.Struct, frozen=True):
    """What a call did: rows that are new, rows that changed, alerts that fired."""

    added: int
    changed: int
    fired: int


async def store_candles(
    db: Database,
    *,
    exchange: str,
    symbol: str,
    interval: MarketDataInterval,
    candles: Sequence[Candle],
    match_alerts: bool = True,
) -> Stored:
    """Merges candles of one chart and fires the alerts whose level they cross.

    One transaction; the months of the candles are made before it, where they are missing. Every
    candle that is new or changed is matched, so an open candle may be stored as often as it
    moves, and fires an alert once. A change of a candle's close does not match the candle after
    it again. With `match_alerts` false nothing fires: for old candles, which are no news.

    Raises:
        DataError: more than MAX_CANDLES_PER_CALL, or the database refuses a candle; nothing was
            stored.
        TransientError: another writer got in the way; nothing was stored.
    """
    _refuse_more_than(MAX_CANDLES_PER_CALL, len(candles), "candles")
    if not candles:
        return Stored(added=0, changed=0, fired=0)
    open_times = [candle.open_time for candle in candles]
    await market_data.ensure_months(db, first=min(open_times), last=max(open_times))
    async with db.transaction() as tx:
        merged = await market_data.merge_batch(
            tx,
            exchange=exchange,
            symbol=symbol,
            interval=interval,
            open_times=open_times,
            opens=[candle.open for candle in candles],
            highs=[candle.high for candle in candles],
            lows=[candle.low for candle in candles],
            closes=[candle.close for candle in candles],
            volumes=[candle.volume for candle in candles],
            trade_counts=[candle.trade_count for candle in candles],
        )
        fired = 0
        if match_alerts:
            fired = await fire_candles(
                tx,
                exchange=exchange,
                symbol=symbol,
                interval=interval,
                open_times=[row.open_time for row in merged],
            )
    added = sum(row.inserted for row in merged)
    return Stored(added=added, changed=len(merged) - added, fired=fired)


async def store_patterns(
    db: Database,
    *,
    exchange: str,
    symbol: str,
    time_frame: SMCPatternTimeFrame,
    patterns: Sequence[FoundPattern],
    match_alerts: bool = True,
) -> Stored:
    """Merges patterns of one chart and fires the alerts that ask for those that are new.

    One transaction. A pattern that was stored before fires nothing, whatever changes of it, nor
    does one that is not active. With `match_alerts` false nothing fires: for old charts, which are
    no news.

    Raises:
        DataError: more than MAX_PATTERNS_PER_CALL, or the database refuses a pattern; nothing was
            stored.
        TransientError: another writer got in the way; nothing was stored.
    """
    _refuse_more_than(MAX_PATTERNS_PER_CALL, len(patterns), "patterns")
    if not patterns:
        return Stored(added=0, changed=0, fired=0)
    async with db.transaction() as tx:
        merged = await smc_patterns.merge_batch(
            tx,
            exchange=exchange,
            symbol=symbol,
            time_frame=time_frame,
            pattern_types=[pattern.pattern_type for pattern in patterns],
            detected_ats=[pattern.detected_at for pattern in patterns],
            price_levels=[pattern.price_level for pattern in patterns],
            confidence_scores=[pattern.confidence_score for pattern in patterns],
            statuses=[pattern.status for pattern in patterns],
            metadatas=[pattern.metadata for pattern in patterns],
        )
        added = [row.id for row in merged if row.inserted]
        fired = await fire_patterns(tx, pattern_ids=added) if match_alerts else 0
    return Stored(added=len(added), changed=len(merged) - len(added), fired=fired)


def _refuse_more_than(limit: int, given: int, what: str) -> None:
    if given > limit:
        raise DataError(f"{given} {what} given, at most {limit} in one call; split them")
