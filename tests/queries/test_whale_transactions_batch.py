"""Batches of one block, and blocks that a reorganisation takes out and brings back."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.queries.locks import sessions, waits_for_lock
from tests.queries.stamps import LONG_AGO, age
from tests.queries.transfers import (
    BLOCK,
    CHAIN,
    START,
    address_of,
    again,
    hash_of,
    key,
    stored,
    transfer,
)
from typedsql.database import Database, Transaction
from typedsql.errors import DataError
from typedsql.settings import ConnectionTarget
from whaledb.queries import whale_transactions
from whaledb.rows import MergedTransaction

pytestmark = pytest.mark.versions


def batch(*numbers: int, **changes: Any) -> dict[str, Any]:
    first = transfer(0)
    return {
        "chain_id": CHAIN,
        "block_hash": first["block_hash"],
        "block_number": first["block_number"],
        "block_timestamp": first["block_timestamp"],
        "orphaned_at": None,
        "hashes": [hash_of(number) for number in numbers],
        "trace_paths": [""] * len(numbers),
        "from_addresses": [address_of(1)] * len(numbers),
        "to_addresses": [address_of(2)] * len(numbers),
        "values_eth": [Decimal(150)] * len(numbers),
        "gas_prices": [20_000_000_000] * len(numbers),
        "gas_used": [None] * len(numbers),
        "succeeded": [None] * len(numbers),
    } | changes


async def merged(
    db: Database | Transaction, *numbers: int, **changes: Any
) -> dict[int, bool | None]:
    """What a batch wrote: by transaction, whether it was added."""
    rows: list[MergedTransaction] = await whale_transactions.merge_batch(
        db, **batch(*numbers, **changes)
    )
    return {int(row.hash, 16): row.inserted for row in rows}


async def test_a_batch_stores_what_insert_would(db: Database) -> None:
    values = [Decimal("100.000000000000000001"), Decimal(0)]
    written = await merged(
        db,
        1,
        2,
        block_hash="0x" + "AB" * 32,
        from_addresses=["0x" + "AB" * 20, "0x" + "cd" * 20],
        to_addresses=[None, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
        values_eth=values,
        gas_used=[53_000, None],
        succeeded=[False, None],
    )
    assert written == {1: True, 2: True}
    rows = await whale_transactions.list_by_block(
        db, chain_id=CHAIN, block_number=BLOCK, max_rows=9
    )
    assert [(row.value_eth, row.gas_used, row.succeeded) for row in rows] == [
        (values[0], 53_000, False),
        (values[1], None, None),
    ]
    assert [row.to_address for row in rows] == [None, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"]
    assert [row.from_address for row in rows] == ["0x" + "ab" * 20, "0x" + "cd" * 20]
    assert {row.block_hash for row in rows} == {"0x" + "ab" * 32}
    assert {(row.trace_path, row.orphaned_at, row.block_timestamp) for row in rows} == {
        ("", None, START)
    }


async def test_only_what_is_new_is_written(db: Database) -> None:
    first = await stored(db, 1, gas_used=21_000, succeeded=True)
    second = await stored(db, 2)
    await age(db, "whale_transactions")
    assert await merged(db, 1, 2) == {}
    assert await merged(db, 1, 2, 3, succeeded=[None, False, None]) == {2: False, 3: True}
    assert await merged(db, 1, 2, 3) == {}
    kept, learnt = await again(db, first), await again(db, second)
    assert (kept.gas_used, kept.succeeded, kept.updated_at) == (21_000, True, LONG_AGO)
    assert learnt.succeeded is False
    assert learnt.updated_at > LONG_AGO


async def test_a_hash_given_twice_counts_once(db: Database) -> None:
    twice = batch(1, 1)["hashes"]
    written = await merged(db, 1, 1, hashes=[twice[0], twice[1].upper().replace("X", "x")])
    assert written == {1: True}
    values = [Decimal(1), Decimal(2)]
    assert await merged(db, 2, 2, values_eth=values) == {2: True}
    row = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(2))
    assert row is not None
    assert row.value_eth == values[0]


async def test_an_empty_batch_writes_nothing(db: Database) -> None:
    assert await merged(db) == {}


async def test_a_batch_of_an_orphaned_block_adds_orphaned_rows(db: Database) -> None:
    row = await stored(db, 1)
    assert await merged(db, 1, 2, orphaned_at=START) == {2: True}
    assert (await again(db, row)).orphaned_at is None
    [added] = await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(2))
    assert added.orphaned_at == START


@pytest.mark.parametrize(
    "column", ["hashes", "trace_paths", "from_addresses", "values_eth", "gas_prices"]
)
async def test_one_null_too_many_refuses_the_batch(db: Database, column: str) -> None:
    whole = batch(1, 2)[column]
    with pytest.raises(DataError) as refusal:
        await merged(db, 1, 2, **{column: [whole[0], None]})
    assert refusal.value.sqlstate == "23502"
    assert not await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(1))


async def test_batches_in_opposite_order_do_not_deadlock(db: Database) -> None:
    async with db.transaction() as tx:
        await merged(tx, 2)
        other = asyncio.create_task(merged(db, 3, 2, 1))
        await waits_for_lock(db, other)
        # The other batch waits with 1 in hand: it has not come to 3 yet.
        assert await merged(tx, 3) == {3: True}
    assert await other == {1: True}


async def test_unordered_batches_deadlock(db: Database, target: ConnectionTarget) -> None:
    """The control: without the order, each holds what the other waits for."""
    naive = (
        "INSERT INTO public.whale_transactions (hash, chain_id, block_hash, block_number,"
        " block_timestamp, from_address, value_eth, gas_price)"
        " SELECT hash, 1, $2, 1, now(), $3, 1, 1 FROM unnest($1::text[]) AS hash"
        " ON CONFLICT (hash, chain_id, block_hash, trace_path) DO NOTHING"
    )

    async def write(connection: Any, numbers: Sequence[int]) -> None:
        hashes = [hash_of(number) for number in numbers]
        await connection.execute(naive, hashes, hash_of(99), address_of(1))

    async def crossing(one: Any, two: Any) -> None:
        async with one.transaction():
            await write(one, [2])
            other = asyncio.create_task(write(two, [3, 2, 1]))
            await waits_for_lock(db, other)
            try:
                await write(one, [3])
            except asyncpg.DeadlockDetectedError:
                pending.append(other)
                raise
            await other

    pending: list[asyncio.Task[None]] = []
    async with sessions(target) as (one, two):
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await crossing(one, two)
        await asyncio.gather(*pending)


async def test_orphan_blocks_marks_the_rows_of_its_block_once(db: Database) -> None:
    row = await stored(db, 1)
    traced = await stored(db, 1, trace_path="0", succeeded=False)
    sibling = await stored(db, 1, block_hash=hash_of(5))
    elsewhere = await stored(db, 1, chain_id=10)
    await age(db, "whale_transactions")
    block = {"chain_id": CHAIN, "block_numbers": [BLOCK], "block_hashes": [row.block_hash]}
    assert await whale_transactions.orphan_blocks(db, **block) == 2
    marked = await again(db, row)
    assert marked.orphaned_at is not None
    assert marked.orphaned_at == marked.updated_at == (await again(db, traced)).orphaned_at
    for other in (sibling, elsewhere):
        assert ((await again(db, other)).orphaned_at, (await again(db, other)).updated_at) == (
            None,
            LONG_AGO,
        )
    assert await whale_transactions.orphan_blocks(db, **block) == 0
    assert await again(db, row) == marked
    above = block | {"block_numbers": [BLOCK + 1]}
    assert await whale_transactions.orphan_blocks(db, **above) == 0


async def test_restore_blocks_takes_it_back(db: Database) -> None:
    row = await stored(db, 1, orphaned=True)
    other = await stored(db, 2, block=1, orphaned=True)
    sibling = await stored(db, 1, block_hash=hash_of(5), orphaned=True)
    elsewhere = await stored(db, 1, chain_id=10, orphaned=True)
    await age(db, "whale_transactions")
    block = {"chain_id": CHAIN, "block_numbers": [BLOCK], "block_hashes": [row.block_hash]}
    assert await whale_transactions.restore_blocks(db, **block) == 1
    restored = await again(db, row)
    assert restored.orphaned_at is None
    assert restored.updated_at > LONG_AGO
    for left in (other, sibling, elsewhere):
        assert (await again(db, left)).orphaned_at is not None
    assert await whale_transactions.restore_blocks(db, **block) == 0
    assert await again(db, row) == restored


async def test_a_transaction_moves_with_its_reorganisation(db: Database) -> None:
    """13522194 and then 13522195 in the Polygon tape: the same hash, another block."""
    before = await stored(db, 1, succeeded=True)
    await whale_transactions.orphan_blocks(
        db, chain_id=CHAIN, block_numbers=[before.block_number], block_hashes=[before.block_hash]
    )
    after = await stored(db, 1, block=1, succeeded=True)
    assert await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(1)) == after
    day = {"chain_id": CHAIN, "since": START, "until": START + timedelta(days=1)}
    [hour] = await whale_transactions.list_volume_by_hour(db, **day)
    assert hour.volume_eth == after.value_eth
    assert len(await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(1))) == 2


async def test_blocks_are_orphaned_and_restored_together(db: Database) -> None:
    rows = [await stored(db, n, block=n) for n in (1, 2, 3)]
    traced = await stored(db, 1, block=1, trace_path="0", succeeded=False)
    elsewhere = await stored(db, 1, block=1, chain_id=10)
    await age(db, "whale_transactions")
    gone = {
        "chain_id": CHAIN,
        "block_numbers": [row.block_number for row in rows[:2]],
        "block_hashes": [row.block_hash for row in rows[:2]],
    }
    assert await whale_transactions.orphan_blocks(db, **gone) == 3
    for row in (*rows[:2], traced):
        marked = await again(db, row)
        assert marked.orphaned_at == marked.updated_at > LONG_AGO
    for row in (rows[2], elsewhere):
        left = await again(db, row)
        assert (left.orphaned_at, left.updated_at) == (None, LONG_AGO)
    crossed = gone | {"block_hashes": gone["block_hashes"][::-1]}
    assert await whale_transactions.restore_blocks(db, **crossed) == 0
    await age(db, "whale_transactions")
    assert await whale_transactions.orphan_blocks(db, **gone) == 0
    assert (await again(db, rows[0])).updated_at == LONG_AGO
    assert await whale_transactions.restore_blocks(db, **gone) == 3
    back = await again(db, rows[0])
    assert back.orphaned_at is None
    assert back.updated_at > LONG_AGO
    assert await whale_transactions.restore_blocks(db, **gone) == 0


async def test_internal_transfers_are_rows_of_their_own(db: Database) -> None:
    paths = ["", "0", "0_1", "0"]
    written = await whale_transactions.merge_batch(db, **batch(1, 1, 1, 1, trace_paths=paths))
    assert {(int(row.hash, 16), row.trace_path, row.inserted) for row in written} == {
        (1, "", True),
        (1, "0", True),
        (1, "0_1", True),
    }
    assert await whale_transactions.merge_batch(db, **batch(1, 1, trace_paths=["", "0_1"])) == []


async def test_a_score_is_written_and_follows_the_receipt(db: Database) -> None:
    async def score(number: int) -> Decimal | None:
        [row] = await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(number))
        return row.whale_score

    values = {"values_eth": [Decimal(100), Decimal(1000)]}
    await merged(db, 1, 2, **values, succeeded=[None, False])
    assert (await score(1), await score(2)) == (Decimal("0.4"), Decimal(0))
    assert await merged(db, 1, 2, **values, succeeded=[True, None]) == {1: False}
    assert await score(1) == Decimal("0.4")
    assert await merged(db, 1, values_eth=[Decimal(100)], succeeded=[False]) == {1: False}
    assert await score(1) == Decimal(0)
    # Gas alone leaves a score that somebody wrote.
    row = (await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(2)))[0]
    await whale_transactions.update_whale_score(db, **key(row), whale_score=Decimal("0.5"))
    assert await merged(db, 2, gas_used=[1]) == {2: False}
    assert await score(2) == Decimal("0.5")


async def test_a_failed_transaction_takes_its_internal_transfers_back(db: Database) -> None:
    own = await stored(db, 1)
    inner = await stored(db, 1, trace_path="0", succeeded=True, whale_score=Decimal("0.4"))
    other = await stored(db, 2, trace_path="0", succeeded=True)
    elsewhere = await stored(db, 1, block=1, trace_path="0", succeeded=True)
    await age(db, "whale_transactions")
    failing = {"chain_id": CHAIN, "block_hash": own.block_hash, "hashes": [hash_of(1)]}
    [failed] = await whale_transactions.fail_internal(db, **failing)
    assert (failed.hash, failed.trace_path) == (hash_of(1), "0")
    row = await again(db, inner)
    assert (row.succeeded, row.whale_score) == (False, Decimal(0))
    assert row.updated_at > LONG_AGO
    for left in (own, other, elsewhere):
        assert (await again(db, left)).updated_at == LONG_AGO
    assert await whale_transactions.fail_internal(db, **failing) == []
