"""Work on stored rows that takes more than one statement: candles, prices, scores."""

from whaledb.store.market import (
    MAX_CANDLES_PER_CALL,
    MAX_PATTERNS_PER_CALL,
    Candle,
    FoundPattern,
    Stored,
    store_candles,
    store_patterns,
)

__all__ = [
    "MAX_CANDLES_PER_CALL",
    "MAX_PATTERNS_PER_CALL",
    "Candle",
    "FoundPattern",
    "Stored",
    "store_candles",
    "store_patterns",
]
