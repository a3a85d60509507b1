"""A server that is killed with SIGKILL, all its processes, while a worker ingests.

The worker is one process that stays the same: an `Ingestor`, callers of coalesced inserts,
merges of many rows, and transactions over a table without a key. After each kill the server
is started again, and the next comes once every kind of work was acknowledged again. Now and
then it is one process of the server that is killed, upon which it ends all others and recovers
by itself. What was acknowledged has to be there, once. The control writes to a table without
a key too, and repeats what it had no answer to: part of that is there twice.
"""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

import whaledb
from tests.databases import open_databases
from tests.queries.transfers import hash_of
from tests.soak import ledger, pools
from tests.soak.killable_server import KillableServer
from tests.soak.server_work import (
    BLOCK_ROWS,
    KINDS,
    NAIVE_TABLE,
    SERIES,
    Diary,
    block_hash,
    ingest,
    insert_rows,
    merge_rows,
    repeat_naively,
    run_transactions,
    transfer_hash,
)
from typedsql.database import Database
from typedsql.settings import ConnectionTarget

INSERT_CALLERS: Final = 64
TRANSACTION_CALLERS: Final = 8
NAIVE_CALLERS: Final = 16
CONNECTIONS: Final = 10
AT_WORK_S: Final = (0.05, 0.6)
"""How long all work before the next kill, at least and at most."""
DEAD_S: Final = (0.0, 0.3)
"""How long the server stays dead, beside the time that it needs to start."""
KILLS_PER_CRASH: Final = 5
"""After so many kills of the whole server, one of its processes is killed by itself."""
RECOVERY_LIMIT_S: Final = 60.0
END_LIMIT_S: Final = 120.0
"""For what is under way to end after the last kill."""


@dataclass(slots=True)
class Outcome:
    """What became of work whose server was killed."""

    kills: int = 0
    crashes: int = 0
    """Kills of one process of the server, beside those of the whole."""
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    failures: dict[str, int] = field(default_factory=dict[str, int])
    """Errors that callers had and dealt with, by class and kind of work."""
    outages_s: list[float] = field(default_factory=list[float])
    """From each kill until the server answered again."""
    recoveries_s: list[float] = field(default_factory=list[float])
    """From there until each kind of work was acknowledged again."""
    longest_s: float = 0.0
    """The longest wait of one caller, an outage included."""
    control_doubled: int = 0
    """Entries of the control that are there twice."""
    wrong: list[str] = field(default_factory=list[str])


async def campaign(server: KillableServer, *, seed: int, kills: int) -> Outcome:
    """Kill the server so many times."""
    chance = random.Random(seed)
    outcome, diary = Outcome(), Diary()
    async with (
        open_databases(server.target) as databases,
        databases.fresh(await databases.template()) as target,
    ):
        await _prepare(target)
        async with whaledb.connect(target, max_size=CONNECTIONS) as db:
            async with _working(target, db, diary) as tasks:
                for number in range(1, kills + 1):
                    await _kill_once(server, diary, chance, outcome)
                    if number % KILLS_PER_CRASH == 0:
                        await _crash_once(server, diary, chance, outcome)
                await _finish(diary, tasks, outcome)
            outcome.wrong += await pools.complaints(db)
        await _compare(target, diary, outcome)
    outcome.wrong += diary.wrong
    outcome.acknowledged = {kind: len(diary.acknowledged[kind]) for kind in KINDS}
    outcome.failures = dict(diary.failures)
    outcome.longest_s = diary.longest_s
    return outcome


def report(outcome: Outcome) -> list[str]:
    """What to print."""
    return [
        f"server kills: {outcome.kills}, of one of its processes: {outcome.crashes}; acknowledged: "
        f"{outcome.acknowledged}; errors dealt with: {outcome.failures}",
        f"from a kill until the server answers: {_spread(outcome.outages_s)}; from there until "
        f"each kind of work is acknowledged: {_spread(outcome.recoveries_s)}",
        f"the longest wait of one caller, outage included: {outcome.longest_s:.2f} s",
        *(outcome.wrong or ["no acknowledged row was lost, none is there twice"]),
        f"control: {outcome.control_doubled} entries of naive repetition are there twice",
    ]


def _spread(values: list[float]) -> str:
    if not values:
        return "never"
    median = statistics.median(values)
    return f"{min(values):.2f} to {max(values):.2f} s, median {median:.2f} s"


