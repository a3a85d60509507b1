"""Two blocks at one height: which is canonical, and what becomes of the other's rows."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ingest.chain import JSON, block, block_hash, lines, some_hash, transaction
from tests.ingest.inspection import chain, contents, fetch
from typedsql.database import Database
from whaledb.ingest import IngestSummary, ingest_blocks
from whaledb.queries import blocks, ingest_cursors, whale_transactions


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "blocks.ndjson"


def whale(name: str) -> JSON:
    return transaction(name, ether=500)


def put(path: Path, *made: JSON) -> Path:
    path.write_bytes(lines(*made))
    return path


async def ingest(db: Database, path: Path, *made: JSON) -> IngestSummary:
    return await ingest_blocks(db, [put(path, *made)], min_value_eth=Decimal(100))


async def orphaned(db: Database) -> dict[tuple[str, str], bool]:
    rows = await fetch(db, "SELECT hash, block_hash, orphaned_at FROM whale_transactions")
    return {(row[0], row[1]): row[2] is not None for row in rows}


async def test_another_block_at_the_tip_replaces_the_first(db: Database, source: Path) -> None:
    await ingest(db, source, block(1), block(2, [whale("moved"), whale("dropped")]))
    await ingest(db, source, block(2, [whale("moved"), whale("new")], fork="b"))
    assert await chain(db) == sorted(
        [(1, block_hash(1), True), (2, block_hash(2), False), (2, block_hash(2, "b"), True)]
    )
    assert await orphaned(db) == {
        (some_hash("transaction", "moved"), block_hash(2)): True,
        (some_hash("transaction", "dropped"), block_hash(2)): True,
        (some_hash("transaction", "moved"), block_hash(2, "b")): False,
        (some_hash("transaction", "new"), block_hash(2, "b")): False,
    }
    moved = await whale_transactions.get_by_hash(
        db, chain_id=1, hash=some_hash("transaction", "moved")
    )
    assert moved is not None
    assert moved.block_hash == block_hash(2, "b")
    dropped = some_hash("transaction", "dropped")
    assert await whale_transactions.get_by_hash(db, chain_id=1, hash=dropped) is None


async def test_the_cursor_names_the_block_that_replaced_its_own(db: Database, source: Path) -> None:
    await ingest(db, source, block(1), block(2))
    await ingest(db, source, block(2, fork="b"))
    cursor = await ingest_cursors.get(db, stream=f"file:{source}", chain_id=1)
    assert cursor is not None
    assert (cursor.number, cursor.hash) == (2, block_hash(2, "b"))


async def test_a_block_the_stored_chain_goes_on_from_stays(db: Database, source: Path) -> None:
    await ingest(db, source, block(1), block(2, [whale("a")]), block(3))
    summary = await ingest(db, source, block(2, [whale("a"), whale("never")], fork="b"))
    assert (summary.blocks, summary.transactions_written) == (1, 2)
    assert (2, block_hash(2), True) in await chain(db)
    assert (2, block_hash(2, "b"), False) in await chain(db)
    assert await orphaned(db) == {
        (some_hash("transaction", "a"), block_hash(2)): False,
        (some_hash("transaction", "a"), block_hash(2, "b")): True,
        (some_hash("transaction", "never"), block_hash(2, "b")): True,
    }
    never = some_hash("transaction", "never")
    assert await whale_transactions.get_by_hash(db, chain_id=1, hash=never) is None


async def test_a_block_below_a_gap_stays(db: Database, source: Path) -> None:
    """What belongs into the gap is not known: the stored chain may go on from it."""
    await ingest(db, source, block(1), block(2), block(5))
    await ingest(db, source, block(2, fork="b"))
    assert (2, block_hash(2), True) in await chain(db)
    assert (2, block_hash(2, "b"), False) in await chain(db)


async def test_a_linked_tip_stays_where_the_newcomer_has_another_parent(
    db: Database, source: Path
) -> None:
    await ingest(db, source, block(1), block(2))
    await ingest(db, source, block(2, fork="b", parent_fork="b"))
    assert (2, block_hash(2), True) in await chain(db)
    # The control: one that is as well linked takes its place.
    await ingest(db, source, block(2, fork="c"))
    assert (2, block_hash(2, "c"), True) in await chain(db)


async def test_a_child_of_the_newcomer_lets_it_in(db: Database, source: Path) -> None:
    await ingest(db, source, block(2), block(3, parent_fork="b"))
    await ingest(db, source, block(2, fork="b"))
    assert (2, block_hash(2, "b"), True) in await chain(db)


async def test_an_orphan_seen_again_stays_one(db: Database, source: Path) -> None:
    made = [block(1), block(2, [whale("a")]), block(2, [whale("a")], fork="b"), block(3)]
    await ingest(db, source, *made)
    before = await contents(db)
    summary = await ingest(db, source, *made)
    assert (summary.transactions_written, summary.already_present) == (0, 2)
    assert await contents(db) == before


async def test_a_lower_threshold_adds_the_rest_of_an_orphan_as_orphaned(
    db: Database, source: Path
) -> None:
    first = block(2, [whale("a"), transaction("small", ether=1)])
    await ingest(db, source, first, block(2, fork="b"))
    await ingest_blocks(db, [put(source, first)], min_value_eth=Decimal(0))
    rows = await fetch(db, "SELECT DISTINCT orphaned_at FROM whale_transactions")
    assert len(rows) == 1
    assert rows[0][0] is not None


async def test_a_finalised_block_is_not_replaced(db: Database, source: Path) -> None:
    await ingest(db, source, block(2, [whale("a")]))
    await blocks.update_finality(
        db, chain_id=1, first_number=2, last_number=2, finality="finalised"
    )
    await ingest(db, source, block(2, [whale("a")], fork="b"))
    assert (2, block_hash(2), True) in await chain(db)
    assert (2, block_hash(2, "b"), False) in await chain(db)


async def test_another_chain_at_the_same_height_is_left_alone(db: Database, source: Path) -> None:
    await ingest(db, source, block(2))
    await ingest_blocks(db, [source], chain_id=137)
    await ingest_blocks(db, [put(source, block(2, fork="b"))], chain_id=137)
    rows = await fetch(db, "SELECT chain_id, hash FROM blocks WHERE canonical ORDER BY chain_id")
    assert rows == [(1, block_hash(2)), (137, block_hash(2, "b"))]


async def test_two_writers_of_the_same_heights_leave_one_chain(
    db: Database, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    heights = range(1, 21)
    put(one, *[block(n, [whale(f"t{n}")]) for n in heights])
    put(other, *[block(n, [whale(f"t{n}")], fork="b" if n % 2 else "") for n in heights])
    summaries = await asyncio.gather(*[ingest_blocks(db, [p]) for p in (one, other, one)])
    assert [s.blocks for s in summaries] == [20, 20, 20]
    assert sum(s.dead_letters for s in summaries) == 0
    canonical = [number for number, _, is_canonical in await chain(db) if is_canonical]
    assert canonical == list(heights)
    disagreeing = await fetch(
        db,
        "SELECT 1 FROM whale_transactions AS t JOIN blocks AS b ON b.hash = t.block_hash"
        " WHERE b.canonical <> (t.orphaned_at IS NULL)",
    )
    assert disagreeing == []
