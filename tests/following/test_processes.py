"""`whaledb ingest rpc` beside another, paused, ended, killed, and cut off from its server."""

import json
import signal
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest

from tests.following.processes import MAIN, UNCHECKED, WITHOUT_AIOHTTP, Command, command, until
from tests.following.replays import grown, tape
from tests.following.tape import Player, playing
from tests.ingest.inspection import fetch, value
from typedsql.database import Database
from typedsql.settings import ConnectionTarget

LEASE_S = 0.6
LONG_LEASE_S = 30
STARTS_SLOWLY_S = 10
"""Longer than a process takes to start."""
BLOCKS = grown(range(10, 21), whales={18: "whale"})
MORE = grown(range(21, 24), whales={22: "later"})
WAITS_FOR_A_LOCK = """
SELECT count(*) > 0 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
WHERE NOT l.granted AND d.datname = current_database()
"""
TORN = """
SELECT count(*) FROM blocks AS b
WHERE b.number > (SELECT c.number FROM ingest_cursors AS c)
   OR NOT b.complete
"""


@pytest.fixture
async def player() -> AsyncGenerator[Player]:
    async with playing(tape(BLOCKS, MORE)) as player:
        yield player


def following(
    db: Database, player: Player, *more: str, lease_s: float = LEASE_S, program: str = MAIN
) -> AbstractAsyncContextManager[Command]:
    return command(
        db.target,
        *("ingest", "rpc", player.url, "--from", "10", "--poll-interval", "0.01"),
        *("--lease", str(lease_s), *more),
        program=program,
    )


async def until_stored(db: Database, number: int) -> None:
    await until(db, f"SELECT coalesce(max(number), 0) >= {number} FROM blocks")


async def heights(db: Database) -> list[int]:
    return [row[0] for row in await fetch(db, "SELECT number FROM blocks ORDER BY number")]


async def test_of_two_writers_one_works_and_the_other_ends(db: Database, player: Player) -> None:
    # Longer than a busy machine keeps either from its heartbeats.
    async with following(db, player, lease_s=STARTS_SLOWLY_S) as first:
        await until_stored(db, 20)
        async with following(db, player, lease_s=STARTS_SLOWLY_S) as second:
            code, _ = await second.ends()
            assert (code, "Error: stream live of chain 1 is written by" in second.err) == (1, True)
        player.reveal()
        await until_stored(db, 23)
        first.signal(signal.SIGTERM)
        assert (await first.ends())[0] == 0
    assert await heights(db) == list(range(10, 24))
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 2


@pytest.mark.parametrize("program", [MAIN, UNCHECKED], ids=["checked", "control"])
async def test_a_paused_writer_that_was_replaced_writes_nothing(
    db: Database, player: Player, program: str
) -> None:
    """The control goes on writing: the lease alone does not keep it out."""
    async with following(db, player, program=program) as paused:
        await until_stored(db, 20)
        paused.signal(signal.SIGSTOP)
        await until(db, "SELECT count(*) = 0 FROM ingest_claims WHERE expires_at > now()")
        async with following(db, player, lease_s=LONG_LEASE_S) as second:
            await second.says("goes on behind block 20")
            # It holds the claim still, and writes no more: who writes now is the first one.
            second.signal(signal.SIGKILL)
            await second.ends()
        player.reveal()
        paused.signal(signal.SIGCONT)
        if program == UNCHECKED:
            await until_stored(db, 23)
            return
        code, _ = await paused.ends()
    assert (code, "took over while this one was paused" in paused.err) == (1, True)
    assert await heights(db) == list(range(10, 21))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_ended_while_idle(db: Database, player: Player, number: signal.Signals) -> None:
    async with following(db, player, "--json", lease_s=LONG_LEASE_S) as first:
        await until_stored(db, 20)
        first.signal(number)
        code, out = await first.ends()
    assert (code, json.loads(out)["stored_number"]) == (0, 20)
    assert await value(db, "SELECT count(*) FROM ingest_claims") == 0
    async with following(db, player, "--to", "20") as again:
        assert (await again.ends())[0] == 0
    assert "held by" not in again.err


