"""Blocks from files, standard input or memory, decoded exactly and stored idempotently."""

from whaledb.ingest.pipeline import (
    MAINNET_CHAIN_ID,
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
    "IngestProgress",
    "IngestSummary",
    "RefusedItem",
    "SourceRefused",
    "SourceUnavailable",
    "check_request",
    "ingest_blocks",
]
