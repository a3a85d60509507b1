"""as_user itself: what it refuses, and what cannot carry on in its name."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.engine.raw_statements import statement
from tests.security import attempts
from tests.security.attempts import take_on_by_hand
from tests.security.people import ALERT, ALERT_OF_ALICE, ALICE, BOB
from typedsql.database import Database
from typedsql.errors import CodeError, Error, IdentityLost, IdentityRefused
from typedsql.query import Executor, Stream
from typedsql.settings import ConnectionTarget
from whaledb.queries import alerts

UID = "SELECT auth.uid()"
WHO = "SELECT current_user::TEXT"


async def enabled(db: Executor) -> int:
    """How many alerts of anybody are to be seen; there are two."""
    return len(await alerts.list_enabled(db, max_rows=10))


@pytest.mark.case(17)
async def test_one_user_inside_of_another_is_refused(app: Database) -> None:
    async def of_bob() -> int:
        async with app.as_user(BOB) as inner:
            return await enabled(inner)

    async with app.as_user(ALICE) as tx:
        with pytest.raises(IdentityRefused):
            await of_bob()
        with pytest.raises(IdentityRefused):
            await asyncio.create_task(of_bob())
        with pytest.raises(IdentityRefused):
            async with app.as_user(ALICE):
                pass
        assert await attempts.value(tx, UID) == ALICE, "the outer one goes on"
        async with tx.transaction() as savepoint:
            assert await attempts.value(savepoint, UID) == ALICE
    # One after the other, and side by side, they are two requests.
    assert await of_bob() == 1
    assert await asyncio.gather(of_bob(), of_bob()) == [1, 1]


@pytest.mark.case(17)
async def test_nested_by_hand_the_inner_user_stays(app: Database) -> None:
    """The control: what the refusal is for. A savepoint that succeeds keeps who was set in it."""
    async with app.transaction() as tx:
        await take_on_by_hand(tx, ALICE)
        async with tx.transaction() as savepoint:
            await take_on_by_hand(savepoint, BOB)
        assert await attempts.value(tx, UID) == BOB


@pytest.mark.case(18)
async def test_use_after_the_end_is_refused(app: Database) -> None:
    async with app.as_user(ALICE) as tx:
        assert await enabled(tx) == 1
    with pytest.raises(CodeError):
        await enabled(tx)
    with pytest.raises(CodeError):
        async with tx.transaction():
            pass
    with pytest.raises(CodeError):
        async with alerts.stream_enabled(tx) as stream:
            await anext(aiter(stream))
    with pytest.raises(ZeroDivisionError):
        async with app.as_user(ALICE) as failed:
            raise ZeroDivisionError
    with pytest.raises(CodeError):
        await enabled(failed)
    with pytest.raises(CodeError):
        await attempts.execute(tx, "DELETE FROM public.alerts")


@pytest.mark.case(18)
async def test_a_driver_connection_goes_on_after_the_end(owner: asyncpg.Connection) -> None:
    """The control: what was the user's transaction is the login's own session again."""
    async with owner.transaction():
        await owner.execute(f'SET LOCAL "request.jwt.claims" = \'{{"sub": "{ALICE}"}}\'')
        await owner.execute("SET LOCAL ROLE authenticated")
        assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 1
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 2


ENDINGS = ["COMMIT", "ROLLBACK", "END", "ABORT"]
CHAINS = ["COMMIT AND CHAIN", "/* tag */ rollback work and -- more\n chain", "END AND CHAIN"]


@pytest.mark.case(20)
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_statement_that_ends_the_transaction_loses_the_identity(
    app: Database, ending: str
) -> None:
    seen: list[Any] = []
    with pytest.raises(IdentityLost):
        async with app.as_user(ALICE) as tx:
            await attempts.execute(tx, ending)
            seen.append(await enabled(tx))
    assert seen == []
    # Nor at the end of the block, where nothing was tried after it.
    with pytest.raises(IdentityLost):
        async with app.as_user(ALICE) as tx:
            await attempts.execute(tx, ending)
    await leaves_nothing(app)


@pytest.mark.case(20)
@pytest.mark.parametrize("ending", CHAINS)
async def test_a_statement_that_begins_another_transaction_is_not_run(
    app: Database, ending: str
) -> None:
    """The driver sees a transaction as before, and in it there would be no identity."""
    async with app.as_user(ALICE) as tx:
        for attempt in (attempts.execute, attempts.fetch):
            with pytest.raises(CodeError, match="AND CHAIN"):
                await attempt(tx, ending)
            async with tx.transaction() as savepoint:
                with pytest.raises(CodeError, match="AND CHAIN"):
                    await attempt(savepoint, ending)
        assert await enabled(tx) == 1, "nothing was sent, and the user goes on"
    await leaves_nothing(app)


async def leaves_nothing(app: Database) -> None:
    async with app.as_user(BOB) as tx:
        assert await attempts.value(tx, UID) == BOB
        assert await enabled(tx) == 1
    async with app.transaction() as tx:
        assert await attempts.value(tx, UID) is None
        assert await attempts.value(tx, WHO) == app.target.user


@pytest.mark.case(20)
@pytest.mark.parametrize("ending", [*ENDINGS, *CHAINS])
async def test_without_the_look_it_would_be_the_login(
    owner: asyncpg.Connection, ending: str
) -> None:
    """The control: on the driver's connection the next statement sees what is everybody's."""
    await owner.execute("BEGIN")
    try:
        await owner.execute(f'SET LOCAL "request.jwt.claims" = \'{{"sub": "{ALICE}"}}\'')
        await owner.execute("SET LOCAL ROLE authenticated")
        assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 1
        await owner.fetch(ending)
        assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 2
    finally:
        await owner.execute("ROLLBACK")


@pytest.mark.case(21)
@pytest.mark.parametrize(
    "role",
    ["service_role", "postgres", "whaledb_worker", "", "AUTHENTICATED", "authenticated ", None, 1],
)
async def test_no_other_role_is_taken_on(app: Database, role: Any) -> None:
    with pytest.raises(ValueError, match="role must be") as refusal:
        async with app.as_user(ALICE, role=role):
            pass
    assert isinstance(refusal.value, IdentityRefused)
    with pytest.raises(ValueError, match="role"):
        async with app.as_user(None, role=role):
            pass


@pytest.mark.case(21)
async def test_the_server_would_let_the_login_take_on_any(app: Database) -> None:
    """The control: by hand the login becomes service_role; and the two roles are taken on."""
    async with app.transaction() as tx:
        await take_on_by_hand(tx, ALICE, role="service_role")
        assert await attempts.value(tx, WHO) == "service_role"
    async with app.as_user(ALICE) as tx:
        assert await attempts.value(tx, WHO) == "authenticated"
    async with app.as_user(None, role="anon") as tx:
        assert await attempts.value(tx, WHO) == "anon"


WRITABLE = [
    "SELECT set_config('transaction_read_only', 'off', TRUE)",
    "SET TRANSACTION READ WRITE",
    "SET LOCAL transaction_read_only = off",
]


@pytest.mark.case(22)
async def test_a_read_only_transaction_writes_nothing(
    app: Database, owner: asyncpg.Connection
) -> None:
    for write in (
        lambda tx: alerts.insert_mine(tx, **ALERT),
        lambda tx: alerts.update_enabled(tx, id=ALERT_OF_ALICE, enabled=False),
        lambda tx: alerts.delete(tx, id=ALERT_OF_ALICE),
    ):
        with pytest.raises(Error) as refusal:
            async with app.as_user(ALICE, readonly=True) as tx:
                await write(tx)
        assert refusal.value.sqlstate == "25006"
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 2
    # The control: the same calls are served where it may write.
    async with app.as_user(ALICE) as tx:
        await alerts.insert_mine(tx, **ALERT)
        assert await alerts.update_enabled(tx, id=ALERT_OF_ALICE, enabled=False) == 1
        assert await alerts.delete(tx, id=ALERT_OF_ALICE) == 1


@pytest.mark.case(22)
@pytest.mark.parametrize("sql", WRITABLE)
async def test_a_read_only_transaction_stays_read_only(app: Database, sql: str) -> None:
    """PostgreSQL takes it back only before the first query, which as_user's own statement is."""
    with pytest.raises(Error) as refusal:
        async with app.as_user(ALICE, readonly=True) as tx:
            await attempts.execute(tx, sql)
            await alerts.insert_mine(tx, **ALERT)
    assert refusal.value.sqlstate == "25001"


