"""What a node's results say about themselves: which block they are of."""

from collections.abc import Iterable
from typing import Final

import msgspec

from whaledb.wire.quantities import LARGEST_BIGINT, Unreadable
from whaledb.wire.replies import (
    MISSING,
    decode,
    decode_object,
    first_character,
    hash_field,
    is_null,
    quantity_field,
)

NOTHING: Final = b"null"


class BlockReference(msgspec.Struct, frozen=True):
    """Which block: its height, its hash and its parent's, in lower case."""

    number: int
    hash: str
    parent_hash: str


class _WireBlock(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    number: msgspec.Raw = MISSING
    hash: msgspec.Raw = MISSING
    parent_hash: msgspec.Raw = MISSING


class _WirePart(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    block_hash: msgspec.Raw = MISSING
    transaction_hash: msgspec.Raw = MISSING


def is_nothing(result: bytes) -> bool:
    """Whether the node has no such thing."""
    return result.strip() == NOTHING


def quantity_of(result: bytes, *, name: str) -> int:
    """The number that a result is.

    Raises:
        Unreadable: it is no hex quantity.
    """
    return quantity_field(msgspec.Raw(result), name=name, largest=LARGEST_BIGINT)


def reference(result: bytes) -> BlockReference:
    """Which block a result is.

    Raises:
        Unreadable: it is no block, or is a pending one, which has no hash.
    """
    wire = decode_object(result, _WireBlock, what="the block")
    return BlockReference(
        number=quantity_field(wire.number, name="number", largest=LARGEST_BIGINT),
        hash=hash_field(wire.hash, name="hash"),
        parent_hash=hash_field(wire.parent_hash, name="parentHash"),
    )


def items(result: bytes, *, what: str) -> list[msgspec.Raw]:
    """The items of a result that is a list.

    Raises:
        Unreadable: it is no list.
    """
    if first_character(result) != "[":
        raise Unreadable(f"{what} are no array")
    return decode(result, list[msgspec.Raw])


def transaction_hash(part: bytes | msgspec.Raw) -> str:
    """The transaction that a receipt is of."""
    wire = decode_object(part, _WirePart, what="the receipt")
    return hash_field(wire.transaction_hash, name="transactionHash")


def are_of_block(parts: Iterable[bytes | msgspec.Raw], block_hash: str) -> bool:
    """Whether all of these receipts or traces are of this block.

    Raises:
        Unreadable: one of them does not say.
    """
    return all(_block_hash(part) == block_hash for part in parts)


def _block_hash(part: bytes | msgspec.Raw) -> str | None:
    """The block that a receipt or trace is of; None for a pending transaction's."""
    wire = decode_object(part, _WirePart, what="the receipt or trace")
    return None if is_null(wire.block_hash) else hash_field(wire.block_hash, name="blockHash")
