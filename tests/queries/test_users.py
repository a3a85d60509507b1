"""Profiles, which hang on an account, and what a user does with the own one."""

from contextlib import aclosing
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.accounts import ALICE, BOB, make_accounts
from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError, Error
from whaledb.documents import Preferences
from whaledb.queries import users
from whaledb.rows import User

pytestmark = pytest.mark.versions

NONE: Final = Preferences()
CHOSEN: Final = Preferences(
    quote_currency="CHF",
    time_zone="Europe/Zurich",
    min_value_eth=Decimal("2.50"),
    chain_id=137,
    notify_by=("push", "email"),
)


@pytest.fixture(autouse=True)
async def accounts(db: Database) -> None:
    await make_accounts(db, ALICE, BOB)


async def profile(db: Database, id: UUID = ALICE) -> User:
    row = await users.get(db, id=id)
    assert row is not None
    return row


async def test_insert_returns_the_row_as_stored(db: Database) -> None:
    row = await users.insert(db, id=ALICE, display_name="Alice", preferences=CHOSEN)
    assert (row.id, row.display_name, row.preferences) == (ALICE, "Alice", CHOSEN)
    assert row.created_at == row.updated_at
    assert await profile(db) == row
    with pytest.raises(DataError) as refusal:
        await users.insert(db, id=ALICE, display_name=None, preferences=NONE)
    assert refusal.value.sqlstate == "23505"
    nameless = await users.insert(db, id=BOB, display_name=None, preferences=NONE)
    assert (nameless.display_name, nameless.preferences) == (None, NONE)


async def test_a_profile_needs_an_account(db: Database) -> None:
    for write in (users.insert, users.merge):
        with pytest.raises(DataError) as refusal:
            await write(db, id=UUID(int=5), display_name=None, preferences=NONE)
        assert refusal.value.sqlstate == "23503"
    await users.insert(db, id=ALICE, display_name=None, preferences=NONE)
    async with db.transaction() as tx:
        await tx.driver_connection.execute("DELETE FROM auth.users WHERE id = $1", ALICE)
    assert await users.get(db, id=ALICE) is None


async def test_merge_says_whether_it_added_changed_or_found(db: Database) -> None:
    given: dict[str, Any] = {"id": ALICE, "display_name": "Alice", "preferences": CHOSEN}
    assert await users.merge(db, **given) is True
    created = await profile(db)
    await age(db, "users")
    assert await users.merge(db, **given) is None
    assert (await profile(db)).updated_at == LONG_AGO
    assert await users.merge(db, **(given | {"display_name": None})) is False
    row = await profile(db)
    assert (row.display_name, row.created_at) == (None, created.created_at)
    assert row.updated_at > LONG_AGO
    assert await users.merge(db, **(given | {"preferences": NONE})) is False
    assert (await profile(db)).preferences == NONE


@pytest.mark.parametrize(
    ("update", "column", "value"),
    [
        (users.update_display_name, "display_name", "Alice"),
        (users.update_preferences, "preferences", CHOSEN),
    ],
)
async def test_an_update_changes_its_row_alone_and_only_once(
    db: Database, update: Any, column: str, value: Any
) -> None:
    for account in (ALICE, BOB):
        await users.insert(db, id=account, display_name=None, preferences=NONE)
    await age(db, "users")
    assert await update(db, id=ALICE, **{column: value}) == 1
    row = await profile(db)
    assert getattr(row, column) == value
    assert row.updated_at > LONG_AGO
    assert await update(db, id=ALICE, **{column: value}) == 0
    assert await profile(db) == row
    assert (await profile(db, BOB)).updated_at == LONG_AGO
    assert await update(db, id=UUID(int=5), **{column: value}) == 0


async def test_bounds_are_refused(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name="Alice", preferences=NONE)
    assert await users.update_display_name(db, id=ALICE, display_name=None) == 1
    for name in ("", "x" * 201):
        with pytest.raises(DataError):
            await users.update_display_name(db, id=ALICE, display_name=name)
    wrong: Any
    for wrong in (["a", "list"], {"theme": "dark"}):
        with pytest.raises(DataError) as refusal:
            await users.update_preferences(db, id=ALICE, preferences=wrong)
        assert refusal.value.sqlstate == "23514"


