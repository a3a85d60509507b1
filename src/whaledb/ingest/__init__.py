"""Blocks from files, standard input or memory, decoded exactly and stored idempotently."""

from whaledb.ingest.pipeline import (
    DEFAULT_MIN_VALUE_ETH,
    MAINNET_CHAIN_ID,
    IngestProgress,
    IngestSummary,
    RefusedItem,
    check_request,
    ingest_blocks,
)
from whaledb.ingest.sources import Content, SourceRefused, SourceUnavailable

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
