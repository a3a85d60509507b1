"""A login that is a member of one group, as a DBA makes them, can do its job and no more."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

import whaledb
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.settings import ConnectionTarget
from whaledb.ingest import ingest_blocks
from whaledb.queries import (
    alerts,
    blocks,
    dead_letters,
    ingest_cursors,
    liquidity_zones,
    market_data,
    smc_patterns,
    users,
    whale_transactions,
)

pytestmark = pytest.mark.versions

DATA = Path(__file__).parent.parent / "ingest" / "data"
MONTH = datetime(2026, 11, 1, tzinfo=UTC)
NIL_ID = UUID(int=0)
CHART: dict[str, Any] = {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1h"}
CANDLE: dict[str, Any] = CHART | {
    "open_time": MONTH,
    **dict.fromkeys(("open", "high", "low", "close", "volume"), Decimal(2)),
    "trade_count": None,
}


@asynccontextmanager
async def login(target: ConnectionTarget, group: str) -> AsyncGenerator[Database, None]:
    """The library connected as a new role whose only right is its membership."""
    role, password = f"test_login_{secrets.token_hex(6)}", secrets.token_urlsafe(16)
    async with AsyncExitStack() as stack:
        admin = await asyncpg.connect(**target.asyncpg_arguments())
        stack.push_async_callback(admin.close)
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE {group}")
        stack.push_async_callback(admin.execute, f"DROP ROLE {role}")
        connected = replace(target, user=role, password=SecretStr(password))
        yield await stack.enter_async_context(whaledb.connect(connected))


async def ingest(db: Database) -> tuple[int, int, int]:
    summary = await ingest_blocks(
        db,
        [DATA / "blocks.ndjson", DATA / "bad-items.ndjson"],
        min_value_eth=Decimal(1),
        receipts=[DATA / "receipts.ndjson"],
    )
    return summary.blocks, summary.transactions_written, summary.dead_letters


async def test_a_worker_ingests_and_reads(target: ConnectionTarget) -> None:
    async with login(target, "whaledb_worker") as db:
        stored, written, letters = await ingest(db)
        assert stored and written and letters
        assert await ingest(db) == (stored, 0, letters)
        assert await whale_transactions.list_recent(db, min_value_eth=Decimal(1), max_rows=1)
        assert await ingest_cursors.count(db) == 2
        assert await dead_letters.list_recent(db, max_rows=1)
        assert await market_data.ensure_months(db, first=MONTH, last=MONTH) == 1
        assert await market_data.merge(db, **CANDLE) is True
        assert await alerts.list_enabled(db, after_id=NIL_ID, max_rows=1) == []


async def test_a_reader_reads_and_writes_nothing(target: ConnectionTarget) -> None:
    async with whaledb.connect(target) as owner:
        await ingest(owner)
        await market_data.ensure_months(owner, first=MONTH, last=MONTH)
        await market_data.insert(owner, **CANDLE)
    async with login(target, "whaledb_reader") as db:
        assert await whale_transactions.list_recent(db, min_value_eth=Decimal(1), max_rows=1)
        assert await blocks.get_latest(db, chain_id=1) is not None
        assert await market_data.list_recent(db, **CHART, max_rows=9)
        assert await smc_patterns.count(db, symbol="ETH/USD") == 0
        assert (
            await liquidity_zones.list_in_price_range(
                db, min_price=Decimal(1), max_price=Decimal(2), side="bid"
            )
            == []
        )
        refused: list[Callable[[], Awaitable[object]]] = [
            lambda: ingest(db),
            lambda: market_data.ensure_months(db, first=MONTH, last=MONTH),
            lambda: market_data.merge(db, **CANDLE),
            lambda: ingest_cursors.count(db),
            lambda: dead_letters.list_recent(db, max_rows=1),
            lambda: alerts.list_enabled(db, after_id=NIL_ID, max_rows=1),
            lambda: users.count(db),
        ]
        for attempt in refused:
            with pytest.raises(Error) as refusal:
                await attempt()
            assert refusal.value.sqlstate == "42501"
