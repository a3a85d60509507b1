"""Identities on shared sessions, by every way: how each ends, and thousands at once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import pytest

from tests.databases import Databases
from tests.pgbouncer import Pgbouncer, ServerLog
from tests.security import leaks, session_leaks
from tests.security.leaks import Person, settle
from tests.security.traffic import NAMES as NAME_STATES
from tests.security.traffic import Stopped
from tests.security.ways import (
    DIRECT,
    NAMES,
    POOLED,
    Way,
    ask,
    observer,
    open_way,
    rest,
    who_am_i,
)
from typedsql.database import Database
from typedsql.errors import CodeError, Error, TimeoutExpired
from typedsql.testing import TestServer
from whaledb.queries import alerts, blocks, liquidity_zones, users

SEED: Final = 20261123
REQUESTS: Final = {"pgbouncer": 1000}
FEWER_REQUESTS: Final = 300
TASKS: Final = 500
LIMIT_S: Final = 60.0
POLL_INTERVAL_S: Final = 0.01

Opener = Callable[[str], Any]


@pytest.fixture
def opened(databases: Databases, pgbouncer: Pgbouncer) -> Opener:
    """A way to a migrated database of the test's own."""

    @asynccontextmanager
    async def by_way(name: str) -> AsyncIterator[Way]:
        async with (
            databases.fresh(await databases.template()) as target,
            open_way(name, target, pgbouncer) as way,
        ):
            yield way

    return by_way


@pytest.mark.case(16)
@pytest.mark.parametrize("name", NAMES)
async def test_nothing_leaks_between_requests(
    opened: Opener, server: TestServer, name: str
) -> None:
    log = ServerLog(server.target)
    async with opened(name) as way:
        requests = REQUESTS.get(name, FEWER_REQUESTS)
        traffic = await leaks.campaign(way, seed=SEED, requests=requests)
    print(f"seed {SEED}, {name}: {traffic.report()}")
    assert traffic.is_clean, traffic.report()
    assert log.name_errors() == []
    assert traffic.requests == requests
    assert traffic.done > requests / 3
    assert traffic.cancelled
    assert traffic.interfered


@pytest.mark.case(16)
async def test_settings_of_the_session_leak_through_a_pooler(opened: Opener) -> None:
    """The control."""
    async with opened("pgbouncer") as way:
        traffic = await session_leaks.campaign(way, seed=SEED, requests=FEWER_REQUESTS)
    print(f"seed {SEED}, control: {traffic.report()}")
    assert traffic.leaks[session_leaks.FOREIGN_ROWS] > 0
    assert traffic.leaks[session_leaks.FOREIGN_IDENTITY] > 0


# How a user's block ends. Each is given the owner's connection, to see and do what others do.


async def commit(db: Database, me: Person, owner: Any) -> None:
    async with db.as_user(me.id) as tx:
        assert (await who_am_i.run(tx)).user_id == me.id


async def error(db: Database, me: Person, owner: Any) -> None:
    with pytest.raises(Stopped):
        async with db.as_user(me.id) as tx:
            assert (await who_am_i.run(tx)).user_id == me.id
            raise Stopped


async def refusal(db: Database, me: Person, owner: Any) -> None:
    with pytest.raises(Error) as refused:
        async with db.as_user(me.id) as tx:
            await tx_refused(tx)
    assert refused.value.sqlstate == "42501"


async def tx_refused(tx: Any) -> None:
    other = leaks.UUID(int=2)
    alert = {"alert_type": "large_transfer", "conditions": {"min_value_eth": 1}, "enabled": True}
    await alerts.insert(tx, user_id=other, **alert)


