"""Blocks: what a second reading adds, and one canonical block at each height."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.queries.locks import waits_for_lock
from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database, Transaction
from typedsql.errors import DataError
from whaledb.queries import blocks
from whaledb.rows import Block

pytestmark = pytest.mark.versions

MANY = 1000
CHAIN: Final = 1
START: Final = datetime(2026, 11, 1, tzinfo=UTC)


def hash_of(number: int, fork: int = 0) -> str:
    return f"0x{fork:032x}{number:032x}"


def block(number: int, *, fork: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "hash": hash_of(number, fork),
        "chain_id": CHAIN,
        "number": number,
        "parent_hash": hash_of(number - 1),
        "block_timestamp": START + number * timedelta(seconds=12),
        "canonical": True,
        "min_value_eth": Decimal(100),
        "complete": True,
        "traced": False,
    } | changes


async def found(db: Database, number: int, *, fork: int = 0, chain_id: int = CHAIN) -> Block:
    row = await blocks.get(db, chain_id=chain_id, hash=hash_of(number, fork))
    assert row is not None
    return row


async def chain(db: Database, *numbers: int) -> None:
    for number in numbers:
        assert await blocks.merge(db, **block(number)) is True


def numbers(rows: list[Block]) -> list[int]:
    return [row.number for row in rows]


async def test_merge_adds_a_block(db: Database) -> None:
    given = block(5, min_value_eth=Decimal("0.000000000000000001"), complete=False)
    assert await blocks.merge(db, **given) is True
    row = await found(db, 5)
    assert {name: getattr(row, name) for name in given} == given
    assert (row.orphaned_at, row.finality, row.created_at) == (None, "pending", row.updated_at)


async def test_merge_adds_an_orphaned_block(db: Database) -> None:
    await chain(db, 5)
    assert await blocks.merge(db, **block(5, fork=1, canonical=False)) is True
    row = await found(db, 5, fork=1)
    assert not row.canonical
    assert row.orphaned_at == row.created_at
    await blocks.merge(db, **block(5, fork=1, canonical=True, min_value_eth=Decimal(0)))
    assert not (await found(db, 5, fork=1)).canonical


async def test_hashes_are_found_in_any_spelling(db: Database) -> None:
    upper = "0x" + "AB" * 32
    assert await blocks.merge(db, **block(5, hash=upper, parent_hash=upper)) is True
    assert await blocks.merge(db, **block(5, hash=upper.lower(), parent_hash=upper)) is None
    row = await blocks.get(db, chain_id=CHAIN, hash=upper)
    assert row is not None
    assert (row.hash, row.parent_hash) == (upper.lower(), upper.lower())
    assert not await blocks.list_all(db, after_hash=upper, after_chain_id=CHAIN, max_rows=1)
    assert await blocks.delete(db, chain_id=CHAIN, hash=upper) == 1


@pytest.mark.parametrize(
    ("stored", "read", "result", "expected"),
    [
        ((100, True), (100, True), None, (100, True)),
        ((100, True), (100, False), None, (100, True)),
        ((100, False), (100, True), False, (100, True)),
        ((100, False), (100, False), None, (100, False)),
        ((100, True), (10, False), False, (10, False)),
        ((100, False), (10, True), False, (10, True)),
        ((100, True), (10, True), False, (10, True)),
        ((100, False), (1000, True), None, (100, False)),
        ((100, True), (1000, False), None, (100, True)),
    ],
)
async def test_merge_keeps_what_was_read_most_completely(
    db: Database,
    stored: tuple[int, bool],
    read: tuple[int, bool],
    result: bool | None,
    expected: tuple[int, bool],
) -> None:
    def reading(threshold: int, complete: bool) -> dict[str, Any]:
        return block(5, min_value_eth=Decimal(threshold), complete=complete)

    await blocks.merge(db, **reading(*stored))
    await age(db, "blocks")
    assert await blocks.merge(db, **reading(*read)) is result
    row = await found(db, 5)
    assert (row.min_value_eth, row.complete) == expected
    # Whether traces were read follows the same rule.
    await blocks.merge(db, **block(6, min_value_eth=Decimal(stored[0]), traced=stored[1]))
    given = block(6, min_value_eth=Decimal(read[0]), traced=read[1])
    assert await blocks.merge(db, **given) is result
    row6 = await found(db, 6)
    assert (row6.min_value_eth, row6.traced) == expected
    assert (row.updated_at > LONG_AGO) == (result is False)


async def test_a_second_canonical_block_at_a_number_is_refused(db: Database) -> None:
    await chain(db, 5)
    with pytest.raises(DataError) as refusal:
        await blocks.merge(db, **block(5, fork=1))
    assert refusal.value.constraint == "idx_blocks_canonical_number"
    await blocks.orphan_branch(db, chain_id=CHAIN, hashes=[hash_of(5)])
    assert await blocks.merge(db, **block(5, fork=1)) is True
    with pytest.raises(DataError):
        await blocks.restore_branch(db, chain_id=CHAIN, hashes=[hash_of(5)])
    assert await blocks.merge(db, **block(5, chain_id=10)) is True


async def test_orphan_and_restore_happen_once(db: Database) -> None:
    await chain(db, 5, 6)
    await age(db, "blocks")
    five = {"chain_id": CHAIN, "hashes": [hash_of(5)]}
    assert await blocks.restore_branch(db, **five) == 0
    assert (await found(db, 5)).updated_at == LONG_AGO
    assert await blocks.orphan_branch(db, **five) == 1
    row = await found(db, 5)
    assert not row.canonical
    assert row.orphaned_at == row.updated_at > LONG_AGO
    assert await blocks.orphan_branch(db, **five) == 0
    assert await found(db, 5) == row
    await age(db, "blocks")
    assert await blocks.restore_branch(db, **five) == 1
    row = await found(db, 5)
    assert (row.canonical, row.orphaned_at) == (True, None)
    assert row.updated_at > LONG_AGO
    assert (await found(db, 6)).updated_at == LONG_AGO
    assert await blocks.orphan_branch(db, chain_id=10, hashes=[hash_of(5)]) == 0


async def test_a_finalised_block_is_not_orphaned(db: Database) -> None:
    await chain(db, 5, 6)
    only = {"chain_id": CHAIN, "first_number": 5, "last_number": 5}
    await blocks.update_finality(db, **only, finality="finalised")
    assert await blocks.orphan_branch(db, chain_id=CHAIN, hashes=[hash_of(5)]) == 0
    assert (await found(db, 5)).canonical
    assert await blocks.orphan_branch(db, chain_id=CHAIN, hashes=[hash_of(6)]) == 1


async def test_update_finality_only_raises_it(db: Database) -> None:
    await chain(db, 1, 2, 3, 4, 5)
    await blocks.merge(db, **block(3, fork=1, canonical=False))
    await blocks.merge(db, **block(3, chain_id=10))

    async def raised(first: int, last: int, finality: str) -> int:
        await age(db, "blocks")
        return await blocks.update_finality(
            db, chain_id=CHAIN, first_number=first, last_number=last, finality=finality
        )

    assert await raised(1, 4, "safe") == 4
    assert await raised(1, 2, "finalised") == 2
    assert await raised(1, 4, "safe") == 0
    assert await raised(1, 5, "pending") == 0
    assert await raised(2, 5, "finalised") == 3
    rows = await blocks.list_recent(db, chain_id=CHAIN, max_rows=MANY)
    assert {row.finality for row in rows} == {"finalised"}
    assert [row.number for row in rows if row.updated_at > LONG_AGO] == [5, 4, 3]
    assert (await found(db, 3, fork=1)).finality == "pending"
    with pytest.raises(DataError):
        await blocks.merge(db, **block(9))
        await raised(9, 9, "sure")


async def test_canonical_blocks_are_found_by_number(db: Database) -> None:
    assert await blocks.get_latest(db, chain_id=CHAIN) is None
    assert await blocks.get_earliest(db, chain_id=CHAIN) is None
    await chain(db, 1, 2, 3)
    await blocks.merge(db, **block(0, canonical=False, parent_hash=hash_of(0)))
    await blocks.merge(db, **block(9, canonical=False))
    await blocks.merge(db, **block(7, chain_id=10))
    two = {"chain_id": CHAIN, "number": 2}
    assert await blocks.get_canonical(db, **two) == await found(db, 2)
    assert await blocks.get_latest(db, chain_id=CHAIN) == await found(db, 3)
    assert await blocks.get_earliest(db, chain_id=CHAIN) == await found(db, 1)
    assert await blocks.count(db, chain_id=CHAIN) == 3
    await blocks.orphan_branch(db, chain_id=CHAIN, hashes=[hash_of(2)])
    assert await blocks.get_canonical(db, **two) is None
    assert await blocks.count(db, chain_id=CHAIN) == 2
    assert not (await found(db, 2)).canonical
    assert await blocks.get(db, chain_id=10, hash=hash_of(2)) is None
    await blocks.orphan_branch(db, chain_id=CHAIN, hashes=[hash_of(1)])
    assert await blocks.get_earliest(db, chain_id=CHAIN) == await found(db, 3)
    assert await blocks.get_earliest(db, chain_id=10) == await blocks.get_latest(db, chain_id=10)


async def test_ranges_include_both_ends_and_leave_gaps(db: Database) -> None:
    await chain(db, 1, 2, 4, 5)
    await blocks.merge(db, **block(3, fork=1, canonical=False))
    given = {"chain_id": CHAIN, "first_number": 2, "last_number": 5}
    assert numbers(await blocks.list_canonical_range(db, **given, max_rows=MANY)) == [2, 4, 5]
    assert numbers(await blocks.list_canonical_range(db, **given, max_rows=2)) == [2, 4]
    async with aclosing(blocks.stream_canonical(db, chain_id=CHAIN, first_number=2)) as stream:
        assert [row.number async for row in stream] == [2, 4, 5]


async def test_pages_of_list_recent_walk_every_row_once(db: Database) -> None:
    await chain(db, 1, 2, 3, 5, 8)
    await blocks.merge(db, **block(4, canonical=False))
    await blocks.merge(db, **block(6, chain_id=10))

    async def following(row: Block) -> list[Block]:
        return await blocks.list_recent(db, chain_id=CHAIN, before_number=row.number, max_rows=2)

    rows = await walk(blocks.list_recent(db, chain_id=CHAIN, max_rows=2), following)
    assert numbers(rows) == [8, 5, 3, 2, 1]


async def test_list_all_walks_orphaned_blocks_and_all_chains(db: Database) -> None:
    await chain(db, 1, 2)
    await blocks.merge(db, **block(2, fork=1, canonical=False))
    for chain_id in (10, 137):
        await blocks.merge(db, **block(2, chain_id=chain_id))

    async def following(row: Block) -> list[Block]:
        return await blocks.list_all(
            db, after_hash=row.hash, after_chain_id=row.chain_id, max_rows=2
        )

    rows = await walk(blocks.list_all(db, max_rows=2), following)
    assert [(row.hash, row.chain_id) for row in rows] == [
        (hash_of(1), 1),
        (hash_of(2), 1),
        (hash_of(2), 10),
        (hash_of(2), 137),
        (hash_of(2, fork=1), 1),
    ]


async def test_delete_takes_one_block(db: Database) -> None:
    await chain(db, 1, 2)
    assert await blocks.delete(db, chain_id=10, hash=hash_of(1)) == 0
    assert await blocks.delete(db, chain_id=CHAIN, hash=hash_of(1)) == 1
    assert await blocks.delete(db, chain_id=CHAIN, hash=hash_of(1)) == 0
    assert (await found(db, 2)).number == 2


async def missing(db: Database, first: int, last: int, **more: Any) -> list[tuple[int, int, int]]:
    rows = await blocks.list_missing_ranges(
        db,
        **(
            {"chain_id": CHAIN, "first_number": first, "last_number": last, "max_rows": MANY} | more
        ),
    )
    return [(row.first_number, row.last_number, row.block_count) for row in rows]


async def test_list_missing_ranges_gives_what_is_not_canonical(db: Database) -> None:
    await chain(db, 3, 4, 7, 12)
    assert await missing(db, 3, 12) == [(5, 6, 2), (8, 11, 4)]
    assert await missing(db, 0, 14) == [(0, 2, 3), (5, 6, 2), (8, 11, 4), (13, 14, 2)]
    assert await missing(db, 5, 6) == [(5, 6, 2)]
    assert await missing(db, 6, 9) == [(6, 6, 1), (8, 9, 2)]
    assert await missing(db, 3, 4) == []
    assert await missing(db, 4, 4) == []
    assert await missing(db, 5, 5) == [(5, 5, 1)]
    assert await missing(db, 5, 4) == []
    assert await missing(db, 3, 12, chain_id=10) == [(3, 12, 10)]


async def test_an_orphaned_block_fills_no_gap(db: Database) -> None:
    await chain(db, 1, 2, 3)
    assert await missing(db, 1, 3) == []
    await blocks.orphan_branch(db, chain_id=CHAIN, hashes=[hash_of(2)])
    assert await missing(db, 1, 3) == [(2, 2, 1)]
    assert await blocks.merge(db, **block(2, fork=1)) is True
    assert await missing(db, 1, 3) == []


async def test_missing_ranges_can_be_continued(db: Database) -> None:
    await chain(db, *range(1, 21, 3))
    whole = await missing(db, 1, 20)
    assert len(whole) == 7
    found: list[tuple[int, int, int]] = []
    first = 1
    while page := await missing(db, first, 20, max_rows=2):
        found += page
        first = page[-1][1] + 1
    assert found == whole


async def displaced(db: Database, after: int, last: int, tip: int, **given: Any) -> list[int]:
    rows = await blocks.list_displaced(
        db,
        **{
            "chain_id": CHAIN,
            "after_number": after,
            "last_number": last,
            "tip_number": tip,
            "tip_hash": hash_of(tip, 1),
            "kept_hashes": [hash_of(number, 1) for number in range(after + 1, tip + 1)],
            "max_rows": MANY,
        }
        | given,
    )
    return [row.number for row in rows]


async def test_a_branch_displaces_what_it_contradicts_and_its_descendants(db: Database) -> None:
    await chain(db, 1, 2, 3, 4, 5, 6, 8)
    await blocks.merge(db, **block(3, chain_id=10))
    assert await displaced(db, 2, 3, 3) == [3, 4, 5, 6]
    assert await displaced(db, 2, 9, 3) == [3, 4, 5, 6, 8]
    assert len(await displaced(db, 2, 3, 3, max_rows=2)) == 2
    # The blocks are those of the branch, and the one above its tip is the tip's child.
    same = {"kept_hashes": [hash_of(3), hash_of(4)], "tip_hash": hash_of(4).upper()}
    assert await displaced(db, 2, 4, 4, **same) == []
    # Nothing at the tip's height was stored, but the block above is no child of it.
    assert await displaced(db, 6, 7, 7) == [8]
    assert await displaced(db, 6, 7, 7, tip_hash=hash_of(7)) == []
    assert await displaced(db, 8, 9, 9) == []


async def test_a_branch_is_orphaned_and_restored_at_once(db: Database) -> None:
    await chain(db, 1, 2, 3, 4)
    only = {"chain_id": CHAIN, "first_number": 1, "last_number": 2}
    await blocks.update_finality(db, **only, finality="finalised")
    await blocks.update_finality(db, **only | {"last_number": 3}, finality="safe")
    await age(db, "blocks")
    hashes = [hash_of(number) for number in (2, 3, 4, 9)]
    assert await blocks.orphan_branch(db, chain_id=10, hashes=hashes) == 0
    assert await blocks.orphan_branch(db, chain_id=CHAIN, hashes=hashes) == 2
    gone = await found(db, 3)
    assert (gone.canonical, gone.finality) == (False, "pending")
    assert gone.orphaned_at == gone.updated_at > LONG_AGO
    assert ((await found(db, 2)).canonical, (await found(db, 1)).updated_at) == (True, LONG_AGO)
    assert await blocks.orphan_branch(db, chain_id=CHAIN, hashes=hashes) == 0
    await age(db, "blocks")
    assert await blocks.restore_branch(db, chain_id=CHAIN, hashes=hashes) == 2
    back = await found(db, 3)
    assert (back.canonical, back.orphaned_at) == (True, None)
    assert back.updated_at > LONG_AGO
    assert await blocks.restore_branch(db, chain_id=CHAIN, hashes=hashes) == 0
    known = await blocks.list_known(db, chain_id=CHAIN, hashes=[*hashes, hash_of(1)])
    assert numbers(known) == [1, 2, 3, 4]


async def test_finality_rises_only_on_the_chain_that_the_node_names(db: Database) -> None:
    await chain(db, 1, 2, 3, 4, 5)
    await blocks.merge(db, **block(2, fork=1, canonical=False))
    await blocks.merge(db, **block(2, chain_id=10))

    async def raised(number: int, finality: str, *, fork: int = 0, max_rows: int = 9) -> int:
        return await blocks.raise_finality(
            db,
            chain_id=CHAIN,
            number=number,
            hash=hash_of(number, fork).upper().replace("X", "x"),
            finality=finality,
            max_rows=max_rows,
        )

    assert await blocks.get_finalised(db, chain_id=CHAIN) is None
    assert await raised(4, "safe", fork=1) == 0
    assert await raised(6, "safe") == 0
    assert await raised(4, "safe") == 4
    assert await raised(3, "finalised", max_rows=2) == 2
    highest = await blocks.get_finalised(db, chain_id=CHAIN)
    assert highest == await found(db, 2)
    assert await raised(3, "finalised", max_rows=2) == 1
    await age(db, "blocks")
    assert await raised(3, "finalised") == await raised(4, "safe") == 0
    assert await raised(4, "pending") == 0
    rows = await blocks.list_recent(db, chain_id=CHAIN, max_rows=MANY)
    assert [row.finality for row in rows] == ["pending", "safe", *["finalised"] * 3]
    assert {row.updated_at for row in rows} == {LONG_AGO}
    assert (await found(db, 2, fork=1)).finality == "pending"
    # A block that is stored later, below what is finalised, rises the next time.
    await blocks.merge(db, **block(0, parent_hash=hash_of(0)))
    assert await raised(3, "finalised") == 1


async def waits(db: Database, held: str, asked: str, **numbers: int) -> bool:
    """Whether a transaction that asks for a lock waits for one that holds another."""

    async def lock(tx: Transaction, kind: str, first: int, last: int, chain_id: int) -> None:
        if kind == "exclusive":
            assert await blocks.lock_exclusive(tx, chain_id=chain_id) is True
        else:
            given = {"chain_id": chain_id, "first_number": first, "last_number": last}
            assert await blocks.lock_shared(tx, **given) == 3

    async def second() -> None:
        async with db.transaction() as other:
            first, last = numbers["first"], numbers["last"]
            await lock(other, asked, first, last, numbers.get("chain_id", CHAIN))

    async with db.transaction() as tx:
        await lock(tx, held, 5, 8, CHAIN)
        asking = asyncio.create_task(second())
        try:
            await waits_for_lock(db, asking)
        except AssertionError:
            await asking
            return False
    await asking
    return True


async def test_fillers_run_side_by_side_and_a_reorganisation_alone(db: Database) -> None:
    beside = {"first": 10, "last": 12}
    assert not await waits(db, "shared", "shared", **beside)
    assert await waits(db, "shared", "exclusive", **beside)
    assert await waits(db, "exclusive", "shared", **beside)
    assert not await waits(db, "exclusive", "shared", **beside, chain_id=10)
    # Neighbours on either side, which have to see whether they link.
    assert await waits(db, "shared", "shared", first=9, last=12)
    assert await waits(db, "shared", "shared", first=1, last=4)
    assert not await waits(db, "shared", "shared", first=1, last=3)
