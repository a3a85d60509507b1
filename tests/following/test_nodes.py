"""What a node may lack, say late or say wrong, and how settled blocks become."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.anvil import running
from tests.following.replays import RETRIES, RUN_LIMIT_S, grown, options, replay, tape
from tests.following.tape import Player, playing, served
from tests.following.test_whale_on_anvil import followed as followed_node
from tests.following.test_whale_on_anvil import until_stored
from tests.ingest.chain import block, receipt, transaction
from tests.ingest.contracts import CODE, FORWARDS, RECEIVES
from tests.ingest.inspection import chain, execute, fetch, letters
from typedsql.database import Database
from typedsql.errors import ConfigurationError, ConnectionLost
from whaledb.ingest.claims import Claim
from whaledb.ingest.tally import RefusedItem
from whaledb.live import (
    BackfillOptions,
    BackfillSummary,
    FollowOptions,
    FollowProgress,
    FollowSummary,
    backfill,
    follow,
)
from whaledb.live.fetching import BlockUnreadable
from whaledb.rpc import NodeUnavailable, open_node

BLOCKS = grown(range(10, 21), whales={18: "whale"})
FINALITIES = "SELECT finality, min(number), max(number) FROM blocks GROUP BY finality ORDER BY 2"


async def run(
    db: Database,
    player: Player,
    *,
    stop: asyncio.Event | None = None,
    on_notice: Callable[[str], None] | None = None,
    on_progress: Callable[[FollowProgress], None] | None = None,
    **changes: object,
) -> FollowSummary:
    """Follows the player's head as it is, until block 20 is stored unless told otherwise."""
    chosen = options(player, **{"first_number": 10, "last_number": 20, **changes})
    async with asyncio.timeout(RUN_LIMIT_S):
        async with open_node(player.url, poll_interval_s=0.005, retries=RETRIES) as node:
            return await follow(
                db,
                node,
                chosen,
                stop=stop or asyncio.Event(),
                on_notice=on_notice,
                on_progress=on_progress,
            )


async def numbers(db: Database) -> list[int]:
    return [number for number, _, _ in await chain(db)]


async def test_a_node_of_another_chain_is_refused(db: Database) -> None:
    async with playing(tape(BLOCKS)) as player:
        with pytest.raises(ConfigurationError, match="of chain 1, not of chain 137"):
            await run(db, player, chain_id=137)
    assert await numbers(db) == []


async def test_a_node_that_was_replaced_by_one_of_another_chain_changes_nothing(
    db: Database,
) -> None:
    async with playing(tape(BLOCKS)) as player:
        await run(db, player)
        seen = await chain(db)
        other = tape(BLOCKS, grown(range(10, 31), fork="of another chain"))
    async with playing(other) as player:
        player.reveal()

        def replaced(_: str) -> None:
            other.chain_id = 137

        with pytest.raises(ConfigurationError, match="of chain 137, not of chain 1"):
            await run(db, player, last_number=30, on_notice=replaced)
    assert await chain(db) == seen


async def test_a_first_block_above_the_head_is_waited_for(db: Database) -> None:
    notices: list[str] = []
    heads = [BLOCKS[3], BLOCKS[-1]]
    async with playing(tape(BLOCKS, heads=heads)) as player:
        await replay(db, player, options(player, first_number=15), on_notice=notices.append)
    assert await numbers(db) == [15, 16, 17, 18, 19, 20]
    assert notices[0] == "the node's head is block 13: waiting for block 15"


async def test_following_ends_at_the_last_wanted_block_and_goes_on_behind_it(
    db: Database,
) -> None:
    notices: list[str] = []
    async with playing(tape(BLOCKS)) as player:
        first = await run(db, player, last_number=14, batch_blocks=3)
        assert (first.stored_number, await numbers(db)) == (14, list(range(10, 15)))
        again = await run(db, player, last_number=14)
        assert (again.blocks, again.stored_number) == (0, 14)
        # Where a stream began counts for new ones only, which is said.
        await run(db, player, first_number=0, last_number=16, on_notice=notices.append)
    assert notices == ["stream live goes on behind block 14"]
    assert await numbers(db) == list(range(10, 17))


