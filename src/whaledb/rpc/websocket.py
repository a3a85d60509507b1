"""JSON-RPC over a websocket: all requests on one connection, which is opened when needed."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import aiohttp

from whaledb.rpc.endpoint import Endpoint
from whaledb.rpc.messages import Envelope, Fault, decode_envelope, request
from whaledb.rpc.transport import (
    CONNECT_TIMEOUT_S,
    FAULTY,
    MAX_RESPONSE_BYTES,
    connection_fault,
    session,
    status_fault,
)
from whaledb.wire.replies import MISSING

# A peer that answers no ping within half of it is gone, though TCP may not know for hours. The
# pong comes after an answer that is being sent, which may be large.
HEARTBEAT_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 2.0

_TEXTS: Final = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class _Connection:
    """One websocket and the requests on it that wait for their replies."""

    def __init__(
        self, socket: "aiohttp.ClientWebSocketResponse[bool]", notified: asyncio.Event
    ) -> None:
        self._socket = socket
        self._notified = notified
        self._waiting: dict[int, asyncio.Future[Envelope]] = {}
        self._fault: Fault | None = None
        self._reader = asyncio.create_task(self._read())

    @property
    def is_open(self) -> bool:
        return self._fault is None

    async def exchange(self, number: int, method: str, params: Sequence[object]) -> bytes:
        if self._fault is not None:
            raise self._copied_fault(self._fault)
        answer: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._socket.send_str(request(number, method, params).decode())
            return (await answer).value()
        finally:
            del self._waiting[number]
            if answer.done() and not answer.cancelled():
                answer.exception()  # else it would be logged as never retrieved

    async def close(self) -> None:
        self._end(Fault("a connection that we closed"))
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close()
        except FAULTY:
            pass

    async def _read(self) -> None:
        """Hands each message to who waits for it, until the connection ends."""
        fault = Fault("a connection that broke")
        try:
            while True:
                message = await self._socket.receive()
                if message.type not in _TEXTS:
                    fault = _end_fault(message.data)
                    break
                self._take(decode_envelope(message.data))
        except Fault as unreadable:
            fault = unreadable
        except FAULTY as error:
            fault = connection_fault(error)
        finally:
            self._end(fault)
        await self._socket.close()

    def _take(self, envelope: Envelope) -> None:
        number = envelope.number()
        if number is None:
            if envelope.method is MISSING:
                # A fault of some request, of which the node could not tell which.
                envelope.value()
            else:
                self._notified.set()
            return
        answer = self._waiting.get(number)
        # Without a waiter it is late: its request has timed out or was cancelled.
        if answer is not None and not answer.done():
            answer.set_result(envelope)

    def _end(self, fault: Fault) -> None:
        if self._fault is not None:
            return
        self._fault = fault
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._copied_fault(fault))
        # Whoever follows the heads subscribes anew.
        self._notified.set()

    @staticmethod
    def _copied_fault(fault: Fault) -> Fault:
        """An exception of one's own for each request: raising one twice joins their tracebacks.

        It is never final, since the next connection may do better.
        """
        return Fault(fault.reason, code=fault.code)


class WebsocketTransport:
    """Requests to a node at a ws:// or wss:// URL, and whether it has told of a new block."""

    def __init__(self, endpoint: Endpoint, *, request_timeout_s: float) -> None:
        self._url = endpoint.url
        self._request_timeout_s = request_timeout_s
        self._session = session()
        self._numbers = itertools.count(1)
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None
        self._subscribed: _Connection | None = None
        self.notified = asyncio.Event()

    async def exchange(self, method: str, params: Sequence[object]) -> bytes:
        try:
            async with asyncio.timeout(self._request_timeout_s):
                connection = await self._connected()
                return await connection.exchange(next(self._numbers), method, params)
        except FAULTY as error:
            raise connection_fault(error) from None

    @property
    def is_subscribed(self) -> bool:
        """Whether the open connection was asked to tell of new blocks."""
        return self._subscribed is not None and self._subscribed.is_open

    async def subscribe(self) -> None:
        """Have the node tell of new blocks for as long as the connection lives.

        Raises:
            Fault: the attempt failed.
        """
        try:
            async with asyncio.timeout(self._request_timeout_s):
                connection = await self._connected()
                await connection.exchange(next(self._numbers), "eth_subscribe", ["newHeads"])
        except FAULTY as error:
            raise connection_fault(error) from None
        self._subscribed = connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        await self._session.close()

    async def _connected(self) -> _Connection:
        """The open connection; one at a time opens a new one for all who wait."""
        async with self._connecting:
            if self._connection is None or not self._connection.is_open:
                if self._connection is not None:
                    await self._connection.close()
                self._connection = _Connection(await self._open(), self.notified)
            return self._connection

    async def _open(self) -> "aiohttp.ClientWebSocketResponse[bool]":
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._session.ws_connect(
                    self._url,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MAX_RESPONSE_BYTES,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise status_fault(error.status, error.headers or {}) from None


def _end_fault(error: object) -> Fault:
    """Why a connection ended, of what aiohttp gives in the place of a message."""
    if isinstance(error, aiohttp.WebSocketError):
        if error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            return Fault(f"an answer of more than {MAX_RESPONSE_BYTES} bytes")
        return Fault("a message that breaks the websocket protocol")
    return Fault("a connection that was closed")
