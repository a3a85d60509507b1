"""What is refused for its size or its form, before anybody looks at what it says."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from uuid import uuid4

import httpx
import pytest

from tests.api.app import limits, strict_json
from tests.api.conftest import Api
from whaledb.schemas.cursors import MAX_CURSOR_CHARS

JSON = {"Content-Type": "application/json"}
LARGE_MIB = 8


async def _status(client: httpx.AsyncClient, body: bytes, **headers: str) -> int:
    answer = await client.put("/profile", content=body, headers=JSON | headers)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code


async def test_a_body_has_a_limit(me: httpx.AsyncClient) -> None:
    fits = b'{"display_name": ""' + b" " * (limits.MAX_BODY_BYTES - 20) + b"}"
    assert len(fits) == limits.MAX_BODY_BYTES
    assert await _status(me, fits) == 422
    assert await _status(me, fits + b" ") == 413


async def test_a_body_without_a_length_has_it_too(me: httpx.AsyncClient) -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        for _ in range(LARGE_MIB):
            yield b" " * 2**20

    answer = await me.put("/profile", content=parts(), headers=JSON)
    assert answer.status_code == 413
    assert (await me.get("/profile")).status_code == 200


async def test_a_body_without_an_end_is_cut(
    api: Api, me: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DISCARDED_BYTES", 2**20)

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b" " * 2**20

    # Whether the client sees the answer before it is cut off is a matter of who is faster.
    with contextlib.suppress(httpx.TransportError):
        assert (await me.put("/profile", content=endless(), headers=JSON)).status_code == 413
    assert (await me.get("/profile")).status_code == 200


async def test_a_body_that_does_not_come_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.2)
    host, _, port = api.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PUT /profile HTTP/1.1\r\nHost: api\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_client_that_goes_away_is_no_error(
    api: Api, me: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = api.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PUT /profile HTTP/1.1\r\nHost: api\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()
    assert (await me.get("/profile")).status_code == 200
    assert not caplog.records


async def test_headers_and_address_have_limits(me: httpx.AsyncClient) -> None:
    long = "x" * limits.MAX_HEADER_BYTES
    assert (await me.get("/profile", headers={"X-Long": long})).status_code == 431
    assert limits.MAX_ADDRESS_BYTES > MAX_CURSOR_CHARS
    for path, query in (("/alerts", {"cursor": long}), ("/alerts/" + long, {})):
        assert (await me.get(path, params=query)).status_code == 414


@pytest.mark.parametrize(
    "declared", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_a_body_says_that_it_is_json(me: httpx.AsyncClient, declared: str) -> None:
    headers = {"Content-Type": declared} if declared else {}
    answer = await me.put("/profile", content=b"{}", headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"display_name": "a"} {}',
        b'{"display_name": "a",}',
        b'{"display_name": 1e400}',
    ],
)
async def test_a_body_is_json(me: httpx.AsyncClient, body: bytes) -> None:
    assert await _status(me, body) in (400, 422)


@pytest.mark.parametrize("around", ["[]", "{}"])
async def test_a_body_nests_so_deep(me: httpx.AsyncClient, around: str) -> None:
    def nested(depth: int) -> bytes:
        opening, closing = ("[", "]") if around == "[]" else ('{"a":', "}")
        inner = depth - 1
        return (opening * inner + around + closing * inner).encode()

    assert await _status(me, nested(strict_json.MAX_JSON_DEPTH)) == 422
    assert await _status(me, nested(strict_json.MAX_JSON_DEPTH + 1)) == 400
    assert await _status(me, nested(900)) == 400


async def test_what_is_wrong_with_a_body_is_told(me: httpx.AsyncClient) -> None:
    for body, told in ((b"{", "is not JSON"), (b"[" * 33 + b"]" * 33, "more than 32 deep")):
        answer = await me.put("/profile", content=body, headers=JSON)
        assert answer.status_code == 400
        assert told in answer.json()["detail"]


async def test_paths_and_methods_that_are_not_there(me: httpx.AsyncClient) -> None:
    for answer in (await me.get("/"), await me.get("/alerts/"), await me.get("/docs")):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    for method, path, known in (
        ("PATCH", "/alerts", "GET, POST"),
        ("POST", f"/alerts/{uuid4()}", "DELETE, GET, PATCH, PUT"),
        ("DELETE", "/profile", "GET, PUT"),
        ("DELETE", "/health/live", "GET"),
    ):
        answer = await me.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["allow"] == known
