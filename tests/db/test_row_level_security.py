"""Row level security is on everywhere, with exactly the policies that were planned."""

import asyncpg
import pytest

from tests.db.constraint_cases import NO_ACCOUNT
from tests.db.identities import as_role, claims_of
from tests.db.rows import ACCOUNT, ALERT, OTHER_ACCOUNT, VALID, insert, prepare

pytestmark = pytest.mark.versions

OWN_ALERT = "(( SELECT auth.uid() AS uid) = user_id)"
OTHER_ALERT = "55555555-5555-4555-8555-555555555555"
OWN_PROFILE = "(( SELECT auth.uid() AS uid) = id)"

CHAIN_AND_MARKET = {
    "whale_transactions": "whale transactions",
    "liquidity_zones": "liquidity zones",
    "smc_patterns": "patterns",
    "market_data": "market data",
}
READ = CHAIN_AND_MARKET | {"blocks": "blocks"}
WRITTEN = READ | {
    "ingest_claims": "claims",
    "ingest_cursors": "cursors",
    "dead_letters": "dead letters",
    "alert_events": "alert events",
}

# (table, policy, command, role, USING, WITH CHECK)
Policy = tuple[str, str, str, str, str | None, str | None]

POLICIES: set[Policy] = {
    *(
        (table, f"Workers can read and write {what}", "ALL", "whaledb_worker", "true", "true")
        for table, what in WRITTEN.items()
    ),
    *(
        (table, f"Readers can view {what}", "SELECT", "whaledb_reader", "true", None)
        for table, what in READ.items()
    ),
    *(
        (table, f"Users can view {what}", "SELECT", "authenticated", "true", None)
        for table, what in CHAIN_AND_MARKET.items()
    ),
    ("users", "Workers can view profiles", "SELECT", "whaledb_worker", "true", None),
    ("alerts", "Workers can view alerts", "SELECT", "whaledb_worker", "true", None),
    (
        "alert_events",
        "Users can view their own alert events",
        "SELECT",
        "authenticated",
        OWN_ALERT,
        None,
    ),
    *(
        (table, f"Users can {verb} their own {what}", command, "authenticated", using, check)
        for table, what, own in (
            ("users", "profile", OWN_PROFILE),
            ("alerts", "alerts", OWN_ALERT),
        )
        for verb, command, using, check in (
            ("view", "SELECT", own, None),
            ("create", "INSERT", None, own),
            ("update", "UPDATE", own, own),
            ("delete", "DELETE", own, None),
        )
    ),
}


async def policies(connection: asyncpg.Connection) -> set[Policy]:
    rows = await connection.fetch(
        "SELECT tablename, policyname, cmd, array_to_string(roles, ', ') AS role, qual, with_check"
        " FROM pg_policies WHERE schemaname = 'public' AND permissive = 'PERMISSIVE'"
    )
    return {tuple(row) for row in rows}


async def unprotected(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p')"
        " AND NOT relrowsecurity ORDER BY relname"
    )
    return [row["relname"] for row in rows]


