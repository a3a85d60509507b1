"""Smart Money Concept patterns that a detector found in candles."""

from typing import Any
from uuid import UUID

from whaledb import rows
from whaledb.rows import SMCPatternStatus, SMCPatternTimeFrame
from whaledb.schemas.json_documents import JSONDocument, StoredDocument
from whaledb.schemas.models import Create, Response, Update
from whaledb.schemas.values import (
    Exact,
    Exchange,
    Moment,
    PatternType,
    Price,
    Score,
    StoredMoment,
    Symbol,
    Unchanged,
)


class SMCPatternCreate(Create):
    """A finding to be stored by `smc_patterns.insert` or `merge`."""

    exchange: Exchange
    symbol: Symbol
    pattern_type: PatternType
    time_frame: SMCPatternTimeFrame
    detected_at: Moment
    price_level: Price
    confidence_score: Score | None = None
    status: SMCPatternStatus = "active"
    metadata: JSONDocument | None = None


class SMCPatternUpdate(Update):
    """What becomes of a pattern, for `smc_patterns.update_status`."""

    status: Unchanged[SMCPatternStatus] = None

    def arguments(self, stored: rows.SMCPattern) -> dict[str, Any]:
        """Keyword arguments of `smc_patterns.update_status`."""
        return self.applied_to(stored, "id", "status")


class SMCPatternRead(Response):
    """A finding as it is stored."""

    id: UUID
    exchange: str
    symbol: str
    pattern_type: str
    time_frame: SMCPatternTimeFrame
    detected_at: StoredMoment
    price_level: Exact
    confidence_score: Exact | None
    status: SMCPatternStatus
    metadata: StoredDocument | None
    created_at: StoredMoment
    updated_at: StoredMoment
