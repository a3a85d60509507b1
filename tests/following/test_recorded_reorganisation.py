"""The recorded reorganisation of Polygon, followed as it happened (expected.json)."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.conftest import SHARED_DATA
from tests.following.replays import options, replay
from tests.following.tape import Player, Tape, playing
from tests.ingest.inspection import chain, contents, fetch, value
from typedsql.database import Database

POLYGON = 137
TAPE = "polygon-reorg-tape.jsonl.gz"
FOLDER = SHARED_DATA / "ethereum"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is absent")


@pytest.fixture(scope="module")
def tape() -> Tape:
    return Tape.recorded(FOLDER / TAPE, chain_id=POLYGON)


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())[TAPE]
    return found


@pytest.fixture
async def player(tape: Tape) -> AsyncGenerator[Player]:
    async with playing(tape) as player:
        yield player


async def test_the_recorded_chain_ends_as_expected(
    db: Database, player: Player, expected: dict[str, Any]
) -> None:
    notices: list[str] = []
    summary = await replay(db, player, options(player), on_notice=notices.append)
    orphaned = expected["orphaned_blocks"]
    assert (summary.reorganisations, summary.blocks_orphaned) == (1, len(orphaned))
    assert any("orphaned" in notice for notice in notices)

    final = player.tape.chain(player.head)
    stored = await chain(db)
    assert [(n, key) for n, key, canonical in stored if canonical] == [
        (number, block["hash"]) for number, block in sorted(final.items())
    ]
    assert len(final) == expected["canonical_blocks"]
    assert (min(final), max(final)) == (expected["canonical_low"], expected["canonical_tip"])
    assert [(n, key) for n, key, canonical in stored if not canonical] == [
        (block["number"], block["hash"]) for block in orphaned
    ]

    rows = await fetch(db, "SELECT hash, block_hash, orphaned_at IS NULL FROM whale_transactions")
    in_chain = {(t["hash"], b["hash"]) for b in final.values() for t in b["transactions"]}
    assert {(key, block) for key, block, canonical in rows if canonical} == in_chain
    assert len(in_chain) == expected["canonical_txs"]
    lost = [block for _, block, canonical in rows if not canonical]
    assert sorted(lost) == sorted(b["hash"] for b in orphaned for _ in range(b["txs"]))
    reincluded = {key for key, _, canonical in rows if not canonical} & {h for h, _ in in_chain}
    assert len(reincluded) == expected["orphan_txs_reincluded"]
    large = "SELECT count(*) FROM whale_transfers WHERE value_eth >= 100"
    assert await value(db, large) == expected["canonical_ge_100_native"]
    cursor = await fetch(db, "SELECT stream, number, hash FROM ingest_cursors")
    assert cursor == [("live", expected["canonical_tip"], final[max(final)]["hash"])]


async def test_the_second_replay_changes_nothing(db: Database, player: Player) -> None:
    await replay(db, player, options(player))
    before = await contents(db)
    notices: list[str] = []
    again = await replay(db, player, options(player), on_notice=notices.append)
    assert again.blocks == 0
    # For most of it the node shows a head far below what is stored.
    assert any("nothing was rolled back" in notice for notice in notices)
    assert await contents(db) == before


async def test_a_second_stream_over_the_same_chain_changes_only_its_cursor(
    db: Database, player: Player
) -> None:
    await replay(db, player, options(player))
    before = await contents(db)
    await replay(db, player, options(player, stream="second"))
    after = await contents(db)
    for table in ("blocks", "whale_transactions"):
        assert after[table] == before[table]
    assert len(after["ingest_cursors"]) == 2


async def test_blocks_in_batches_give_the_same_chain(
    db: Database, player: Player, expected: dict[str, Any]
) -> None:
    """From its last head alone: the orphaned block was never seen."""
    while player.reveal():
        pass
    await replay_from_here(db, player)
    stored = await chain(db)
    assert len(stored) == expected["canonical_blocks"]
    assert all(canonical for _, _, canonical in stored)


async def replay_from_here(db: Database, player: Player) -> None:
    import asyncio

    from whaledb.live import follow
    from whaledb.rpc import open_node

    async with open_node(player.url) as node:
        chosen = options(player, last_number=player.head_number, batch_blocks=7)
        await follow(db, node, chosen, stop=asyncio.Event())
