"""What only a websocket can do wrong: one connection, many requests, and news of blocks."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.rpc.conftest import QUICK
from tests.rpc.fake_node import Cut, FakeNode, Hang, RpcError, Status, Text
from whaledb.rpc import Node, NodeRefused, NodeUnavailable, Retries, open_node, websocket


async def woken(heads: AsyncGenerator[None, None]) -> None:
    async with asyncio.timeout(5):
        await anext(heads)


async def subscribed(node: Node) -> AsyncGenerator[None, None]:
    """Heads of which the next is told by the node, or is due after the interval."""
    heads = node.new_heads()
    await woken(heads)
    await woken(heads)
    return heads


async def test_requests_share_one_connection_and_find_their_replies(
    ws_node: Node, fake: FakeNode
) -> None:
    """One that is never answered keeps none of the others: nobody takes turns."""
    answers = await asyncio.gather(
        ws_node.chain_id(), ws_node.head(), *(ws_node.block(number) for number in range(4))
    )
    assert answers[0] == 137 and all(answers)
    assert fake.handshakes == 1
    fake.faults["eth_chainId"] = [Hang()]
    async with open_node(fake.ws_url, request_timeout_s=5) as node:
        hanging = asyncio.create_task(node.chain_id())
        assert await node.head()
        assert not hanging.done()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        assert await node.chain_id() == 137


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Hang(), "no answer in time"),
        (Cut(), "a connection that was closed"),
        (Text("<html>"), "no reply"),
        (Text("7"), "expected an object"),
        (Text('{"jsonrpc":"2.0","id":null,"error":{"code":-32700}}'), "-32700"),
    ],
)
async def test_what_may_pass_is_tried_again_on_a_new_connection(
    ws_node: Node, fake: FakeNode, fault: Hang | Cut | Text, told: str
) -> None:
    fake.faults["eth_chainId"] = [fault]
    assert await ws_node.chain_id() == 137
    assert fake.handshakes == (1 if isinstance(fault, Hang) else 2)
    fake.faults["eth_chainId"] = [fault] * 3
    with pytest.raises(NodeUnavailable, match=told):
        await ws_node.chain_id()


async def test_a_lost_connection_fails_all_that_wait_on_it_and_each_asks_again(
    ws_node: Node, fake: FakeNode
) -> None:
    fake.faults["eth_chainId"] = [Cut()]
    answers = await asyncio.gather(*(ws_node.chain_id() for _ in range(5)))
    assert answers == [137] * 5
    assert fake.handshakes == 2


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_handshake_is_no_passing_fault(
    ws_node: Node, fake: FakeNode, status: int
) -> None:
    fake.refuses = Status(status)
    with pytest.raises(NodeRefused, match=f"HTTP status {status}") as refusal:
        await ws_node.chain_id()
    assert "SECRET" not in str(refusal.value)
    assert fake.handshakes == 1


async def test_a_handshake_that_fails_for_now_is_tried_again(ws_node: Node, fake: FakeNode) -> None:
    fake.refuses = Status(503)
    with pytest.raises(NodeUnavailable, match="HTTP status 503"):
        await ws_node.chain_id()
    assert fake.handshakes == 3
    fake.refuses = None
    assert await ws_node.chain_id() == 137


async def test_an_answer_over_the_limit_is_told(
    ws_node: Node, fake: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.methods["eth_chainId"] = lambda: "0x" + "0" * 2000 + "89"
    monkeypatch.setattr(websocket, "MAX_RESPONSE_BYTES", 1000)
    with pytest.raises(NodeUnavailable, match="more than 1000 bytes"):
        await ws_node.chain_id()


async def test_replies_that_nobody_waits_for_are_ignored(ws_node: Node, fake: FakeNode) -> None:
    assert await ws_node.chain_id() == 137
    await fake.say('{"jsonrpc":"2.0","id":12345,"result":"0x1"}')
    assert await ws_node.chain_id() == 137
    assert fake.handshakes == 1


async def test_the_node_tells_of_new_heads(ws_node: Node, fake: FakeNode) -> None:
    """The interval is 30 s: whoever wakes before was told."""
    heads = await subscribed(ws_node)
    assert fake.count("eth_subscribe") == 1
    waiting = asyncio.create_task(woken(heads))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not waiting.done()
    await fake.notify()
    await waiting
    await fake.notify()
    await fake.notify()
    await fake.notify()
    await ws_node.chain_id()
    await woken(heads)
    again = asyncio.create_task(woken(heads))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not again.done(), "news that came while nobody waited is one wake"
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_a_new_connection_is_subscribed_anew(ws_node: Node, fake: FakeNode) -> None:
    heads = await subscribed(ws_node)
    waiting = asyncio.create_task(woken(heads))
    await asyncio.sleep(0)
    await fake.drop()
    await waiting
    waiting = asyncio.create_task(woken(heads))
    await fake.until_asked("eth_subscribe", times=2)
    # Whether the reply has come by now is not known, so the news is repeated.
    while not waiting.done():
        await fake.notify()
        await asyncio.sleep(0.001)
    await waiting
    assert fake.count("eth_subscribe") == 2


async def test_a_subscription_that_has_died_silently_stops_nobody(fake: FakeNode) -> None:
    async with open_node(fake.ws_url, poll_interval_s=0.01) as node:
        heads = node.new_heads()
        for _ in range(4):
            await woken(heads)
    assert fake.count("eth_subscribe") == 1


@pytest.mark.parametrize("code", [-32601, -32000])
async def test_a_node_without_subscriptions_is_polled(fake: FakeNode, code: int) -> None:
    fake.faults["eth_subscribe"] = [RpcError(code)] * 9
    async with open_node(fake.ws_url, poll_interval_s=0.01) as node:
        heads = node.new_heads()
        for _ in range(4):
            await woken(heads)
    assert fake.count("eth_subscribe") == 1


async def test_heads_go_on_while_the_node_is_away(fake: FakeNode) -> None:
    other = FakeNode(port=0)
    async with other.up():
        pass
    async with open_node(other.ws_url, poll_interval_s=0.01, retries=QUICK) as node:
        heads = node.new_heads()
        await woken(heads)
        await woken(heads)
        async with other.up():
            await woken(heads)
            await woken(heads)
            assert other.count("eth_subscribe") >= 1


async def test_over_http_heads_are_polled(http_node: Node, fake: FakeNode) -> None:
    async with open_node(fake.http_url, poll_interval_s=0.01) as node:
        heads = node.new_heads()
        for _ in range(3):
            await woken(heads)
    assert fake.asked == []


async def test_a_node_that_restarts_is_asked_again() -> None:
    retries = Retries(attempts=50, first_backoff_s=0.01, longest_backoff_s=0.02)
    other = FakeNode(port=0)
    other.methods["eth_chainId"] = lambda: "0x89"
    async with other.up():
        pass
    async with open_node(other.ws_url, retries=retries) as node:
        async with other.up():
            assert await node.chain_id() == 137
        asked_while_down = asyncio.create_task(node.chain_id())
        await asyncio.sleep(0.02)
        async with other.up():
            assert await asked_while_down == 137


async def test_closing_fails_what_is_under_way(fake: FakeNode) -> None:
    fake.faults["eth_chainId"] = [Hang()]
    async with open_node(fake.ws_url, retries=Retries(attempts=1)) as node:
        hanging = asyncio.create_task(node.chain_id())
        await fake.until_asked("eth_chainId")
    with pytest.raises(NodeUnavailable, match="that we closed"):
        await hanging
