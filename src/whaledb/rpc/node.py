"""The questions that following a chain asks of a node."""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal

from typedsql.errors import ConfigurationError
from whaledb.rpc.attempts import Retries
from whaledb.rpc.concurrency import each
from whaledb.rpc.endpoint import parse_endpoint
from whaledb.rpc.errors import PackageMissing
from whaledb.rpc.messages import (
    INVALID_PARAMETERS_CODE,
    PRUNED_HISTORY_CODE,
    SERVER_ERROR_CODE,
    UNKNOWN_BLOCK_CODES,
)
from whaledb.rpc.reading import BlockReference, is_nothing, quantity_of, reference
from whaledb.rpc.receipts import ReceiptRequests
from whaledb.rpc.requests import MAX_REQUESTS_IN_FLIGHT, Requests
from whaledb.rpc.traces import Traced, TraceRequests
from whaledb.wire.quantities import Unreadable

if TYPE_CHECKING:
    from whaledb.rpc.transport import Transport
    from whaledb.rpc.websocket import WebsocketTransport

DEFAULT_POLL_INTERVAL_S: Final = 2.0
# Blocks of one call are in memory together: 256 full mainnet blocks are about 0.5 GB.
MAX_BLOCKS_PER_CALL: Final = 256

Tag = Literal["safe", "finalized"]

_DEFAULT_RETRIES: Final = Retries()
# Of nodes that do not know the tag, or no such block yet: see messages.UNKNOWN_BLOCK_CODES.
_UNKNOWN_TAG_CODES: Final = UNKNOWN_BLOCK_CODES | {SERVER_ERROR_CODE, INVALID_PARAMETERS_CODE}


class Node:
    """An Ethereum node, asked over JSON-RPC; made by `open_node`.

    Each question is tried `Retries.attempts` times, with a growing wait in between, so a
    node may restart under it. Any of them raises `NodeUnavailable` where that was not
    enough and `NodeRefused` where asking again is of no use. Questions may be asked at the
    same time; `MAX_REQUESTS_IN_FLIGHT` are under way at most, the others wait. `host` is
    what may be told of its URL.
    """

    def __init__(
        self,
        requests: Requests,
        subscriber: "WebsocketTransport | None",
        *,
        poll_interval_s: float,
    ) -> None:
        self.host = requests.host
        self._requests = requests
        self._subscriber = subscriber
        self._poll_interval_s = poll_interval_s
        self._receipts = ReceiptRequests(requests)
        self._traces = TraceRequests(requests)

    async def chain_id(self) -> int:
        """The chain's EIP-155 number."""
        return await self._requests.ask(
            "eth_chainId", read=lambda result: quantity_of(result, name="chainId")
        )

    async def head(self) -> BlockReference:
        """The newest block of the node's chain."""
        return await self._requests.ask("eth_getBlockByNumber", "latest", False, read=reference)

    async def tagged(self, tag: Tag) -> BlockReference | None:
        """The newest safe or finalised block; None where the node knows none."""
        return await self._requests.ask(
            "eth_getBlockByNumber",
            tag,
            False,
            read=lambda result: None if is_nothing(result) else reference(result),
            nothing_codes=_UNKNOWN_TAG_CODES,
        )

    async def reference_at(self, number: int) -> BlockReference | None:
        """Which block the node's chain has at a height; None above its head."""
        return await self._requests.reference_at(number)

    async def block(self, number: int) -> bytes | None:
        """The JSON of the block at a height, with full transactions.

        None above the head, and where the node has pruned its history.
        """
        return await self._requests.ask(
            "eth_getBlockByNumber",
            hex(number),
            True,
            read=lambda result: _checked(result, number=number),
            nothing_codes=UNKNOWN_BLOCK_CODES | {PRUNED_HISTORY_CODE},
        )

    async def block_by_hash(self, hash: str) -> bytes | None:
        """The JSON of a block, with full transactions; None where the node does not have it.

        Geth still has blocks that a reorganisation took off its chain.
        """
        return await self._requests.ask(
            "eth_getBlockByHash",
            hash,
            True,
            read=lambda result: _checked(result, hash=hash.lower()),
            nothing_codes=UNKNOWN_BLOCK_CODES,
        )

    async def blocks(self, numbers: Sequence[int]) -> list[bytes | None]:
        """What `block` gives for each height, in order; several are fetched at a time.

        They need not be of one branch: the chain may move in between.

        Raises:
            ValueError: there are more than `MAX_BLOCKS_PER_CALL`.
        """
        if len(numbers) > MAX_BLOCKS_PER_CALL:
            raise ValueError(f"more than {MAX_BLOCKS_PER_CALL} blocks in one call")
        return await each(self.block, numbers, at_once=MAX_REQUESTS_IN_FLIGHT)

    async def receipts(
        self, block_hash: str, number: int, transaction_hashes: Sequence[str]
    ) -> list[bytes] | None:
        """The JSON of the receipts of a block's transactions.

        One may be missing where the node itself does not have it. None where the node has
        no method for receipts.

        Raises:
            ChainMoved: the node has another block at that height by now.
        """
        return await self._receipts.fetch(block_hash, number, transaction_hashes)

    async def traces(self, block_hash: str, number: int) -> Traced | None:
        """The call traces of a block's transactions.

        None where the node has no method for them, or no longer the state that tracing
        this block takes.

        Raises:
            ChainMoved: the node has another block at that height by now.
        """
        return await self._traces.fetch(block_hash, number)

    def new_heads(self) -> AsyncGenerator[None, None]:
        """Wakes at once, then whenever there may be a new block, for ever.

        Over a websocket the node tells; over HTTP, and over a websocket in any case, one
        wakes each `poll_interval_s`. It never fails: a node that is gone is found by asking.
        """
        from whaledb.rpc import heads

        if self._subscriber is None:
            return heads.polled(self._poll_interval_s)
        return heads.notified(self._subscriber, self._poll_interval_s)


