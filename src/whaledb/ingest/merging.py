"""Transfers to rows: those of one block, or of several at once, or one by one where one is bad."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from typedsql.database import Transaction
from typedsql.errors import DataError
from whaledb.ingest import decoding
from whaledb.ingest.reading import BadItem
from whaledb.ingest.transfers import Transfer
from whaledb.queries import whale_transactions


class Merged(msgspec.Struct):
    """What became of the transfers of one block: keys are hash and trace path.

    `refused` are what is kept of it as dead letters, with the SQLSTATE where there is one.
    """

    added: list[tuple[str, str]]
    changed: list[tuple[str, str]]
    refused: list[tuple[BadItem, str | None]]

    @classmethod
    def starting_with(cls, bad: Sequence[BadItem]) -> "Merged":
        """Before the database was asked: what could not be read of the block."""
        return cls([], [], [(item, None) for item in bad])

    def note(self, hash: str, trace_path: str, *, inserted: bool) -> None:
        (self.added if inserted else self.changed).append((hash, trace_path))


class TransferMerger:
    """Merges transfers of blocks of one chain, in its caller's transactions."""

    def __init__(self, *, chain_id: int) -> None:
        self._chain_id = chain_id

    async def merge_blocks(
        self, tx: Transaction, kept: Sequence[tuple[decoding.Block, Sequence[Transfer], Merged]]
    ) -> None:
        """Merges the transfers of several blocks, none orphaned, by one statement.

        Raises:
            DataError: the database refuses a row; nothing of the transaction stands.
        """
        rows = [(block, row) for block, transfers, _ in kept for row in transfers]
        if not rows:
            return
        written = await whale_transactions.merge_blocks(
            tx,
            chain_id=self._chain_id,
            block_hashes=[block.hash for block, _ in rows],
            block_numbers=[block.number for block, _ in rows],
            block_timestamps=[block.timestamp for block, _ in rows],
            hashes=[row.hash for _, row in rows],
            trace_paths=[row.trace_path for _, row in rows],
            from_addresses=[row.from_address for _, row in rows],
            to_addresses=[row.to_address for _, row in rows],
            values_eth=[row.value_eth for _, row in rows],
            gas_prices=[row.gas_price for _, row in rows],
            gas_used=[row.gas_used for _, row in rows],
            succeeded=[row.succeeded for _, row in rows],
        )
        by_block = {block.hash: merged for block, _, merged in kept}
        for row in written:
            by_block[row.block_hash].note(row.hash, row.trace_path, inserted=row.inserted is True)

    async def merge_block(
        self,
        tx: Transaction,
        block: decoding.Block,
        kept: Sequence[Transfer],
        orphaned_at: datetime | None,
        merged: Merged,
    ) -> None:
        """Merges the transfers of one block by one statement.

        Raises:
            DataError: the database refuses a row; nothing of the transaction stands.
        """
        if not kept:
            return
        written = await whale_transactions.merge_batch(
            tx,
            chain_id=self._chain_id,
            block_hash=block.hash,
            block_number=block.number,
            block_timestamp=block.timestamp,
            orphaned_at=orphaned_at,
            hashes=[row.hash for row in kept],
            trace_paths=[row.trace_path for row in kept],
            from_addresses=[row.from_address for row in kept],
            to_addresses=[row.to_address for row in kept],
            values_eth=[row.value_eth for row in kept],
            gas_prices=[row.gas_price for row in kept],
            gas_used=[row.gas_used for row in kept],
            succeeded=[row.succeeded for row in kept],
        )
        for row in written:
            merged.note(row.hash, row.trace_path, inserted=row.inserted is True)

    async def merge_carefully(
        self,
        tx: Transaction,
        block: decoding.Block,
        kept: Sequence[Transfer],
        orphaned_at: datetime | None,
        merged: Merged,
    ) -> None:
        """At once in a savepoint; if a row is refused, each in a savepoint of its own.

        Of several blocks in one transaction only those with a bad row are taken apart.
        """
        try:
            async with tx.transaction() as savepoint:
                await self.merge_block(savepoint, block, kept, orphaned_at, merged)
        except DataError:
            for row in kept:
                await self._merge_one(tx, block, row, orphaned_at, merged)

    async def _merge_one(
        self,
        tx: Transaction,
        block: decoding.Block,
        row: Transfer,
        orphaned_at: datetime | None,
        merged: Merged,
    ) -> None:
        try:
            async with tx.transaction() as savepoint:
                inserted = await whale_transactions.merge(
                    savepoint,
                    hash=row.hash,
                    chain_id=self._chain_id,
                    block_hash=block.hash,
                    trace_path=row.trace_path,
                    block_number=block.number,
                    block_timestamp=block.timestamp,
                    from_address=row.from_address,
                    to_address=row.to_address,
                    value_eth=row.value_eth,
                    gas_price=row.gas_price,
                    gas_used=row.gas_used,
                    succeeded=row.succeeded,
                    orphaned_at=orphaned_at,
                )
        except DataError as refusal:
            bad = BadItem(row.where, bytes(row.payload), str(refusal))
            merged.refused.append((bad, refusal.sqlstate))
        else:
            if inserted is not None:
                merged.note(row.hash, row.trace_path, inserted=inserted)