async def test_every_table_is_protected(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute("SELECT public.ensure_market_data_months(now(), now())")
    assert await unprotected(rolled_back) == []


async def test_an_unprotected_table_is_detected(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute(
        "CREATE TABLE public.exposed (id BIGINT);"
        "ALTER TABLE public.alerts DISABLE ROW LEVEL SECURITY"
    )
    assert await unprotected(rolled_back) == ["alerts", "exposed"]


async def test_policies_are_those_that_were_planned(rolled_back: asyncpg.Connection) -> None:
    assert await policies(rolled_back) == POLICIES


async def test_a_policy_more_is_detected(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute("CREATE POLICY hole ON public.alerts FOR SELECT USING (TRUE)")
    assert {policy[1] for policy in await policies(rolled_back) ^ POLICIES} == {"hole"}


async def test_nothing_is_forced_on_the_owner(rolled_back: asyncpg.Connection) -> None:
    """Forced, a plain owner would read no rows where no policy names it."""
    forced = await rolled_back.fetchval(
        "SELECT count(*) FROM pg_class"
        " WHERE relnamespace = 'public'::REGNAMESPACE AND relforcerowsecurity"
    )
    assert forced == 0


async def give_alerts(connection: asyncpg.Connection) -> None:
    """One alert, one event of it and one profile for each of two accounts."""
    await prepare(connection)
    await insert(connection, "alerts", id=OTHER_ALERT, user_id=OTHER_ACCOUNT)
    for account, alert in ((ACCOUNT, ALERT), (OTHER_ACCOUNT, OTHER_ALERT)):
        await insert(connection, "users", id=account)
        await insert(connection, "alert_events", alert_id=alert, user_id=account)


async def test_one_sees_own_alerts_only(rolled_back: asyncpg.Connection) -> None:
    await give_alerts(rolled_back)
    async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
        owners = await rolled_back.fetch("SELECT user_id::TEXT FROM public.alerts")
        profiles = await rolled_back.fetch("SELECT id::TEXT FROM public.users")
        events = await rolled_back.fetch("SELECT user_id::TEXT FROM public.alert_events")
    assert [row[0] for row in owners] == [ACCOUNT]
    assert [row[0] for row in events] == [ACCOUNT]
    assert [row[0] for row in profiles] == [ACCOUNT]
    # The control: without row security the same role sees both.
    for table in ("alerts", "alert_events"):
        await rolled_back.execute(f"ALTER TABLE public.{table} DISABLE ROW LEVEL SECURITY")
        async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
            assert await rolled_back.fetchval(f"SELECT count(*) FROM public.{table}") == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.alerts SET enabled = FALSE WHERE user_id = $1",
        "DELETE FROM public.alerts WHERE user_id = $1",
        "UPDATE public.users SET display_name = 'x' WHERE id = $1",
        "DELETE FROM public.users WHERE id = $1",
    ],
)
async def test_one_changes_own_rows_only(rolled_back: asyncpg.Connection, statement: str) -> None:
    await give_alerts(rolled_back)
    for account, affected in ((OTHER_ACCOUNT, "0"), (ACCOUNT, "1")):
        async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
            done = await rolled_back.execute(statement, account)
        assert done.split()[-1] == affected


@pytest.mark.parametrize("owner", [OTHER_ACCOUNT, NO_ACCOUNT, None])
async def test_one_cannot_create_for_another(
    rolled_back: asyncpg.Connection, owner: str | None
) -> None:
    await prepare(rolled_back)
    alert = (
        "INSERT INTO public.alerts (user_id, alert_type, conditions)"
        " VALUES ($1::TEXT::UUID, 'large_transfer', '{\"min_value_eth\": 1}')"
    )
    profile = "INSERT INTO public.users (id) VALUES ($1::TEXT::UUID)"
    for statement in (alert, profile):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
                await rolled_back.execute(statement, owner)
        async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
            assert await rolled_back.execute(statement, ACCOUNT) == "INSERT 0 1"


async def test_one_creates_for_oneself_by_default(rolled_back: asyncpg.Connection) -> None:
    await prepare(rolled_back)
    async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
        owner = await rolled_back.fetchval(
            "INSERT INTO public.alerts (alert_type, conditions)"
            " VALUES ('large_transfer', '{\"min_value_eth\": 1}') RETURNING user_id::TEXT"
        )
    assert owner == ACCOUNT


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE public.alerts SET user_id = '{OTHER_ACCOUNT}'",
        f"UPDATE public.alerts SET user_id = '{ACCOUNT}'",
        "UPDATE public.alerts SET id = gen_random_uuid()",
        "UPDATE public.alerts SET created_at = now()",
        f"UPDATE public.users SET id = '{OTHER_ACCOUNT}'",
        "TRUNCATE public.alerts",
        "TRUNCATE public.whale_transactions",
        "INSERT INTO public.alerts (id, alert_type, conditions)"
        " VALUES (gen_random_uuid(), 'large_transfer', '{\"min_value_eth\": 1}')",
        "SELECT id FROM auth.users",
        "SELECT number FROM public.blocks",
        "SELECT stream FROM public.ingest_cursors",
        "SELECT item FROM public.dead_letters",
        "DELETE FROM public.whale_transactions",
        "DELETE FROM public.alert_events",
        "UPDATE public.alert_events SET retracted_at = NULL",
        f"INSERT INTO public.alert_events (alert_id, user_id, pattern_id)"
        f" VALUES ('{ALERT}', '{ACCOUNT}', gen_random_uuid())",
        "UPDATE public.whale_transactions SET whale_score = 1",
    ],
)
async def test_refused_to_users(rolled_back: asyncpg.Connection, statement: str) -> None:
    await give_alerts(rolled_back)
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as refusal:
        async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
            await rolled_back.execute(statement)
    assert refusal.value.sqlstate == "42501"


