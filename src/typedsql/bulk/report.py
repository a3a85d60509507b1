"""What a merge tells: how many rows met which fate, and which were refused."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from typedsql.errors import DataError

R = TypeVar("R")


class MergeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the rows met which fate."""

    given: int
    """The sum of all others."""
    inserted: int
    updated: int
    """Rows that changed the one that was there."""
    unchanged: int
    """Rows that were there and had nothing to change."""
    rejected: int
    """Rows that the table refused; each was handed to `on_rejected`."""


OnProgress = Callable[[MergeReport], Awaitable[None] | None]
"""Called after each committed chunk with the report so far; awaited where it is a coroutine.

One call at a time, whatever the lanes; that of the chunk goes on when it has ended.
"""
OnRejected = Callable[[R, DataError], Awaitable[None] | None]
"""Called with each refused row and why, once the rest of its chunk is committed."""


class Tally:
    """Counts what was stored, chunk by chunk."""

    def __init__(self) -> None:
        self.inserted = self.updated = self.unchanged = self.rejected = 0

    def report(self) -> MergeReport:
        return MergeReport(
            given=self.inserted + self.updated + self.unchanged + self.rejected,
            inserted=self.inserted,
            updated=self.updated,
            unchanged=self.unchanged,
            rejected=self.rejected,
        )
