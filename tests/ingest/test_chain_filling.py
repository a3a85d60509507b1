"""fill: blocks at missing heights, where they link, beside the live stream and other fillers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import pytest

from tests.ingest.chain import block, block_hash, receipt, some_hash, transaction
from tests.ingest.inspection import contents, execute, fetch, letters
from tests.ingest.reading import (
    CHAIN,
    MIN_VALUE_ETH,
    branch,
    canonical,
    check_rows_agree,
    hashes,
    moved,
    orphans,
    read,
    writing,
)
from tests.queries.locks import waits_for_lock
from typedsql.database import Database, Transaction
from typedsql.errors import CodeError
from whaledb.ingest.attempts import Attempt
from whaledb.ingest.filling import GapConflict, GapFiller
from whaledb.ingest.finality import FINALITY_BATCH_ROWS, raise_finality
from whaledb.ingest.storing import BlockStore
from whaledb.ingest.traces import TransactionTrace
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import BlockWriter
from whaledb.queries import blocks, ingest_cursors


def filler(db: Database) -> GapFiller:
    return GapFiller(db, source="backfill", chain_id=CHAIN, min_value_eth=MIN_VALUE_ETH)


async def advance(db: Database, given: Sequence[ReadBlock], *, head: int = 99) -> None:
    async with writing(db) as writer:
        await writer.advance(given, head_number=head)


async def test_a_gap_is_filled_and_the_cursor_stays(db: Database) -> None:
    await advance(db, branch(1, 2))
    await advance(db, branch(7, 8))
    cursors = await ingest_cursors.list_all(db, max_rows=9)
    done = await filler(db).fill([*branch(3, 3), *branch(5, 6)])
    assert [each.transactions_written for each in done.stored] == [1, 1, 1]
    assert done.conflicts == ()
    await filler(db).fill(branch(4, 4))
    assert await canonical(db) == [block_hash(n) for n in range(1, 9)]
    assert await ingest_cursors.list_all(db, max_rows=9) == cursors
    before = await contents(db)
    again = await filler(db).fill(branch(3, 6))
    assert [each.already_present for each in again.stored] == [1] * 4
    assert await contents(db) == before
    # What is stored already learns what a second reading knows.
    taught = read(block(3, [transaction("t3", ether=500)]), receipt("t3", 3))
    [learnt] = (await filler(db).fill([taught])).stored
    assert learnt.transactions_written == 1


async def test_what_does_not_link_is_left_out_and_named(db: Database) -> None:
    await advance(db, branch(1, 2))
    await advance(db, branch(7, 8))
    before = await contents(db)
    below = await filler(db).fill(branch(3, 4, "b", of="b"))
    assert below.conflicts == (
        GapConflict(3, block_hash(3, "b"), 2),
        GapConflict(4, block_hash(4, "b"), 2),
    )
    above = await filler(db).fill(branch(5, 6, "b"))
    assert {each.neighbour for each in above.conflicts} == {7}
    occupied = await filler(db).fill(branch(6, 7, "b"))
    assert {each.neighbour for each in occupied.conflicts} == {7}
    assert not below.stored and not above.stored and not occupied.stored
    assert await contents(db) == before
    # Of two runs that do not link with each other, the one that fits is stored.
    mixed = await filler(db).fill([*branch(3, 4), *branch(5, 6, "b", of="b")])
    assert (len(mixed.stored), [each.number for each in mixed.conflicts]) == (2, [5, 6])
    await check_rows_agree(db)


async def test_an_orphan_that_fits_a_gap_comes_back(db: Database) -> None:
    await advance(db, branch(1, 5))
    await advance(db, branch(4, 4, "b"), head=9)
    # The node goes back to where it was, and the stream has not come there yet.
    await advance(db, branch(4, 4), head=9)
    assert await orphans(db) == {block_hash(5), block_hash(4, "b")}
    assert len((await filler(db).fill(branch(5, 5))).stored) == 1
    assert await canonical(db) == [block_hash(n) for n in range(1, 6)]
    assert (await filler(db).fill(branch(5, 5, "b", of="b"))).conflicts[0].neighbour == 5
    await check_rows_agree(db)


async def test_blocks_out_of_order_are_refused(db: Database) -> None:
    for given in (branch(2, 2) + branch(1, 1), branch(1, 1) + branch(1, 1, "b")):
        with pytest.raises(CodeError):
            await filler(db).fill(given)
    assert (await filler(db).fill([])).stored == ()


async def test_a_bad_row_is_a_dead_letter_of_the_backfill(db: Database) -> None:
    await execute(db, "ALTER TABLE whale_transactions ADD CHECK (value_eth <> 777)")
    bad = read(block(2, [transaction("bad", ether=777), transaction("good", ether=500)]))
    done = await filler(db).fill([*branch(1, 1), bad, *branch(3, 3)])
    assert [len(each.dead_letters) for each in done.stored] == [0, 1, 0]
    assert [each.transactions_written for each in done.stored] == [1, 1, 1]
    assert len(await letters(db)) == 1
    assert await fetch(db, "SELECT source FROM dead_letters") == [("backfill",)]


T = TypeVar("T")


class Held:
    """The database, whose next transaction commits when `go` is set."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.ready, self.go = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def run_transaction(
        self, function: Callable[[Transaction], Awaitable[T]], **options: Any
    ) -> T:
        async def holding(tx: Transaction) -> T:
            done = await function(tx)
            self.ready.set()
            await self.go.wait()
            return done

        return await self._db.run_transaction(holding, **options)