async def test_a_bad_transaction_is_a_dead_letter_and_the_rest_lands(db: Database) -> None:
    bad = transaction("bad", value="0xnothing")
    made = block(21, [bad, transaction("good", ether=500)])
    refused: list[RefusedItem] = []
    async with playing(tape(BLOCKS, [made])) as player:
        chosen = options(player, first_number=20)
        summary = await replay(db, player, chosen, on_refused=refused.append)
    assert (summary.dead_letters, summary.transactions_written) == (1, 1)
    assert len(refused) == len(await letters(db)) == 1
    assert await fetch(db, "SELECT number, complete FROM blocks ORDER BY number") == [
        (20, True),
        (21, False),
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"timestamp": "soon"}, BlockUnreadable), ({"parentHash": "0x12"}, NodeUnavailable)],
)
async def test_a_block_that_cannot_be_read_is_waited_for_and_never_skipped(
    db: Database, changes: dict[str, object], error: type[Exception]
) -> None:
    async with playing(tape(BLOCKS)) as player:
        player.spoiled = {14: block(14, **changes)}  # type: ignore[arg-type]
        with pytest.raises(error, match=r"block 14|eth_getBlockByNumber"):
            await run(db, player, give_up_after_s=0.3, batch_blocks=8)
        # What comes before it is stored, though it was asked for together with it.
        assert await numbers(db) == [10, 11, 12, 13]

        player.spoiled.clear()
        await run(db, player)
    assert await numbers(db) == list(range(10, 21))


async def test_a_block_that_the_node_lacks_is_told_of(db: Database) -> None:
    """A node that pruned its history: waiting in silence would look like success."""
    notices: list[str] = []
    async with playing(tape(BLOCKS)) as player:
        player.lacking = range(10, 13)
        with pytest.raises(NodeUnavailable, match="does not have block 10, though its head"):
            await run(db, player, give_up_after_s=0.05, on_notice=notices.append)
    assert any(notice.startswith("waiting") for notice in notices)
    assert await numbers(db) == []


async def test_a_node_without_receipts_leaves_success_unknown(db: Database) -> None:
    notices: list[str] = []
    async with playing(tape(BLOCKS)) as player:
        await run(db, player, on_notice=notices.append)
    assert await fetch(db, "SELECT succeeded FROM whale_transactions") == [(None,)]
    assert notices == ["the node has no receipts: whether transfers succeeded stays unknown"]


async def test_receipts_that_are_not_there_yet_are_waited_for(db: Database) -> None:
    shown = tape(BLOCKS)
    shown.receipts = {}
    whale = receipt("whale", 18, status="0x0")

    def waiting(notice: str) -> None:
        assert "no receipts yet for 1 transactions of block 18" in notice or "going on" in notice
        shown.receipts = {whale["transactionHash"]: whale}

    async with playing(shown) as player:
        summary = await run(db, player, on_notice=waiting)
    assert summary.waits >= 1
    assert await fetch(db, "SELECT succeeded FROM whale_transactions") == [(False,)]


async def test_a_node_that_goes_away_and_comes_back_is_waited_for(db: Database) -> None:
    player = Player(tape(BLOCKS, grown(range(21, 24))))
    stop = asyncio.Event()
    notices: list[str] = []
    gone, there = asyncio.Event(), asyncio.Event()

    def told(notice: str) -> None:
        notices.append(notice)
        if notice.startswith("waiting"):
            gone.set()

    async with served(player):
        port = int(player.url.rsplit(":", 1)[1])
        following = asyncio.create_task(
            run(
                db,
                player,
                stop=stop,
                last_number=23,
                on_notice=told,
                on_progress=lambda now: there.set() if now.stored_number == 20 else None,
            )
        )
        async with asyncio.timeout(RUN_LIMIT_S):
            await there.wait()
    async with asyncio.timeout(RUN_LIMIT_S):
        await gone.wait()
    player.reveal()
    async with served(player, port=port):
        await following
    assert await numbers(db) == list(range(10, 24))
    assert notices[-1].startswith("going on after")


