"""The client against a real node: what anvil has, and what becomes of it when the chain moves."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.anvil import NO_MINING, WEI_PER_ETHER, Anvil, running
from tests.ingest.chain import JSON
from whaledb.ingest.decoding import decode_block
from whaledb.ingest.reading import Item
from whaledb.ingest.receipts import Receipts
from whaledb.rpc import ChainMoved, Node, NodeUnavailable, Retries, open_node, websocket

QUICK = Retries(attempts=3, first_backoff_s=0.01, longest_backoff_s=0.02)
PATIENT = Retries(attempts=100, first_backoff_s=0.05, longest_backoff_s=0.1)


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with running(*NO_MINING) as node:
        yield node


def whale(anvil: Anvil, ether: int) -> str:
    sender, to, *_ = anvil.accounts()
    return anvil.send(sender, to, ether=ether)


async def hashes(node: Node, number: int) -> tuple[str, list[str]]:
    block = await node.block(number)
    assert block is not None
    read: JSON = json.loads(block)
    return read["hash"], [each["hash"] for each in read["transactions"]]


@pytest.mark.parametrize("transport", ["http", "ws"])
async def test_blocks_receipts_and_traces_of_a_real_node(anvil: Anvil, transport: str) -> None:
    sent = whale(anvil, 777)
    failing = anvil.send(anvil.accounts()[2], None, data="0xfe", gas=100_000)
    anvil.mine(3)
    async with open_node(anvil.http_url if transport == "http" else anvil.ws_url) as node:
        assert await node.chain_id() == 31337
        head = await node.head()
        assert head.number == 3
        raw = await node.block(1)
        assert raw is not None
        assert await node.block_by_hash(json.loads(raw)["hash"]) == raw
        assert await node.blocks([3, 4, 0]) == [await node.block(3), None, await node.block(0)]
        block = decode_block(Item("block 1", raw), chain_id=31337)
        values = {each.hash: each.value_eth for each in block.transactions}
        assert values == {sent: 777, failing: 0} and not block.bad_transactions
        found = await node.receipts(block.hash, 1, list(values))
        assert found is not None
        receipts = Receipts()
        for receipt in found:
            assert not list(receipts.add(Item("receipt", receipt)))
        known = {each: receipts.find(block.hash, each) for each in values}
        assert {each: found and found.succeeded for each, found in known.items()} == {
            sent: True,
            failing: False,
        }
        traced = await node.traces(block.hash, 1)
        assert traced is not None and traced.style == "parity"
        by_transaction: dict[str, Any] = {
            trace["transactionHash"]: trace for trace in json.loads(traced.result)
        }
        assert set(by_transaction) == set(values)
        assert int(by_transaction[sent]["action"]["value"], 16) == 777 * WEI_PER_ETHER
        assert "error" in by_transaction[failing]


async def test_geth_style_traces_of_a_real_node(anvil: Anvil) -> None:
    sent = whale(anvil, 777)
    anvil.mine()
    async with open_node(anvil.http_url) as node:
        node._traces._styles = ("geth",)
        traced = await node.traces(anvil.head()["hash"], 1)
        assert traced is not None and traced.style == "geth"
        [trace] = json.loads(traced.result)
        assert trace["txHash"] == sent
        assert int(trace["result"]["value"], 16) == 777 * WEI_PER_ETHER
        with pytest.raises(ChainMoved):
            await node.traces("0x" + "11" * 32, 1)


async def test_finality_follows_at_a_distance() -> None:
    """Anvil's safe block is one epoch behind its head, its finalised block two."""
    with running(*NO_MINING, "--slots-in-an-epoch", "2") as anvil:
        async with open_node(anvil.http_url) as node:
            for mined in range(1, 7):
                anvil.mine()
                safe, finalised = await node.tagged("safe"), await node.tagged("finalized")
                assert safe is not None and finalised is not None
                assert (safe.number, finalised.number) == (max(mined - 2, 0), max(mined - 4, 0))
                assert safe == await node.reference_at(safe.number)