async def cancel(db: Database, me: Person, owner: Any) -> None:
    async def sleep() -> None:
        async with db.as_user(me.id) as tx:
            await rest.run(tx, LIMIT_S)

    task = asyncio.create_task(sleep())
    await _until(owner, "query LIKE '%sessions.rest%' AND state = 'active'", task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def terminate(db: Database, me: Person, owner: Any) -> None:
    with pytest.raises(Error):
        async with db.as_user(me.id) as tx:
            pid = (await who_am_i.run(tx)).pid
            await owner.execute("SELECT pg_terminate_backend($1)", pid)
            await who_am_i.run(tx)


async def timeout(db: Database, me: Person, owner: Any) -> None:
    with pytest.raises(TimeoutExpired) as late:
        async with db.as_user(me.id, statement_timeout_s=0.02) as tx:
            await rest.run(tx, LIMIT_S)
    assert late.value.sqlstate == "57014"


async def idleness(db: Database, me: Person, owner: Any) -> None:
    with pytest.raises(Error):
        async with db.as_user(me.id, idle_timeout_s=0.02) as tx:
            pid = (await who_am_i.run(tx)).pid
            await _until(owner, f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")
            await who_am_i.run(tx)


async def _until(owner: Any, condition: str, task: "asyncio.Task[None] | None" = None) -> None:
    """Wait until a backend of this database is as told."""
    here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    async with asyncio.timeout(LIMIT_S):
        while not await owner.fetchval(f"{here} AND {condition}"):
            assert task is None or not task.done()
            await asyncio.sleep(POLL_INTERVAL_S)


Ending = Callable[[Database, Person, Any], Awaitable[None]]
ENDINGS: Final[tuple[Ending, ...]] = (
    commit,
    error,
    refusal,
    cancel,
    terminate,
    timeout,
    idleness,
)


@pytest.mark.case(14)
@pytest.mark.parametrize("name", NAMES)
async def test_however_a_block_ends_the_session_is_clean(opened: Opener, name: str) -> None:
    async with opened(name) as way, observer(way.direct) as owner:
        me, *_ = await settle(owner)
        new = await ask(owner)
        async with way.connect(max_size=1, gateway_max_size=1) as db:
            for end in ENDINGS:
                await end(db, me, owner)
                for session in await way.sessions(db):
                    assert not session.has_identity(), end.__name__
                    assert session.role not in ("authenticated", "anon"), end.__name__
                    assert session.statement_timeout == new.statement_timeout, end.__name__
                session = await who_am_i.run(db)
                assert (session.role, session.user_id) == (way.target.user, None), end.__name__


async def become(connection: Any, me: Person) -> None:
    """For the session, as it should not be done."""
    await connection.execute("SET ROLE authenticated")
    await connection.fetchval(session_leaks.CLAIM, json.dumps({"sub": str(me.id)}))


@pytest.mark.case(14)
async def test_settings_of_a_session_outlive_every_end(opened: Opener) -> None:
    """The control, on the driver's own connection."""
    async with (
        opened("direct") as way,
        observer(way.direct) as owner,
        observer(way.direct) as connection,
    ):
        me, *_ = await settle(owner)
        await become(connection, me)
        with pytest.raises(Stopped):
            async with connection.transaction():
                raise Stopped
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT FROM auth.users")
        with pytest.raises(TimeoutError):
            await connection.execute("SELECT pg_sleep(30)", timeout=0.02)
        session = await ask(connection)
        assert session.has_identity()
        assert session.role == "authenticated"


@pytest.mark.case(15)
@pytest.mark.parametrize("name", NAMES)
async def test_what_a_user_of_the_driver_sets_ends_with_the_block(
    opened: Opener, name: str
) -> None:
    async with opened(name) as way, observer(way.direct) as owner:
        me, *_ = await settle(owner)
        async with way.connect(max_size=1) as db:
            if name in DIRECT:
                async with db.connection() as connection:
                    await become(connection, me)
            else:
                with pytest.raises(CodeError, match="transaction pooler"):
                    async with db.connection():
                        pass
            await _expect_nobody(way, db)
            for begin in (db.transaction, db.bulk_transaction):
                async with begin() as tx:
                    await become(tx.driver_connection, me)
                    assert (await who_am_i.run(tx)).user_id == me.id
                await _expect_nobody(way, db)
            # Its own name is still the one that it was opened under.
            async with db.transaction() as tx:
                name = await tx.driver_connection.fetchval("SHOW application_name")
            assert name == db.project.name


async def _expect_nobody(way: Way, db: Database) -> None:
    for session in await way.sessions(db):
        assert not session.has_identity()
        assert session.role != "authenticated"


@pytest.mark.case(15)
@pytest.mark.parametrize("name", ["direct", "pgbouncer"])
async def test_a_pool_of_the_driver_keeps_the_role(opened: Opener, name: str) -> None:
    """The control: what its reset undoes are settings, and a role is none."""
    async with opened(name) as way, observer(way.direct) as owner:
        me, *_ = await settle(owner)
        async with asyncpg.create_pool(
            **way.target.asyncpg_arguments(), min_size=1, max_size=1, statement_cache_size=0
        ) as pool:
            async with pool.acquire() as connection:
                await become(connection, me)
            async with pool.acquire() as connection:
                assert (await ask(connection)).role == "authenticated"


@pytest.mark.case(25)
@pytest.mark.parametrize("name", POOLED)
async def test_many_tasks_meet_no_statement_of_another_session(
    opened: Opener, server: TestServer, name: str
) -> None:
    log = ServerLog(server.target)
    async with opened(name) as way, observer(way.direct) as owner:
        people = await settle(owner)

        async def task(number: int) -> None:
            me = people[number % len(people)]
            async with db.as_user(me.id) as tx:
                rows = await alerts.list_mine(tx, max_rows=50)
                assert {row.user_id for row in rows} == {me.id}
                assert [row.id async for row in users.stream_all(tx)] == [me.id]
            assert await alerts.count_by_user(db, user_id=me.id) == len(rows)
            assert await liquidity_zones.count(db, exchange="kraken", symbol="ETH-USD") == 0
            assert await blocks.get(db, chain_id=1, hash="0x" + "00" * 32) is None

        async with way.connect(max_size=20, gateway_max_size=20) as db:
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(*(task(number) for number in range(TASKS)))
    assert log.name_errors() == []


@pytest.mark.case(25)
async def test_statements_that_the_driver_keeps_are_not_found(opened: Opener) -> None:
    """The control: its pool as it is, through the same pooler."""
    async with opened("pgbouncer") as way, observer(way.direct) as owner:
        people = await settle(owner)
        async with asyncpg.create_pool(**way.target.asyncpg_arguments(), max_size=20) as pool:

            async def task(number: int) -> None:
                mine = f"{session_leaks.ROWS} WHERE a.user_id = $1 -- {number % 3}"
                await pool.fetch(mine, people[number % len(people)].id)

            results = await asyncio.gather(
                *(task(number) for number in range(TASKS)), return_exceptions=True
            )
    states = Counter(getattr(result, "sqlstate", None) for result in results)
    print(f"control: {states}")
    assert sum(states[state] for state in NAME_STATES) > 0
