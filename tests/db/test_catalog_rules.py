"""What the rules find in the catalogs: nothing in ours, each mistake, and nothing beside it."""

from typing import Final

import asyncpg
import pytest

from tests.db.identities import as_role, claims_of
from tests.queries.accounts import ALICE
from typedsql.tools.catalog_rules import CatalogFinding, catalog_findings
from typedsql.tools.catalog_rules.functions import is_safe_path
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions


async def found(connection: asyncpg.Connection) -> list[CatalogFinding]:
    return await catalog_findings(
        connection, schemas=PROJECT.schemas, exposed_schemas=PROJECT.exposed_schemas
    )


async def test_nothing_is_wrong_with_our_database(rolled_back: asyncpg.Connection) -> None:
    assert PROJECT.exposed_schemas == ("public",)
    await rolled_back.execute("SELECT public.ensure_market_data_months(now(), now())")
    assert await found(rolled_back) == []


POLICY: Final = "CREATE POLICY p ON public.alerts FOR {} TO authenticated {}"
NARROW: Final = "CREATE INDEX narrow ON public.alerts {}; CREATE INDEX wide ON public.alerts {}"
KEY: Final = """
CREATE TABLE public.child (
    a UUID, b UUID, CONSTRAINT child_fkey FOREIGN KEY ({}) REFERENCES public.parent ({})
);
ALTER TABLE public.child ENABLE ROW LEVEL SECURITY;
"""
PARENT: Final = """
CREATE TABLE public.parent (x UUID PRIMARY KEY, y UUID, UNIQUE (x, y));
ALTER TABLE public.parent ENABLE ROW LEVEL SECURITY;
"""
FUNCTION: Final = (
    "CREATE FUNCTION public.f(x INTEGER) RETURNS INTEGER LANGUAGE sql {} AS 'SELECT 1';"
)
REVOKE: Final = "REVOKE ALL ON FUNCTION public.f(INTEGER) FROM PUBLIC;"
TRIGGER: Final = "CREATE FUNCTION public.g() RETURNS {} LANGUAGE plpgsql {} AS 'BEGIN END'"
ASKING: Final = """
CREATE FUNCTION public.is_mine(owner UUID) RETURNS BOOLEAN LANGUAGE sql STABLE
SET search_path = '' {};
"""
MEMBERS: Final = """
CREATE TABLE public.members (team UUID, member UUID);
ALTER TABLE public.members ENABLE ROW LEVEL SECURITY;
"""
WRAPPERS: Final = """
CREATE SCHEMA private;
CREATE FUNCTION private.me() RETURNS UUID LANGUAGE sql STABLE SET search_path = '' {};
CREATE FUNCTION private."Again"() RETURNS UUID LANGUAGE sql STABLE SET search_path = '' {};
CREATE FUNCTION private.is_mine(owner UUID) RETURNS BOOLEAN LANGUAGE sql STABLE
SET search_path = '' {};
""" + POLICY.format("SELECT", "USING (private.is_mine(user_id))")
BENEATH: Final = """
CREATE SCHEMA private;
CREATE VIEW private.a {} AS SELECT id FROM public.alerts;
CREATE VIEW private.b {} AS SELECT id FROM private.a;
CREATE VIEW public.c WITH (security_invoker) AS SELECT id FROM private.b;
GRANT SELECT ON private.{} TO authenticated;
"""
INVOKER: Final = "WITH (security_invoker)"
MATERIALIZED: Final = (
    "CREATE MATERIALIZED VIEW public.m AS SELECT id, user_id FROM public.alerts;"
    " REVOKE ALL ON public.m FROM PUBLIC, anon, authenticated;"
)

