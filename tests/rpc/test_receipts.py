"""Receipts by the best way that a node has, and never another block's."""

import json

import pytest

from tests.rpc.fake_node import FakeNode, RpcError
from tests.rpc.served_chain import ServedChain
from whaledb.rpc import ChainMoved, Node, NodeRefused, NodeUnavailable

CHAIN = ServedChain()
FORK = ServedChain("fork")
HASHES = CHAIN.transaction_hashes(2)
WANTED = CHAIN.block_receipts("0x2")


async def receipts(node: Node) -> list[object] | None:
    found = await node.receipts(CHAIN.hash(2), 2, HASHES)
    return None if found is None else [json.loads(receipt) for receipt in found]


async def test_by_hash_in_one_request(http_node: Node, fake: FakeNode) -> None:
    assert await receipts(http_node) == WANTED
    assert fake.asked == [("eth_getBlockReceipts", [CHAIN.hash(2)])]


async def test_by_number_where_the_node_takes_no_hash(http_node: Node, fake: FakeNode) -> None:
    fake.methods["eth_getBlockReceipts"] = CHAIN.block_receipts_by_number_only
    assert await receipts(http_node) == WANTED
    fake.asked.clear()
    assert await receipts(http_node) == WANTED
    assert fake.asked == [("eth_getBlockReceipts", ["0x2"])]


@pytest.mark.parametrize("code", [-32601, -32004])
async def test_one_by_one_where_the_node_has_no_more(
    http_node: Node, fake: FakeNode, code: int
) -> None:
    fake.faults["eth_getBlockReceipts"] = [RpcError(code)]
    assert await receipts(http_node) == WANTED
    fake.asked.clear()
    assert await receipts(http_node) == WANTED
    assert {method for method, _ in fake.asked} == {"eth_getTransactionReceipt"}


async def test_none_where_the_node_has_no_receipts(http_node: Node, fake: FakeNode) -> None:
    del fake.methods["eth_getBlockReceipts"], fake.methods["eth_getTransactionReceipt"]
    assert await receipts(http_node) is None
    fake.asked.clear()
    assert await receipts(http_node) is None
    assert fake.asked == []


async def test_a_block_without_transactions_needs_no_request(
    http_node: Node, fake: FakeNode
) -> None:
    assert await http_node.receipts(CHAIN.hash(2), 2, []) == []
    assert fake.asked == []


async def test_a_block_that_is_gone_is_not_an_empty_one(http_node: Node, fake: FakeNode) -> None:
    fake.methods |= FORK.methods()
    with pytest.raises(ChainMoved, match=CHAIN.hash(2)):
        await receipts(http_node)
    fake.faults["eth_getBlockReceipts"] = [RpcError(-39001)]
    with pytest.raises(ChainMoved):
        await receipts(http_node)


async def test_by_number_another_block_is_not_taken(http_node: Node, fake: FakeNode) -> None:
    """The control: the fork's receipts are of the same transactions, and would all fit."""
    fake.methods["eth_getBlockReceipts"] = FORK.block_receipts_by_number_only
    taken = FORK.block_receipts("0x2") or []
    assert [each["transactionHash"] for each in taken] == HASHES
    with pytest.raises(ChainMoved):
        await receipts(http_node)


async def test_one_by_one_another_block_is_not_taken(http_node: Node, fake: FakeNode) -> None:
    del fake.methods["eth_getBlockReceipts"]
    fake.methods["eth_getTransactionReceipt"] = FORK.transaction_receipt
    with pytest.raises(ChainMoved):
        await receipts(http_node)


async def test_a_receipt_that_is_missing_is_asked_for_alone(
    http_node: Node, fake: FakeNode
) -> None:
    fake.methods["eth_getBlockReceipts"] = lambda its: (CHAIN.block_receipts(its) or [])[:1]
    assert await receipts(http_node) == WANTED
    fake.methods["eth_getTransactionReceipt"] = lambda _: None
    assert await receipts(http_node) == (WANTED or [])[:1]
    # Pending again, since its block is gone.
    fake.methods["eth_getBlockByNumber"] = FORK.block_by_number
    with pytest.raises(ChainMoved):
        await receipts(http_node)


async def test_what_is_no_receipt_is_not_taken(http_node: Node, fake: FakeNode) -> None:
    for answer in ({}, "0x1", [{}], [{"blockHash": CHAIN.hash(2)}], [1]):
        fake.methods["eth_getBlockReceipts"] = lambda _, answer=answer: answer
        with pytest.raises(NodeUnavailable, match="a result that cannot be used"):
            await receipts(http_node)


async def test_a_refusal_is_no_missing_method(http_node: Node, fake: FakeNode) -> None:
    """Else a key that was taken away would end in blocks without receipts."""
    fake.faults["eth_getBlockReceipts"] = [RpcError(-32600)]
    with pytest.raises(NodeRefused):
        await receipts(http_node)
