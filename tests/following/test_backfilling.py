"""Gaps filled from a node: bounded, resumed, beside a follower, and never against the chain."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator

import pytest

from tests.following.processes import command, until
from tests.following.replays import CHAIN, RETRIES, RUN_LIMIT_S, grown, replay, tape
from tests.following.tape import JSON, Player, playing
from tests.ingest.chain import block
from tests.ingest.inspection import chain, fetch, value
from typedsql.database import Database
from whaledb.live import (
    BackfillOptions,
    BackfillSummary,
    FollowOptions,
    backfill,
    backfilling,
    follow,
)
from whaledb.live.fetching import BlockUnreadable
from whaledb.queries import blocks
from whaledb.rpc import open_node

BLOCKS = grown(range(10, 61), whales={12: "low", 30: "amid", 59: "high"})
FIRST_GAP = list(range(14, 58))
UNLINKED = """
SELECT count(*) FROM blocks AS b JOIN blocks AS below
ON below.chain_id = b.chain_id AND below.number = b.number - 1 AND below.canonical
WHERE b.canonical AND b.parent_hash <> below.hash
"""


@pytest.fixture
async def player() -> AsyncGenerator[Player]:
    async with playing(tape(BLOCKS)) as player:
        yield player


async def ends_stored(db: Database, player: Player) -> None:
    """Blocks 10 to 13 and 58 to 60, as a stream leaves them and another one began."""
    for stream, first, last in (("first", 10, 13), ("second", 58, 60)):
        async with open_node(player.url, retries=RETRIES) as node:
            chosen = FollowOptions(stream=stream, first_number=first, last_number=last)
            await follow(db, node, chosen, stop=asyncio.Event())


async def filled(
    db: Database, player: Player, *, notices: list[str] | None = None, **options: int
) -> BackfillSummary:
    async with asyncio.timeout(RUN_LIMIT_S), open_node(player.url, retries=RETRIES) as node:
        return await backfill(
            db,
            node,
            BackfillOptions(**{"batch_blocks": 7, **options}),
            stop=asyncio.Event(),
            on_notice=[].append if notices is None else notices.append,
        )


async def missing(db: Database, first: int = 10, last: int = 60) -> list[int]:
    ranges = await blocks.list_missing_ranges(
        db, chain_id=CHAIN, first_number=first, last_number=last, max_rows=1000
    )
    return [n for gap in ranges for n in range(gap.first_number, gap.last_number + 1)]


async def test_a_gap_is_filled_in_pieces(db: Database, player: Player) -> None:
    await ends_stored(db, player)
    cursors = await fetch(db, "SELECT * FROM ingest_cursors ORDER BY stream")
    assert await missing(db) == FIRST_GAP
    summary = await filled(db, player, max_blocks=10)
    assert (summary.blocks, await missing(db)) == (10, FIRST_GAP[10:])
    rest = await filled(db, player)
    assert (rest.blocks, rest.transactions_written, await missing(db)) == (34, 1, [])
    assert await value(db, UNLINKED) == 0
    assert (await filled(db, player)).blocks == 0
    assert await fetch(db, "SELECT * FROM ingest_cursors ORDER BY stream") == cursors


@pytest.mark.parametrize(
    ("lacking", "apart"), [(range(0), 13), (range(25), 58)], ids=["whole", "pruned"]
)
async def test_a_node_on_another_chain_fills_nothing_of_a_gap(
    db: Database,
    player: Player,
    monkeypatch: pytest.MonkeyPatch,
    lacking: range,
    apart: int,
) -> None:
    """Also not within it, where no stored block is next to one that contradicts it."""
    monkeypatch.setattr(backfilling, "MOVED_DELAY_S", 0.001)
    await ends_stored(db, player)
    before = await chain(db)
    notices: list[str] = []
    async with playing(tape(grown(range(10, 61), fork="other"))) as other:
        other.lacking = lacking
        summary = await filled(db, other, notices=notices)
    assert (summary.blocks, summary.conflicts) == (0, 44)
    assert [
        notice for notice in notices if f"does not meet the stored one at block {apart}" in notice
    ]
    assert await chain(db) == before


async def test_a_chain_that_changes_within_a_gap_ends_it_there(
    db: Database, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ends are those of the stored chain, as a node may give that has a broken block."""
    monkeypatch.setattr(backfilling, "MOVED_DELAY_S", 0.001)
    await ends_stored(db, player)
    player.spoiled = {14: block(14, fork="other", parent_fork="other")}
    summary = await filled(db, player)
    assert (summary.blocks, summary.conflicts) == (6, 44)
    assert await missing(db) == [14, *range(21, 58)]


async def test_what_the_node_lacks_stays_missing_and_the_rest_is_filled(
    db: Database, player: Player
) -> None:
    await ends_stored(db, player)
    player.lacking = range(25)
    notices: list[str] = []
    summary = await filled(db, player, notices=notices)
    assert (summary.blocks, summary.missing_at_node) == (33, 11)
    assert await missing(db) == list(range(14, 25))
    assert [notice for notice in notices if "does not have 11 of blocks 14 to 57" in notice]


