"""Reading and changing single transfers; batches and sums have modules of their own."""

from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from tests.queries.transfers import (
    BLOCK,
    BLOCK_TIME,
    CHAIN,
    START,
    address_of,
    again,
    hash_of,
    key,
    stored,
    ties,
    transfer,
)
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import whale_transactions
from whaledb.rows import WhaleTransaction

pytestmark = pytest.mark.versions

MANY = 1000
MIXED_ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
MIXED_HASH = "0xABCDEF" + "0" * 58


def merge_of(number: int, **changes: Any) -> dict[str, Any]:
    """What `merge` takes: a transfer without price and score, with `orphaned_at`."""
    row = transfer(number, **({"orphaned_at": None} | changes))
    for column in ("value_usd", "price_source", "priced_at", "whale_score"):
        del row[column]
    return row


def numbers(rows: list[WhaleTransaction]) -> list[int]:
    return [int(row.hash, 16) for row in rows]


async def some_transfers(db: Database) -> None:
    """One plain transfer (1) beside one of each kind that lists treat differently."""
    await stored(db, 1)
    await stored(db, 2, succeeded=True)
    await stored(db, 3, succeeded=False)
    await stored(db, 4, block=1, orphaned=True)
    await stored(db, 5, chain_id=137)
    await stored(db, 1, trace_path="0_1", value_eth=Decimal(120))


async def test_insert_returns_the_row_as_stored(db: Database) -> None:
    given = transfer(
        7,
        value_eth=Decimal("123.000000000000000001"),
        to_address=None,
        value_usd=Decimal("450000.25"),
        price_source="coinbase",
        priced_at=START,
    )
    row = await whale_transactions.insert(db, **given)
    assert {name: getattr(row, name) for name in given} == given
    assert row.orphaned_at is None
    assert row.created_at == row.updated_at
    assert await again(db, row) == row


async def test_insert_leaves_out_what_may_be_null(db: Database) -> None:
    given = {name: value for name, value in transfer(7).items() if value is not None}
    del given["to_address"]
    row = await whale_transactions.insert(db, **given)
    unknown = (row.to_address, row.value_usd, row.priced_at, row.gas_used, row.succeeded)
    assert unknown == (None,) * 5


async def test_a_second_insert_of_a_key_is_refused(db: Database) -> None:
    await stored(db, 7)
    with pytest.raises(DataError) as refusal:
        await stored(db, 7)
    assert refusal.value.sqlstate == "23505"
    assert refusal.value.constraint == "whale_transactions_pkey"
    await stored(db, 7, block=1)
    await stored(db, 7, chain_id=10)
    await stored(db, 7, trace_path="0")


async def test_hashes_and_addresses_are_found_in_any_spelling(db: Database) -> None:
    sender, digits = MIXED_ADDRESS, MIXED_HASH
    row = await stored(db, 1, hash=digits, block_hash=digits, from_address=sender)
    assert (row.hash, row.block_hash, row.from_address) == (
        digits.lower(),
        digits.lower(),
        sender.lower(),
    )
    given = {"chain_id": CHAIN, "hash": digits}
    assert await whale_transactions.get_by_hash(db, **given) == row
    assert await whale_transactions.list_inclusions(db, **given) == [row]
    upper = key(row) | {"hash": digits, "block_hash": digits}
    assert await whale_transactions.get(db, **upper) == row
    price = {"value_usd": Decimal(1), "price_source": "x", "priced_at": START}
    assert await whale_transactions.update_whale_score(db, **upper, whale_score=Decimal(1)) == 1
    assert await whale_transactions.update_usd_price(db, **upper, **price) == 1
    assert await whale_transactions.update_receipt(db, **upper, gas_used=1, succeeded=None) == 1
    merged = merge_of(1, hash=digits, block_hash=digits, from_address=sender)
    assert await whale_transactions.merge(db, **merged) is None
    assert await whale_transactions.delete(db, **upper) == 1


async def test_pages_take_any_spelling(db: Database) -> None:
    sender, digits = MIXED_ADDRESS, MIXED_HASH
    row = await stored(db, 1, hash=digits, block_hash=digits, from_address=sender)
    later = await stored(db, 2, block=1, from_address=address_of(3), to_address=sender)
    mine = await stored(db, 3, block=1, from_address=sender, to_address=sender)
    found = await whale_transactions.list_by_address(db, address=sender, max_rows=5)
    assert [(each.hash, each.direction) for each in found] == [
        (mine.hash, "self"),
        (later.hash, "in"),
        (row.hash, "out"),
    ]
    before: dict[str, Any] = {
        "before_timestamp": START,
        "before_hash": digits,
        "before_chain_id": CHAIN,
        "before_block_hash": digits,
        "before_trace_path": "0",
        "max_rows": MANY,
    }
    assert await whale_transactions.list_recent(db, **before, min_value_eth=Decimal(1)) == [row]
    [sent] = await whale_transactions.list_by_address(db, **before, address=sender)
    assert sent.hash == row.hash
    newer = before | {"before_timestamp": START + 2 * BLOCK_TIME}
    assert await whale_transactions.list_by_address(db, **newer, address=sender) == found


