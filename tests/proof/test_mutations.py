"""Whoever breaks a rule of the prover hears of it from the fuzzer."""

import pytest
import pytest_asyncio

from tests.proof.campaign import Campaign
from tests.proof.mutations import MUTATIONS, NOT_BREAKABLE, Mutation
from typedsql.tools.proof import Proof, Prover
from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability.rules import RULES

SEED = 7
QUERIES = 3000
"""At most: the first unsound claim ends it."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sound(fuzzing: Campaign) -> Prover:
    return await Prover.load(fuzzing.analysing)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
async def test_the_fuzzer_notices(fuzzing: Campaign, sound: Prover, mutation: Mutation) -> None:
    with mutation.applied():
        # A rule may be what is read of the catalogs.
        prover = await Prover.load(fuzzing.analysing)

    def broken(trees: list[Node]) -> Proof:
        with mutation.applied():
            return prover.proof(trees)

    found = await fuzzing.hunt(SEED, QUERIES, focus=mutation.focus, sound=sound, broken=broken)
    assert found, f"{QUERIES} statements did not notice that {mutation}"
    # The control: with its rules as they are, the prover does not claim that.
    again = await fuzzing.run(SEED, 1, first=found.number, focus=mutation.focus)
    assert not again.unsound


async def test_rules_that_are_whole_are_not_noticed(fuzzing: Campaign, sound: Prover) -> None:
    found = await fuzzing.hunt(SEED, 100, focus=(), sound=sound, broken=sound.proof)
    assert found is None


def test_every_rule_is_broken_by_a_mutation() -> None:
    broken = {mutation.rule for mutation in MUTATIONS}
    assert set(RULES) - broken == set(NOT_BREAKABLE)
