"""Waiting: for the node's next head, and for what is away to come back."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any, Final

from whaledb.ingest.claims import Claim

FIRST_RETRY_DELAY_S: Final = 0.2
MAX_RETRY_DELAY_S: Final = 15.0


class Patience:
    """How long failures are waited out: growing delays, up to a limit since the last success."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since_s: float | None = None
        self._delay_s = 0.0
        self._told = ""

    def after(self, failure: Exception, notice: Callable[[str], None]) -> float:
        """The seconds to wait after a failure; raises it once the limit is reached."""
        now_s = time.monotonic()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self._limit_s:
            raise failure
        if type(failure).__name__ != self._told:
            self._told = type(failure).__name__
            notice(f"waiting: {failure}")
        self._delay_s = min(MAX_RETRY_DELAY_S, max(FIRST_RETRY_DELAY_S, 2 * self._delay_s))
        left_s = self._since_s + self._limit_s - now_s
        return min(left_s, self._delay_s * random.uniform(0.5, 1.0))  # noqa: S311

    def restore(self, notice: Callable[[str], None]) -> None:
        if self._since_s is None:
            return
        notice(f"going on after {time.monotonic() - self._since_s:.1f} s")
        self._since_s, self._delay_s, self._told = None, 0.0, ""


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
        nap = asyncio.ensure_future(asyncio.sleep(delay_s))
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
