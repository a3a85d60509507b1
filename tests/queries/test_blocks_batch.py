"""Several blocks by one statement: what merging them one by one would store."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.queries.locks import waits_for_lock
from tests.queries.stamps import LONG_AGO, age
from tests.queries.test_blocks import CHAIN, block, chain, found, hash_of
from typedsql.database import Database, Transaction
from typedsql.errors import DataError
from whaledb.queries import blocks

pytestmark = pytest.mark.versions


async def merged(
    db: Database | Transaction,
    made: Sequence[dict[str, Any]],
    *,
    min_value_eth: Decimal = Decimal(100),
) -> dict[str, bool | None]:
    """What became of blocks, by hash."""
    rows = await blocks.merge_batch(
        db,
        chain_id=CHAIN,
        min_value_eth=min_value_eth,
        hashes=[one["hash"] for one in made],
        numbers=[one["number"] for one in made],
        parent_hashes=[one["parent_hash"] for one in made],
        block_timestamps=[one["block_timestamp"] for one in made],
        complete=[one["complete"] for one in made],
        traced=[one["traced"] for one in made],
    )
    return {row.hash: row.inserted for row in rows}


async def test_a_batch_stores_what_merge_would(db: Database) -> None:
    upper = {"hash": "0x" + "AB" * 32, "parent_hash": "0x" + "CD" * 32}
    made = [block(7, **upper, complete=False), block(5, traced=True), block(6)]
    assert await merged(db, made) == {
        "0x" + "ab" * 32: True,
        hash_of(5): True,
        hash_of(6): True,
    }
    row = await blocks.get(db, chain_id=CHAIN, hash="0x" + "ab" * 32)
    assert row is not None
    assert (row.number, row.parent_hash, row.canonical) == (7, "0x" + "cd" * 32, True)
    assert (row.complete, row.traced, row.orphaned_at) == (False, False, None)
    given = {**block(5, traced=True)}
    assert {name: getattr(await found(db, 5), name) for name in given} == given


async def test_only_what_is_new_is_written(db: Database) -> None:
    await merged(db, [block(5), block(6, complete=False), block(7)])
    await age(db, "blocks")
    assert await merged(db, [block(5), block(6, complete=False), block(7)]) == {}
    told = await merged(db, [block(5), block(6), block(7, traced=True), block(8)])
    assert told == {hash_of(6): False, hash_of(7): False, hash_of(8): True}
    assert (await found(db, 5)).updated_at == LONG_AGO
    assert (await found(db, 6)).complete
    assert await merged(db, [block(5, complete=False)], min_value_eth=Decimal(1)) == {
        hash_of(5): False
    }
    widened = await found(db, 5)
    assert (widened.min_value_eth, widened.complete) == (Decimal(1), False)


async def test_a_hash_given_twice_counts_once_and_none_is_nothing(db: Database) -> None:
    assert await merged(db, []) == {}
    assert await merged(db, [block(5, complete=False), block(5)]) == {hash_of(5): True}
    assert not (await found(db, 5)).complete


async def test_a_second_canonical_block_refuses_the_batch(db: Database) -> None:
    await chain(db, 5)
    with pytest.raises(DataError) as refusal:
        await merged(db, [block(6), block(5, fork=1)])
    assert refusal.value.constraint == "idx_blocks_canonical_number"
    assert await blocks.get(db, chain_id=CHAIN, hash=hash_of(6)) is None


async def test_batches_in_opposite_order_do_not_deadlock(db: Database) -> None:
    async with db.transaction() as tx:
        await merged(tx, [block(6)])
        other = asyncio.create_task(merged(db, [block(7), block(6), block(5)]))
        await waits_for_lock(db, other)
        # The other batch waits with 5 in hand: it has not come to 7 yet.
        assert await merged(tx, [block(7)]) == {hash_of(7): True}
    assert await other == {hash_of(5): True}
