"""Candles of instruments."""

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from whaledb.rows import MarketDataInterval
from whaledb.schemas.models import Create, Response
from whaledb.schemas.values import (
    Count,
    Exact,
    Exchange,
    Moment,
    Price,
    Quantity,
    StoredMoment,
    Symbol,
)


class MarketDataCreate(Create):
    """A candle to be stored by `market_data.insert` or `merge`, which replaces it whole."""

    exchange: Exchange
    symbol: Symbol
    interval: MarketDataInterval
    open_time: Moment
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    trade_count: Count | None = None

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        if self.low > min(self.open, self.close) or self.high < max(self.open, self.close):
            raise PydanticCustomError(
                "prices_unordered", "open and close should lie between low and high"
            )
        return self


class MarketDataRead(Response):
    """A candle as it is stored."""

    exchange: str
    symbol: str
    interval: MarketDataInterval
    open_time: StoredMoment
    open: Exact
    high: Exact
    low: Exact
    close: Exact
    volume: Exact
    trade_count: int | None
    created_at: StoredMoment
    updated_at: StoredMoment
