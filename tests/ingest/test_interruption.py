"""A run that is killed, cancelled or loses its connection leaves whole blocks and goes on."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ingest import killed_run
from tests.ingest.chain import block, lines, transaction
from tests.ingest.inspection import execute, fetch, value
from typedsql.database import Database
from typedsql.errors import ConnectionLost
from whaledb.ingest import IngestorLimits, ingest_blocks

WAIT_LIMIT_S = 60.0
POLL_INTERVAL_S = 0.02
GATE = 77_001

PAIRS = IngestorLimits(max_flush_blocks=2, max_age_s=600, retry_limit_s=0)

MADE = [block(n, [transaction(f"t{n}", ether=500)]) for n in range(1, 6)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "blocks.ndjson"
    path.write_bytes(lines(*MADE))
    return path


async def stored(db: Database) -> tuple[list[int], list[int], list[int]]:
    """Heights of the blocks, of the rows, and of the cursor."""
    found = [
        await fetch(db, sql)
        for sql in (
            "SELECT number FROM blocks ORDER BY 1",
            "SELECT block_number FROM whale_transactions ORDER BY 1",
            "SELECT number FROM ingest_cursors",
        )
    ]
    blocks, rows, cursor = ([row[0] for row in table] for table in found)
    return blocks, rows, cursor


async def at_second_pair(db: Database, action: str) -> None:
    """Has the server do something when the cursor goes past the third block, after its rows."""
    await execute(
        db,
        "CREATE FUNCTION at_second_pair() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF new.number >= 3 THEN PERFORM {action}; END IF; RETURN new; END $$;"
        " CREATE TRIGGER at_second_pair BEFORE INSERT OR UPDATE ON ingest_cursors"
        " FOR EACH ROW EXECUTE FUNCTION at_second_pair()",
    )


async def until(reached: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_LIMIT_S):
        while not await reached():  # noqa: ASYNC110 - another process has no Event
            await asyncio.sleep(POLL_INTERVAL_S)


@asynccontextmanager
async def gate(db: Database) -> AsyncGenerator[None, None]:
    """Closed while the block runs: whoever comes to the second pair waits there."""
    await at_second_pair(db, f"pg_advisory_xact_lock({GATE})")
    async with db.connection() as connection:
        await connection.execute(f"SELECT pg_advisory_lock({GATE})")
        try:
            yield
        finally:
            await connection.execute(f"SELECT pg_advisory_unlock({GATE})")


async def waiting_at_gate(db: Database) -> bool:
    sql = (
        "SELECT count(*) FROM pg_locks AS l INNER JOIN pg_database AS d ON l.database = d.oid"
        " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
    )
    return bool(await value(db, sql + " AND l.objid = $1", GATE))


async def gone(db: Database) -> bool:
    """Whether the server has noticed that the killed run is."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    return not await value(db, sql + " AND application_name = $1", killed_run.NAME)


async def kill_in_second_pair(db: Database, path: Path, *options: str) -> None:
    async with gate(db):
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            killed_run.__file__,
            str(path),
            "2",
            *options,
            env={**os.environ, "DATABASE_URL": db.target.dbmate_url()},
        )

        async def arrived() -> bool:
            assert run.returncode is None, "the run ended before it could be killed"
            return await waiting_at_gate(db)

        await until(arrived)
        run.kill()
        assert await run.wait() == -signal.SIGKILL
    await until(lambda: gone(db))


async def test_a_killed_run_leaves_whole_blocks_and_goes_on(db: Database, source: Path) -> None:
    await kill_in_second_pair(db, source)
    assert await stored(db) == ([1, 2], [1, 2], [2])
    summary = await ingest_blocks(db, [source])
    assert (summary.transactions_written, summary.already_present) == (3, 2)
    assert await stored(db) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [5])


async def test_without_a_transaction_a_killed_run_leaves_blocks_without_cursor(
    db: Database, source: Path
) -> None:
    """The control: the second pair is stored, and its stream's cursor knows nothing of it."""
    await kill_in_second_pair(db, source, "--without-transactions")
    blocks, rows, _ = await stored(db)
    assert (blocks, rows) == ([1, 2, 3, 4], [1, 2, 3, 4])


async def test_a_lost_connection_leaves_whole_blocks(db: Database, source: Path) -> None:
    await at_second_pair(db, "pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ConnectionLost):
        await ingest_blocks(db, [source], limits=PAIRS)
    assert await stored(db) == ([1, 2], [1, 2], [2])
    await execute(db, "DROP TRIGGER at_second_pair ON ingest_cursors")
    summary = await ingest_blocks(db, [source])
    assert (summary.transactions_written, summary.already_present) == (3, 2)


async def test_a_cancelled_run_leaves_whole_blocks(db: Database, source: Path) -> None:
    async with gate(db):
        run = asyncio.create_task(ingest_blocks(db, [source], limits=PAIRS))
        await until(lambda: waiting_at_gate(db))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert await stored(db) == ([1, 2], [1, 2], [2])


async def test_a_run_on_a_silent_pipe_can_be_cancelled(db: Database, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    # Opened for both, so that neither end waits for the other.
    held_open = os.open(fifo, os.O_RDWR)
    try:
        os.write(held_open, lines(MADE[0]))
        run = asyncio.create_task(ingest_blocks(db, [fifo]))
        await until(lambda: value(db, "SELECT count(*) FROM blocks"))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(run, WAIT_LIMIT_S)
    finally:
        with contextlib.suppress(OSError):
            os.write(held_open, b"\n")
        os.close(held_open)
    assert await stored(db) == ([1], [1], [1])


async def test_the_event_loop_goes_on_while_a_pipe_is_silent(db: Database, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    held_open = os.open(fifo, os.O_RDWR)
    run = asyncio.create_task(ingest_blocks(db, [fifo]))
    for made in MADE[:2]:
        # Each block is asked for and answered on the loop that the run would else block.
        os.write(held_open, lines(made))
        await until(
            lambda made=made: value(db, "SELECT count(*) FROM blocks WHERE hash = $1", made["hash"])
        )
    os.close(held_open)
    summary = await asyncio.wait_for(run, WAIT_LIMIT_S)
    assert summary.blocks == 2
