"""Callers of a pool that are cancelled at random moments, and what is left of them.

For the suite in small, and for tests.soak with thousands. The control is the driver's pool
without a reset, as one would make it that only wants to spare the round trip.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

import whaledb
from tests.queries.transfers import CHAIN, hash_of, transfer
from typedsql.database import Database, Transaction
from typedsql.errors import DataError
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones, whale_transactions
from whaledb.rows import NewWhaleTransaction

PATIENCE_S = 60.0
"""Against a pool that hangs."""
AT_ONCE = 10
MAX_TURNS = 12
MAX_MOMENT_S = 0.006
CONNECTIONS = 4
KEYS = 2_000
COALESCED = 2 * CONNECTIONS
"""More than run by themselves at once."""
MERGED_ROWS = 40

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}
SETTINGS = "SELECT current_user || current_setting('work_mem')"
LEFT_BEHIND = """
    SELECT
        count(*) FILTER (WHERE a.state <> 'idle') AS busy,
        count(*) FILTER (WHERE a.xact_start IS NOT NULL) AS in_transaction,
        (
            SELECT count(*) FROM pg_locks AS l
            WHERE l.locktype = 'advisory' AND l.database = (
                SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()
            )
        ) AS locks,
        (
            SELECT count(*) FROM pg_class AS c
            WHERE c.relkind = 'r' AND c.relpersistence = 't'
        ) AS temporary,
        (SELECT count(*) FROM pg_prepared_xacts AS p WHERE p.database = current_database())
            AS prepared
    FROM pg_stat_activity AS a
    WHERE a.application_name = $1 AND a.datname = current_database()
"""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What the server and the pool have of callers that are all gone."""

    cancelled: int
    """Callers that the cancellation reached: the others were done."""
    failed: int
    """Callers that raised something else."""
    busy: int
    in_transaction: int
    locks: int
    temporary: int
    """Temporary tables in any session: the staging tables of merges, and callers' own."""
    prepared: int
    """Transactions that wait for their second phase."""
    sessions_changed: int
    """Connections with another role or setting than a new one."""
    leaked: int
    """Connections that did not come back, and callers that still wait."""

    @property
    def is_clean(self) -> bool:
        at_server = (self.busy, self.in_transaction, self.locks, self.temporary, self.prepared)
        return not any((*at_server, self.failed, self.sessions_changed, self.leaked))


async def _read(db: Database) -> object:
    return await liquidity_zones.count(db, **MARKET)


async def _stream(db: Database) -> object:
    return [zone.id async for zone in liquidity_zones.stream_by_symbol(db, symbol="ETH-USD")]


async def _write(db: Database) -> object:
    async with db.transaction() as tx:
        await liquidity_zones.merge_batch(
            tx,
            **MARKET,
            sides=["bid"],
            price_levels=[Decimal(random.randrange(9))],
            sizes=[Decimal(1)],
            strengths=[None],
        )
        return await liquidity_zones.count(tx, **MARKET)


async def _bulk(db: Database) -> object:
    async with db.bulk_transaction() as tx:
        return await liquidity_zones.count(tx, **MARKET)


async def _raw(db: Database) -> object:
    async with db.connection() as connection:
        await change_session(connection)


async def _by_hand(db: Database) -> object:
    async with db.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('x'))")
        await connection.execute("SELECT pg_sleep(0.005)")
        await connection.execute("COMMIT")


async def _insert(db: Database) -> object:
    """Coalesced, with what other callers insert too; of two with one key one is refused."""

    async def one() -> object:
        with suppress(DataError):
            return await whale_transactions.insert(db, **transfer(random.randrange(KEYS)))
        return None

    return await asyncio.gather(*(one() for _ in range(COALESCED)))


async def _get(db: Database) -> object:
    sought = [hash_of(random.randrange(KEYS)) for _ in range(COALESCED)]
    return await asyncio.gather(
        *(whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=each) for each in sought)
    )


async def _run_transaction(db: Database) -> object:
    async def work(tx: Transaction) -> None:
        await whale_transactions.merge(tx, **merged(random.randrange(KEYS)), orphaned_at=None)
        await tx.driver_connection.execute("SELECT pg_advisory_xact_lock(13)")
        await liquidity_zones.count(tx, **MARKET)

    await db.run_transaction(work)
    return None


