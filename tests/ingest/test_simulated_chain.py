"""Content in memory as a source, and the simulated chain through the same door as real blocks."""

from decimal import Decimal
from typing import Any

import pytest

from tests.ingest.chain import block, lines, receipt, transaction
from tests.ingest.inspection import contents, fetch, letters, value
from typedsql.database import Database
from whaledb.ingest import Content, IngestProgress, SourceUnavailable, ingest_blocks
from whaledb.ingest.sources import MAX_NAME_BYTES, Source
from whaledb.queries import whale_transactions
from whaledb.simulation import CHAIN_ID, ORPHANED_NUMBER, SimulatedChain, simulate

WEI_PER_ETHER = 10**18


@pytest.fixture(scope="module")
def chain() -> SimulatedChain:
    return simulate()


def wei(transaction: dict[str, Any]) -> int:
    return int(transaction["value"], 16)


async def ingest(db: Database, chain: SimulatedChain, least: int = 100) -> Any:
    return await ingest_blocks(
        db,
        [Content("simulation:blocks", chain.blocks_ndjson())],
        chain_id=CHAIN_ID,
        min_value_eth=Decimal(least),
        receipts=[Content("simulation:receipts", chain.receipts_ndjson())],
    )


async def test_content_is_read_as_a_file_is(db: Database) -> None:
    seen: list[IngestProgress] = []
    blocks = lines(block(1, [transaction("a", ether=500)]), b"garbage")
    summary = await ingest_blocks(
        db,
        [Content("made:here", blocks)],
        receipts=[Content("made:receipts", lines(receipt("a", 1, status="0x0")))],
        on_progress=seen.append,
    )
    assert (summary.blocks, summary.transactions_written, summary.dead_letters) == (1, 1, 1)
    assert await value(db, "SELECT succeeded FROM whale_transactions") is False
    assert await fetch(db, "SELECT stream, number FROM ingest_cursors") == [("made:here", 1)]
    assert await value(db, "SELECT source FROM dead_letters") == "made:here"
    assert seen[-1].bytes_read == seen[-1].bytes_total
    assert [item for item, _ in await letters(db)] == ["line 2"]


@pytest.mark.parametrize("name", ["", "stdin", "file:/data/blocks", "x" * (MAX_NAME_BYTES + 1)])
def test_content_has_a_name_of_its_own(name: str) -> None:
    """Else it would move the cursor of a file, or of standard input."""
    with pytest.raises(SourceUnavailable, match="content in memory"):
        Source(Content(name, b""))


async def test_the_simulated_chain_is_stored_whole(db: Database, chain: SimulatedChain) -> None:
    summary = await ingest(db, chain)
    every = [t for made in chain.blocks for t in made["transactions"]]
    whales = [t for t in every if wei(t) >= 100 * WEI_PER_ETHER]
    assert (summary.blocks, summary.transactions_seen) == (len(chain.blocks), len(every))
    assert (summary.transactions_written, summary.dead_letters) == (len(whales), 0)
    total = await value(db, "SELECT sum(value_eth) FROM whale_transactions")
    assert int(total * WEI_PER_ETHER) == sum(map(wei, whales))
    assert await value(db, "SELECT count(*) FROM whale_transactions WHERE succeeded IS NULL") == 0
    assert await value(db, "SELECT count(*) FROM whale_transactions WHERE NOT succeeded") == 1
    assert await value(db, "SELECT count(*) FROM whale_transactions WHERE to_address IS NULL") == 1


async def test_the_reorganisation_leaves_its_marks(db: Database, chain: SimulatedChain) -> None:
    await ingest(db, chain)
    orphans = "SELECT number, hash FROM blocks WHERE NOT canonical"
    assert await fetch(db, orphans) == [(ORPHANED_NUMBER, chain.orphaned_hash)]
    marked = await fetch(db, "SELECT hash FROM whale_transactions WHERE orphaned_at IS NOT NULL")
    of_orphan = "SELECT hash FROM whale_transactions WHERE block_hash = $1"
    assert sorted(marked) == sorted(await fetch(db, of_orphan, chain.orphaned_hash))
    assert {(chain.delayed_hash,), (chain.cancelled_hash,)} <= set(marked)
    again = await whale_transactions.list_inclusions(db, chain_id=CHAIN_ID, hash=chain.delayed_hash)
    assert sorted(row.block_number for row in again if row.orphaned_at is None) == [
        ORPHANED_NUMBER + 1
    ]
    assert len(again) == 2
    cancelled = await whale_transactions.get_by_hash(
        db, chain_id=CHAIN_ID, hash=chain.cancelled_hash
    )
    assert cancelled is None or cancelled.orphaned_at is not None
    tip = chain.blocks[-1]
    assert await fetch(db, "SELECT stream, number, hash FROM ingest_cursors") == [
        ("simulation:blocks", int(tip["number"], 16), tip["hash"])
    ]


async def test_the_same_chain_again_changes_nothing(db: Database, chain: SimulatedChain) -> None:
    first = await ingest(db, chain)
    before = await contents(db)
    again = await ingest(db, simulate())
    assert await contents(db) == before
    assert (again.transactions_written, again.already_present) == (0, first.transactions_written)
    # The control: what is new is seen by the same comparison.
    lower = await ingest(db, chain, least=50)
    assert lower.transactions_written > 0
    assert await contents(db) != before
