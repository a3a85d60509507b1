"""Order books, candles and patterns, for everybody who is signed in."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from tests.api.app.database import Db
from tests.api.app.identity import User
from tests.api.app.pages import PageQuery, answer
from tests.api.app.problems import not_found
from whaledb.documents import TimeFrame
from whaledb.queries import liquidity_zones, market_data, smc_patterns
from whaledb.schemas import LiquidityZoneRead, MarketDataRead, Page, SMCPatternRead
from whaledb.schemas.cursors import CandlesBefore, PatternsOfTypeBefore, ZonesOfSymbolAfter
from whaledb.schemas.values import Exchange, PatternType, Symbol

router = APIRouter(tags=["market"])


class ZoneQuery(PageQuery):
    """Which levels."""

    symbol: Symbol


class PatternQuery(PageQuery):
    """Which patterns."""

    pattern_type: PatternType


class CandleQuery(PageQuery):
    """Which chart."""

    exchange: Exchange
    symbol: Symbol
    interval: TimeFrame


@router.get("/liquidity-zones", response_model=Page[LiquidityZoneRead])
async def list_zones(query: Annotated[ZoneQuery, Query()], user: User, db: Db) -> Response:
    """The levels of one symbol by exchange, side and price."""
    async with db.as_user(user, readonly=True) as tx:
        found = await liquidity_zones.list_by_symbol(
            tx, symbol=query.symbol, **query.arguments(ZonesOfSymbolAfter)
        )
    return query.page_of(found, ZonesOfSymbolAfter)


@router.get("/candles", response_model=Page[MarketDataRead])
async def list_candles(query: Annotated[CandleQuery, Query()], user: User, db: Db) -> Response:
    """The candles of a chart, newest first."""
    async with db.as_user(user, readonly=True) as tx:
        found = await market_data.list_recent(
            tx,
            exchange=query.exchange,
            symbol=query.symbol,
            interval=query.interval,
            **query.arguments(CandlesBefore),
        )
    return query.page_of(found, CandlesBefore)


@router.get("/smc-patterns", response_model=Page[SMCPatternRead])
async def list_patterns(query: Annotated[PatternQuery, Query()], user: User, db: Db) -> Response:
    """The patterns of one type on every chart, newest first."""
    async with db.as_user(user, readonly=True) as tx:
        found = await smc_patterns.list_by_type(
            tx, pattern_type=query.pattern_type, **query.arguments(PatternsOfTypeBefore)
        )
    return query.page_of(found, PatternsOfTypeBefore)


@router.get("/smc-patterns/{pattern_id}", response_model=SMCPatternRead)
async def get_pattern(pattern_id: UUID, user: User, db: Db) -> Response:
    """One pattern."""
    async with db.as_user(user, readonly=True) as tx:
        found = await smc_patterns.get(tx, id=pattern_id)
    if found is None:
        raise not_found("pattern")
    return answer(found)
