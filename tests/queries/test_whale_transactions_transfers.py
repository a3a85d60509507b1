"""list_transfers: every choice of its filters and orderings, against the same done in Python."""

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import pytest

from tests.queries.transfers import BLOCK_TIME, CHAIN, START, hash_of, stored
from typedsql.database import Database
from whaledb.queries import whale_transactions
from whaledb.rows import WhaleTransaction

pytestmark = pytest.mark.versions

MANY: Final = 1000
# Each leaves something out that no other one does.
FILTERS: Final[dict[str, Any]] = {
    "min_value_eth": Decimal(100),
    "since": START,
    "until": START + 3 * BLOCK_TIME,
}
CHOICES: Final = [
    dict(chosen)
    for count in range(len(FILTERS) + 1)
    for chosen in itertools.combinations(FILTERS.items(), count)
]
Ordering = Literal["newest", "largest"]


def fits(
    row: WhaleTransaction,
    min_value_eth: Decimal | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> bool:
    return (
        (min_value_eth is None or row.value_eth >= min_value_eth)
        and (since is None or row.block_timestamp >= since)
        and (until is None or row.block_timestamp < until)
    )


def in_order(rows: list[WhaleTransaction], order_by: Ordering) -> list[WhaleTransaction]:
    """As the two orderings say it: ties go by the key, backwards for the newest."""
    by_key = sorted(rows, key=lambda row: (row.hash, row.block_hash, row.trace_path))
    if order_by == "newest":
        by_key.reverse()
        return sorted(by_key, key=lambda row: row.block_timestamp, reverse=True)
    return sorted(by_key, key=lambda row: row.value_eth, reverse=True)


async def some_transfers(db: Database) -> list[WhaleTransaction]:
    """Transfers on both sides of each filter, some equal in what they are ordered by."""
    rows = [
        await stored(db, 100 + 10 * block + number, block=block, value_eth=Decimal(value))
        for block in range(-1, 5)
        for number, value in enumerate(("99.999999999999999999", "100", "500", "500"))
    ]
    for trace in ("0", "0_1"):  # of a transaction that is there
        rows.append(await stored(db, 112, block=1, trace_path=trace, value_eth=Decimal(500)))
    await stored(db, 90, succeeded=False)
    await stored(db, 91, block=9, orphaned=True)
    await stored(db, 92, chain_id=10)
    return rows


@pytest.mark.parametrize("order_by", ["newest", "largest"])
@pytest.mark.parametrize("given", CHOICES, ids=lambda given: "+".join(given) or "none")
async def test_each_choice_finds_what_it_says(
    db: Database, given: dict[str, Any], order_by: Ordering
) -> None:
    rows = await some_transfers(db)
    expected = in_order([row for row in rows if fits(row, **given)], order_by)
    # The control: each filter leaves something out, so that none can be missing.
    for name in given:
        without = {key: value for key, value in given.items() if key != name}
        assert len([row for row in rows if fits(row, **without)]) > len(expected) > 3
    found = await whale_transactions.list_transfers(
        db, chain_id=CHAIN, **given, max_rows=MANY, order_by=order_by
    )
    assert found == expected
    assert expected != in_order(expected, "largest" if order_by == "newest" else "newest")
    few = await whale_transactions.list_transfers(
        db, chain_id=CHAIN, **given, max_rows=3, order_by=order_by
    )
    assert few == expected[:3]


async def test_the_newest_come_first_by_default(db: Database) -> None:
    await stored(db, 1, block=1, value_eth=Decimal(900))
    await stored(db, 2, block=2)
    rows = await whale_transactions.list_transfers(db, chain_id=CHAIN, max_rows=MANY)
    assert [row.hash for row in rows] == [hash_of(2), hash_of(1)]


@pytest.mark.parametrize("order_by", ["oldest", "t.value_eth; --", "", None, ["newest"]])
async def test_another_ordering_is_refused_before_anything_is_sent(
    db: Database, order_by: Any
) -> None:
    async with db.transaction() as tx:
        with pytest.raises(ValueError, match="order_by must be one of 'newest', 'largest'"):
            await whale_transactions.list_transfers(
                tx, chain_id=CHAIN, max_rows=1, order_by=order_by
            )
        # What the server refuses would have spoilt the transaction.
        assert await whale_transactions.list_transfers(tx, chain_id=CHAIN, max_rows=1) == []


async def test_half_a_key_is_refused_before_anything_is_sent(db: Database) -> None:
    async with db.transaction() as tx:
        with pytest.raises(ValueError, match="belong together"):
            await whale_transactions.list_recent(
                tx,
                min_value_eth=Decimal(1),
                before_timestamp=START + timedelta(days=1),
                before_hash=hash_of(1),
                max_rows=1,
            )
        assert not await whale_transactions.list_recent(tx, min_value_eth=Decimal(1), max_rows=1)
