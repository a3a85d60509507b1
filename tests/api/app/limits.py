"""What a request may cost before anybody looks at what it says.

The body is read here, up to its limit and within its time, so that no route waits for one or
holds more of it. Whoever stands in front of this, a proxy say, may be stricter and never laxer.
"""

import asyncio
import contextlib
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.api.app.problems import Refused, to_response

MAX_BODY_BYTES: Final = 65_536
MAX_HEADER_BYTES: Final = 16_384
"""Names and values of all headers together."""
MAX_ADDRESS_BYTES: Final = 10_000
"""Path and query together, as they were sent; the longest cursor has 8,000."""
BODY_TIMEOUT_S: Final = 10.0
MAX_DISCARDED_BYTES: Final = 100_000_000
"""Of a body that is too large. Most clients look for an answer once they have sent all of it."""


class Limits:
    """ASGI middleware that refuses what is too large, before the application sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_head(scope)
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read(receive)
        except Refused as refused:
            await _refuse(refused, receive, send)
            return
        except TimeoutError:
            slow = Refused(HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time.")
            await to_response(slow)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)


def _check_head(scope: Scope) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise Refused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The headers are larger than {MAX_HEADER_BYTES} bytes.",
        )
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_ADDRESS_BYTES:
        raise Refused(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            f"Path and query are longer than {MAX_ADDRESS_BYTES} bytes.",
        )
    for name, value in headers:
        # Python makes no number of more than 4,300 digits.
        if name == b"content-length" and (len(value) > 18 or int(value) > MAX_BODY_BYTES):
            raise _too_large()


def _too_large() -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is larger than {MAX_BODY_BYTES} bytes.",
        headers={"Connection": "close"},
    )


async def _refuse(refused: Refused, receive: Receive, send: Send) -> None:
    """Answer at once, and end the answer once the client has heard it.

    Closed at once, the connection is reset, and a client that still sends may never see why.
    """
    response = to_response(refused)
    head = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **head})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            await _discard(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    size = 0
    more = True
    while more and size < MAX_DISCARDED_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None where the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the application the body that was read, and behind it what the server says."""
    told = False

    async def replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
