"""Forks of made-up chains: which are followed, which are waited out, which are refused."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest

from tests.anvil import running
from tests.following.replays import RETRIES, grown, options, replay, tape
from tests.following.tape import JSON, playing
from tests.ingest.inspection import chain, contents, execute, fetch, value
from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb.ingest.advancing import NodeBehind, ReorganisationRefused
from whaledb.live import FollowOptions, FollowSummary, follow
from whaledb.queries import alerts
from whaledb.rpc import open_node

USER = UUID("00000000-0000-4000-8000-000000000778")

MAIN = grown(range(10, 21), whales={18: "whale"})
LONGER = grown(range(21, 23))


async def followed(
    db: Database, *branches: list[JSON], notices: list[str] | None = None, **changes: object
) -> FollowSummary:
    async with playing(tape(*branches)) as player:
        chosen = options(player, **{"first_number": 10, **changes})
        told = [] if notices is None else notices
        return await replay(db, player, chosen, on_notice=told.append)


async def canonical(db: Database) -> list[str]:
    return [key for _, key, is_canonical in await chain(db) if is_canonical]


def hashes(*branches: list[JSON]) -> list[str]:
    return [made["hash"] for branch in branches for made in branch]


async def events(db: Database) -> list[tuple[UUID, str, bool]]:
    rows = await fetch(db, "SELECT id, block_hash, retracted_at IS NULL FROM alert_events")
    return [(row[0], row[1], row[2]) for row in rows]


async def large_transfers_alerted(db: Database) -> None:
    await execute(db, f"INSERT INTO auth.users (id) VALUES ('{USER}')")
    await alerts.insert(
        db,
        user_id=USER,
        alert_type="large_transfer",
        conditions={"min_value_eth": Decimal(500)},
        enabled=True,
    )


async def test_the_very_same_block_comes_back_with_its_row_and_its_event(db: Database) -> None:
    await large_transfers_alerted(db)
    await followed(db, MAIN)
    [(event, fired_in, _)] = await events(db)
    other = grown(range(17, 22), fork="b")
    away = await followed(db, MAIN, other)
    assert (away.blocks_orphaned, await events(db)) == (4, [(event, fired_in, False)])
    assert await value(db, "SELECT count(*) FROM whale_transfers") == 0

    back = await followed(db, other, MAIN, MAIN + LONGER)
    assert (back.blocks_orphaned, back.blocks_revived, back.alerts_fired) == (5, 4, 0)
    assert await canonical(db) == hashes(MAIN, LONGER)
    assert await events(db) == [(event, fired_in, True)]
    standing = await fetch(db, "SELECT block_hash, orphaned_at FROM whale_transactions")
    assert standing == [(fired_in, None)]


async def test_a_reorganisation_longer_than_a_batch(db: Database) -> None:
    notices: list[str] = []
    deep = grown(range(12, 31), fork="deep", whales={13: "other", 29: "later"})
    summary = await followed(db, MAIN, deep, batch_blocks=4, notices=notices)
    assert (summary.reorganisations, summary.blocks_orphaned) == (1, 9)
    assert await canonical(db) == hashes(MAIN[:2], deep)
    assert await value(db, "SELECT count(*) FROM whale_transfers") == 2
    assert any("9 blocks from 12 to 20 were orphaned" in notice for notice in notices)


async def test_a_stream_whose_block_another_one_orphaned_walks_on_through_what_is_gone(
    db: Database,
) -> None:
    """The other stream's node was on a branch of its own, and ended before it was as high."""
    ours = grown(range(15, 22), parent_fork="", fork="a", whales={17: "ours"})
    theirs = grown(range(15, 31), fork="b", whales={16: "theirs"})
    shared = grown(range(10, 15))
    await followed(db, shared + ours[:-1], stream="a")
    await followed(db, shared + theirs, stream="b", last_number=16, batch_blocks=7)
    assert await canonical(db) == hashes(shared, theirs[:2])
    notices: list[str] = []
    back = await followed(db, shared + ours, stream="a", notices=notices)
    assert (back.blocks_orphaned, back.blocks_revived) == (2, 6)
    assert await canonical(db) == hashes(shared, ours)
    standing = "SELECT block_number FROM whale_transfers"
    assert [row[0] for row in await fetch(db, standing)] == [17]


async def test_a_head_that_another_stream_orphaned_is_taken_back(db: Database) -> None:
    """The node shows nothing new: its head is the cursor's block."""
    await followed(db, MAIN, stream="a")
    await followed(db, MAIN[:8] + grown(range(18, 31), fork="b"), stream="b", last_number=18)
    assert await canonical(db) != hashes(MAIN)
    back = await followed(db, MAIN, stream="a")
    assert (back.blocks_orphaned, back.blocks_revived) == (1, 3)
    assert await canonical(db) == hashes(MAIN)


@pytest.mark.parametrize("last_number", [20, 19])
async def test_the_last_wanted_block_is_stored_again_where_another_stream_orphaned_it(
    db: Database, last_number: int
) -> None:
    await followed(db, MAIN, stream="a", last_number=20)
    other = grown(range(18, 31), fork="b")
    await followed(db, MAIN[:8] + other, stream="b", last_number=21)
    assert await canonical(db) == hashes(MAIN[:8], other[:4])
    back = await followed(db, MAIN + LONGER, stream="a", last_number=last_number)
    assert (back.stored_number, back.blocks_orphaned) == (last_number, 4)
    assert (await canonical(db))[:10] == hashes(MAIN[:10])
    again = await followed(db, MAIN + LONGER, stream="a", last_number=last_number)
    assert (again.stored_number, again.blocks, again.blocks_orphaned) == (last_number, 0, 0)


