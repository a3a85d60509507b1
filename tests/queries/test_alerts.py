"""Alerts: those of a user, those of the user of the session, and all that are enabled."""

from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.queries.accounts import ALICE, BOB, make_accounts
from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database, Transaction
from typedsql.errors import DataError, Error
from whaledb.documents import Preferences
from whaledb.queries import alerts, users
from whaledb.rows import Alert, AlertWithOwner

pytestmark = pytest.mark.versions

MANY = 1000
CONDITIONS: dict[str, Any] = {"min_value_eth": 500, "chain_id": 1}
ADDRESS: dict[str, Any] = {
    "alert_type": "address_activity",
    "conditions": {"address": "0x" + "Ab" * 20},
}
PLAIN: dict[str, Any] = {
    "alert_type": "large_transfer",
    "conditions": CONDITIONS,
    "enabled": True,
}


@pytest.fixture(autouse=True)
async def accounts(db: Database) -> None:
    await make_accounts(db, ALICE, BOB)


async def stored(db: Database, user_id: UUID = ALICE, **changes: Any) -> Alert:
    return await alerts.insert(db, user_id=user_id, **(PLAIN | changes))


async def again(db: Database, row: Alert) -> Alert:
    found = await alerts.get(db, id=row.id)
    assert found is not None
    return found


async def test_insert_returns_the_row_as_stored(db: Database) -> None:
    row = await stored(db)
    assert {name: getattr(row, name) for name in PLAIN} == PLAIN
    assert (row.user_id, row.created_at) == (ALICE, row.updated_at)
    assert await again(db, row) == row
    assert (await stored(db)).id != row.id


@pytest.mark.parametrize(
    "changes",
    [
        {"alert_type": "Large Transfer"},
        {"alert_type": ""},
        {"conditions": [1]},
        {"conditions": {}},
        {"conditions": {"min_value_eth": 500, "address": "0x" + "ab" * 20}},
        {"alert_type": "address_activity"},
    ],
)
async def test_bounds_are_refused(db: Database, changes: dict[str, Any]) -> None:
    row = await stored(db)
    with pytest.raises(DataError):
        await stored(db, **changes)
    with pytest.raises(DataError):
        await alerts.update(db, id=row.id, **(PLAIN | changes))
    assert await again(db, row) == row


async def test_an_alert_goes_with_its_account(db: Database) -> None:
    with pytest.raises(DataError) as refusal:
        await stored(db, UUID(int=5))
    assert refusal.value.sqlstate == "23503"
    await stored(db)
    async with db.transaction() as tx:
        await tx.driver_connection.execute("DELETE FROM auth.users WHERE id = $1", ALICE)
    assert await alerts.count_by_user(db, user_id=ALICE) == 0


async def test_merge_says_whether_it_added_changed_or_found(db: Database) -> None:
    chosen = UUID(int=7)
    mine: dict[str, Any] = {"id": chosen, "user_id": ALICE} | PLAIN
    assert await alerts.merge(db, **mine) is True
    await age(db, "alerts")
    assert await alerts.merge(db, **mine) is None
    row = await alerts.get(db, id=chosen)
    assert row is not None
    assert row.updated_at == LONG_AGO
    other: dict[str, Any] = {"conditions": {"min_value_eth": 1}}
    for changes in (ADDRESS, PLAIN | other, {"enabled": False}):
        await age(db, "alerts")
        assert await alerts.merge(db, **(mine | changes)) is False
        changed = await again(db, row)
        assert {name: getattr(changed, name) for name in changes} == changes
        assert changed.updated_at > LONG_AGO


async def test_merge_leaves_the_alert_of_another_user(db: Database) -> None:
    row = await stored(db)
    stolen = {"id": row.id, "user_id": BOB} | PLAIN | {"enabled": False}
    assert await alerts.merge(db, **stolen) is None
    assert await again(db, row) == row


async def test_pages_of_a_user_walk_every_row_once(db: Database) -> None:
    async with db.transaction() as tx:
        for _ in range(4):
            await alerts.insert(tx, user_id=ALICE, **PLAIN)
    rows = [await stored(db, enabled=False) for _ in range(3)]
    await stored(db, BOB)

    async def following(row: Alert) -> list[Alert]:
        return await alerts.list_by_user(
            db, user_id=ALICE, before_created_at=row.created_at, before_id=row.id, max_rows=2
        )

    whole = await alerts.list_by_user(db, user_id=ALICE, max_rows=MANY)
    assert whole[:3] == rows[::-1]
    ties = [row.id for row in whole[3:]]
    assert (len(ties), ties) == (4, sorted(ties, reverse=True))
    first = alerts.list_by_user(db, user_id=ALICE, max_rows=2)
    assert await walk(first, following) == whole
    assert await alerts.count_by_user(db, user_id=ALICE) == 7