async def test_list_all_walks_every_row_once(db: Database) -> None:
    ids = [UUID(int=number) for number in range(1, 6)]
    await make_accounts(db, *ids)
    for account in reversed(ids):
        await users.insert(db, id=account, display_name=None, preferences=NONE)

    async def following(row: User) -> list[User]:
        return await users.list_all(db, after_id=row.id, max_rows=2)

    rows = await walk(users.list_all(db, max_rows=2), following)
    assert [row.id for row in rows] == ids
    async with aclosing(users.stream_all(db)) as stream:
        assert [row async for row in stream] == rows
    assert await users.count(db) == len(ids)


async def test_delete_leaves_the_account(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name=None, preferences=NONE)
    assert await users.delete(db, id=ALICE) == 1
    assert await users.delete(db, id=ALICE) == 0
    assert await users.merge(db, id=ALICE, display_name=None, preferences=NONE) is True


async def test_a_user_works_on_the_own_profile_only(db: Database) -> None:
    await users.insert(db, id=BOB, display_name="Bob", preferences=NONE)
    async with db.as_user(ALICE) as tx:
        assert await users.insert(tx, id=ALICE, display_name=None, preferences=NONE)
        assert await users.update_preferences(tx, id=ALICE, preferences=CHOSEN) == 1
        assert await users.update_display_name(tx, id=ALICE, display_name="Alice") == 1
        assert await users.count(tx) == 1
        assert await users.get(tx, id=BOB) is None
        assert await users.update_display_name(tx, id=BOB, display_name="Mallory") == 0
        assert await users.delete(tx, id=BOB) == 0
        with pytest.raises(Error) as refusal:
            async with tx.transaction() as savepoint:
                await users.insert(savepoint, id=UUID(int=5), display_name=None, preferences=NONE)
        assert refusal.value.sqlstate == "42501"
    assert (await profile(db, BOB)).display_name == "Bob"


async def test_a_user_makes_and_changes_the_own_profile_in_one_statement(db: Database) -> None:
    """No trigger on auth.users is needed: whoever signs in merges the profile."""
    await users.insert(db, id=BOB, display_name="Bob", preferences=NONE)
    async with db.as_user(ALICE) as tx:
        assert await users.merge(tx, id=ALICE, display_name=None, preferences=NONE) is True
        assert await users.merge(tx, id=ALICE, display_name=None, preferences=NONE) is None
        assert await users.merge(tx, id=ALICE, display_name="Alice", preferences=CHOSEN) is False
        for other in (BOB, UUID(int=5)):
            with pytest.raises(Error) as refusal:
                async with tx.transaction() as savepoint:
                    await users.merge(savepoint, id=other, display_name="M", preferences=CHOSEN)
            assert refusal.value.sqlstate == "42501"
    row = await profile(db)
    assert (row.display_name, row.preferences) == ("Alice", CHOSEN)
    row = await profile(db, BOB)
    assert (row.display_name, row.preferences) == ("Bob", NONE)


async def test_a_users_name_lasts_until_the_transaction_ends(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name="Alice", preferences=NONE)
    await users.insert(db, id=BOB, display_name="Bob", preferences=NONE)
    for account in (ALICE, BOB):
        async with db.as_user(account) as tx:
            assert [row.id async for row in users.stream_all(tx)] == [account]
        assert await users.count(db) == 2


async def test_merge_account_adds_it_once(db: Database, connection: Any) -> None:
    account = UUID(int=5)
    assert await users.merge_account(db, id=account) == 1
    assert await users.merge_account(db, id=account) == 0
    found = "SELECT count(*) FROM auth.users WHERE id = $1"
    assert await connection.fetchval(found, account) == 1


async def test_accounts_of_supabase_are_left_alone(db: Database, connection: Any) -> None:
    """Its auth.users has another comment, or none."""
    assert await users.is_account_stand_in(db) is True
    for comment in ("'Auth: Stores user login data within a secure schema.'", "NULL"):
        await connection.execute(f"COMMENT ON TABLE auth.users IS {comment}")
        assert await users.is_account_stand_in(db) is False
        assert await users.merge_account(db, id=UUID(int=5)) == 0
    await connection.execute("COMMENT ON TABLE auth.users IS 'Accounts. [auth shim]'")
    assert await users.merge_account(db, id=UUID(int=5)) == 1
