"""What a worker puts, as items for the database: blocks, and what cannot be used of them."""

from typing import Final

from typedsql.errors import CodeError
from whaledb.ingest.decoding import Block, decode_block, name_block
from whaledb.ingest.reading import BadItem, Item, list_values
from whaledb.ingest.receipts import Receipts
from whaledb.ingest.traces import Traces
from whaledb.ingest.transfers import ReadBlock
from whaledb.wire.quantities import Unreadable

Payload = bytes | str | Block | ReadBlock | BadItem
"""JSON: a JSON-RPC reply, a bare block or an array of either; or what was read already."""

UNKNOWN: Final = "payload"
"""Where no height can be read."""


def read_payload(
    payload: Payload,
    *,
    chain_id: int,
    receipts: bytes | str | None = None,
    traces: bytes | str | None = None,
) -> list[ReadBlock | BadItem]:
    """The blocks of a payload, and what is bad in the place of one, in its order.

    Items are named by the height of their block where it can be told, and never by when they
    came, so that a payload that is put again finds its dead letters again. Receipts and traces
    that cannot be used belong to the first block.

    Raises:
        CodeError: something is neither JSON in bytes or str nor what was read already.
        SourceRefused: there are more receipts or traces than are held in memory.
    """
    if isinstance(payload, ReadBlock | BadItem):
        return [payload]
    decoded = [payload] if isinstance(payload, Block) else _decode(payload, chain_id=chain_id)
    first = next((name_of(one) for one in decoded), UNKNOWN)
    known, bad = Receipts(), list[BadItem]()
    if receipts is not None:
        bad += known.add(Item(f"{first}, receipts", _bytes(receipts)))
    moved = None if traces is None else Traces()
    if moved is not None and traces is not None:
        bad += [*moved.add(Item(f"{first}, traces", _bytes(traces))), *moved.finish()]
    items: list[ReadBlock | BadItem] = []
    for one in decoded:
        if isinstance(one, Block):
            items.append(ReadBlock(one, known, moved, tuple(bad)))
            bad = []
        else:
            items.append(one)
    return [*items, *bad]


def size_of(item: ReadBlock | BadItem) -> int:
    """Bytes of an item as it was received, which what was decoded of it refers to."""
    payload = item.payload if isinstance(item, BadItem) else item.block.payload
    return memoryview(payload).nbytes


def name_of(one: Block | BadItem) -> str:
    return f"block {one.number}" if isinstance(one, Block) else one.where


def _decode(payload: bytes | str, *, chain_id: int) -> list[Block | BadItem]:
    found: list[Block | BadItem] = []
    for value in list_values(_bytes(payload), where=UNKNOWN):
        if isinstance(value, BadItem):
            found.append(value)
            continue
        item = Item(name_block(value.data) or value.where, value.data)
        try:
            found.append(decode_block(item, chain_id=chain_id))
        except Unreadable as refusal:
            found.append(BadItem(item.where, bytes(item.data), str(refusal)))
    return found


def _bytes(given: object) -> bytes:
    if isinstance(given, bytes):
        return given
    if isinstance(given, str):
        return given.encode()
    raise CodeError(
        f"payloads, receipts and traces are JSON as bytes or str, got {type(given).__name__}:"
        " put what the node sent, before it is decoded"
    )
