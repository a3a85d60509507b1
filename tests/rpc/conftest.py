"""A node that misbehaves on demand, and a client of it over HTTP and over a websocket."""

from collections.abc import AsyncIterator

import pytest

from tests.rpc.fake_node import FakeNode
from tests.rpc.served_chain import ServedChain
from whaledb.rpc import Node, Retries, open_node

QUICK = Retries(attempts=3, first_backoff_s=0.001, longest_backoff_s=0.002)


@pytest.fixture
async def fake() -> AsyncIterator[FakeNode]:
    """A node that answers with a small chain."""
    fake = FakeNode(port=0)
    fake.methods |= ServedChain().methods()
    async with fake.up():
        yield fake


@pytest.fixture(params=["http", "ws"])
async def node(request: pytest.FixtureRequest, fake: FakeNode) -> AsyncIterator[Node]:
    """Its client, over each transport, which does not wait long for anything."""
    url = fake.http_url if request.param == "http" else fake.ws_url
    async with open_node(url, request_timeout_s=0.2, retries=QUICK) as node:
        yield node


@pytest.fixture
async def http_node(fake: FakeNode) -> AsyncIterator[Node]:
    async with open_node(fake.http_url, request_timeout_s=0.2, retries=QUICK) as node:
        yield node


@pytest.fixture
async def ws_node(fake: FakeNode) -> AsyncIterator[Node]:
    async with open_node(
        fake.ws_url, request_timeout_s=0.2, poll_interval_s=30, retries=QUICK
    ) as node:
        yield node