MISTAKES: Final[list[tuple[str, str, str]]] = [
    ("row-security", "public.t", "CREATE TABLE public.t (a INTEGER)"),
    ("row-security", "public.alerts", "ALTER TABLE public.alerts DISABLE ROW LEVEL SECURITY"),
    (
        "row-security",
        "public.later",
        "CREATE TABLE public.later PARTITION OF public.market_data"
        " FOR VALUES FROM ('2099-01-01Z') TO ('2099-02-01Z')",
    ),
    ("row-security", 'public."T ""x"', 'CREATE TABLE public."T ""x" (a INTEGER)'),
    (
        "row-security",
        "public.f",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        " CREATE FOREIGN TABLE public.f (a INTEGER) SERVER s",
    ),
    ("definer-view", "public.v", "CREATE VIEW public.v AS SELECT 1 AS a"),
    (
        "definer-view",
        "public.v",
        "CREATE VIEW public.v WITH (security_invoker = off) AS SELECT 1 AS a",
    ),
    ("definer-view", "public.m", f"{MATERIALIZED} GRANT SELECT ON public.m TO anon"),
    ("definer-view", "public.m", f"{MATERIALIZED} GRANT SELECT (id) ON public.m TO authenticated"),
    ("definer-view", "public.m", f"{MATERIALIZED} GRANT SELECT ON public.m TO PUBLIC"),
    ("definer-view", "private.b", BENEATH.format(INVOKER, "", "b")),
    ("definer-view", "private.a", BENEATH.format("", INVOKER, "a")),
    ("public-policy", "p", "CREATE POLICY p ON public.alerts FOR SELECT USING (FALSE)"),
    (
        "per-row-identity",
        "p",
        "CREATE POLICY p ON public.alerts AS RESTRICTIVE USING (auth.uid() = user_id)",
    ),
    ("per-row-identity", "p", POLICY.format("SELECT", "USING (auth.uid() = user_id)")),
    ("per-row-identity", "p", POLICY.format("INSERT", "WITH CHECK (user_id = auth.uid())")),
    (
        "per-row-identity",
        '"P q"',
        'CREATE POLICY "P q" ON public.users FOR UPDATE TO authenticated'
        " USING ((SELECT auth.uid()) = id) WITH CHECK (auth.uid() = id)",
    ),
    ("per-row-identity", "p", POLICY.format("SELECT", "USING (auth.role() = 'authenticated')")),
    ("per-row-identity", "p", POLICY.format("SELECT", "USING (auth.jwt() ->> 'aal' = 'aal2')")),
    (
        "per-row-identity",
        "p",
        POLICY.format(
            "SELECT", "USING (user_id = nullif(current_setting('app.user', TRUE), '')::UUID)"
        ),
    ),
    (
        "per-row-identity",
        "p",
        POLICY.format("SELECT", "USING (lower(coalesce(auth.uid()::TEXT, 'x')) = user_id::TEXT)"),
    ),
    (
        "per-row-identity",
        "p",
        POLICY.format("SELECT", "USING (CASE WHEN enabled THEN user_id IN (auth.uid()) END)"),
    ),
    ("per-row-identity", "p", POLICY.format("SELECT", "USING (auth.uid() IN (SELECT user_id))")),
    (
        "per-row-identity",
        "p",
        POLICY.format("SELECT", "USING (auth.uid() IN (SELECT gen_random_uuid()))"),
    ),
    # In a sub-select that each row is put into, or that reads a table.
    ("per-row-identity", "p", POLICY.format("SELECT", "USING ((SELECT auth.uid() = user_id))")),
    (
        "per-row-identity",
        "p",
        POLICY.format("SELECT", "USING ((SELECT (SELECT auth.uid() WHERE enabled)) = user_id)"),
    ),
    (
        "per-row-identity",
        "p",
        MEMBERS
        + POLICY.format(
            "SELECT",
            "USING (user_id IN (SELECT m.team FROM public.members AS m"
            " WHERE m.member = auth.uid()))",
        ),
    ),
    (
        "per-row-identity",
        "p",
        ASKING.format("AS 'SELECT owner = (SELECT auth.uid())'")
        + POLICY.format("SELECT", "USING (public.is_mine(user_id))"),
    ),
    (
        "per-row-identity",
        "p",
        ASKING.format("RETURN owner = auth.uid()")
        + POLICY.format("SELECT", "USING (public.is_mine(user_id))"),
    ),
    (
        "per-row-identity",
        "p",
        WRAPPERS.format(
            "AS 'SELECT auth.uid()'",
            "AS 'SELECT private.me()'",
            """AS 'SELECT owner = "private" . "Again" ()'""",
        ),
    ),
    (
        "per-row-identity",
        "p",
        WRAPPERS.format(
            "RETURN auth.uid()", "RETURN private.me()", 'RETURN owner = private."Again"()'
        ),
    ),
    (
        "per-row-identity",
        "p",
        WRAPPERS.format(
            """AS 'SELECT "auth"."uid"()'""",
            "RETURN private.me()",
            """AS 'SELECT owner = PRIVATE."Again"()'""",
        ),
    ),
    (
        "per-row-identity",
        "p",
        WRAPPERS.format(
            "RETURN NULL::UUID",
            "RETURN nullif(current_setting('app.user', TRUE), '')::UUID",
            """AS 'SELECT owner = "pg_catalog".current_setting(''app.user'', TRUE)::UUID'""",
        ),
    ),
    ("search-path", "public.f(x integer)", FUNCTION.format("")),
    ("search-path", "public.f(x integer)", FUNCTION.format("SET work_mem = '8MB'")),
    ("search-path", "public.f(x integer)", FUNCTION.format("SET search_path = public")),
    (
        "search-path",
        "public.g()",
        "CREATE PROCEDURE public.g() LANGUAGE plpgsql AS 'BEGIN END'",
    ),
    ("search-path", "public.g()", TRIGGER.format("event_trigger", "SECURITY DEFINER")),
    (
        "public-definer",
        "public.g()",
        TRIGGER.format("trigger", "SECURITY DEFINER SET search_path = ''"),
    ),
    (
        "public-definer",
        "public.f()",
        "CREATE FUNCTION public.f() RETURNS INTEGER LANGUAGE sql SECURITY DEFINER RETURN 1",
    ),
    (
        "public-definer",
        "public.f(x integer)",
        FUNCTION.format("SECURITY DEFINER SET search_path = ''"),
    ),
    (
        "public-definer",
        "public.f(x integer)",
        FUNCTION.format("SECURITY DEFINER SET search_path = ''")
        + REVOKE
        + "GRANT EXECUTE ON FUNCTION public.f(INTEGER) TO PUBLIC",
    ),
    ("foreign-key-index", "child_fkey", PARENT + KEY.format("a", "x")),
    ("foreign-key-index", "alerts_user_id_fkey", "DROP INDEX public.idx_alerts_user_id"),
    (
        "foreign-key-index",
        "child_fkey",
        PARENT + KEY.format("a, b", "x, y") + "CREATE INDEX ON public.child (a)",
    ),
    (
        "foreign-key-index",
        "child_fkey",
        PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child (b, a)",
    ),
    (
        "foreign-key-index",
        "child_fkey",
        PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child (a) WHERE b IS NULL",
    ),
    *(
        (
            "foreign-key-index",
            "child_fkey",
            PARENT
            + KEY.format("a", "x")
            + f"CREATE INDEX ON public.child (a, b) WHERE {condition}",
        )
        for condition in [
            "a IS NOT NULL AND b IS NOT NULL",
            "a IS NOT NULL OR b IS NOT NULL",
            "a IS NULL",
            "NOT (a IS NOT NULL)",
            "nullif(a, b) IS NOT NULL",
        ]
    ),
    (
        "foreign-key-index",
        "child_fkey",
        PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child USING brin (a)",
    ),
    ("duplicate-index", "wide", NARROW.format("(conditions)", "(conditions)")),
    ("duplicate-index", "wide", NARROW.format("(lower(alert_type))", "(lower(alert_type))")),
    (
        "duplicate-index",
        "wide",
        NARROW.format("(updated_at) WHERE enabled", "(updated_at) WHERE enabled"),
    ),
    (
        "duplicate-index",
        "wide",
        NARROW.format("USING gin (conditions)", "USING gin (conditions)"),
    ),
    ("duplicate-index", "narrow", "CREATE INDEX narrow ON public.alerts (id)"),
    ("duplicate-index", "narrow", "CREATE UNIQUE INDEX narrow ON public.alerts (id)"),
    (
        "duplicate-index",
        "narrow",
        "CREATE INDEX narrow ON public.alerts (updated_at, id);"
        " CREATE UNIQUE INDEX wide ON public.alerts (updated_at, id)",
    ),
    (
        "duplicate-index",
        "alerts_twice",
        "ALTER TABLE public.alerts ADD CONSTRAINT alerts_twice UNIQUE (id)",
    ),
    ("redundant-index", "narrow", NARROW.format("(updated_at)", "(updated_at, enabled)")),
    (
        "redundant-index",
        "narrow",
        NARROW.format("(updated_at)", "(updated_at) INCLUDE (enabled)"),
    ),
]


