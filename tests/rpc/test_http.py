"""What only HTTP can do wrong: statuses, bodies and connections."""

import asyncio
import base64
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.rpc.conftest import QUICK
from tests.rpc.fake_node import Cut, FakeNode, Hang, Status, Text
from whaledb.rpc import Node, NodeRefused, NodeUnavailable, Retries, attempts, http, open_node

METHOD_MISSING = '{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"SECRET-KEY"}}'
OPENSSL_LIMIT_S = 60
SERVER_ERROR = '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"SECRET-KEY"}}'


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Status(429), "HTTP status 429"),
        (Status(408), "HTTP status 408"),
        (Status(500), "HTTP status 500"),
        (Status(503), "HTTP status 503"),
        (Status(500, body=SERVER_ERROR), "JSON-RPC error -32000"),
        (Status(429, body=METHOD_MISSING), "HTTP status 429"),
        (Hang(), "no answer in time"),
        (Cut(), "breaks off|broke"),
        (Text("<html>"), "no reply: not valid JSON|no reply: the reply is"),
        (Text(""), "no reply"),
        (Text('{"jsonrpc":"2.0","id":ID,"result":"0x8'), "it ends early"),
        (Text('{"jsonrpc":"2.0","id":1}'), "neither a result nor an error"),
        (Text('{"jsonrpc":"2.0","id":987,"result":"0x89"}'), "another request"),
        (Text('{"jsonrpc":"2.0","id":ID,"error":"SECRET-KEY"}'), "without a code"),
        (Text('{"jsonrpc":"2.0","id":ID,"result":137}'), "chainId is a number"),
        (Text('[{"jsonrpc":"2.0","id":ID,"result":"0x89"}]'), "an array, expected an object"),
    ],
)
async def test_what_may_pass_is_tried_again_and_told(
    http_node: Node, fake: FakeNode, fault: Status | Text | Hang | Cut, told: str
) -> None:
    fake.faults["eth_chainId"] = [fault]
    assert await http_node.chain_id() == 137
    fake.faults["eth_chainId"] = [fault] * 3
    with pytest.raises(NodeUnavailable, match=told) as failure:
        await http_node.chain_id()
    assert "SECRET" not in str(failure.value)
    assert await http_node.chain_id() == 137


@pytest.mark.parametrize(
    ("fault", "told", "code"),
    [
        (Status(401), "HTTP status 401: check the key", None),
        (Status(401, body=METHOD_MISSING), "HTTP status 401: check the key", None),
        (Status(403), "HTTP status 403: check the key", None),
        (Status(403, body=METHOD_MISSING), "JSON-RPC error -32601", -32601),
        (Status(403, body=SERVER_ERROR), "HTTP status 403", None),
        (Status(404), "HTTP status 404: check the URL's path", None),
        (Status(404, body=METHOD_MISSING), "JSON-RPC error -32601", -32601),
        (Status(301, {"Location": "http://127.0.0.1:1/SECRET-KEY"}), "name the final URL", None),
    ],
)
async def test_what_will_not_pass_is_refused_at_once(
    http_node: Node, fake: FakeNode, fault: Status, told: str, code: int | None
) -> None:
    fake.faults["eth_chainId"] = [fault] * 3
    with pytest.raises(NodeRefused, match=told) as refusal:
        await http_node.chain_id()
    assert refusal.value.code == code
    assert "SECRET" not in str(refusal.value)
    assert fake.count("eth_chainId") == 1


async def test_an_answer_over_the_limit_is_refused(
    http_node: Node, fake: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.methods["eth_chainId"] = lambda: "0x" + "0" * 2000 + "89"
    monkeypatch.setattr(http, "MAX_RESPONSE_BYTES", 1000)
    with pytest.raises(NodeRefused, match="more than 1000 bytes"):
        await http_node.chain_id()


@pytest.mark.parametrize(
    "asked",
    ["1", format_datetime(datetime.now(UTC) + timedelta(seconds=3600))],
    ids=["seconds", "date"],
)
async def test_a_node_that_asks_to_be_left_alone_is(
    fake: FakeNode, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Without the header, and with one that is neither, the wait is our own."""
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    monkeypatch.setattr(attempts, "asyncio", SimpleNamespace(sleep=sleep))
    retries = Retries(attempts=2, first_backoff_s=0.001, longest_retry_after_s=0.9)
    async with open_node(fake.http_url, retries=retries) as node:
        for header in ({"Retry-After": asked}, {}, {"Retry-After": "soon"}):
            fake.faults["eth_chainId"] = [Status(429, header)]
            assert await node.chain_id() == 137
    honoured, *own = waits
    assert honoured == 0.9
    assert len(own) == 2 and max(own) <= 0.001


async def test_credentials_in_the_url_are_used(fake: FakeNode) -> None:
    url = fake.http_url.replace("http://", "http://user:SECRET-PW@")
    async with open_node(url, retries=QUICK) as node:
        assert await node.chain_id() == 137
        assert "SECRET" not in node.host
    given = base64.b64encode(b"user:SECRET-PW").decode()
    assert fake.headers["Authorization"] == f"Basic {given}"


async def test_a_node_that_restarts_is_asked_again() -> None:
    """Requests under way when it goes down, and those made while it is down, succeed."""
    retries = Retries(attempts=50, first_backoff_s=0.01, longest_backoff_s=0.02)
    other = FakeNode(port=0)
    other.methods["eth_chainId"] = lambda: "0x89"
    other.faults["eth_chainId"] = [Hang()]
    async with other.up():
        pass
    async with open_node(other.http_url, retries=retries) as node, asyncio.TaskGroup() as group:
        async with other.up():
            hanging = group.create_task(node.chain_id())
            await other.until_asked("eth_chainId")
        asked_while_down = group.create_task(node.chain_id())
        await asyncio.sleep(0.02)
        async with other.up():
            assert await hanging == await asked_while_down == 137


async def test_a_node_that_stays_away_is_given_up() -> None:
    gone = FakeNode(port=0)
    async with gone.up():
        pass
    for url in (gone.http_url, gone.ws_url):
        async with open_node(url, retries=QUICK) as node:
            with pytest.raises(
                NodeUnavailable, match="3 attempts, the last one with no connection"
            ):
                await node.head()


async def test_a_certificate_that_cannot_be_verified_is_refused_at_once(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", key, "-out", certificate)
    making = ["openssl", "req", "-x509", *curve, "-days", "2", "-subj", "/CN=localhost", *files]
    await asyncio.to_thread(
        subprocess.run, making, check=True, capture_output=True, timeout=OPENSSL_LIMIT_S
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    fake = FakeNode(port=0)
    async with fake.up(tls=context):
        for scheme in ("https", "wss"):
            url = fake.http_url.replace("http", scheme)
            async with open_node(url, retries=QUICK) as node:
                with pytest.raises(NodeRefused, match="certificate that cannot be verified"):
                    await node.head()
    assert fake.asked == []
