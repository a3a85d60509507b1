"""Statements about ranges of blocks read as far as they answer, however far the range goes."""

import json
from typing import Any, Final

import pytest

from tests.plans import nodes
from typedsql.statements import load_statements
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

STORED: Final = 20_000
# Each hundredth height is missing.
SEED: Final = f"""
INSERT INTO public.blocks (
    hash, chain_id, number, parent_hash, block_timestamp, canonical, min_value_eth, complete
)
SELECT
    '0x' || lpad(to_hex(n), 64, '0'), 1, n, '0x' || lpad(to_hex(n - 1), 64, '0'),
    '2026-01-01Z'::TIMESTAMPTZ + n * INTERVAL '12 s', TRUE, 100, TRUE
FROM generate_series(1, {STORED}) AS n
WHERE n % 100 <> 0;
ANALYZE public.blocks;
"""


async def blocks_read(connection: Any, name: str, *, limits: bool, **arguments: str) -> int:
    """How many rows of blocks a statement reads; without `limits`, its outermost alone stays."""
    statement = load_statements(PROJECT.root / PROJECT.queries_dir / "blocks.sql")[name]
    limit = f"LIMIT ${statement.parameters.index('max_rows') + 1}"
    sql = statement.sql
    if not limits:
        head, last, tail = sql.rpartition(limit)
        assert limit in head
        sql = head.replace(limit, "") + last + tail
    given = ", ".join(arguments[each] for each in statement.parameters)
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE planned AS {sql}")
        text = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) EXECUTE planned({given})"
        )
        await connection.execute("DEALLOCATE planned")
    read = 0
    for node in nodes(json.loads(text)[0]["Plan"]):
        if node.get("Relation Name") == "blocks":
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read += int(rows * node["Actual Loops"])
    return read


async def test_what_a_branch_displaces_is_read_up_to_the_limit(connection: Any) -> None:
    far: dict[str, str] = {
        "chain_id": "1",
        "after_number": "5",
        "last_number": str(STORED),
        "tip_number": "6",
        "tip_hash": "'0xff'",
        "kept_hashes": "ARRAY['0xff']",
        "max_rows": "50",
    }
    await connection.execute(SEED)
    assert await blocks_read(connection, "list_displaced", limits=True, **far) <= 52
    # The control: a recursive query reads the whole of what it begins with.
    assert await blocks_read(connection, "list_displaced", limits=False, **far) > 10_000


async def test_missing_ranges_are_read_up_to_the_last_that_is_returned(connection: Any) -> None:
    wide = {
        "chain_id": "1",
        "first_number": "1",
        "last_number": str(STORED),
        "max_rows": "2",
    }
    await connection.execute(SEED)
    assert await blocks_read(connection, "list_missing_ranges", limits=True, **wide) <= 202
    # The control: without a limit of its own the ordered part is read to its end.
    assert await blocks_read(connection, "list_missing_ranges", limits=False, **wide) > 10_000
