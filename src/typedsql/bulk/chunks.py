"""From rows one by one to chunks: each key once in a chunk, sorted, bounded."""

from collections import deque
from collections.abc import Callable, Sequence, Set
from typing import Any, Final, Generic, TypeVar

from typedsql.bulk.limits import Limits

R = TypeVar("R")

READ_ROWS: Final = 128
"""Rows that are read and looked at together, at most."""
FIRST_CHUNK_ROWS: Final = 1_000
"""Rows of the first chunk, at most: the server need not wait for a whole one to begin. Each
that follows may have twice as many, until the limit is reached."""


class Filling(Generic[R]):
    """The chunk that is being filled, and the rows that wait for the next ones.

    A statement can touch a row only once, and what a second row of a key does may depend on
    the first: it waits until that is stored.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most_rows = min(limits.chunk_rows, FIRST_CHUNK_ROWS)
        self._reach = 1
        self._row_bytes = 0
        self._rows: dict[Any, R] = {}
        self._bytes = 0
        self._waiting: dict[Any, deque[tuple[R, int]]] = {}
        self._waiting_rows = 0
        self._waiting_bytes = 0

    @property
    def room_rows(self) -> int:
        """How many rows may be given together, where they are as large as the last ones.

        Few where little is known of their size, so that not many are read whose bytes are
        beyond the limit.
        """
        limits = self._limits
        left = min(self._most_rows - len(self._rows), limits.chunk_rows - self._waiting_rows)
        if self._row_bytes:
            left = min(left, (limits.chunk_bytes - self._bytes) // self._row_bytes)
        return max(1, min(self._reach, left))

    def add_all(
        self, keys: Sequence[Any], rows: Sequence[R], size_bytes: int, size_of: Callable[[R], int]
    ) -> None:
        """Add some rows that are `size_bytes` together; `size_of` tells that of one."""
        self._row_bytes = size_bytes // max(len(rows), 1)
        self._reach = (
            1 if size_bytes > self._limits.chunk_bytes else min(2 * self._reach, READ_ROWS)
        )
        added: dict[Any, R] = {}
        alone = False
        try:
            added = dict(zip(keys, rows, strict=True))
            alone = len(added) == len(rows) and self._rows.keys().isdisjoint(added)
        except Exception:
            # A value that has no place in a key, which the driver or the server refuses.
            keys = [_hashable(key, row) for key, row in zip(keys, rows, strict=True)]
        if alone:
            self._rows.update(added)
            self._bytes += size_bytes
            return
        for key, row in zip(keys, rows, strict=True):
            self.add(key, row, size_of(row))

    def add(self, key: Any, row: R, size_bytes: int) -> None:
        if key in self._rows:
            self._waiting.setdefault(key, deque()).append((row, size_bytes))
            self._waiting_rows += 1
            self._waiting_bytes += size_bytes
        else:
            self._rows[key] = row
            self._bytes += size_bytes

    @property
    def full(self) -> bool:
        limits = self._limits
        return (
            len(self._rows) >= self._most_rows
            or self._bytes >= limits.chunk_bytes
            or self._waiting_rows >= limits.chunk_rows
            or self._waiting_bytes >= limits.chunk_bytes
        )

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._rows)

    def cut(self) -> tuple[Set[Any], list[R]]:
        """The keys of this chunk, and its rows in their order; the next one is begun."""
        rows = self._rows
        self._rows, self._bytes = {}, 0
        self._most_rows = min(self._limits.chunk_rows, 2 * self._most_rows)
        for key in list(self._waiting):
            queue = self._waiting[key]
            row, size_bytes = queue.popleft()
            if not queue:
                del self._waiting[key]
            self._waiting_rows -= 1
            self._waiting_bytes -= size_bytes
            self.add(key, row, size_bytes)
        return rows.keys(), list(map(rows.__getitem__, in_order(rows)))


def _hashable(key: Any, row: object) -> Any:
    try:
        hash(key)
    except Exception:
        return id(row)
    return key


def in_common(some: Set[Any], others: Set[Any]) -> bool:
    """Whether two chunks have a key in common, so that the later waits for the earlier."""
    return not some.isdisjoint(others)


def in_order(keys: dict[Any, Any]) -> list[Any]:
    """The keys sorted, in the same way in every process, as far as they can be compared."""
    try:
        return sorted(keys)
    except Exception:
        # Such as infinity, which is a datetime without a zone, or NaN. Their text has an order
        # too, though another, which only matters to two mergers of which one has no such key.
        return sorted(keys, key=_shown)


def _shown(key: object) -> str:
    try:
        return repr(key)
    except Exception:
        # An integer of too many digits, or what a class of its own raises: it will be refused.
        return type(key).__name__
