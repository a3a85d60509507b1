"""What was put and is not committed yet: in order, bounded in blocks and bytes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from whaledb.ingest.reading import BadItem
from whaledb.ingest.transfers import ReadBlock


class Entry:
    """A block, or an item that is none; `committed` is done once it is stored, or filed."""

    __slots__ = ("committed", "item", "queued_s", "row_count", "size_bytes")

    def __init__(self, item: ReadBlock | BadItem, *, size_bytes: int, row_count: int) -> None:
        self.item = item
        self.size_bytes = size_bytes
        self.row_count = row_count
        self.queued_s = time.monotonic()
        self.committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def resolve(self) -> None:
        if not self.committed.done():
            self.committed.set_result(None)

    def fail(self, failure: BaseException) -> None:
        if not self.committed.done():
            self.committed.set_exception(failure)
            # Told by the next put and at the end: who does not look here misses nothing.
            self.committed.exception()


class Backlog:
    """A queue of entries, taken off in groups, and only once they are committed.

    A group is due when it has `max_flush_blocks` entries or `max_flush_rows` rows, when its
    first entry is `max_age_s` old, when someone waits for room or for a flush, and once the
    queue is closed. `max_blocks` and `max_bytes` bound all that is here, what is being
    committed included; an entry larger than `max_bytes` is let in alone.
    """

    def __init__(
        self,
        *,
        max_blocks: int,
        max_bytes: int,
        max_flush_blocks: int,
        max_flush_rows: int,
        max_age_s: float,
    ) -> None:
        self._max_blocks = max_blocks
        self._max_bytes = max_bytes
        self._max_flush_blocks = max_flush_blocks
        self._max_flush_rows = max_flush_rows
        self._max_age_s = max_age_s
        self._entries: deque[Entry] = deque()
        self._rows = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._waits_for_room = False
        self._wanted: Entry | None = None
        self._closed = False
        self._failure: BaseException | None = None
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest_age_s(self) -> float:
        """Since the oldest entry was put; 0 where there is none."""
        return time.monotonic() - self._entries[0].queued_s if self._entries else 0.0

    async def put(self, entry: Entry) -> None:
        """Appends an entry, in the order of the callers, as soon as there is room for it.

        Raises whatever `fail` was told.
        """
        async with self._turn:
            await self._until(lambda: self._has_room(entry))
            entry.queued_s = time.monotonic()
            self._entries.append(entry)
            self.size_bytes += entry.size_bytes
            self._rows += entry.row_count
            # The first one starts the clock of its age; the others matter as they fill a group.
            if len(self._entries) == 1 or self._is_due():
                self._changed.set()

    async def _until(self, has_room: Callable[[], bool]) -> None:
        try:
            while self._failure is None and not has_room():
                self._waits_for_room = True
                self._changed.set()
                self._room.clear()
                await self._room.wait()
        finally:
            self._waits_for_room = False
        if self._failure is not None:
            raise self._failure

    def _has_room(self, entry: Entry) -> bool:
        return not self._entries or (
            len(self._entries) < self._max_blocks
            and self.size_bytes + entry.size_bytes <= self._max_bytes
        )

    async def flush(self) -> None:
        """Returns once everything that is here now is committed; raises what keeps it from that."""
        if self._failure is not None:
            raise self._failure
        if self._entries:
            last = self._wanted = self._entries[-1]
            self._changed.set()
            await asyncio.shield(last.committed)

    async def next_group(self) -> list[Entry]:
        """The oldest entries, once they are due; they stay until `drop`. Empty at the end."""
        while True:
            if self._entries and self._is_due():
                return self._cut()
            if self._closed and not self._entries:
                return []
            self._changed.clear()
            left_s = self._max_age_s - self.oldest_age_s if self._entries else None
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _is_due(self) -> bool:
        return (
            self._closed
            or self._waits_for_room
            or self._wanted is not None
            or len(self._entries) >= self._max_flush_blocks
            or self._rows >= self._max_flush_rows
            or self.oldest_age_s >= self._max_age_s
        )

    def _cut(self) -> list[Entry]:
        group: list[Entry] = []
        rows = 0
        for entry in self._entries:
            rows += entry.row_count
            is_full = len(group) == self._max_flush_blocks or rows > self._max_flush_rows
            if group and is_full:
                break
            group.append(entry)
        return group

    def drop(self, group: list[Entry]) -> None:
        """Takes off a group that was committed."""
        for entry in group:
            self._entries.popleft()
            self.size_bytes -= entry.size_bytes
            self._rows -= entry.row_count
            if entry is self._wanted:
                self._wanted = None
            entry.resolve()
        # Not due for the one who waited: it has room now, or says again that it has none.
        self._waits_for_room = False
        self._room.set()

    def close(self) -> None:
        """Nothing is put any more: what is here is due."""
        self._closed = True
        self._changed.set()

    def fail(self, failure: BaseException) -> None:
        """Nothing here will be committed: whoever waits for it, or puts more, is told why."""
        self._failure = failure
        for entry in self._entries:
            entry.fail(failure)
        self._room.set()
