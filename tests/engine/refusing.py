"""Servers that refuse whoever comes, or whatever is asked of them, or say nothing at all."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from pydantic import SecretStr

from typedsql.settings import ConnectionTarget

CANARY = "canary-c0ffee"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


READY = message(b"Z", b"I")
LET_IN = b"".join(
    [
        message(b"R", (0).to_bytes(4)),  # AuthenticationOk
        message(b"S", b"server_version\x0018.0\0"),
        message(b"S", b"client_encoding\0UTF8\0"),
        message(b"K", (7).to_bytes(4) + (7).to_bytes(4)),
        READY,
    ]
)


def refusing_target(port: int) -> ConnectionTarget:
    return ConnectionTarget(
        host="127.0.0.1",
        port=port,
        database="d",
        user="u",
        password=SecretStr(CANARY),
        sslmode="prefer",
        sslrootcert=None,
        source="DATABASE_URL",
        embedded_dir=None,
    )


@contextlib.asynccontextmanager
async def refusing_server(
    sqlstate: str, said: str, *, after_login: bool = False
) -> AsyncGenerator[tuple[ConnectionTarget, list[int]], None]:
    """Speaks the protocol far enough to refuse: these states cannot be had from a healthy one.

    With `after_login` it lets everybody in, and refuses each statement. Beside how to reach it
    comes a list that has a member for each login.
    """
    logins: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            startup = await read_packet(reader)
            if startup == (80877103).to_bytes(4):  # SSLRequest
                writer.write(b"N")
                startup = await read_packet(reader)
            logins.append(len(startup))
            severity = "ERROR" if after_login else "FATAL"
            fields = f"S{severity}\0V{severity}\0C{sqlstate}\0M{said}\0\0".encode()
            refusal = message(b"E", fields)
            writer.write(LET_IN if after_login else refusal)
            while after_login and (kind := await reader.readexactly(1)) != b"X":
                await read_packet(reader)
                answers = {b"P": refusal, b"S": READY, b"Q": refusal + READY}
                writer.write(answers.get(kind, b""))
            await writer.drain()
        writer.close()

    async def read_packet(reader: asyncio.StreamReader) -> bytes:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield refusing_target(listening.sockets[0].getsockname()[1]), logins


@contextlib.asynccontextmanager
async def silent_server(target: ConnectionTarget) -> AsyncGenerator[ConnectionTarget, None]:
    """One that takes connections and says nothing."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as listening:
        yield replace(target, port=listening.sockets[0].getsockname()[1])
