"""Traces: the ether that moved within transactions, and whether these succeeded.

Which calls count, and what their trace paths are, is said in `call_tree`. Two forms are
taken: one object a call, as Parity's trace_block gives them, and one nested object a
transaction, as geth's callTracer does. A block read by both has the same rows.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from whaledb.ingest import decoding
from whaledb.ingest.call_tree import CallTree, InternalTransfer, TransactionTrace
from whaledb.ingest.geth_traces import read_calls
from whaledb.ingest.parity_traces import ParityTrace
from whaledb.ingest.reading import BadItem, Item
from whaledb.ingest.sources import SourceRefused
from whaledb.wire.quantities import Unreadable
from whaledb.wire.replies import (
    MISSING,
    array_field,
    decode,
    decode_object,
    first_character,
    hash_field,
    is_absent,
    reply_result,
)

__all__ = ["MAX_TRACED", "InternalTransfer", "Traces", "TransactionTrace"]

# Traces are held in memory while blocks are read: about 0.5 kB for each transaction and
# for each transfer within one. Calls that moved nothing are not held.
MAX_TRACED: Final = 2_000_000

_ANY_BLOCK: Final = b""


class _Shape(msgspec.Struct, frozen=True, gc=False):
    """The fields that tell one form from another."""

    action: msgspec.Raw = MISSING
    traces: msgspec.Raw = MISSING
    trace: msgspec.Raw = MISSING
    type: msgspec.Raw = MISSING
    tx_hash: msgspec.Raw = msgspec.field(default=MISSING, name="txHash")
    result: msgspec.Raw = MISSING
    error: msgspec.Raw = MISSING


class _Gathered:
    """The traces of one transaction so far. `where` and `payload` are those of the first."""

    def __init__(self, where: str, payload: bytes) -> None:
        self.where = where
        self.payload = payload
        self.tree = CallTree()
        self.has_bad_trace = False


_Key = tuple[bytes, bytes]
"""A transaction's hash and that of its block."""


