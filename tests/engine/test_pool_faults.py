"""The pool where the network swallows everything, and where callers are cancelled at random."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.engine.cancelling import through_a_careless_pool, through_ours
from tests.engine.proxy import Proxy, proxied
from typedsql.database import Database
from typedsql.errors import ConnectionLost, Error, TimeoutExpired
from typedsql.settings import ConnectionTarget
from typedsql.transaction import Transaction
from whaledb.queries import liquidity_zones

PATIENCE_S = 20.0
SEED = 20261123
CANCELLATIONS = 300
TURNS = 20
"""Of the event loop, in which what has arrived is read."""

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}


async def count(db: Database) -> int | None:
    return await liquidity_zones.count(db, **MARKET)


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not met():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def proxy(target: ConnectionTarget) -> AsyncGenerator[tuple[Proxy, ConnectionTarget], None]:
    async with proxied(target) as made:
        yield made


async def test_what_fell_silent_while_idle_reaches_no_caller(
    proxy: tuple[Proxy, ConnectionTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typedsql.pool.LIVENESS_TIMEOUT_S", 0.2)
    hole, through = proxy
    async with whaledb.connect(through, max_size=3, liveness_idle_s=0.05) as db:
        async with db.transaction(), db.transaction(), db.transaction():
            pass
        await asyncio.sleep(0.1)
        hole.silence()
        calls = [asyncio.create_task(count(db)) for _ in range(3)]
        await until(lambda: db.statistics().queries.closed_silent == 3)
        hole.resume()
        assert await asyncio.gather(*calls) == [0, 0, 0]
        assert db.statistics().queries.closed_broken == 0


async def test_the_drivers_pool_hands_out_what_fell_silent(
    proxy: tuple[Proxy, ConnectionTarget],
) -> None:
    """The control of the test before."""
    hole, through = proxy
    async with asyncpg.create_pool(
        **through.asyncpg_arguments(), min_size=1, max_size=1, command_timeout=0.3
    ) as plain:
        await plain.fetchval("SELECT 1")
        hole.silence()
        with pytest.raises(TimeoutError):
            await plain.fetchval("SELECT 1")
        hole.resume()


async def test_every_wait_ends_while_nothing_answers_and_all_is_well_after(
    proxy: tuple[Proxy, ConnectionTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typedsql.pool.CLEAN_TIMEOUT_S", 0.3)
    monkeypatch.setattr("typedsql.pool.SETTLE_TIMEOUT_S", 0.1)
    hole, through = proxy
    limits: dict[str, Any] = {"acquire_timeout_s": 0.5, "command_timeout_s": 0.5}
    async with whaledb.connect(through, max_size=2, connect_timeout_s=0.4, **limits) as db:
        async with db.transaction(), db.transaction():
            pass
        hole.silence()
        calls = [asyncio.create_task(count(db)) for _ in range(12)]
        results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE_S)
        assert all(isinstance(result, Error) for result in results)
        assert sum(isinstance(result, TimeoutExpired) for result in results) >= 2
        hole.resume()
        await until(lambda: db.statistics().queries.in_use == 0)
        assert await asyncio.gather(*(count(db) for _ in range(12))) == [0] * 12
        assert db.statistics().queries.size <= 2


async def test_random_cancellations_leave_nothing_behind(target: ConnectionTarget) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: noise.append(told))
    left = await through_ours(target, count=CANCELLATIONS, seed=SEED)
    assert left.is_clean, left
    # A transaction that its user has begun by hand is told of, as with the driver's pool.
    assert {told["message"].split(" <")[0] for told in noise} <= {
        "Resetting connection with an active transaction"
    }


async def test_the_same_without_a_reset_leaves_something(target: ConnectionTarget) -> None:
    """The control of the test before: its look at the server finds what is left."""
    left = await through_a_careless_pool(target, count=CANCELLATIONS, seed=SEED)
    assert left.locks > 0
    assert left.sessions_changed > 0


@asynccontextmanager
async def ended(
    proxy: tuple[Proxy, ConnectionTarget], connection: Any, *, cut: bool
) -> AsyncGenerator[tuple[Database, Transaction]]:
    """A transaction whose backend was ended; without `cut` its connection is still open."""
    hole, through = proxy
    async with whaledb.connect(through, max_size=1) as db:
        try:
            async with db.transaction() as tx:
                pid = await tx.driver_connection.fetchval("SELECT pg_backend_pid()")
                if not cut:
                    hole.hold_ends()
                await connection.execute("SELECT pg_terminate_backend($1)", pid)
                if cut:
                    await until(tx.driver_connection.is_closed)
                else:
                    await hole.met.wait()
                    for _ in range(TURNS):
                        await asyncio.sleep(0)
                yield db, tx
        finally:
            hole.resume()
            assert await count(db) == 0


async def test_the_error_of_a_block_is_told_where_its_backend_was_ended(
    proxy: tuple[Proxy, ConnectionTarget], connection: "asyncpg.Connection"
) -> None:
    """The driver refuses the ROLLBACK with an error of its own."""
    with pytest.raises(KeyError):
        async with ended(proxy, connection, cut=False):
            raise KeyError


async def test_a_savepoint_on_a_connection_that_ended_says_so(
    proxy: tuple[Proxy, ConnectionTarget], connection: "asyncpg.Connection"
) -> None:
    with pytest.raises(ConnectionLost):
        async with ended(proxy, connection, cut=True) as (_, tx), tx.transaction():
            pass
