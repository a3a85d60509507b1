"""The gateway's login, which is nobody by itself and cannot become more than an API role."""

import asyncpg
import pytest

import whaledb
from tests.security import attempts
from tests.security.conftest import Opener
from tests.security.people import ALICE
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.query import Executor
from typedsql.settings import ConnectionTarget
from whaledb.queries import alerts, users, whale_transactions

BACK = ["RESET ROLE", "SET ROLE NONE", "SELECT set_config('role', 'none', TRUE)"]


async def refusal_of(db: Executor, sql: str) -> str | None:
    """The SQLSTATE, None where it is served."""
    try:
        await attempts.fetch(db, sql)
    except Error as refusal:
        return refusal.sqlstate
    return None


async def enabled(db: Executor) -> int:
    return len(await alerts.list_enabled(db, max_rows=10))


@pytest.mark.case(23)
@pytest.mark.parametrize(
    "becoming",
    [
        'SET ROLE "{owner}"',
        'SET LOCAL ROLE "{owner}"',
        "SELECT set_config('role', '{owner}', TRUE)",
        "SET ROLE service_role",
        "SET ROLE whaledb_worker",
        "SET ROLE whaledb_reader",
        'SET SESSION AUTHORIZATION "{owner}"',
        "SET SESSION AUTHORIZATION whaledb_worker",
        "SELECT set_config('session_authorization', '{owner}', TRUE)",
    ],
)
async def test_it_becomes_nobody_else(
    connect_app: Opener,
    gateway_target: ConnectionTarget,
    cases_target: ConnectionTarget,
    owner: asyncpg.Connection,
    becoming: str,
) -> None:
    sql = becoming.format(owner=cases_target.user)
    async with connect_app(gateway=gateway_target) as app:
        with pytest.raises(Error) as refusal:
            async with app.as_user(ALICE) as tx:
                await attempts.fetch(tx, sql)
        assert refusal.value.sqlstate == "42501"
        # The control: the application's own login is let through.
        async with attempts.undone(app) as tx:
            await attempts.take_on_by_hand(tx, ALICE)
            assert await refusal_of(tx, sql) is None


@pytest.mark.case(23)
@pytest.mark.parametrize("back", BACK)
async def test_going_back_leaves_it_with_nothing(
    connect_app: Opener, gateway_target: ConnectionTarget, owner: asyncpg.Connection, back: str
) -> None:
    """Nobody is kept from RESET ROLE; what comes after it is refused."""
    async with connect_app(gateway=gateway_target) as app:
        with pytest.raises(Error) as refusal:
            async with app.as_user(ALICE) as tx:
                assert await enabled(tx) == 1
                await attempts.fetch(tx, back)
                await enabled(tx)
        assert refusal.value.sqlstate == "42501"
    # The control: without a gateway that is the login of the tables' owner, which sees all.
    async with connect_app(gateway=None) as app, attempts.undone(app) as tx:
        await attempts.take_on_by_hand(tx, ALICE)
        assert await enabled(tx) == 1
        await attempts.fetch(tx, back)
        assert await enabled(tx) == 2


@pytest.mark.case(24)
async def test_by_itself_it_reaches_nothing(
    app: Database, gateway_target: ConnectionTarget, owner: asyncpg.Connection
) -> None:
    relations = await owner.fetch(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c"
        " INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('public', 'auth', 'dbmate')"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    )
    statements = [f"SELECT count(*) FROM {name}" for (name,) in relations]
    assert len(statements) > 15
    async with whaledb.connect(gateway_target, migrations="ignore", max_size=1) as alone:
        became = {sql: await refusal_of(alone, sql) for sql in statements}
        assert {sql: told for sql, told in became.items() if told != "42501"} == {}
        for call in (
            lambda db: alerts.list_enabled(db, max_rows=1),
            lambda db: users.count(db),
            lambda db: whale_transactions.list_recent(db, min_value_eth=1, max_rows=1),
        ):
            with pytest.raises(Error) as refusal:
                await call(alone)
            assert refusal.value.sqlstate == "42501"
        # The controls: in a user's name it is served, and so is the application's own login.
        async with alone.as_user(ALICE) as tx:
            assert await enabled(tx) == 1
    assert {await refusal_of(app, sql) for sql in statements} == {None}
