"""Calls that are wrong. Both type checkers must refuse each line marked here, and no other.

This file is outside what they check otherwise; test_calls.py runs them on it.
"""

from decimal import Decimal

from typedsql.database import Database
from whaledb.queries import alerts, liquidity_zones, whale_transactions


async def wrong(db: Database) -> None:
    await whale_transactions.get_by_hash(db, chain_id="1", hash="0x")  # WRONG: str for int
    await whale_transactions.get_by_hash(db, 1, "0x")  # WRONG: positional
    await whale_transactions.get_by_hash(db, chain_id=1)  # WRONG: a parameter is missing
    await whale_transactions.get_by_hash(db, chain_id=1, hash="0x", limit=1)  # WRONG: unknown
    await whale_transactions.get_by_hash("db", chain_id=1, hash="0x")  # WRONG: no database
    await whale_transactions.list_recent(db, min_value_eth=1.5, max_rows=1)  # WRONG: float
    await whale_transactions.list_transfers(db, chain_id=1, max_rows=1, order_by="t.id")  # WRONG
    await whale_transactions.list_transfers(db, chain_id=None, max_rows=1)  # WRONG: not optional
    await whale_transactions.list_transfers(db, chain_id=1)  # WRONG: no max_rows
    await liquidity_zones.list_in_price_range(
        db,
        min_price=Decimal(1),
        max_price=Decimal(2),
        side="buy",  # WRONG: bid or ask
    )
    for due in await alerts.list_enabled_with_owner(db, max_rows=1):
        print(due.alert.id, due.owner.id)  # WRONG: an account without a profile
    row = await whale_transactions.get_by_hash(db, chain_id=1, hash="0x")
    print(row.value_eth)  # WRONG: it may be None
    if row is not None:
        row.value_eth = Decimal(1)  # WRONG: rows are frozen
        print(row.to_address.lower())  # WRONG: a contract creation has no receiver
        print(row.amount)  # WRONG: no such column
    zones = await liquidity_zones.list_in_price_range(
        db, min_price=Decimal(1), max_price=Decimal(2), side="bid"
    )
    print(zones[0].size + 1.5)  # WRONG: Decimal and float
    print(zones[0].size, row)