async def _prepare(target: ConnectionTarget) -> None:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await connection.execute(ledger.TABLE)
        await connection.execute(NAIVE_TABLE)
    finally:
        await connection.close()


@asynccontextmanager
async def _working(
    target: ConnectionTarget, db: Database, diary: Diary
) -> AsyncGenerator[set["asyncio.Task[None]"]]:
    work: list[Coroutine[Any, Any, None]] = [ingest(db, diary), merge_rows(db, diary)]
    work += [insert_rows(db, diary) for _ in range(INSERT_CALLERS)]
    work += [run_transactions(db, diary) for _ in range(TRANSACTION_CALLERS)]
    work += [repeat_naively(target, diary) for _ in range(NAIVE_CALLERS)]
    tasks = {asyncio.create_task(each) for each in work}
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kill_once(
    server: KillableServer, diary: Diary, chance: random.Random, outcome: Outcome
) -> None:
    await _until_all_work(diary, outcome)
    await asyncio.sleep(chance.uniform(*AT_WORK_S))
    begin = time.perf_counter()
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(chance.uniform(*DEAD_S))
    await server.start()
    answers = time.perf_counter()
    await _until_all_work(diary, outcome)
    outcome.kills += 1
    outcome.outages_s.append(answers - begin)
    outcome.recoveries_s.append(time.perf_counter() - answers)


async def _crash_once(
    server: KillableServer, diary: Diary, chance: random.Random, outcome: Outcome
) -> None:
    await asyncio.sleep(chance.uniform(*AT_WORK_S))
    await server.crash()
    await _until_all_work(diary, outcome)
    outcome.crashes += 1


async def _until_all_work(diary: Diary, outcome: Outcome) -> None:
    before = {kind: len(diary.acknowledged[kind]) for kind in KINDS}

    def still() -> list[str]:
        return [kind for kind in KINDS if len(diary.acknowledged[kind]) == before[kind]]

    try:
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while still():  # noqa: ASYNC110 - of all four there is no one event
                await asyncio.sleep(pools.POLL_INTERVAL_S)
    except TimeoutError:
        outcome.wrong.append(f"not acknowledged any more: {', '.join(still())}")


async def _finish(diary: Diary, tasks: set["asyncio.Task[None]"], outcome: Outcome) -> None:
    diary.stopping.set()
    done, late = await asyncio.wait(tasks, timeout=END_LIMIT_S)
    if late:
        outcome.wrong.append(f"{len(late)} workers hang after the last kill")
    for task in done:
        if (failure := task.exception()) is not None:
            outcome.wrong.append(f"a worker ended with {type(failure).__name__}: {failure}")


async def _compare(target: ConnectionTarget, diary: Diary, outcome: Outcome) -> None:
    """What is stored with what was acknowledged."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        rows = await connection.fetch("SELECT hash FROM public.whale_transactions")
        stored = Counter(row["hash"] for row in rows)
        expected = {
            hash_of(SERIES[kind] + number)
            for kind in ("inserts", "merged")
            for number in diary.acknowledged[kind]
        }
        expected |= {
            transfer_hash(number, place)
            for number in diary.acknowledged["blocks"]
            for place in range(BLOCK_ROWS)
        }
        blocks = await connection.fetch("SELECT hash FROM public.blocks")
        heights = {block_hash(number) for number in diary.acknowledged["blocks"]}
        cursor = await connection.fetchval("SELECT max(number) FROM public.ingest_cursors")
        letters = await connection.fetchval("SELECT count(*) FROM public.dead_letters")
        outcome.wrong += await ledger.complaints(connection, diary.acknowledged["entries"])
        outcome.control_doubled = await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM public.naive GROUP BY number HAVING count(*) > 1)"
        )
    finally:
        await connection.close()
    if lost := len(expected - stored.keys()):
        outcome.wrong.append(f"{lost} acknowledged rows are not there")
    if lost := len(heights - {row["hash"] for row in blocks}):
        outcome.wrong.append(f"{lost} acknowledged blocks are not there")
    if doubled := sum(times > 1 for times in stored.values()):
        outcome.wrong.append(f"{doubled} rows are there twice")
    if cursor != max(diary.acknowledged["blocks"]) or letters:
        outcome.wrong.append(f"the cursor is at {cursor}, and there are {letters} dead letters")
