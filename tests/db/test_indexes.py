"""The specification's indexes, and the ones that carry keys and queries."""

import re

import asyncpg
import pytest

from tests.databases import ROOT

SPECIFIED = {
    "idx_whale_transactions_hash",
    "idx_whale_transactions_block_number",
    "idx_whale_transactions_timestamp",
    "idx_whale_transactions_value_eth",
    "idx_whale_transactions_whale_score",
    "idx_liquidity_zones_price_level",
    "idx_liquidity_zones_side",
    "idx_liquidity_zones_symbol",
    "idx_smc_patterns_pattern_type",
    "idx_smc_patterns_price_level",
    "idx_smc_patterns_status",
}

FIRST_COLUMN = {
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

INDEXES = """
SELECT
    c.relname AS name,
    i.indisvalid AS valid,
    pg_get_indexdef(i.indexrelid, 1, TRUE) AS first_column,
    pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::REGNAMESPACE
"""


def replaced_indexes() -> set[str]:
    """Names that the table of db/README.md says are replaced, each with what replaces it."""
    text = (ROOT / "db" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(idx_\w+)` \| (.*?) \|", text, re.MULTILINE)
    return {name for name, outcome in rows if outcome.startswith("replaced by `")}


@pytest.mark.versions
async def test_specified_indexes_exist_or_are_documented_as_replaced(
    connection: asyncpg.Connection,
) -> None:
    existing = {row["name"]: row for row in await connection.fetch(INDEXES)}
    replaced = replaced_indexes()
    assert replaced == {"idx_whale_transactions_hash"}
    assert SPECIFIED - replaced <= set(existing)
    assert not replaced & set(existing)
    first = {name: existing[name]["first_column"] for name in SPECIFIED - replaced}
    assert first == FIRST_COLUMN


@pytest.mark.versions
async def test_the_primary_key_serves_what_the_replaced_index_did(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("SET enable_seqscan = off")
    plan = await connection.fetch(
        "EXPLAIN SELECT t.value_eth FROM public.whale_transactions AS t WHERE t.hash = 'x'"
    )
    assert any("whale_transactions_pkey" in row[0] for row in plan)


@pytest.mark.versions
async def test_all_indexes_are_valid_and_none_is_of_no_use(connection: asyncpg.Connection) -> None:
    rows = await connection.fetch(INDEXES)
    assert [row["name"] for row in rows if not row["valid"]] == []
    # An index whose columns begin another one is written for nothing.
    columns: dict[str, str] = {}
    for row in rows:
        match = re.search(r" ON (?:ONLY )?(\S+) USING btree \((.*?)\)(.*)$", row["definition"])
        assert match is not None
        if not match[3]:
            columns[row["name"]] = f"{match[1]} {match[2]},"
    covered = {
        name
        for name, text in columns.items()
        for other, longer in columns.items()
        if name != other and longer.startswith(text)
    }
    assert covered == set()


@pytest.mark.versions
async def test_every_foreign_key_has_an_index(connection: asyncpg.Connection) -> None:
    missing = await connection.fetch(
        """
        SELECT k.conname FROM pg_constraint AS k
        WHERE
            k.contype = 'f' AND k.connamespace = 'public'::REGNAMESPACE
            AND NOT EXISTS (
                SELECT FROM pg_index AS i
                WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1]
            )
        """
    )
    assert missing == []


def test_the_readme_speaks_of_each_specified_index() -> None:
    text = (ROOT / "db" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(idx_\w+)` \|", text, re.MULTILINE))
    assert named == SPECIFIED
