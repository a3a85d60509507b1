"""Traces in the style that a node has, and never another block's."""

import json

import pytest

from tests.rpc.fake_node import FakeNode, RpcError, Status
from tests.rpc.served_chain import ServedChain
from whaledb.rpc import ChainMoved, Node, NodeUnavailable, Traced

CHAIN = ServedChain()
FORK = ServedChain("fork")
HASH = CHAIN.hash(2)


async def traces(node: Node) -> Traced | None:
    return await node.traces(HASH, 2)


async def test_parity_style_first(http_node: Node, fake: FakeNode) -> None:
    traced = await traces(http_node)
    assert traced is not None and traced.style == "parity"
    assert json.loads(traced.result) == CHAIN.trace_block("0x2")
    assert fake.asked == [("trace_block", ["0x2"])]


async def test_geth_style_where_there_is_no_other(http_node: Node, fake: FakeNode) -> None:
    del fake.methods["trace_block"]
    for _ in range(2):
        traced = await traces(http_node)
        assert traced is not None and traced.style == "geth"
        assert json.loads(traced.result) == CHAIN.debug_trace(HASH, {"tracer": "callTracer"})
    assert (fake.count("trace_block"), fake.count("debug_traceBlockByHash")) == (1, 2)


async def test_none_where_the_node_has_neither(http_node: Node, fake: FakeNode) -> None:
    del fake.methods["trace_block"], fake.methods["debug_traceBlockByHash"]
    assert await traces(http_node) is None
    fake.asked.clear()
    assert await traces(http_node) is None
    assert fake.asked == []


async def test_an_account_that_may_not_trace_is_asked_again_later(
    http_node: Node, fake: FakeNode
) -> None:
    error = '{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"upgrade"}}'
    fake.faults["trace_block"] = [Status(403, body=error)]
    fake.faults["debug_traceBlockByHash"] = [RpcError(-32600)]
    assert await traces(http_node) is None
    traced = await traces(http_node)
    assert traced is not None and traced.style == "parity"


@pytest.mark.parametrize("code", [-32000, -32002, -32603, 4444])
async def test_a_state_that_is_pruned_is_none(http_node: Node, fake: FakeNode, code: int) -> None:
    fake.faults["trace_block"] = [RpcError(code)] * 2
    assert await traces(http_node) is None
    fake.faults.clear()
    assert await traces(http_node) is not None


async def test_one_doubtful_error_is_no_pruned_state(http_node: Node, fake: FakeNode) -> None:
    fake.faults["trace_block"] = [RpcError(-32000)]
    assert await traces(http_node) is not None


async def test_too_many_requests_are_no_pruned_state(http_node: Node, fake: FakeNode) -> None:
    """Else a busy moment would leave blocks without their internal transfers."""
    for fault in (RpcError(-32005), Status(429), Status(502)):
        fake.faults["trace_block"] = [fault] * 3
        with pytest.raises(NodeUnavailable):
            await traces(http_node)


async def test_by_number_another_block_is_not_taken(http_node: Node, fake: FakeNode) -> None:
    fake.methods["trace_block"] = FORK.trace_block
    with pytest.raises(ChainMoved, match=HASH):
        await traces(http_node)


@pytest.mark.parametrize("answer", [[], None])
async def test_no_traces_of_another_block_are_not_taken(
    http_node: Node, fake: FakeNode, answer: object
) -> None:
    """No trace says which block has none."""
    fake.methods["trace_block"] = lambda _: answer
    expected = None if answer is None else Traced("parity", b"[]")
    assert await traces(http_node) == expected
    fake.methods["eth_getBlockByNumber"] = FORK.block_by_number
    with pytest.raises(ChainMoved):
        await traces(http_node)


@pytest.mark.parametrize("code", [-32000, -32001, -39001])
async def test_geth_style_of_a_block_that_is_gone(
    http_node: Node, fake: FakeNode, code: int
) -> None:
    del fake.methods["trace_block"]
    fake.faults["debug_traceBlockByHash"] = [RpcError(code)] * 2
    fake.methods["eth_getBlockByNumber"] = FORK.block_by_number
    with pytest.raises(ChainMoved):
        await traces(http_node)
