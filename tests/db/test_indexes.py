"""The specification's indexes, and the ones that carry keys and queries."""

import json
import re

import asyncpg
import pytest

from tests.databases import ROOT
from tests.plans import indexes

SPECIFIED = {
    "idx_whale_transactions_hash": "hash",
    "idx_whale_transactions_block_number": "block_number",
    "idx_whale_transactions_timestamp": "block_timestamp",
    "idx_whale_transactions_value_eth": "value_eth",
    "idx_whale_transactions_whale_score": "whale_score",
    "idx_liquidity_zones_price_level": "price_level",
    "idx_liquidity_zones_side": "side",
    "idx_liquidity_zones_symbol": "symbol",
    "idx_smc_patterns_pattern_type": "pattern_type",
    "idx_smc_patterns_price_level": "price_level",
    "idx_smc_patterns_status": "status",
}

ROWS = """
INSERT INTO public.whale_transactions (
    hash, chain_id, block_hash, block_number, block_timestamp, from_address, value_eth, gas_price
)
SELECT
    '0x' || lpad(to_hex(n), 64, '0'), 1, '0x' || lpad(to_hex(n / 100), 64, '0'), n / 100, now(),
    '0x' || lpad('', 40, '0'), 1, 1
FROM generate_series(1, 20000) AS n;
ANALYZE public.whale_transactions;
"""
INDEXES = """
SELECT
    c.relname AS name,
    i.indisvalid AS valid,
    pg_get_indexdef(i.indexrelid, 1, TRUE) AS first_column
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::REGNAMESPACE
"""


@pytest.mark.versions
async def test_specified_indexes_exist(connection: asyncpg.Connection) -> None:
    existing = {row["name"]: row["first_column"] for row in await connection.fetch(INDEXES)}
    assert {name: existing.get(name) for name in SPECIFIED} == SPECIFIED


@pytest.mark.versions
async def test_one_row_is_found_by_the_key_and_not_among_all_of_its_hash(
    connection: asyncpg.Connection,
) -> None:
    """A transaction has all its internal transfers under its hash, and there can be thousands."""
    await connection.execute(ROWS)
    by_hash = "t.hash = 'x'"
    by_key = f"{by_hash} AND t.chain_id = 1 AND t.block_hash = 'x' AND t.trace_path = ''"
    assert await used(connection, by_key) == {"whale_transactions_pkey"}
    assert await used(connection, by_hash) == {"idx_whale_transactions_hash"}
    # The control: where each hash is taken for the only one of its row.
    await connection.execute(
        "ALTER TABLE public.whale_transactions ALTER COLUMN hash RESET (n_distinct)"
    )
    await connection.execute("ANALYZE public.whale_transactions")
    assert await used(connection, by_key) == {"idx_whale_transactions_hash"}


async def used(connection: asyncpg.Connection, condition: str) -> set[str]:
    """The indexes by which the rows of the condition are found."""
    text = await connection.fetchval(
        "EXPLAIN (FORMAT JSON)"
        f" SELECT t.value_eth FROM public.whale_transactions AS t WHERE {condition}"
    )
    return indexes(json.loads(text)[0]["Plan"])


@pytest.mark.versions
async def test_all_indexes_are_valid(connection: asyncpg.Connection) -> None:
    """That none is of no use, and none is missing for a foreign key, test_catalog_rules.py says."""
    rows = await connection.fetch(INDEXES)
    assert len(rows) > len(SPECIFIED)
    assert [row["name"] for row in rows if not row["valid"]] == []


def test_the_readme_speaks_of_each_specified_index() -> None:
    text = (ROOT / "db" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(idx_\w+)` \|", text, re.MULTILINE))
    assert named == SPECIFIED.keys()
