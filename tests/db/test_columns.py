"""Types, defaults and NOT NULL of every column."""

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.db.rows import ACCOUNT, VALID, insert, prepare

pytestmark = pytest.mark.versions

NULLABLE: dict[str, set[str]] = {
    "whale_transactions": {
        "to_address",
        "value_usd",
        "price_source",
        "priced_at",
        "gas_used",
        "succeeded",
        "whale_score",
        "orphaned_at",
    },
    "liquidity_zones": {"strength"},
    "smc_patterns": {"confidence_score", "metadata"},
    "market_data": {"trade_count"},
    "blocks": {"orphaned_at"},
    "ingest_claims": set(),
    "ingest_cursors": set(),
    "dead_letters": {"sqlstate"},
    "users": {"display_name"},
    "alerts": set(),
    # Those of a transfer, a candle and a pattern, one of which fired: a CHECK for each.
    "alert_events": {
        "chain_id",
        "block_number",
        "block_hash",
        "transaction_hash",
        "trace_path",
        "exchange",
        "symbol",
        "interval",
        "open_time",
        "pattern_id",
        "retracted_at",
    },
}

CREATED = ("created_at", "updated_at")
SEEN = ("first_seen_at", "last_seen_at")

# Columns that default to the time of the transaction, and the constant defaults.
TIMES: dict[str, tuple[str, ...]] = dict.fromkeys(VALID, CREATED) | {
    "dead_letters": SEEN,
    # Its times are those of the clock, given by each statement.
    "ingest_claims": (),
    "alert_events": ("fired_at", *CREATED),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "whale_transactions": {"trace_path": ""},
    "smc_patterns": {"status": "active"},
    "blocks": {"canonical": True, "finality": "pending", "traced": False},
    "dead_letters": {"attempts": 1},
    "users": {"preferences": "{}"},
    "alerts": {"enabled": True},
}
GENERATED_IDS = {
    "whale_transactions",
    "liquidity_zones",
    "smc_patterns",
    "dead_letters",
    "alerts",
    "alert_events",
}


@pytest.mark.parametrize("table", VALID)
async def test_not_null(rolled_back: asyncpg.Connection, table: str) -> None:
    await prepare(rolled_back)
    row = await insert(rolled_back, table)
    await rolled_back.execute(f"DELETE FROM public.{table}")
    refused = set()
    for column in row.keys():  # noqa: SIM118 - a Record iterates over its values
        attempt = rolled_back.transaction()
        await attempt.start()
        try:
            await insert(rolled_back, table, **{column: None})
        except asyncpg.NotNullViolationError as refusal:
            assert refusal.column_name == column
            refused.add(column)
        except asyncpg.CheckViolationError as refusal:
            if table == "alert_events":
                # A part of the transfer's key: the column itself takes NULL.
                assert refusal.constraint_name in (
                    "alert_events_transfer_complete",
                    "alert_events_row_given",
                )
                continue
            # No partition takes a NULL, which is found out first.
            assert (table, column) == ("market_data", "open_time")
            refused.add(column)
        finally:
            await attempt.rollback()
    assert set(row.keys()) - refused == NULLABLE[table]


@pytest.mark.parametrize("table", VALID)
async def test_defaults(rolled_back: asyncpg.Connection, table: str) -> None:
    await prepare(rolled_back)
    async with rolled_back.transaction():
        row = await insert(rolled_back, table)
        now = await rolled_back.fetchval("SELECT now()")
        assert [row[column] for column in TIMES[table]] == [now] * len(TIMES[table])
    expected = DEFAULTS.get(table, {})
    assert {column: row[column] for column in expected} == expected
    if table in GENERATED_IDS:
        assert row["id"].version == 4
    has_default = {
        record["attname"]
        for record in await rolled_back.fetch(
            "SELECT a.attname FROM pg_attribute AS a"
            " WHERE a.attrelid = $1::TEXT::REGCLASS AND a.atthasdef AND a.attnum > 0",
            f"public.{table}",
        )
    }
    ids = {"id"} if table in GENERATED_IDS else set()
    owner = {"user_id"} if table == "alerts" else set()
    assert has_default == ids | owner | set(TIMES[table]) | set(expected)


async def test_an_alert_belongs_by_default_to_the_account_of_the_transaction(
    connection: asyncpg.Connection,
) -> None:
    await prepare(connection)
    statement = (
        "INSERT INTO public.alerts (alert_type, conditions)"
        " VALUES ('large_transfer', '{\"min_value_eth\": 1}') RETURNING user_id"
    )
    async with connection.transaction():
        await connection.execute(
            "SELECT set_config('request.jwt.claims', $1, TRUE)", json.dumps({"sub": ACCOUNT})
        )
        assert str(await connection.fetchval(statement)) == ACCOUNT
    # The setting is '' now, not NULL, and ''::UUID would fail on every reused session.
    assert await connection.fetchval("SELECT current_setting('request.jwt.claims', TRUE)") == ""
    with pytest.raises(asyncpg.NotNullViolationError):
        await connection.fetchval(statement)


async def test_types(rolled_back: asyncpg.Connection) -> None:
    """No VARCHAR (a cast to it cuts silently), no TIMESTAMP without zone, no float."""
    rows = await rolled_back.fetch(
        """
        SELECT
            format('%s.%s', c.relname, a.attname) AS name,
            format_type(a.atttypid, a.atttypmod) AS type
        FROM pg_class AS c
        INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE
            c.relnamespace = 'public'::REGNAMESPACE
            AND c.relkind IN ('r', 'p')
            AND a.attnum > 0 AND NOT a.attisdropped
        """
    )
    used = {row["type"] for row in rows}
    assert used == {
        "bigint",
        "boolean",
        "bytea",
        "integer",
        "jsonb",
        "numeric",
        "numeric(20,2)",
        "numeric(5,4)",
        "text",
        "timestamp with time zone",
        "uuid",
    }
    rounding = {row["name"] for row in rows if row["type"].startswith("numeric(")}
    assert rounding == {
        "whale_transactions.value_usd",
        "whale_transactions.whale_score",
        "liquidity_zones.strength",
        "smc_patterns.confidence_score",
    }


async def test_the_whole_range_of_amounts_is_exact(rolled_back: asyncpg.Connection) -> None:
    uint256 = "115792089237316195423570985008687907853269984665640564039457.584007913129639935"
    row = await insert(rolled_back, "whale_transactions", value_eth=uint256)
    assert str(row["value_eth"]) == uint256
    zone = await insert(rolled_back, "liquidity_zones", price_level="0.00000001485")
    assert f"{zone['price_level']:f}" == "0.00000001485"


async def test_updated_at_has_no_trigger(rolled_back: asyncpg.Connection) -> None:
    """Statements set updated_at themselves; a trigger would hide one that forgets to."""
    assert (
        await rolled_back.fetchval(
            "SELECT count(*) FROM pg_trigger AS t"
            " INNER JOIN pg_class AS c ON c.oid = t.tgrelid"
            " WHERE c.relnamespace = 'public'::REGNAMESPACE AND NOT t.tgisinternal"
        )
        == 0
    )
    row = await insert(rolled_back, "blocks", updated_at="2020-01-01T00:00:00Z")
    again = await rolled_back.fetchrow(
        "UPDATE public.blocks SET finality = 'safe' RETURNING updated_at, created_at"
    )
    assert again is not None
    assert again["updated_at"] == row["updated_at"]
    assert again["created_at"] - row["updated_at"] > timedelta(days=365)