async def test_merge_says_whether_it_added_changed_or_found(db: Database) -> None:
    assert await whale_transactions.merge(db, **merge_of(7)) is True
    assert await whale_transactions.merge(db, **merge_of(7)) is None
    assert await whale_transactions.merge(db, **merge_of(7, gas_used=21_000)) is False
    assert await whale_transactions.merge(db, **merge_of(7, succeeded=True)) is False
    assert await whale_transactions.merge(db, **merge_of(7)) is None
    row = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(7))
    assert row is not None
    assert (row.gas_used, row.succeeded) == (21_000, True)


async def test_merge_moves_updated_at_only_with_a_change(db: Database) -> None:
    row = await stored(db, 7, gas_used=21_000)
    await age(db, "whale_transactions")
    await whale_transactions.merge(db, **merge_of(7, gas_used=21_000))
    assert (await again(db, row)).updated_at == LONG_AGO
    await whale_transactions.merge(db, **merge_of(7, succeeded=False))
    changed = await again(db, row)
    assert changed.updated_at > LONG_AGO
    assert changed.created_at == row.created_at


async def test_merge_marks_as_orphaned_only_what_it_adds(db: Database) -> None:
    await whale_transactions.merge(db, **merge_of(7))
    await whale_transactions.merge(db, **merge_of(7, orphaned_at=START, gas_used=1))
    await whale_transactions.merge(db, **merge_of(8, orphaned_at=START))
    await whale_transactions.merge(db, **merge_of(8, gas_used=1))
    found = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(7))
    assert found is not None
    [other] = await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(8))
    assert (found.orphaned_at, other.orphaned_at) == (None, START)


async def test_get_by_hash_finds_the_canonical_inclusion(db: Database) -> None:
    await stored(db, 7, orphaned=True)
    assert await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(7)) is None
    await stored(db, 7, block=1, trace_path="0")
    assert await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(7)) is None
    row = await stored(db, 7, block=1, succeeded=False)
    assert await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(7)) == row
    assert await whale_transactions.get_by_hash(db, chain_id=10, hash=hash_of(7)) is None
    later = await stored(db, 7, block=2)
    assert await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(7)) == later


async def test_get_needs_the_whole_key(db: Database) -> None:
    row = await stored(db, 7, succeeded=False, orphaned=True)
    assert (await again(db, row)).orphaned_at is not None
    others = (
        {"hash": hash_of(8)},
        {"chain_id": 2},
        {"block_hash": hash_of(8)},
        {"trace_path": "0"},
    )
    for other in others:
        assert await whale_transactions.get(db, **(key(row) | other)) is None


async def test_list_inclusions_tells_everything_of_a_hash(db: Database) -> None:
    await stored(db, 7, block=1)
    await stored(db, 7, block=1, trace_path="0_1", succeeded=False)
    await stored(db, 7, orphaned=True)
    await stored(db, 8)
    await stored(db, 7, chain_id=10)
    rows = await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(7))
    assert [(row.block_number - BLOCK, row.trace_path) for row in rows] == [
        (0, ""),
        (1, ""),
        (1, "0_1"),
    ]


async def test_list_recent_is_of_transfers_newest_first(db: Database) -> None:
    await some_transfers(db)
    await stored(db, 6, block=2)
    await stored(db, 9, block=2, value_eth=Decimal("99.999999999999999999"))
    rows = await whale_transactions.list_recent(db, min_value_eth=Decimal(100), max_rows=MANY)
    assert [(n, row.trace_path) for n, row in zip(numbers(rows), rows, strict=True)] == [
        (6, ""),
        (5, ""),
        (2, ""),
        (1, "0_1"),
        (1, ""),
    ]
    least = await whale_transactions.list_recent(db, min_value_eth=Decimal(150), max_rows=2)
    assert numbers(least) == [6, 5]


