"""Backends that are killed while they run what 64 callers asked for together.

Whoever was under way soon has a result or an error; what a caller was told is stored is there,
once; a read is asked again and has its row. The control is the driver's way to write many rows
at once, COPY, which under the same kill waits for ever where its writer was paused.
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
from tests.queries.transfers import CHAIN, hash_of, transfer
from tests.soak import pools
from typedsql.database import Database
from typedsql.errors import ConnectionLost
from typedsql.settings import ConnectionTarget
from whaledb.queries import whale_transactions

CALLERS: Final = 64
CALLS_OF_EACH: Final = 4
CONNECTIONS: Final = 10
PAUSE_LIMIT_S: Final = 0.03
ROUND_LIMIT_S: Final = 60.0
HANGS_AFTER_S: Final = 1.0
FILLS_WITHIN_S: Final = 0.1
"""How long the driver needs to fill the buffers, and to pause then."""
WIDE_ROWS: Final = 8_000
"""More than the buffers of a socket and of the driver hold, so that its writer is paused."""
KILL: Final = """
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity AS a
WHERE
    a.datname = current_database()
    AND a.state = 'active'
    AND a.query LIKE '/* ' || $1 || ' */%'
LIMIT 1
"""


@dataclass(slots=True)
class Outcome:
    """What became of calls whose backend was killed."""

    kills: int = 0
    calls: int = 0
    failed: int = 0
    """Calls that raised ConnectionLost."""
    acknowledged: int = 0
    """Rows whose callers were told that they are stored."""
    stored: int = 0
    waits_s: list[float] = field(default_factory=list[float])
    """For each kill, how long the last of the calls that were under way took from there."""
    wrong: list[str] = field(default_factory=list[str])


class _Calls:
    """When calls began and ended."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    async def time(self, call: Awaitable[Any]) -> Any:
        begin = time.perf_counter()
        try:
            return await call
        finally:
            self.spans.append((begin, time.perf_counter()))

    def longest_from(self, moment: float) -> float:
        waits = [end - moment for begin, end in self.spans if begin <= moment <= end]
        return max(waits, default=0.0)


async def campaign(target: ConnectionTarget, *, seed: int, kills: int) -> Outcome:
    """Kill so many backends, by turns of inserts and of reads."""
    chance = random.Random(seed)
    outcome = Outcome()
    numbers = itertools.count()
    acknowledged: set[int] = set()
    killer = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        async with whaledb.connect(target, max_size=CONNECTIONS) as db:
            while outcome.kills < kills:
                await _kill_writers(db, killer, chance, outcome, numbers, acknowledged)
                if outcome.kills < kills:
                    await _kill_readers(db, killer, chance, outcome, sorted(acknowledged))
            outcome.wrong += await pools.complaints(db)
        rows = await killer.fetch("SELECT hash FROM public.whale_transactions")
    finally:
        await killer.close()
    found = [row["hash"] for row in rows]
    outcome.acknowledged, outcome.stored = len(acknowledged), len(found)
    lost = {hash_of(number) for number in acknowledged} - set(found)
    if lost:
        outcome.wrong.append(f"{len(lost)} acknowledged rows are not there")
    if len(found) != len(set(found)):
        outcome.wrong.append(f"{len(found) - len(set(found))} rows are there twice")
    return outcome


async def _kill_writers(
    db: Database,
    killer: Any,
    chance: random.Random,
    outcome: Outcome,
    numbers: Iterator[int],
    acknowledged: set[int],
) -> None:
    async def call(calls: _Calls) -> None:
        number = next(numbers)
        try:
            await calls.time(whale_transactions.insert(db, **transfer(number)))
        except ConnectionLost:
            outcome.failed += 1
        else:
            acknowledged.add(number)

    await _round(killer, chance, outcome, "whale_transactions.insert_many", call)


async def _kill_readers(
    db: Database, killer: Any, chance: random.Random, outcome: Outcome, known: list[int]
) -> None:
    async def call(calls: _Calls) -> None:
        sought = hash_of(chance.choice(known))
        row = await calls.time(whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=sought))
        if row is None or row.hash != sought:
            outcome.wrong.append("a read gave another row, or none")

    await _round(killer, chance, outcome, "whale_transactions.get_by_hash__batch", call)


async def _round(
    killer: Any,
    chance: random.Random,
    outcome: Outcome,
    statement: str,
    call: Callable[[_Calls], Awaitable[None]],
) -> None:
    """One kill under callers that each make a few calls, if they do not end before it."""
    calls = _Calls()

    async def caller() -> None:
        for _ in range(CALLS_OF_EACH):
            try:
                await call(calls)
            except Exception as failure:
                outcome.wrong.append(f"a caller had {type(failure).__name__}: {failure}")

    callers = asyncio.gather(*(caller() for _ in range(CALLERS)))
    await asyncio.sleep(chance.uniform(0, PAUSE_LIMIT_S))
    moment = 0.0
    while not callers.done():
        moment = time.perf_counter()
        if await killer.fetchval(KILL, statement):
            outcome.kills += 1
            break
        moment = 0.0
    try:
        await asyncio.wait_for(callers, ROUND_LIMIT_S)
    except TimeoutError:
        outcome.wrong.append("callers hang after their backend was killed")
    outcome.calls += len(calls.spans)
    if moment:
        outcome.waits_s.append(calls.longest_from(moment))


async def hanging_copies(target: ConnectionTarget, *, trials: int) -> int:
    """The control: how many of so many of the driver's COPYs hang after such a kill."""
    hung = 0
    killer = await asyncpg.connect(**target.asyncpg_arguments())
    await killer.execute("CREATE TABLE public.wide (id BIGINT, word TEXT)")
    for _ in range(trials):
        driver: Any = await asyncpg.connect(**target.asyncpg_arguments())
        async with killer.transaction():
            await killer.execute("LOCK TABLE public.wide IN SHARE MODE")
            rows = [(number, "x" * 1_000) for number in range(WIDE_ROWS)]
            task = asyncio.create_task(
                driver.copy_records_to_table("wide", records=rows, timeout=HANGS_AFTER_S / 2)
            )
            await _wait_for_lock(killer, driver.get_server_pid())
            await asyncio.sleep(FILLS_WITHIN_S)
            await killer.execute("SELECT pg_terminate_backend($1)", driver.get_server_pid())
        done, _ = await asyncio.wait({task}, timeout=HANGS_AFTER_S)
        hung += not done
        task.cancel()
        await asyncio.wait({task})
        driver.terminate()
    await killer.close()
    return hung


async def _wait_for_lock(observer: Any, pid: int) -> None:
    async with asyncio.timeout(ROUND_LIMIT_S):
        while not await observer.fetchval(  # noqa: ASYNC110 - another process has no Event
            "SELECT a.wait_event_type = 'Lock' FROM pg_stat_get_activity($1) AS a", pid
        ):
            await asyncio.sleep(pools.POLL_INTERVAL_S)