async def test_a_user_sees_and_writes_the_own_alerts_only(db: Database) -> None:
    foreign = await stored(db, BOB)
    async with db.as_user(ALICE) as tx:
        row = await alerts.insert_mine(tx, **PLAIN)
        assert row.user_id == ALICE
        assert await alerts.list_mine(tx, max_rows=MANY) == [row]
        assert await alerts.get(tx, id=foreign.id) is None
        assert await alerts.list_by_user(tx, user_id=BOB, max_rows=MANY) == []
        assert await alerts.list_enabled(tx, max_rows=MANY) == [row]
        assert (
            await alerts.update(tx, id=row.id, **(PLAIN | {"conditions": {"min_value_eth": 7}}))
            == 1
        )
        assert await alerts.update_enabled(tx, id=foreign.id, enabled=False) == 0
        assert await alerts.delete(tx, id=foreign.id) == 0
        assert await refused(tx, user_id=BOB) == "42501"
    assert await again(db, foreign) == foreign


async def refused(tx: Transaction, user_id: UUID) -> str | None:
    with pytest.raises(Error) as refusal:
        async with tx.transaction() as savepoint:
            await alerts.insert(savepoint, user_id=user_id, **PLAIN)
    return refusal.value.sqlstate


async def test_a_user_chooses_no_id(db: Database) -> None:
    row = await stored(db)
    for chosen in (row.id, uuid4()):
        with pytest.raises(Error) as refusal:
            async with db.as_user(ALICE) as tx:
                await alerts.merge(tx, id=chosen, user_id=ALICE, **PLAIN)
        assert refusal.value.sqlstate == "42501"


async def test_without_a_user_there_is_no_alert(db: Database) -> None:
    await stored(db)
    with pytest.raises(Error) as by_right:
        async with db.as_user(None, role="anon") as tx:
            await alerts.insert_mine(tx, **PLAIN)
    assert by_right.value.sqlstate == "42501"
    with pytest.raises(DataError) as by_column:
        await alerts.insert_mine(db, **PLAIN)
    assert by_column.value.sqlstate == "23502"
    assert await alerts.list_mine(db, max_rows=MANY) == []
    with pytest.raises(Error) as without_grant:
        async with db.as_user(None, role="anon") as tx:
            await alerts.list_mine(tx, max_rows=MANY)
    assert without_grant.value.sqlstate == "42501"


async def test_pages_of_mine_walk_every_row_once(db: Database) -> None:
    rows = [await stored(db) for _ in range(5)]
    await stored(db, BOB)
    async with db.as_user(ALICE) as tx:

        async def following(row: Alert) -> list[Alert]:
            return await alerts.list_mine(
                tx, before_created_at=row.created_at, before_id=row.id, max_rows=2
            )

        assert await walk(alerts.list_mine(tx, max_rows=2), following) == rows[::-1]


async def test_enabled_alerts_of_every_user_are_walked_by_id(db: Database) -> None:
    rows = [await stored(db, user_id) for user_id in (ALICE, BOB, ALICE, BOB, ALICE)]
    await stored(db, enabled=False)

    async def following(row: Alert) -> list[Alert]:
        return await alerts.list_enabled(db, after_id=row.id, max_rows=2)

    found = await walk(alerts.list_enabled(db, max_rows=2), following)
    assert found == sorted(rows, key=lambda row: row.id)
    async with aclosing(alerts.stream_enabled(db)) as stream:
        assert [row async for row in stream] == found


async def test_an_enabled_alert_comes_with_its_owner(db: Database) -> None:
    profile = await users.insert(
        db, id=ALICE, display_name=None, preferences=Preferences(notify_by=("email",))
    )
    mine = [await stored(db) for _ in range(3)]
    orphan = await stored(db, BOB)
    await stored(db, enabled=False)

    async def following(row: AlertWithOwner) -> list[AlertWithOwner]:
        return await alerts.list_enabled_with_owner(db, after_id=row.alert.id, max_rows=2)

    found = await walk(alerts.list_enabled_with_owner(db, max_rows=2), following)
    expected = [AlertWithOwner(row, profile) for row in mine] + [AlertWithOwner(orphan, None)]
    assert found == sorted(expected, key=lambda row: row.alert.id)


async def test_an_update_changes_its_row_alone_and_only_once(db: Database) -> None:
    row, other = await stored(db), await stored(db)
    for update, changes in (
        (alerts.update, PLAIN | ADDRESS),
        (alerts.update, PLAIN | {"conditions": {"min_value_eth": 1}}),
        (alerts.update, PLAIN | {"enabled": False}),
        (alerts.update_enabled, {"enabled": True}),
    ):
        await age(db, "alerts")
        assert await update(db, id=row.id, **changes) == 1
        changed = await again(db, row)
        assert {name: getattr(changed, name) for name in changes} == changes
        assert changed.updated_at > LONG_AGO
        assert await update(db, id=row.id, **changes) == 0
        assert await again(db, row) == changed
        assert (await again(db, other)).updated_at == LONG_AGO
        assert await update(db, id=UUID(int=5), **changes) == 0


async def test_delete_takes_one_alert(db: Database) -> None:
    row, other = await stored(db), await stored(db)
    assert await alerts.delete(db, id=row.id) == 1
    assert await alerts.delete(db, id=row.id) == 0
    assert await alerts.get(db, id=row.id) is None
    assert await again(db, other) == other
