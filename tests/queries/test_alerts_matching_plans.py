"""Matching reads the alerts that fire and no others, with 100,000 of them in the table."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.plans import indexes, nodes
from tests.queries.test_plans import generic_plan
from tests.queries.transfers import BLOCK, hash_of, stored
from typedsql.database import Database
from typedsql.statements import Statement, load_statements
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

BLOCK_HASH: Final = hash_of(0xB10C0000)
WHALES: Final = 5
# Of 100,000 alerts, 25 thresholds and 20 addresses are met by each of five whales of 150 ether.
SEED: Final = """
INSERT INTO auth.users (id) VALUES ('a11ce000-0000-4000-8000-000000000001');
INSERT INTO public.alerts (user_id, alert_type, conditions)
SELECT
    'a11ce000-0000-4000-8000-000000000001',
    CASE n % 2 WHEN 0 THEN 'large_transfer' ELSE 'address_activity' END,
    CASE n % 2
        WHEN 0 THEN jsonb_build_object('min_value_eth', CASE WHEN n <= 50 THEN 100 ELSE n + 150 END)
        ELSE jsonb_build_object(
            'address', '0x' || lpad(to_hex(CASE WHEN n < 40 THEN 1 ELSE n END), 40, '0')
        )
    END
FROM generate_series(1, 100000) AS n;
INSERT INTO public.whale_transactions (
    hash, chain_id, block_hash, block_number, block_timestamp, from_address, to_address,
    value_eth, gas_price
)
SELECT
    '0x' || encode(sha256(int8send(n)), 'hex'), 1,
    '0x' || encode(sha256(int8send(-n / 100)), 'hex'), n / 100,
    '2026-01-01Z'::TIMESTAMPTZ + n / 100 * INTERVAL '12 s',
    '0x' || lpad(to_hex(n), 40, '0'), '0x' || lpad(to_hex(n + 1), 40, '0'), n % 1009, 1
FROM generate_series(1, 20000) AS n;
ANALYZE;
"""


def matching() -> Statement:
    path = PROJECT.root / PROJECT.queries_dir / "variants" / "alerts.sql"
    return load_statements(path)["list_matching__plain"]


async def read_alerts(connection: Any) -> tuple[int, int]:
    """How many rows of alerts a match of a whole block reads, kept or not, and how many match."""
    statement = matching()
    arguments = {
        "chain_id": "1",
        "block_hash": f"'{BLOCK_HASH}'",
        "block_number": str(BLOCK),
        "hashes": "ARRAY[" + ",".join(f"'{hash_of(n)}'" for n in range(WHALES)) + "]",
        "trace_paths": "ARRAY[" + ",".join(["''"] * WHALES) + "]",
        "max_rows": "100000",
    }
    given = ", ".join(arguments[name] for name in statement.parameters)
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE planned AS {statement.sql}")
        text = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) EXECUTE planned({given})"
        )
        await connection.execute("DEALLOCATE planned")
    plan = json.loads(text)[0]["Plan"]
    return sum(rows_read(plan)), plan["Actual Rows"]


def rows_read(plan: dict[str, Any]) -> Iterator[int]:
    for node in nodes(plan):
        if node.get("Relation Name") == "alerts":
            kept = node["Actual Rows"]
            removed = node.get("Rows Removed by Filter", 0)
            removed += node.get("Rows Removed by Index Recheck", 0)
            yield int((kept + removed) * node["Actual Loops"])


async def test_a_block_of_whales_reads_the_alerts_that_it_fires(
    db: Database, connection: Any
) -> None:
    for number in range(WHALES):
        await stored(db, number)
    await connection.execute(SEED)
    plan = await generic_plan(connection, matching())
    assert indexes(plan) == {
        "whale_transactions_pkey",
        "idx_alerts_large_transfer",
        "idx_alerts_address_activity",
    }
    assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    assert await read_alerts(connection) == (WHALES * 45, WHALES * 45)

    # The control: without its index the same block reads every alert.
    await connection.execute("DROP INDEX public.idx_alerts_large_transfer")
    read, matched = await read_alerts(connection)
    assert matched == WHALES * 45
    assert read >= 100_000
