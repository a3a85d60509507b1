"""A follower that is killed and started again leaves what an undisturbed one leaves."""

import random
from collections.abc import AsyncGenerator

import pytest

from tests.conftest import SHARED_DATA
from tests.databases import Databases
from tests.following.kills import killed, undisturbed
from tests.following.tape import Player, Tape, playing

FOLDER = SHARED_DATA / "ethereum"
KILLS = 4
SEED = 20261123

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is absent")


@pytest.fixture
async def player() -> AsyncGenerator[Player]:
    async with playing(
        Tape.recorded(FOLDER / "polygon-reorg-tape.jsonl.gz", chain_id=137)
    ) as player:
        yield player


async def test_killed_and_resumed_the_content_is_the_same(
    databases: Databases, player: Player
) -> None:
    """python -m tests.soak kills it at more moments."""
    template = await databases.template()
    async with databases.fresh(template) as target:
        expected = await undisturbed(target, player)
    async with databases.fresh(template) as target:
        left, positions = await killed(target, player, kills=KILLS, rng=random.Random(SEED))
    assert len(positions) == KILLS
    assert len(expected["blocks"]) == len(player.tape.blocks)
    assert len(expected["alert_events"]) > 1
    assert any(row.endswith("false]") for row in expected["alert_events"]), "none is retracted"
    assert left == expected