@pytest.mark.case(49)
async def test_a_slow_statement_is_ended_by_the_server(app: Database) -> None:
    with pytest.raises(Error) as refusal:
        async with app.as_user(ALICE, statement_timeout_s=0.05) as tx:
            await attempts.fetch(tx, "SELECT pg_sleep(20)")
    assert refusal.value.sqlstate == "57014"
    # The control: with the usual limit the same user sleeps longer than that; and no limit
    # stays behind in the session.
    async with app.as_user(ALICE) as tx:
        await attempts.fetch(tx, "SELECT pg_sleep(0.1)")
    async with app.transaction() as tx:
        await attempts.fetch(tx, "SELECT pg_sleep(0.1)")


@pytest.mark.case(49)
@pytest.mark.parametrize("limit_s", [0, -1, float("inf"), float("nan")])
async def test_no_limit_is_no_limit(app: Database, limit_s: float) -> None:
    """0 would be endless for PostgreSQL."""
    with pytest.raises(Error, match="seconds"):
        async with app.as_user(ALICE, statement_timeout_s=limit_s):
            pass


COPIES = [
    "COPY public.alerts FROM STDIN",
    "/* tag */ copy public.alerts (user_id) from stdin (format csv)",
    "COPY public.alerts TO STDOUT",
]


@pytest.mark.case(51)
@pytest.mark.parametrize("sql", COPIES)
async def test_copy_is_refused(app: Database, owner: asyncpg.Connection, sql: str) -> None:
    async def refused(db: Executor) -> None:
        for attempt in (attempts.execute, attempts.fetch):
            with pytest.raises(CodeError, match="COPY is not run as a statement"):
                async with db.transaction() as tx:  # type: ignore[attr-defined]
                    await attempt(tx, sql)
        with pytest.raises(CodeError, match="COPY is not run as a statement"):
            await anext(Stream(statement(sql), tuple).run(db))

    await refused(app)
    with pytest.raises(CodeError, match="COPY is not run as a statement"):
        await attempts.execute(app, sql)
    async with app.as_user(ALICE) as tx:
        await refused(tx)
        with pytest.raises(CodeError, match="no COPY"):
            assert tx.driver_connection
        assert await enabled(tx) == 1, "nothing was sent, and the user goes on"


@pytest.mark.case(51)
async def test_copy_by_execute_is_refused_on_a_raw_connection(
    app: Database, cases_target: ConnectionTarget
) -> None:
    async with app.transaction() as tx:
        lent = tx.driver_connection
        for sql in COPIES[:2]:
            with pytest.raises(CodeError, match="copy_records_to_table"):
                await lent.execute(sql)
        await lent.copy_records_to_table("users", columns=["id"], records=[])
    # The control: the driver sends it and waits for ever, as the server does.
    driver = await asyncpg.connect(**cases_target.asyncpg_arguments())
    with pytest.raises(TimeoutError):
        await driver.execute(COPIES[0], timeout=0.05)
    driver.terminate()
