"""A block's rows and its dead letters, within the transaction of whoever stores the block."""

from collections.abc import Container, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.database import Database, Transaction
from typedsql.errors import DataError, TransientError
from whaledb import alerting, rows
from whaledb.ingest import decoding
from whaledb.ingest.merging import Merged, TransferMerger
from whaledb.ingest.reading import BadItem
from whaledb.ingest.transfers import ReadBlock, list_failed, list_transfers
from whaledb.queries import blocks, dead_letters, whale_transactions

MAX_BLOCKS_AT_ONCE: Final = 2048
"""Blocks that one call of a writer takes at most, all of them held in memory."""
MAX_REVIVED_ROWS: Final = 100_000
"""Rows of a revived block that are matched; the fullest blocks have some thousand."""


class Stored(msgspec.Struct, frozen=True):
    """What storing one block did.

    `transactions_seen` are all of the block. `transactions_written` and `already_present`
    are rows: transactions and internal transfers.
    """

    transactions_seen: int
    transactions_written: int
    already_present: int
    alerts_fired: int
    dead_letters: tuple[BadItem, ...]


class BlockKey(msgspec.Struct, frozen=True):
    """A block by height and hash."""

    number: int
    hash: str


class BlockWriter:
    """Writes blocks and their rows for one source, all in its caller's transactions.

    Transfers worth less than `min_value_eth` are left out. Alerts are matched with the rows
    it adds if `match_alerts`; what old news fires is of no use to anybody.

    The keys of blocks whose rows count no more, or again, are added to `unsettled`; `settle`
    is given them once the transaction has nothing else to write. Firing locks alerts and
    settling their events, as deleting an alert does in this order.
    """

    def __init__(
        self, *, source: str, chain_id: int, min_value_eth: Decimal, match_alerts: bool
    ) -> None:
        self.source = source
        self.chain_id = chain_id
        self._min_value_eth = min_value_eth
        self._match_alerts = match_alerts
        self._transfers = TransferMerger(chain_id=chain_id)

    async def merge_block(
        self, tx: Transaction, read: ReadBlock, *, canonical: bool, complete: bool
    ) -> bool | None:
        """Adds the block itself, or widens what is known of it; locks it either way.

        True when added, False when changed, None when there was nothing to change.
        """
        block = read.block
        return await blocks.merge(
            tx,
            hash=block.hash,
            chain_id=self.chain_id,
            number=block.number,
            parent_hash=block.parent_hash,
            block_timestamp=block.timestamp,
            canonical=canonical,
            min_value_eth=self._min_value_eth,
            complete=complete,
            traced=read.is_traced,
        )

    async def write_rows(
        self,
        tx: Transaction,
        read: ReadBlock,
        *,
        orphaned_at: datetime | None,
        is_new: bool,
        row_by_row: bool,
        unsettled: list[BlockKey],
    ) -> Stored:
        """Writes the transfers of a block that `merge_block` has locked, and its dead letters.

        `orphaned_at` is the block's. `is_new`: the block was added in this transaction, so
        that no row of it is there. `row_by_row`: a row the database refuses is a dead
        letter; the block was merged as not complete, and is completed here if none is.

        Raises:
            DataError: the database refuses a row, and it is not `row_by_row`.
        """
        kept = list_transfers(read, min_value_eth=self._min_value_eth)
        merged = Merged.starting_with([*read.block.bad_transactions, *read.bad])
        if not row_by_row:
            await self._transfers.merge_block(tx, read.block, kept, orphaned_at, merged)
        else:
            await self._transfers.merge_carefully(tx, read.block, kept, orphaned_at, merged)
            if len(merged.refused) == len(read.bad):
                await self.merge_block(tx, read, canonical=orphaned_at is None, complete=True)
        return await self._finish(
            tx,
            read,
            merged,
            kept_rows=len(kept),
            is_new=is_new,
            is_orphan=orphaned_at is not None,
            unsettled=unsettled,
        )

    async def write_together(
        self,
        tx: Transaction,
        reads: Sequence[ReadBlock],
        *,
        known: Container[str],
        unsettled: list[BlockKey],
    ) -> list[Stored]:
        """Stores canonical blocks and their transfers, one statement for each of the two.

        Each is either among the hashes `known`, stored and canonical, or has no other block
        at its height; no two are the same. Under the lock that says so.

        Raises:
            DataError: the database refuses a row or a block.
            TransientError: another writer added one of the blocks at the same moment.
        """
        merged_blocks = await blocks.merge_batch(
            tx,
            chain_id=self.chain_id,
            min_value_eth=self._min_value_eth,
            hashes=[read.block.hash for read in reads],
            numbers=[read.block.number for read in reads],
            parent_hashes=[read.block.parent_hash for read in reads],
            block_timestamps=[read.block.timestamp for read in reads],
            complete=[not read.block.bad_transactions for read in reads],
            traced=[read.is_traced for read in reads],
        )
        added = {row.hash for row in merged_blocks if row.inserted}
        if any(read.block.hash not in added and read.block.hash not in known for read in reads):
            raise TransientError("another writer stored the block at the same time")
        kept = [
            (
                read.block,
                list_transfers(read, min_value_eth=self._min_value_eth),
                Merged.starting_with([*read.block.bad_transactions, *read.bad]),
            )
            for read in reads
        ]
        await self._transfers.merge_blocks(tx, kept)
        return [
            await self._finish(
                tx,
                read,
                merged,
                kept_rows=len(transfers),
                is_new=read.block.hash in added,
                is_orphan=False,
                unsettled=unsettled,
            )
            for read, (_, transfers, merged) in zip(reads, kept, strict=True)
        ]

    async def _finish(
        self,
        tx: Transaction,
        read: ReadBlock,
        merged: Merged,
        *,
        kept_rows: int,
        is_new: bool,
        is_orphan: bool,
        unsettled: list[BlockKey],
    ) -> Stored:
        """What follows from the rows of a block: alerts, and dead letters for what is not there."""
        block = read.block
        if not is_new:
            await self._fail_internal(tx, read, merged)
        fired = 0
        if self._match_alerts and not is_orphan and merged.added:
            fired = await self._fire(tx, block.number, block.hash, merged.added)
        if merged.changed:
            # A row may have been shown as failed just now: what it fired does not stand.
            unsettled.append(BlockKey(block.number, block.hash))
        for bad, sqlstate in merged.refused:
            await write_dead_letter(tx, source=self.source, bad=bad, sqlstate=sqlstate)
        written = len(merged.added) + len(merged.changed)
        refused_rows = len(merged.refused) - len(block.bad_transactions) - len(read.bad)
        return Stored(
            transactions_seen=len(block.transactions) + len(block.bad_transactions),
            transactions_written=written,
            already_present=max(0, kept_rows - written - refused_rows),
            alerts_fired=fired,
            dead_letters=tuple(bad for bad, _ in merged.refused),
        )

    async def write_canonical(
        self,
        tx: Transaction,
        read: ReadBlock,
        *,
        row_by_row: bool,
        unsettled: list[BlockKey],
    ) -> Stored:
        """Stores a block that is canonical, or about to be added as such, with its rows."""
        complete = not read.block.bad_transactions and not row_by_row
        # Told by the merge itself: another writer may have added the block since it was looked for.
        added = await self.merge_block(tx, read, canonical=True, complete=complete)
        return await self.write_rows(
            tx,
            read,
            orphaned_at=None,
            is_new=added is True,
            row_by_row=row_by_row,
            unsettled=unsettled,
        )

    async def orphan(
        self, tx: Transaction, keys: Sequence[BlockKey], *, unsettled: list[BlockKey]
    ) -> None:
        """Takes canonical blocks out of the chain with their rows.

        Under the exclusive lock, as `restore` is.
        """
        if not keys:
            return
        numbers, hashes = [key.number for key in keys], [key.hash for key in keys]
        if await blocks.orphan_branch(tx, chain_id=self.chain_id, hashes=hashes) != len(keys):
            raise TransientError("the stored chain changed while its blocks were orphaned")
        await whale_transactions.orphan_blocks(
            tx, chain_id=self.chain_id, block_numbers=numbers, block_hashes=hashes
        )
        unsettled += keys

    async def restore(
        self, tx: Transaction, keys: Sequence[BlockKey], *, unsettled: list[BlockKey]
    ) -> None:
        """Takes `orphan` back for blocks that are canonical again."""
        if not keys:
            return
        numbers, hashes = [key.number for key in keys], [key.hash for key in keys]
        if await blocks.restore_branch(tx, chain_id=self.chain_id, hashes=hashes) != len(keys):
            raise TransientError("the stored chain changed while its blocks were restored")
        await whale_transactions.restore_blocks(
            tx, chain_id=self.chain_id, block_numbers=numbers, block_hashes=hashes
        )
        unsettled += keys

    async def settle(self, tx: Transaction, keys: Sequence[BlockKey]) -> None:
        """Retracts what fired from rows of these blocks, or lets it stand, as rows are now.

        After the last row of the transaction was written, and the last alert fired.
        """
        if not keys:
            return
        await alerting.settle_blocks(
            tx,
            chain_id=self.chain_id,
            block_numbers=[key.number for key in keys],
            block_hashes=[key.hash for key in keys],
        )

    async def fire_revived(self, tx: Transaction, keys: Sequence[BlockKey]) -> int:
        """Matches alerts with all rows of blocks that are canonical again; how many fired.

        Some of them may have been stored while their block was an orphan.
        """
        fired = 0
        if not self._match_alerts:
            return fired
        for key in keys:
            found = await whale_transactions.list_by_block(
                tx, chain_id=self.chain_id, block_number=key.number, max_rows=MAX_REVIVED_ROWS
            )
            if found:
                moved = [(row.hash, row.trace_path) for row in found]
                fired += await self._fire(tx, key.number, key.hash, moved)
        return fired

    async def _fire(
        self, tx: Transaction, number: int, block_hash: str, keys: Sequence[tuple[str, str]]
    ) -> int:
        return await alerting.fire_transfers(
            tx, chain_id=self.chain_id, block_hash=block_hash, block_number=number, keys=keys
        )

    async def _fail_internal(self, tx: Transaction, read: ReadBlock, merged: Merged) -> None:
        failed = list_failed(read)
        if failed:
            marked = await whale_transactions.fail_internal(
                tx, chain_id=self.chain_id, block_hash=read.block.hash, hashes=failed
            )
            merged.changed += [(row.hash, row.trace_path) for row in marked]


def check_same(stored: rows.Block, block: decoding.Block) -> None:
    """Refuses a block that is stored with other content.

    Raises:
        DataError: a block's hash stands for one content, so one of the two is no block.
    """
    if (stored.number, stored.parent_hash, stored.block_timestamp) != (
        block.number,
        block.parent_hash,
        block.timestamp,
    ):
        raise DataError("a block of this hash is stored with another number, parent or time")


async def write_dead_letter(
    db: Database | Transaction, *, source: str, bad: BadItem, sqlstate: str | None = None
) -> None:
    """Keeps an item that cannot be used. `sqlstate` is None if the database never saw it."""
    await dead_letters.merge(
        db,
        source=source,
        item=bad.where,
        payload=bad.payload,
        reason=bad.reason,
        sqlstate=sqlstate,
    )
