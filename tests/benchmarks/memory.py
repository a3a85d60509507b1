"""How much memory many rows take on their way, each way in a process of its own.

    python -m tests.benchmarks.memory merge|stream|... ROWS

is what the benchmark starts for each of them; DATABASE_URL says where. It prints one JSON
object. What is told is the most that was resident at any time (VmHWM), the interpreter and
everything imported in it: getrusage would tell the parent's, from which the process was made.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from measured.project import PROJECT as MEASURED
from measured.queries import transfers

import whaledb
from tests.benchmarks.data import CHAIN_ID, COLUMNS, make_rows
from tests.benchmarks.peers import statements
from typedsql.database import Database
from typedsql.settings import ConnectionTarget, resolve_target
from whaledb.queries import whale_transactions
from whaledb.rows import NewWhaleTransaction

ROWS: Final = 1_000_000
LIMIT_MB: Final = 150.0
PROCESS_LIMIT_S: Final = 1_200.0
STATEMENT_LIMIT_S: Final = 600.0
KIB_PER_MB: Final = 1_000_000 / 1_024
SEED: Final = 20261123
MERGE: Final = "merge"
STREAM: Final = "stream"
FETCH: Final = "fetch"
"""The control of the stream: the driver's own way to read them all."""


@dataclass(frozen=True, slots=True)
class Peak:
    """What one way took."""

    way: str
    rows: int
    peak_mb: float
    """Millions of bytes."""


def new_rows(count: int) -> Iterator[NewWhaleTransaction]:
    """Made one by one, as they would come from elsewhere."""
    names = [name for name in NewWhaleTransaction.__struct_fields__ if name in COLUMNS]
    indexes = [COLUMNS.index(name) for name in names]
    for row in make_rows(SEED, count):
        values = {name: row[index] for name, index in zip(names, indexes, strict=True)}
        yield NewWhaleTransaction(**values)


async def merge(target: ConnectionTarget, rows: int) -> int:
    async with whaledb.connect(target, command_timeout_s=STATEMENT_LIMIT_S) as db:
        report = await whale_transactions.merge_rows(db, new_rows(rows))
        return report.inserted


async def stream(target: ConnectionTarget, rows: int) -> int:
    del rows
    count = 0
    async with Database.connect(target, project=MEASURED) as db:
        async for _ in transfers.stream_since_block(db, chain_id=CHAIN_ID, first_block=0):
            count += 1
    return count


async def fetch(target: ConnectionTarget, rows: int) -> int:
    connection = await asyncpg.connect(
        **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
    )
    try:
        return len(await connection.fetch(statements()["list_since_block"].sql, CHAIN_ID, 0, rows))
    finally:
        await connection.close()


WAYS: Final[dict[str, Callable[[ConnectionTarget, int], Awaitable[int]]]] = {
    MERGE: merge,
    STREAM: stream,
    FETCH: fetch,
}


def measure(target: ConnectionTarget, rows: int) -> list[Peak]:
    """Every way in turn, into and from one table; the merge fills it for the others.

    Raises RuntimeError with what a process said that failed.
    """
    return [_measured(target, way, rows) for way in WAYS]


def _measured(target: ConnectionTarget, way: str, rows: int) -> Peak:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory", way, str(rows)],
        env=os.environ | {"DATABASE_URL": target.dbmate_url()},
        capture_output=True,
        text=True,
        timeout=PROCESS_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{way} of {rows} rows failed: {done.stderr.strip()[-500:]}")
    return Peak(**json.loads(done.stdout))


def peak_mb() -> float:
    """The most that this process ever had resident, in millions of bytes."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / KIB_PER_MB


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("rows", type=int)
    options = parser.parse_args()
    target = resolve_target(os.environ["DATABASE_URL"], project=MEASURED.name)
    count = asyncio.run(_run(options.way, target, options.rows))
    if count != options.rows:
        print(f"{count} rows instead of {options.rows}", file=sys.stderr)
        return 1
    print(json.dumps({"way": options.way, "rows": count, "peak_mb": round(peak_mb(), 1)}))
    return 0


async def _run(way: str, target: ConnectionTarget, rows: int) -> int:
    return await WAYS[way](target, rows)


if __name__ == "__main__":
    sys.exit(main())
