"""Blocks from files, standard input or memory, decoded exactly and stored idempotently."""

from whaledb.ingest.flushing import Outcome
from whaledb.ingest.ingestor import (
    MAINNET_CHAIN_ID,
    DrainIncomplete,
    Ingestor,
    IngestorLimits,
    IngestorStatistics,
)
from whaledb.ingest.pipeline import (
    IngestProgress,
    IngestSummary,
    check_request,
    ingest_blocks,
)
from whaledb.ingest.sources import Content, SourceRefused, SourceUnavailable
from whaledb.ingest.tally import RefusedItem
from whaledb.ingest.transfers import DEFAULT_MIN_VALUE_ETH

__all__ = [
    "DEFAULT_MIN_VALUE_ETH",
    "MAINNET_CHAIN_ID",
    "Content",
    "DrainIncomplete",
    "IngestProgress",
    "IngestSummary",
    "Ingestor",
    "IngestorLimits",
    "IngestorStatistics",
    "Outcome",
    "RefusedItem",
    "SourceRefused",
    "SourceUnavailable",
    "check_request",
    "ingest_blocks",
]
