"""Traces: the ether that moved within transactions, and whether these succeeded."""

from decimal import Decimal

import msgspec

from whaledb.ingest import decoding


class InternalTransfer(msgspec.Struct, frozen=True, gc=False):
    """One call, create or suicide that moved value within a transaction."""

    trace_path: str
    from_address: str
    to_address: str
    value_eth: Decimal


class TransactionTrace(msgspec.Struct, frozen=True):
    """Whether a transaction succeeded, and what moved within it."""

    succeeded: bool
    transfers: tuple[InternalTransfer, ...]


class Traces:
    """The traces known to one run, by block hash and transaction hash."""

    def find(self, block_hash: str, transaction_hash: str) -> TransactionTrace | None:
        """What the traces of a transaction in a block tell, None if it is not traced."""
        return None

    def has_block(self, block: decoding.Block) -> bool:
        """Whether all internal transfers of a block are known: each transaction is traced."""
        return False
