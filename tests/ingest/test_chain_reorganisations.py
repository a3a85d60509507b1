"""advance: the stored chain becomes the node's, in one step or not at all."""

from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.ingest.chain import (
    block,
    block_hash,
    receipt,
    some_hash,
    transaction,
)
from tests.ingest.inspection import contents, execute, fetch, letters, value
from tests.ingest.reading import (
    CHAIN,
    MIN_VALUE_ETH,
    branch,
    canonical,
    check_rows_agree,
    cursor,
    hashes,
    moved,
    orphans,
    read,
    writing,
)
from typedsql.database import Database
from typedsql.errors import CodeError, DataError
from whaledb import alerting
from whaledb.ingest import advancing
from whaledb.ingest.advancing import (
    AncestorReplaced,
    ChainWriter,
    NodeBehind,
    ReorganisationRefused,
)
from whaledb.ingest.filling import GapFiller
from whaledb.ingest.finality import raise_finality
from whaledb.ingest.traces import TransactionTrace
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import BlockKey

HEAD = 99


@pytest.fixture
async def writer(db: Database) -> AsyncGenerator[ChainWriter, None]:
    async with writing(db) as made:
        yield made


@pytest.mark.parametrize("depth", [1, 2, 5])
async def test_a_branch_replaces_what_it_contradicts(
    db: Database, writer: ChainWriter, depth: int
) -> None:
    old = branch(1, 9)
    first = await writer.advance(old, head_number=9)
    assert [each.transactions_written for each in first.stored] == [1] * 9
    new = branch(10 - depth, 10, "b")
    done = await writer.advance(new, head_number=10)
    gone = hashes(old[9 - depth :])
    assert done.orphaned == tuple(BlockKey(10 - depth + i, h) for i, h in enumerate(gone))
    assert done.revived == ()
    assert await canonical(db) == hashes(old[: 9 - depth]) + hashes(new)
    assert await orphans(db) == set(gone)
    assert await cursor(db) == (10, block_hash(10, "b"))
    await check_rows_agree(db)


async def test_back_and_forth_revives_and_writes_nothing_twice(
    db: Database, writer: ChainWriter
) -> None:
    one, other = branch(1, 5), branch(3, 6, "b")
    await writer.advance(one, head_number=5)
    await writer.advance(other, head_number=6)
    back = branch(6, 7)
    done = await writer.advance([*one[2:], *back], head_number=7)
    assert [key.number for key in done.orphaned] == [3, 4, 5, 6]
    assert done.revived == tuple(BlockKey(n, block_hash(n)) for n in (3, 4, 5))
    assert [each.transactions_written for each in done.stored] == [0, 0, 0, 1, 1]
    assert await canonical(db) == hashes([*one, *back])
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 11
    await check_rows_agree(db)


async def test_a_longer_old_chain_goes_as_a_whole_and_the_cursor_moves_down(
    db: Database, writer: ChainWriter
) -> None:
    """The first batch of a new branch does not reach the height of the old one."""
    await writer.advance(branch(1, 9), head_number=9)
    done = await writer.advance(branch(4, 5, "b"), head_number=12)
    assert [key.number for key in done.orphaned] == [4, 5, 6, 7, 8, 9]
    assert await cursor(db) == (5, block_hash(5, "b"))
    await writer.advance(branch(6, 12, "b", of="b"), head_number=12)
    assert (await canonical(db))[3:] == [block_hash(n, "b") for n in range(4, 13)]
    await check_rows_agree(db)


async def test_what_lies_beyond_a_gap_goes_with_the_stream_that_wrote_it(
    db: Database, writer: ChainWriter
) -> None:
    await writer.advance(branch(1, 3), head_number=HEAD)
    await writer.advance(branch(6, 8), head_number=HEAD)
    done = await writer.advance(branch(2, 4, "b"), head_number=HEAD)
    assert [key.number for key in done.orphaned] == [2, 3, 6, 7, 8]
    await check_rows_agree(db)


async def test_a_branch_across_the_start_of_what_is_stored(
    db: Database, writer: ChainWriter
) -> None:
    await writer.advance(branch(5, 7), head_number=7)
    done = await writer.advance(branch(3, 8, "b"), head_number=8)
    assert [key.number for key in done.orphaned] == [5, 6, 7]
    assert await canonical(db) == [block_hash(n, "b") for n in range(3, 9)]
    genesis = [read(block(0)), *branch(1, 2, "c")]
    with pytest.raises(NodeBehind):
        # Its tip is no parent of what is stored above, and the head is not there yet.
        await writer.advance(genesis, head_number=2)
    assert (await writer.advance(genesis, head_number=8)).orphaned[-1].number == 8


