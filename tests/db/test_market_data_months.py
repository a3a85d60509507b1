"""ensure_market_data_months makes the months that are missing, and nothing else."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from tests.db.rows import insert
from tests.db.waiting import until_waiting
from typedsql.settings import ConnectionTarget

pytestmark = pytest.mark.versions

ENSURE = "SELECT public.ensure_market_data_months($1, $2)"


def at(year: int, month: int, day: int = 1, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


async def bounds(connection: asyncpg.Connection) -> dict[str, str]:
    """Each partition with its bounds, written in UTC."""
    await connection.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'")
    rows = await connection.fetch(
        """
        SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits AS i
        INNER JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.market_data'::REGCLASS
        """
    )
    return {row["relname"]: row["bounds"] for row in rows}


async def test_there_is_no_month_before_the_first_call(connection: asyncpg.Connection) -> None:
    assert await bounds(connection) == {}


async def test_makes_missing_months_once(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval(ENSURE, at(2026, 12, 31, 23), at(2027, 2)) == 3
    assert await connection.fetchval(ENSURE, at(2026, 12, 31, 23), at(2027, 2)) == 0
    assert await connection.fetchval(ENSURE, at(2026, 11, 30), at(2027, 3, 31)) == 2
    assert set(await bounds(connection)) == {
        "market_data_y2026m11",
        "market_data_y2026m12",
        "market_data_y2027m01",
        "market_data_y2027m02",
        "market_data_y2027m03",
    }


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
@pytest.mark.parametrize("style", ["ISO, MDY", "SQL, DMY", "German"])
async def test_bounds_are_months_of_utc(
    connection: asyncpg.Connection, zone: str, style: str
) -> None:
    await connection.execute("SELECT set_config('TimeZone', $1, FALSE)", zone)
    await connection.execute("SELECT set_config('DateStyle', $1, FALSE)", style)
    # 00:00 UTC is the next day on Kiritimati and the day before in Los Angeles.
    assert await connection.fetchval(ENSURE, at(2026, 10, 31, 23), at(2026, 11)) == 2
    assert await bounds(connection) == {
        "market_data_y2026m10": (
            "FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2026-11-01 00:00:00+00')"
        ),
        "market_data_y2026m11": (
            "FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')"
        ),
    }


async def test_a_missing_month_is_refused_until_it_is_made(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="no partition") as refusal:
        await insert(connection, "market_data")
    assert refusal.value.sqlstate == "23514"
    await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11))
    row = await insert(connection, "market_data")
    assert row["open_time"] == at(2026, 11, 15, 12)


async def test_concurrent_callers_make_each_month_once(target: ConnectionTarget) -> None:
    """The first caller is kept from committing until the second one waits for it."""
    async with asyncio.timeout(60):
        first = await asyncpg.connect(**target.asyncpg_arguments())
        second = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            commit = first.transaction()
            await commit.start()
            assert await first.fetchval(ENSURE, at(2026, 11), at(2026, 12)) == 2
            waiting = asyncio.create_task(second.fetchval(ENSURE, at(2026, 11), at(2027, 1)))
            await until_waiting(first, second)
            await commit.commit()
            assert await waiting == 1
        finally:
            await first.close()
            await second.close()


async def test_without_the_table_lock_concurrent_callers_collide(target: ConnectionTarget) -> None:
    async with asyncio.timeout(60):
        first = await asyncpg.connect(**target.asyncpg_arguments())
        second = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            source = await first.fetchval(
                "SELECT pg_get_functiondef("
                "'public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ)'::REGPROCEDURE)"
            )
            lock = "LOCK TABLE ONLY public.market_data IN SHARE UPDATE EXCLUSIVE MODE"
            assert lock in source
            # An advisory lock lets one caller after the other, but the second one's catalog
            # cache still says that the month is missing.
            await first.execute(source.replace(lock, "PERFORM pg_advisory_xact_lock(1)"))
            commit = first.transaction()
            await commit.start()
            assert await first.fetchval(ENSURE, at(2026, 11), at(2026, 12)) == 2
            waiting = asyncio.create_task(second.fetchval(ENSURE, at(2026, 11), at(2027, 1)))
            await until_waiting(first, second)
            await commit.commit()
            with pytest.raises((asyncpg.UniqueViolationError, asyncpg.DuplicateTableError)):
                await waiting
        finally:
            await first.close()
            await second.close()


async def test_a_snapshot_older_than_the_month_is_no_obstacle(target: ConnectionTarget) -> None:
    first = await asyncpg.connect(**target.asyncpg_arguments())
    second = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        async with second.transaction(isolation="repeatable_read"):
            assert await second.fetchval("SELECT count(*) FROM public.market_data") == 0
            assert await first.fetchval(ENSURE, at(2026, 11), at(2026, 12)) == 2
            assert await second.fetchval(ENSURE, at(2026, 11), at(2026, 12)) == 0
    finally:
        await first.close()
        await second.close()


async def test_months_that_exist_are_found_without_a_lock(target: ConnectionTarget) -> None:
    """Calling it before each batch must not make writers wait for one another."""
    first = await asyncpg.connect(**target.asyncpg_arguments())
    second = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        assert await first.fetchval(ENSURE, at(2026, 11), at(2026, 11)) == 1
        await second.execute("SET lock_timeout = '10s'")
        async with first.transaction():
            # Makes a month, so it holds the lock until the end of its transaction.
            assert await first.fetchval(ENSURE, at(2026, 12), at(2026, 12)) == 1
            assert await second.fetchval(ENSURE, at(2026, 11), at(2026, 11)) == 0
    finally:
        await first.close()
        await second.close()


async def test_making_a_month_does_not_wait_for_open_writers(target: ConnectionTarget) -> None:
    first = await asyncpg.connect(**target.asyncpg_arguments())
    second = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await first.fetchval(ENSURE, at(2026, 11), at(2026, 11))
        await second.execute("SET lock_timeout = '10s'")
        async with first.transaction():
            await insert(first, "market_data")
            assert await second.fetchval(ENSURE, at(2026, 12), at(2026, 12)) == 1
            # The control: PARTITION OF, which the function avoids, waits for the writer.
            await second.execute("SET lock_timeout = '200ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await second.execute(
                    "CREATE TABLE public.control PARTITION OF public.market_data"
                    " FOR VALUES FROM ('2027-01-01+00') TO ('2027-02-01+00')"
                )
    finally:
        await first.close()
        await second.close()


@pytest.mark.parametrize(
    ("first", "last", "sqlstate", "message"),
    [
        ("NULL", "now()", "22004", "must not be NULL"),
        ("now()", "NULL", "22004", "must not be NULL"),
        ("'-infinity'", "now()", "22023", "in the years 1970 to 9999"),
        ("now()", "'infinity'", "22023", "in the years 1970 to 9999"),
        ("'0044-03-15+00 BC'", "now()", "22023", "in the years 1970 to 9999"),
        ("to_timestamp(1700000000000)", "to_timestamp(1700000000000)", "22023", "in the years"),
        ("'2026-11-02+00'", "'2026-11-01+00'", "22023", "first must not be after last"),
        ("'2006-11-30+00'", "'2026-11-01+00'", "22023", "241 months asked for, at most 240"),
    ],
)
async def test_nonsense_is_refused(
    connection: asyncpg.Connection, first: str, last: str, sqlstate: str, message: str
) -> None:
    with pytest.raises(asyncpg.PostgresError, match=message) as refusal:
        await connection.fetchval(f"SELECT public.ensure_market_data_months({first}, {last})")
    assert refusal.value.sqlstate == sqlstate
    assert await bounds(connection) == {}


async def test_the_most_months_and_the_outermost_ones(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval(ENSURE, at(2006, 12, 31), at(2026, 11)) == 240
    assert await connection.fetchval(ENSURE, at(1970, 1), at(1970, 1)) == 1
    assert await connection.fetchval(ENSURE, at(9999, 12, 31, 23), at(9999, 12, 31, 23)) == 1
    assert (await bounds(connection))["market_data_y9999m12"] == (
        "FOR VALUES FROM ('9999-12-01 00:00:00+00') TO ('10000-01-01 00:00:00+00')"
    )


async def test_a_detached_month_is_named(connection: asyncpg.Connection) -> None:
    await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11))
    await connection.execute(
        "ALTER TABLE public.market_data DETACH PARTITION public.market_data_y2026m11"
    )
    with pytest.raises(
        asyncpg.ObjectNotInPrerequisiteStateError, match="market_data_y2026m11 exists but is not"
    ):
        await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11))


async def test_who_may_call_it(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE whaledb_worker")
        assert await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11)) == 1
        row = await insert(connection, "market_data")
        assert row["volume"] == 5
    for role in ("anon", "authenticated", "service_role", "whaledb_reader"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {role}")
                await connection.fetchval(ENSURE, at(2026, 12), at(2026, 12))


async def test_a_month_is_no_hole(connection: asyncpg.Connection) -> None:
    """LIKE copies neither row security nor grants, and default privileges open new tables."""
    await connection.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;"
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;"
        # The control: a table made without the function's care.
        "CREATE TABLE public.control (LIKE public.market_data INCLUDING ALL)"
    )
    await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11))
    await insert(connection, "market_data")
    for role in ("anon", "authenticated"):
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {role}")
            assert await connection.fetchval("SELECT count(*) FROM public.control") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval("SELECT count(*) FROM public.market_data_y2026m11")
    secured = await connection.fetchval(
        "SELECT relrowsecurity FROM pg_class WHERE oid = 'public.market_data_y2026m11'::REGCLASS"
    )
    assert secured is True


async def test_a_caller_cannot_lead_it_astray(connection: asyncpg.Connection) -> None:
    """It runs with its owner's rights, so names must not be looked up in the caller's path."""
    await connection.execute(
        """
        CREATE SCHEMA trap;
        CREATE FUNCTION trap.date_trunc(TEXT, TIMESTAMP) RETURNS TIMESTAMP
        LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
        SET search_path = trap, pg_catalog;
        """
    )
    with pytest.raises(asyncpg.RaiseError, match="trapped"):
        await connection.fetchval("SELECT date_trunc('month', TIMESTAMP '2026-11-22')")
    assert await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11)) == 1


# A worker may make temporary objects, as PostgreSQL lets everybody by default.
TRAP = """
CREATE FUNCTION pg_temp.run_as_owner(value ANYELEMENT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.run_as_owner(VALUE));
CREATE DOMAIN pg_temp.regclass AS pg_catalog.regclass CHECK (pg_temp.run_as_owner(VALUE));
"""


async def test_a_callers_temporary_types_are_not_looked_at(connection: asyncpg.Connection) -> None:
    """A CHECK of such a type would run the caller's code with the owner's rights."""
    await connection.execute("SET ROLE whaledb_worker")
    await connection.execute(TRAP)
    assert await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11)) == 1


async def test_with_an_empty_path_temporary_types_come_first(
    connection: asyncpg.Connection,
) -> None:
    """The control: what is not in the path, pg_temp, is searched before it."""
    await connection.execute(
        "ALTER FUNCTION public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ)"
        " SET search_path = ''"
    )
    owner = await connection.fetchval("SELECT current_user::TEXT")
    await connection.execute("SET ROLE whaledb_worker")
    await connection.execute(TRAP)
    with pytest.raises(asyncpg.RaiseError, match=f"ran as {owner}"):
        await connection.fetchval(ENSURE, at(2026, 11), at(2026, 11))


async def test_every_definer_function_looks_into_pg_temp_last(
    rolled_back: asyncpg.Connection,
) -> None:
    paths = """
        SELECT p.proname, s.setting
        FROM pg_proc AS p
        LEFT JOIN LATERAL unnest(p.proconfig) AS s (setting) ON s.setting LIKE 'search_path=%'
        WHERE p.pronamespace = 'public'::REGNAMESPACE AND p.prosecdef
    """
    found = {tuple(row) for row in await rolled_back.fetch(paths)}
    assert found == {("ensure_market_data_months", "search_path=pg_catalog, pg_temp")}
