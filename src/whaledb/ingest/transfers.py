"""What of a block is worth a row: transactions and internal transfers, with their outcome."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.errors import ConfigurationError
from whaledb.ingest import decoding
from whaledb.ingest.reading import BadItem
from whaledb.ingest.receipts import Receipt, Receipts
from whaledb.ingest.traces import Traces, TransactionTrace
from whaledb.wire.quantities import LARGEST_UINT256, ether_from_wei

DEFAULT_MIN_VALUE_ETH: Final = Decimal(100)
MAX_NAMED_PATH_CHARACTERS: Final = 80
"""Of a trace path in the place of a bad item, whose length is limited."""

_NO_RECEIPT: Final = Receipt(succeeded=None, gas_used=None)


class ReadBlock(msgspec.Struct, frozen=True):
    """A block, and where its receipts and traces are found. `traces` None: none were read.

    `bad` are receipts and traces that cannot be used, where they were read for this block.
    """

    block: decoding.Block
    receipts: Receipts
    traces: Traces | None = None
    bad: tuple[BadItem, ...] = ()

    @property
    def is_traced(self) -> bool:
        """Whether every internal transfer of the block is known."""
        return self.traces is not None and self.traces.has_block(self.block)


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """One row to be. `trace_path` is '' for the transaction itself; `gas_price` is wei.

    `to_address` is None for a contract creation, `gas_used` without a receipt and for an
    internal transfer, `succeeded` where nothing told. `where` and `payload` are those of
    the transaction.
    """

    hash: str
    trace_path: str
    from_address: str
    to_address: str | None
    value_eth: Decimal
    gas_price: int
    gas_used: int | None
    succeeded: bool | None
    where: str
    payload: msgspec.Raw


def check_threshold(min_value_eth: object) -> None:
    """Raises ConfigurationError where it is no amount that a transfer can be worth."""
    if not isinstance(min_value_eth, Decimal):
        raise ConfigurationError(
            "min_value_eth has to be a Decimal, such as Decimal(100) or Decimal('0.5'), got"
            f" {type(min_value_eth).__name__}"
        )
    # Compared by magnitude before it is written: the driver stores 1E200000 as 0.
    if not (min_value_eth.is_finite() and 0 <= min_value_eth <= ether_from_wei(LARGEST_UINT256)):
        raise ConfigurationError(
            "min_value_eth has to be an amount of ether, 0 or more and within 256 bits of wei,"
            " such as 100 or 0.5"
        )


def _find_receipt(read: ReadBlock, transaction: decoding.Transaction) -> Receipt:
    return read.receipts.find(read.block.hash, transaction.hash) or _NO_RECEIPT


def _find_trace(read: ReadBlock, transaction: decoding.Transaction) -> TransactionTrace | None:
    # Not by its truth: traces that know of nothing are false.
    if read.traces is None:
        return None
    return read.traces.find(read.block.hash, transaction.hash)


def _outcome(receipt: Receipt, trace: TransactionTrace | None) -> bool | None:
    """Whether a transaction succeeded, None where nothing tells.

    Its receipt decides, else its trace, as before Byzantium receipts did not say.
    """
    if receipt.succeeded is None and trace is not None:
        return trace.succeeded
    return receipt.succeeded


def list_failed(read: ReadBlock) -> list[str]:
    """Hashes of the transactions known to have failed, in the order of the block."""
    return [
        t.hash
        for t in read.block.transactions
        if _outcome(_find_receipt(read, t), _find_trace(read, t)) is False
    ]


def list_transfers(read: ReadBlock, *, min_value_eth: Decimal) -> list[Transfer]:
    """The transfers of a block worth at least `min_value_eth`, in the order of the block.

    Each is judged by itself: an internal transfer may be worth a row where its transaction
    is not. A failed transaction has no internal transfers.
    """
    return [
        transfer
        for transaction in read.block.transactions
        for transfer in _moves(read, transaction, min_value_eth)
    ]


def _moves(
    read: ReadBlock, transaction: decoding.Transaction, min_value_eth: Decimal
) -> Iterator[Transfer]:
    trace = _find_trace(read, transaction)
    within = [] if trace is None else [t for t in trace.transfers if t.value_eth >= min_value_eth]
    if transaction.value_eth < min_value_eth and not within:
        return
    receipt = _find_receipt(read, transaction)
    succeeded = _outcome(receipt, trace)
    if transaction.value_eth >= min_value_eth:
        yield Transfer(
            hash=transaction.hash,
            trace_path="",
            from_address=transaction.from_address,
            to_address=transaction.to_address,
            value_eth=transaction.value_eth,
            gas_price=transaction.gas_price,
            gas_used=receipt.gas_used,
            succeeded=succeeded,
            where=transaction.where,
            payload=transaction.payload,
        )
    if succeeded is False:
        return
    for moved in within:
        yield Transfer(
            hash=transaction.hash,
            trace_path=moved.trace_path,
            from_address=moved.from_address,
            to_address=moved.to_address,
            value_eth=moved.value_eth,
            gas_price=transaction.gas_price,
            gas_used=None,
            succeeded=True,
            where=f"{transaction.where}, trace {moved.trace_path[:MAX_NAMED_PATH_CHARACTERS]}",
            payload=transaction.payload,
        )