async def _merge(db: Database) -> object:
    """By COPY into the table, and by way of the staging table where a key is there already."""
    start = random.randrange(KEYS)
    rows = [
        NewWhaleTransaction(**merged(number, gas_used=random.randrange(9)))
        for number in range(start, start + MERGED_ROWS)
    ]
    return await whale_transactions.merge_rows(db, rows, chunk_rows=MERGED_ROWS // 2)


def merged(number: int, **changes: Any) -> dict[str, Any]:
    """What a merge takes."""
    row = transfer(number, **changes)
    for name in ("value_usd", "price_source", "priced_at", "whale_score"):
        del row[name]
    return row


async def change_session(connection: Any) -> None:
    await connection.execute("SELECT pg_advisory_lock_shared(11)")
    await connection.execute("CREATE TEMPORARY TABLE mine ()")
    await connection.execute("SET work_mem = '77MB'; SET ROLE whaledb_reader")
    await connection.execute("SELECT pg_sleep(0.002)")


USES: list[Callable[[Database], Awaitable[object]]] = [
    _read,
    _stream,
    _write,
    _bulk,
    _raw,
    _by_hand,
    _insert,
    _get,
    _run_transaction,
    _merge,
]


async def through_ours(target: ConnectionTarget, *, count: int, seed: int) -> Left:
    """Cancel so many callers of a `Database`."""
    random.seed(seed)
    async with (
        whaledb.connect(target, max_size=CONNECTIONS, application_name="cancelled") as db,
        AsyncExitStack() as stack,
    ):
        cancelled, failed = await _cancel(lambda chance: chance.choice(USES)(db), count, seed)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await db.drain()
                while (  # noqa: ASYNC110 - the pool has no event for it
                    db.statistics().queries.in_use or db.statistics().bulk.in_use
                ):
                    await asyncio.sleep(0.01)
        pools = db.statistics()
        at_server = await _look(target, "cancelled")
        sessions = [await stack.enter_async_context(db.connection()) for _ in range(CONNECTIONS)]
        changed = await _changed(target, sessions)
    waiting = pools.queries.waiting + pools.bulk.waiting
    leaked = pools.queries.in_use + pools.bulk.in_use + waiting
    return Left(
        cancelled=cancelled, failed=failed, sessions_changed=changed, leaked=leaked, **at_server
    )


async def through_a_careless_pool(target: ConnectionTarget, *, count: int, seed: int) -> Left:
    """The control: raw connections of a pool that resets nothing."""

    async def no_reset(_: object) -> None:
        pass

    async with (
        asyncpg.create_pool(
            **target.asyncpg_arguments(),
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            reset=no_reset,
            server_settings={"application_name": "careless"},
        ) as pool,
        AsyncExitStack() as stack,
    ):

        async def use(_: random.Random) -> None:
            async with pool.acquire() as connection:
                # It is there already where this one was used before.
                with suppress(asyncpg.DuplicateTableError):
                    await change_session(connection)

        cancelled, failed = await _cancel(use, count, seed)
        at_server = await _look(target, "careless")
        sessions = [await stack.enter_async_context(pool.acquire()) for _ in range(CONNECTIONS)]
        changed = await _changed(target, sessions)
    return Left(cancelled=cancelled, failed=failed, sessions_changed=changed, leaked=0, **at_server)


async def _cancel(
    begin: Callable[[random.Random], Awaitable[object]], count: int, seed: int
) -> tuple[int, int]:
    """How many of the callers the cancellation reached, and how many raised something else.

    Goes on until so many were reached: others are done before it comes.
    """
    chance = random.Random(seed)
    cancelled = failed = 0
    while cancelled < count:
        tasks = [asyncio.ensure_future(begin(chance)) for _ in range(AT_ONCE)]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(_cancel_one(task, chance) for task in tasks))
            results = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
        failed += sum(isinstance(result, Exception) for result in results)
    return cancelled, failed


async def _cancel_one(task: "asyncio.Future[object]", chance: random.Random) -> None:
    if chance.random() < 0.5:
        for _ in range(chance.randrange(MAX_TURNS)):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(chance.random() * MAX_MOMENT_S)
    task.cancel()


async def _look(target: ConnectionTarget, application: str) -> dict[str, int]:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        found = await connection.fetchrow(LEFT_BEHIND, application)
        return dict(found or {})
    finally:
        await connection.close()


async def _changed(target: ConnectionTarget, sessions: list[Any]) -> int:
    fresh = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        expected = await fresh.fetchval(SETTINGS)
    finally:
        await fresh.close()
    return sum([await session.fetchval(SETTINGS) != expected for session in sessions])
