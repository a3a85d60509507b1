"""Processes that write, killed with SIGKILL at random moments and started again.

Ingestion goes on until its input is stored; then the content has to be that of a run nobody
disturbed, all columns but ids and clock times. The control runs the same without transactions
and has to leave torn blocks. A follower is killed as often while it follows a recorded chain
with a reorganisation.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg

from tests.databases import ROOT, Databases, open_databases
from tests.following import kills as kills_of_a_follower
from tests.following.tape import Tape, playing
from tests.ingest import killed_run
from tests.ingest.chain import block, lines, transaction
from typedsql.settings import ConnectionTarget

POLYGON = 137
TAPE = ROOT.parent / "shared" / "data" / "ethereum" / "polygon-reorg-tape.jsonl.gz"
BLOCKS = 1200
BLOCKS_IN_A_GROUP = 8
TRANSFERS_PER_BLOCK = 3
RUN_LIMIT_S = 120.0
# A block without all its rows, a row without its block, or a cursor that is not at the last.
TORN = f"""
SELECT
    (SELECT count(*) FROM public.blocks AS b WHERE {TRANSFERS_PER_BLOCK} <> (
        SELECT count(*) FROM public.whale_transactions AS t WHERE t.block_hash = b.hash
    ))
    + (SELECT count(*) FROM public.whale_transactions AS t WHERE NOT EXISTS (
        SELECT FROM public.blocks AS b WHERE b.hash = t.block_hash
    ))
    + (SELECT count(*) FROM public.blocks AS b WHERE b.number > coalesce(
        (SELECT max(c.number) FROM public.ingest_cursors AS c), -1
    ))
"""
CONTENT = (
    "SELECT to_jsonb(t) - '{id,created_at,updated_at}'::TEXT[] AS row "
    "FROM public.whale_transactions AS t ORDER BY t.hash, t.block_hash",
    "SELECT to_jsonb(b) - '{created_at,updated_at}'::TEXT[] AS row "
    "FROM public.blocks AS b ORDER BY b.hash",
    "SELECT to_jsonb(c) - '{created_at,updated_at}'::TEXT[] AS row "
    "FROM public.ingest_cursors AS c ORDER BY c.stream",
)


async def start(target: ConnectionTarget, path: Path, *options: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "DATABASE_URL": target.dbmate_url()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        killed_run.__file__,
        str(path),
        str(BLOCKS_IN_A_GROUP),
        *options,
        env=environment,
    )


async def finish(target: ConnectionTarget, path: Path) -> float:
    """Run to the end; the seconds it took."""
    started = time.perf_counter()
    process = await start(target, path)
    async with asyncio.timeout(RUN_LIMIT_S):
        if await process.wait() != 0:
            raise RuntimeError("an undisturbed run failed")
    return time.perf_counter() - started


async def content(connection: asyncpg.Connection) -> list[list[str]]:
    return [[row["row"] for row in await connection.fetch(sql)] for sql in CONTENT]


async def killed(
    connection: asyncpg.Connection,
    target: ConnectionTarget,
    path: Path,
    after_s: float,
    *options: str,
) -> tuple[int, int]:
    """Kill a run after a while. How many blocks it left, and how many torn ones."""
    process = await start(target, path, *options)
    await asyncio.sleep(after_s)
    if process.returncode is None:
        process.kill()
    await process.wait()
    # The server ends the session of a dead client at its next statement or at once.
    while await connection.fetchval(  # noqa: ASYNC110 - another process has no Event
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    ):
        await asyncio.sleep(0.01)
    blocks: int = await connection.fetchval("SELECT count(*) FROM public.blocks")
    torn: int = await connection.fetchval(TORN)
    return blocks, torn


async def campaign(
    databases: Databases, path: Path, kills: int, rng: random.Random, *options: str
) -> dict[str, Any]:
    """Kill runs until there were enough of them, starting over whenever one was through."""
    template = await databases.template()
    torn_runs = 0
    mismatches = 0
    left: list[int] = []
    async with databases.fresh(template) as reference:
        seconds = await finish(reference, path)
        expected = await read(reference)
    while len(left) < kills:
        async with databases.fresh(template) as target:
            connection = await asyncpg.connect(**target.asyncpg_arguments())
            try:
                while len(left) < kills:
                    blocks, torn = await killed(
                        connection, target, path, rng.uniform(0.3, 1.0) * seconds, *options
                    )
                    left.append(blocks)
                    torn_runs += torn > 0
                    if blocks == BLOCKS or rng.random() < 0.3:
                        break
                await finish(target, path)
                mismatches += await content(connection) != expected
            finally:
                await connection.close()
    return {
        "kills": kills,
        "run_seconds": round(seconds, 2),
        "blocks_left_min_median_max": (min(left), statistics.median(left), max(left)),
        "runs_leaving_torn_blocks": torn_runs,
        "contents_that_differ": mismatches,
    }


async def read(target: ConnectionTarget) -> list[list[str]]:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        return await content(connection)
    finally:
        await connection.close()


async def kill_ingestion(server: ConnectionTarget, path: Path, seed: int, kills: int) -> bool:
    rng = random.Random(seed)
    chain = [
        block(n, [transaction(f"{n}.{i}", ether=100 + i) for i in range(TRANSFERS_PER_BLOCK)])
        for n in range(1, BLOCKS + 1)
    ]
    path.write_bytes(lines(*chain))
    print(
        f"seed {seed}, {BLOCKS} blocks of {TRANSFERS_PER_BLOCK} transfers,"
        f" {BLOCKS_IN_A_GROUP} in a group"
    )
    async with open_databases(server) as databases:
        real = await campaign(databases, path, kills, rng)
        print("ingestion:", real)
        control = await campaign(databases, path, kills, rng, "--without-transactions")
        print("control without transactions:", control)
    sound = real["runs_leaving_torn_blocks"] == 0 and real["contents_that_differ"] == 0
    return sound and control["runs_leaving_torn_blocks"] > 0


async def kill_follower(server: ConnectionTarget, seed: int, kills: int) -> bool:
    """Kill a follower of the recorded session that often, in one database."""
    if not TAPE.is_file():
        print(f"following: {TAPE} is absent, not tried")
        return True
    rng = random.Random(seed)
    async with (
        open_databases(server) as databases,
        playing(Tape.recorded(TAPE, chain_id=POLYGON)) as player,
    ):
        template = await databases.template()
        async with databases.fresh(template) as target:
            expected = await kills_of_a_follower.undisturbed(target, player)
        async with databases.fresh(template) as target:
            left, heads = await kills_of_a_follower.killed(target, player, kills=kills, rng=rng)
    differing = sum(left[table] != rows for table, rows in expected.items())
    told = {
        "kills": len(heads),
        "heads": len(player.tape.heads),
        "killed_at_head_min_median_max": (min(heads), statistics.median(heads), max(heads)),
        "rows": {table: len(rows) for table, rows in expected.items()},
        "tables_that_differ": differing,
    }
    print("following:", told)
    return differing == 0