async def no_lock(self: Attempt, tx: Transaction, **given: int) -> None:
    """In the place of Attempt.lock."""


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "control"])
async def test_filling_beside_a_reorganisation_leaves_one_chain(
    db: Database, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """The filler's block links with one that is just being orphaned."""
    if not locked:
        monkeypatch.setattr(Attempt, "lock", no_lock)
    await advance(db, branch(1, 3))
    held = Held(db)
    async with writing(db) as writer:
        writer._db = cast(Database, held)
        live = asyncio.create_task(writer.advance(branch(3, 3, "b"), head_number=9))
        await asyncio.wait(
            [asyncio.create_task(held.ready.wait()), live], return_when="FIRST_COMPLETED"
        )
        filling = asyncio.create_task(filler(db).fill(branch(4, 5)))
        if locked:
            await waits_for_lock(db, filling)
        else:
            await filling
        held.go.set()
        await live
        done = await filling
    if locked:
        assert [each.neighbour for each in done.conflicts] == [3, 3]
        await check_rows_agree(db)
    else:
        assert len(done.stored) == 2
        with pytest.raises(AssertionError):
            await check_rows_agree(db)


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "control"])
async def test_neighbouring_fillers_on_two_chains_leave_one(
    db: Database, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    if not locked:
        monkeypatch.setattr(Attempt, "lock", no_lock)
    held = Held(db)
    first = asyncio.create_task(filler(cast(Database, held)).fill(branch(1, 3)))
    await held.ready.wait()
    other = asyncio.create_task(filler(db).fill(branch(4, 5, "b", of="b")))
    if locked:
        await waits_for_lock(db, other)
    else:
        await other
    held.go.set()
    await first
    done = await other
    if locked:
        assert [each.neighbour for each in done.conflicts] == [3, 3]
        await check_rows_agree(db)
    else:
        with pytest.raises(AssertionError):
            await check_rows_agree(db)


async def test_many_fillers_files_and_a_jumping_head_leave_one_chain(db: Database) -> None:
    """All at once, each on its own chain: what is stored links, and rows go with blocks."""

    async def live() -> None:
        async with writing(db) as writer:
            await writer.advance(branch(10, 14), head_number=99)
            for depth in (1, 2, 3, 4):
                fork = f"f{depth}"
                await writer.advance(branch(15 - depth, 14, fork), head_number=99)

    async def files() -> None:
        store = BlockStore(
            db,
            stream="file:x",
            chain_id=CHAIN,
            min_value_eth=Decimal(100),
        )
        for made in branch(30, 33):
            await store.store([made])

    jobs = [filler(db).fill(branch(n, n + 1)) for n in range(0, 10, 2)]
    more = [filler(db).fill(branch(n, n + 2)) for n in (15, 18, 21)]
    await asyncio.gather(live(), files(), *jobs, *more)
    await check_rows_agree(db)
    assert len(await canonical(db)) >= 15
    assert (await canonical(db))[:10] == [block_hash(n) for n in range(10)]


async def test_finality_rises_in_batches_and_reaches_what_is_filled_later(db: Database) -> None:
    await execute(
        db,
        "INSERT INTO blocks (hash, chain_id, number, parent_hash, block_timestamp,"
        " min_value_eth, complete)"
        " SELECT '0x' || lpad(to_hex(n), 64, '0'), 1, n,"
        " '0x' || lpad(to_hex(n - 1), 64, '0'), now(), 0, true"
        f" FROM generate_series(1000, {1000 + FINALITY_BATCH_ROWS}) AS n",
    )
    top = 1000 + FINALITY_BATCH_ROWS
    named: dict[str, Any] = {"chain_id": 1, "number": top, "hash": f"0x{top:064x}"}
    raised = await raise_finality(db, **named, finality="finalised")
    assert raised == FINALITY_BATCH_ROWS + 1
    assert await raise_finality(db, **named, finality="finalised") == 0
    assert await raise_finality(db, **named, finality="safe") == 0
    await filler(db).fill(branch(5, 6))
    assert await raise_finality(db, **named, finality="finalised") == 2
    highest = await blocks.get_finalised(db, chain_id=1)
    assert highest is not None
    assert highest.number == top
    assert hashes(branch(5, 6)) == (await canonical(db))[:2]


async def test_a_block_that_another_writer_adds_meanwhile_is_not_taken_for_new(
    db: Database,
) -> None:
    """What that one knew of internal transfers is taken back by a receipt that says failed."""
    made = block(1, [transaction("a", ether=200)])
    traces = {some_hash("transaction", "a"): TransactionTrace(True, (moved("0", 500),))}
    other = BlockWriter(
        source="other", chain_id=CHAIN, min_value_eth=MIN_VALUE_ETH, match_alerts=False
    )
    failed = read(made, receipt("a", 1, status="0x0"))
    async with db.transaction() as tx:
        await other.write_canonical(tx, read(made, traces=traces), row_by_row=False, unsettled=[])
        filling = asyncio.create_task(filler(db).fill([failed]))
        await waits_for_lock(db, filling)
    await filling
    rows = await fetch(db, "SELECT trace_path, succeeded FROM whale_transactions ORDER BY 1")
    assert rows == [("", False), ("0", False)]