@pytest.mark.parametrize(("rule", "broken", "statement"), MISTAKES)
async def test_a_mistake_is_found(
    rolled_back: asyncpg.Connection, rule: str, broken: str, statement: str
) -> None:
    await rolled_back.execute(statement)
    (finding,) = await found(rolled_back)
    assert (finding.rule, finding.object) == (rule, broken)
    assert broken in finding.message
    assert finding.advice


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("function", "FUNCTION public.f(IN x INTEGER) RETURNS INTEGER"),
        ("function", "FUNCTION public.f(IN x INTEGER, OUT y INTEGER)"),
        ("procedure", "PROCEDURE public.f(IN x INTEGER)"),
        ("procedure", "PROCEDURE public.f(IN x INTEGER, OUT y INTEGER)"),
    ],
)
async def test_what_is_advised_for_a_function_or_procedure_can_be_run(
    rolled_back: asyncpg.Connection, kind: str, made: str
) -> None:
    await rolled_back.execute(f"CREATE {made} LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")
    findings = await found(rolled_back)
    assert [each.rule for each in findings] == ["public-definer", "search-path"]
    for finding in findings:
        assert finding.message.startswith(f"the {kind} public.f(")
        statement = finding.advice.removeprefix("in a migration: ").partition(", and ")[0]
        await rolled_back.execute(statement)
    assert await found(rolled_back) == []


