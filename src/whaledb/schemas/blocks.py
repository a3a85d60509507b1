"""Blocks that were read. Ingestion alone writes them, with their transfers and its cursor."""

from whaledb.rows import BlockFinality
from whaledb.schemas.models import Response
from whaledb.schemas.values import Exact, StoredMoment


class BlockRead(Response):
    """A block as it is stored."""

    hash: str
    chain_id: int
    number: int
    parent_hash: str
    block_timestamp: StoredMoment
    canonical: bool
    orphaned_at: StoredMoment | None
    finality: BlockFinality
    min_value_eth: Exact
    complete: bool
    created_at: StoredMoment
    updated_at: StoredMoment
    traced: bool
