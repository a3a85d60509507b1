"""A valid row of each table as JSON, and its insertion with some members changed."""

import json
from typing import Any

import asyncpg

HASH = "0x" + "ab" * 32
OTHER_HASH = "0x" + "cd" * 32
ADDRESS = "0x" + "12" * 20
ACCOUNT = "11111111-1111-4111-8111-111111111111"
OTHER_ACCOUNT = "22222222-2222-4222-8222-222222222222"
ALERT = "44444444-4444-4444-8444-444444444444"
TIME = "2026-11-15T12:00:00Z"

VALID: dict[str, dict[str, Any]] = {
    "whale_transactions": {
        "hash": HASH,
        "chain_id": 1,
        "block_hash": OTHER_HASH,
        "block_number": 16_000_005,
        "block_timestamp": TIME,
        "from_address": ADDRESS,
        "to_address": ADDRESS,
        "value_eth": "100",
        "gas_price": 20_000_000_000,
    },
    "liquidity_zones": {
        "price_level": "1900.5",
        "size": "12",
        "side": "bid",
        "exchange": "kraken",
        "symbol": "ETH/USD",
    },
    "smc_patterns": {
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "pattern_type": "order_block",
        "time_frame": "1h",
        "detected_at": TIME,
        "price_level": "1900.5",
    },
    "market_data": {
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "interval": "1m",
        "open_time": TIME,
        "open": "10",
        "high": "12",
        "low": "9",
        "close": "11",
        "volume": "5",
    },
    "blocks": {
        "hash": HASH,
        "chain_id": 1,
        "number": 16_000_005,
        "parent_hash": OTHER_HASH,
        "block_timestamp": TIME,
        "min_value_eth": "100",
        "complete": True,
    },
    "ingest_cursors": {
        "stream": "file:/data/blocks.ndjson",
        "chain_id": 1,
        "number": 16_000_005,
        "hash": HASH,
    },
    "ingest_claims": {
        "stream": "rpc:mainnet",
        "chain_id": 1,
        "fencing_token": 7,
        "holder": "worker-1:4711",
        "claimed_at": TIME,
        "expires_at": TIME,
    },
    "dead_letters": {
        "source": "file:/data/blocks.ndjson",
        "item": "line 7",
        "payload": "\\x00ff",
        "payload_sha256": "\\x" + "0f" * 32,
        "reason": "not JSON",
    },
    "users": {"id": ACCOUNT},
    "alerts": {
        "user_id": ACCOUNT,
        "alert_type": "large_transfer",
        "conditions": {"min_value_eth": 100},
    },
    "alert_events": {
        "alert_id": ALERT,
        "user_id": ACCOUNT,
        "chain_id": 1,
        "block_number": 16_000_005,
        "block_hash": OTHER_HASH,
        "transaction_hash": HASH,
        "trace_path": "",
    },
}


async def prepare(connection: asyncpg.Connection) -> None:
    """Make what rows refer to: two accounts, an alert of the first, a month of market_data."""
    await connection.executemany(
        "INSERT INTO auth.users (id) VALUES ($1)", [(ACCOUNT,), (OTHER_ACCOUNT,)]
    )
    await insert(connection, "alerts", id=ALERT)
    await connection.execute(
        "SELECT public.ensure_market_data_months($1::TEXT::TIMESTAMPTZ, $1::TEXT::TIMESTAMPTZ)",
        TIME,
    )


async def insert(connection: asyncpg.Connection, table: str, **changed: Any) -> asyncpg.Record:
    """Insert the valid row of `table` with some members changed.

    Values pass through the server's own text input, so that none is refused by the driver
    before a constraint sees it.
    """
    row = VALID[table] | changed
    columns = ", ".join(row)
    inserted = await connection.fetchrow(
        f"INSERT INTO public.{table} ({columns})"
        f" SELECT {columns} FROM jsonb_populate_record(NULL::public.{table}, $1::JSONB)"
        " RETURNING *",
        json.dumps(row),
    )
    assert inserted is not None
    return inserted
