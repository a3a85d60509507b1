"""A group of blocks into the database: whole, else in halves, until a bad block is alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec

from typedsql.errors import (
    ConnectionFailed,
    ConnectionLost,
    DataError,
    TimeoutExpired,
    TransientError,
)
from whaledb.ingest.patience import Patience
from whaledb.ingest.reading import BadItem
from whaledb.ingest.storing import BlockStore
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import Stored

# Of a commit whose fate is not known nothing is counted twice in the database: all are merges.
_WAITED_OUT: Final = (TransientError, ConnectionLost, ConnectionFailed, TimeoutExpired)

_T = TypeVar("_T")


class Outcome(msgspec.Struct, frozen=True):
    """What became of what was put: `stored`, or `refused`, which is a dead letter now."""

    stored: Stored | None = None
    refused: BadItem | None = None


class Flusher:
    """Commits groups through a `store`, trying again for up to `retry_limit_s` per commit.

    A repeated commit whose first try had landed counts its rows as present already.
    """

    def __init__(
        self, store: BlockStore, *, retry_limit_s: float, notice: Callable[[str], None]
    ) -> None:
        self._store = store
        self._patience = Patience(retry_limit_s, notice)
        self.retries = 0
        """Commits that were tried again."""
        self.splits = 0
        """Groups that were divided, as one of their blocks was refused."""
        self.commits = 0

    async def flush(self, items: Sequence[ReadBlock | BadItem]) -> list[Outcome]:
        """Commits every item, as rows or as a dead letter, in as few transactions as possible.

        Raises:
            TransientError, ConnectionLost, ConnectionFailed, TimeoutExpired: it lasted longer
                than the limit.
            OperatorError, CodeError: at once; nothing of the transaction was stored.
        """
        try:
            return await self._patiently(lambda: self._store_together(items))
        except DataError as failure:
            refusal = failure
        if len(items) == 1:
            return [await self._patiently(lambda: self._keep(items[0], refusal))]
        self.splits += 1
        half = len(items) // 2
        return [*await self.flush(items[:half]), *await self.flush(items[half:])]

    async def _store_together(self, items: Sequence[ReadBlock | BadItem]) -> list[Outcome]:
        stored = await self._store.store(
            [item for item in items if isinstance(item, ReadBlock)],
            [item for item in items if isinstance(item, BadItem)],
        )
        each = iter(stored)
        return [
            Outcome(stored=next(each)) if isinstance(item, ReadBlock) else Outcome(refused=item)
            for item in items
        ]

    async def _keep(self, item: ReadBlock | BadItem, refusal: DataError) -> Outcome:
        if isinstance(item, BadItem):
            # The dead letter itself is what was refused: there is no other place for it.
            raise refusal
        bad = BadItem(item.block.where, bytes(item.block.payload), str(refusal))
        await self._store.keep(bad, sqlstate=refusal.sqlstate)
        return Outcome(refused=bad)

    async def _patiently(self, commit: Callable[[], Awaitable[_T]]) -> _T:
        while True:
            began_s = time.monotonic()
            try:
                done = await commit()
            except _WAITED_OUT as failure:
                delay_s = self._patience.after(failure, began_s=began_s, often_passes=True)
                self.retries += 1
                await asyncio.sleep(delay_s)
            else:
                self._patience.restore()
                self.commits += 1
                return done
