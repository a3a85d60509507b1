"""Calls as an application writes them; mypy --strict and pyright strict must accept all."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import whaledb
from whaledb.queries import alerts, liquidity_zones, market_data, whale_transactions
from whaledb.rows import LiquidityZone, WhaleTransaction


async def read() -> Decimal:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    total = Decimal(0)
    async with whaledb.connect(max_size=4, migrations="at_least") as db:
        one: WhaleTransaction | None = await whale_transactions.get_by_hash(
            db, chain_id=1, hash="0x" + "ab" * 32
        )
        if one is not None:
            total += one.value_eth
            receiver: str | None = one.to_address
            assert receiver is None or receiver.startswith("0x")
        recent: Sequence[WhaleTransaction] = await whale_transactions.list_recent(
            db, min_value_eth=Decimal(100), max_rows=10
        )
        if recent:
            last = recent[-1]
            recent = await whale_transactions.list_recent(
                db,
                min_value_eth=Decimal(100),
                before_timestamp=last.block_timestamp,
                before_hash=last.hash,
                before_chain_id=last.chain_id,
                before_block_hash=last.block_hash,
                before_trace_path=last.trace_path,
                max_rows=10,
            )
        order: Literal["newest", "largest"] = "largest" if recent else "newest"
        largest: list[WhaleTransaction] = await whale_transactions.list_transfers(
            db, chain_id=1, min_value_eth=None, since=since, max_rows=10, order_by=order
        )
        total += sum((row.value_eth for row in largest), Decimal(0))
        for due in await alerts.list_enabled_with_owner(db, max_rows=10):
            name: str | None = due.owner.display_name if due.owner is not None else None
            assert name is None or due.alert.enabled
        zones: list[LiquidityZone] = await liquidity_zones.list_in_price_range(
            db, min_price=Decimal(1900), max_price=Decimal(2100), side="bid"
        )
        total += sum((zone.size for zone in zones), Decimal(0)) + len(recent)
        stream = whale_transactions.stream_since(db, chain_id=1, since=since)
        async with aclosing(stream) as rows:
            async for row in rows:
                total += row.value_eth
    return total


async def write() -> int:
    async with whaledb.connect() as db, db.transaction(isolation="serializable") as tx:
        now = datetime.now(UTC)
        made: int = await market_data.ensure_months(tx, first=now, last=now)
        async with tx.transaction() as savepoint:
            found = await alerts.list_mine(savepoint, max_rows=10)
        return len(found) + made
