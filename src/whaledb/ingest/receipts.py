"""Receipts: whether a transaction succeeded and what gas it used."""

from collections.abc import Iterator
from typing import Final

import msgspec

from whaledb.ingest.reading import BadItem, Item
from whaledb.ingest.sources import SourceRefused
from whaledb.wire.quantities import LARGEST_BIGINT, Unreadable
from whaledb.wire.replies import (
    MISSING,
    decode,
    decode_object,
    first_character,
    hash_field,
    is_absent,
    quantity_field,
    reply_result,
)

# Receipts are held in memory while blocks are read: about 0.3 kB each.
MAX_RECEIPTS: Final = 2_000_000


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What became of a transaction. `succeeded` is None before Byzantium, which added status."""

    succeeded: bool | None
    gas_used: int | None


class _WireReceipt(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    block_hash: msgspec.Raw = MISSING
    transaction_hash: msgspec.Raw = MISSING
    status: msgspec.Raw = MISSING
    gas_used: msgspec.Raw = MISSING


class Receipts:
    """The receipts known to one run, by block hash and transaction hash.

    The block's hash is part of the key because a transaction that a reorganisation moved
    has a receipt for each block it was in.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Receipt] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, block_hash: str, transaction_hash: str) -> Receipt | None:
        """The receipt of a transaction in a block, None if none was given."""
        return self._known.get(_key(block_hash, transaction_hash))

    def add(self, item: Item) -> Iterator[BadItem]:
        """Takes in the receipts of an item; gives those that cannot be used.

        An item is a JSON-RPC reply (eth_getBlockReceipts or eth_getTransactionReceipt), a
        list of receipts or one receipt.

        Raises:
            SourceRefused: there are more than `MAX_RECEIPTS`.
        """
        try:
            result = reply_result(item.data)
            one_by_one = first_character(result) == "["
            payloads = decode(result, list[msgspec.Raw]) if one_by_one else [result]
        except Unreadable as error:
            yield BadItem(item.where, bytes(item.data), str(error))
            return
        for position, payload in enumerate(payloads, start=1):
            try:
                self._add_one(payload)
            except Unreadable as error:
                where = f"{item.where}, receipt {position}" if one_by_one else item.where
                yield BadItem(where, bytes(payload), str(error))

    def _add_one(self, payload: bytes | msgspec.Raw) -> None:
        wire = decode_object(payload, _WireReceipt, what="the receipt")
        key = _key(
            hash_field(wire.block_hash, name="blockHash"),
            hash_field(wire.transaction_hash, name="transactionHash"),
        )
        succeeded = None
        if not is_absent(wire.status):
            succeeded = quantity_field(wire.status, name="status", largest=1) == 1
        receipt = Receipt(
            succeeded, quantity_field(wire.gas_used, name="gasUsed", largest=LARGEST_BIGINT)
        )
        if self._known.setdefault(key, receipt) != receipt:
            raise Unreadable("an earlier receipt of the same transaction says otherwise")
        if len(self._known) > MAX_RECEIPTS:
            raise SourceRefused(f"more than {MAX_RECEIPTS} receipts: ingest fewer blocks at a time")


def _key(block_hash: str, transaction_hash: str) -> bytes:
    return bytes.fromhex(block_hash[2:] + transaction_hash[2:])
