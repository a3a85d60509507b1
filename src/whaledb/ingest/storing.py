"""Blocks in any order, wherever they fit: their rows, dead letters and their stream's cursor.

A transaction takes one block or several, and moves the cursor once. Everything is a merge, so
a block that was stored before, wholly or by another stream, changes only where something new
is known of it. A file tells nothing of what is canonical now: a block takes its height from
another only where the stored chain does not go on from that one. What a node says is written
by `advancing` and `filling`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from typedsql.database import Database, Transaction
from typedsql.errors import TransientError
from whaledb import rows
from whaledb.ingest import decoding
from whaledb.ingest.attempts import Attempt, ExclusiveNeeded, attempt
from whaledb.ingest.reading import BadItem
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import (
    BlockKey,
    BlockWriter,
    Stored,
    check_same,
    write_dead_letter,
)
from whaledb.queries import blocks, ingest_cursors


class BlockStore:
    """Stores the blocks of one stream, wherever they fit.

    `stream` names the source; it alone has its cursor moved. Transfers worth less than
    `min_value_eth` are left out. `match_alerts`: whether new rows fire alerts, which for old
    blocks nobody waits for.
    """

    def __init__(
        self,
        db: Database,
        *,
        stream: str,
        chain_id: int,
        min_value_eth: Decimal,
        match_alerts: bool = False,
    ) -> None:
        self._db = db
        self._stream = stream
        self._chain_id = chain_id
        self._writer = BlockWriter(
            source=stream,
            chain_id=chain_id,
            min_value_eth=min_value_eth,
            match_alerts=match_alerts,
        )

    async def store(self, reads: Sequence[ReadBlock], bad: Sequence[BadItem] = ()) -> list[Stored]:
        """Stores blocks in one transaction, as if one after the other; says what became of each.

        `bad` are items that are no blocks: dead letters, in the same transaction.

        Raises:
            DataError: the database refuses one of the blocks itself; nothing was stored.
            TransientError: other writers of the same blocks got in the way too often.
        """
        return await attempt(self._db, lambda tx, how: self._store(tx, how, reads, bad))

    async def keep(self, bad: BadItem, *, sqlstate: str | None = None) -> None:
        """Files a dead letter of this stream, in a transaction of its own."""
        await write_dead_letter(self._db, source=self._stream, bad=bad, sqlstate=sqlstate)

    async def _store(
        self, tx: Transaction, how: Attempt, reads: Sequence[ReadBlock], bad: Sequence[BadItem]
    ) -> list[Stored]:
        for first, last in _runs(reads):
            await how.lock(tx, chain_id=self._chain_id, first_number=first, last_number=last)
        unsettled: list[BlockKey] = []
        known = await self._find_plain(tx, reads) if not how.row_by_row else None
        if known is not None:
            stored = await self._writer.write_together(tx, reads, known=known, unsettled=unsettled)
            tip = _last_highest([read.block for read in reads])
        else:
            stored = list[Stored]()
            canonical: list[decoding.Block] = []
            for read in reads:
                done, orphaned_at = await self._store_one(tx, how, read, unsettled)
                stored.append(done)
                if orphaned_at is None:
                    canonical.append(read.block)
            tip = _last_highest(canonical)
        for item in bad:
            await write_dead_letter(tx, source=self._stream, bad=item)
        await self._writer.settle(tx, unsettled)
        if tip is not None:
            await self._move_cursor(tx, tip)
        return stored

    async def _find_plain(self, tx: Transaction, reads: Sequence[ReadBlock]) -> set[str] | None:
        """Which of the blocks are stored, where all of them can be written together.

        None where one has to be decided on: it is an orphan, or another block is at its
        height, stored or among these.
        """
        # Fewer statements than two looks at each: one for a lonely block as well.
        hashes = {read.block.hash for read in reads}
        numbers = {read.block.number for read in reads}
        if not reads or len(hashes) < len(reads) or len(numbers) < len(reads):
            return None
        found = await blocks.list_known(tx, chain_id=self._chain_id, hashes=sorted(hashes))
        stored = {row.hash: row for row in found}
        if not all(row.canonical for row in found):
            return None
        for read in reads:
            if read.block.hash in stored:
                check_same(stored[read.block.hash], read.block)
        if len(stored) == len(reads):
            return set(stored)
        for first, last in _runs(reads):
            present = await blocks.list_canonical_range(
                tx,
                chain_id=self._chain_id,
                first_number=first,
                last_number=last,
                max_rows=last - first + 1,
            )
            if any(row.hash not in hashes for row in present):
                return None
        return set(stored)

    async def _store_one(
        self, tx: Transaction, how: Attempt, read: ReadBlock, unsettled: list[BlockKey]
    ) -> tuple[Stored, datetime | None]:
        """Stores one block as it has to be decided on, and when it was orphaned."""
        complete = not read.block.bad_transactions and not how.row_by_row
        is_new, orphaned_at = await self._merge_block(
            tx, how, read, complete=complete, unsettled=unsettled
        )
        stored = await self._writer.write_rows(
            tx,
            read,
            orphaned_at=orphaned_at,
            is_new=is_new,
            row_by_row=how.row_by_row,
            unsettled=unsettled,
        )
        return stored, orphaned_at

    async def _merge_block(
        self,
        tx: Transaction,
        how: Attempt,
        read: ReadBlock,
        *,
        complete: bool,
        unsettled: list[BlockKey],
    ) -> tuple[bool, datetime | None]:
        """Stores the block and locks it. Returns whether it is new, and when it was orphaned."""
        block = read.block
        stored = await blocks.get(tx, chain_id=self._chain_id, hash=block.hash)
        if stored is not None:
            check_same(stored, block)
        canonical = (
            stored.canonical if stored else await self._take_place(tx, how, block, unsettled)
        )
        inserted = await self._writer.merge_block(tx, read, canonical=canonical, complete=complete)
        if inserted and canonical:
            return True, None
        # Read under the lock: another writer may have stored or orphaned it just now.
        locked = await blocks.get(tx, chain_id=self._chain_id, hash=block.hash)
        if locked is None:
            raise TransientError("the block was deleted while it was being stored")
        if not inserted and stored is None:
            raise TransientError("another writer stored the block at the same time")
        return bool(inserted), locked.orphaned_at

    async def _take_place(
        self, tx: Transaction, how: Attempt, block: decoding.Block, unsettled: list[BlockKey]
    ) -> bool:
        """Whether a new block becomes the canonical one at its height.

        It does where no other is there, and where `_displaces` says so, which orphans that.
        """
        present = await blocks.get_canonical(tx, chain_id=self._chain_id, number=block.number)
        if present is None:
            return True
        if not await self._displaces(tx, block, present):
            return False
        if not how.may_orphan:
            raise ExclusiveNeeded
        await self._writer.orphan(tx, [BlockKey(present.number, present.hash)], unsettled=unsettled)
        return True

    async def _displaces(self, tx: Transaction, block: decoding.Block, present: rows.Block) -> bool:
        """Whether a block takes its height from the stored one.

        Not from a finalised one. Where a child is stored it is the child's parent that
        stays; where there is none, only the highest block of all gives way, as a file does
        not tell what belongs into a gap, and not to one that links worse than itself.
        """
        if present.finality == "finalised":
            return False
        child = await blocks.get_canonical(tx, chain_id=self._chain_id, number=block.number + 1)
        if child is not None:
            return child.parent_hash == block.hash
        highest = await blocks.get_latest(tx, chain_id=self._chain_id)
        if highest is not None and highest.number > block.number:
            return False
        below = await blocks.get_canonical(tx, chain_id=self._chain_id, number=block.number - 1)
        is_linked = below is not None and present.parent_hash == below.hash
        return not is_linked or block.parent_hash == present.parent_hash

    async def _move_cursor(self, tx: Transaction, block: decoding.Block) -> None:
        moved = await ingest_cursors.merge(
            tx,
            stream=self._stream,
            chain_id=self._chain_id,
            number=block.number,
            hash=block.hash,
        )
        if moved is not None:
            return
        cursor = await ingest_cursors.get(tx, stream=self._stream, chain_id=self._chain_id)
        if cursor is not None and cursor.number == block.number:
            # The stream's last block was replaced: its cursor must not name the orphan.
            await ingest_cursors.move(
                tx,
                stream=self._stream,
                chain_id=self._chain_id,
                number=block.number,
                hash=block.hash,
            )


def _runs(reads: Sequence[ReadBlock]) -> Iterator[tuple[int, int]]:
    """The runs of consecutive heights, first and last, lowest first: as everybody locks them."""
    numbers = sorted({read.block.number for read in reads})
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            yield numbers[start], numbers[index - 1]
            start = index


def _last_highest(found: Sequence[decoding.Block]) -> decoding.Block | None:
    """Where blocks leave a cursor one after the other: of two at one height, the later one."""
    return max(reversed(found), key=lambda block: block.number, default=None)
