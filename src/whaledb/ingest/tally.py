"""What a run counts of the blocks that it stores, and how a bad item is reported."""

from collections.abc import Callable, Iterable

import msgspec

from whaledb.ingest.reading import BadItem
from whaledb.ingest.writing import Stored


class RefusedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A bad item as it is reported: which one of which source, and why; not its content."""

    source: str
    item: str
    reason: str


class RowTally(msgspec.Struct):
    """What a run counts of the blocks that it stores."""

    blocks: int = 0
    transactions_seen: int = 0
    transactions_written: int = 0
    already_present: int = 0
    dead_letters: int = 0

    def take(
        self,
        stored: Iterable[Stored],
        *,
        source: str,
        on_refused: Callable[[RefusedItem], None] | None,
    ) -> None:
        """Counts what storing blocks did, and tells of what was refused."""
        for block in stored:
            self.blocks += 1
            self.transactions_seen += block.transactions_seen
            self.transactions_written += block.transactions_written
            self.already_present += block.already_present
            for bad in block.dead_letters:
                self.refuse(bad, source=source, on_refused=on_refused)

    def refuse(
        self, bad: BadItem, *, source: str, on_refused: Callable[[RefusedItem], None] | None
    ) -> None:
        """Counts a bad item, and tells of it."""
        self.dead_letters += 1
        if on_refused is not None:
            on_refused(RefusedItem(source=source, item=bad.where, reason=bad.reason))