async def test_the_same_again_changes_nothing(db: Database, writer: ChainWriter) -> None:
    await writer.advance(branch(1, 6), head_number=6)
    await writer.advance(branch(4, 7, "b"), head_number=7)
    before = await contents(db)
    for again in (branch(4, 7, "b"), branch(1, 2), [*branch(1, 3), *branch(4, 7, "b")]):
        done = await writer.advance(again, head_number=again[-1].block.number)
        assert (done.orphaned, done.revived) == ((), ())
        assert sum(each.transactions_written for each in done.stored) == 0
    assert await contents(db) == before


async def refused(
    db: Database, writer: ChainWriter, error: type[Exception], *given: ReadBlock, head: int
) -> str:
    before = await contents(db)
    with pytest.raises(error) as refusal:
        await writer.advance(given, head_number=head)
    assert await contents(db) == before
    return str(refusal.value)


async def test_nothing_finalised_is_orphaned(db: Database, writer: ChainWriter) -> None:
    await writer.advance(branch(1, 6), head_number=6)
    named: dict[str, Any] = {"chain_id": CHAIN, "finality": "finalised"}
    assert await raise_finality(db, number=4, hash=block_hash(4, "b"), **named) == 0
    assert await raise_finality(db, number=4, hash=block_hash(4), **named) == 4
    said = await refused(db, writer, ReorganisationRefused, *branch(4, 8, "b"), head=8)
    assert "block 4 is stored as finalised" in said
    # Right above it the same is an ordinary reorganisation.
    assert len((await writer.advance(branch(5, 8, "b"), head_number=8)).orphaned) == 2


async def test_a_node_that_is_behind_changes_nothing(db: Database, writer: ChainWriter) -> None:
    await writer.advance(branch(1, 6), head_number=6)
    said = await refused(db, writer, NodeBehind, *branch(4, 5, "b"), head=5)
    assert "head is block 5" in said
    assert "up to block 6" in said
    # Behind, and on the same chain: nothing to do.
    assert (await writer.advance(branch(4, 5), head_number=5)).orphaned == ()
    assert (await writer.advance(branch(4, 5, "b"), head_number=6)).orphaned[-1].number == 6


async def test_a_change_too_deep_is_refused(
    db: Database, writer: ChainWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advancing, "MAX_REORGANISATION_BLOCKS", 3)
    await writer.advance(branch(1, 6), head_number=6)
    said = await refused(db, writer, ReorganisationRefused, *branch(3, 7, "b"), head=7)
    assert "more than 3 stored ones" in said
    assert len((await writer.advance(branch(4, 7, "b"), head_number=7)).orphaned) == 3


async def test_a_branch_from_another_parent_is_for_the_caller(
    db: Database, writer: ChainWriter
) -> None:
    await writer.advance(branch(1, 6), head_number=6)
    await refused(db, writer, AncestorReplaced, *branch(6, 8, "b", of="b"), head=8)
    await refused(db, writer, CodeError, head=8)
    await refused(db, writer, CodeError, *branch(7, 8), *branch(10, 11), head=11)
    await refused(db, writer, CodeError, *branch(7, 8), *branch(9, 9, "b", of="b"), head=9)


async def test_a_block_of_another_content_is_refused(db: Database, writer: ChainWriter) -> None:
    await writer.advance(branch(1, 2), head_number=2)
    forged = read(block(2, timestamp=hex(1)))
    await refused(db, writer, DataError, forged, head=2)


async def test_a_bad_row_loses_neither_its_block_nor_the_others(
    db: Database, writer: ChainWriter
) -> None:
    """A row that only the database refuses, in the middle of a reorganisation."""
    await execute(
        db,
        "ALTER TABLE whale_transactions ADD CONSTRAINT no_777 CHECK (value_eth <> 777)",
    )
    await writer.advance(branch(1, 3), head_number=3)
    poisoned = read(
        block(
            3,
            [transaction("good", ether=500), transaction("bad", ether=777)],
            fork="b",
        )
    )
    last = branch(4, 4, "b", of="b")
    done = await writer.advance([*branch(2, 2), poisoned, *last], head_number=4)
    assert [key.number for key in done.orphaned] == [3]
    assert [each.transactions_written for each in done.stored] == [0, 1, 1]
    assert [len(each.dead_letters) for each in done.stored] == [0, 1, 0]
    assert [item for item, _ in await letters(db)] == ["block 3, transaction 2"]
    assert await cursor(db) == (4, block_hash(4, "b"))
    rows = await fetch(db, "SELECT complete FROM blocks WHERE canonical ORDER BY number")
    assert [row[0] for row in rows] == [True, True, False, True]
    before = await contents(db)
    await writer.advance([poisoned, *last], head_number=4)
    assert await contents(db) == before


