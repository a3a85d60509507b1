"""Profiles and alerts whose time of change was out of bounds before there were any."""

import asyncpg
import pytest

from tests.db.constraint_cases import NO_TIMES, TIMES
from tests.db.migration_runs import FILES, section
from tests.db.rows import ACCOUNT, ALERT, OTHER_ACCOUNT, insert, prepare

pytestmark = pytest.mark.versions

BOUNDED, VALIDATED = (path for path in FILES if "_update_times" in path.name)
OTHER_ALERT = "55555555-5555-4555-8555-555555555555"


@pytest.fixture
async def before(rolled_back: asyncpg.Connection) -> asyncpg.Connection:
    """A database without the two migrations, with two profiles and an alert of each."""
    await rolled_back.execute(section(VALIDATED, "down"))
    await rolled_back.execute(section(BOUNDED, "down"))
    await prepare(rolled_back)
    await insert(rolled_back, "alerts", id=OTHER_ALERT, user_id=OTHER_ACCOUNT)
    for account in (ACCOUNT, OTHER_ACCOUNT):
        await insert(rolled_back, "users", id=account)
    return rolled_back


async def write(connection: asyncpg.Connection, table: str, row: str, time: str) -> None:
    await connection.execute(
        f"UPDATE public.{table} SET updated_at = $2::TEXT::TIMESTAMPTZ WHERE id = $1::TEXT::UUID",
        row,
        time,
    )


async def is_written(connection: asyncpg.Connection, table: str, row: str, time: str) -> bool:
    return await connection.fetchval(
        f"SELECT updated_at = $2::TEXT::TIMESTAMPTZ FROM public.{table} WHERE id = $1::TEXT::UUID",
        row,
        time,
    )


@pytest.mark.parametrize("time", NO_TIMES)
async def test_a_time_out_of_bounds_becomes_that_of_the_migration(
    before: asyncpg.Connection, time: str
) -> None:
    kept = TIMES[0]
    for table, row, other in (
        ("users", ACCOUNT, OTHER_ACCOUNT),
        ("alerts", ALERT, OTHER_ALERT),
    ):
        await write(before, table, row, time)
        await write(before, table, other, kept)
    await before.execute(section(BOUNDED, "up"))
    assert await is_written(before, "users", ACCOUNT, time), "the first one reads no row"
    await before.execute(section(VALIDATED, "up"))
    for table, row, other in (
        ("users", ACCOUNT, OTHER_ACCOUNT),
        ("alerts", ALERT, OTHER_ALERT),
    ):
        assert await is_written(before, table, row, "now")
        assert await is_written(before, table, other, kept)
    unread = await before.fetch(
        "SELECT conname FROM pg_constraint"
        " WHERE connamespace = 'public'::REGNAMESPACE AND NOT convalidated"
    )
    assert unread == []
