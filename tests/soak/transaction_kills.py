"""Backends that are killed under `run_transaction`: every caller succeeds, and stores once.

The table has no key that would forgive a repetition. The control is the same under a plain
transaction, whose callers are told that it is lost.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

import whaledb
from tests.soak import ledger, pools
from typedsql.database import Database, Transaction
from typedsql.errors import ConnectionLost
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones

CALLERS: Final = 32
CALLS_OF_EACH: Final = 2
PAUSE_LIMIT_S: Final = 0.03
ROUND_LIMIT_S: Final = 60.0
APPLICATION: Final = "killed"
KILL: Final = """
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity AS a
WHERE
    a.datname = current_database()
    AND a.application_name = $1
    AND a.xact_start IS NOT NULL
ORDER BY random()
LIMIT 1
"""
Work = Callable[[Transaction], Awaitable[int | None]]


@dataclass(slots=True)
class Outcome:
    """What became of transactions whose backend was killed."""

    kills: int = 0
    succeeded: int = 0
    failed: int = 0
    """Calls that raised ConnectionLost."""
    waits_s: list[float] = field(default_factory=list[float])
    """For each kill, how long all callers took from there to their ends."""
    wrong: list[str] = field(default_factory=list[str])


async def run_again(db: Database, work: Work) -> None:
    """What is tried."""
    await db.run_transaction(work)


async def run_once(db: Database, work: Work) -> None:
    """The control."""
    async with db.transaction() as tx:
        await work(tx)


async def campaign(
    target: ConnectionTarget,
    *,
    seed: int,
    kills: int,
    run: Callable[[Database, Work], Awaitable[None]] = run_again,
) -> Outcome:
    """Kill so many backends, each in a transaction of one of the callers."""
    chance = random.Random(seed)
    outcome = Outcome()
    numbers = itertools.count()
    acknowledged: set[int] = set()
    killer = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await killer.execute(ledger.TABLE)
        async with whaledb.connect(target, application_name=APPLICATION) as db:
            while outcome.kills < kills:
                await _round(db, killer, chance, outcome, numbers, acknowledged, run)
            outcome.wrong += await pools.complaints(db)
        outcome.wrong += await ledger.complaints(killer, acknowledged)
    finally:
        await killer.close()
    outcome.succeeded = len(acknowledged)
    return outcome


async def _round(
    db: Database,
    killer: Any,
    chance: random.Random,
    outcome: Outcome,
    numbers: Iterator[int],
    acknowledged: set[int],
    run: Callable[[Database, Work], Awaitable[None]],
) -> None:
    async def caller() -> None:
        for number in itertools.islice(numbers, CALLS_OF_EACH):

            async def work(tx: Transaction, number: int = number) -> int | None:
                await ledger.enter.run(tx, number, 1)
                seen = await liquidity_zones.count(tx, exchange="kraken", symbol="ETH-USD")
                await ledger.enter.run(tx, number, 2)
                return seen

            try:
                await run(db, work)
            except ConnectionLost:
                outcome.failed += 1
            except Exception as failure:
                outcome.wrong.append(f"a caller had {type(failure).__name__}: {failure}")
            else:
                acknowledged.add(number)

    callers = asyncio.gather(*(caller() for _ in range(CALLERS)))
    await asyncio.sleep(chance.uniform(0, PAUSE_LIMIT_S))
    killed = False
    moment = 0.0
    while not (killed or callers.done()):
        moment = time.perf_counter()
        killed = bool(await killer.fetchval(KILL, APPLICATION))
    try:
        await asyncio.wait_for(callers, ROUND_LIMIT_S)
    except TimeoutError:
        outcome.wrong.append("callers hang after their backend was killed")
    if killed:
        outcome.kills += 1
        outcome.waits_s.append(time.perf_counter() - moment)
