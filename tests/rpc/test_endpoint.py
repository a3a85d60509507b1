"""Which URLs a node can be at, and what is told of them."""

import sys

import pytest

from typedsql.errors import ConfigurationError
from whaledb.rpc import PackageMissing, open_node
from whaledb.rpc.endpoint import parse_endpoint


@pytest.mark.parametrize(
    ("url", "host", "is_websocket"),
    [
        ("http://127.0.0.1:8545", "127.0.0.1:8545", False),
        ("https://user:pw@node.example/v3/KEY?k=KEY", "node.example", False),
        ("WS://Node.Example:1/KEY", "node.example:1", True),
        ("wss://[::1]:8546/KEY", "[::1]:8546", True),
    ],
)
def test_only_host_and_port_are_told(url: str, host: str, is_websocket: bool) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.host, endpoint.is_websocket, endpoint.url) == (host, is_websocket, url)
    assert "KEY" not in repr(endpoint) and "pw" not in repr(endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8545",
        "postgresql://h/KEY",
        "/tmp/geth.ipc",
        "http://",
        "http://h:99999/KEY",
        "http://h:KEY",
        "http://h/KEY\n",
        " http://h/KEY",
        "http://[::1/KEY",
    ],
)
async def test_other_urls_are_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="http://, https://, ws:// or wss://") as refusal:
        async with open_node(url):
            pass
    assert "KEY" not in str(refusal.value)


async def test_intervals_have_to_be_positive() -> None:
    for options in ({"poll_interval_s": 0.0}, {"request_timeout_s": -1.0}):
        with pytest.raises(ConfigurationError, match="over 0 seconds"):
            async with open_node("http://h", **options):
                pass


async def test_a_missing_package_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("whaledb.rpc.")]:
        if name.rpartition(".")[2] in {"http", "websocket", "transport"}:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(PackageMissing, match=r"aiohttp: pip install 'whaledb\[rpc\]'"):
        async with open_node("http://h"):
            pass
