"""The stand-in for Supabase Auth: absent things only, marked, and taken away alone."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.db.identities import as_role, claims_of
from tests.db.migration_runs import FILES, dump, run_dbmate, section
from tests.db.rows import ACCOUNT, insert
from tests.db.waiting import until_waiting
from typedsql.settings import ConnectionTarget

pytestmark = pytest.mark.versions

SHIM = FILES[0]
ROLES = next(path for path in FILES if path.name.endswith("_roles.sql"))

# What a hosted project has before anybody migrates: auth belongs to another role, and the
# default privileges of older projects open every new table and function to the API.
SUPABASE_LIKE = """
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
CREATE SCHEMA auth AUTHORIZATION {auth};
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role, {owner};
SET ROLE {auth};
CREATE TABLE auth.users (
    instance_id UUID,
    id UUID PRIMARY KEY,
    email VARCHAR(255),
    is_sso_user BOOLEAN NOT NULL DEFAULT FALSE
);
COMMENT ON TABLE auth.users IS 'Auth: Stores user login data within a secure schema.';
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
GRANT ALL ON auth.users TO {owner};
CREATE FUNCTION auth.uid() RETURNS UUID LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        nullif(current_setting('request.jwt.claim.sub', TRUE), ''),
        (nullif(current_setting('request.jwt.claims', TRUE), '')::JSONB ->> 'sub')
    )::UUID
