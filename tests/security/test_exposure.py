"""What the catalog exposes: every table, view and function there is, tried by each API role."""

from typing import Final

import asyncpg
import pytest

from tests.security import attempts
from tests.security.attempts import changed
from tests.security.people import ALERT_OF_BOB, ALICE, BOB
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.query import Executor

_RELATIONS: Final = """
SELECT
    format('%I.%I', n.nspname, c.relname) AS name,
    pg_relation_is_updatable(c.oid, FALSE) <> 0 AS is_written
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'auth', 'dbmate') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
ORDER BY 1
"""

# Each argument is a NULL that the planner cannot see: a strict function of a constant NULL is
# never called, nor its right to be called looked at. Nobody calls a trigger's by name.
_FUNCTIONS: Final = """
SELECT
    format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS name,
    format('%I.%I(%s)', n.nspname, p.proname, (
        SELECT string_agg(
            format(
                '%s(SELECT NULL::%s WHERE auth.uid() IS NOT NULL)',
                CASE WHEN p.provariadic <> 0 AND a.n = p.pronargs THEN 'VARIADIC ' ELSE '' END,
                format_type(a.type, NULL)
            ),
            ', '
            ORDER BY a.n
        )
        FROM unnest(p.proargtypes::OID[]) WITH ORDINALITY AS a (type, n)
    )) AS call
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE
    n.nspname IN ('public', 'auth', 'dbmate')
    AND p.prokind = 'f'
    AND p.prorettype NOT IN ('trigger'::REGTYPE, 'event_trigger'::REGTYPE)
ORDER BY 1
"""

ABOUT_ONESELF: Final = {"auth.jwt()", "auth.role()", "auth.uid()"}
"""The functions that everybody may call."""


async def attempt(tx: Executor, sql: str) -> str | list[str]:
    """What comes back, each row as text; the SQLSTATE of a refusal, which leaves `tx` usable."""
    try:
        async with tx.transaction() as savepoint:  # type: ignore[attr-defined]
            return [str(row[0]) for row in await attempts.fetch(savepoint, sql)]
    except Error as refusal:
        assert refusal.sqlstate is not None
        return refusal.sqlstate


def whole(relation: str) -> str:
    return f"SELECT ROW (r.*)::TEXT FROM {relation} AS r"


def writes(relation: str) -> tuple[str, ...]:
    return (
        f"INSERT INTO {relation} DEFAULT VALUES RETURNING 1",
        f"DELETE FROM {relation} RETURNING 1",
    )


async def shown(app: Database, owner: asyncpg.Connection) -> dict[str, str | list[str]]:
    """What Alice gets of every relation, and of every function she calls."""
    relations = [row["name"] for row in await owner.fetch(_RELATIONS)]
    functions = await owner.fetch(_FUNCTIONS)
    async with app.as_user(ALICE) as tx:
        found = {name: await attempt(tx, whole(name)) for name in relations}
        for name, call in functions:
            found[name] = await attempt(tx, f"SELECT to_jsonb(f)::TEXT FROM {call} AS f")
    return found


def of_bob(found: dict[str, str | list[str]]) -> set[str]:
    """Where something of Bob's is among what was shown."""
    return {
        name
        for name, rows in found.items()
        if isinstance(rows, list)
        and any(str(BOB) in row or str(ALERT_OF_BOB) in row for row in rows)
    }


@pytest.mark.case(11)
async def test_no_relation_and_no_function_shows_what_is_bobs(
    app: Database, owner: asyncpg.Connection
) -> None:
    found = await shown(app, owner)
    assert of_bob(found) == set()
    of_alice = {name for name, rows in found.items() if str(ALICE) in "".join(rows)}
    assert of_alice == {"public.alerts", "public.alert_events", "public.users"} | (
        ABOUT_ONESELF - {"auth.role()"}
    ), "what is hers is shown, so that something was read at all"
    refused = {name for name, rows in found.items() if isinstance(rows, str)}
    assert {name: found[name] for name in refused if found[name] != "42501"} == {}
    callable_ = {name for name in found.keys() - refused if name.endswith(")")}
    assert callable_ == ABOUT_ONESELF
    assert {
        "auth.users",
        "public.blocks",
        "public.ingest_cursors",
        "public.dead_letters",
    } <= refused
    assert {"public.whale_transfers", "public.whale_net_flows"} <= found.keys() - refused


@pytest.mark.case(11)
async def test_what_runs_with_its_owners_rights_is_noticed(
    app: Database, owner: asyncpg.Connection
) -> None:
    """The control: a view and a function of the careless kind."""
    async with changed(
        owner,
        "CREATE VIEW public.careless AS SELECT a.id, a.user_id FROM public.alerts AS a;"
        "CREATE FUNCTION public.careless_too(text) RETURNS SETOF UUID LANGUAGE sql"
        " SECURITY DEFINER AS 'SELECT user_id FROM public.alerts';"
        "GRANT SELECT ON public.careless TO authenticated;"
        "GRANT EXECUTE ON FUNCTION public.careless_too(text) TO authenticated",
        "DROP VIEW public.careless; DROP FUNCTION public.careless_too(text)",
    ):
        assert of_bob(await shown(app, owner)) == {"public.careless", "public.careless_too(text)"}


@pytest.mark.case(4)
async def test_anon_uses_no_table_and_no_view(app: Database, owner: asyncpg.Connection) -> None:
    relations = await owner.fetch(_RELATIONS)
    assert len(relations) > 15
    async with app.as_user(None, role="anon") as tx:
        found = {
            sql: await attempt(tx, sql)
            for name, is_written in relations
            for sql in [f"SELECT count(*) FROM {name}", *(writes(name) if is_written else ())]
        }
        assert await attempt(tx, "SELECT auth.uid()") == ["None"]
    assert {sql: became for sql, became in found.items() if became != "42501"} == {}
    # The control: one right more, and one of them is served.
    async with (
        changed(
            owner,
            "GRANT SELECT ON public.whale_transactions TO anon",
            "REVOKE SELECT ON public.whale_transactions FROM anon",
        ),
        app.as_user(None, role="anon") as tx,
    ):
        assert await attempt(tx, "SELECT count(*) FROM public.whale_transactions") == ["0"]
