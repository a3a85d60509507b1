"""Alerts: which of them new rows fire, and whether what fired still stands."""

from collections.abc import Sequence

from typedsql.database import Transaction


async def fire_transfers(
    tx: Transaction,
    *,
    chain_id: int,
    block_hash: str,
    block_number: int,
    keys: Sequence[tuple[str, str]],
) -> int:
    """Writes what new rows of a block fire, by hash and trace path; returns how many events."""
    return 0


async def settle_blocks(
    tx: Transaction,
    *,
    chain_id: int,
    block_numbers: Sequence[int],
    block_hashes: Sequence[str],
) -> int:
    """Retracts what fired from rows of blocks, or lets it stand again, as the rows are now."""
    return 0