NEAR_MISSES: Final = [
    # Reading as its reader, closed to the API's roles, out of reach, or the server's own.
    BENEATH.format(INVOKER, INVOKER, "a"),
    BENEATH.format("", INVOKER, "b"),
    BENEATH.format("", INVOKER, "a") + "DROP VIEW public.c",
    "CREATE VIEW public.c WITH (security_invoker) AS SELECT tablename FROM pg_catalog.pg_tables",
    "CREATE POLICY p ON public.alerts AS RESTRICTIVE FOR SELECT USING (FALSE)",
    "CREATE TABLE auth.elsewhere (a INTEGER)",
    "CREATE TEMPORARY TABLE t (a INTEGER)",
    "CREATE VIEW public.v WITH (security_invoker) AS SELECT 1 AS a",
    "CREATE VIEW public.v WITH (security_invoker = on, security_barrier) AS SELECT 1 AS a",
    f"{MATERIALIZED} GRANT SELECT ON public.m TO whaledb_reader",
    POLICY.format("ALL", "USING ((SELECT auth.uid()) = user_id)"),
    POLICY.format("SELECT", "USING (user_id = (SELECT coalesce(auth.uid(), gen_random_uuid())))"),
    POLICY.format("SELECT", "USING ((SELECT auth.jwt() ->> 'aal') = 'aal2')"),
    POLICY.format("SELECT", "USING ((SELECT current_setting('app.all', TRUE)) = 'on')"),
    POLICY.format("SELECT", "USING (current_user = 'authenticated' AND lower('X') = 'x')"),
    POLICY.format("SELECT", "USING ((SELECT (SELECT auth.uid())) = user_id)"),
    POLICY.format(
        "SELECT",
        "USING (alert_type = ANY (ARRAY(SELECT jsonb_array_elements_text(auth.jwt() -> 'x'))))",
    ),
    # A column of the sub-select's own, however deep it is used.
    POLICY.format(
        "SELECT",
        "USING (user_id = (SELECT CASE WHEN EXISTS (SELECT FROM public.users AS u"
        " WHERE EXISTS (SELECT u.id)) THEN auth.uid() END))",
    ),
    MEMBERS
    + POLICY.format(
        "SELECT",
        "USING (EXISTS (SELECT FROM public.members AS m"
        " WHERE m.team = user_id AND m.member = (SELECT auth.uid())))",
    ),
    ASKING.format("AS 'SELECT owner = (SELECT auth.uid())'"),
    # Other functions, by names that are nearly the same.
    WRAPPERS.format(
        "AS 'SELECT auth.uid()'",
        "RETURN gen_random_uuid()",
        "AS 'SELECT private.\"Again\"() = owner'",
    ),
    "CREATE SCHEMA other; CREATE SCHEMA xauth;"
    "CREATE FUNCTION other.me() RETURNS UUID LANGUAGE sql RETURN gen_random_uuid();"
    "CREATE FUNCTION xauth.uid() RETURNS UUID LANGUAGE sql RETURN gen_random_uuid();"
    + WRAPPERS.format(
        "AS 'SELECT auth.uid()'",
        "AS 'SELECT coalesce(other.me(), xauth.uid())'",
        "AS 'SELECT private.\"Again\"() = owner'",
    ),
    FUNCTION.format("SET search_path = ''"),
    FUNCTION.format("SET search_path = pg_catalog, pg_temp"),
    FUNCTION.format("SECURITY DEFINER SET search_path = ''") + REVOKE,
    FUNCTION.format("SECURITY DEFINER SET search_path = ''")
    + REVOKE
    + "GRANT EXECUTE ON FUNCTION public.f(INTEGER) TO authenticated",
    "CREATE FUNCTION public.f() RETURNS INTEGER LANGUAGE sql RETURN 1",
    "CREATE PROCEDURE public.g() LANGUAGE sql BEGIN ATOMIC SELECT 1; END",
    TRIGGER.format("event_trigger", "SECURITY DEFINER SET search_path = ''"),
    "CREATE AGGREGATE public.total (INTEGER) (SFUNC = int4pl, STYPE = INTEGER)",
    PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child (a)",
    PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child (a, b)",
    PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child USING hash (a)",
    PARENT + KEY.format("a", "x") + "CREATE INDEX ON public.child (a) WHERE a IS NOT NULL",
    PARENT + KEY.format("a, b", "x, y") + "CREATE INDEX ON public.child (b, a)",
    *(
        PARENT
        + KEY.format("a, b", "x, y")
        + f"CREATE INDEX ON public.child (a, b) WHERE {condition}"
        for condition in [
            "b IS NOT NULL",
            "a IS NOT NULL AND b IS NOT NULL",
            "(b IS NOT NULL) AND (a IS NOT NULL AND (b IS NOT NULL))",
        ]
    ),
    NARROW.format("(conditions)", "USING hash (conditions)"),
    NARROW.format("(updated_at)", "(updated_at DESC)"),
    NARROW.format("(updated_at)", "(updated_at NULLS FIRST)"),
    NARROW.format("(updated_at)", "(updated_at) WHERE enabled"),
    NARROW.format("(updated_at) WHERE enabled", "(updated_at) WHERE NOT enabled"),
    NARROW.format("(lower(alert_type))", "(upper(alert_type))"),
    NARROW.format("(alert_type)", "(alert_type text_pattern_ops)"),
    NARROW.format("(alert_type)", '(alert_type COLLATE "C")'),
    NARROW.format("(updated_at, enabled)", "(enabled, updated_at)"),
    NARROW.format("USING gin (conditions)", "USING gin (conditions jsonb_path_ops)"),
    # One that holds what the longer one does not.
    "CREATE UNIQUE INDEX narrow ON public.alerts (updated_at);"
    " CREATE INDEX wide ON public.alerts (updated_at, enabled)",
    "CREATE UNIQUE INDEX narrow ON public.alerts (updated_at) NULLS NOT DISTINCT;"
    " CREATE UNIQUE INDEX wide ON public.alerts (updated_at)",
    NARROW.format("(updated_at) INCLUDE (enabled)", "(updated_at) INCLUDE (conditions)"),
]


