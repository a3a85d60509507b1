"""The main job on the project's own small files: what lands, what does not, what it says."""

import gzip
import io
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ingest.chain import (
    WEI_PER_ETHER,
    block,
    block_hash,
    lines,
    receipt,
    reply,
    some_address,
    some_hash,
    transaction,
)
from tests.ingest.inspection import contents, execute, fetch, letters, value
from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb.ingest import (
    IngestProgress,
    IngestSummary,
    RefusedItem,
    SourceRefused,
    SourceUnavailable,
    ingest_blocks,
    pipeline,
)
from whaledb.queries import dead_letters, ingest_cursors, whale_transactions

DATA = Path(__file__).parent / "data"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes, name: str = "blocks.ndjson") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


def counts(summary: IngestSummary) -> tuple[int, int, int, int, int]:
    return (
        summary.blocks,
        summary.transactions_seen,
        summary.transactions_written,
        summary.already_present,
        summary.dead_letters,
    )


async def ingest(
    db: Database, *sources: Path | str, ether: str = "100", **more: object
) -> tuple[int, ...]:
    return counts(
        await ingest_blocks(db, sources, min_value_eth=Decimal(ether), **more)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", ["blocks.ndjson", "blocks-batch-reply.json"])
@pytest.mark.parametrize("packed", [False, True])
async def test_each_form_of_input_stores_the_same(
    db: Database, write: Write, name: str, packed: bool
) -> None:
    content = (DATA / name).read_bytes()
    path = write(gzip.compress(content) if packed else content, name)
    assert await ingest(db, path) == (3, 5, 3, 0, 0)
    rows = await whale_transactions.list_transfers(db, chain_id=1, max_rows=10, order_by="largest")
    assert [(row.hash, row.value_eth) for row in rows] == [
        (some_hash("transaction", "e"), Decimal(5000)),
        (some_hash("transaction", "c"), Decimal("250.000000000000000001")),
        (some_hash("transaction", "a"), Decimal(100)),
    ]
    assert rows[0].from_address == "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
    assert rows[1].to_address == some_address("to", "c")
    assert (rows[1].succeeded, rows[1].gas_used, rows[1].gas_price) == (None, None, 20 * 10**9)


async def test_one_pretty_printed_reply(db: Database) -> None:
    assert await ingest(db, DATA / "block-pretty.json") == (1, 3, 2, 0, 0)


async def test_standard_input_has_a_stream_of_its_own(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (DATA / "blocks.ndjson").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert await ingest(db, "-") == (3, 5, 3, 0, 0)
    cursor = await ingest_cursors.get(db, stream="stdin", chain_id=1)
    assert cursor is not None
    assert (cursor.number, cursor.hash) == (102, block_hash(102))


async def test_the_threshold_is_inclusive_and_a_lower_one_adds_the_rest(db: Database) -> None:
    path = DATA / "blocks.ndjson"
    assert await ingest(db, path) == (3, 5, 3, 0, 0)
    assert await value(db, "SELECT min(value_eth) FROM whale_transactions") == 100
    assert await ingest(db, path, ether="0") == (3, 5, 2, 3, 0)
    stored = await fetch(db, "SELECT DISTINCT min_value_eth, complete FROM blocks")
    assert stored == [(Decimal(0), True)]
    assert await value(db, "SELECT min(value_eth) FROM whale_transactions") == 0


async def test_the_same_input_again_changes_nothing(db: Database) -> None:
    path = DATA / "blocks.ndjson"
    await ingest(db, path, receipts=[DATA / "receipts.ndjson"])
    before = await contents(db)
    assert await ingest(db, path, receipts=[DATA / "receipts.ndjson"]) == (3, 5, 0, 3, 0)
    assert await ingest(db, path) == (3, 5, 0, 3, 0)
    assert await ingest(db, path, ether="200") == (3, 5, 0, 2, 0)
    assert await contents(db) == before
    assert all(before.values())


async def test_receipts_tell_success_and_gas(db: Database) -> None:
    summary = await ingest(
        db, DATA / "blocks.ndjson", ether="0", receipts=[DATA / "receipts.ndjson"]
    )
    assert summary == (3, 5, 5, 0, 0)
    rows = await fetch(db, "SELECT hash, succeeded, gas_used FROM whale_transactions")
    assert {row[0]: row[1:] for row in rows} == {
        some_hash("transaction", "a"): (True, 21_000),
        some_hash("transaction", "b"): (None, None),
        some_hash("transaction", "c"): (False, 500_000),
        some_hash("transaction", "d"): (None, 21_000),
        some_hash("transaction", "e"): (True, 21_000),
    }


async def test_receipts_that_come_later_change_their_rows_alone(db: Database) -> None:
    path = DATA / "blocks.ndjson"
    await ingest(db, path, ether="0")
    before = {row[1]: row for row in (await contents(db))["whale_transactions"]}
    assert await ingest(db, path, ether="0", receipts=[DATA / "receipts.ndjson"]) == (3, 5, 4, 1, 0)
    after = {row[1]: row for row in (await contents(db))["whale_transactions"]}
    assert sum(before[row_id] != after[row_id] for row_id in before) == 4


async def test_bad_receipts_are_dead_letters_and_the_rest_is_used(
    db: Database, write: Write
) -> None:
    path = write(
        lines(reply([receipt("a", 100, gasUsed=...), receipt("c", 100)]), b"garbage"), "receipts"
    )
    assert await ingest(db, DATA / "blocks.ndjson", receipts=[path]) == (3, 5, 3, 0, 2)
    assert [(item, reason[:20]) for item, reason in await letters(db)] == [
        ("line 1, receipt 1", "gasUsed is missing"),
        ("line 2", "not valid JSON: inva"),
    ]
    assert await value(db, "SELECT count(*) FROM whale_transactions WHERE succeeded") == 1
    assert await dead_letters.count(db, source=f"file:{path}") == 2


async def test_bad_items_become_dead_letters_and_the_rest_lands(db: Database) -> None:
    refused: list[RefusedItem] = []
    path = DATA / "bad-items.ndjson"
    assert await ingest(db, path, on_refused=refused.append) == (3, 5, 3, 0, 3)
    expected = [
        ("line 2", "not valid JSON: invalid character (byte 0)"),
        ("line 3", "parentHash is missing"),
        (
            "line 4, transaction 2",
            "gasPrice is out of range: it is over 2^63-1, the most that BIGINT holds",
        ),
    ]
    assert await letters(db) == expected
    assert [(r.item, r.reason) for r in refused] == expected
    assert {r.source for r in refused} == {str(path)}
    given = path.read_bytes().splitlines()
    payloads = await fetch(
        db,
        "SELECT payload, payload_sha256 = sha256(payload), source, sqlstate, attempts"
        " FROM dead_letters ORDER BY item",
    )
    assert [row[1:] for row in payloads] == [(True, f"file:{path.resolve()}", None, 1)] * 3
    assert payloads[0][0] == given[1]
    assert payloads[1][0] == given[2]
    assert payloads[2][0] in given[3]
    assert some_hash("transaction", "g3").encode() in payloads[2][0]
    names = [row[0] for row in await fetch(db, "SELECT hash FROM whale_transactions")]
    assert sorted(names) == sorted(some_hash("transaction", n) for n in ("g1", "g2", "g5"))
    complete = await fetch(db, "SELECT number, complete FROM blocks ORDER BY number")
    assert complete == [(200, True), (202, False), (203, True)]


async def test_bad_items_met_again_are_the_same_letters(db: Database) -> None:
    path = DATA / "bad-items.ndjson"
    await ingest(db, path)
    before = await contents(db)
    assert await ingest(db, path) == (3, 5, 0, 3, 3)
    assert await fetch(db, "SELECT attempts FROM dead_letters") == [(2,)] * 3
    assert await contents(db) == before


async def test_a_block_read_again_without_its_fault_becomes_complete(
    db: Database, write: Write
) -> None:
    bad = block(1, [transaction("a", ether=100), transaction("b", ether=100, gasPrice="0x")])
    assert await ingest(db, write(lines(bad))) == (1, 2, 1, 0, 1)
    assert await fetch(db, "SELECT complete FROM blocks") == [(False,)]
    mended = block(1, [transaction("a", ether=100), transaction("b", ether=100)])
    assert await ingest(db, write(lines(mended))) == (1, 2, 1, 1, 0)
    assert await fetch(db, "SELECT complete FROM blocks") == [(True,)]


async def test_transactions_below_the_threshold_are_checked_too(db: Database, write: Write) -> None:
    path = write(lines(block(1, [transaction("a", ether=1, gasPrice=hex(2**70))])))
    assert await ingest(db, path) == (1, 1, 0, 0, 1)
    assert await fetch(db, "SELECT complete FROM blocks") == [(False,)]


async def test_a_block_with_hashes_only_says_what_to_do(db: Database) -> None:
    assert await ingest(db, DATA / "block-with-hashes-only.json") == (0, 0, 0, 0, 1)
    ((item, reason),) = await letters(db)
    assert item == "line 1"
    assert "fetch with full transactions" in reason


async def test_gzip_cut_off_keeps_what_was_read_and_says_so(db: Database, write: Write) -> None:
    made = [block(n, [transaction(f"t{n}", ether=100)]) for n in range(1, 200)]
    packed = gzip.compress(lines(*made))
    stored, seen, written, present, bad = await ingest(db, write(packed[: len(packed) // 2]))
    assert 0 < stored < 199
    assert (seen, written, present, bad) == (stored, stored, 0, 1)
    ((item, reason),) = await letters(db)
    assert item == f"line {stored + 1}"
    assert "the file is cut off" in reason


async def test_a_stream_moves_its_own_cursor_alone_and_forward_only(
    db: Database, write: Write
) -> None:
    first = write(lines(block(10), block(12), block(11)), "first")
    second = write(lines(block(11), block(5)), "second")
    await ingest(db, first)
    await ingest(db, second)
    await ingest(db, first, chain_id=5)
    rows = await fetch(db, "SELECT stream, chain_id, number, hash FROM ingest_cursors")
    assert sorted(rows) == [
        (f"file:{first}", 1, 12, block_hash(12)),
        (f"file:{first}", 5, 12, block_hash(12)),
        (f"file:{second}", 1, 11, block_hash(11)),
    ]


async def test_the_same_transaction_on_two_chains_is_two_rows(db: Database) -> None:
    await ingest(db, DATA / "blocks.ndjson", chain_id=1)
    assert await ingest(db, DATA / "blocks.ndjson", chain_id=61) == (3, 5, 3, 0, 0)
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 6


async def test_a_row_the_database_refuses_is_refused_alone(db: Database, write: Write) -> None:
    """A constraint that this code does not know of stands for any fault found in SQL."""
    await execute(
        db, "ALTER TABLE whale_transactions ADD CONSTRAINT no_unlucky CHECK (value_eth <> 1300)"
    )
    made = [transaction("a", ether=100), transaction("bad", ether=1300), transaction("c", ether=1)]
    path = write(lines(block(1, made), block(2, [transaction("d", ether=100)])))
    assert await ingest(db, path, ether="1") == (2, 4, 3, 0, 1)
    ((item, reason, sqlstate, payload),) = await fetch(
        db, "SELECT item, reason, sqlstate, payload FROM dead_letters"
    )
    assert (item, sqlstate) == ("line 1, transaction 2", "23514")
    assert "no_unlucky" in reason
    assert some_hash("transaction", "bad").encode() in payload
    assert hex(1300 * WEI_PER_ETHER) not in reason
    assert await fetch(db, "SELECT number, complete FROM blocks ORDER BY number") == [
        (1, False),
        (2, True),
    ]
    await execute(db, "ALTER TABLE whale_transactions DROP CONSTRAINT no_unlucky")
    assert await ingest(db, path, ether="1") == (2, 4, 1, 3, 0)
    assert await fetch(db, "SELECT DISTINCT complete FROM blocks") == [(True,)]


async def test_without_savepoints_one_refused_row_would_lose_its_block(db: Database) -> None:
    """The control: the plain batch of the same rows stores none of them."""
    await execute(
        db, "ALTER TABLE whale_transactions ADD CONSTRAINT no_unlucky CHECK (value_eth <> 1300)"
    )
    insert = "INSERT INTO whale_transactions (hash, chain_id, block_hash, block_number,"
    insert += " block_timestamp, from_address, value_eth, gas_price)"
    insert += " SELECT x.hash, 1, $1, 1, now(), $2, x.eth, 1 FROM (VALUES ($3, 100), ($4, 1300))"
    with pytest.raises(Exception, match="no_unlucky"):
        await fetch(
            db,
            insert + " AS x (hash, eth)",
            block_hash(1),
            some_address("a"),
            some_hash("a"),
            some_hash("b"),
        )
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 0


async def test_a_block_the_database_refuses_is_a_dead_letter(db: Database, write: Write) -> None:
    await execute(db, "ALTER TABLE blocks ADD CONSTRAINT no_seven CHECK (number <> 7)")
    made = [block(n, [transaction(f"t{n}", ether=100)]) for n in (6, 7, 8)]
    path = write(lines(*made))
    assert await ingest(db, path) == (2, 2, 2, 0, 1)
    ((item, sqlstate, payload),) = await fetch(
        db, "SELECT item, sqlstate, payload FROM dead_letters"
    )
    assert (item, sqlstate) == ("line 2", "23514")
    assert payload == path.read_bytes().splitlines()[1]
    assert await value(db, "SELECT count(*) FROM whale_transactions WHERE block_number = 7") == 0


async def test_a_block_that_contradicts_a_stored_one_of_its_hash_is_a_dead_letter(
    db: Database, write: Write
) -> None:
    await ingest(db, write(lines(block(7, [transaction("a", ether=100)]))))
    before = await contents(db)
    forged = block(7, [transaction("b", ether=100)], parentHash=some_hash("another"))
    assert await ingest(db, write(lines(forged))) == (0, 0, 0, 0, 1)
    assert await letters(db) == [
        ("line 1", "a block of this hash is stored with another number, parent or time")
    ]
    assert await contents(db) == before


async def test_a_missing_path_is_told_before_anything_is_written(
    db: Database, tmp_path: Path
) -> None:
    good = DATA / "blocks.ndjson"
    with pytest.raises(SourceUnavailable, match="absent"):
        await ingest(db, good, tmp_path / "absent")
    with pytest.raises(SourceUnavailable, match="absent"):
        await ingest(db, good, receipts=[tmp_path / "absent"])
    assert await value(db, "SELECT count(*) FROM blocks") == 0


@pytest.mark.parametrize("ether", ["-1", "NaN", "sNaN", "Infinity", "1E200000", "1E61"])
async def test_a_threshold_that_is_no_amount_is_refused(db: Database, ether: str) -> None:
    with pytest.raises(ConfigurationError, match="amount of ether"):
        await ingest(db, DATA / "blocks.ndjson", ether=ether)


@pytest.mark.parametrize("chain_id", [0, -1, 2**63])
async def test_a_chain_id_out_of_range_is_refused(db: Database, chain_id: int) -> None:
    with pytest.raises(ConfigurationError, match="chain id"):
        await ingest(db, DATA / "blocks.ndjson", chain_id=chain_id)


async def test_nothing_to_read_is_refused(db: Database) -> None:
    with pytest.raises(ConfigurationError, match="nothing to read"):
        await ingest(db)


async def test_the_wrong_file_does_not_fill_dead_letters(
    db: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "MAX_BAD_ITEMS_BEFORE_A_GOOD_ONE", 10)
    wrong = write(b"a,b,c\n" * 100, "wrong.csv")
    with pytest.raises(SourceRefused, match=r"wrong\.csv: its first 10 items hold no block"):
        await ingest(db, wrong)
    assert await value(db, "SELECT count(*) FROM dead_letters") == 10
    mixed = write(lines(block(1), *[b"garbage"] * 20), "mixed")
    assert await ingest(db, mixed) == (1, 0, 0, 0, 20)


async def test_progress_goes_from_nothing_to_the_whole_input(db: Database) -> None:
    seen: list[IngestProgress] = []
    path = DATA / "bad-items.ndjson"
    size_bytes = len(path.read_bytes())
    await ingest(db, path, on_progress=seen.append)
    assert [p.blocks for p in seen] == [1, 1, 1, 2, 3]
    assert seen[-1] == IngestProgress(
        bytes_read=size_bytes,
        bytes_total=size_bytes,
        blocks=3,
        transactions_written=3,
        dead_letters=3,
    )


async def test_the_summary_knows_its_time(db: Database) -> None:
    summary = await ingest_blocks(db, [DATA / "blocks.ndjson"])
    assert math.isfinite(summary.seconds)
    assert summary.seconds > 0