async def test_what_the_node_lacks_does_not_use_up_how_much_may_be_filled(
    db: Database, player: Player
) -> None:
    """Else each run of so many blocks would try the same ones and never come to the others."""
    await ends_stored(db, player)
    player.lacking = range(25)
    summary = await filled(db, player, max_blocks=5)
    assert (summary.blocks, summary.missing_at_node) == (5, 11)
    assert await missing(db) == [*range(14, 25), *range(30, 58)]


async def test_a_block_that_cannot_be_read_stops_it_there(db: Database, player: Player) -> None:
    await ends_stored(db, player)
    player.spoiled = {24: block(24, timestamp="soon")}
    with pytest.raises(BlockUnreadable, match="block 24"):
        await filled(db, player)
    assert await missing(db) == list(range(24, 58))


async def test_beside_a_follower_that_reorganises(db: Database) -> None:
    """The gap reaches up to where the follower began, which the chain leaves meanwhile."""
    low = grown(range(10, 201), whales={100: "amid"})
    forks: list[list[JSON]] = [
        grown(range(190, 202 + n), fork=f"{n}", whales={195: f"w{n}"}) for n in range(4)
    ]
    async with playing(tape(low, *forks)) as player:
        async with open_node(player.url, retries=RETRIES) as node:
            start = FollowOptions(stream="old", first_number=10, last_number=12)
            await follow(db, node, start, stop=asyncio.Event())
        chosen = FollowOptions(first_number=195)
        following = asyncio.create_task(replay(db, player, chosen))
        await until(db, "SELECT count(*) = 1 FROM blocks WHERE number = 200 AND canonical")
        await filled(db, player, last_number=194)
        summary = await following
        await filled(db, player, last_number=204)
        tip = player.head["hash"]
    assert summary.reorganisations >= 4
    assert await missing(db, last=204) == []
    assert await value(db, UNLINKED) == 0
    stored = [key for _, key, is_canonical in await chain(db) if is_canonical]
    assert (len(stored), stored[-1]) == (195, tip)


async def test_killed_and_started_again_it_goes_on(db: Database) -> None:
    long = grown(range(10, 311), whales={number: f"{number}" for number in range(10, 311)})
    async with playing(tape(long)) as player:
        for stream, first in (("first", 10), ("second", 310)):
            async with open_node(player.url) as node:
                chosen = FollowOptions(stream=stream, first_number=first, last_number=first)
                await follow(db, node, chosen, stop=asyncio.Event())
        words = ("backfill", "--rpc", player.url, "--json")
        async with command(db.target, *words, "--batch-blocks", "3") as killed:
            await until(db, "SELECT count(*) >= 20 FROM blocks")
            killed.signal(signal.SIGKILL)
            assert (await killed.ends())[0] == -signal.SIGKILL
        left = len(await missing(db, last=310))
        assert left > 0
        assert await value(db, "SELECT count(*) FROM blocks") == await value(
            db, "SELECT count(*) FROM whale_transactions"
        )
        async with command(db.target, *words) as again:
            code, out = await again.ends()
        assert (code, json.loads(out)["blocks"]) == (0, left)
    async with command(db.target, "gaps", "--json") as gaps:
        code, out = await gaps.ends()
    assert (code, json.loads(out)["blocks"]) == (0, [])


async def test_the_command_tells_of_conflicts(db: Database, player: Player) -> None:
    await ends_stored(db, player)
    async with playing(tape(grown(range(10, 61), fork="other"))) as other:
        words = ("backfill", "--rpc", other.url)
        async with command(db.target, *words) as wrong:
            code, out = await wrong.ends()
    assert (code, "Blocks filled: 0; in conflict: 44, not at the node: 0." in out) == (1, True)
    assert "one of the two is not of the chain" in wrong.err


async def test_what_a_conflict_advises_makes_the_chain_the_node_s(
    db: Database, player: Player
) -> None:
    """Below a gap a branch is stored that the node left: nothing above the gap tells of it."""
    old = grown(range(10, 14), fork="old")
    async with playing(tape(old)) as before:
        await replay(db, before, FollowOptions(stream="first", first_number=10))
    chosen = FollowOptions(stream="second", first_number=58, last_number=60)
    async with open_node(player.url, retries=RETRIES) as node:
        await follow(db, node, chosen, stop=asyncio.Event())
    notices: list[str] = []
    assert (await filled(db, player, notices=notices)).conflicts == len(FIRST_GAP)
    [notice] = notices
    advised = notice.split("`")[1].removeprefix("whaledb ").split()
    async with command(db.target, *advised[:2], player.url, *advised[2:]) as repair:
        code, _ = await repair.ends()
    assert (code, await missing(db), await value(db, UNLINKED)) == (0, [], 0)
    canonical = [key for _, key, is_canonical in await chain(db) if is_canonical]
    assert canonical == [made["hash"] for made in BLOCKS]
