"""What the functions of the schema compute: the score of a transfer, the length of a candle."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Final

import asyncpg
import pytest

pytestmark = pytest.mark.versions

# Ether and the score: a fifth for each power of ten, between 0 and 1.
ANCHORS: Final = {
    "0": "0",
    "0.000000000000000001": "0",
    "1": "0",
    "1.000000000000000001": "0.0000",
    "1.1": "0.0083",
    "10": "0.2",
    "100": "0.4",
    "316.227766016837933199": "0.5",
    "1000": "0.6",
    "10000": "0.8",
    "99999.999999999999999999": "1",
    "100000": "1",
    "115792089237316195423570985008687907853269984665640564039457": "1",
}


async def score(
    connection: asyncpg.Connection, value_eth: str | None, succeeded: bool | None = None
) -> Decimal | None:
    found: Decimal | None = await connection.fetchval(
        "SELECT public.whale_score($1::TEXT::NUMERIC, $2)", value_eth, succeeded
    )
    return found


@pytest.mark.parametrize(("value_eth", "expected"), ANCHORS.items(), ids=ANCHORS)
async def test_a_score_is_a_fifth_for_each_power_of_ten(
    rolled_back: asyncpg.Connection, value_eth: str, expected: str
) -> None:
    for succeeded in (True, None):
        assert await score(rolled_back, value_eth, succeeded) == Decimal(expected)


async def test_what_failed_or_is_unknown_has_no_size(rolled_back: asyncpg.Connection) -> None:
    assert await score(rolled_back, "5000", False) == 0
    assert await score(rolled_back, None, False) == 0
    assert await score(rolled_back, None, True) is None
    assert await score(rolled_back, None) is None
    # The control: the same amount scores where it moved.
    assert await score(rolled_back, "5000", True) == Decimal("0.7398")


async def test_more_ether_never_scores_less_and_all_scores_fit(
    rolled_back: asyncpg.Connection,
) -> None:
    draw = random.Random(20261123)
    amounts = sorted(
        Decimal(draw.randint(0, 10 ** draw.randint(1, 50))).scaleb(-18) for _ in range(2000)
    )
    scores = await rolled_back.fetchval(
        "SELECT array_agg(public.whale_score(a.value, TRUE) ORDER BY a.position)"
        " FROM unnest($1::TEXT[]::NUMERIC[]) WITH ORDINALITY AS a (value, position)",
        [str(amount) for amount in amounts],
    )
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert scores[-1] == 1
    assert len(set(scores)) > 100
    # What is stored is what is computed: NUMERIC(5, 4) rounds none of them.
    assert all(each == round(each, 4) for each in scores)


async def test_candles_are_as_long_as_their_name(rolled_back: asyncpg.Connection) -> None:
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    units["w"] = timedelta(weeks=1)
    definition = await rolled_back.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conname = 'market_data_interval_known' AND conrelid = 'market_data'::REGCLASS"
    )
    known = definition.split("'")[1::2]
    assert len(known) == 15
    for interval in known:
        length = await rolled_back.fetchval("SELECT public.candle_length($1)", interval)
        if interval == "1M":
            assert length is None, "a month has no length"
        else:
            assert length == int(interval[:-1]) * units[interval[-1]], interval
    assert await rolled_back.fetchval("SELECT public.candle_length('1y')") is None


async def test_a_day_is_24_hours_where_the_clock_is_put_back(
    rolled_back: asyncpg.Connection,
) -> None:
    await rolled_back.execute("SET LOCAL TimeZone = 'Europe/Berlin'")
    added = await rolled_back.fetchrow(
        "SELECT '2024-10-27 00:00:00+02'::TIMESTAMPTZ + public.candle_length('1d') AS candle,"
        " '2024-10-27 00:00:00+02'::TIMESTAMPTZ + INTERVAL '1 day' AS control"
    )
    assert added["candle"].isoformat() == "2024-10-27T22:00:00+00:00"
    assert added["control"].isoformat() == "2024-10-27T23:00:00+00:00"