async def test_what_the_node_calls_safe_and_final_is_raised(db: Database) -> None:
    async with playing(tape(BLOCKS)) as player:
        player.tags = {"safe": 17, "finalized": 14}
        # The node's word counts, not the depth.
        await run(db, player, finalised_depth=2)
    assert await fetch(db, FINALITIES) == [
        ("finalised", 10, 14),
        ("safe", 15, 17),
        ("pending", 18, 20),
    ]


async def test_finality_by_depth_where_the_node_says_nothing(db: Database) -> None:
    async with playing(tape(BLOCKS)) as player:
        await run(db, player, finalised_depth=4)
    assert await fetch(db, FINALITIES) == [("finalised", 10, 16), ("pending", 17, 20)]


async def test_the_end_does_not_wait_for_a_node_that_hangs(db: Database) -> None:
    with running("--no-mining") as node:
        stop = asyncio.Event()
        there = asyncio.Event()
        async with open_node(node.http_url, poll_interval_s=0.01) as opened:
            following = asyncio.create_task(
                follow(
                    db,
                    opened,
                    FollowOptions(first_number=0),
                    stop=stop,
                    on_progress=lambda _: there.set(),
                )
            )
            await there.wait()
            node.pause()
            await asyncio.sleep(0.1)
            stop.set()
            # Far below the limit of one request.
            summary = await asyncio.wait_for(following, 10)
    assert summary.stored_number == 0


@pytest.mark.parametrize("is_following", [True, False], ids=["follow", "backfill"])
async def test_the_end_does_not_wait_for_a_node_that_never_answered(
    db: Database, is_following: bool
) -> None:
    stop = asyncio.Event()
    with running("--no-mining") as node:
        node.pause()
        async with open_node(node.http_url) as opened:
            work = (
                follow(db, opened, FollowOptions(), stop=stop)
                if is_following
                else backfill(db, opened, BackfillOptions(), stop=stop)
            )
            task: asyncio.Task[FollowSummary | BackfillSummary] = asyncio.create_task(work)
            await asyncio.sleep(0.1)
            stop.set()
            # Far below the limit of one request.
            summary = await asyncio.wait_for(task, 10)
    assert (summary.chain_id, summary.blocks) == (None, 0)


async def test_a_loss_that_cannot_be_confirmed_is_not_asked_for_without_a_pause(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat finds the stream lost, and then the database goes away."""
    tries: list[Claim] = []

    async def cut_off(_: object, claim: Claim) -> None:
        tries.append(claim)
        raise ConnectionLost("the database is away")

    monkeypatch.setattr("whaledb.live.following._Follower._confirm", cut_off)
    async with playing(tape(BLOCKS)) as player:
        there = asyncio.Event()
        task = asyncio.create_task(
            run(
                db,
                player,
                last_number=30,
                lease_s=0.6,
                give_up_after_s=1.0,
                on_progress=lambda now: there.set() if now.stored_number == 20 else None,
            )
        )
        async with asyncio.timeout(RUN_LIMIT_S):
            await there.wait()
            await execute(db, "UPDATE ingest_claims SET fencing_token = fencing_token + 1000")
            with pytest.raises(ConnectionLost):
                await task
    # Pauses double from a tenth of a second on, where a loop without them tries thousands.
    assert 2 <= len(tries) < 20


async def test_internal_transfers_of_a_running_node(db: Database) -> None:
    with running("--no-mining") as node:
        node.call("anvil_setCode", FORWARDS, "0x" + CODE[FORWARDS])
        sender = node.accounts()[0]
        chosen = FollowOptions(first_number=0, traces=True)
        async with followed_node(db, node.http_url, chosen) as end:
            sent = node.send(sender, FORWARDS, ether=300, gas=200_000)
            included_in = node.mine()
            await until_stored(db, node)
            rows = await fetch(
                db,
                "SELECT hash, trace_path, from_address, to_address, value_eth, succeeded"
                " FROM whale_transfers ORDER BY trace_path",
            )
            await end()
    assert rows == [
        (sent, "", sender, FORWARDS, Decimal(300), True),
        (sent, "0", FORWARDS, RECEIVES, Decimal(300), True),
    ]
    traced = await fetch(db, "SELECT number, traced FROM blocks ORDER BY number")
    assert traced == [(0, True), (included_in, True)]