def traced(name: str, *paths_and_ether: tuple[str, int], succeeded: bool = True) -> dict[str, Any]:
    transfers = tuple(moved(path, ether) for path, ether in paths_and_ether)
    return {some_hash("transaction", name): TransactionTrace(succeeded, transfers)}


async def transfers(db: Database) -> list[tuple[Any, ...]]:
    return await fetch(
        db,
        "SELECT trace_path, value_eth, succeeded, gas_used, whale_score"
        " FROM whale_transactions ORDER BY hash, trace_path",
    )


async def test_each_transfer_is_judged_by_itself(db: Database, writer: ChainWriter) -> None:
    made = block(1, [transaction("a")])
    given = read(made, traces=traced("a", ("0", 500), ("0_1", 99), ("1", 100)))
    [stored] = (await writer.advance([given], head_number=1)).stored
    assert stored.transactions_written == 2
    assert [row[:4] for row in await transfers(db)] == [
        ("0", Decimal(500), True, None),
        ("1", Decimal(100), True, None),
    ]
    assert await value(db, "SELECT traced FROM blocks")


async def test_a_receipt_that_says_failed_takes_internal_transfers_back(
    db: Database, writer: ChainWriter
) -> None:
    made = block(1, [transaction("a", ether=200)])
    traces = traced("a", ("0", 500))
    await writer.advance([read(made, traces=traces)], head_number=1)
    failed = read(made, receipt("a", 1, status="0x0"), traces=traces)
    [stored] = (await writer.advance([failed], head_number=1)).stored
    assert stored.transactions_written == 2
    assert await transfers(db) == [
        ("", Decimal(200), False, 21_000, Decimal(0)),
        ("0", Decimal(500), False, None, Decimal(0)),
    ]
    # The control of the traced flag: without traces a block is stored as not traced.
    await writer.advance([read(block(2))], head_number=2)
    rows = await fetch(db, "SELECT traced FROM blocks ORDER BY number")
    assert [row[0] for row in rows] == [True, False]


class Alerts:
    """Stands for what part of the database matches alerts: notes what it is asked for."""

    def __init__(self) -> None:
        self.fired: list[tuple[int, str, int]] = []
        self.settled: list[list[int]] = []
        self.settled_last = True

    async def fire_transfers(self, tx: Any, **given: Any) -> int:
        self.settled_last = False
        self.fired.append((given["block_number"], given["block_hash"], len(given["keys"])))
        return len(given["keys"])

    async def settle_blocks(self, tx: Any, **given: Any) -> int:
        assert len(given["block_numbers"]) == len(given["block_hashes"])
        self.settled_last = True
        self.settled.append(list(given["block_numbers"]))
        return 0


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> Alerts:
    made = Alerts()
    monkeypatch.setattr(alerting, "fire_transfers", made.fire_transfers)
    monkeypatch.setattr(alerting, "settle_blocks", made.settle_blocks)
    return made


async def test_alerts_are_fired_for_new_rows_and_settled_for_moved_ones(
    db: Database, writer: ChainWriter, alerts: Alerts
) -> None:
    def of(first: int, last: int, fork: str = "") -> Sequence[tuple[int, str, int]]:
        return [(n, block_hash(n, fork), 1) for n in range(first, last + 1)]

    await writer.advance(branch(1, 3), head_number=3)
    assert (alerts.fired, alerts.settled) == (of(1, 3), [])
    alerts.fired.clear()
    await writer.advance(branch(3, 4, "b"), head_number=4)
    assert (alerts.fired, alerts.settled) == (of(3, 4, "b"), [[3]])
    alerts.fired.clear()
    alerts.settled.clear()
    # Revived: matched with what it held before, too.
    await writer.advance(branch(3, 5), head_number=5)
    assert sorted(alerts.fired) == sorted(of(3, 5))
    assert alerts.settled == [[3, 4, 3]]
    # Settled first, a writer would deadlock with who deletes an alert.
    assert alerts.settled_last
    alerts.fired.clear()
    alerts.settled.clear()
    failed = read(block(5, [transaction("t5", ether=500)]), receipt("t5", 5, status="0x0"))
    await writer.advance([failed], head_number=5)
    assert (alerts.fired, alerts.settled) == ([], [[5]])
    filler = GapFiller(db, source="backfill", chain_id=CHAIN, min_value_eth=MIN_VALUE_ETH)
    await filler.fill(branch(7, 8))
    assert (alerts.fired, alerts.settled) == ([], [[5]])
