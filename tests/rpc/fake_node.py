"""A node for tests, over HTTP and websocket on one port, that misbehaves as it is told."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602


class RpcError(Exception):
    """A method answers with a JSON-RPC error; the text is what a real node might let slip."""

    def __init__(self, code: int, message: str = "see https://node.example/SECRET-KEY") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass
class Status:
    """The answer is this HTTP status."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "<html>SECRET-KEY</html>"


@dataclass
class Text:
    """The answer is this text, in which ID stands for the request's."""

    text: str


class Hang:
    """There is no answer."""


class Cut:
    """The answer breaks off, and with it the connection."""


Fault = RpcError | Status | Text | Hang | Cut
Method = Callable[..., Any]


class FakeNode:
    """Answers `methods`; each of `faults` takes the place of the next answer of its method.

    `asked` has every request in order. `refuses`: what a websocket's handshake answers
    instead, if anything; `headers`: of the last HTTP request or handshake.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.methods: dict[str, Method] = {"eth_subscribe": self._subscribe}
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[tuple[str, list[Any]]] = []
        self.refuses: Status | None = None
        self.headers: dict[str, str] = {}
        self.most_at_once = 0
        self.handshakes = 0
        self.sockets: set[web.WebSocketResponse] = set()
        self._under_way = 0
        self._released = asyncio.Event()
        self._arrival = asyncio.Condition()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3/SECRET-KEY"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v3/SECRET-KEY"

    def count(self, method: str) -> int:
        """How often a method was asked for."""
        return sum(asked == method for asked, _ in self.asked)

    async def until_asked(self, method: str, times: int = 1) -> None:
        """Waits until a method was asked for as often as this."""
        async with asyncio.timeout(5), self._arrival:
            await self._arrival.wait_for(lambda: self.count(method) >= times)

    async def notify(self) -> None:
        """Tells every socket of a new block."""
        head = {"subscription": "0x1", "result": {"number": "0x1"}}
        for socket in self.sockets:
            await socket.send_json({"jsonrpc": "2.0", "method": "eth_subscription", "params": head})

    async def say(self, text: str) -> None:
        """Sends a text to every socket."""
        for socket in self.sockets:
            await socket.send_str(text)

    async def drop(self) -> None:
        """Closes every socket."""
        for socket in list(self.sockets):
            await socket.close()

    @asynccontextmanager
    async def up(self, tls: ssl.SSLContext | None = None) -> AsyncGenerator[None, None]:
        """Listens for the length of the block; what then hangs is let go."""
        self._released.clear()
        application = web.Application(client_max_size=2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            self._released.set()
            await self.drop()
            await runner.cleanup()

    def _subscribe(self, *_: Any) -> str:
        return "0x1"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.headers = dict(request.headers)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        message = await request.json()
        fault = await self._fault(message)
        if isinstance(fault, Status):
            return web.Response(status=fault.status, headers=fault.headers, text=fault.body)
        if isinstance(fault, Text):
            return web.Response(text=fault.text.replace("ID", str(message["id"])))
        if isinstance(fault, Cut):
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"jsonrpc":"2.0","id":')
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.json_response(await self._answer(message, fault))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.refuses is not None:
            return web.Response(status=self.refuses.status, headers=self.refuses.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        async with asyncio.TaskGroup() as group:
            async for received in socket:
                if received.type is WSMsgType.TEXT:
                    group.create_task(self._reply(socket, json.loads(received.data)))
        self.sockets.discard(socket)
        return socket

    async def _reply(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        fault = await self._fault(message)
        if isinstance(fault, Status | Cut):
            await socket.close()
        elif isinstance(fault, Text):
            await socket.send_str(fault.text.replace("ID", str(message["id"])))
        elif not socket.closed:
            await socket.send_json(await self._answer(message, fault))

    async def _fault(self, message: dict[str, Any]) -> Fault | None:
        method = message["method"]
        self.asked.append((method, message["params"]))
        async with self._arrival:
            self._arrival.notify_all()
        planned = self.faults.get(method, [])
        fault = planned.pop(0) if planned else None
        if isinstance(fault, Hang):
            await self._released.wait()
        return fault

    async def _answer(self, message: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        # Long enough for requests that are under way together to be seen so.
        await asyncio.sleep(0.001)
        self._under_way -= 1
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            if isinstance(fault, RpcError):
                raise fault
            if message["method"] not in self.methods:
                raise RpcError(METHOD_NOT_FOUND)
            result = self.methods[message["method"]](*message["params"])
        except RpcError as error:
            return reply | {"error": {"code": error.code, "message": error.message}}
        return reply | {"result": result}
