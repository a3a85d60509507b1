"""The pool where the network swallows everything, and where callers are cancelled at random."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.engine.proxy import Proxy, proxied
from typedsql.database import Database
from typedsql.errors import Error, TimeoutExpired
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones

PATIENCE_S = 20.0
SEED = 20261123
CANCELLATIONS = 300

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}
WORK = "work_mem"
LEFT_BEHIND = """
    SELECT
        count(*) FILTER (WHERE a.state <> 'idle') AS busy,
        count(*) FILTER (WHERE a.xact_start IS NOT NULL) AS in_transaction,
        (SELECT count(*) FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.database = (
            SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()
        )) AS locks
    FROM pg_stat_activity AS a
    WHERE a.application_name = $1 AND a.datname = current_database()
"""


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
        await asyncio.gather(*(count(db) for _ in range(4)))
        hole.silence()
        calls = [asyncio.create_task(count(db)) for _ in range(12)]
        results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE_S)
        assert all(isinstance(result, Error) for result in results)
        assert sum(isinstance(result, TimeoutExpired) for result in results) >= 2
        hole.resume()
        await until(lambda: db.statistics().queries.in_use == 0)
        assert await asyncio.gather(*(count(db) for _ in range(12))) == [0] * 12
        assert db.statistics().queries.size <= 2


async def read(db: Database) -> object:
    return await count(db)


async def stream(db: Database) -> object:
    return [zone.id async for zone in liquidity_zones.stream_by_symbol(db, symbol="ETH-USD")]


async def write(db: Database) -> object:
    async with db.transaction() as tx:
        await liquidity_zones.merge_batch(
            tx,
            **MARKET,
            sides=["bid"],
            price_levels=[Decimal(random.randrange(9))],
            sizes=[Decimal(1)],
            strengths=[None],
        )
        await liquidity_zones.count(tx, **MARKET)


async def bulk(db: Database) -> object:
    async with db.bulk_transaction() as tx:
        return await liquidity_zones.count(tx, **MARKET)


async def raw(db: Database) -> object:
    async with db.connection() as connection:
        await use_session(connection)


async def by_hand(db: Database) -> object:
    async with db.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('x'))")
        await connection.execute("SELECT pg_sleep(0.005)")
        await connection.execute("COMMIT")


async def use_session(connection: Any) -> None:
    await connection.execute("SELECT pg_advisory_lock_shared(11)")
    await connection.execute(f"SET {WORK} = '77MB'; SET ROLE whaledb_reader")
    await connection.execute("SELECT pg_sleep(0.002)")


USES: list[Callable[[Database], Awaitable[object]]] = [read, stream, write, bulk, raw, by_hand]


async def cancel_at_random(begin: Callable[[random.Random], Awaitable[object]]) -> int:
    """Cancels most of many callers at random moments; how many of them that reached."""
    chance = random.Random(SEED)
    reached = 0
    for _ in range(CANCELLATIONS // 10):
        tasks = [asyncio.ensure_future(begin(chance)) for _ in range(10)]
        for task in tasks:
            if chance.random() < 0.5:
                for _ in range(chance.randrange(12)):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(chance.random() * 0.006)
            task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE_S)
        reached += sum(isinstance(result, asyncio.CancelledError) for result in results)
        for result in results:
            assert result is None or not isinstance(result, Exception), result
    return reached


async def test_random_cancellations_leave_nothing_behind(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: noise.append(told))
    async with whaledb.connect(target, max_size=4, application_name="cancelled") as db:
        reached = await cancel_at_random(lambda chance: chance.choice(USES)(db))
        assert reached > CANCELLATIONS / 4
        await until(lambda: db.statistics().queries.in_use == 0)
        await until(lambda: db.statistics().bulk.in_use == 0)
        counts = db.statistics().queries
        assert (counts.waiting, counts.opening) == (0, 0)
        assert 1 <= counts.size <= 4
        assert tuple(await connection.fetchrow(LEFT_BEHIND, "cancelled")) == (0, 0, 0)
        default = await connection.fetchval(f"SHOW {WORK}")
        user = await connection.fetchval("SELECT current_user")
        held = [db.connection() for _ in range(4)]
        for block in held:
            session = await block.__aenter__()
            assert await session.fetchval(f"SHOW {WORK}") == default
            assert await session.fetchval("SELECT current_user") == user
        for block in held:
            await block.__aexit__(None, None, None)
    # A transaction that its user has begun by hand is told of, as with the driver's pool.
    assert {told["message"].split(" <")[0] for told in noise} <= {
        "Resetting connection with an active transaction"
    }


async def no_reset(_: object) -> None:
    """What a pool would do that only spares the round trip."""


async def test_the_same_without_a_reset_leaves_something(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    """The control of the test before: its look at the server finds what is left."""
    async with asyncpg.create_pool(
        **target.asyncpg_arguments(),
        min_size=1,
        max_size=4,
        reset=no_reset,
        server_settings={"application_name": "careless"},
    ) as plain:

        async def begin(_: random.Random) -> None:
            with suppress(asyncpg.InsufficientPrivilegeError):
                async with plain.acquire() as lent:
                    await use_session(lent)

        await cancel_at_random(begin)
        assert (await connection.fetchrow(LEFT_BEHIND, "careless"))["locks"] > 0
        assert await plain.fetchval(f"SHOW {WORK}") == "77MB"
