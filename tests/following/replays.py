"""Runs of `follow` against a player, which goes on to its next head when it may."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from tests.following.tape import Player
from typedsql.database import Database
from whaledb.live import FollowOptions, FollowProgress, FollowSummary, follow
from whaledb.rpc import open_node

POLL_INTERVAL_S = 0.002
RUN_LIMIT_S = 60.0


def options(player: Player, **changes: object) -> FollowOptions:
    first = int(player.tape.heads[0]["number"], 16)
    chosen: dict[str, object] = {"first_number": first, "min_value_eth": Decimal(0), **changes}
    return FollowOptions(**chosen)  # type: ignore[arg-type]


async def replay(
    db: Database,
    player: Player,
    chosen: FollowOptions,
    *,
    on_progress: Callable[[FollowProgress], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> FollowSummary:
    """Follow the tape from its first head to its last.

    A head has been looked at once the node is asked for its head a second time: what it
    showed is stored by then, or waited out.
    """
    stop = asyncio.Event()
    player.rewind()
    player.on_second_look = lambda: None if player.reveal() else stop.set()
    async with asyncio.timeout(RUN_LIMIT_S):
        async with open_node(player.url, poll_interval_s=POLL_INTERVAL_S) as node:
            return await follow(
                db, node, chosen, stop=stop, on_progress=on_progress, on_notice=on_notice
            )
