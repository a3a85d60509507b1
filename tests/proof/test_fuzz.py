"""No column that the prover claims NOT NULL is NULL, in 5,000 random statements."""

import json
from collections.abc import Callable

import pytest

from tests.proof.campaign import Campaign
from tests.proof.summary import FUZZED

SEED = 1
QUERIES = 5000
CHUNKS = 4


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_claims_hold_on_data(
    fuzzing: Campaign, chunk: int, record_property: Callable[[str, object], None]
) -> None:
    size = QUERIES // CHUNKS
    report = await fuzzing.run(SEED, size, first=chunk * size)
    record_property(FUZZED, json.dumps(report.as_json()))

    assert report.complaints == []


async def test_a_statement_is_the_same_whenever_it_is_asked(fuzzing: Campaign) -> None:
    first = await fuzzing.run(SEED, 20, first=100)
    again = await fuzzing.run(SEED, 10, first=110)
    assert first.lengths[10:] == again.lengths


async def test_a_small_campaign_is_not_good_enough(fuzzing: Campaign) -> None:
    # The control: what is not met is a complaint.
    assert (await fuzzing.run(SEED, 5)).complaints != []
