"""A transaction in a user's name: who it is for SQL, and how that ends in any case."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

import whaledb
from tests.engine.raw_statements import row_of, statement, value_of
from tests.pgbouncer import POOL_SIZE, Pgbouncer
from typedsql.database import Database, UserTransaction
from typedsql.errors import (
    CodeError,
    ConfigurationError,
    ConnectionLost,
    DataError,
    IdentityLost,
    IdentityRefused,
    OperatorError,
    TimeoutExpired,
)
from typedsql.health import check_health
from typedsql.identities import claims_of, take_on, unsafe_api_roles
from typedsql.query import as_fetched
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer

pytestmark = pytest.mark.versions

ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
WHO = (
    "SELECT current_user::text, auth.uid(), current_setting('statement_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)


async def test_sql_knows_the_user_until_the_end_and_not_longer(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        before = await row_of(db, WHO)
        async with db.as_user(ALICE, statement_timeout_s=7, idle_timeout_s=2.5) as tx:
            assert isinstance(tx, UserTransaction)
            assert await row_of(tx, WHO) == ("authenticated", ALICE, "7s", "2500ms")
            async with tx.transaction() as savepoint:
                assert isinstance(savepoint, UserTransaction)
                assert await row_of(savepoint, WHO) == ("authenticated", ALICE, "7s", "2500ms")
        assert await row_of(db, WHO) == before == (target.user, None, "0", "1min")
        with pytest.raises(ZeroDivisionError):
            async with db.as_user(ALICE):
                raise ZeroDivisionError
        assert await row_of(db, WHO) == before


async def test_nobody_is_anon_and_without_a_name(db: Database) -> None:
    async with db.as_user(None, role="anon") as tx:
        assert (await row_of(tx, WHO))[:2] == ("anon", None)


async def test_claims_that_were_left_in_the_session_do_not_count(db: Database) -> None:
    """Older versions of auth.uid() look at these before the claims."""
    other = uuid4()
    legacy = "SELECT set_config('request.jwt.claim.sub', $1, FALSE)"
    async with db.checking_connection() as connection:
        await connection.fetchval(legacy, str(other))
        async with connection.transaction():
            # The control: the claims alone do not replace it.
            await connection.fetchval(
                "SELECT set_config('request.jwt.claims', $1, TRUE)",
                claims_of(ALICE, "authenticated", None),
            )
            assert await connection.fetchval("SELECT auth.uid()") == other
        async with connection.transaction():
            told = claims_of(ALICE, "authenticated", None)
            await take_on(
                connection, told, "authenticated", statement_timeout_s=9, idle_timeout_s=9
            )
            assert await connection.fetchval("SELECT auth.uid()") == ALICE


async def test_further_claims_are_for_policies_that_read_them(db: Database) -> None:
    async with db.as_user(ALICE, claims={"app_metadata": {"plan": "pro"}}) as tx:
        told = await value_of(tx, "SELECT auth.jwt()::text")
    assert json.loads(told) == {
        "app_metadata": {"plan": "pro"},
        "role": "authenticated",
        "sub": str(ALICE),
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"user": str(ALICE)}, "expected a uuid.UUID, got str"),
        ({"user": None}, "expected a uuid.UUID, got NoneType"),
        ({"user": ALICE, "role": "service_role"}, "role must be authenticated or anon"),
        ({"user": ALICE, "role": "postgres"}, "role must be authenticated or anon"),
        ({"user": ALICE, "role": "anon"}, "role anon has no user"),
        ({"user": ALICE, "claims": {"sub": str(uuid4())}}, "must not say sub or role again"),
        ({"user": ALICE, "claims": {"role": "service_role"}}, "must not say sub or role again"),
        ({"user": ALICE, "claims": {"x": object()}}, "must be what JSON can hold"),
        ({"user": ALICE, "claims": {"x": float("nan")}}, "must be what JSON can hold"),
    ],
)
async def test_refused_before_anything_is_sent(
    db: Database, arguments: dict[str, Any], told: str
) -> None:
    acquired = db.statistics().queries.acquired
    with pytest.raises(IdentityRefused, match=told) as refusal:
        async with db.as_user(**arguments):
            raise AssertionError
    assert isinstance(refusal.value, ValueError)
    assert db.statistics().queries.acquired == acquired


@pytest.mark.parametrize("limit", [0, -1, "9", float("nan"), float("inf"), 2_147_484, 10**400])
async def test_limits_are_limits(db: Database, limit: float) -> None:
    for name in ("statement_timeout_s", "idle_timeout_s"):
        with pytest.raises(ConfigurationError, match="more than 0"):
            async with db.as_user(ALICE, **{name: limit}):
                raise AssertionError


async def test_one_user_at_a_time_also_in_tasks_that_were_started_inside(db: Database) -> None:
    async def act() -> UUID | None:
        async with db.as_user(ALICE) as tx:
            return await value_of(tx, "SELECT auth.uid()")

    over = asyncio.Event()

    async def act_later() -> UUID | None:
        await over.wait()
        return await act()

    async with db.as_user(uuid4()):
        with pytest.raises(IdentityRefused, match="inside the block of another user"):
            await act()
        with pytest.raises(IdentityRefused, match="inside the block of another user"):
            await asyncio.create_task(act())
        late = asyncio.create_task(act_later())
    over.set()
    assert await late == ALICE


async def test_a_block_that_ends_in_another_task_has_ended(db: Database) -> None:
    """As fixtures do, whose ends are run in a context of their own."""
    block = db.as_user(ALICE)
    tx = await asyncio.create_task(block.__aenter__())
    assert (await row_of(tx, WHO))[1] == ALICE
    await asyncio.create_task(block.__aexit__(None, None, None))
    async with db.as_user(ALICE) as tx:
        assert (await row_of(tx, WHO))[1] == ALICE


async def test_another_database_may_have_a_user_of_its_own(
    db: Database, target: ConnectionTarget
) -> None:
    other = uuid4()
    async with (
        whaledb.connect(target) as second,
        db.as_user(ALICE) as tx,
        second.as_user(other) as beside,
    ):
        assert ((await row_of(tx, WHO))[1], (await row_of(beside, WHO))[1]) == (ALICE, other)


async def test_there_is_no_raw_connection_in_a_users_name(db: Database) -> None:
    async with db.as_user(ALICE) as tx:
        with pytest.raises(CodeError, match="named statements alone"):
            _ = tx.driver_connection
        async with tx.transaction() as savepoint:
            with pytest.raises(CodeError, match="named statements alone"):
                _ = savepoint.driver_connection


async def test_a_transaction_that_was_ended_inside_runs_nothing_more(db: Database) -> None:
    for end in ("ROLLBACK", "COMMIT"):
        with pytest.raises(IdentityLost, match="ended by a statement inside"):
            async with db.as_user(ALICE) as tx:
                await value_of(tx, end)
                await value_of(tx, "SELECT 1")
        # It is told at the end, too, where nothing followed.
        with pytest.raises(IdentityLost, match="ended by a statement inside"):
            async with db.as_user(ALICE) as tx:
                await value_of(tx, end)
    assert (await row_of(db, WHO))[1] is None


async def test_a_call_that_was_made_before_is_not_run_after_the_end(db: Database) -> None:
    with pytest.raises(IdentityLost, match="ended by a statement inside"):
        async with db.as_user(ALICE) as tx:
            call = tx.fetch_one(statement(WHO), (), as_fetched)
            await value_of(tx, "COMMIT")
            raise AssertionError(await call)


async def test_a_database_that_closes_ends_the_block_with_a_typed_error(
    target: ConnectionTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typedsql.database.CLOSE_TIMEOUT_S", 0.05)
    for uses in (True, False):
        database = whaledb.connect(target, max_size=1)
        db = await database.__aenter__()
        with pytest.raises(ConnectionLost):
            async with db.as_user(ALICE) as tx:
                await value_of(tx, "SELECT 1")
                await database.__aexit__(None, None, None)
                if uses:
                    await value_of(tx, "SELECT 1")


async def test_a_plain_transaction_goes_on_in_the_logins_name(db: Database) -> None:
    """The control of the one before."""
    async with db.transaction() as tx:
        await take_on(
            tx.driver_connection,
            claims_of(ALICE, "authenticated", None),
            "authenticated",
            statement_timeout_s=9,
            idle_timeout_s=9,
        )
        await value_of(tx, "COMMIT")
        assert (await row_of(tx, WHO))[:2] == (db.target.user, None)


async def test_a_statement_and_an_idle_block_have_limits(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        with pytest.raises(TimeoutExpired) as slow:
            async with db.as_user(ALICE, statement_timeout_s=0.05) as tx:
                await value_of(tx, "SELECT pg_sleep(20)")
        assert slow.value.sqlstate == "57014"
        with pytest.raises(ConnectionLost):
            async with db.as_user(ALICE, idle_timeout_s=0.05) as tx:
                await asyncio.sleep(0.5)
                await value_of(tx, "SELECT 1")
        assert (await row_of(db, WHO))[2:] == ("0", "1min")


@asynccontextmanager
async def login(
    target: ConnectionTarget, connection: asyncpg.Connection, options: str
) -> AsyncGenerator[ConnectionTarget, None]:
    name, password = f"test_login_{secrets.token_hex(6)}", secrets.token_urlsafe(16)
    await connection.execute(f"CREATE ROLE {name} LOGIN {options} PASSWORD '{password}'")
    try:
        yield replace(target, user=name, password=SecretStr(password))
    finally:
        await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_a_login_that_may_not_become_the_role_is_told_so(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with (
        login(target, connection, "") as stranger,
        whaledb.connect(stranger, migrations="ignore") as db,
    ):
        with pytest.raises(OperatorError, match="may not become authenticated: GRANT") as refusal:
            async with db.as_user(ALICE):
                raise AssertionError
    assert refusal.value.sqlstate == "42501"


async def test_a_server_without_the_role_is_told_of(rolled_back: asyncpg.Connection) -> None:
    role: Any = f"nobody_{secrets.token_hex(6)}"
    with pytest.raises(OperatorError, match=f"no role {role}: is the database migrated"):
        await take_on(rolled_back, "{}", role, statement_timeout_s=9, idle_timeout_s=9)


@pytest.mark.parametrize("power", ["BYPASSRLS", "SUPERUSER"])
async def test_a_role_that_sees_everything_is_nobody_to_become(
    rolled_back: asyncpg.Connection, power: str
) -> None:
    assert await unsafe_api_roles(rolled_back) == []
    await rolled_back.execute(f"ALTER ROLE authenticated {power}")
    [told] = await unsafe_api_roles(rolled_back)
    assert "row level security does not limit the role authenticated" in told
    with pytest.raises(OperatorError, match="does not limit the role authenticated"):
        await take_on(rolled_back, "{}", "authenticated", statement_timeout_s=9, idle_timeout_s=9)


@pytest.mark.parametrize("owning", ["OWNER TO authenticated", "OWNER TO owner_of_alerts"])
async def test_who_has_an_owners_rights_is_told_of(
    rolled_back: asyncpg.Connection, owning: str
) -> None:
    assert await unsafe_api_roles(rolled_back) == []
    await rolled_back.execute(
        "ALTER ROLE authenticated INHERIT; CREATE ROLE owner_of_alerts;"
        "GRANT owner_of_alerts TO authenticated;"
        f"ALTER TABLE public.alerts NO FORCE ROW LEVEL SECURITY, {owning}"
    )
    [told] = await unsafe_api_roles(rolled_back)
    assert "authenticated has the rights of the owner of public.alerts" in told


LASTING = """
CREATE FUNCTION public.stay_somebody() RETURNS TEXT LANGUAGE plpgsql AS $body$
BEGIN
    CREATE TEMPORARY TABLE mine AS SELECT auth.uid() AS who;
    PERFORM pg_advisory_lock(7);
    RETURN
        set_config('request.jwt.claims', current_setting('request.jwt.claims'), FALSE)
        || set_config('request.jwt.claim.email', 'alice@example.com', FALSE)
        || set_config('role', 'authenticated', FALSE)
        || set_config('tests.tenant', 'alice', FALSE)
        || set_config('work_mem', '123kB', FALSE);
