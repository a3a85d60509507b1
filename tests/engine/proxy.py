"""A TCP proxy before a server, which loses what it is told to lose."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from typedsql.settings import ConnectionTarget

CHUNK_BYTES = 65_536
ANSWER_DELAY_S = 0.05
"""For the rest of an answer, which may come in parts, before the client is cut off."""


class Proxy:
    """What it loses counts from the next message on that holds the words."""

    def __init__(self, server: ConnectionTarget) -> None:
        self._server = server
        self._before: bytes | None = None
        self._during: bytes | None = None
        self._after: bytes | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._ending = asyncio.Event()
        self._ending.set()
        self._turned_away = 0
        self.met = asyncio.Event()
        """Set when the words have passed, or would have."""
        self.connections = 0
        """How many were asked for."""

    def cut_before(self, words: bytes) -> None:
        """Cut off the client that sends these words; the server does not get them."""
        self._before = words
        self.met.clear()

    def cut_during(self, words: bytes) -> None:
        """Cut off the client that sends these words; the server works on them undisturbed."""
        self._during = words
        self.met.clear()

    def cut_after(self, words: bytes) -> None:
        """Cut off the client that sends these words once the server has answered them."""
        self._after = words
        self.met.clear()

    def cut(self) -> None:
        """Cut off everybody."""
        for writer in list(self._open):
            writer.transport.abort()

    def turn_away(self, times: int) -> None:
        """Close so many of the next connections at once."""
        self._turned_away = times

    def silence(self) -> None:
        """Pass nothing on, in either direction, and keep everything open: a black hole."""
        self._passing.clear()

    def hold_ends(self) -> None:
        """Pass on what the server says, and not that it has hung up after it."""
        self._ending.clear()
        self.met.clear()

    def resume(self) -> None:
        self._passing.set()
        self._ending.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._turned_away:
            self._turned_away -= 1
            writer.transport.abort()
            return
        upstream_reader, upstream = await self._connect()
        self._open |= {writer, upstream}
        lost = asyncio.Event()
        pumps = {
            asyncio.create_task(self._requests(reader, upstream, writer, lost)),
            asyncio.create_task(self._answers(upstream_reader, writer, lost)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for side in (writer, upstream):
                side.transport.abort()
            self._open -= {writer, upstream}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._server.host, self._server.port
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        lost: asyncio.Event,
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._passing.wait()
            if self._before is not None and self._before in data:
                self._before = None
                self.met.set()
                return
            if self._after is not None and self._after in data:
                self._after = None
                lost.set()
            upstream.write(data)
            await upstream.drain()
            if self._during is not None and self._during in data:
                self._during = None
                self.met.set()
                lost.set()
                writer.transport.abort()
                # The server is left to itself until it has an answer.
                await asyncio.Event().wait()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._passing.wait()
            if lost.is_set():
                await asyncio.sleep(ANSWER_DELAY_S)
                self.met.set()
                return
            writer.write(data)
            await writer.drain()
        if not self._ending.is_set():
            self.met.set()
            await self._ending.wait()


@asynccontextmanager
async def proxied(server: ConnectionTarget) -> AsyncGenerator[tuple[Proxy, ConnectionTarget], None]:
    """A proxy before a server, and how to reach the server through it."""
    proxy = Proxy(server)
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            with suppress(OSError):
                await proxy.serve(reader, writer)
        finally:
            handlers.discard(task)

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    target = dataclasses.replace(
        server, host="127.0.0.1", port=port, sslmode="disable", embedded_dir=None
    )
    try:
        yield proxy, target
    finally:
        listening.close()
        proxy.cut()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
