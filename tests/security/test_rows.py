"""Row level security as a user meets it: one's own rows, and nobody else's."""

from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.security import attempts
from tests.security.attempts import changed, reach_for_bobs, unprotected
from tests.security.people import ALERT, ALERT_OF_ALICE, ALERT_OF_BOB, ALICE, BOB, OWNED
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.query import Executor
from whaledb.queries import alert_events, alerts, users

UPDATE_OWNER = "UPDATE public.alerts SET user_id = $1 WHERE id = $2"


async def owners(owner: asyncpg.Connection) -> dict[str, list[object]]:
    """Whose rows are in each table that has an owner."""
    return {
        table: [
            row[0]
            for row in await owner.fetch(f"SELECT {column} FROM public.{table} ORDER BY {column}")
        ]
        for table, column in OWNED.items()
    }


BOTH: dict[str, list[object]] = {table: [ALICE, BOB] for table in OWNED}
BOB_ALONE: dict[str, list[object]] = {table: [BOB] for table in OWNED}


@pytest.mark.case(1)
async def test_another_users_alert_is_not_there(app: Database, owner: asyncpg.Connection) -> None:
    async with app.as_user(ALICE) as tx:
        assert await reach_for_bobs(tx) == (0, 0, 0)
        assert [row.id for row in await alerts.list_mine(tx, max_rows=10)] == [ALERT_OF_ALICE]
    assert await owner.fetchval("SELECT enabled FROM public.alerts WHERE id = $1", ALERT_OF_BOB), (
        "Bob's alert is as it was"
    )
    # The control: without the policies the same calls find, change and delete it.
    async with unprotected(owner, "alerts"), app.as_user(ALICE) as tx:
        assert await reach_for_bobs(tx) == (1, 1, 1)


@pytest.mark.case(1)
async def test_another_users_profile_and_events_are_not_there(
    app: Database, owner: asyncpg.Connection
) -> None:
    async def reach(db: Executor) -> tuple[object, int, int, int]:
        return (
            await users.get(db, id=BOB) is not None,
            await users.update_display_name(db, id=BOB, display_name="Mallory"),
            len(await alert_events.list_by_user(db, user_id=BOB, max_rows=10)),
            await users.delete(db, id=BOB),
        )

    async with app.as_user(ALICE) as tx:
        assert await reach(tx) == (False, 0, 0, 0)
    assert await owners(owner) == BOTH
    async with AsyncExitStack() as stack:
        for table in ("users", "alert_events"):
            await stack.enter_async_context(unprotected(owner, table))
        tx = await stack.enter_async_context(app.as_user(ALICE))
        assert await reach(tx) == (True, 1, 1, 1)


@pytest.mark.case(2)
async def test_nobody_creates_for_another(app: Database, owner: asyncpg.Connection) -> None:
    with pytest.raises(Error) as refusal:
        async with app.as_user(ALICE) as tx:
            await alerts.insert(tx, user_id=BOB, **ALERT)
    assert refusal.value.sqlstate == "42501"
    with pytest.raises(Error) as refusal:
        async with app.as_user(ALICE) as tx:
            await users.delete(tx, id=ALICE)
            await users.insert(tx, id=BOB, display_name=None, preferences={})
    assert refusal.value.sqlstate == "42501"
    assert await owners(owner) == BOTH
    # The control: with policies that let everybody create and see anything it is served.
    async with (
        open_policy(owner, "INSERT", "WITH CHECK (TRUE)"),
        open_policy(owner, "SELECT", "USING (TRUE)"),
        app.as_user(ALICE) as tx,
    ):
        await alerts.insert(tx, user_id=BOB, **ALERT)
    assert await owner.fetchval("SELECT count(*) FROM public.alerts WHERE user_id = $1", BOB) == 2


@pytest.mark.case(2)
async def test_nobody_creates_for_nobody(app: Database, owner: asyncpg.Connection) -> None:
    insert = (
        "INSERT INTO public.alerts (user_id, alert_type, conditions)"
        " VALUES (NULL, 'large_transfer', '{\"min_value_eth\": 1}')"
    )

    async def refused() -> str | None:
        with pytest.raises(Error) as refusal:
            async with app.as_user(ALICE) as tx:
                await attempts.execute(tx, insert)
        return refusal.value.sqlstate

    assert await refused() == "42501"
    # The control: with an open policy it comes as far as the column, which takes no NULL.
    async with open_policy(owner, "INSERT", "WITH CHECK (TRUE)"):
        assert await refused() == "23502"