async def test_pages_of_list_recent_walk_every_row_once(db: Database) -> None:
    for number in range(12):
        await stored(db, number, block=number % 2)
    for changes in ties(30):
        await stored(db, 0, **changes)
    await stored(db, 20, block=-1, orphaned=True)
    await stored(db, 21, succeeded=False)
    await stored(db, 22, value_eth=Decimal("0.5"))
    least = {"min_value_eth": Decimal(150)}

    async def following(row: WhaleTransaction) -> list[WhaleTransaction]:
        return await whale_transactions.list_recent(
            db,
            **least,
            before_timestamp=row.block_timestamp,
            before_hash=row.hash,
            before_chain_id=row.chain_id,
            before_block_hash=row.block_hash,
            before_trace_path=row.trace_path,
            max_rows=2,
        )

    whole = await whale_transactions.list_recent(db, **least, max_rows=MANY)
    order = [(r.block_timestamp, r.hash, r.chain_id, r.block_hash, r.trace_path) for r in whole]
    assert (len(order), order) == (20, sorted(order, reverse=True))
    first = whale_transactions.list_recent(db, **least, max_rows=2)
    assert await walk(first, following) == whole


async def test_list_highest_scored_leaves_out_what_has_no_score(db: Database) -> None:
    for number, score in ((1, "0.5"), (2, "0.9"), (3, "0.9"), (4, "0.4")):
        await stored(db, number, whale_score=Decimal(score))
    await stored(db, 5)
    await stored(db, 6, whale_score=Decimal(1), succeeded=False)
    await stored(db, 7, whale_score=Decimal(1), block=-1)
    rows = await whale_transactions.list_highest_scored(
        db, chain_id=CHAIN, min_whale_score=Decimal("0.5"), since=START, max_rows=MANY
    )
    assert numbers(rows) == [2, 3, 1]


async def test_ties_come_by_hash_then_block_then_trace(db: Database) -> None:
    keys = [(n, hash_of(block), trace) for n in (1, 2) for block in (1, 2) for trace in ("", "0")]
    for number, block, trace in reversed(keys):
        changes = {"block_hash": block, "trace_path": trace, "whale_score": Decimal("0.5")}
        await stored(db, number, **changes)
    given: dict[str, Any] = {"chain_id": CHAIN, "since": START}
    least = given | {"max_rows": MANY}
    async with aclosing(whale_transactions.stream_since(db, **given)) as stream:
        streamed = [row async for row in stream]
    for rows in (
        await whale_transactions.list_transfers(db, **least, order_by="largest"),
        await whale_transactions.list_highest_scored(db, **least, min_whale_score=Decimal(0)),
        await whale_transactions.list_by_block(
            db, chain_id=CHAIN, block_number=BLOCK, max_rows=MANY
        ),
        streamed,
    ):
        assert [(int(row.hash, 16), row.block_hash, row.trace_path) for row in rows] == keys
    newest = await whale_transactions.list_recent(db, min_value_eth=Decimal(1), max_rows=MANY)
    assert newest == streamed[::-1]
    assert await whale_transactions.list_transfers(db, **least) == newest
    mine = await whale_transactions.list_by_address(db, address=address_of(1), max_rows=MANY)
    assert [(row.hash, row.block_hash, row.trace_path) for row in mine] == [
        (row.hash, row.block_hash, row.trace_path) for row in newest
    ]
    both = await whale_transactions.list_inclusions(db, chain_id=CHAIN, hash=hash_of(2))
    assert both == streamed[4:]


async def test_list_by_block_keeps_failed_rows(db: Database) -> None:
    await some_transfers(db)
    rows = await whale_transactions.list_by_block(
        db, chain_id=CHAIN, block_number=BLOCK, max_rows=MANY
    )
    assert [(n, row.trace_path) for n, row in zip(numbers(rows), rows, strict=True)] == [
        (1, ""),
        (1, "0_1"),
        (2, ""),
        (3, ""),
    ]
    assert not await whale_transactions.list_by_block(
        db, chain_id=CHAIN, block_number=BLOCK + 1, max_rows=MANY
    )


async def test_count_and_stream_agree_on_the_transfers_since(db: Database) -> None:
    await some_transfers(db)
    await stored(db, 6, block=1)
    await stored(db, 7, block=-1)
    since = {"chain_id": CHAIN, "since": START}
    async with aclosing(whale_transactions.stream_since(db, **since)) as stream:
        rows = [row async for row in stream]
    assert [
        (row.block_number - BLOCK, *pair) for row, pair in zip(rows, traces(rows), strict=True)
    ] == [
        (0, 1, ""),
        (0, 1, "0_1"),
        (0, 2, ""),
        (1, 6, ""),
    ]
    assert await whale_transactions.count_since(db, **since, min_value_eth=Decimal(0)) == 4
    assert await whale_transactions.count_since(db, **since, min_value_eth=Decimal(150)) == 3
    later = {"chain_id": CHAIN, "since": START + BLOCK_TIME + timedelta(microseconds=1)}
    assert await whale_transactions.count_since(db, **later, min_value_eth=Decimal(0)) == 0


def traces(rows: list[WhaleTransaction]) -> list[tuple[int, str]]:
    return [(number, row.trace_path) for number, row in zip(numbers(rows), rows, strict=True)]
