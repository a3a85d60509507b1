"""How settled blocks are: what a node tells of its own chain, written where ours is the same."""

from typing import Final, Literal

from typedsql.database import Database, Transaction
from whaledb.ingest.attempts import Attempt, attempt
from whaledb.queries import blocks

FINALITY_BATCH_ROWS: Final = 1000
"""Blocks raised in one transaction, so that others wait for few of them at a time."""


async def raise_finality(
    db: Database, *, chain_id: int, number: int, hash: str, finality: Literal["safe", "finalised"]
) -> int:
    """Raises the canonical blocks up to a number to a finality; returns how many rose.

    `number` and `hash` are those of the block that the node names. Where another block, or
    none, is canonical here at that number, nothing is raised: the node told of another
    chain, or is ahead. Never lowers a finality. Commits every `FINALITY_BATCH_ROWS`; what
    an interrupted run left is raised by the next, as are blocks that were stored later.

    Raises:
        TransientError: other writers got in the way too often.
    """
    raised = 0
    while True:
        rose = await attempt(
            db,
            lambda tx, how: _raise_batch(
                tx, how, chain_id=chain_id, number=number, hash=hash, finality=finality
            ),
        )
        raised += rose
        if rose < FINALITY_BATCH_ROWS:
            return raised


async def _raise_batch(
    tx: Transaction,
    how: Attempt,
    *,
    chain_id: int,
    number: int,
    hash: str,
    finality: Literal["safe", "finalised"],
) -> int:
    # No block is orphaned meanwhile: that the named one is canonical holds to the end.
    await how.lock(tx, chain_id=chain_id, first_number=number, last_number=number)
    return await blocks.raise_finality(
        tx,
        chain_id=chain_id,
        number=number,
        hash=hash,
        finality=finality,
        max_rows=FINALITY_BATCH_ROWS,
    )
