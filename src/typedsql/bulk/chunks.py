"""From rows one by one to chunks: each key once in a chunk, sorted, bounded."""

from collections import deque
from typing import Any, Generic, TypeVar

from typedsql.bulk.limits import Limits

R = TypeVar("R")


class Filling(Generic[R]):
    """The chunk of one lane that is being filled, and the rows that wait for the next ones.

    A statement can touch a row only once, and what a second row of a key does may depend on
    the first: it waits until that is stored.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rows: dict[Any, R] = {}
        self._bytes = 0
        self._waiting: dict[Any, deque[tuple[R, int]]] = {}
        self._waiting_rows = 0
        self._waiting_bytes = 0

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
            len(self._rows) >= limits.chunk_rows
            or self._bytes >= limits.chunk_bytes
            or self._waiting_rows >= limits.chunk_rows
            or self._waiting_bytes >= limits.chunk_bytes
        )

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._rows)

    def cut(self) -> list[R]:
        """The rows of this chunk in the order of their keys; the next one is begun."""
        rows = self._rows
        self._rows, self._bytes = {}, 0
        for key in list(self._waiting):
            queue = self._waiting[key]
            row, size_bytes = queue.popleft()
            if not queue:
                del self._waiting[key]
            self._waiting_rows -= 1
            self._waiting_bytes -= size_bytes
            self.add(key, row, size_bytes)
        return [rows[key] for key in in_order(rows)]


def in_order(keys: dict[Any, Any]) -> list[Any]:
    """The keys sorted, in the same way in every process, as far as they can be compared."""
    try:
        return sorted(keys)
    except (TypeError, ArithmeticError):
        # Such as infinity, which is a datetime without a zone, or NaN. Their text has an order
        # too, though another, which only matters to two mergers of which one has no such key.
        return sorted(keys, key=repr)
