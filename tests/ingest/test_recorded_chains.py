"""The recorded blocks, replies and reorganisation, against the figures that came with them."""

import gzip
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.chain import WEI_PER_ETHER, lines
from tests.ingest.inspection import contents, fetch, letters, value
from typedsql.database import Database
from whaledb.ingest import ingest_blocks
from whaledb.ingest.decoding import decode_block
from whaledb.ingest.reading import Item, read_items
from whaledb.ingest.receipts import Receipts
from whaledb.ingest.sources import Source

FAILED = "0x439dfd7f"


@pytest.fixture(scope="module")
def ethereum(shared_data: Path) -> Path:
    return shared_data / "ethereum"


@pytest.fixture(scope="module")
def expected(ethereum: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((ethereum / "expected.json").read_bytes())
    return figures


def tape_blocks(tape: Path) -> Iterator[dict[str, Any]]:
    """The blocks of a recorded session, in the order in which the node gave them."""
    for line in gzip.decompress(tape.read_bytes()).splitlines():
        entry = json.loads(line)
        exchanges = entry["request"], entry["response"]
        pairs = zip(*[e if isinstance(e, list) else [e] for e in exchanges], strict=True)
        for request, response in pairs:
            result = response.get("result")
            if request["method"].startswith("eth_getBlock") and isinstance(result, dict):
                yield response


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def test_mainnet_blocks_land_exactly_and_once(
    db: Database, ethereum: Path, expected: dict[str, Any]
) -> None:
    source = ethereum / "mainnet-blocks.ndjson.gz"
    figures = expected[source.name].values()
    transactions = sum(f["transactions"] for f in figures)
    whales = sum(f["value_ge_100_eth"] for f in figures)
    assert (transactions, whales) == (634, 2)

    first = await ingest_blocks(db, [source])
    assert (first.blocks, first.transactions_seen, first.dead_letters) == (6, transactions, 0)
    assert (first.transactions_written, first.already_present) == (whales, 0)
    assert await value(db, "SELECT count(*) FROM whale_transactions") == whales

    second = await ingest_blocks(db, [source], min_value_eth=Decimal(0))
    assert (second.transactions_written, second.already_present) == (632, 2)
    assert await value(db, "SELECT count(*) FROM whale_transactions") == transactions
    assert await value(
        db, "SELECT count(*) FROM whale_transactions WHERE to_address IS NULL"
    ) == sum(f["contract_creations"] for f in figures)
    total = await value(db, "SELECT sum(value_eth) FROM whale_transactions")
    assert int(total * WEI_PER_ETHER) == sum(int(f["sum_value_wei"]) for f in figures)
    assert total * WEI_PER_ETHER == int(total * WEI_PER_ETHER)

    before = await contents(db)
    third = await ingest_blocks(db, [source], min_value_eth=Decimal(0))
    assert (third.transactions_written, third.already_present) == (0, transactions)
    assert await contents(db) == before


async def test_each_mainnet_block_has_its_figures(
    db: Database, ethereum: Path, expected: dict[str, Any]
) -> None:
    source = ethereum / "mainnet-blocks.ndjson.gz"
    await ingest_blocks(db, [source], min_value_eth=Decimal(0))
    rows = await fetch(
        db,
        "SELECT b.number::text, count(t.hash), count(*) FILTER (WHERE t.value_eth >= 100),"
        " count(*) FILTER (WHERE t.value_eth >= 1),"
        " count(*) FILTER (WHERE t.to_address IS NULL AND t.hash IS NOT NULL),"
        " trunc(coalesce(sum(t.value_eth), 0) * 1e18)::text"
        " FROM blocks AS b LEFT JOIN whale_transactions AS t ON t.block_hash = b.hash"
        " GROUP BY b.number",
    )
    names = "transactions value_ge_100_eth value_ge_1_eth contract_creations sum_value_wei"
    found = {row[0]: dict(zip(names.split(), row[1:], strict=True)) for row in rows}
    assert found == expected[source.name]


async def test_receipts_tell_the_failed_transaction(db: Database, ethereum: Path) -> None:
    await ingest_blocks(
        db,
        [ethereum / "mainnet-blocks.ndjson.gz"],
        min_value_eth=Decimal(0),
        receipts=[ethereum / "mainnet-receipts.ndjson.gz"],
    )
    rows = await fetch(
        db,
        "SELECT block_number, succeeded, gas_used, value_eth FROM whale_transactions"
        " WHERE starts_with(hash, $1)",
        FAILED,
    )
    ((number, succeeded, gas_used, ether),) = rows
    assert (number, succeeded) == (17_000_000, False)
    assert gas_used == gas_of(ethereum / "mainnet-receipts.ndjson.gz", FAILED)
    assert round(ether, 3) == Decimal("2.486")
    known = await fetch(
        db,
        "SELECT block_number, count(*), count(gas_used), count(succeeded)"
        " FROM whale_transactions GROUP BY 1 ORDER BY 1 DESC LIMIT 3",
    )
    assert known == [
        (18_000_000, 94, 94, 94),
        (17_000_000, 102, 102, 102),
        (16_000_005, 104, 0, 0),
    ]


def gas_of(receipts: Path, prefix: str) -> int:
    """The gas used by one transaction, read without the code under test."""
    text = gzip.decompress(receipts.read_bytes()).decode()
    (found,) = (
        receipt
        for line in text.splitlines()
        for receipt in json.loads(line)["result"]
        if receipt["transactionHash"].startswith(prefix)
    )
    return int(found["gasUsed"], 16)


def test_receipts_before_byzantium_have_no_status(ethereum: Path) -> None:
    receipts = Receipts()
    path = ethereum / "mainnet-receipts-4306306-without-status.ndjson.gz"
    for item in read_items(Source(path)):
        assert isinstance(item, Item)
        assert list(receipts.add(item)) == []
    assert len(receipts) == 252
    for receipt in json.loads(gzip.decompress(path.read_bytes()))["result"]:
        found = receipts.find(receipt["blockHash"], receipt["transactionHash"])
        assert found is not None
        assert found.succeeded is None
        assert found.gas_used == int(receipt["gasUsed"], 16)


async def test_the_recorded_reorganisation_leaves_the_canonical_chain(
    db: Database, ethereum: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    tape = ethereum / "polygon-reorg-tape.jsonl.gz"
    figures = expected[tape.name]
    source = written(tmp_path / "polygon.ndjson", lines(*tape_blocks(tape)))
    await ingest_blocks(db, [source], chain_id=137, min_value_eth=Decimal(0))
    assert await letters(db) == []
    canonical = await fetch(db, "SELECT number FROM blocks WHERE canonical ORDER BY 1")
    assert len(canonical) == figures["canonical_blocks"]
    assert canonical[0][0] == figures["canonical_low"]
    assert canonical[-1][0] == figures["canonical_tip"]
    orphans = await fetch(
        db,
        "SELECT b.number, b.hash, count(t.hash), count(t.orphaned_at) FROM blocks AS b"
        " JOIN whale_transactions AS t ON t.block_hash = b.hash"
        " WHERE NOT b.canonical GROUP BY 1, 2",
    )
    assert orphans == [
        (o["number"], o["hash"], o["txs"], o["txs"]) for o in figures["orphaned_blocks"]
    ]
    living = "SELECT count(*), count(DISTINCT hash), count(*) FILTER (WHERE value_eth >= 100)"
    assert await fetch(db, living + " FROM whale_transactions WHERE orphaned_at IS NULL") == [
        (
            figures["canonical_txs"],
            figures["canonical_unique_txs"],
            figures["canonical_ge_100_native"],
        )
    ]
    before = await contents(db)
    again = await ingest_blocks(db, [source], chain_id=137, min_value_eth=Decimal(0))
    assert again.transactions_written == 0
    assert await contents(db) == before


async def test_the_mainnet_tape_is_whole(
    db: Database, ethereum: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    tape = ethereum / "mainnet-tape.jsonl.gz"
    figures = expected[tape.name]
    source = written(tmp_path / "mainnet.ndjson", lines(*tape_blocks(tape)))
    summary = await ingest_blocks(db, [source], min_value_eth=Decimal(0))
    assert summary.dead_letters == 0
    assert await value(db, "SELECT count(*) FROM blocks") == figures["canonical_blocks"]
    assert await value(db, "SELECT count(*) FROM whale_transactions") == figures["canonical_txs"]


def test_replies_of_the_specification(ethereum: Path) -> None:
    """Full transactions of types 0 to 4, only hashes, and blocks that were not found."""
    outcomes: dict[str, str] = {}
    for path in sorted((ethereum / "execution-apis").glob("eth_getBlockBy*/*.io")):
        request, reply = (
            re.findall(rf"^{mark} (.*)$", path.read_text(), re.M)[0] for mark in (">>", "<<")
        )
        item = Item("line 1", reply.encode())
        chain_id = 0xC72DD9D5E883E
        try:
            block = decode_block(item, chain_id=chain_id)
        except ValueError as refusal:
            outcomes[path.stem] = str(refusal)
            continue
        assert json.loads(request)["params"][1] is True or not block.transactions
        assert block.bad_transactions == ()
        assert len(block.transactions) == len(json.loads(reply)["result"]["transactions"])
        outcomes[path.stem] = "decoded"
    assert outcomes.pop("get-block-notfound").startswith("the reply's result is null")
    assert outcomes.pop("get-block-by-notfound-hash").startswith("the reply's result is null")
    assert outcomes.pop("get-block-by-empty-hash").startswith("the reply's result is null")
    decoded = {name for name, outcome in outcomes.items() if outcome == "decoded"}
    assert decoded >= {"get-genesis", "get-latest", "get-safe", "get-finalized"}
    assert all(
        "fetch with full transactions" in outcomes[name] for name in outcomes.keys() - decoded
    )


def test_receipts_of_the_specification(ethereum: Path) -> None:
    receipts = Receipts()
    refused: list[str] = []
    for path in sorted((ethereum / "execution-apis").glob("eth_get*Receipt*/*.io")):
        (reply,) = re.findall(r"^<< (.*)$", path.read_text(), re.M)
        refused += [bad.reason for bad in receipts.add(Item(path.stem, reply.encode()))]
    assert len(receipts) > 0
    assert set(refused) == {"the reply's result is null: the node did not have it"}
