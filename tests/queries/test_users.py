"""Profiles, which hang on an account, and acting as one."""

import json
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest

from tests.queries.accounts import ALICE, BOB, act_as, make_accounts
from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError, Error
from whaledb.queries import users
from whaledb.rows import User

pytestmark = pytest.mark.versions

CHOSEN: dict[str, Any] = {"theme": "dark", "columns": ["hash", "value"], "rows": 25}


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
        await users.insert(db, id=ALICE, display_name=None, preferences={})
    assert refusal.value.sqlstate == "23505"
    nameless = await users.insert(db, id=BOB, display_name=None, preferences={})
    assert (nameless.display_name, nameless.preferences) == (None, {})


async def test_a_profile_needs_an_account(db: Database) -> None:
    for write in (users.insert, users.merge):
        with pytest.raises(DataError) as refusal:
            await write(db, id=UUID(int=5), display_name=None, preferences={})
        assert refusal.value.sqlstate == "23503"
    await users.insert(db, id=ALICE, display_name=None, preferences={})
    async with db.connection() as connection:
        await connection.execute("DELETE FROM auth.users WHERE id = $1", ALICE)
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
    assert await users.merge(db, **(given | {"preferences": {}})) is False
    assert (await profile(db)).preferences == {}


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
        await users.insert(db, id=account, display_name=None, preferences={})
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
    await users.insert(db, id=ALICE, display_name="Alice", preferences={})
    assert await users.update_display_name(db, id=ALICE, display_name=None) == 1
    for name in ("", "x" * 201):
        with pytest.raises(DataError):
            await users.update_display_name(db, id=ALICE, display_name=name)
    no_object: Any = ["a", "list"]
    with pytest.raises(DataError):
        await users.update_preferences(db, id=ALICE, preferences=no_object)


async def test_list_all_walks_every_row_once(db: Database) -> None:
    ids = [UUID(int=number) for number in range(1, 6)]
    await make_accounts(db, *ids)
    for account in reversed(ids):
        await users.insert(db, id=account, display_name=None, preferences={})

    async def following(row: User) -> list[User]:
        return await users.list_all(db, after_id=row.id, max_rows=2)

    rows = await walk(users.list_all(db, max_rows=2), following)
    assert [row.id for row in rows] == ids
    async with aclosing(users.stream_all(db)) as stream:
        assert [row async for row in stream] == rows
    assert await users.count(db) == len(ids)


async def test_delete_leaves_the_account(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name=None, preferences={})
    assert await users.delete(db, id=ALICE) == 1
    assert await users.delete(db, id=ALICE) == 0
    assert await users.merge(db, id=ALICE, display_name=None, preferences={}) is True


async def test_a_user_works_on_the_own_profile_only(db: Database) -> None:
    await users.insert(db, id=BOB, display_name="Bob", preferences={})
    async with db.transaction() as tx:
        await act_as(tx, ALICE)
        assert await users.insert(tx, id=ALICE, display_name=None, preferences={})
        assert await users.update_preferences(tx, id=ALICE, preferences=CHOSEN) == 1
        assert await users.update_display_name(tx, id=ALICE, display_name="Alice") == 1
        assert await users.count(tx) == 1
        assert await users.get(tx, id=BOB) is None
        assert await users.update_display_name(tx, id=BOB, display_name="Mallory") == 0
        assert await users.delete(tx, id=BOB) == 0
        with pytest.raises(Error) as refusal:
            async with tx.transaction() as savepoint:
                await users.insert(savepoint, id=UUID(int=5), display_name=None, preferences={})
        assert refusal.value.sqlstate == "42501"
    assert (await profile(db, BOB)).display_name == "Bob"


WHOSE = "SELECT auth.uid(), current_user::text, coalesce(auth.role(), '')"


async def test_act_as_lasts_until_its_transaction_ends(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name="Alice", preferences={})
    await users.insert(db, id=BOB, display_name="Bob", preferences={})
    for account in (ALICE, BOB):
        async with db.transaction() as tx:
            acting = await users.act_as(tx, user_id=account)
            assert json.loads(acting.claims or "") == {
                "role": "authenticated",
                "sub": str(account),
            }
            assert acting.role == "authenticated"
            assert [row.id async for row in users.stream_all(tx)] == [account]
    # The same session afterwards: whose it was before is forgotten.
    async with db.connection() as connection:
        assert tuple(await connection.fetchrow(WHOSE)) == (None, db.target.user, "")
    assert await users.count(db) == 2


async def test_act_as_nobody_is_a_request_without_a_user(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name="Alice", preferences={})
    async with db.transaction() as tx:
        acting = await users.act_as(tx, user_id=None)
        assert json.loads(acting.claims or "") == {"role": "authenticated"}
        assert await users.count(tx) == 0


async def test_act_as_outside_a_transaction_has_no_effect(db: Database) -> None:
    await users.insert(db, id=BOB, display_name="Bob", preferences={})
    await users.act_as(db, user_id=ALICE)
    assert await users.count(db) == 1
    async with db.connection() as connection:
        assert tuple(await connection.fetchrow(WHOSE)) == (None, db.target.user, "")


async def test_act_as_ends_with_a_savepoint_that_is_rolled_back(db: Database) -> None:
    await users.insert(db, id=ALICE, display_name="Alice", preferences={})
    async with db.transaction() as tx:
        with pytest.raises(DataError):
            async with tx.transaction() as savepoint:
                await users.act_as(savepoint, user_id=BOB)
                assert await users.count(savepoint) == 0
                raise DataError("the end of this savepoint")
        assert await users.count(tx) == 1


async def test_merge_account_adds_it_once(db: Database) -> None:
    account = UUID(int=5)
    assert await users.merge_account(db, id=account) == 1
    assert await users.merge_account(db, id=account) == 0
    async with db.connection() as connection:
        stored = await connection.fetchval("SELECT count(*) FROM auth.users WHERE id = $1", account)
    assert stored == 1


async def test_accounts_of_supabase_are_left_alone(db: Database) -> None:
    """Its auth.users has another comment, or none."""
    assert await users.is_account_stand_in(db) is True
    for comment in ("'Auth: Stores user login data within a secure schema.'", "NULL"):
        async with db.connection() as connection:
            await connection.execute(f"COMMENT ON TABLE auth.users IS {comment}")
        assert await users.is_account_stand_in(db) is False
        assert await users.merge_account(db, id=UUID(int=5)) == 0
    async with db.connection() as connection:
        await connection.execute("COMMENT ON TABLE auth.users IS 'Accounts. [auth shim]'")
    assert await users.merge_account(db, id=UUID(int=5)) == 1
