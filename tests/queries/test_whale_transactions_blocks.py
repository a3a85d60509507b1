"""The transfers of several blocks by one statement: what merge_batch stores of each."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.queries.locks import waits_for_lock
from tests.queries.stamps import LONG_AGO, age
from tests.queries.transfers import BLOCK, CHAIN, START, address_of, again, hash_of, stored
from typedsql.database import Database, Transaction
from typedsql.errors import DataError
from whaledb.queries import whale_transactions

pytestmark = pytest.mark.versions

Key = tuple[int, int]
"""A block's number and that of a transaction in it."""


def block_hash_of(block: int) -> str:
    return hash_of(1_000 + block)


async def merged(db: Database | Transaction, *keys: Key, **changes: Any) -> dict[Key, bool | None]:
    """What became of transfers, by block and transaction."""
    given: dict[str, Any] = {
        "block_hashes": [block_hash_of(block) for block, _ in keys],
        "block_numbers": [block for block, _ in keys],
        "block_timestamps": [START for _ in keys],
        "hashes": [hash_of(number) for _, number in keys],
        "trace_paths": [""] * len(keys),
        "from_addresses": [address_of(1)] * len(keys),
        "to_addresses": [address_of(2)] * len(keys),
        "values_eth": [Decimal(150)] * len(keys),
        "gas_prices": [20_000_000_000] * len(keys),
        "gas_used": [None] * len(keys),
        "succeeded": [None] * len(keys),
    }
    rows = await whale_transactions.merge_blocks(db, chain_id=CHAIN, **given | changes)
    return {
        (int(row.block_hash, 16) - 1_000, int(row.hash, 16)): row.inserted
        for row in rows
        if row.trace_path == ""
    }


async def test_each_row_goes_to_its_block(db: Database) -> None:
    written = await merged(
        db,
        (1, 1),
        (1, 2),
        (2, 1),
        to_addresses=[None, address_of(2), address_of(3)],
        succeeded=[None, False, True],
    )
    # One transaction in two blocks is two rows: a reorganisation moved it.
    assert written == {(1, 1): True, (1, 2): True, (2, 1): True}
    first = await whale_transactions.list_by_block(db, chain_id=CHAIN, block_number=1, max_rows=9)
    assert [(row.hash, row.to_address, row.succeeded) for row in first] == [
        (hash_of(1), None, None),
        (hash_of(2), address_of(2), False),
    ]
    assert {row.block_hash for row in first} == {block_hash_of(1)}
    [second] = await whale_transactions.list_by_block(
        db, chain_id=CHAIN, block_number=2, max_rows=9
    )
    assert (second.to_address, second.orphaned_at, second.block_timestamp) == (
        address_of(3),
        None,
        START,
    )
    assert first[1].whale_score is not None


async def test_only_what_is_new_is_written(db: Database) -> None:
    await merged(db, (1, 1), (2, 2), succeeded=[True, None], gas_used=[21_000, None])
    await age(db, "whale_transactions")
    assert await merged(db, (1, 1), (2, 2)) == {}
    learnt = await merged(db, (1, 1), (2, 2), (3, 3), succeeded=[None, False, None])
    assert learnt == {(2, 2): False, (3, 3): True}
    [kept] = await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(1))
    assert (kept.succeeded, kept.gas_used, kept.updated_at) == (True, 21_000, LONG_AGO)


async def test_a_row_given_twice_counts_once_and_none_is_nothing(db: Database) -> None:
    assert await merged(db) == {}
    values = [Decimal(1), Decimal(2)]
    assert await merged(db, (1, 1), (1, 1), values_eth=values) == {(1, 1): True}
    row = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(1))
    assert row is not None
    assert row.value_eth == values[0]


async def test_a_row_of_another_statement_is_the_same_row(db: Database) -> None:
    row = await stored(db, 1)
    assert await merged(db, (BLOCK, 1), block_hashes=[row.block_hash]) == {}
    assert await again(db, row) == row


@pytest.mark.parametrize("column", ["block_hashes", "block_numbers", "block_timestamps"])
async def test_a_row_without_its_block_refuses_all(db: Database, column: str) -> None:
    whole = {
        "block_hashes": block_hash_of(1),
        "block_numbers": 1,
        "block_timestamps": START,
    }[column]
    with pytest.raises(DataError) as refusal:
        await merged(db, (1, 1), (1, 2), **{column: [whole, None]})
    assert refusal.value.sqlstate == "23502"
    assert not await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(1))


async def test_statements_in_opposite_order_do_not_deadlock(db: Database) -> None:
    async with db.transaction() as tx:
        await merged(tx, (1, 2))
        other = asyncio.create_task(merged(db, (3, 3), (1, 2), (2, 1)))
        await waits_for_lock(db, other)
        # The other waits with 1 in hand: it has not come to 3 yet.
        assert await merged(tx, (3, 3)) == {(3, 3): True}
    assert await other == {(2, 1): True}
