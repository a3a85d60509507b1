"""A page of one's own alerts: found by its index, and who asks is asked once for a statement."""

import json
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import pytest

from tests.db.identities import as_role, claims_of
from tests.plans import indexes, nodes
from tests.queries.accounts import ALICE
from typedsql.statements import VARIANTS_FOLDER, Statement, load_statements
from typedsql.tools.catalog_rules import catalog_findings
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

PAGE: Final = 50
OWN: Final = 200
ALL: Final = 20_000 + OWN
SEED: Final = f"""
INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 400);
INSERT INTO public.alerts (user_id, alert_type, conditions, created_at)
SELECT u.id, 'pattern', '{{"symbol": "ETH/USD"}}', TIMESTAMPTZ '2026-01-01Z' + n * INTERVAL '1 s'
FROM auth.users AS u
CROSS JOIN generate_series(1, 50) AS n;
INSERT INTO auth.users (id) VALUES ('{ALICE}');
INSERT INTO public.alerts (user_id, alert_type, conditions, created_at)
SELECT '{ALICE}', 'pattern', '{{"symbol": "ETH/USD"}}',
    TIMESTAMPTZ '2026-01-01Z' + n * INTERVAL '1 s'
FROM generate_series(1, {OWN}) AS n;
ANALYZE public.alerts;
"""
ARGUMENTS: Final = {
    "before_created_at": "'2026-01-01T00:02:00Z'",
    "before_id": "'ffffffff-ffff-4fff-bfff-ffffffffffff'",
    "max_rows": str(PAGE),
}
POLICY: Final = '"Users can view their own alerts" ON public.alerts'
CALLS: Final = "SELECT pg_stat_get_xact_function_calls('auth.uid()'::REGPROCEDURE)"


def statements() -> list[Statement]:
    """The first page, and one that follows."""
    path = PROJECT.root / PROJECT.queries_dir
    first = load_statements(path / VARIANTS_FOLDER / "alerts.sql")["list_mine__plain"]
    return [first, load_statements(path / "alerts.sql")["list_mine"]]


class Asked:
    """How a statement was run as a user."""

    def __init__(self, plan: dict[str, Any], calls: int) -> None:
        self.rows: int = round(plan["Actual Rows"] * plan["Actual Loops"])
        self.indexes = indexes(plan)
        self.whole = [each for each in nodes(plan) if each["Node Type"] == "Seq Scan"]
        self.once = [each for each in nodes(plan) if "InitPlan" in each.get("Subplan Name", "")]
        self.per_row = [
            each[key]
            for each in nodes(plan)
            for key in ("Filter", "Index Cond", "Recheck Cond")
            if "uid()" in each.get(key, "")
        ]
        self.calls = calls
        """Of auth.uid(), as the server counted them."""


async def ask(
    connection: asyncpg.Connection, sql: str, mode: str, parameters: Sequence[str] = ()
) -> Asked:
    arguments = f"({', '.join(ARGUMENTS[name] for name in parameters)})" if parameters else ""
    await connection.execute("SET LOCAL track_functions = 'all'")
    await connection.execute(f"SET LOCAL plan_cache_mode = force_{mode}_plan")
    before = await connection.fetchval(CALLS) or 0
    async with as_role(connection, "authenticated", claims=claims_of(str(ALICE))):
        await connection.execute(f"PREPARE planned AS {sql}")
        try:
            text = await connection.fetchval(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE planned {arguments}"
            )
        finally:
            await connection.execute("DEALLOCATE planned")
        after = await connection.fetchval(CALLS)
    return Asked(json.loads(text)[0]["Plan"], after - before)


@pytest.mark.parametrize("mode", ["custom", "generic"])
@pytest.mark.parametrize("statement", statements(), ids=lambda each: each.name)
async def test_a_page_is_found_by_its_index_and_the_user_is_asked_for_once(
    rolled_back: asyncpg.Connection, statement: Statement, mode: str
) -> None:
    await rolled_back.execute(SEED)
    asked = await ask(rolled_back, statement.sql, mode, statement.parameters)
    assert (asked.rows, asked.indexes, asked.whole) == (PAGE, {"idx_alerts_user_id"}, [])
    # Once for the policy and once for the statement's own condition.
    assert (asked.per_row, len(asked.once), asked.calls) == ([], 2, 2)

    # The control: without the index, the whole table is read.
    await rolled_back.execute("DROP INDEX public.idx_alerts_user_id")
    assert (await ask(rolled_back, statement.sql, mode, statement.parameters)).whole


@pytest.mark.parametrize("mode", ["custom", "generic"])
async def test_a_policy_that_calls_for_each_row_is_one_that_the_catalog_rule_finds(
    rolled_back: asyncpg.Connection, mode: str
) -> None:
    """Where nothing but the policy says whose rows are meant, and all of them are read."""
    await rolled_back.execute(SEED)
    await rolled_back.execute("DROP INDEX public.idx_alerts_user_id")
    count = "SELECT t.id FROM public.alerts AS t"
    asked = await ask(rolled_back, count, mode)
    assert (asked.rows, len(asked.once), asked.per_row, asked.calls) == (OWN, 1, [], 1)
    assert "per-row-identity" not in await broken_rules(rolled_back)

    await rolled_back.execute(f"ALTER POLICY {POLICY} USING (auth.uid() = user_id)")
    bare = await ask(rolled_back, count, mode)
    assert (bare.rows, bare.once, bare.per_row) == (OWN, [], ["(auth.uid() = user_id)"])
    # And once to estimate how many rows there will be.
    assert bare.calls == ALL + 1
    assert "per-row-identity" in await broken_rules(rolled_back)


async def broken_rules(connection: asyncpg.Connection) -> set[str]:
    found = await catalog_findings(
        connection, schemas=PROJECT.schemas, exposed_schemas=PROJECT.exposed_schemas
    )
    return {each.rule for each in found}