async def test_ended_while_busy(db: Database) -> None:
    blocks = grown(range(10, 1010), whales={number: f"{number}" for number in range(10, 1010)})
    async with playing(tape(blocks)) as player:
        async with following(db, player, "--batch-blocks", "3", lease_s=LONG_LEASE_S) as first:
            await until_stored(db, 20)
            first.signal(signal.SIGTERM)
            code, out = await first.ends()
        stored = await heights(db)
        assert (code, len(stored) < 1000) == (0, True)
        assert f"last block: {stored[-1]}." in out
        assert stored == list(range(10, stored[-1] + 1))
        assert await value(db, "SELECT count(*) FROM whale_transactions") == len(stored)
        assert await value(db, TORN) == 0
        assert await value(db, "SELECT count(*) FROM ingest_claims") == 0


async def test_a_second_signal_ends_it_at_once(
    db: Database, player: Player, connection: asyncpg.Connection
) -> None:
    async with following(db, player) as first:
        await until_stored(db, 20)
        async with connection.transaction():
            await connection.execute("LOCK TABLE public.blocks IN SHARE MODE")
            player.reveal()
            await until(db, WAITS_FOR_A_LOCK)
            first.signal(signal.SIGTERM)
            await first.says("ending once what is being written is (SIGTERM)")
            first.signal(signal.SIGTERM)
            code, _ = await first.ends()
    assert (code, "ended by SIGTERM" in first.err) == (128 + signal.SIGTERM, True)
    assert await heights(db) == list(range(10, 21))


async def test_after_a_kill_the_next_one_waits_for_the_lease(db: Database, player: Player) -> None:
    async with following(db, player, lease_s=STARTS_SLOWLY_S) as first:
        await until_stored(db, 20)
        first.signal(signal.SIGKILL)
        await first.ends()
    player.reveal()
    async with following(db, player, "--to", "23", lease_s=STARTS_SLOWLY_S) as second:
        assert (await second.ends())[0] == 0
    assert "waiting for its claim to expire" in second.err
    assert await heights(db) == list(range(10, 24))


async def test_ended_while_it_waits_for_a_claim(db: Database, player: Player) -> None:
    async with following(db, player, lease_s=LONG_LEASE_S) as first:
        await until_stored(db, 20)
        first.signal(signal.SIGKILL)
        await first.ends()
    async with following(db, player, lease_s=LONG_LEASE_S) as second:
        await second.says("waiting for its claim to expire")
        second.signal(signal.SIGTERM)
        assert (await second.ends())[0] == 0
    # It ended before the claim did, and left it as it was.
    assert await value(db, "SELECT count(*) FROM ingest_claims WHERE expires_at > now()") == 1


async def test_connections_that_the_server_ends_are_survived(
    db: Database, player: Player, connection: asyncpg.Connection, target: ConnectionTarget
) -> None:
    plain = await asyncpg.connect(**target.asyncpg_arguments())
    async with following(db, player, "--to", "23") as follower:
        await until_stored(db, 20)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        player.reveal()
        code, _ = await follower.ends()
    assert code == 0, follower.err
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await plain.fetchval("SELECT 1")
    plain.terminate()
    stored = await connection.fetch("SELECT number FROM public.blocks ORDER BY number")
    assert [row["number"] for row in stored] == list(range(10, 24))


async def test_exit_codes_and_reasons(db: Database, player: Player) -> None:
    async with following(db, player, "--chain-id", "137", "--json") as refused:
        code, out = await refused.ends()
    assert (code, json.loads(out)["error"]["kind"]) == (2, "ConfigurationError")

    async with following(db, player, "--to", "20", "--finalised-depth", "2") as first:
        assert (await first.ends())[0] == 0
    async with (
        playing(tape(grown(range(10, 31), fork="other"))) as other,
        following(db, other) as refused,
    ):
        code, _ = await refused.ends()
    assert (code, "which is finalised: nothing was rolled back" in refused.err) == (1, True)
    assert await heights(db) == list(range(10, 21))


async def test_no_key_in_a_url_is_told(db: Database, player: Player) -> None:
    host = player.url.removeprefix("http://")
    url = f"http://user:passw0rd@{host}/v3/k3y?token=t0ken"
    async with command(db.target, "ingest", "rpc", url, "--debug") as refused:
        code, out = await refused.ends()
    assert (code, host in refused.err) == (1, True)
    for secret in ("passw0rd", "k3y", "t0ken"):
        assert secret not in refused.err + out


async def test_without_aiohttp_it_says_what_to_install(db: Database, player: Player) -> None:
    async with following(db, player, program=WITHOUT_AIOHTTP) as refused:
        code, _ = await refused.ends()
    assert (code, "pip install 'whaledb[rpc]'" in refused.err) == (2, True)
