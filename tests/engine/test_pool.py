"""The pool: in which order, for how long and in what state connections are handed out."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.engine.blocking import END_ALL, run_blocking
from typedsql import codecs
from typedsql import pool as pooling
from typedsql.connect_options import PoolLimits
from typedsql.database import Database
from typedsql.driver_connection import Connection, open_connection
from typedsql.errors import CodeError, ConfigurationError, DataError, TimeoutExpired
from typedsql.pool import LIFETIME_JITTER, Pool, Pooled
from typedsql.pool_statistics import PoolStatistics
from typedsql.settings import ConnectionTarget
from typedsql.transaction import Session, Verified
from whaledb.project import PROJECT
from whaledb.queries import liquidity_zones

PATIENCE_S = 20.0
"""Against a test that hangs; nothing here takes as long."""

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}
SEEN = "SELECT query FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()"


async def count(db: Database) -> int | None:
    return await liquidity_zones.count(db, **MARKET)


def queries(db: Database) -> PoolStatistics:
    return db.statistics().queries


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not met():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def pid_of(db: Database) -> int:
    async with db.connection() as connection:
        pid: int = connection.get_server_pid()
        return pid


class Opener:
    """Opens connections as it is told to: at once, when let go, or not at all."""

    def __init__(self, target: ConnectionTarget) -> None:
        self._target = target
        self.held: list[asyncio.Event] = []
        self.holds = False
        self.failure: Exception | None = None

    async def __call__(self) -> Connection:
        if self.holds:
            self.held.append(asyncio.Event())
            await self.held[-1].wait()
        if self.failure is not None:
            raise self.failure
        return await open_connection(
            self._target,
            codecs.install,
            connect_timeout_s=10,
            command_timeout_s=10,
            keepalive_idle_s=30,
            idle_in_transaction_timeout_s=60,
            application_name="test",
        )


@asynccontextmanager
async def pool_of(opener: Opener, **limits: Any) -> AsyncGenerator[Pool, None]:
    chosen: dict[str, Any] = {
        "min_size": 0,
        "max_size": 2,
        "acquire_timeout_s": PATIENCE_S,
        "max_lifetime_s": 1000.0,
        "max_idle_s": 1000.0,
        "liveness_idle_s": 1000.0,
    }
    pool = Pool(
        opener,
        lambda connection: Session(connection, Verified(), PROJECT),
        PoolLimits(**chosen | limits),
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close(5)


async def test_a_named_statement_costs_no_reset(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with whaledb.connect(target, max_size=1, application_name="ours") as db:
        await count(db)
        assert "liquidity_zones.count" in await connection.fetchval(SEEN, "ours")
        async with db.transaction() as tx:
            await liquidity_zones.count(tx, **MARKET)
        assert await connection.fetchval(SEEN, "ours") == "COMMIT;"
        assert queries(db).cleaned == 1  # of the connection that connecting looked around on
        async with db.connection() as raw:
            await raw.fetchval("SELECT 1")
        assert "RESET ALL" in await connection.fetchval(SEEN, "ours")
        assert queries(db).cleaned == 2
    # The control: the driver's pool resets after each use.
    named = {"server_settings": {"application_name": "plain"}}
    async with asyncpg.create_pool(
        **target.asyncpg_arguments(), **named, min_size=1, max_size=1
    ) as plain:
        await plain.fetchval("SELECT 1")
        assert "RESET ALL" in await connection.fetchval(SEEN, "plain")


async def test_a_raw_connection_cannot_be_used_after_its_block(db: Database) -> None:
    async with db.connection() as raw:
        await raw.execute("SET ROLE whaledb_reader")
    with pytest.raises(asyncpg.InterfaceError, match="released back to the pool"):
        await raw.fetchval("SELECT 1")
    async with db.connection() as again:
        assert await again.fetchval("SELECT current_user") != "whaledb_reader"


async def test_whoever_asks_first_is_served_first(target: ConnectionTarget) -> None:
    served: list[int] = []

    async def use(db: Database, number: int) -> None:
        async with db.transaction() as tx:
            served.append(number)
            await liquidity_zones.count(tx, **MARKET)

    async with whaledb.connect(target, max_size=1) as db:
        async with db.transaction():
            waiting = [asyncio.create_task(use(db, number)) for number in range(5)]
            await until(lambda: queries(db).waiting == 5)
            cancelled = waiting.pop(2)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
        # It asks once the connection is free, and before the first who waits has run.
        waiting.append(asyncio.create_task(use(db, 5)))
        await asyncio.gather(*waiting)
    assert served == [0, 1, 3, 4, 5]


async def test_a_caller_that_is_cancelled_as_it_is_served_passes_it_on(
    target: ConnectionTarget,
) -> None:
    async with pool_of(Opener(target), max_size=1) as pool:
        held = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await until(lambda: pool.statistics().waiting == 1)
        assert pool.give_back(held) is None
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert (pool.idle, pool.statistics().acquires_canceled) == (1, 1)


async def test_a_connection_that_comes_back_serves_who_waits_for_a_new_one(
    target: ConnectionTarget,
) -> None:
    opener = Opener(target)
    async with pool_of(opener) as pool:
        held = await pool.acquire()
        opener.holds = True
        first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
        await until(lambda: len(opener.held) == 1)  # there is room for one more
        pool.give_back(held)
        assert await first is held
        opener.held[0].set()
        assert await second is not held
        assert pool.size == 2
        for pooled in (held, await second):
            pool.give_back(pooled)


async def test_who_waits_is_told_why_no_connection_can_be_opened(target: ConnectionTarget) -> None:
    opener = Opener(target)
    async with pool_of(opener, max_size=3) as pool:
        held = await pool.acquire()
        opener.failure = OSError("no way there")
        waiting = [asyncio.create_task(pool.acquire()) for _ in range(7)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        # Each by an attempt of its own, though there is room for two at a time only.
        assert [str(result) for result in results] == ["no way there"] * 7
        assert pool.statistics().acquires_failed == 7
        opener.failure = None
        fresh = await pool.acquire()
        assert fresh is not held
        for pooled in (held, fresh):
            pool.give_back(pooled)


async def test_a_connection_is_replaced_at_the_end_of_its_life(target: ConnectionTarget) -> None:
    started = time.monotonic()
    async with whaledb.connect(target, max_size=1, max_lifetime_s=0.3) as db:
        first = await pid_of(db)
        async with asyncio.timeout(PATIENCE_S):
            while await pid_of(db) == first:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.02)
        assert time.monotonic() - started > 0.2
        assert queries(db).closed_lifetime >= 1
        assert queries(db).closed_broken == 0
    async with whaledb.connect(target, max_size=1) as db:  # the control
        first = await pid_of(db)
        await asyncio.sleep(0.6)
        assert await pid_of(db) == first


async def test_connections_do_not_all_end_at_once(target: ConnectionTarget) -> None:
    limit_s = 100.0
    async with pool_of(Opener(target), max_size=6, max_lifetime_s=limit_s) as pool:
        started = time.monotonic()
        held = [await pool.acquire() for _ in range(6)]
        opened_s = time.monotonic() - started
        ends = [pooled.expires_at - started for pooled in held]
        assert len(set(ends)) == 6
        assert min(ends) > limit_s * (1 - LIFETIME_JITTER)
        assert max(ends) < limit_s + opened_s
        for pooled in held:
            pool.give_back(pooled)


async def test_expired_connections_are_replaced_when_they_are_not_in_use(
    target: ConnectionTarget,
) -> None:
    opener = Opener(target)
    async with pool_of(opener, max_size=3) as pool:
        used, idle = await pool.acquire(), await pool.acquire()
        pool.give_back(idle)
        opener.holds = True
        opened = asyncio.create_task(open_beside(pool, idle))
        await until(lambda: len(opener.held) == 1)
        pool.expire()
        opener.holds = False
        opener.held[0].set()
        assert await used.connection.fetchval("SELECT 1") == 1
        pool.give_back(used)
        await until(used.connection.is_closed)
        fresh = await opened
        assert fresh not in (used, idle)
        assert pool.statistics().closed_lifetime == 3
        pool.give_back(fresh)


async def open_beside(pool: Pool, idle: Pooled) -> Pooled:
    """Takes the idle one, so that another has to be opened; gives the first back."""
    taken = await pool.acquire()
    assert taken is idle
    try:
        return await pool.acquire()
    finally:
        pool.give_back(taken)


async def test_what_nobody_needs_is_closed_and_what_is_kept_is_opened(
    target: ConnectionTarget,
) -> None:
    async with whaledb.connect(target, min_size=2, max_size=5, max_idle_s=0.2) as db:
        all_hold = asyncio.Barrier(5)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(holding(db, all_hold))
        assert queries(db).size == 5
        await until(lambda: queries(db).size == 2)
        assert queries(db).closed_idle == 3
        await asyncio.to_thread(run_blocking, target, END_ALL)
        await until(lambda: queries(db).opened == 7 and queries(db).idle == 2)
        assert queries(db).closed_broken == 2


async def holding(db: Database, all_hold: asyncio.Barrier) -> None:
    async with db.transaction():
        await all_hold.wait()


async def test_what_was_killed_while_idle_reaches_no_caller(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=3) as db:
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(count(db))
            await until(lambda: queries(db).opening == 0)
            run_blocking(target, END_ALL)
            await asyncio.gather(*(count(db) for _ in range(6)))
        assert queries(db).closed_broken == 9


async def test_what_was_killed_while_it_was_opened_reaches_no_caller_as_open(
    target: ConnectionTarget,
) -> None:
    async def opened_and_killed() -> Connection:
        connection = await opener()
        if not killed:
            killed.append(run_blocking(target, END_ALL))
        return connection

    killed: list[object] = []
    opener = Opener(target)
    async with pool_of(opener) as pool:
        pool._connect = opened_and_killed
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await pool.acquire()
        pooled = await pool.acquire()
        assert await pooled.connection.fetchval("SELECT 1") == 1
        pool.give_back(pooled)


async def test_the_drivers_pool_hands_it_out(target: ConnectionTarget) -> None:
    """The control of the test before."""
    async with asyncpg.create_pool(**target.asyncpg_arguments(), min_size=1, max_size=1) as plain:
        assert await plain.fetchval("SELECT 1") == 1
        run_blocking(target, END_ALL)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await plain.fetchval("SELECT 1")


async def test_an_idle_connection_is_asked_before_it_is_handed_out(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with whaledb.connect(target, liveness_idle_s=0.5, application_name="asked") as db:
        await count(db)
        asked = queries(db).asked
        await count(db)
        assert queries(db).asked == asked
        await asyncio.sleep(0.6)
        async with db.transaction():
            assert queries(db).asked == asked + 1
            assert await connection.fetchval(SEEN, "asked") == "BEGIN;"
        assert await count(db) == 0


async def test_the_counters_add_up(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=2, acquire_timeout_s=1.0) as db:
        before = queries(db)
        assert (before.acquired, before.acquired_after_wait) == (1, 0)
        await asyncio.gather(*(count(db) for _ in range(20)))
        with pytest.raises(DataError):
            await liquidity_zones.list_by_symbol(db, symbol=1, max_rows=1)  # type: ignore[arg-type]
        async with db.transaction(), db.transaction():
            with pytest.raises(TimeoutExpired, match="all 2 are in use"):
                await count(db)
            late = asyncio.create_task(count(db))
            await until(lambda: queries(db).waiting == 1)
            late.cancel()
            await asyncio.gather(late, return_exceptions=True)
            told = queries(db)
        await until(lambda: queries(db).idle == 2)
        after = queries(db)
    assert (told.in_use, told.idle, told.size, told.waiting) == (2, 0, 2, 0)
    assert after.acquired == before.acquired + 20 + 1 + 2
    assert 18 <= after.acquired_after_wait <= 20
    assert after.acquire_wait_s > 0
    assert (after.acquires_timed_out, after.acquires_canceled, after.acquires_failed) == (1, 1, 0)
    assert after.cleaned == before.cleaned + 1
    assert after.opened == after.size == 2
    assert after.max_size == 2


async def test_the_end_of_the_database_ends_what_is_in_use_and_who_waits(
    target: ConnectionTarget, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typedsql.database.CLOSE_TIMEOUT_S", 0.2)
    async with whaledb.connect(target, max_size=1, application_name="closing") as db:
        inside = asyncio.Event()

        async def keep() -> None:
            async with db.connection() as raw:
                inside.set()
                await raw.execute("SELECT pg_sleep(30)")

        kept = asyncio.create_task(keep())
        await inside.wait()
        waits = asyncio.create_task(count(db))
        await until(lambda: queries(db).waiting == 1)
    with pytest.raises(CodeError, match="the database is closed"):
        await waits
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await kept
    with pytest.raises(CodeError, match="the database is closed"):
        await count(db)
    # The statement it ran may go on for as long as the server has not noticed.
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state <> 'active'"
    assert await connection.fetchval(left, "closing") == 0


def test_no_limit_of_the_pool_is_without_its_unit() -> None:
    limits = [name for name in vars(pooling) if name.isupper() and not name.startswith("_")]
    assert limits
    assert all(name.endswith(("_S", "_JITTER")) for name in limits)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bulk_max_size": 0}, "bulk_max_size: expected a whole number of at least 1"),
        ({"max_lifetime_s": float("inf")}, "max_lifetime_s: expected seconds"),
        ({"max_idle_s": 0}, "max_idle_s: expected seconds"),
        ({"liveness_idle_s": -1}, "liveness_idle_s: expected seconds"),
        ({"keepalive_idle_s": float("nan")}, "keepalive_idle_s: expected seconds"),
    ],
)
async def test_limits_that_are_none_are_refused(
    target: ConnectionTarget, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        async with whaledb.connect(target, **options):
            pass
