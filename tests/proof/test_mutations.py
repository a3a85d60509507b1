"""Whoever breaks a rule of the prover hears of it from the fuzzer."""

import pytest
import pytest_asyncio

from tests.proof.campaign import Campaign
from tests.proof.mutations import MUTATIONS, NOT_BREAKABLE, Mutation
from tests.proof.noticing import QUERIES, SEED, notice, written
from typedsql.tools.proof import Prover
from typedsql.tools.proof.nullability.rules import RULES


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sound(fuzzing: Campaign) -> Prover:
    return await Prover.load(fuzzing.analysing)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
async def test_the_fuzzer_notices(fuzzing: Campaign, sound: Prover, mutation: Mutation) -> None:
    first = written().get(str(mutation))
    found = None
    if first is not None:
        found = await notice(fuzzing, sound, mutation, first=first, queries=1)
    found = found or await notice(fuzzing, sound, mutation)
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


def test_what_is_written_down_is_of_mutations_that_there_are() -> None:
    assert written().keys() <= {str(mutation) for mutation in MUTATIONS}
