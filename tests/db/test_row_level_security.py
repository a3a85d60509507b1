"""Exactly the policies that were planned, and what they let through; that row level security is on
everywhere, test_catalog_rules.py says."""

import asyncpg
import pytest

from tests.db.constraint_cases import NO_TIMES
from tests.db.identities import as_role, claims_of
from tests.db.rows import ACCOUNT, ALERT, OTHER_ACCOUNT, insert, prepare

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
        "UPDATE public.alerts SET id = gen_random_uuid()",
        "UPDATE public.alerts SET created_at = now()",
        f"UPDATE public.users SET id = '{OTHER_ACCOUNT}'",
        "INSERT INTO public.alerts (id, alert_type, conditions)"
        " VALUES (gen_random_uuid(), 'large_transfer', '{\"min_value_eth\": 1}')",
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


@pytest.mark.parametrize("table", ["users", "alerts"])
@pytest.mark.parametrize("time", NO_TIMES)
async def test_users_write_no_time_that_stops_who_reads_all(
    rolled_back: asyncpg.Connection, table: str, time: str
) -> None:
    await give_alerts(rolled_back)
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        async with as_role(rolled_back, "authenticated", claims=claims_of(ACCOUNT)):
            await rolled_back.execute(f"UPDATE public.{table} SET updated_at = '{time}'")
    assert (refusal.value.sqlstate, refusal.value.constraint_name) == (
        "23514",
        f"{table}_updated_at_range",
    )


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