async def test_a_reorganisation_under_a_block_that_is_being_read(anvil: Anvil) -> None:
    whale(anvil, 777)
    anvil.mine(3)
    async with open_node(anvil.http_url, retries=QUICK) as node:
        block_hash, transactions = await hashes(node, 1)
        before = await node.head()
        anvil.reorganise(3)
        assert await node.block_by_hash(block_hash) is None
        with pytest.raises(ChainMoved):
            await node.receipts(block_hash, 1, transactions)
        with pytest.raises(ChainMoved):
            await node.traces(block_hash, 1)
        after = await node.head()
        assert after.number == before.number and after.hash != before.hash
        assert (await hashes(node, 1))[1] == []
        common = await node.reference_at(0)
        first = await node.reference_at(1)
        assert common is not None and first is not None and first.parent_hash == common.hash


async def test_a_block_that_comes_back_is_the_same_one(anvil: Anvil) -> None:
    """What tests of revived blocks rely on, and with another time it is another block."""
    start = int(anvil.head()["timestamp"], 16)
    async with open_node(anvil.http_url, retries=QUICK) as node:
        seen: list[str] = []
        for timestamp in (100, 50, 100):
            sent = whale(anvil, 777)
            anvil.mine_at(start + timestamp)
            anvil.mine_at(start + 200)
            block_hash, transactions = await hashes(node, 1)
            assert transactions == [sent]
            seen.append(block_hash)
            tip = await node.head()
            assert (tip.number, tip.parent_hash) == (2, block_hash)
            anvil.rewind(2)
            assert (await node.head()).number == 0
            assert await node.block_by_hash(block_hash) is None
    assert seen[0] == seen[2] != seen[1]


@pytest.mark.parametrize("transport", ["http", "ws"])
async def test_new_heads_of_a_real_node(anvil: Anvil, transport: str) -> None:
    url = anvil.http_url if transport == "http" else anvil.ws_url
    # Over the websocket only the node's news wakes within the limit.
    interval_s = 0.02 if transport == "http" else 300
    async with open_node(url, poll_interval_s=interval_s) as node, asyncio.timeout(30):
        heads = node.new_heads()
        await anext(heads)
        await anext(heads)
        for number in (1, 2):
            await asyncio.to_thread(anvil.mine)
            await anext(heads)
            assert (await node.head()).number == number
        old = await node.head()
        await asyncio.to_thread(anvil.reorganise, 2)
        await anext(heads)
        while (await node.head()) == old:
            await anext(heads)


@pytest.mark.parametrize("transport", ["http", "ws"])
async def test_the_process_dies_and_comes_back(anvil: Anvil, transport: str) -> None:
    """A client that gives up sooner is the control: its failure is the crash, not luck."""
    url = anvil.http_url if transport == "http" else anvil.ws_url
    anvil.mine(2)
    async with (
        open_node(url, retries=PATIENT, poll_interval_s=0.02) as patient,
        open_node(url, retries=QUICK) as control,
    ):
        heads = patient.new_heads()
        await anext(heads)
        assert (await patient.head()).number == (await control.head()).number == 2
        anvil.kill()
        with pytest.raises(NodeUnavailable, match=r"head|eth_getBlockByNumber at 127\.0\.0\.1"):
            await control.head()
        asked_while_down = asyncio.create_task(patient.head())
        await anext(heads)
        await asyncio.to_thread(anvil.start)
        # A new process has a new chain, which begins below what was seen of the old one.
        assert (await asked_while_down).number == 0
        anvil.mine(3)
        await anext(heads)
        assert (await control.head()).number == 3


async def test_a_connection_whose_peer_has_gone_silent_wakes_who_follows_it(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCP says nothing of it, and neither does the node: only the missing pong does."""
    monkeypatch.setattr(websocket, "HEARTBEAT_S", 0.2)
    async with open_node(anvil.ws_url, poll_interval_s=300) as node, asyncio.timeout(30):
        heads = node.new_heads()
        await anext(heads)
        await anext(heads)
        assert (await node.head()).number == 0
        anvil.pause()
        try:
            await anext(heads)
        finally:
            anvil.resume()
        assert (await node.head()).number == 0


async def test_a_node_that_is_stopped_is_waited_for_no_longer_than_the_limit(
    anvil: Anvil,
) -> None:
    for url in (anvil.http_url, anvil.ws_url):
        async with open_node(url, request_timeout_s=0.2, retries=QUICK) as node:
            assert (await node.head()).number == 0
            anvil.pause()
            try:
                with pytest.raises(NodeUnavailable, match="no answer in time"):
                    await node.head()
            finally:
                anvil.resume()
            assert (await node.head()).number == 0