END $body$;
GRANT EXECUTE ON FUNCTION public.stay_somebody() TO authenticated
"""
STAY = "SELECT public.stay_somebody()"
STAYED = """
SELECT
    current_user::TEXT AS role,
    auth.uid() AS user_id,
    nullif(current_setting('request.jwt.claim.email', TRUE), '') AS email,
    nullif(current_setting('tests.tenant', TRUE), '') AS tenant,
    current_setting('work_mem') AS memory,
    to_regclass('pg_temp.mine')::TEXT AS temporary,
    (
        SELECT count(*) FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid()
    ) AS locks
"""


async def test_what_a_function_has_set_for_the_session_ends_as_well(
    target: ConnectionTarget, connection: asyncpg.Connection, pgbouncer: Pgbouncer
) -> None:
    await connection.execute(LASTING)
    before = tuple(await connection.fetchrow(STAYED))
    assert before == (target.user, None, None, None, before[4], None, 0)
    async with whaledb.connect(target, max_size=1) as db:
        async with db.as_user(ALICE) as tx:
            await value_of(tx, STAY)
        assert await row_of(db, STAYED) == before
    pooled = pgbouncer.target(target)
    async with whaledb.connect(pooled) as db:
        async with db.as_user(ALICE) as tx:
            await value_of(tx, STAY)
        # It takes its sessions in turn, and this one is among them.
        for _ in range(2 * POOL_SIZE):
            assert await row_of(db, STAYED) == before
        async with db.as_user(ALICE, readonly=True) as tx:
            assert await value_of(tx, "SELECT set_config('tests.tenant', 'alice', FALSE)")
        for _ in range(2 * POOL_SIZE):
            assert await row_of(db, STAYED) == before
    # The control: by itself all of it stays with the session.
    async with connection.transaction():
        await take_on(
            connection,
            claims_of(ALICE, "authenticated", None),
            "authenticated",
            statement_timeout_s=9,
            idle_timeout_s=9,
        )
        await connection.fetchval(STAY)
    left = tuple(await connection.fetchrow(STAYED))
    assert left == ("authenticated", ALICE, "alice@example.com", "alice", "123kB", "mine", 1)
    await connection.execute("RESET ROLE; SELECT pg_advisory_unlock_all()")


async def test_what_waits_for_commit_is_checked_in_the_users_name(
    target: ConnectionTarget, connection: asyncpg.Connection, pgbouncer: Pgbouncer
) -> None:
    await connection.execute(
        """
        CREATE TABLE public.seen (who TEXT, PRIMARY KEY (who) DEFERRABLE INITIALLY DEFERRED);
        CREATE FUNCTION public.see() RETURNS TRIGGER LANGUAGE plpgsql SECURITY INVOKER AS $body$
        BEGIN
            RAISE 'it was %', auth.uid() USING ERRCODE = 'P0001';
        END
        $body$;
        CREATE CONSTRAINT TRIGGER see AFTER INSERT ON public.seen DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.see();
        GRANT SELECT, INSERT ON public.seen TO authenticated
        """
    )
    for reached in (target, pgbouncer.target(target)):
        async with whaledb.connect(reached) as db:
            with pytest.raises(DataError, match=f"it was {ALICE}") as refusal:
                async with db.as_user(ALICE) as tx:
                    await value_of(tx, "INSERT INTO public.seen VALUES ('a') RETURNING who")
            assert refusal.value.sqlstate == "P0001"
    assert await connection.fetchval("SELECT count(*) FROM public.seen") == 0


GATEWAY = "NOINHERIT IN ROLE authenticated, anon"


async def test_a_gateway_has_connections_of_its_own(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with (
        login(target, connection, GATEWAY) as gateway,
        whaledb.connect(target, gateway=gateway, gateway_max_size=3) as db,
    ):
        user = "SELECT session_user::text, current_user::text, auth.uid()"
        async with db.as_user(ALICE) as tx:
            assert await row_of(tx, user) == (gateway.user, "authenticated", ALICE)
            counted = db.statistics().gateway
            assert counted is not None
            assert (counted.in_use, counted.max_size) == (1, 3)
            assert db.statistics().queries.in_use == 0
        assert await row_of(db, user) == (target.user, target.user, None)
        db.expire_connections()
        async with db.as_user(ALICE) as tx:
            assert await row_of(tx, user) == (gateway.user, "authenticated", ALICE)
        counted = db.statistics().gateway
        assert counted is not None and counted.opened == 2


@pytest.mark.parametrize(
    ("options", "statement", "told"),
    [
        ("INHERIT IN ROLE authenticated", None, "has the rights of authenticated"),
        ("NOINHERIT", None, "cannot become authenticated: GRANT authenticated TO"),
        (f"{GATEWAY}, whaledb_worker", None, "is a member of whaledb_worker too: REVOKE"),
        (f"BYPASSRLS {GATEWAY}", None, "an attribute of power: name a login made for it"),
        (f"SUPERUSER {GATEWAY}", None, "an attribute of power: name a login made for it"),
        (f"CREATEROLE {GATEWAY}", None, "an attribute of power: name a login made for it"),
        (f"CREATEDB {GATEWAY}", None, "an attribute of power: name a login made for it"),
        (GATEWAY, "GRANT SELECT ON public.alerts TO {}", "may reach public.alerts in its own"),
        (GATEWAY, "GRANT TRIGGER ON public.alerts TO {}", "may reach public.alerts in its own"),
        (GATEWAY, "GRANT REFERENCES ON public.alerts TO {}", "may reach public.alerts in its own"),
        (
            GATEWAY,
            "GRANT USAGE ON SEQUENCE public.ingest_claims_fencing_token_seq TO {}",
            "may reach public.ingest_claims_fencing_token_seq in its own",
        ),
        (
            GATEWAY,
            "CREATE TABLE public.its_own (a INT); ALTER TABLE public.its_own OWNER TO {0};"
            "REVOKE ALL ON public.its_own FROM {0}",
            r"owns table (public\.)?its_own: give it another owner",
        ),
        (GATEWAY, "GRANT CREATE ON SCHEMA public TO {}", "may create in the schema public: REVOKE"),
        (
            GATEWAY,
            "DO $$ BEGIN EXECUTE format("
            "'GRANT CREATE ON DATABASE %I TO {}', current_database()); END $$",
            "may create schemas: REVOKE CREATE",
        ),
        (
            GATEWAY,
            "GRANT EXECUTE ON FUNCTION public.ensure_market_data_months TO {}",
            r"may call public\.ensure_market_data_months with its owner's rights",
        ),
        (
            GATEWAY,
            "GRANT authenticated TO {} WITH ADMIN OPTION",
            "may give authenticated to others: REVOKE ADMIN OPTION FOR authenticated FROM",
        ),
        (GATEWAY, "GRANT UPDATE (enabled) ON public.alerts TO {}", "may reach public.alerts"),
    ],
)
async def test_a_gateway_that_may_do_more_is_refused(
    target: ConnectionTarget,
    connection: asyncpg.Connection,
    options: str,
    statement: str | None,
    told: str,
) -> None:
    async with login(target, connection, options) as gateway:
        if statement is not None:
            await connection.execute(statement.format(gateway.user))
        with pytest.raises(ConfigurationError, match=told) as refusal:
            async with whaledb.connect(target, gateway=gateway):
                raise AssertionError
    assert gateway.password is not None
    assert gateway.password.get_secret_value() not in str(refusal.value)


async def test_a_gateway_that_may_not_use_its_membership_is_told_so(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    if connection.get_server_version().major < 16:
        pytest.skip("a membership has no SET option before PostgreSQL 16")
    async with login(target, connection, GATEWAY) as gateway:
        await connection.execute(f"GRANT authenticated TO {gateway.user} WITH SET FALSE")
        with pytest.raises(ConfigurationError, match="WITH SET TRUE"):
            async with whaledb.connect(target, gateway=gateway):
                raise AssertionError


async def test_a_gateway_that_is_no_other_login_is_refused(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with login(target, connection, "IN ROLE whaledb_worker") as worker:
        with pytest.raises(ConfigurationError, match="is the login that all else runs as") as told:
            async with whaledb.connect(worker, gateway=worker):
                raise AssertionError
    assert "REVOKE" not in str(told.value), "the worker needs its rights"


async def test_a_gateway_of_another_database_is_refused(
    target: ConnectionTarget, server: TestServer, connection: asyncpg.Connection
) -> None:
    async with login(target, connection, GATEWAY) as gateway:
        elsewhere = replace(gateway, database=server.target.database)
        with pytest.raises(ConfigurationError, match="leads to another database"):
            async with whaledb.connect(target, gateway=elsewhere):
                raise AssertionError
        # The control: beside its own database it is taken.
        async with whaledb.connect(target, gateway=gateway) as db, db.as_user(ALICE):
            pass


async def test_a_gateway_that_is_gone_is_unhealthy(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with (
        login(target, connection, GATEWAY) as gateway,
        whaledb.connect(target, gateway=gateway) as db,
    ):
        assert (await check_health(db)).status == "healthy"
        await connection.execute(f"ALTER ROLE {gateway.user} NOLOGIN")
        db.expire_connections()
        health = await check_health(db)
    assert health.status == "unhealthy"
    assert health.reason is not None and gateway.user in health.reason
