"""The questions, over HTTP and over a websocket, to a node that answers well."""

import asyncio
import json

import pytest

from tests.rpc.fake_node import FakeNode, RpcError, Status, Text
from tests.rpc.served_chain import HEAD, ServedChain
from whaledb.rpc import BlockReference, Node, NodeRefused, NodeUnavailable, Retries
from whaledb.rpc.node import MAX_BLOCKS_PER_CALL
from whaledb.rpc.requests import MAX_REQUESTS_IN_FLIGHT

CHAIN = ServedChain()


def reference(number: int) -> BlockReference:
    return BlockReference(
        number=number, hash=CHAIN.hash(number), parent_hash=CHAIN.hash(number - 1)
    )


async def test_where_the_chain_stands(node: Node) -> None:
    assert await node.chain_id() == 137
    assert await node.head() == reference(HEAD)
    assert await node.tagged("safe") == reference(HEAD - 2)
    assert await node.tagged("finalized") == reference(HEAD - 4)
    assert await node.reference_at(2) == reference(2)
    assert await node.reference_at(HEAD + 1) is None


async def test_blocks_come_whole(node: Node) -> None:
    by_number = await node.block(2)
    assert by_number is not None
    assert json.loads(by_number) == CHAIN.block_by_number("0x2", True)
    assert await node.block_by_hash(CHAIN.hash(2)) == by_number
    assert await node.block(HEAD + 1) is None
    assert await node.block_by_hash("0x" + "11" * 32) is None


async def test_many_blocks_come_in_order_and_a_few_at_a_time(node: Node, fake: FakeNode) -> None:
    numbers = [4, 1, HEAD + 1, 2] * 20
    found = await node.blocks(numbers)
    assert [None if block is None else int(json.loads(block)["number"], 16) for block in found] == [
        None if number > HEAD else number for number in numbers
    ]
    assert 1 < fake.most_at_once <= MAX_REQUESTS_IN_FLIGHT
    with pytest.raises(ValueError, match=str(MAX_BLOCKS_PER_CALL)):
        await node.blocks(range(MAX_BLOCKS_PER_CALL + 1))


async def test_questions_asked_together_wait_for_each_other(node: Node, fake: FakeNode) -> None:
    assert await asyncio.gather(*(node.chain_id() for _ in range(40))) == [137] * 40
    assert 1 < fake.most_at_once <= MAX_REQUESTS_IN_FLIGHT


async def test_one_block_that_fails_fails_the_call(node: Node, fake: FakeNode) -> None:
    fake.faults["eth_getBlockByNumber"] = [RpcError(-32602)]
    with pytest.raises(NodeRefused, match="eth_getBlockByNumber"):
        await node.blocks(range(HEAD))


@pytest.mark.parametrize("code", [-32000, -39001, -32001, -32602])
async def test_a_tag_that_the_node_does_not_know_is_none(
    node: Node, fake: FakeNode, code: int
) -> None:
    fake.faults["eth_getBlockByNumber"] = [RpcError(code)]
    assert await node.tagged("finalized") is None
    fake.methods["eth_getBlockByNumber"] = lambda *_: None
    assert await node.tagged("safe") is None
    assert fake.count("eth_getBlockByNumber") == 2


@pytest.mark.parametrize("code", [-39001, -32001])
async def test_a_block_that_the_node_does_not_know_is_none(
    node: Node, fake: FakeNode, code: int
) -> None:
    fake.faults["eth_getBlockByNumber"] = [RpcError(code)]
    assert await node.block(1) is None


async def test_another_block_than_asked_for_is_not_taken(node: Node, fake: FakeNode) -> None:
    fake.methods["eth_getBlockByNumber"] = lambda number, full: CHAIN.block_by_number("0x1", full)
    for ask in (node.block, node.reference_at):
        with pytest.raises(NodeUnavailable, match="another"):
            await ask(2)
    assert await node.block(1) is not None
    fake.methods["eth_getBlockByHash"] = lambda _, full: CHAIN.block_by_number("0x1", full)
    with pytest.raises(NodeUnavailable, match="another block"):
        await node.block_by_hash(CHAIN.hash(2))


async def test_passing_faults_are_tried_again(node: Node, fake: FakeNode) -> None:
    """Two of three attempts fail; the third one's answer is what was asked for."""
    for fault in (RpcError(-32000), RpcError(-32005), RpcError(-32603), Status(503), Text("{}")):
        fake.asked.clear()
        fake.faults["eth_chainId"] = [fault, fault]
        assert await node.chain_id() == 137
        assert fake.count("eth_chainId") == 3


async def test_faults_that_stay_end_after_the_last_attempt(node: Node, fake: FakeNode) -> None:
    fake.faults["eth_chainId"] = [RpcError(-32005)] * 9
    with pytest.raises(
        NodeUnavailable, match=r"eth_chainId at 127\.0\.0\.1:\d+ failed in 3 attempts.*-32005"
    ) as failure:
        await node.chain_id()
    assert failure.value.code == -32005
    assert fake.count("eth_chainId") == 3


@pytest.mark.parametrize("code", [-32601, -32602, -32600, -32004, -32700, 4444])
async def test_what_will_not_pass_is_not_tried_again(node: Node, fake: FakeNode, code: int) -> None:
    fake.faults["eth_chainId"] = [RpcError(code)] * 9
    with pytest.raises(NodeRefused, match=f"eth_chainId at 127.*{code}") as refusal:
        await node.chain_id()
    assert refusal.value.code == code
    assert fake.count("eth_chainId") == 1


async def test_no_error_tells_a_key(node: Node, fake: FakeNode) -> None:
    """Neither the message nor anything that a traceback of it would show."""
    for fault in (RpcError(-32000), RpcError(-32601), Status(403), Status(500), Text("SECRET-KEY")):
        fake.faults["eth_chainId"] = [fault] * 3
        with pytest.raises((NodeUnavailable, NodeRefused)) as failure:
            await node.chain_id()
        told: list[BaseException | None] = [failure.value]
        while told[-1] is not None:
            assert "SECRET" not in repr(told[-1])
            told.append(told[-1].__cause__ or told[-1].__context__)
        fake.faults.clear()
    assert "SECRET" not in repr(node)


def test_waits_grow_up_to_a_limit_and_honour_what_the_node_asks_within_one() -> None:
    retries = Retries(first_backoff_s=1, longest_backoff_s=4, longest_retry_after_s=10)
    for attempt, most in ((1, 1), (2, 2), (3, 4), (9, 4)):
        waits = {retries.wait_s(attempt, None) for _ in range(100)}
        assert most / 2 <= min(waits) < max(waits) <= most
    assert retries.wait_s(1, 7.0) == 7.0
    assert retries.wait_s(1, 3600.0) == 10
    assert retries.wait_s(1, 0.0) >= 0.5
