"""What alerts fired on. Workers alone write it, beside the rows that fired."""

from uuid import UUID

from whaledb.rows import AlertEventInterval
from whaledb.schemas.models import Response
from whaledb.schemas.values import StoredMoment


class AlertEventRead(Response):
    """An event as it is stored: of a transfer, a candle or a pattern."""

    id: UUID
    alert_id: UUID
    user_id: UUID
    chain_id: int | None
    block_number: int | None
    block_hash: str | None
    transaction_hash: str | None
    trace_path: str | None
    exchange: str | None
    symbol: str | None
    interval: AlertEventInterval | None
    open_time: StoredMoment | None
    pattern_id: UUID | None
    fired_at: StoredMoment
    retracted_at: StoredMoment | None
    created_at: StoredMoment
    updated_at: StoredMoment
