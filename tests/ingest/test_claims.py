"""One writer to a stream: the second ends with an error, and so does one that was replaced."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.databases import ROOT
from tests.ingest import claim_run
from tests.ingest.chain import block
from tests.ingest.inspection import execute, fetch, value
from tests.ingest.reading import CHAIN, STREAM, read, writing
from tests.queries.locks import waits_for_lock
from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb.ingest.claims import Claim, StreamTaken, claimed
from whaledb.queries import ingest_claims
from whaledb.rows import HeldClaim

WAIT_LIMIT_S = 60.0
LEASE_S = 1.5
LONG_LEASE_S = 600.0
OVER_S = -1.0
"""A lease that is over as it is given."""
NAMED = {"stream": STREAM, "chain_id": CHAIN}


class Writer:
    """`claim_run.py` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hears(self, text: str = "go\n") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        await self._process.stdin.drain()

    async def says(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_LIMIT_S):
            return (await self._process.stdout.readline()).decode().strip()

    async def writes(self) -> str:
        await self.hears()
        return await self.says()

    async def complains(self) -> str:
        assert self._process.stderr is not None
        async with asyncio.timeout(WAIT_LIMIT_S):
            return (await self._process.stderr.read()).decode()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), WAIT_LIMIT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def running(db: Database, *arguments: object) -> AsyncGenerator[Writer, None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        claim_run.__file__,
        *[str(argument) for argument in arguments],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "DATABASE_URL": db.target.dbmate_url(),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        },
    )
    made = Writer(process)
    try:
        yield made
    finally:
        await made.end()


async def heights(db: Database) -> list[int]:
    return [row[0] for row in await fetch(db, "SELECT number FROM blocks ORDER BY number")]


async def test_of_two_writers_one_works_and_the_other_ends(db: Database) -> None:
    async with running(db, LEASE_S, 1) as first:
        assert await first.says() == "claimed"
        assert await first.writes() == "wrote 1"
        async with running(db, LEASE_S, 2) as second:
            assert await second.says() == "StreamTaken"
            said = await second.complains()
            assert f"stream {STREAM} of chain 1 is written by " in said
        assert await first.writes() == "wrote 2"
    assert await heights(db) == [1, 2]
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 2
    # It ended cleanly, so nobody waits for its lease.
    assert await ingest_claims.get(db, **NAMED) is None


async def test_a_paused_writer_that_was_replaced_writes_nothing(db: Database) -> None:
    async with running(db, LEASE_S, 1) as paused:
        assert await paused.says() == "claimed"
        assert await paused.writes() == "wrote 1"
        paused.signal(signal.SIGSTOP)
        async with running(db, LEASE_S, 2) as second:
            assert await second.says() == "claimed"
            assert await second.writes() == "wrote 2"
            paused.signal(signal.SIGCONT)
            assert await paused.writes() == "StreamTaken"
            assert "another writer" in await paused.complains()
            assert await second.writes() == "wrote 3"
    assert await heights(db) == [1, 2, 3]


async def test_without_the_check_a_paused_writer_goes_on_beside_the_other(db: Database) -> None:
    """The control: a lease alone does not keep it out."""
    async with running(db, LEASE_S, 1, "--unchecked") as paused:
        assert await paused.says() == "claimed"
        assert await paused.writes() == "wrote 1"
        paused.signal(signal.SIGSTOP)
        async with running(db, LEASE_S, 2) as second:
            assert await second.says() == "claimed"
            paused.signal(signal.SIGCONT)
            assert await paused.writes() == "wrote 2"
            assert await second.writes() == "wrote 2"


async def test_a_writer_paused_within_a_transaction_is_ended_by_the_server(db: Database) -> None:
    """It has the claim's row locked: the other waits, until the server's patience ends."""
    async with running(db, LEASE_S, 1, "--pause-inside", "--idle-limit", 3) as paused:
        assert await paused.says() == "claimed"
        assert await paused.writes() == "inside"
        paused.signal(signal.SIGSTOP)
        async with running(db, 30, 1) as second:
            assert await second.says() == "claimed"
            assert await second.writes() == "wrote 1"
            paused.signal(signal.SIGCONT)
            # Its connection is lost, and its transaction, run again, finds the claim taken.
            assert await paused.writes() == "StreamTaken"
    assert await heights(db) == [1]


