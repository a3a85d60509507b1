"""Who may do what: everything the catalog grants is planned here, and nothing else exists."""

import asyncpg
import pytest

pytestmark = pytest.mark.versions

ALL = "DELETE INSERT SELECT UPDATE"
CHAIN_AND_MARKET = ("whale_transactions", "liquidity_zones", "smc_patterns", "market_data")
VIEWS = ("whale_transfers", "whale_volume_by_hour", "active_smc_patterns")
MONTHS = "ensure_market_data_months(timestamp with time zone,timestamp with time zone)"

# For each role: what it is granted on which object, columns as table.column.
EXPECTED: dict[str, dict[str, str]] = {
    "whaledb_worker": {
        "schema public": "USAGE",
        "schema dbmate": "USAGE",
        "dbmate.schema_migrations": "SELECT",
        f"public.{MONTHS}": "EXECUTE",
        "public.whale_score(numeric,boolean)": "EXECUTE",
        **{f"public.{table}": ALL for table in CHAIN_AND_MARKET},
        **{f"public.{table}": ALL for table in ("blocks", "ingest_cursors", "dead_letters")},
        "public.ingest_claims": ALL,
        **{f"public.{table}": "SELECT" for table in ("users", "alerts", *VIEWS)},
    },
    "whaledb_reader": {
        "schema public": "USAGE",
        "schema dbmate": "USAGE",
        "dbmate.schema_migrations": "SELECT",
        **{f"public.{table}": "SELECT" for table in (*CHAIN_AND_MARKET, "blocks", *VIEWS)},
    },
    "authenticated": {
        "schema auth": "USAGE",
        **{f"public.{table}": "SELECT" for table in (*CHAIN_AND_MARKET, *VIEWS)},
        "public.users": "DELETE SELECT",
        "public.users.id": "INSERT",
        "public.users.display_name": "INSERT UPDATE",
        "public.users.preferences": "INSERT UPDATE",
        "public.users.updated_at": "UPDATE",
        "public.alerts": "DELETE SELECT",
        "public.alerts.user_id": "INSERT",
        "public.alerts.alert_type": "INSERT UPDATE",
        "public.alerts.conditions": "INSERT UPDATE",
        "public.alerts.enabled": "INSERT UPDATE",
        "public.alerts.updated_at": "UPDATE",
    },
    "anon": {"schema auth": "USAGE"},
    "service_role": {"schema auth": "USAGE"},
    # PostgreSQL's own defaults; auth.uid() and its siblings must be callable by everybody.
    "PUBLIC": {
        "schema public": "USAGE",
        "auth.uid()": "EXECUTE",
        "auth.role()": "EXECUTE",
        "auth.jwt()": "EXECUTE",
    },
}

GRANTED = """
WITH objects AS (
    SELECT
        format('schema %s', n.nspname) AS name,
        coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl,
        n.nspowner AS owner
    FROM pg_namespace AS n
    WHERE n.nspname IN ('public', 'auth', 'dbmate')
    UNION ALL
    SELECT
        format('%s.%s', n.nspname, c.relname),
        coalesce(c.relacl, acldefault('r', c.relowner)),
        c.relowner
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'auth', 'dbmate') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname), a.attacl, c.relowner
    FROM pg_attribute AS a
    INNER JOIN pg_class AS c ON c.oid = a.attrelid
    INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'auth', 'dbmate') AND NOT a.attisdropped
    UNION ALL
    SELECT
        format('%s.%s(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
        coalesce(p.proacl, acldefault('f', p.proowner)),
        p.proowner
    FROM pg_proc AS p
    INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('public', 'auth', 'dbmate')
)

SELECT
    CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END AS grantee,
    replace(o.name, ', ', ',') AS name,
    g.privilege_type || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege
FROM objects AS o
CROSS JOIN LATERAL aclexplode(o.acl) AS g
WHERE g.grantee <> o.owner
ORDER BY 1, 2, 3
"""


async def granted(connection: asyncpg.Connection) -> dict[str, dict[str, str]]:
    """Every grant to anybody but an object's owner, in the form of EXPECTED."""
    found: dict[str, dict[str, str]] = {}
    for grantee, name, privilege in await connection.fetch(GRANTED):
        objects = found.setdefault(grantee, {})
        objects[name] = f"{objects[name]} {privilege}" if name in objects else privilege
    return found


async def test_grants_are_those_that_were_planned(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute("SELECT public.ensure_market_data_months(now(), now())")
    found = await granted(rolled_back)
    assert found.keys() == EXPECTED.keys()
    for role, expected in EXPECTED.items():
        assert found[role] == expected, role


@pytest.mark.parametrize(
    ("statement", "role", "name"),
    [
        ("GRANT TRUNCATE ON public.blocks TO whaledb_worker", "whaledb_worker", "public.blocks"),
        ("GRANT SELECT ON public.alerts TO anon", "anon", "public.alerts"),
        ("GRANT UPDATE (user_id) ON public.alerts TO authenticated", "authenticated", None),
        ("GRANT SELECT ON public.blocks TO PUBLIC", "PUBLIC", "public.blocks"),
        ("CREATE FUNCTION public.open() RETURNS INT LANGUAGE sql AS 'SELECT 1'", "PUBLIC", None),
        ("GRANT CREATE ON SCHEMA public TO whaledb_worker", "whaledb_worker", "schema public"),
        (
            "GRANT SELECT ON public.blocks TO whaledb_reader WITH GRANT OPTION",
            "whaledb_reader",
            "public.blocks",
        ),
        ("REVOKE SELECT ON public.blocks FROM whaledb_reader", "whaledb_reader", None),
    ],
)
async def test_a_different_grant_is_detected(
    rolled_back: asyncpg.Connection, statement: str, role: str, name: str | None
) -> None:
    await rolled_back.execute(statement)
    found = await granted(rolled_back)
    assert found[role] != EXPECTED[role]
    if name is not None:
        assert found[role][name] != EXPECTED[role].get(name)


async def test_roles_are_groups_without_power(rolled_back: asyncpg.Connection) -> None:
    rows = await rolled_back.fetch(
        "SELECT rolname FROM pg_roles"
        " WHERE rolname = ANY($1) AND NOT rolcanlogin AND NOT rolsuper AND NOT rolcreaterole"
        " AND NOT rolcreatedb AND NOT rolreplication AND NOT rolbypassrls",
        ["whaledb_worker", "whaledb_reader", "anon", "authenticated"],
    )
    assert len(rows) == 4
    memberships = await rolled_back.fetchval(
        "SELECT count(*) FROM pg_auth_members AS m"
        " INNER JOIN pg_roles AS r ON r.oid = m.member"
        " WHERE r.rolname = ANY($1)",
        ["whaledb_worker", "whaledb_reader", "anon", "authenticated"],
    )
    assert memberships == 0