@pytest.mark.parametrize("statement", NEAR_MISSES)
async def test_what_is_right_is_not_found(rolled_back: asyncpg.Connection, statement: str) -> None:
    await rolled_back.execute(statement)
    assert await found(rolled_back) == []


async def test_a_foreign_key_that_is_not_enforced_needs_no_index(
    rolled_back: asyncpg.Connection,
) -> None:
    if rolled_back.get_server_version().major < 18:
        pytest.skip("NOT ENFORCED is of PostgreSQL 18")
    await rolled_back.execute(PARENT + KEY.format("a", "x"))
    await rolled_back.execute("ALTER TABLE public.child ALTER CONSTRAINT child_fkey NOT ENFORCED")
    assert await found(rolled_back) == []
    await rolled_back.execute("ALTER TABLE public.child ALTER CONSTRAINT child_fkey ENFORCED")
    assert [finding.rule for finding in await found(rolled_back)] == ["foreign-key-index"]


COUNTED: Final = """
CREATE SCHEMA private;
CREATE FUNCTION private.me() RETURNS TEXT LANGUAGE plpgsql STABLE
AS 'BEGIN RETURN auth.uid()::TEXT; END';
CREATE FUNCTION private.teams() RETURNS SETOF TEXT LANGUAGE plpgsql STABLE
AS 'BEGIN RETURN QUERY SELECT auth.uid()::TEXT; END';
CREATE TABLE public.t (team TEXT, kind TEXT);
INSERT INTO public.t SELECT n, n FROM generate_series(1, 40) AS n;
CREATE TABLE public.m (team TEXT, member TEXT);
INSERT INTO public.m SELECT n, n FROM generate_series(1, 40) AS n;
ANALYZE public.t, public.m;
ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.m ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_it ON public.m TO authenticated USING (TRUE);
GRANT USAGE ON SCHEMA private TO authenticated;
GRANT SELECT ON public.t, public.m TO authenticated;
"""
CALLS: Final = """
SELECT coalesce(sum(pg_stat_get_xact_function_calls(f)), 0)::INTEGER
FROM unnest('{private.me,private.teams}'::REGPROC[]) AS f
"""


