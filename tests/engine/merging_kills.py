"""Backends that are killed in the middle of a COPY, again and again; see tests.soak."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.databases import Databases
from tests.engine.bulk_things import Thing, connected, merge, stored
from tests.soak import pools
from typedsql.bulk import MergeReport
from typedsql.database import Database
from typedsql.errors import ConnectionLost

ROWS = 3_000
CHUNK_ROWS = 500
WORD = "x" * 1_000
FIND_LIMIT_S = 30.0
END_LIMIT_S = 60.0
PAUSE_LIMIT_S = 0.05
KILL = """
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity AS a
WHERE
    a.datname = current_database()
    AND a.state = 'active'
    AND a.query LIKE 'COPY %'
LIMIT 1
"""


@dataclass(slots=True)
class Outcome:
    """What became of merges of which a backend was killed."""

    waits_s: list[float] = field(default_factory=list)
    """From each kill until the merge had raised or ended."""
    lost: int = 0
    """Merges that raised; the others had ended by then."""
    wrong: list[str] = field(default_factory=list)


async def campaign(databases: Databases, *, seed: int, kills: int) -> Outcome:
    """Kill one backend in each of so many merges, and finish each merge afterwards."""
    chance = random.Random(seed)
    outcome = Outcome()
    async with connected(databases) as db:
        while len(outcome.waits_s) < kills:
            await _one(db, chance, outcome)
        outcome.wrong += await pools.complaints(db)
    return outcome


async def _one(db: Database, chance: random.Random, outcome: Outcome) -> None:
    rows = [Thing(id=number, word=WORD) for number in range(ROWS)]
    acknowledged = 0

    def note(report: MergeReport) -> None:
        nonlocal acknowledged
        acknowledged = report.inserted

    async with db.connection() as killer:
        await killer.execute("TRUNCATE public.things")
        task = asyncio.create_task(
            merge(db, rows, note, chunk_rows=CHUNK_ROWS, lanes=2, attempts=1)
        )
        await asyncio.sleep(chance.uniform(0, PAUSE_LIMIT_S))
        killed = False
        async with asyncio.timeout(FIND_LIMIT_S):
            while not killed and not task.done():
                killed = bool(await killer.fetchval(KILL))
        begin = time.perf_counter()
        try:
            await asyncio.wait_for(task, END_LIMIT_S)
        except ConnectionLost:
            outcome.lost += 1
        except TimeoutError:
            outcome.wrong.append("a merge did not end after its backend was killed")
        if killed:
            outcome.waits_s.append(time.perf_counter() - begin)
    kept = len(await stored(db))
    if kept < acknowledged:
        outcome.wrong.append(f"{acknowledged} rows were acknowledged, {kept} are there")
    report = await merge(db, rows, lanes=2)
    if (report.given, report.unchanged, report.inserted) != (ROWS, kept, ROWS - kept):
        outcome.wrong.append(f"merged again it was {report}, and {kept} had been there")
    if len(await stored(db)) != ROWS:
        outcome.wrong.append("rows lack in the end, or are there twice")
