"""The example worker as a process: told to stop, it stores all that it has put."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.ingest import worker
from tests.ingest.chain import block, block_hash, lines, transaction
from tests.ingest.inspection import fetch
from typedsql.database import Database
from whaledb.queries import ingest_cursors

LIMIT_S = 60.0
COUNT = 7


async def stopped(
    db: Database, folder: Path, number: signal.Signals, *options: str
) -> tuple[int | None, bytes]:
    """The exit code of a worker that gets a signal while its source is silent; what it says."""
    path = folder / "payloads.ndjson"
    path.write_bytes(
        lines(*[block(n, [transaction(f"t{n}", ether=500)]) for n in range(1, COUNT + 1)])
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        worker.__file__,
        str(path),
        *options,
        env={**os.environ, "DATABASE_URL": db.target.dbmate_url()},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"put\n"
            process.send_signal(number)
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, told


async def stored(db: Database) -> list[int]:
    sql = "SELECT b.number FROM blocks AS b INNER JOIN whale_transactions AS t"
    rows = await fetch(db, f"{sql} ON b.hash = t.block_hash ORDER BY 1")
    return [row[0] for row in rows]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_told_to_stop_stores_what_it_has_put(
    db: Database, tmp_path: Path, number: signal.Signals
) -> None:
    assert await stopped(db, tmp_path, number) == (0, f"{COUNT} stored\n".encode())
    assert await stored(db) == list(range(1, COUNT + 1))
    cursor = await ingest_cursors.get(db, stream=worker.STREAM, chain_id=1)
    assert cursor is not None
    assert (cursor.number, cursor.hash) == (COUNT, block_hash(COUNT))


async def test_without_the_drain_it_loses_what_is_queued(db: Database, tmp_path: Path) -> None:
    """The control: the same worker, with signals left alone."""
    ended = await stopped(db, tmp_path, signal.SIGTERM, "--without-drain")
    assert ended == (-signal.SIGTERM, b"")
    assert await stored(db) == []
