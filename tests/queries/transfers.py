"""Transfers to store, each different from the others in what a test cares for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from typedsql.database import Database
from whaledb.queries import whale_transactions
from whaledb.rows import WhaleTransaction

CHAIN: Final = 1
START: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
BLOCK: Final = 16_000_000
BLOCK_TIME: Final = timedelta(seconds=12)


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


def address_of(number: int) -> str:
    return f"0x{number:040x}"


def transfer(number: int, *, block: int = 0, **changes: Any) -> dict[str, Any]:
    """What `insert` takes: transaction `number` in the block `block` after the first."""
    return {
        "hash": hash_of(number),
        "chain_id": CHAIN,
        "block_hash": hash_of(0xB10C0000 + block),
        "trace_path": "",
        "block_number": BLOCK + block,
        "block_timestamp": START + block * BLOCK_TIME,
        "from_address": address_of(1),
        "to_address": address_of(2),
        "value_eth": Decimal(150),
        "value_usd": None,
        "price_source": None,
        "priced_at": None,
        "gas_price": 20_000_000_000,
        "gas_used": None,
        "succeeded": None,
        "whale_score": None,
    } | changes


async def stored(db: Database, number: int, **changes: Any) -> WhaleTransaction:
    """Inserts a transfer; with `orphaned=True` its block leaves the chain afterwards."""
    orphaned = changes.pop("orphaned", False)
    row = await whale_transactions.insert(db, **transfer(number, **changes))
    if orphaned:
        await whale_transactions.orphan_blocks(
            db,
            chain_id=row.chain_id,
            block_numbers=[row.block_number],
            block_hashes=[row.block_hash],
        )
    return row


def ties(number: int) -> list[dict[str, Any]]:
    """Changes to a transfer that differ in the rest of its key alone."""
    return [
        {"hash": hash_of(number), "chain_id": chain, "block_hash": block, "trace_path": trace}
        for chain in (CHAIN, 10)
        for block in (hash_of(1), hash_of(2))
        for trace in ("", "0")
    ]


def key(row: WhaleTransaction) -> dict[str, Any]:
    return {
        "hash": row.hash,
        "chain_id": row.chain_id,
        "block_hash": row.block_hash,
        "trace_path": row.trace_path,
    }


async def again(db: Database, row: WhaleTransaction) -> WhaleTransaction:
    """The row as it is stored now."""
    found = await whale_transactions.get(db, **key(row))
    assert found is not None
    return found
