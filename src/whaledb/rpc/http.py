"""JSON-RPC over HTTP: one POST a request, over connections that are kept."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import aiohttp

from whaledb.rpc.endpoint import Endpoint
from whaledb.rpc.messages import Fault, decode_envelope, request
from whaledb.rpc.transport import (
    FAULTY,
    MAX_RESPONSE_BYTES,
    connection_fault,
    session,
    status_fault,
)

_CHUNK_BYTES: Final = 256 * 1024
# An answer with an error status is read for its JSON-RPC code, which is at its beginning.
_MAX_ERROR_BYTES: Final = 64 * 1024
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class HttpTransport:
    """Requests to a node at an http:// or https:// URL."""

    def __init__(self, endpoint: Endpoint, *, request_timeout_s: float) -> None:
        self._url = endpoint.url
        self._request_timeout_s = request_timeout_s
        self._session = session()
        self._numbers = itertools.count(1)

    async def exchange(self, method: str, params: Sequence[object]) -> bytes:
        number = next(self._numbers)
        try:
            async with asyncio.timeout(self._request_timeout_s):
                status, data = await self._post(request(number, method, params))
        except FAULTY as error:
            raise connection_fault(error) from None
        try:
            envelope = decode_envelope(data)
            value = envelope.value()
        except Fault as fault:
            if status is None:
                raise
            # Providers send a JSON-RPC error with an HTTP status of its own, or only that.
            tells_more = fault.code is not None and (fault.is_final or not status.is_final)
            if status.code_decides and tells_more:
                raise
            raise status from None
        if status is not None:
            raise status
        if envelope.number() != number:
            raise Fault("a reply to another request")
        return value

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, body: bytes) -> tuple[Fault | None, bytes]:
        """The answer's bytes, and what its HTTP status means; None for 200."""
        async with self._session.post(
            self._url, data=body, headers=_HEADERS, allow_redirects=False
        ) as response:
            if response.status == 200:
                return None, await _bounded(response, MAX_RESPONSE_BYTES)
            status = status_fault(response.status, response.headers)
            try:
                return status, await _bounded(response, _MAX_ERROR_BYTES)
            except (Fault, *FAULTY):
                return status, b""


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, decompressed, in memory up to its limit.

    Raises:
        Fault: it is larger.
    """
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > limit:
            raise Fault(f"an answer of more than {limit} bytes", is_final=True)
    return bytes(body)
