"""Backfill: blocks at heights that were never read, beside the live stream and each other.

Nothing is orphaned here, and no cursor moved. A block becomes canonical only where it links
with what is stored around it, so that filling a gap from a node on another chain stops at
the edges of the gap.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial

import msgspec

from typedsql.database import Database, Transaction
from typedsql.errors import CodeError
from whaledb import rows
from whaledb.ingest.attempts import Attempt, ExclusiveNeeded, attempt
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import (
    MAX_BLOCKS_AT_ONCE,
    BlockKey,
    BlockWriter,
    Stored,
    check_same,
)
from whaledb.queries import blocks


class GapConflict(msgspec.Struct, frozen=True):
    """A block that was not stored, as it does not link with the stored one at `neighbour`.

    `neighbour` is a height at an end of the linked run that the block is part of, or the
    block's own height, where another block is stored.
    """

    number: int
    hash: str
    neighbour: int


class Filled(msgspec.Struct, frozen=True):
    """What filling did: `stored` for each block that fits, and those that do not, lowest first."""

    stored: tuple[Stored, ...]
    conflicts: tuple[GapConflict, ...]


class GapFiller:
    """Fills gaps of a chain. `source` is named in dead letters.

    Transfers worth less than `min_value_eth` are left out. No alert is fired: what happened
    long ago is no news.
    """

    def __init__(self, db: Database, *, source: str, chain_id: int, min_value_eth: Decimal) -> None:
        self._db = db
        self._chain_id = chain_id
        self._writer = BlockWriter(
            source=source, chain_id=chain_id, min_value_eth=min_value_eth, match_alerts=False
        )

    async def fill(self, found: Sequence[ReadBlock]) -> Filled:
        """Stores blocks, lowest first, each run of consecutive heights in one transaction.

        A block that is stored already learns what is new of it, as its receipts or traces.

        Raises:
            CodeError: the blocks are not in the order of their heights, or too many.
            DataError: a block is stored with another content.
            TransientError: other writers got in the way too often.
        """
        if len(found) > MAX_BLOCKS_AT_ONCE:
            raise CodeError(f"{len(found)} blocks to fill at once: at most {MAX_BLOCKS_AT_ONCE}")
        stored: list[Stored] = []
        conflicts: list[GapConflict] = []
        for run in _consecutive(found):
            filled = await attempt(self._db, partial(self._fill, run=run))
            stored += filled.stored
            conflicts += filled.conflicts
        return Filled(tuple(stored), tuple(conflicts))

    async def _fill(self, tx: Transaction, how: Attempt, *, run: Sequence[ReadBlock]) -> Filled:
        first, last = run[0].block.number, run[-1].block.number
        await how.lock(tx, chain_id=self._chain_id, first_number=first, last_number=last)
        around = await blocks.list_canonical_range(
            tx,
            chain_id=self._chain_id,
            first_number=first - 1,
            last_number=last + 1,
            max_rows=len(run) + 2,
        )
        canonical = {row.number: (row.hash, row.parent_hash) for row in around}
        hashes = [read.block.hash for read in run]
        found = await blocks.list_known(tx, chain_id=self._chain_id, hashes=hashes)
        known = {row.hash: row for row in found}
        stored: list[Stored] = []
        conflicts: list[GapConflict] = []
        unsettled: list[BlockKey] = []
        for segment in _linked(run):
            neighbour = _find_conflict(segment, canonical)
            if neighbour is not None:
                conflicts += [
                    GapConflict(read.block.number, read.block.hash, neighbour) for read in segment
                ]
                continue
            await self._revive(tx, how, segment, known, unsettled)
            for read in segment:
                stored.append(
                    await self._writer.write_canonical(
                        tx, read, row_by_row=how.row_by_row, unsettled=unsettled
                    )
                )
                canonical[read.block.number] = (read.block.hash, read.block.parent_hash)
        await self._writer.settle(tx, unsettled)
        return Filled(tuple(stored), tuple(conflicts))

    async def _revive(
        self,
        tx: Transaction,
        how: Attempt,
        segment: Sequence[ReadBlock],
        known: dict[str, rows.Block],
        unsettled: list[BlockKey],
    ) -> None:
        """Makes orphans canonical that fit a gap: a reorganisation had left it behind."""
        keys: list[BlockKey] = []
        for read in segment:
            row = known.get(read.block.hash)
            if row is not None:
                check_same(row, read.block)
                if not row.canonical:
                    keys.append(BlockKey(row.number, row.hash))
        if not keys:
            return
        if not how.may_orphan:
            raise ExclusiveNeeded
        await self._writer.restore(tx, keys, unsettled=unsettled)


def _find_conflict(
    segment: Sequence[ReadBlock], canonical: dict[int, tuple[str, str]]
) -> int | None:
    """The height of a stored block that contradicts a linked segment, None if none does."""
    for read in segment:
        present = canonical.get(read.block.number)
        if present is not None and present[0] != read.block.hash:
            return read.block.number
    first, last = segment[0].block, segment[-1].block
    below, above = canonical.get(first.number - 1), canonical.get(last.number + 1)
    if below is not None and below[0] != first.parent_hash:
        return first.number - 1
    if above is not None and above[1] != last.hash:
        return last.number + 1
    return None


def _consecutive(found: Sequence[ReadBlock]) -> Iterator[Sequence[ReadBlock]]:
    """Runs of blocks whose heights follow each other."""
    start = 0
    for index in range(1, len(found) + 1):
        step = (
            found[index].block.number - found[index - 1].block.number if index < len(found) else 0
        )
        if index < len(found) and step < 1:
            raise CodeError(f"block {found[index].block.number} comes after a higher one")
        if step != 1 and start < index:
            yield found[start:index]
            start = index


def _linked(run: Sequence[ReadBlock]) -> Iterator[Sequence[ReadBlock]]:
    """The parts of a run within which each block is the parent of the next."""
    start = 0
    for index in range(1, len(run) + 1):
        if index == len(run) or run[index].block.parent_hash != run[index - 1].block.hash:
            yield run[start:index]
            start = index