@pytest.mark.case(3)
async def test_an_alert_stays_its_owners(app: Database, owner: asyncpg.Connection) -> None:
    async def give(alert: UUID, to: UUID) -> int:
        async with app.as_user(ALICE) as tx:
            return await attempts.execute(tx, UPDATE_OWNER, to, alert)

    async def refused() -> str | None:
        with pytest.raises(Error) as refusal:
            await give(ALERT_OF_ALICE, BOB)
        return refusal.value.sqlstate

    assert await refused() == "42501"
    with pytest.raises(Error) as refusal:
        await give(ALERT_OF_ALICE, ALICE)
    assert refusal.value.sqlstate == "42501", "the column itself is closed"
    # The control takes both protections away, one after the other: the column's, the policy's.
    async with changed(
        owner,
        "GRANT UPDATE (user_id) ON public.alerts TO authenticated",
        "REVOKE UPDATE (user_id) ON public.alerts FROM authenticated",
    ):
        assert await give(ALERT_OF_ALICE, ALICE) == 1
        assert await refused() == "42501"
        assert await give(ALERT_OF_BOB, ALICE) == 0
        async with (
            open_policy(owner, "UPDATE", "USING (TRUE) WITH CHECK (TRUE)"),
            open_policy(owner, "SELECT", "USING (TRUE)"),
        ):
            assert await give(ALERT_OF_ALICE, BOB) == 1


@pytest.mark.case(5)
@pytest.mark.parametrize("table", [*OWNED, "whale_transactions", "market_data"])
async def test_nobody_truncates(app: Database, owner: asyncpg.Connection, table: str) -> None:
    """Row level security does not speak of TRUNCATE; only the missing right refuses it."""
    truncate = f"TRUNCATE public.{table} CASCADE"

    async def attempt() -> None:
        async with app.as_user(ALICE) as tx:
            await attempts.execute(tx, truncate)

    with pytest.raises(Error) as refusal:
        await attempt()
    assert refusal.value.sqlstate == "42501"
    assert await owners(owner) == BOTH
    async with AsyncExitStack() as stack:
        # CASCADE asks for the right on what refers to the table as well.
        for name in {table, *OWNED} if table in OWNED else {table}:
            await stack.enter_async_context(
                changed(
                    owner,
                    f"GRANT TRUNCATE ON public.{name} TO authenticated",
                    f"REVOKE TRUNCATE ON public.{name} FROM authenticated",
                )
            )
        await attempt()
    assert await owner.fetchval(f"SELECT count(*) FROM public.{table}") == 0


@pytest.mark.case(9)
async def test_row_security_cannot_be_switched_off(
    app: Database, owner: asyncpg.Connection
) -> None:
    async def read(tx: Executor) -> int:
        await attempts.fetch(tx, "SELECT set_config('row_security', 'off', TRUE)")
        return len(await alerts.list_enabled(tx, max_rows=10))

    with pytest.raises(Error) as refusal:
        async with app.as_user(ALICE) as tx:
            await read(tx)
    assert refusal.value.sqlstate == "42501"
    # The control: nothing else of it is refused, and whom no policy limits reads on.
    async with unprotected(owner, "alerts"), app.as_user(ALICE) as tx:
        assert await read(tx) == 2


@pytest.mark.case(10)
async def test_accounts_cannot_be_read(app: Database, owner: asyncpg.Connection) -> None:
    async def read() -> list[Any]:
        async with app.as_user(ALICE) as tx:
            return [row["id"] for row in await attempts.fetch(tx, "SELECT id FROM auth.users")]

    with pytest.raises(Error) as refusal:
        await read()
    assert refusal.value.sqlstate == "42501"
    async with changed(
        owner,
        "GRANT SELECT ON auth.users TO authenticated",
        "REVOKE SELECT ON auth.users FROM authenticated",
    ):
        assert sorted(await read()) == [ALICE, BOB]


@pytest.mark.case(12)
async def test_deleting_an_account_takes_its_rows_along(
    app: Database, owner: asyncpg.Connection
) -> None:
    assert await owners(owner) == BOTH
    await owner.execute("DELETE FROM auth.users WHERE id = $1", ALICE)
    assert await owners(owner) == BOB_ALONE
    assert await users.get(app, id=ALICE) is None
    async with app.as_user(ALICE) as tx:
        assert await alerts.list_mine(tx, max_rows=10) == []
    async with app.as_user(BOB) as tx:
        assert len(await alerts.list_mine(tx, max_rows=10)) == 1


@pytest.mark.case(12)
async def test_without_the_cascade_rows_outlive_their_account(owner: asyncpg.Connection) -> None:
    """The control: the foreign keys do it, and nothing else would."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        for table in OWNED:
            names = await owner.fetch(
                "SELECT conname FROM pg_constraint"
                " WHERE conrelid = to_regclass($1) AND contype = 'f' AND confdeltype = 'c'",
                f"public.{table}",
            )
            assert names, table
            for (name,) in names:
                await owner.execute(f"ALTER TABLE public.{table} DROP CONSTRAINT {name}")
        await owner.execute("DELETE FROM auth.users WHERE id = $1", ALICE)
        assert await owners(owner) == BOTH
    finally:
        await transaction.rollback()


def open_policy(owner: asyncpg.Connection, command: str, clauses: str) -> Any:
    """The database with a policy on alerts that lets everybody do `command` to any row."""
    name = f"hole_{command.lower()}"
    return changed(
        owner,
        f"CREATE POLICY {name} ON public.alerts FOR {command} TO authenticated {clauses}",
        f"DROP POLICY {name} ON public.alerts",
    )
