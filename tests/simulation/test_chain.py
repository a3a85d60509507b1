"""The simulated chain: the same everywhere, and a chain as nodes report one."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from whaledb.ingest import MAINNET_CHAIN_ID
from whaledb.simulation import (
    BLOCK_COUNT,
    CHAIN_ID,
    ORPHANED_NUMBER,
    SimulatedChain,
    simulate,
)

DIGEST = """
import hashlib
from whaledb.simulation import simulate
chain = simulate()
print(hashlib.sha256(chain.blocks_ndjson() + chain.receipts_ndjson()).hexdigest())
"""
EXPECTED_DIGEST = "264ef2e1a3b9ef121c5f3c31b6505d34948488cefd723fe160c81c72d4570cd9"
LARGEST_BIGINT = 2**63 - 1
WEI_PER_ETHER = 10**18


@pytest.fixture(scope="module", params=[1, 2, 99])
def chain(request: pytest.FixtureRequest) -> SimulatedChain:
    return simulate(request.param)


def number(value: str) -> int:
    return int(value, 16)


def canonical(chain: SimulatedChain) -> list[dict[str, Any]]:
    return [block for block in chain.blocks if block["hash"] != chain.orphaned_hash]


def ether(transaction: dict[str, Any]) -> float:
    return number(transaction["value"]) / WEI_PER_ETHER


@pytest.mark.parametrize("hash_seed", ["0", "1234"])
def test_every_process_makes_the_same_bytes(hash_seed: str) -> None:
    """Pinned: a row that somebody stored last year is found again, not added."""
    done = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == EXPECTED_DIGEST


def test_another_seed_is_another_chain() -> None:
    hashes = [{block["hash"] for block in simulate(seed).blocks} for seed in (1, 2)]
    assert not hashes[0] & hashes[1]
    assert simulate() == simulate(1)


def test_each_block_goes_on_from_one_before(chain: SimulatedChain) -> None:
    assert len(chain.blocks) == BLOCK_COUNT + 1 == len(chain.receipts)
    blocks = canonical(chain)
    assert [number(block["number"]) for block in blocks] == list(range(1, BLOCK_COUNT + 1))
    for parent, child in pairwise(blocks):
        assert child["parentHash"] == parent["hash"]
        assert number(child["timestamp"]) > number(parent["timestamp"])
        before, after = number(parent["baseFeePerGas"]), number(child["baseFeePerGas"])
        assert abs(after - before) <= before // 8
        assert after >= 10**8
    assert len({block["hash"] for block in chain.blocks}) == len(chain.blocks)
    hours = {number(block["timestamp"]) // 3600 for block in blocks}
    assert len(hours) == 24


def test_one_block_has_a_sibling_which_the_chain_goes_on_from(chain: SimulatedChain) -> None:
    at = [b for b in chain.blocks if number(b["number"]) == ORPHANED_NUMBER]
    assert [block["hash"] for block in at] == [chain.orphaned_hash, chain.canonical_hash]
    place = chain.blocks.index(at[0])
    orphaned, sibling, child = chain.blocks[place : place + 3]
    assert sibling["parentHash"] == orphaned["parentHash"]
    assert child["parentHash"] == sibling["hash"]

    def within(block: dict[str, Any]) -> set[str]:
        return {transaction["hash"] for transaction in block["transactions"]}

    assert within(orphaned) - within(sibling) == {chain.delayed_hash, chain.cancelled_hash}
    assert chain.delayed_hash in within(child)
    others = [block for block in chain.blocks if block is not orphaned]
    assert not any(chain.cancelled_hash in within(block) for block in others)
    lost = [t for t in orphaned["transactions"] if t["hash"] == chain.cancelled_hash]
    (cancelled,) = lost
    (instead,) = (
        t
        for t in sibling["transactions"]
        if (t["from"], t["nonce"]) == (cancelled["from"], cancelled["nonce"])
    )
    assert (instead["to"], instead["value"]) == (cancelled["from"], "0x0")


def test_nonces_rise_without_a_gap(chain: SimulatedChain) -> None:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for block in canonical(chain):
        for transaction in block["transactions"]:
            found[transaction["from"]].append(number(transaction["nonce"]))
    assert all(nonces == list(range(len(nonces))) for nonces in found.values())


def test_every_transaction_pays_what_its_block_asks(chain: SimulatedChain) -> None:
    for block in chain.blocks:
        for transaction in block["transactions"]:
            price = number(transaction["gasPrice"])
            assert number(block["baseFeePerGas"]) < price <= LARGEST_BIGINT
            assert price <= number(transaction.get("maxFeePerGas", transaction["gasPrice"]))


def test_receipts_tell_what_became_of_the_transactions(chain: SimulatedChain) -> None:
    for block, receipts in zip(chain.blocks, chain.receipts, strict=True):
        assert [r["transactionHash"] for r in receipts] == [
            t["hash"] for t in block["transactions"]
        ]
        used = 0
        for transaction, receipt in zip(block["transactions"], receipts, strict=True):
            used += number(receipt["gasUsed"])
            assert number(receipt["cumulativeGasUsed"]) == used
            assert 21_000 <= number(receipt["gasUsed"]) <= number(transaction["gas"])
            assert receipt["effectiveGasPrice"] == transaction["gasPrice"]
            assert (receipt["contractAddress"] is not None) == (transaction["to"] is None)
            assert not (receipt["logs"] and receipt["status"] == "0x0")
        assert number(block["gasUsed"]) == used <= number(block["gasLimit"])


def test_it_holds_what_a_reader_has_to_see(chain: SimulatedChain) -> None:
    transactions = [t for block in chain.blocks for t in block["transactions"]]
    values = [ether(transaction) for transaction in transactions]
    assert sum(value < 10 for value in values) > len(values) * 3 / 4
    whales = [value for value in values if value >= 100]
    assert 100 < len(whales) < len(values) / 10
    assert all(value <= 25_000 for value in values)
    assert any(t["to"] is None and ether(t) >= 100 for t in transactions)
    assert sum(t["to"] is None for t in transactions) > 10
    failed = {r["transactionHash"] for rs in chain.receipts for r in rs if r["status"] == "0x0"}
    assert len(failed) > 20
    assert any(t["hash"] in failed and ether(t) >= 100 for t in transactions)
    kinds = Counter(transaction["type"] for transaction in transactions)
    assert kinds.keys() == {"0x0", "0x1", "0x2", "0x4"}
    assert kinds.most_common(1)[0][0] == "0x2"


def test_its_rows_are_not_taken_for_mainnet_s(chain: SimulatedChain) -> None:
    assert CHAIN_ID != MAINNET_CHAIN_ID
    for block in chain.blocks:
        assert all(number(t["chainId"]) == CHAIN_ID for t in block["transactions"])


def test_lines_are_replies(chain: SimulatedChain) -> None:
    for lines, results in (
        (chain.blocks_ndjson(), chain.blocks),
        (chain.receipts_ndjson(), chain.receipts),
    ):
        assert lines.count(b"\n") == len(results)
        assert lines.startswith(b'{"jsonrpc":"2.0","id":1,"result":')
