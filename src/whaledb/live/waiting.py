"""Waiting: for the node's next head, or for the end."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from whaledb.ingest.claims import Claim

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
