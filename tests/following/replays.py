"""Runs of `follow` against a player, which goes on to its next head when it may."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from tests.following.tape import JSON, Player, Tape
from tests.ingest.chain import block, transaction
from typedsql.database import Database
from whaledb.ingest.tally import RefusedItem
from whaledb.live import FollowOptions, FollowProgress, FollowSummary, follow
from whaledb.rpc import Retries, open_node

CHAIN = 1
POLL_INTERVAL_S = 0.002
RUN_LIMIT_S = 60.0
RETRIES = Retries(attempts=2, first_backoff_s=0.005)


def grown(
    numbers: range, *, fork: str = "", parent_fork: str = "", whales: dict[int, str] | None = None
) -> list[JSON]:
    """Linked blocks of these heights; a whale of 500 ether by name in those that have one.

    The first one's parent is of `parent_fork`.
    """
    named = whales or {}
    return [
        block(
            number,
            [transaction(named[number], ether=500)] if number in named else [],
            fork=fork,
            parent_fork=parent_fork if number == numbers[0] else fork,
        )
        for number in numbers
    ]


def tape(*branches: list[JSON], heads: list[JSON] | None = None) -> Tape:
    """Of the last block of each branch as a head, in this order, unless told others."""
    return Tape(
        chain_id=CHAIN,
        heads=heads or [branch[-1] for branch in branches],
        blocks=[made for branch in branches for made in branch],
    )


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
    on_refused: Callable[[RefusedItem], None] | None = None,
) -> FollowSummary:
    """Follow the tape from its first head to its last.

    The player goes on once the node is asked again for a head that is stored, or that was
    waited out: nothing came of it since it was last asked for.
    """
    stop = asyncio.Event()
    player.rewind()
    reached: list[str] = []

    def progressed(now: FollowProgress) -> None:
        reached.append(now.stored_hash)
        if on_progress is not None:
            on_progress(now)

    def looked() -> None:
        goes_on = not reached or reached[-1] == player.head["hash"]
        reached.clear()
        if goes_on and not player.reveal():
            stop.set()

    player.on_later_look = looked
    async with asyncio.timeout(RUN_LIMIT_S):
        async with open_node(player.url, poll_interval_s=POLL_INTERVAL_S, retries=RETRIES) as node:
            return await follow(
                db,
                node,
                chosen,
                stop=stop,
                on_progress=progressed,
                on_notice=on_notice,
                on_refused=on_refused,
            )
