"""How often a request is tried, and how long one waits in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from whaledb.rpc.errors import NodeRefused, NodeUnavailable
from whaledb.rpc.messages import Fault

# With these, a node that is gone is given up after about 8 seconds, or after
# REQUEST_ATTEMPTS timeouts where it takes connections and says nothing.
REQUEST_ATTEMPTS: Final = 6
FIRST_BACKOFF_S: Final = 0.25
LONGEST_BACKOFF_S: Final = 8.0
# A node that asks for more is asked again all the same: the attempts end before long.
LONGEST_RETRY_AFTER_S: Final = 30.0

_T = TypeVar("_T")


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request is tried; each wait is twice the one before, up to the longest."""

    attempts: int = REQUEST_ATTEMPTS
    first_backoff_s: float = FIRST_BACKOFF_S
    longest_backoff_s: float = LONGEST_BACKOFF_S
    longest_retry_after_s: float = LONGEST_RETRY_AFTER_S

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """How long to wait after attempt 1, 2, ...

        The jitter of up to a half keeps the requests that one restart interrupted from
        returning together.
        """
        backoff_s = min(self.first_backoff_s * 2.0 ** (attempt - 1), self.longest_backoff_s)
        jittered_s = backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - nothing is kept secret
        if retry_after_s is None:
            return jittered_s
        return max(jittered_s, min(retry_after_s, self.longest_retry_after_s))


async def attempted(
    once: Callable[[], Awaitable[_T]], *, retries: Retries, method: str, host: str
) -> _T:
    """The result of the first attempt that succeeds.

    Raises:
        NodeUnavailable: all attempts failed in ways that may pass.
        NodeRefused: an attempt failed in a way that will not.
    """
    attempt = 0
    while True:
        attempt += 1
        # Raised below, outside of the handler: its context may be an exception of the
        # transport's, whose text quotes the URL.
        fault: Fault
        try:
            return await once()
        except Fault as failed:
            fault = failed
        if fault.is_final:
            raise NodeRefused(f"{method} at {host} was refused: {fault.reason}", code=fault.code)
        if attempt >= retries.attempts:
            tries = "1 attempt" if attempt == 1 else f"{attempt} attempts"
            raise NodeUnavailable(
                f"{method} at {host} failed in {tries}, the last one with {fault.reason}",
                code=fault.code,
            )
        await asyncio.sleep(retries.wait_s(attempt, fault.retry_after_s))
