"""Which statement of the fuzzer is the first to notice each mutation.

It follows from the seed and the generator alone, so it is written down in noticing.json, and the
suite begins there. Where that statement no longer notices, as the generator has changed, all are
asked from the first one on. To write it anew, which takes some minutes:

    python -m tests.proof.noticing
"""

import asyncio
import json
from pathlib import Path
from typing import Final

from tests.databases import open_databases
from tests.proof.campaign import Campaign, opened
from tests.proof.mutations import MUTATIONS, Mutation
from tests.proof.report import Unsound
from tests.servers import chosen_server
from typedsql.tools.proof import Proof, Prover
from typedsql.tools.proof.node_tree import Node

SEED: Final = 7
QUERIES: Final = 3000
"""At most: the first unsound claim ends it."""
_PATH: Final = Path(__file__).parent / "noticing.json"


def written() -> dict[str, int]:
    """The number of the statement, by mutation."""
    known: dict[str, int] = json.loads(_PATH.read_text("utf-8"))
    return known


async def notice(
    campaign: Campaign, sound: Prover, mutation: Mutation, *, first: int = 0, queries: int = QUERIES
) -> Unsound | None:
    """The first wrong claim of the broken prover; None where the statements do not show one."""
    with mutation.applied():
        # A rule may be what is read of the catalogs.
        prover = await Prover.load(campaign.analysing)

    def broken(trees: list[Node]) -> Proof:
        with mutation.applied():
            return prover.proof(trees)

    return await campaign.hunt(
        SEED, queries, first=first, focus=mutation.focus, sound=sound, broken=broken
    )


async def _find_all() -> dict[str, int]:
    found: dict[str, int] = {}
    with chosen_server() as server:
        async with (
            open_databases(server.target) as databases,
            databases.fresh() as target,
            opened(target) as campaign,
        ):
            sound = await Prover.load(campaign.analysing)
            for mutation in MUTATIONS:
                unsound = await notice(campaign, sound, mutation)
                print(f"{mutation}: {unsound.number if unsound else 'not noticed'}")
                if unsound:
                    found[str(mutation)] = unsound.number
    return found


if __name__ == "__main__":
    _PATH.write_text(json.dumps(asyncio.run(_find_all()), indent=4) + "\n", encoding="utf-8")