@asynccontextmanager
async def open_node(
    url: str,
    *,
    poll_interval_s: float = DEFAULT_POLL_INTERVAL_S,
    request_timeout_s: float | None = None,
    retries: Retries = _DEFAULT_RETRIES,
) -> AsyncGenerator[Node, None]:
    """A node at an http://, https://, ws:// or wss:// URL for the length of the block.

    Nothing is connected before the first question. `request_timeout_s` bounds each attempt
    of a question; None is `transport.REQUEST_TIMEOUT_S`.

    Raises:
        ConfigurationError: the URL or an interval cannot be used, or aiohttp is missing.
    """
    endpoint = parse_endpoint(url)
    try:
        from whaledb.rpc.http import HttpTransport
        from whaledb.rpc.transport import REQUEST_TIMEOUT_S
        from whaledb.rpc.websocket import WebsocketTransport
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("whaledb"):
            raise
        raise PackageMissing(
            f"following a node needs the package {error.name}: pip install 'whaledb[rpc]'"
        ) from None
    timeout_s = REQUEST_TIMEOUT_S if request_timeout_s is None else request_timeout_s
    if not (0 < poll_interval_s < math.inf and 0 < timeout_s < math.inf):
        raise ConfigurationError("the poll interval and the request timeout are over 0 seconds")
    subscriber: WebsocketTransport | None = None
    transport: Transport
    if endpoint.is_websocket:
        transport = subscriber = WebsocketTransport(endpoint, request_timeout_s=timeout_s)
    else:
        transport = HttpTransport(endpoint, request_timeout_s=timeout_s)
    try:
        requests = Requests(transport, host=endpoint.host, retries=retries)
        yield Node(requests, subscriber, poll_interval_s=poll_interval_s)
    finally:
        await transport.close()


def _checked(result: bytes, *, number: int | None = None, hash: str | None = None) -> bytes | None:
    """The block's JSON, of which it is certain that it is the one asked for."""
    if is_nothing(result):
        return None
    found = reference(result)
    if number not in (None, found.number) or hash not in (None, found.hash):
        raise Unreadable("it is another block than the one asked for")
    return result
