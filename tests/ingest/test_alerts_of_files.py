"""Files fire alerts where that is asked for, and what fired follows what becomes of its row."""

from decimal import Decimal

import pytest

from tests.ingest.chain import block, lines, receipt, some_hash, transaction
from tests.ingest.inspection import fetch
from tests.queries.accounts import ALICE, make_accounts
from typedsql.database import Database
from whaledb.ingest import Content, ingest_blocks
from whaledb.queries import alerts

WHALE = block(1, [transaction("whale", ether=777), transaction("fish", ether=101)])


@pytest.fixture(autouse=True)
async def alert(db: Database) -> None:
    await make_accounts(db, ALICE)
    await alerts.insert(
        db,
        user_id=ALICE,
        alert_type="large_transfer",
        conditions={"min_value_eth": Decimal(500)},
        enabled=True,
    )


async def fired(db: Database) -> list[tuple[str, bool]]:
    rows = await fetch(db, "SELECT transaction_hash, retracted_at IS NULL FROM alert_events")
    return [(row[0], row[1]) for row in rows]


async def test_old_blocks_are_no_news_unless_it_is_said(db: Database) -> None:
    await ingest_blocks(db, [Content("made", lines(WHALE))])
    assert await fired(db) == []
    # Its rows are there already: nothing new arrives.
    await ingest_blocks(db, [Content("made", lines(WHALE))], match_alerts=True)
    assert await fired(db) == []


async def test_a_block_fires_once_however_often_it_is_read(db: Database) -> None:
    for _ in range(2):
        await ingest_blocks(db, [Content("made", lines(WHALE))], match_alerts=True)
        assert await fired(db) == [(some_hash("transaction", "whale"), True)]


async def test_a_receipt_that_comes_later_retracts_what_failed(db: Database) -> None:
    await ingest_blocks(db, [Content("made", lines(WHALE))], match_alerts=True)
    failed = Content("made", lines(receipt("whale", 1, status="0x0")))
    await ingest_blocks(db, [Content("made", lines(WHALE))], receipts=[failed])
    assert await fired(db) == [(some_hash("transaction", "whale"), False)]


async def test_another_block_at_the_height_retracts_what_its_predecessor_fired(
    db: Database,
) -> None:
    await ingest_blocks(db, [Content("made", lines(WHALE))], match_alerts=True)
    await ingest_blocks(db, [Content("made", lines(block(1, fork="b")))])
    assert await fired(db) == [(some_hash("transaction", "whale"), False)]