async def test_heartbeats_keep_an_idle_stream(db: Database) -> None:
    told: list[HeldClaim] = []
    async with claimed(db, **NAMED, lease_s=LEASE_S) as claim:
        await asyncio.sleep(1.5 * LEASE_S)
        with pytest.raises(StreamTaken) as refusal:
            async with claimed(db, **NAMED, lease_s=5, on_wait=told.append):
                raise AssertionError("two hold one stream")
        assert [held.fencing_token for held in told] == [claim.fencing_token]
        assert told[0].holder in str(refusal.value)
        async with claimed(db, stream=STREAM, chain_id=137, lease_s=0.6):
            pass
    async with claimed(db, **NAMED) as later:
        assert later.fencing_token > claim.fencing_token


async def test_what_a_dead_writer_left_is_waited_for(db: Database) -> None:
    token = await ingest_claims.claim(db, **NAMED, holder="dead:1", lease_s=1)
    told: list[HeldClaim] = []
    async with claimed(db, **NAMED, lease_s=5, on_wait=told.append) as claim:
        assert [held.holder for held in told] == ["dead:1"]
        assert token is not None
        assert claim.fencing_token > token
    await ingest_claims.claim(db, **NAMED, holder="dead:1", lease_s=60)
    with pytest.raises(StreamTaken):
        async with claimed(db, **NAMED, lease_s=0.3):
            raise AssertionError("the lease had not expired")


async def test_a_lost_claim_is_noticed_by_a_heartbeat_and_stays_lost(db: Database) -> None:
    async with claimed(db, **NAMED, lease_s=0.6) as claim:
        await execute(db, "UPDATE ingest_claims SET fencing_token = fencing_token + 1000")
        async with asyncio.timeout(WAIT_LIMIT_S):
            await claim.wait_lost()
        with pytest.raises(StreamTaken):
            async with db.transaction() as tx:
                await claim.renew(tx)
    # It was not its own to release.
    assert await ingest_claims.get(db, **NAMED) is not None


@pytest.mark.parametrize("renewed_at_end", [True, False])
async def test_a_long_transaction_renews_again_to_keep_the_stream(
    db: Database, renewed_at_end: bool
) -> None:
    """Who waits for the row finds the claim alive; without the second renewal, expired.

    Without heartbeats, which would renew it as soon as the row is free.
    """
    token = await ingest_claims.claim(db, **NAMED, holder="first:1", lease_s=LONG_LEASE_S)
    assert token is not None
    claim = Claim(db, **NAMED, lease_s=OVER_S, fencing_token=token)
    async with db.transaction() as tx:
        await claim.renew(tx)
        other = asyncio.create_task(
            ingest_claims.claim(db, **NAMED, holder="other:1", lease_s=LONG_LEASE_S)
        )
        await waits_for_lock(db, other)
        if renewed_at_end:
            claim.lease_s = LONG_LEASE_S
            await claim.renew(tx)
    assert (await other is None) == renewed_at_end


async def test_a_refused_write_of_a_lost_claim_leaves_nothing(db: Database) -> None:
    async with writing(db) as writer:
        await execute(db, "UPDATE ingest_claims SET fencing_token = fencing_token + 1000")
        with pytest.raises(StreamTaken):
            await writer.advance([read(block(1))], head_number=1)
    assert await heights(db) == []


@pytest.mark.parametrize("lease_s", [0, -1, float("nan"), float("inf"), 3601])
async def test_a_lease_that_is_no_time_is_refused(db: Database, lease_s: float) -> None:
    with pytest.raises(ConfigurationError):
        async with claimed(db, **NAMED, lease_s=lease_s):
            raise AssertionError("it was taken")
