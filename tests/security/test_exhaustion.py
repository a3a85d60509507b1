"""Cases 47, 48 and 50: what runs out ends in a typed error, and what comes next is well."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

import whaledb
from tests.engine.proxy import proxied
from tests.engine.refusing import CANARY, refusing_server
from tests.security.conftest import Opener
from tests.servers import throwaway_server
from typedsql.database import Database
from typedsql.errors import ConnectionFailed, ConnectionLost, TimeoutExpired
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}
KINDS = ("transaction", "as_user")


@asynccontextmanager
async def held(db: Database, kind: str, *, idle_s: float = 30.0) -> AsyncIterator[Any]:
    """A connection of the pool that is in use: by a transaction of either kind."""
    begun = db.as_user(uuid4(), idle_timeout_s=idle_s) if kind == "as_user" else db.transaction()
    async with begun as tx:
        yield tx


async def used(db: Database, kind: str) -> int | None:
    async with held(db, kind) as tx:
        return await liquidity_zones.count(tx, **MARKET)


@pytest.mark.case(47)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_pool_is_waited_for_no_longer_than_its_limit(
    connect_app: Opener, kind: str
) -> None:
    limits = {"max_size": 1, "gateway_max_size": 1, "acquire_timeout_s": 0.1}
    async with connect_app(**limits) as db:
        inside, enough = asyncio.Event(), asyncio.Event()

        async def keep() -> None:
            async with held(db, kind):
                inside.set()
                await enough.wait()

        # In a task of its own: one user's block inside another's is refused before that.
        keeping = asyncio.create_task(keep())
        await inside.wait()
        with pytest.raises(TimeoutExpired, match=r"came free within 0\.1 s: all 1 are in use"):
            await used(db, kind)
        enough.set()
        await keeping
        assert await used(db, kind) == 0


@pytest.mark.case(47)
async def test_the_drivers_own_pool_waits_for_ever(target: ConnectionTarget) -> None:
    """The control of the test before: nothing but its caller ends that wait."""
    async with asyncpg.create_pool(**target.asyncpg_arguments(), min_size=1, max_size=1) as pool:
        async with pool.acquire():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pool.fetchval("SELECT 1"), 0.3)
        assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.case(48)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_idle_transaction_is_ended_by_the_server_and_the_pool_recovers(
    connect_app: Opener, kind: str
) -> None:
    """With `max_size` 1, what comes next needs the place of the connection that was ended."""
    limits = {"max_size": 1, "gateway_max_size": 1}
    async with connect_app(**limits, idle_in_transaction_timeout_s=0.1) as db:
        with pytest.raises(ConnectionLost):
            async with held(db, kind, idle_s=0.1) as tx:
                await liquidity_zones.count(tx, **MARKET)
                await asyncio.sleep(0.3)
                await liquidity_zones.count(tx, **MARKET)
        for _ in range(2):
            assert await used(db, kind) == 0
    # The control: with another limit the same pause ends nothing.
    async with connect_app(**limits, idle_in_transaction_timeout_s=30) as db, held(db, kind) as tx:
        await asyncio.sleep(0.3)
        assert await liquidity_zones.count(tx, **MARKET) == 0


@pytest.fixture(scope="module")
def password_server() -> Iterator[ConnectionTarget]:
    with throwaway_server(18) as target:
        yield target


@pytest.mark.case(50)
async def test_a_wrong_password_is_tried_once(password_server: ConnectionTarget) -> None:
    async with proxied(password_server) as (proxy, through):
        wrong = replace(through, password=SecretStr(CANARY))
        for tried, options in enumerate(({}, {"min_size": 0}), start=1):
            with pytest.raises(ConnectionFailed, match="the password or the user name") as caught:
                async with whaledb.connect(wrong, migrations="ignore", **options):
                    pass
            assert caught.value.sqlstate == "28P01"
            assert proxy.connections == tried


@pytest.mark.case(50)
async def test_a_password_that_becomes_wrong_is_tried_once_by_each_call(
    password_server: ConnectionTarget,
) -> None:
    """As after the password was changed under a running worker, whose connections then end."""
    admin = await asyncpg.connect(**password_server.asyncpg_arguments())
    name = f"changing_{admin.get_server_pid()}"
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{CANARY}'")
    own = replace(password_server, user=name, password=SecretStr(CANARY))
    async with (
        proxied(own) as (proxy, through),
        whaledb.connect(through, migrations="ignore", max_size=1) as db,
    ):
        await admin.execute(f"ALTER ROLE {name} PASSWORD 'another'")
        proxy.cut()
        for tried in (2, 3):
            with pytest.raises(ConnectionFailed) as caught:
                await liquidity_zones.count(db, **MARKET)
            assert caught.value.sqlstate == "28P01"
            assert proxy.connections == tried
    await admin.execute(f"DROP ROLE {name}")
    await admin.close()


@pytest.mark.case(50)
async def test_what_may_pass_is_tried_again() -> None:
    """The control of the tests before: of the same server, another answer is asked for twice."""
    tried = {}
    for state, said in (("53300", "too many clients"), ("28P01", "password authentication")):
        async with refusing_server(state, said) as (target, logins):
            options = {"min_size": 0, "acquire_timeout_s": 0.4, "migrations": "ignore"}
            with pytest.raises(ConnectionFailed):
                async with whaledb.connect(replace(target, sslmode="disable"), **options):
                    pass
            tried[state] = len(logins)
    assert tried["28P01"] == 1
    assert tried["53300"] > 1