async def calls_under(connection: asyncpg.Connection, condition: str) -> int:
    """How often a policy's functions are called for all rows of a table."""
    await connection.execute(COUNTED)
    await connection.execute(f"CREATE POLICY p ON public.t TO authenticated USING ({condition})")
    await connection.execute("SET LOCAL track_functions = 'all'")
    async with as_role(connection, "authenticated", claims=claims_of(str(ALICE))):
        await connection.execute("SELECT FROM public.t")
        calls: int = await connection.fetchval(CALLS)
    return calls


@pytest.mark.parametrize(
    "condition",
    [
        "team = (SELECT private.me())",
        "team IN (SELECT private.me())",
        "team NOT IN (SELECT private.me())",
        "team IN (SELECT private.teams())",
        "team = ANY (ARRAY(SELECT private.teams()))",
        "(team, kind) IN (SELECT private.me(), 'x')",
        "(team, kind) = (SELECT private.me(), 'x')",
        "team <> ALL (SELECT private.teams())",
        "team < ANY (SELECT private.teams())",
        "EXISTS (SELECT WHERE private.me() = 'x')",
        "CASE WHEN kind = '1' THEN TRUE ELSE team IN (SELECT private.me()) END",
        "team IN (SELECT s.x FROM (SELECT private.me() AS x) AS s)",
        "team IN (SELECT x FROM private.teams() AS x WHERE x <> 'x')",
        "team IN (SELECT private.me() UNION SELECT 'x')",
        "team IN (SELECT m.team FROM public.m WHERE m.member = (SELECT private.me()))",
        "EXISTS (SELECT FROM public.m WHERE m.team = t.team"
        " AND m.member = ANY (ARRAY(SELECT private.teams())))",
    ],
)
async def test_a_sub_select_that_no_row_has_a_say_in_calls_once(
    rolled_back: asyncpg.Connection, condition: str
) -> None:
    assert await calls_under(rolled_back, condition) == 1
    assert await found(rolled_back) == []