class Traces:
    """The traces known to one run, by block hash and transaction hash.

    A callTracer reply does not say which block it is of. Where that is not known otherwise,
    its traces are taken for each block that holds the transaction.

    A transaction one of whose traces is bad, missing or contradicted by another source
    counts as not traced: what failed around a transfer might be just what is not known.
    """

    def __init__(self) -> None:
        # For each transaction, each block's trace; None where two traces disagree.
        self._known: dict[bytes, tuple[tuple[bytes, TransactionTrace | None], ...]] = {}
        self._unfinished: dict[_Key, _Gathered] = {}
        self._transfers = 0
        self._gathered_calls = 0

    def __len__(self) -> int:
        """The number of transactions that traces were given for, and be it some of them."""
        return len(self._known) + len(self._unfinished)

    def find(self, block_hash: str, transaction_hash: str) -> TransactionTrace | None:
        """What the traces of a transaction in a block tell, None if it is not traced."""
        known = dict(self._known.get(_bytes(transaction_hash), ()))
        block = _bytes(block_hash)
        return known[block] if block in known else known.get(_ANY_BLOCK)

    def has_block(self, block: decoding.Block) -> bool:
        """Whether all internal transfers of a block are known: each transaction is traced."""
        return not block.bad_transactions and all(
            self.find(block.hash, transaction.hash) is not None
            for transaction in block.transactions
        )

    def add(self, item: Item, *, block_hash: str | None = None) -> Iterator[BadItem]:
        """Takes in the traces of an item; gives those that cannot be used.

        An item is a reply of trace_block, trace_transaction or debug_traceBlockByHash (or
        ByNumber) with {"tracer": "callTracer"}, the list in one, an element of that list,
        or an object whose `traces` are such a list. `block_hash` is the block they are of
        where it is known, as by who asked for them. Traces that come one by one count from
        `finish` on.

        Raises:
            SourceRefused: there are more than `MAX_TRACED`.
        """
        block = None if block_hash is None else _bytes(block_hash)
        try:
            payloads, is_list = _payloads(item.data)
        except Unreadable as error:
            yield BadItem(item.where, bytes(item.data), str(error))
            return
        # A list holds all the traces of each of its transactions.
        gathered = {} if is_list else self._unfinished
        for position, payload in enumerate(payloads, start=1):
            where = f"{item.where}, trace {position}" if is_list else item.where
            try:
                self._add_one(payload, where, gathered, block)
            except Unreadable as error:
                yield BadItem(where, bytes(payload), str(error))
            self._check_number()
        if is_list:
            yield from self._finish(gathered)

    def finish(self) -> Iterator[BadItem]:
        """Concludes a source whose traces came one by one; gives what it left incomplete."""
        yield from self._finish(self._unfinished)

    def _add_one(
        self,
        payload: bytes | msgspec.Raw,
        where: str,
        gathered: dict[_Key, _Gathered],
        block: bytes | None,
    ) -> None:
        shape = decode_object(payload, _Shape, what="the trace")
        if shape.action is not MISSING:
            self._add_flat(payload, where, gathered, block)
        elif shape.tx_hash is not MISSING:
            self._add_nested(shape, block)
        elif shape.trace is not MISSING:
            raise Unreadable(
                "it is of trace_replayBlockTransactions, whose traces do not name their block:"
                " ask for trace_block"
            )
        elif shape.type is not MISSING:
            raise Unreadable(
                "it does not name its transaction: ask for debug_traceBlockByHash instead of"
                " debug_traceTransaction"
            )
        else:
            raise Unreadable("it has neither action nor txHash: it is no trace that is known here")

    def _add_flat(
        self,
        payload: bytes | msgspec.Raw,
        where: str,
        gathered: dict[_Key, _Gathered],
        block: bytes | None,
    ) -> None:
        trace = ParityTrace(payload)
        if trace.is_reward:
            return
        if block is not None and _bytes(trace.block_hash) != block:
            raise Unreadable("blockHash is not that of the block whose traces were asked for")
        key = _bytes(trace.transaction_hash), _bytes(trace.block_hash)
        transaction = gathered.get(key)
        if transaction is None:
            transaction = gathered[key] = _Gathered(where, bytes(payload))
        before = len(transaction.tree)
        try:
            transaction.tree.add(trace.call())
        except Unreadable:
            transaction.has_bad_trace = True
            raise
        self._gathered_calls += len(transaction.tree) - before

    def _add_nested(self, shape: _Shape, block: bytes | None) -> None:
        transaction = _bytes(hash_field(shape.tx_hash, name="txHash"))
        if not is_absent(shape.error) or is_absent(shape.result):
            raise Unreadable("the node could not trace the transaction: ask it again")
        tree = CallTree()
        for call in read_calls(shape.result):
            tree.add(call)
        self._keep((transaction, _ANY_BLOCK if block is None else block), tree.trace())

    def _finish(self, gathered: dict[_Key, _Gathered]) -> Iterator[BadItem]:
        for key, transaction in gathered.items():
            self._gathered_calls -= len(transaction.tree)
            # Its bad trace has been reported already.
            if transaction.has_bad_trace:
                continue
            try:
                self._keep(key, transaction.tree.trace())
            except Unreadable as error:
                yield BadItem(transaction.where, transaction.payload, str(error))
        gathered.clear()

    def _keep(self, key: _Key, trace: TransactionTrace) -> None:
        transaction, block = key
        entries = dict(self._known.get(transaction, ()))
        disputed = [
            other_block
            for other_block, other in entries.items()
            if other != trace and (other_block == block or _ANY_BLOCK in (block, other_block))
        ]
        if block not in entries:
            self._transfers += len(trace.transfers)
        entries[block] = None if disputed else trace
        entries.update(dict.fromkeys(disputed))
        self._known[transaction] = tuple(entries.items())
        if disputed:
            raise Unreadable("an earlier trace of the same transaction says otherwise")

    def _check_number(self) -> None:
        if len(self) + self._transfers + self._gathered_calls > MAX_TRACED:
            raise SourceRefused(
                f"traces tell of more than {MAX_TRACED} transactions and calls that matter"
                " within them: ingest fewer blocks at a time"
            )


def _payloads(data: bytes | msgspec.Raw) -> tuple[Iterable[bytes | msgspec.Raw], bool]:
    """The traces of an item, and whether they are a list."""
    if first_character(data) == "{":
        shape = decode(data, _Shape)
        if shape.traces is not MISSING:
            return array_field(shape.traces, name="traces"), True
        if shape.action is not MISSING or shape.tx_hash is not MISSING:
            return [data], False
    result = reply_result(data)
    if first_character(result) == "[":
        return decode(result, list[msgspec.Raw]), True
    return [result], False


def _bytes(block_or_transaction_hash: str) -> bytes:
    return bytes.fromhex(block_or_transaction_hash[2:])
