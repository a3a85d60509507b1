"""Profiles that were there before their preferences had members."""

import asyncpg
import pytest

from tests.db.migration_runs import FILES, section
from tests.db.rows import ACCOUNT, OTHER_ACCOUNT, insert, prepare

pytestmark = pytest.mark.versions

TYPED, VALIDATED = (path for path in FILES if "_typed_preferences" in path.name)


@pytest.fixture
async def before(rolled_back: asyncpg.Connection) -> asyncpg.Connection:
    """A database without the two migrations."""
    await rolled_back.execute(section(VALIDATED, "down"))
    await rolled_back.execute(section(TYPED, "down"))
    await prepare(rolled_back)
    return rolled_back


async def migrate(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute(section(TYPED, "up"))
        await connection.execute(section(VALIDATED, "up"))


async def test_what_fits_is_left_as_it_is(before: asyncpg.Connection) -> None:
    await insert(before, "users", id=ACCOUNT, preferences={"chain_id": 1})
    await migrate(before)
    assert await before.fetchval("SELECT preferences::TEXT FROM public.users") == '{"chain_id": 1}'


async def test_what_does_not_fit_stops_the_migration(before: asyncpg.Connection) -> None:
    await insert(before, "users", id=ACCOUNT, preferences={})
    await insert(before, "users", id=OTHER_ACCOUNT, preferences={"theme": "secret"})
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await migrate(before)
    assert str(refusal.value) == (
        "Profiles with preferences that are not allowed from now on: 1. Correct their preferences"
        f" in public.users and migrate again. Ids of at most 10 of them: {OTHER_ACCOUNT}"
    )
    await before.execute("UPDATE public.users SET preferences = '{}'")
    await migrate(before)


async def test_ten_of_many_are_named(before: asyncpg.Connection) -> None:
    many = "SELECT gen_random_uuid() AS id FROM generate_series(1, 12)"
    await before.execute(
        f"WITH account AS ({many}), made AS (INSERT INTO auth.users (id) SELECT id FROM account)"
        """ INSERT INTO public.users (id, preferences) SELECT id, '{"theme": 1}' FROM account"""
    )
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await migrate(before)
    assert "not allowed from now on: 12." in str(refusal.value)
    assert len(str(refusal.value).rpartition(": ")[2].split(", ")) == 10
