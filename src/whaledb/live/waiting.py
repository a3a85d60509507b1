"""Waiting: for the node's next head, and for what is away to come back."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from whaledb.ingest.claims import Claim

FIRST_RETRY_DELAY_S: Final = 0.2
MAX_RETRY_DELAY_S: Final = 15.0
REMINDER_INTERVAL_S: Final = 60.0

_T = TypeVar("_T")


class Stopped(Exception):
    """The end was asked for while nothing was being written; internal to live."""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T:
    """What `work` gives; it is cancelled where the end is asked for before that.

    Raises:
        Stopped: it was.
    """
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Stopped
        return working.result()
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await working


class Patience:
    """How long failures are waited out: growing delays, up to a limit since the last success.

    What often passes by itself is told of when it happens a second time; anything that
    lasts is told of again each `REMINDER_INTERVAL_S`.
    """

    def __init__(self, limit_s: float, notice: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._notice = notice
        self._since_s: float | None = None
        self._delay_s = 0.0
        self._told: type[Exception] | None = None
        self._told_s = 0.0

    def after(self, failure: Exception, *, often_passes: bool = False) -> float:
        """The seconds to wait after a failure; raises it once the limit is reached."""
        now_s = time.monotonic()
        is_first = self._since_s is None
        since_s = self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - since_s >= self._limit_s:
            raise failure
        if not (is_first and often_passes):
            self._tell(failure, now_s, since_s)
        self._delay_s = min(MAX_RETRY_DELAY_S, max(FIRST_RETRY_DELAY_S, 2 * self._delay_s))
        left_s = since_s + self._limit_s - now_s
        return min(left_s, self._delay_s * random.uniform(0.5, 1.0))  # noqa: S311

    def _tell(self, failure: Exception, now_s: float, since_s: float) -> None:
        if self._told is type(failure) and now_s - self._told_s < REMINDER_INTERVAL_S:
            return
        self._told, self._told_s = type(failure), now_s
        waited_s = now_s - since_s
        since = f" since {waited_s:.0f} s" if waited_s >= 1 else ""
        left = f", for {self._limit_s - waited_s:.0f} s at most"
        self._notice(f"waiting{since}{left if math.isfinite(self._limit_s) else ''}: {failure}")

    def restore(self) -> None:
        """What was waited for is there again."""
        if self._since_s is not None and self._told is not None:
            self._notice(f"going on after {time.monotonic() - self._since_s:.1f} s")
        self._since_s, self._delay_s, self._told = None, 0.0, None


class Heads:
    """Waits for the node's next head, for the end, or for the loss of the stream."""

    def __init__(
        self, heads: AsyncGenerator[None, None], stop: asyncio.Event, claim: Claim
    ) -> None:
        self._heads = heads
        self._stop = asyncio.ensure_future(stop.wait())
        self._lost = asyncio.ensure_future(claim.wait_lost())
        self._wake: asyncio.Future[None] | None = None

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    async def next(self) -> None:
        if self._wake is None:
            self._wake = asyncio.ensure_future(anext(self._heads))
        await self._first_of(self._wake)
        if self._wake.done():
            wake, self._wake = self._wake, None
            await wake

    async def stopped_within(self, delay_s: float) -> None:
        """Sleeps, unless the end is asked for or the stream lost meanwhile."""
        nap = asyncio.ensure_future(asyncio.sleep(delay_s))
        if self.is_lost:
            # What failed is to confirm that, and would be tried again without a pause.
            await asyncio.wait((self._stop, nap), return_when=asyncio.FIRST_COMPLETED)
        else:
            await self._first_of(nap)
        nap.cancel()

    async def _first_of(self, other: asyncio.Future[Any]) -> None:
        await asyncio.wait((self._stop, self._lost, other), return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        waiting: list[asyncio.Future[Any]] = [
            self._stop,
            self._lost,
            *([] if self._wake is None else [self._wake]),
        ]
        for one in waiting:
            one.cancel()
        for one in waiting:
            with suppress(asyncio.CancelledError, Exception):
                await one
        await self._heads.aclose()
