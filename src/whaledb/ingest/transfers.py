"""What of a block is worth a row: transactions and internal transfers, with their outcome."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from whaledb.ingest import decoding
from whaledb.ingest.reading import BadItem
from whaledb.ingest.receipts import Receipt, Receipts
from whaledb.ingest.traces import Traces, TransactionTrace

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


def has_succeeded(read: ReadBlock, transaction: decoding.Transaction) -> bool | None:
    """Whether a transaction succeeded, None where nothing tells.

    Its receipt decides, else its trace, as before Byzantium receipts did not say.
    """
    receipt = read.receipts.find(read.block.hash, transaction.hash)
    if receipt is not None and receipt.succeeded is not None:
        return receipt.succeeded
    trace = _find_trace(read, transaction)
    return trace.succeeded if trace else None


def _find_trace(read: ReadBlock, transaction: decoding.Transaction) -> TransactionTrace | None:
    # Not by its truth: traces that know of nothing are false.
    if read.traces is None:
        return None
    return read.traces.find(read.block.hash, transaction.hash)


def list_failed(read: ReadBlock) -> list[str]:
    """Hashes of the transactions known to have failed, in the order of the block."""
    return [t.hash for t in read.block.transactions if has_succeeded(read, t) is False]


def list_transfers(read: ReadBlock, *, min_value_eth: Decimal) -> list[Transfer]:
    """The transfers of a block worth at least `min_value_eth`, in the order of the block.

    Each is judged by itself: an internal transfer may be worth a row where its transaction
    is not. A failed transaction has no internal transfers.
    """
    return [
        transfer
        for transaction in read.block.transactions
        for transfer in _moves(read, transaction)
        if transfer.value_eth >= min_value_eth
    ]


def _moves(read: ReadBlock, transaction: decoding.Transaction) -> Iterator[Transfer]:
    succeeded = has_succeeded(read, transaction)
    receipt = read.receipts.find(read.block.hash, transaction.hash) or _NO_RECEIPT
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
    trace = _find_trace(read, transaction)
    if trace is None or succeeded is False:
        return
    for moved in trace.transfers:
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