async def test_a_new_stream_does_not_end_below_where_it_would_begin(db: Database) -> None:
    with pytest.raises(ConfigurationError, match="say where to begin"):
        await followed(db, MAIN, first_number=None, last_number=12)


async def test_a_reorganisation_below_the_first_block_of_the_stream(db: Database) -> None:
    """What the stream began with goes too; what is below it was never read, and is not now."""
    deep = grown(range(5, 23), fork="deep", whales={6: "below", 11: "other"})
    summary = await followed(db, MAIN, deep, batch_blocks=4)
    assert summary.blocks_orphaned == len(MAIN)
    assert await canonical(db) == hashes(deep[5:])
    assert await value(db, "SELECT count(*) FROM whale_transfers") == 1


async def test_nothing_finalised_is_rolled_back(db: Database) -> None:
    async with playing(tape(MAIN)) as player:
        player.tags = {"finalized": 15}
        await replay(db, player, options(player, first_number=10, last_number=20))
    before = await contents(db)
    with pytest.raises(ReorganisationRefused, match="block 15, which is finalised"):
        await followed(db, grown(range(14, 30), fork="b", parent_fork=""))
    assert await contents(db) == before
    # The control: from the block above the finalised one on, it is followed.
    summary = await followed(db, grown(range(16, 30), fork="c"))
    assert summary.blocks_orphaned == 5


async def test_another_genesis_is_no_reorganisation(db: Database) -> None:
    """A development node that was started anew: its chain has the same number."""
    old, new = grown(range(6)), grown(range(9), fork="new")
    await followed(db, old, first_number=0)
    before = await contents(db)
    for head in (1, 6, 9):
        with pytest.raises(ReorganisationRefused, match="another block 0"):
            await followed(db, new[:head], first_number=0)
    assert await contents(db) == before


async def test_a_node_that_lags_is_waited_for(db: Database) -> None:
    await followed(db, MAIN)
    before = await contents(db)
    notices: list[str] = []
    # Two lower heads, one of another branch, then it has caught up.
    other = grown(range(16, 19), fork="b")
    branches = (MAIN[:5], other, MAIN, MAIN + LONGER)
    summary = await followed(db, *branches, notices=notices)
    assert (summary.blocks, summary.blocks_orphaned, summary.waits > 1) == (2, 0, True)
    assert any("nothing was rolled back" in notice for notice in notices)
    assert any(notice.startswith("going on after") for notice in notices)
    after = await contents(db)
    assert after["whale_transactions"] == before["whale_transactions"]


async def test_a_node_that_never_catches_up_is_given_up(db: Database) -> None:
    await followed(db, MAIN)
    before = await contents(db)
    with pytest.raises(NodeBehind, match=r"head is block 14, block 20 is stored.* lags behind"):
        async with playing(tape(MAIN[:5])) as player:
            player.reveal()
            chosen = options(player, first_number=10, give_up_after_s=0.05)
            await replay_without_end(db, player.url, chosen)
    assert await contents(db) == before


async def test_a_node_that_was_started_anew_rolls_nothing_back(db: Database) -> None:
    """Its genesis is of another second: it is another chain with the same number."""
    notices: list[str] = []
    with running("--no-mining") as node:
        node.mine(3)
        async with open_node(node.http_url, poll_interval_s=0.02, retries=RETRIES) as opened:
            chosen = FollowOptions(first_number=0, last_number=3)
            await follow(db, opened, chosen, stop=asyncio.Event())
            before = await contents(db)
            node.kill()
            await asyncio.sleep(1.1)
            node.start()
            node.mine(5)
            with pytest.raises(ReorganisationRefused, match="started anew"):
                await follow(
                    db,
                    opened,
                    FollowOptions(give_up_after_s=5),
                    stop=asyncio.Event(),
                    on_notice=notices.append,
                )
    assert await contents(db) == before


async def test_a_node_whose_chain_was_lost_is_followed_once_it_is_as_high(db: Database) -> None:
    """The genesis is the same: a deep reorganisation, which is said, and nothing is deleted."""
    notices: list[str] = []
    with running("--no-mining", "--timestamp", "1700000000") as node:
        node.mine(3)
        async with open_node(node.http_url, poll_interval_s=0.02, retries=RETRIES) as opened:
            chosen = FollowOptions(first_number=0, last_number=3)
            await follow(db, opened, chosen, stop=asyncio.Event())
            node.kill()
            node.start()
            behind = asyncio.Event()

            def told(notice: str) -> None:
                notices.append(notice)
                if "lags behind" in notice:
                    behind.set()

            following = asyncio.create_task(
                follow(
                    db,
                    opened,
                    FollowOptions(last_number=5),
                    stop=asyncio.Event(),
                    on_notice=told,
                )
            )
            async with asyncio.timeout(30):
                await behind.wait()
                node.call("evm_increaseTime", 100)
                node.mine(5)
                summary = await following
    assert (summary.stored_number, summary.blocks_orphaned) == (5, 3)
    assert any("3 blocks from 1 to 3 were orphaned" in notice for notice in notices)
    assert await value(db, "SELECT count(*) FROM blocks") == 9


async def replay_without_end(db: Database, url: str, chosen: FollowOptions) -> None:
    async with asyncio.timeout(30), open_node(url, poll_interval_s=0.005) as node:
        await follow(db, node, chosen, stop=asyncio.Event())
