"""Levels of order books at which much is offered or asked for."""

from typing import Any
from uuid import UUID

from whaledb import rows
from whaledb.rows import LiquidityZoneSide
from whaledb.schemas.models import Create, Response, Update
from whaledb.schemas.values import (
    Exact,
    Exchange,
    PositiveQuantity,
    Price,
    Score,
    StoredMoment,
    Symbol,
)


class LiquidityZoneCreate(Create):
    """A level to be stored by `liquidity_zones.insert` or `merge`."""

    price_level: Price
    size: PositiveQuantity
    side: LiquidityZoneSide
    strength: Score | None = None
    exchange: Exchange
    symbol: Symbol


class LiquidityZoneUpdate(Update):
    """What is found out about a level later, for `liquidity_zones.update_strength`."""

    strength: Score | None = None
    """Null takes a strength back."""

    def arguments(self, stored: rows.LiquidityZone) -> dict[str, Any]:
        """Keyword arguments of `liquidity_zones.update_strength`."""
        return self.applied_to(stored, "id", "strength")


class LiquidityZoneRead(Response):
    """A level as it is stored."""

    id: UUID
    price_level: Exact
    size: Exact
    side: LiquidityZoneSide
    strength: Exact | None
    exchange: str
    symbol: str
    created_at: StoredMoment
    updated_at: StoredMoment
