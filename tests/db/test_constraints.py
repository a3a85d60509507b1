"""Every constraint, by name, with values that it accepts and values that it refuses."""

from typing import Any

import asyncpg
import pytest

from tests.db import alert_cases, chain_cases, market_cases
from tests.db.constraint_cases import Case
from tests.db.rows import ACCOUNT, insert, prepare

pytestmark = pytest.mark.versions

CASES = [*chain_cases.CASES, *market_cases.CASES, *alert_cases.CASES]


async def try_insert(
    connection: asyncpg.Connection, table: str, changed: dict[str, Any]
) -> str | None:
    """None where the row went in (it is taken back), else the constraint that refused it."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await insert(connection, table, **changed)
    except asyncpg.IntegrityConstraintViolationError as refusal:
        return refusal.constraint_name
    finally:
        await attempt.rollback()
    return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.constraint)
async def test_constraint(rolled_back: asyncpg.Connection, case: Case) -> None:
    await prepare(rolled_back)
    if case.is_key:
        surrogate = {"id": ACCOUNT} if case.constraint == f"{case.table}_pkey" else {}
        has_id = case.table not in ("blocks", "ingest_claims", "ingest_cursors", "market_data")
        present = alert_cases.PRESENT.get(case.constraint, {})
        await insert(rolled_back, case.table, **(surrogate if has_id else {}), **present)
    for changed in case.accepted:
        assert await try_insert(rolled_back, case.table, changed) is None, changed
    refused = {case.constraint}
    if case.table == "market_data" and case.is_key:
        # A violation of a key names the index of the partition.
        refused = {"market_data_y2026m11_pkey"}
    for changed in case.refused:
        assert {await try_insert(rolled_back, case.table, changed)} == refused, changed


@pytest.mark.parametrize(
    ("table", "column"),
    [("smc_patterns", "metadata"), ("users", "preferences"), ("alerts", "conditions")],
)
async def test_json_null_is_no_object(
    rolled_back: asyncpg.Connection, table: str, column: str
) -> None:
    await prepare(rolled_back)
    await insert(rolled_back, table)
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await rolled_back.execute(f"UPDATE public.{table} SET {column} = 'null'::JSONB")
    assert refusal.value.constraint_name == f"{table}_{column}_object"


async def constraints(connection: asyncpg.Connection) -> set[str]:
    """Constraints and unique indexes of public; NOT NULL (from 18 on among them) apart."""
    rows = await connection.fetch(
        """
        SELECT conname AS name FROM pg_constraint
        WHERE connamespace = 'public'::REGNAMESPACE AND contype <> 'n'
        UNION
        SELECT c.relname FROM pg_index AS i
        INNER JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE c.relnamespace = 'public'::REGNAMESPACE AND i.indisunique
        """
    )
    return {row["name"] for row in rows}


async def test_every_constraint_has_a_case(rolled_back: asyncpg.Connection) -> None:
    assert await constraints(rolled_back) == {case.constraint for case in CASES}


async def test_a_constraint_without_a_case_is_detected(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute("ALTER TABLE public.blocks ADD CONSTRAINT extra CHECK (number < 9)")
    assert await constraints(rolled_back) - {case.constraint for case in CASES} == {"extra"}


async def test_names_begin_with_the_table(rolled_back: asyncpg.Connection) -> None:
    for case in CASES:
        if not case.constraint.startswith("idx_"):
            assert case.constraint.startswith(f"{case.table}_")


async def test_no_check_lets_a_partition_differ(rolled_back: asyncpg.Connection) -> None:
    """A partition that the function made carries every CHECK of its parent."""
    await prepare(rolled_back)
    rows = await rolled_back.fetch(
        "SELECT conname, conrelid::REGCLASS::TEXT AS name FROM pg_constraint"
        " WHERE contype = 'c' AND conrelid IN"
        " ('public.market_data'::REGCLASS, 'public.market_data_y2026m11'::REGCLASS)"
    )
    by_table: dict[str, set[str]] = {}
    for row in rows:
        by_table.setdefault(row["name"].removeprefix("public."), set()).add(row["conname"])
    assert by_table["market_data"] == by_table["market_data_y2026m11"]


async def test_no_format_counts_where_every_row_is_checked(connection: asyncpg.Connection) -> None:
    """A regular expression that counts to 64 takes longer than all the rest of a row's checks."""
    counting = r"""
        SELECT k.conname FROM pg_constraint AS k
        WHERE k.contype = 'c' AND pg_get_constraintdef(k.oid) ~ '~.*\{[0-9,]*[0-9]{2}\}'
        AND k.connamespace = 'public'::REGNAMESPACE ORDER BY k.conname
    """
    found = {row["conname"] for row in await connection.fetch(counting)}
    # What a person writes, or a stream has one of, or a detector finds now and then.
    assert found == {
        "alerts_address_activity_conditions",
        "alerts_large_transfer_conditions",
        "alerts_pattern_conditions",
        "ingest_cursors_hash_format",
        "smc_patterns_pattern_type_format",
    }