@pytest.mark.parametrize(
    "condition",
    [
        "team = private.me()",
        "private.me() IN (SELECT m.team FROM public.m)",
        "private.me() || team IN (SELECT private.teams())",
        "(private.me(), team) IN (SELECT 'x', kind)",
        "team IN (SELECT private.me() || kind)",
        "team = ANY (ARRAY(SELECT private.me() || kind))",
        "EXISTS (SELECT WHERE private.me() < team)",
        "team IN (SELECT s.x FROM (SELECT private.me() || kind AS x) AS s)",
        "team = (SELECT 'x' UNION SELECT m.team FROM public.m WHERE m.member = private.me())",
        "team IN (SELECT m.team FROM (SELECT private.me() AS x) AS s, public.m"
        " WHERE s.x || m.team = m.member)",
        # Which PostgreSQL makes a join with what surrounds it.
        "team IN (SELECT m.team FROM public.m WHERE m.member IN (SELECT private.me()))",
        "EXISTS (SELECT FROM public.m WHERE m.member IN (SELECT private.me()))",
    ],
)
async def test_another_calls_for_each_row(rolled_back: asyncpg.Connection, condition: str) -> None:
    assert await calls_under(rolled_back, condition) >= 40
    assert {finding.rule for finding in await found(rolled_back)} == {"per-row-identity"}


async def test_an_index_of_one_partition_is_found_and_those_of_all_are_not(
    rolled_back: asyncpg.Connection,
) -> None:
    await rolled_back.execute(
        "SELECT public.ensure_market_data_months('2099-01-01Z', '2099-01-01Z')"
    )
    await rolled_back.execute("CREATE INDEX everywhere ON public.market_data (volume)")
    assert await found(rolled_back) == []
    await rolled_back.execute("CREATE INDEX narrow ON public.market_data_y2099m01 (volume)")
    (finding,) = await found(rolled_back)
    assert (finding.rule, finding.object) == ("duplicate-index", "narrow")


async def test_what_is_not_exposed_is_looked_at_for_its_indexes_alone(
    rolled_back: asyncpg.Connection,
) -> None:
    await rolled_back.execute(
        "CREATE SCHEMA inner_part; CREATE TABLE inner_part.a (id INTEGER PRIMARY KEY);"
        "CREATE TABLE inner_part.b (a_id INTEGER REFERENCES inner_part.a);"
        "CREATE VIEW inner_part.v AS SELECT 1 AS a;"
    )
    assert await found(rolled_back) == []
    own = await catalog_findings(rolled_back, schemas=["inner_part"], exposed_schemas=[])
    assert [each.rule for each in own] == ["foreign-key-index"]
    exposed = await catalog_findings(rolled_back, schemas=[], exposed_schemas=["inner_part"])
    assert [each.rule for each in exposed] == [
        "definer-view", "foreign-key-index", "row-security", "row-security"
    ]  # fmt: skip


@pytest.mark.parametrize("role", ["anon", "whaledb_reader"])
async def test_any_role_may_look(rolled_back: asyncpg.Connection, role: str) -> None:
    await rolled_back.execute("CREATE VIEW public.v AS SELECT 1 AS a")
    everything = await found(rolled_back)
    await rolled_back.execute(f"SET LOCAL ROLE {role}")
    assert await found(rolled_back) == everything != []


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        (None, False),
        ('""', True),
        ("pg_catalog, pg_temp", True),
        ("pg_catalog, public, pg_temp", True),
        ("pg_catalog", False),
        ("public, pg_temp", False),
        ("pg_temp, pg_catalog", False),
        ('"$user", public', False),
    ],
)
def test_a_search_path_that_lets_nobody_else_decide(path: str | None, safe: bool) -> None:
    assert is_safe_path(path) is safe
