"""One block, its transactions, its dead letters and its stream's cursor: one transaction.

Everything is a merge, so a block that was stored before, wholly or by another stream,
changes only where something new is known of it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.database import Database, Transaction
from typedsql.errors import DataError, TransientError
from whaledb import rows
from whaledb.ingest import decoding
from whaledb.ingest.reading import BadItem
from whaledb.ingest.receipts import Receipt, Receipts
from whaledb.ingest.traces import InternalTransfer, Traces
from whaledb.queries import blocks, dead_letters, ingest_cursors, whale_transactions

# Two writers of one block meet briefly; one that still fails after this has another cause.
MAX_STORE_RETRIES: Final = 5
STORE_RETRY_DELAY_S: Final = 0.1

# Of this kind of stream, no two writers are told apart.
_FENCING_TOKEN: Final = 0
_CANONICAL_KEY: Final = "idx_blocks_canonical_number"
_NO_RECEIPT = Receipt(succeeded=None, gas_used=None)


class Stored(msgspec.Struct, frozen=True):
    """What storing one block did."""

    transactions_written: int
    already_present: int
    dead_letters: tuple[BadItem, ...]


class BlockStore:
    """Stores the blocks of one stream.

    `stream` names the source; it alone has its cursor moved. Transactions worth less than
    `min_value_eth` are left out.
    """

    def __init__(
        self,
        db: Database,
        *,
        stream: str,
        chain_id: int,
        min_value_eth: Decimal,
        receipts: Receipts,
        traces: Traces,
    ) -> None:
        self._db = db
        self._stream = stream
        self._chain_id = chain_id
        self._min_value_eth = min_value_eth
        self._receipts = receipts
        self._traces = traces

    async def store(self, block: decoding.Block) -> Stored:
        """Stores a block in a transaction of its own.

        Raises:
            DataError: the database refuses the block itself; nothing of it was stored.
            TransientError: other writers of the same block got in the way too often.
        """
        row_by_row = False
        retries = 0
        while True:
            try:
                async with self._db.transaction() as tx:
                    return await self._store(tx, block, row_by_row=row_by_row)
            except TransientError:
                if retries == MAX_STORE_RETRIES:
                    raise
            except DataError as refusal:
                if refusal.constraint != _CANONICAL_KEY:
                    if row_by_row:
                        raise
                    row_by_row = True
                    continue
                # Another writer has just made a block canonical at this height: look again.
                if retries == MAX_STORE_RETRIES:
                    raise
            retries += 1
            await asyncio.sleep(STORE_RETRY_DELAY_S * retries)

    async def _store(self, tx: Transaction, block: decoding.Block, *, row_by_row: bool) -> Stored:
        kept = [t for t in block.transactions if t.value_eth >= self._min_value_eth]
        complete = not block.bad_transactions
        orphaned_at = await self._merge_block(tx, block, complete=complete and not row_by_row)
        refused: list[tuple[BadItem, str | None]] = [(bad, None) for bad in block.bad_transactions]
        if row_by_row:
            written, refusals = await self._merge_each(tx, block, kept, orphaned_at)
            refused += refusals
            if not refused:
                await self._merge_block(tx, block, complete=True)
        else:
            written = await self._merge_batch(tx, block, kept, orphaned_at)
            refusals = []
        internal = self._internal_transfers(block)
        for transaction, transfer in internal:
            written += await self._merge_internal(tx, block, transaction, transfer, orphaned_at)
        if orphaned_at is None:
            await self._move_cursor(tx, block)
        for bad, sqlstate in refused:
            await write_dead_letter(tx, source=self._stream, bad=bad, sqlstate=sqlstate)
        return Stored(
            transactions_written=written,
            already_present=len(kept) + len(internal) - written - len(refusals),
            dead_letters=tuple(bad for bad, _ in refused),
        )

    async def _merge_block(
        self, tx: Transaction, block: decoding.Block, *, complete: bool
    ) -> datetime | None:
        """Stores the block and locks it. Returns when it was orphaned, None if canonical."""
        stored = await blocks.get(tx, chain_id=self._chain_id, hash=block.hash)
        if stored is not None and not _is_same(stored, block):
            raise DataError("a block of this hash is stored with another number, parent or time")
        canonical = stored.canonical if stored else await self._take_place(tx, block)
        inserted = await blocks.merge(
            tx,
            hash=block.hash,
            chain_id=self._chain_id,
            number=block.number,
            parent_hash=block.parent_hash,
            block_timestamp=block.timestamp,
            canonical=canonical,
            min_value_eth=self._min_value_eth,
            complete=complete,
        )
        if inserted and canonical:
            return None
        # Read under the lock: another writer may have stored or orphaned it just now.
        locked = await blocks.get(tx, chain_id=self._chain_id, hash=block.hash)
        if locked is None:
            raise TransientError("the block was deleted while it was being stored")
        if not inserted and stored is None:
            raise TransientError("another writer stored the block at the same time")
        return locked.orphaned_at

    async def _take_place(self, tx: Transaction, block: decoding.Block) -> bool:
        """Whether a new block becomes the canonical one at its height.

        It does, and the one that is there is orphaned, unless the stored chain goes on
        from that one or it is finalised.
        """
        present = await blocks.get_canonical(tx, chain_id=self._chain_id, number=block.number)
        if present is None:
            return True
        child = await blocks.get_canonical(tx, chain_id=self._chain_id, number=block.number + 1)
        if child is not None and child.parent_hash == present.hash:
            return False
        if not await blocks.orphan(tx, chain_id=self._chain_id, hash=present.hash):
            if present.finality == "finalised":
                return False
            raise TransientError("another writer replaced the canonical block at the same time")
        await whale_transactions.orphan_block(
            tx, chain_id=self._chain_id, block_number=present.number, block_hash=present.hash
        )
        return True

    async def _merge_batch(
        self,
        tx: Transaction,
        block: decoding.Block,
        kept: Sequence[decoding.Transaction],
        orphaned_at: datetime | None,
    ) -> int:
        if not kept:
            return 0
        receipts = [self._receipt(block, row) for row in kept]
        merged = await whale_transactions.merge_batch(
            tx,
            chain_id=self._chain_id,
            block_hash=block.hash,
            block_number=block.number,
            block_timestamp=block.timestamp,
            orphaned_at=orphaned_at,
            hashes=[row.hash for row in kept],
            from_addresses=[row.from_address for row in kept],
            to_addresses=[row.to_address for row in kept],
            values_eth=[row.value_eth for row in kept],
            gas_prices=[row.gas_price for row in kept],
            gas_used=[receipt.gas_used for receipt in receipts],
            succeeded=[receipt.succeeded for receipt in receipts],
        )
        return len(merged)

    async def _merge_each(
        self,
        tx: Transaction,
        block: decoding.Block,
        kept: Sequence[decoding.Transaction],
        orphaned_at: datetime | None,
    ) -> tuple[int, list[tuple[BadItem, str | None]]]:
        """One row at a time, each in a savepoint, so that a refused one is refused alone."""
        written = 0
        refused: list[tuple[BadItem, str | None]] = []
        for row in kept:
            receipt = self._receipt(block, row)
            try:
                async with tx.transaction() as savepoint:
                    merged = await whale_transactions.merge(
                        savepoint,
                        hash=row.hash,
                        chain_id=self._chain_id,
                        block_hash=block.hash,
                        trace_path="",
                        block_number=block.number,
                        block_timestamp=block.timestamp,
                        from_address=row.from_address,
                        to_address=row.to_address,
                        value_eth=row.value_eth,
                        gas_price=row.gas_price,
                        gas_used=receipt.gas_used,
                        succeeded=receipt.succeeded,
                        orphaned_at=orphaned_at,
                    )
            except DataError as refusal:
                bad = BadItem(row.where, bytes(row.payload), str(refusal))
                refused.append((bad, refusal.sqlstate))
            else:
                written += merged is not None
        return written, refused

    def _receipt(self, block: decoding.Block, row: decoding.Transaction) -> Receipt:
        receipt = self._receipts.find(block.hash, row.hash) or _NO_RECEIPT
        trace = self._traces.find(block.hash, row.hash)
        if receipt.succeeded is None and trace is not None:
            return Receipt(succeeded=trace.succeeded, gas_used=receipt.gas_used)
        return receipt

    def _internal_transfers(
        self, block: decoding.Block
    ) -> list[tuple[decoding.Transaction, InternalTransfer]]:
        """Those worth keeping, each judged by its own value; none of a failed transaction."""
        kept: list[tuple[decoding.Transaction, InternalTransfer]] = []
        for transaction in block.transactions:
            trace = self._traces.find(block.hash, transaction.hash)
            if trace is None or self._receipt(block, transaction).succeeded is False:
                continue
            kept += [
                (transaction, transfer)
                for transfer in trace.transfers
                if transfer.value_eth >= self._min_value_eth
            ]
        return kept

    async def _merge_internal(
        self,
        tx: Transaction,
        block: decoding.Block,
        transaction: decoding.Transaction,
        transfer: InternalTransfer,
        orphaned_at: datetime | None,
    ) -> bool:
        merged = await whale_transactions.merge(
            tx,
            hash=transaction.hash,
            chain_id=self._chain_id,
            block_hash=block.hash,
            trace_path=transfer.trace_path,
            block_number=block.number,
            block_timestamp=block.timestamp,
            from_address=transfer.from_address,
            to_address=transfer.to_address,
            value_eth=transfer.value_eth,
            gas_price=transaction.gas_price,
            gas_used=None,
            succeeded=True,
            orphaned_at=orphaned_at,
        )
        return merged is not None

    async def _move_cursor(self, tx: Transaction, block: decoding.Block) -> None:
        if await self._merge_cursor(tx, block) is not None or block.number == 0:
            return
        cursor = await ingest_cursors.get(tx, stream=self._stream, chain_id=self._chain_id)
        if cursor is None or cursor.number != block.number or cursor.hash == block.hash:
            return
        # The stream's last block was replaced: its cursor must not name the orphan.
        await ingest_cursors.rewind(
            tx,
            stream=self._stream,
            chain_id=self._chain_id,
            number=block.number - 1,
            hash=block.parent_hash,
            fencing_token=_FENCING_TOKEN,
        )
        await self._merge_cursor(tx, block)

    async def _merge_cursor(self, tx: Transaction, block: decoding.Block) -> bool | None:
        return await ingest_cursors.merge(
            tx,
            stream=self._stream,
            chain_id=self._chain_id,
            number=block.number,
            hash=block.hash,
            fencing_token=_FENCING_TOKEN,
        )


def _is_same(stored: rows.Block, block: decoding.Block) -> bool:
    """Whether two blocks of one hash agree in what is stored of them."""
    return (stored.number, stored.parent_hash, stored.block_timestamp) == (
        block.number,
        block.parent_hash,
        block.timestamp,
    )


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