$$;
CREATE FUNCTION auth.role() RETURNS TEXT LANGUAGE sql STABLE AS $$ SELECT 'x'::TEXT $$;
CREATE FUNCTION auth.jwt() RETURNS JSONB LANGUAGE sql STABLE AS $$ SELECT '{{}}'::JSONB $$;
RESET ROLE;
"""

API_ROLES = ("anon", "authenticated", "service_role")

ROLE_ATTRIBUTES = """
SELECT r.rolname::TEXT, r.rolsuper, r.rolinherit, r.rolcanlogin, r.rolbypassrls
FROM pg_roles AS r WHERE r.rolname = ANY($1) ORDER BY r.rolname
"""


@pytest_asyncio.fixture
async def supabase_like(
    empty_database: ConnectionTarget,
) -> AsyncGenerator[tuple[ConnectionTarget, ConnectionTarget], None]:
    """A database as Supabase has them: targets for who migrates, and for a superuser."""
    mark = secrets.token_hex(6)
    owner, auth, password = f"test_owner_{mark}", f"test_auth_{mark}", secrets.token_urlsafe(16)
    admin = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        for role in API_ROLES:
            if not await admin.fetchval("SELECT to_regrole($1) IS NOT NULL", role):
                await admin.execute(f"CREATE ROLE {role} NOLOGIN NOINHERIT")
        await admin.execute(f"CREATE ROLE {auth} NOLOGIN NOSUPERUSER")
        await admin.execute(
            f"CREATE ROLE {owner} LOGIN NOSUPERUSER CREATEROLE PASSWORD '{password}'"
        )
        await admin.execute(f'ALTER DATABASE "{empty_database.database}" OWNER TO {owner}')
        await admin.execute(SUPABASE_LIKE.format(owner=owner, auth=auth))
        yield replace(empty_database, user=owner, password=SecretStr(password)), empty_database
    finally:
        await admin.execute(
            f'ALTER DATABASE "{empty_database.database}" OWNER TO CURRENT_USER;'
            f"DROP OWNED BY {owner}, {auth} CASCADE; DROP ROLE {owner}, {auth}"
        )
        await admin.close()


async def test_on_supabase_nothing_in_auth_changes(
    supabase_like: tuple[ConnectionTarget, ConnectionTarget],
) -> None:
    owner, superuser = supabase_like
    connection = await asyncpg.connect(**superuser.asyncpg_arguments())
    try:
        roles = await connection.fetch(ROLE_ATTRIBUTES, API_ROLES)
        auth = dump(superuser, "--schema=auth")
        assert any("Auth: Stores user login data" in line for line in auth)
        run_dbmate(owner, "up")
        assert dump(superuser, "--schema=auth") == auth
        for _ in FILES:
            run_dbmate(owner, "rollback")
        assert dump(superuser, "--schema=auth") == auth
        assert await connection.fetch(ROLE_ATTRIBUTES, API_ROLES) == roles
    finally:
        await connection.close()


async def test_a_migration_that_does_not_ask_fails_on_supabase(
    supabase_like: tuple[ConnectionTarget, ConnectionTarget],
) -> None:
    """The control: IF NOT EXISTS alone is refused, since the right is checked first."""
    connection = await asyncpg.connect(**supabase_like[0].asyncpg_arguments())
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE IF NOT EXISTS auth.users (id UUID)")
    finally:
        await connection.close()


async def test_on_supabase_default_privileges_open_nothing(
    supabase_like: tuple[ConnectionTarget, ConnectionTarget],
) -> None:
    owner, superuser = supabase_like
    run_dbmate(owner, "up")
    connection = await asyncpg.connect(**superuser.asyncpg_arguments())
    try:
        await connection.execute("SELECT public.ensure_market_data_months(now(), now())")
        open_to_anon = await connection.fetch(
            """
            SELECT c.relname
            FROM pg_class AS c
            CROSS JOIN unnest(ARRAY[
                'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'
            ]) AS p (privilege)
            WHERE
                c.relnamespace = 'public'::REGNAMESPACE AND c.relkind IN ('r', 'p', 'v')
                AND (
                    has_table_privilege('anon', c.oid, p.privilege)
                    OR p.privilege IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
                    AND has_table_privilege('authenticated', c.oid, p.privilege)
                )
            """
        )
        assert open_to_anon == []
        for role in ("anon", "authenticated"):
            assert not await connection.fetchval(
                "SELECT has_function_privilege($1, oid, 'EXECUTE') FROM pg_proc"
                " WHERE proname = 'ensure_market_data_months'",
                role,
            )
    finally:
        await connection.close()


async def test_on_supabase_users_work_on_their_rows(
    supabase_like: tuple[ConnectionTarget, ConnectionTarget],
) -> None:
    owner, superuser = supabase_like
    run_dbmate(owner, "up")
    connection = await asyncpg.connect(**superuser.asyncpg_arguments())
    try:
        await connection.execute("INSERT INTO auth.users (id) VALUES ($1)", ACCOUNT)
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE authenticated")
            await connection.execute(
                "SELECT set_config('request.jwt.claims', $1, TRUE)", claims_of(ACCOUNT)
            )
            await connection.execute(
                "INSERT INTO public.alerts (alert_type, conditions)"
                " VALUES ('large_transfer', '{\"min_value_eth\": 1}')"
            )
            assert await connection.fetchval("SELECT user_id::TEXT FROM public.alerts") == ACCOUNT
        await connection.execute("DELETE FROM auth.users")
        assert await connection.fetchval("SELECT count(*) FROM public.alerts") == 0
    finally:
        await connection.close()


async def test_down_keeps_what_others_made(empty_database: ConnectionTarget) -> None:
    """A schema auth of somebody's own is used as far as it goes, and survives."""
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute(
            "CREATE SCHEMA auth; CREATE TABLE auth.users (id UUID PRIMARY KEY, name TEXT)"
        )
        run_dbmate(empty_database, "up")
        for _ in FILES:
            run_dbmate(empty_database, "rollback")
        kept = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'auth'::REGNAMESPACE"
            " AND relkind = 'r'"
        )
        functions = await connection.fetchval(
            "SELECT count(*) FROM pg_proc WHERE pronamespace = 'auth'::REGNAMESPACE"
        )
    finally:
        await connection.close()
    assert [row["relname"] for row in kept] == ["users"]
    assert functions == 0