@pytest.mark.parametrize("table", [*VALID, "whale_transfers", "active_smc_patterns"])
async def test_refused_to_anon(rolled_back: asyncpg.Connection, table: str) -> None:
    for statement in (f"SELECT count(*) FROM public.{table}", f"DELETE FROM public.{table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with as_role(rolled_back, "anon"):
                await rolled_back.execute(statement)


async def test_row_security_cannot_be_switched_off(rolled_back: asyncpg.Connection) -> None:
    await give_alerts(rolled_back)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
            await rolled_back.execute("SET LOCAL row_security = off")
            await rolled_back.fetch("SELECT id FROM public.alerts")


@pytest.mark.parametrize("claims", ["", "{}", '{"sub": null}', '{"role": "authenticated"}', None])
async def test_without_an_account_there_are_no_rows(
    rolled_back: asyncpg.Connection, claims: str | None
) -> None:
    await give_alerts(rolled_back)
    async with as_role(rolled_back, "authenticated", claims=claims):
        for table in ("alerts", "users", "alert_events"):
            assert await rolled_back.fetchval(f"SELECT count(*) FROM public.{table}") == 0


@pytest.mark.parametrize("claims", ["{", "[1", '{"sub": "nobody"}', '{"sub": ""}', '{"sub": 1}'])
async def test_malformed_claims_are_an_error(rolled_back: asyncpg.Connection, claims: str) -> None:
    await give_alerts(rolled_back)
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        async with as_role(rolled_back, "authenticated", claims=claims):
            await rolled_back.fetch("SELECT id FROM public.alerts")


async def test_deleting_an_account_takes_its_rows_along(rolled_back: asyncpg.Connection) -> None:
    await give_alerts(rolled_back)
    await rolled_back.execute("DELETE FROM auth.users WHERE id = $1", ACCOUNT)
    assert await rolled_back.fetch("SELECT user_id::TEXT FROM public.alerts") == [(OTHER_ACCOUNT,)]
    assert await rolled_back.fetch("SELECT id::TEXT FROM public.users") == [(OTHER_ACCOUNT,)]
    events = await rolled_back.fetch("SELECT user_id::TEXT FROM public.alert_events")
    assert events == [(OTHER_ACCOUNT,)]


async def test_users_see_chain_and_market(rolled_back: asyncpg.Connection) -> None:
    await prepare(rolled_back)
    for table in CHAIN_AND_MARKET:
        await insert(rolled_back, table)
    async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
        for table in (*CHAIN_AND_MARKET, "whale_transfers", "whale_volume_by_hour"):
            assert await rolled_back.fetchval(f"SELECT count(*) FROM public.{table}") == 1


async def test_a_worker_writes_and_reads_what_it_needs(rolled_back: asyncpg.Connection) -> None:
    await give_alerts(rolled_back)
    async with as_role(rolled_back, "whaledb_worker"):
        await rolled_back.execute("DELETE FROM public.alert_events")
        for table in WRITTEN:
            await insert(rolled_back, table)
            assert await rolled_back.execute(f"UPDATE public.{table} SET {touch(table)}") == (
                "UPDATE 1"
            )
            assert await rolled_back.execute(f"DELETE FROM public.{table}") == "DELETE 1"
        assert await rolled_back.fetchval("SELECT count(*) FROM public.alerts") == 2
        assert await rolled_back.fetchval("SELECT count(*) FROM public.users") == 2


def touch(table: str) -> str:
    stamp = {"dead_letters": "last_seen_at", "ingest_claims": "expires_at"}
    return f"{stamp.get(table, 'updated_at')} = now()"


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE public.whale_transactions",
        "DROP TABLE public.blocks",
        "CREATE TABLE public.mine (id BIGINT)",
        "ALTER TABLE public.blocks ADD COLUMN mine BIGINT",
        "CREATE INDEX ON public.blocks (number)",
        "UPDATE public.alerts SET enabled = FALSE",
        "DELETE FROM public.users",
        "SELECT id FROM auth.users",
        "UPDATE dbmate.schema_migrations SET version = ''",
    ],
)
async def test_refused_to_a_worker(rolled_back: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with as_role(rolled_back, "whaledb_worker"):
            await rolled_back.execute(statement)


async def test_a_reader_reads(rolled_back: asyncpg.Connection) -> None:
    await prepare(rolled_back)
    for table in READ:
        await insert(rolled_back, table)
    async with as_role(rolled_back, "whaledb_reader"):
        for table in READ:
            assert await rolled_back.fetchval(f"SELECT count(*) FROM public.{table}") == 1
        assert await rolled_back.fetchval("SELECT count(*) FROM dbmate.schema_migrations") > 0
    for table in (
        "alerts",
        "alert_events",
        "users",
        "dead_letters",
        "ingest_claims",
        "ingest_cursors",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with as_role(rolled_back, "whaledb_reader"):
                await rolled_back.fetchval(f"SELECT count(*) FROM public.{table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with as_role(rolled_back, "whaledb_reader"):
            await rolled_back.execute("DELETE FROM public.blocks")
