"""Blocks of files: one block, its rows, its dead letters and its stream's cursor at a time.

Everything is a merge, so a block that was stored before, wholly or by another stream,
changes only where something new is known of it. A file tells nothing of what is canonical
now: a block takes its height from another only where the stored chain does not go on from
that one. What a node says is written by `advancing` and `filling`.
"""

from datetime import datetime
from decimal import Decimal

from typedsql.database import Database, Transaction
from typedsql.errors import TransientError
from whaledb import rows
from whaledb.ingest import decoding
from whaledb.ingest.attempts import Attempt, ExclusiveNeeded, attempt
from whaledb.ingest.receipts import Receipts
from whaledb.ingest.traces import Traces
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import BlockKey, BlockWriter, Stored, check_same
from whaledb.queries import blocks, ingest_cursors


class BlockStore:
    """Stores the blocks of one stream, wherever they fit.

    `stream` names the source; it alone has its cursor moved. Transfers worth less than
    `min_value_eth` are left out; internal ones are stored where `traces` tell of them.
    `match_alerts`: whether new rows fire alerts, which for old blocks nobody waits for.
    """

    def __init__(
        self,
        db: Database,
        *,
        stream: str,
        chain_id: int,
        min_value_eth: Decimal,
        receipts: Receipts,
        traces: Traces | None = None,
        match_alerts: bool = False,
    ) -> None:
        self._db = db
        self._stream = stream
        self._chain_id = chain_id
        self._receipts = receipts
        self._traces = traces
        self._writer = BlockWriter(
            source=stream,
            chain_id=chain_id,
            min_value_eth=min_value_eth,
            match_alerts=match_alerts,
        )

    async def store(self, block: decoding.Block) -> Stored:
        """Stores a block in a transaction of its own.

        Raises:
            DataError: the database refuses the block itself; nothing of it was stored.
            TransientError: other writers of the same block got in the way too often.
        """
        read = ReadBlock(block, self._receipts, self._traces)
        return await attempt(self._db, lambda tx, how: self._store(tx, how, read))

    async def _store(self, tx: Transaction, how: Attempt, read: ReadBlock) -> Stored:
        block = read.block
        await how.lock(
            tx, chain_id=self._chain_id, first_number=block.number, last_number=block.number
        )
        complete = not block.bad_transactions and not how.row_by_row
        unsettled: list[BlockKey] = []
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
        await self._writer.settle(tx, unsettled)
        if orphaned_at is None:
            await self._move_cursor(tx, block)
        return stored

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