async def test_down_keeps_a_schema_that_others_came_to_use(
    empty_database: ConnectionTarget,
) -> None:
    run_dbmate(empty_database, "up")
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute("CREATE TABLE auth.sessions (id UUID)")
        for _ in FILES:
            run_dbmate(empty_database, "rollback")
        assert await connection.fetchval("SELECT to_regclass('auth.sessions') IS NOT NULL")
        run_dbmate(empty_database, "up")
        assert await connection.fetchval("SELECT to_regclass('auth.users') IS NOT NULL")
    finally:
        await connection.close()


@pytest.mark.parametrize("path", [SHIM, ROLES], ids=lambda path: path.name)
async def test_two_databases_may_make_the_roles_at_once(
    path: Path, target: ConnectionTarget
) -> None:
    """The first session is kept from committing until the second one waits for it."""
    statement = section(path, "up").split("$$;")[0] + "$$;"
    mark = secrets.token_hex(6)
    names = {
        name: f"test_{name}_{mark}" for name in (*API_ROLES, "whaledb_worker", "whaledb_reader")
    }
    for name, unique in names.items():
        statement = statement.replace(f"'{name}'", f"'{unique}'")
    guarded, control = await race(target, statement, names)
    assert guarded is None
    assert isinstance(control, (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError))


async def race(
    target: ConnectionTarget, guarded: str, names: dict[str, str]
) -> tuple[BaseException | None, BaseException | None]:
    """What the later of two sessions meets, with the migration's guard and without."""
    first = await asyncpg.connect(**target.asyncpg_arguments())
    second = await asyncpg.connect(**target.asyncpg_arguments())
    outcomes: list[BaseException | None] = []
    try:
        async with asyncio.timeout(60):
            for statement in (guarded, f"CREATE ROLE {names['anon']}_control"):
                commit = first.transaction()
                await commit.start()
                await first.execute(statement)
                waiting = asyncio.create_task(second.execute(statement))
                await until_waiting(first, second)
                await commit.commit()
                (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
                outcomes.append(outcome if isinstance(outcome, BaseException) else None)
    finally:
        created = [*names.values(), f"{names['anon']}_control"]
        await first.execute(f"DROP ROLE IF EXISTS {', '.join(created)}")
        await first.close()
        await second.close()
    return outcomes[0], outcomes[1]


async def test_identity_functions(connection: asyncpg.Connection) -> None:
    query = "SELECT auth.uid()::TEXT, auth.role(), auth.jwt() ->> 'sub'"
    assert tuple(await connection.fetchrow(query)) == (None, None, None)
    async with as_role(connection, "authenticated", claims=claims_of(ACCOUNT)):
        assert tuple(await connection.fetchrow(query)) == (ACCOUNT, "authenticated", ACCOUNT)
    # The setting is '' now, not NULL, and ''::UUID would fail on every reused session.
    assert await connection.fetchval("SELECT current_setting('request.jwt.claims', TRUE)") == ""
    assert tuple(await connection.fetchrow(query)) == (None, None, None)


async def test_older_claims_come_first(rolled_back: asyncpg.Connection) -> None:
    """As on Supabase: whoever sets the newer claims must clear the older ones."""
    other = "22222222-2222-4222-8222-222222222222"
    await rolled_back.execute("SELECT set_config('request.jwt.claim.sub', $1, TRUE)", other)
    await rolled_back.execute(
        "SELECT set_config('request.jwt.claims', $1, TRUE)", json.dumps({"sub": ACCOUNT})
    )
    assert await rolled_back.fetchval("SELECT auth.uid()::TEXT") == other


async def test_accounts_are_out_of_reach(rolled_back: asyncpg.Connection) -> None:
    for role in (*API_ROLES, "whaledb_worker", "whaledb_reader"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with as_role(rolled_back, role):
                await rolled_back.fetch("SELECT id FROM auth.users")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with rolled_back.transaction():
                await insert(rolled_back, "users")
