"""The campaigns of `python -m tests.soak` in small, each beside its control."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest

from tests.databases import Databases
from tests.soak import bad_rows, batch_kills, server_kills, transaction_kills
from tests.soak.killable_server import KillableServer, open_killable
from typedsql.settings import ConnectionTarget

SEED = 20261123
LIMIT_S = 120.0
# Nobody else writes the log to disk before the kill.
QUIET = {"wal_writer_delay": "10s", "autovacuum": "off"}
UNSYNCED = 100

Run = Callable[..., Coroutine[Any, Any, Any]]


async def in_a_fresh_one(databases: Databases, campaign: Run, **arguments: Any) -> Any:
    async with databases.fresh(await databases.template()) as target:
        return await asyncio.wait_for(campaign(target, seed=SEED, **arguments), LIMIT_S)


async def test_killed_backends_under_coalesced_calls(target: ConnectionTarget) -> None:
    """That the driver hangs is tested in tests/engine/test_bulk_faults.py."""
    outcome = await asyncio.wait_for(batch_kills.campaign(target, seed=SEED, kills=4), LIMIT_S)
    assert outcome.wrong == []
    assert outcome.failed > 0
    assert outcome.acknowledged > 0


async def test_killed_backends_under_transaction_functions(databases: Databases) -> None:
    ours = await in_a_fresh_one(databases, transaction_kills.campaign, kills=3)
    assert (ours.wrong, ours.failed) == ([], 0)
    control = await in_a_fresh_one(
        databases, transaction_kills.campaign, kills=3, run=transaction_kills.run_once
    )
    assert control.failed > 0


async def test_bad_rows_among_coalesced_inserts(databases: Databases) -> None:
    ours = await in_a_fresh_one(databases, bad_rows.campaign, count=600)
    assert ours.wrong == []
    assert ours.refused == ours.bad == 6
    control = await in_a_fresh_one(databases, bad_rows.unsplit, count=600)
    assert control.innocent > 0


@pytest.mark.skipif(sys.platform != "linux", reason="finds a server's processes in /proc")
async def test_a_killed_server_loses_nothing_that_was_acknowledged() -> None:
    async with open_killable(settings=QUIET) as server:
        outcome = await asyncio.wait_for(server_kills.campaign(server, seed=SEED, kills=1), LIMIT_S)
        assert outcome.wrong == []
        assert all(outcome.acknowledged.values())
        # The control: what was acknowledged without being synced is lost by the same kill.
        assert await kept_of_unsynced(server) < UNSYNCED


async def kept_of_unsynced(server: KillableServer) -> int:
    """How many are there of rows that were acknowledged before a kill, but not synced."""
    arguments = server.target.asyncpg_arguments()
    connection = await asyncpg.connect(**arguments)
    await connection.execute("CREATE TABLE public.unsynced (number BIGINT)")
    await connection.execute("SET synchronous_commit = off")
    for number in range(UNSYNCED):
        await connection.execute("INSERT INTO public.unsynced VALUES ($1)", number)
    await asyncio.to_thread(server.kill)
    connection.terminate()
    await server.start()
    connection = await asyncpg.connect(**arguments)
    try:
        kept: int = await connection.fetchval("SELECT count(*) FROM public.unsynced")
    finally:
        await connection.close()
    return kept
