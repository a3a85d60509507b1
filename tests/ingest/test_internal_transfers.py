"""Internal transfers as rows: what --traces adds to a block, and what it never does."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ingest import contracts, traced_node
from tests.ingest.call_trees import REVERTED, Node, parity
from tests.ingest.chain import (
    JSON,
    WEI_PER_ETHER,
    block,
    block_hash,
    lines,
    receipt,
    reply,
    some_hash,
    transaction,
)
from tests.ingest.inspection import contents, fetch, letters, value
from typedsql.database import Database
from whaledb.ingest import Content, ingest_blocks

NUMBER = 11_931_272
WHALE_ETH = 100


def whole_block(recorded: JSON) -> JSON:
    """A block as the top-level traces tell it, with the gas prices of the receipts."""
    prices = {r["transaction_hash"]: r["effective_gas_price"] for r in recorded["receipts"]}
    top_level = [t for t in recorded["traces"] if t["transaction_hash"] and not t["trace_address"]]
    made = block(
        recorded["block_number"],
        [
            {
                "hash": t["transaction_hash"],
                "from": t["action"]["from"],
                "to": t["action"].get("to"),
                "value": t["action"]["value"],
                "gasPrice": hex(prices[t["transaction_hash"]]),
                "blockHash": t["block_hash"],
            }
            for t in top_level
        ],
    )
    return {**made, "hash": top_level[0]["block_hash"]}


@pytest.fixture
def traces(shared_data: Path) -> Path:
    return shared_data / "ethereum" / f"mainnet-traces-{NUMBER}.json.gz"


async def rows(db: Database, *, internal: bool) -> list[tuple[Any, ...]]:
    comparison = "<>" if internal else "="
    return await fetch(
        db,
        "SELECT hash, trace_path, from_address, to_address, value_eth, succeeded, gas_used"
        f" FROM whale_transactions WHERE trace_path {comparison} '' ORDER BY hash, trace_path",
    )


async def test_half_of_a_mainnet_blocks_whales_are_internal(db: Database, traces: Path) -> None:
    recorded = json.loads(gzip.decompress(traces.read_bytes()))
    source = Content("block", lines(whole_block(recorded)))

    without = await ingest_blocks(db, [source])
    assert (without.transactions_seen, without.dead_letters) == (227, 0)
    assert len(await rows(db, internal=False)) == without.transactions_written == 2
    assert await rows(db, internal=True) == []

    source = Content("block", lines(whole_block(recorded)))
    await ingest_blocks(db, [source], traces=[traces])
    assert len(await rows(db, internal=False)) == 2
    found = await rows(db, internal=True)
    assert len(found) == 2
    # Read here without the code under test: none of these transactions has a failure.
    by_place = {
        (t["transaction_hash"], "_".join(map(str, t["trace_address"]))): t
        for t in recorded["traces"]
    }
    for name, trace_path, from_address, to_address, ether, succeeded, gas_used in found:
        call = by_place[name, trace_path]
        assert (call["type"], call["action"]["callType"]) == ("call", "call")
        assert (from_address, to_address) == (call["action"]["from"], call["action"]["to"])
        assert ether * WEI_PER_ETHER == int(call["action"]["value"], 16)
        assert ether >= WHALE_ETH
        assert (succeeded, gas_used) == (True, None)
    prices = "SELECT bool_and(gas_price > 0) FROM whale_transactions"
    assert await value(db, prices)


async def test_no_row_for_a_call_that_failed_or_was_delegated(db: Database, traces: Path) -> None:
    recorded = json.loads(gzip.decompress(traces.read_bytes()))
    source = Content("block", lines(whole_block(recorded)))
    await ingest_blocks(db, [source], traces=[traces], min_value_eth=Decimal("1e-18"))
    stored = {(row[0], row[1]) for row in await rows(db, internal=True)}

    inner = [t for t in recorded["traces"] if t["trace_address"]]
    with_value = {
        (t["transaction_hash"], "_".join(map(str, t["trace_address"])))
        for t in inner
        if int(t["action"].get("value") or t["action"].get("balance") or "0x0", 16)
    }
    delegated = {
        (t["transaction_hash"], "_".join(map(str, t["trace_address"])))
        for t in inner
        if t["action"].get("callType") in ("delegatecall", "callcode", "staticcall")
    }
    failed = {
        (t["transaction_hash"], "_".join(map(str, t["trace_address"])))
        for t in recorded["traces"]
        if t["error"]
    }
    undone = {
        (name, path)
        for name, path in with_value
        if any(
            name == failed_name and f"{path}_".startswith(f"{around}_" if around else "")
            for failed_name, around in failed
        )
    }
    assert failed
    assert len(stored) == 30
    assert stored == with_value - delegated - undone
    # Whoever takes every trace with a value has more rows.
    assert len(with_value) == 32
    assert await letters(db) == []


@pytest.mark.parametrize("form", ["parity", "geth"])
async def test_a_real_nodes_block_has_the_same_rows_by_either_tracer(
    db: Database, form: str
) -> None:
    replies = traced_node.recorded()
    names = traced_node.NAMES
    summary = await ingest_blocks(
        db,
        [traced_node.DATA / names["block"]],
        chain_id=traced_node.CHAIN_ID,
        min_value_eth=contracts.wei(1),
        receipts=[traced_node.DATA / names["receipts"]],
        traces=[traced_node.DATA / names[form]],
    )
    assert summary.dead_letters == 0
    sent = [t["hash"] for t in replies["block"]["result"]["transactions"]]
    own = {row[0]: row[5] for row in await rows(db, internal=False)}
    assert [own[name] for name in sent] == [True, False, True]
    found = await rows(db, internal=True)
    assert sorted(row[1] for row in found if row[0] == sent[0]) == [
        "0", "0_0", "10", "5", "6", "6_0", "7", "8",
    ]  # fmt: skip
    assert [row[0] for row in found if row[0] != sent[0]] == [sent[2]]
    # The other tracer's file adds nothing: its trace paths are the same.
    before = await contents(db)
    other = {"parity": "geth", "geth": "parity"}[form]
    again = await ingest_blocks(
        db,
        [traced_node.DATA / names["block"]],
        chain_id=traced_node.CHAIN_ID,
        min_value_eth=contracts.wei(1),
        receipts=[traced_node.DATA / names["receipts"]],
        traces=[traced_node.DATA / names[form], traced_node.DATA / names[other]],
    )
    assert (again.transactions_written, again.dead_letters) == (0, 0)
    after = await contents(db)
    assert after["whale_transactions"] == before["whale_transactions"]


def traced(name: str, node: Node) -> list[JSON]:
    place = {"blockHash": block_hash(1), "transactionHash": some_hash("transaction", name)}
    return parity(node, place, everything=False)


PAYS = Node(calls=(Node(wei=200 * WEI_PER_ETHER),))


async def test_a_transaction_and_the_transfers_within_it_are_judged_apart(db: Database) -> None:
    sent = [transaction("pays nothing itself"), transaction("pays alone", ether=300)]
    small = Node(calls=(Node(wei=99 * WEI_PER_ETHER),))
    await ingest_blocks(
        db,
        [Content("blocks", lines(block(1, sent)))],
        traces=[
            Content(
                "traces",
                lines(*traced("pays nothing itself", PAYS), *traced("pays alone", small)),
            )
        ],
    )
    found = await fetch(db, "SELECT hash, trace_path FROM whale_transactions ORDER BY value_eth")
    assert found == [
        (some_hash("transaction", "pays nothing itself"), "0"),
        (some_hash("transaction", "pays alone"), ""),
    ]


async def test_traces_tell_success_where_no_receipt_does_and_a_receipt_wins(db: Database) -> None:
    names = ["by trace", "before byzantium", "receipt says failed", "trace says failed"]
    failed = Node(failure=REVERTED, calls=PAYS.calls)
    await ingest_blocks(
        db,
        [Content("blocks", lines(block(1, [transaction(n, ether=500) for n in names])))],
        receipts=[
            Content(
                "receipts",
                lines(
                    receipt("before byzantium", 1, status=...),
                    receipt("receipt says failed", 1, status="0x0"),
                    receipt("trace says failed", 1, status="0x1"),
                ),
            )
        ],
        traces=[
            Content(
                "traces",
                lines(
                    reply(
                        [
                            *traced("by trace", failed),
                            *traced("before byzantium", PAYS),
                            *traced("receipt says failed", PAYS),
                            *traced("trace says failed", failed),
                        ]
                    )
                ),
            )
        ],
    )
    own = {row[0]: row[5] for row in await rows(db, internal=False)}
    assert [own[some_hash("transaction", name)] for name in names] == [False, True, False, True]
    assert [row[:2] for row in await rows(db, internal=True)] == [
        (some_hash("transaction", "before byzantium"), "0")
    ]


async def test_bad_traces_are_dead_letters_and_the_rest_is_used(db: Database) -> None:
    broken = traced("b", PAYS)
    broken[1]["action"]["value"] = "much"
    summary = await ingest_blocks(
        db,
        [Content("blocks", lines(block(1, [transaction("a"), transaction("b")])))],
        traces=[
            Content("traces", lines(reply([*traced("a", PAYS), *broken]), b"garbage")),
            Content("rest", lines(traced("c", PAYS)[1])),
        ],
    )
    assert summary.dead_letters == 3
    assert [row[0] for row in await rows(db, internal=True)] == [some_hash("transaction", "a")]
    found = await letters(db)
    assert [(item, reason.split(":")[0]) for item, reason in found] == [
        ("line 1", "the trace of the transaction's top level is missing"),
        ("line 1, trace 4", "value is not a hex quantity"),
        ("line 2", "not valid JSON"),
    ]
