"""A follower in a process of its own, killed at random moments of a recorded session.

The tape goes on to its next head once the follower has stored the one before, so that each
run sees the same heads however often it was killed; what is left in the end has to be what
an undisturbed run leaves.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import asyncpg

from tests.following.tape import Player, Tape
from typedsql.settings import ConnectionTarget

POLL_INTERVAL_S = 0.002
STEP_LIMIT_S = 60.0
LEASE_S = 0.2
MAX_MOMENT_S = 0.04
CLOCKS = "{id,created_at,updated_at,orphaned_at,fired_at,retracted_at,priced_at}"
TABLES = ("blocks", "whale_transactions", "alert_events", "ingest_cursors", "dead_letters")

# For large transfers, and for whoever sent the first transaction of the orphaned block.
ALERTS = """
INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO public.alerts (id, user_id, alert_type, conditions) VALUES (
    '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001',
    'large_transfer', '{{"min_value_eth": 0.01}}'
), (
    '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000001',
    'address_activity', '{{"address": "{address}"}}'
);
"""

Content = dict[str, list[str]]


async def content(connection: asyncpg.Connection) -> Content:
    """Every row of what following writes, without ids and clock times.

    Whether a row is orphaned or retracted is told by whether it has that time.
    """
    found: Content = {}
    for table in TABLES:
        sql = (
            f"SELECT jsonb_build_array(to_jsonb(t) - '{CLOCKS}'::TEXT[],"
            " to_jsonb(t) ->> 'orphaned_at' IS NULL, to_jsonb(t) ->> 'retracted_at' IS NULL)::TEXT"
            f" AS content FROM public.{table} AS t ORDER BY content"
        )
        found[table] = [row["content"] for row in await connection.fetch(sql)]
    return found


@asynccontextmanager
async def follower(
    target: ConnectionTarget, player: Player
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`whaledb ingest rpc` on the player, killed when the block ends if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from whaledb.cli import main; main()",
        *("ingest", "rpc", player.url, "--from", str(int(player.tape.heads[0]["number"], 16))),
        *("--min-value-eth", "0", "--poll-interval", "0.005", "--lease", str(LEASE_S)),
        env={**os.environ, "DATABASE_URL": target.dbmate_url()},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def orphaned_sender(tape: Tape) -> str:
    """Who sent the first transaction of a block that is not in the final chain."""
    final = {block["hash"] for block in tape.chain(tape.heads[-1]).values()}
    orphan = next(block for key, block in tape.blocks.items() if key not in final)
    return str(orphan["transactions"][0]["from"])


async def stored_head(connection: asyncpg.Connection) -> str | None:
    found: str | None = await connection.fetchval("SELECT hash FROM public.ingest_cursors")
    return found


async def play(connection: asyncpg.Connection, player: Player) -> None:
    """Turns the tape for ever, each head once the one before is stored."""
    while True:
        if await stored_head(connection) == player.head["hash"] and not player.reveal():
            return
        await asyncio.sleep(POLL_INTERVAL_S)


async def undisturbed(target: ConnectionTarget, player: Player) -> Content:
    """What a run leaves that nobody kills."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await connection.execute(ALERTS.format(address=orphaned_sender(player.tape)))
        player.rewind()
        async with asyncio.timeout(STEP_LIMIT_S), follower(target, player):
            await play(connection, player)
        return await content(connection)
    finally:
        await connection.close()


async def killed(
    target: ConnectionTarget, player: Player, *, kills: int, rng: random.Random
) -> tuple[Content, list[int]]:
    """What is left after so many kills and one last run; and the heads at which they hit."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    positions: list[int] = []
    player.rewind()
    heads = len(player.tape.heads)
    try:
        await connection.execute(ALERTS.format(address=orphaned_sender(player.tape)))
        for kill in range(kills):
            # Spread over the tape, so that no run is through before the last kill.
            wanted = min(heads - 2, round((kill + rng.random()) * (heads - 2) / kills))
            async with asyncio.timeout(STEP_LIMIT_S), follower(target, player) as process:
                turning = asyncio.create_task(play(connection, player))
                while player.position < wanted:  # noqa: ASYNC110 - another process has no Event
                    await asyncio.sleep(POLL_INTERVAL_S)
                await asyncio.sleep(rng.uniform(0, MAX_MOMENT_S))
                process.kill()
                await process.wait()
                turning.cancel()
                with suppress(asyncio.CancelledError):
                    await turning
            positions.append(player.position)
        async with asyncio.timeout(STEP_LIMIT_S), follower(target, player):
            await play(connection, player)
        return await content(connection), positions
    finally:
        await connection.close()
