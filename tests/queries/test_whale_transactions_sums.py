"""Transfers by address, and what counts them: failed ones, blocks that left the chain."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.queries.paging import walk
from tests.queries.transfers import (
    BLOCK,
    CHAIN,
    START,
    address_of,
    hash_of,
    key,
    stored,
    ties,
)
from typedsql.database import Database
from whaledb.queries import whale_transactions
from whaledb.rows import AddressTransfer

pytestmark = pytest.mark.versions

MANY = 1000
MINE = address_of(0xA)
OTHER = address_of(0xB)
PERIOD: dict[str, Any] = {"chain_id": CHAIN, "since": START, "until": START + timedelta(hours=1)}


async def sent(db: Database, number: int, sender: str, receiver: str | None, **more: Any) -> None:
    await stored(db, number, from_address=sender, to_address=receiver, **more)


async def test_list_by_address_tells_the_direction(db: Database) -> None:
    await sent(db, 1, MINE, OTHER)
    await sent(db, 2, OTHER, MINE, block=1)
    await sent(db, 3, MINE, MINE, block=2)
    await sent(db, 4, MINE, None, block=3)
    await sent(db, 5, OTHER, address_of(1), block=4)
    await sent(db, 6, MINE, OTHER, block=5, succeeded=False)
    await sent(db, 7, MINE, OTHER, block=6, value_eth=Decimal(0))
    await sent(db, 8, OTHER, MINE, block=7, orphaned=True)
    await sent(db, 9, OTHER, MINE, block=8, chain_id=10)
    rows = await whale_transactions.list_by_address(db, address=MINE, max_rows=MANY)
    assert [(int(row.hash, 16), row.direction) for row in rows] == [
        (9, "in"),
        (4, "out"),
        (3, "self"),
        (2, "in"),
        (1, "out"),
    ]
    assert rows[1].to_address is None
    two = await whale_transactions.list_by_address(db, address=MINE, max_rows=2)
    assert two == rows[:2]


async def test_pages_of_an_address_walk_every_row_once(db: Database) -> None:
    for number in range(9):
        await sent(db, number, *((MINE, OTHER) if number % 3 else (OTHER, MINE)), block=number % 2)
    for pair in ((MINE, OTHER), (OTHER, MINE)):
        for changes in ties(30 + (pair[0] == MINE)):
            await sent(db, 0, *pair, **changes)
    await sent(db, 20, address_of(1), address_of(2))
    await sent(db, 21, MINE, OTHER, succeeded=False)

    async def following(row: AddressTransfer, max_rows: int) -> list[AddressTransfer]:
        return await whale_transactions.list_by_address(
            db,
            address=MINE,
            before_timestamp=row.block_timestamp,
            before_hash=row.hash,
            before_chain_id=row.chain_id,
            before_block_hash=row.block_hash,
            before_trace_path=row.trace_path,
            max_rows=max_rows,
        )

    whole = await whale_transactions.list_by_address(db, address=MINE, max_rows=MANY)
    assert len(whole) == 25
    for size in (1, 3):
        first = whale_transactions.list_by_address(db, address=MINE, max_rows=size)
        assert await walk(first, partial(following, max_rows=size)) == whole


@pytest.mark.parametrize("address", [MINE, OTHER])
async def test_either_half_alone_is_in_order(db: Database, address: str) -> None:
    for changes in ties(30):
        await sent(db, 0, MINE, OTHER, **changes)
    whole = await whale_transactions.list_by_address(db, address=address, max_rows=MANY)
    order = [(row.chain_id, row.block_hash, row.trace_path) for row in whole]
    assert (len(order), order) == (8, sorted(order, reverse=True))
    for size in range(8):
        part = await whale_transactions.list_by_address(db, address=address, max_rows=size)
        assert part == whole[:size]
        page = await whale_transactions.list_by_address(
            db,
            address=address,
            before_timestamp=START + timedelta(days=1),
            before_hash="",
            before_chain_id=0,
            before_block_hash="",
            before_trace_path="",
            max_rows=size,
        )
        assert page == part


async def test_count_failed_since_counts_what_a_receipt_says_failed(db: Database) -> None:
    since: dict[str, Any] = {"chain_id": CHAIN, "since": START}
    await stored(db, 1, succeeded=False, value_eth=Decimal(100))
    await stored(db, 2, succeeded=False, value_eth=Decimal(99))
    await stored(db, 3, succeeded=True)
    await stored(db, 4)
    await stored(db, 5, succeeded=False, block=1, orphaned=True)
    await stored(db, 6, succeeded=False, chain_id=10)
    await stored(db, 7, succeeded=False, block_timestamp=START - timedelta(microseconds=1))
    count = whale_transactions.count_failed_since
    assert await count(db, **since, min_value_eth=Decimal(0)) == 2
    assert await count(db, **since, min_value_eth=Decimal(100)) == 1
    assert await count(db, **since, min_value_eth=Decimal(101)) == 0


async def test_list_orphaned_blocks_counts_the_marked_rows(db: Database) -> None:
    for number in (1, 2):
        await stored(db, number, block=3)
    orphaned = await stored(db, 3, block=3, succeeded=False, orphaned=True)
    sibling = {"block_number": orphaned.block_number, "block_hash": hash_of(7)}
    await stored(db, 4, block=3, **sibling, orphaned=True)
    await stored(db, 5, block=5, orphaned=True)
    await stored(db, 6, block=4)
    await stored(db, 7, chain_id=10, orphaned=True)
    await stored(db, 8, block_timestamp=PERIOD["until"], block_hash=hash_of(8), orphaned=True)
    early = START - timedelta(microseconds=1)
    await stored(db, 9, block_timestamp=early, block_hash=hash_of(9), orphaned=True)
    rows = await whale_transactions.list_orphaned_blocks(db, **PERIOD, max_rows=MANY)
    assert [(row.block_number, row.block_hash, row.row_count) for row in rows] == [
        (BLOCK + 5, hash_of(0xB10C0005), 1),
        (BLOCK + 3, hash_of(7), 1),
        (BLOCK + 3, hash_of(0xB10C0003), 3),
    ]
    first = await whale_transactions.get(db, **key(orphaned))
    assert first is not None
    assert (rows[2].orphaned_at, rows[2].block_timestamp) == (
        first.orphaned_at,
        orphaned.block_timestamp,
    )
    assert await whale_transactions.list_orphaned_blocks(db, **PERIOD, max_rows=2) == rows[:2]
