"""What HTTP and websocket have in common: the limits, and what their faults mean."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import aiohttp

from whaledb.rpc.messages import Fault

CONNECT_TIMEOUT_S: Final = 10.0
# Geth may take many seconds to trace a full block.
REQUEST_TIMEOUT_S: Final = 60.0
# A full mainnet block is 2 MB of JSON, its call traces with their inputs some tens of MB.
MAX_RESPONSE_BYTES: Final = 256 * 1024 * 1024

_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429})
_ACCESS_STATUSES: Final = frozenset({401, 403})


class Transport(Protocol):
    """One way to reach a node."""

    async def exchange(self, method: str, params: Sequence[object]) -> bytes:
        """The JSON of one request's result; `null` where the node has nothing.

        Raises:
            Fault: the attempt failed.
        """
        ...

    async def close(self) -> None:
        """Give back the connections; requests still under way fail."""
        ...


def status_fault(status: int, headers: Mapping[str, str]) -> Fault:
    """What an HTTP status other than 200 means."""
    reason = f"HTTP status {status}"
    if status in _TRANSIENT_STATUSES or status >= 500:
        return Fault(
            reason,
            retry_after_s=_retry_after_s(headers.get("Retry-After")),
            code_decides=status != 429,
        )
    if status in _ACCESS_STATUSES:
        # A 403 may be about the method alone, which its JSON-RPC code says then.
        return Fault(
            f"{reason}: check the key or credentials in its URL",
            is_final=True,
            code_decides=status != 401,
        )
    if 300 <= status < 400:
        return Fault(f"{reason}: it redirects, name the final URL", is_final=True)
    return Fault(f"{reason}: check the URL's path", is_final=True)


def connection_fault(error: Exception) -> Fault:
    """What a failure below HTTP means; its own text, which may quote the URL, is left out."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return Fault("a TLS certificate that cannot be verified", is_final=True)
    if isinstance(error, aiohttp.InvalidURL):
        return Fault("a URL that HTTP cannot use", is_final=True)
    if isinstance(error, TimeoutError):
        return Fault("no answer in time")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Fault("no address for its name")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Fault("no connection")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Fault("an answer that breaks off")
    return Fault("a connection that broke")


def session() -> aiohttp.ClientSession:
    """A client that keeps connections but no cookies, and whose waits all end."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
    )


def _retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None if it is neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


FAULTY: Final = (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError)
"""What a transport may raise for a peer that does not answer as it should."""
