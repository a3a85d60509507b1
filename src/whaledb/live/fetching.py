"""Blocks from a node: fetched, decoded and checked, with their receipts and traces."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from typedsql.errors import ConfigurationError, OperatorError
from whaledb.ingest.decoding import Block, decode_block
from whaledb.ingest.reading import BadItem, Item
from whaledb.ingest.receipts import Receipts
from whaledb.ingest.traces import Traces
from whaledb.ingest.transfers import ReadBlock
from whaledb.rpc import Node, NodeUnavailable
from whaledb.rpc.concurrency import each
from whaledb.wire.quantities import Unreadable

MAX_BLOCKS_READ_AT_ONCE: Final = 8
"""Blocks whose receipts and traces are asked for at the same time."""


class BlockUnreadable(OperatorError):
    """A node gives a block whose number, hash, parent or time cannot be read."""


class BlockReader:
    """Reads the blocks of one chain from a node.

    Transactions worth less than `min_value_eth` need no receipt. Of receipts and traces
    that the node does not have, `on_notice` is told once.
    """

    def __init__(
        self,
        node: Node,
        *,
        chain_id: int,
        min_value_eth: Decimal,
        traces: bool,
        on_notice: Callable[[str], None],
    ) -> None:
        self._node = node
        self._chain_id = chain_id
        self._min_value_eth = min_value_eth
        self._traces = traces
        self._on_notice = on_notice
        self._told: set[str] = set()

    async def by_numbers(self, numbers: Sequence[int]) -> list[Block | None]:
        """The block at each of these heights, None where the node does not have it.

        Raises:
            BlockUnreadable: one of them cannot be read.
        """
        return [
            None if data is None else self._decoded(data, where=f"block {number}")
            for number, data in zip(numbers, await self._node.blocks(numbers), strict=True)
        ]

    async def by_hash(self, hash: str) -> Block | None:
        """The block of that hash, None where the node does not have it."""
        data = await self._node.block_by_hash(hash)
        return None if data is None else self._decoded(data, where=f"block {hash}")

    async def read(self, blocks: Sequence[Block]) -> list[ReadBlock]:
        """Each block with its receipts and traces.

        Raises:
            ChainMoved: the node's chain changed meanwhile, ask again.
        """
        return await each(self._read, blocks, at_once=MAX_BLOCKS_READ_AT_ONCE)

    async def _read(self, block: Block) -> ReadBlock:
        receipts, bad_receipts = await self._receipts(block)
        traces, bad_traces = await self._block_traces(block)
        return ReadBlock(
            block=block, receipts=receipts, traces=traces, bad=(*bad_receipts, *bad_traces)
        )

    async def _receipts(self, block: Block) -> tuple[Receipts, list[BadItem]]:
        receipts = Receipts()
        wanted = [t.hash for t in block.transactions if t.value_eth >= self._min_value_eth]
        if not wanted:
            return receipts, []
        payloads = await self._node.receipts(block.hash, block.number, wanted)
        if payloads is None:
            self._tell_once("the node has no receipts: whether transfers succeeded stays unknown")
            return receipts, []
        bad = _taken_in(receipts.add, payloads, where=f"block {block.number}, receipts")
        missing = [one for one in wanted if receipts.find(block.hash, one) is None]
        if missing and not bad:
            raise NodeUnavailable(
                f"the node has no receipts yet for {len(missing)} transactions of block"
                f" {block.number}"
            )
        return receipts, bad

    async def _block_traces(self, block: Block) -> tuple[Traces | None, list[BadItem]]:
        if not self._traces:
            return None, []
        traces = Traces()
        if not block.transactions:
            return traces, []
        traced = await self._node.traces(block.hash, block.number)
        if traced is None:
            self._tell_once("the node has no traces: internal transfers are not read")
            return None, []
        item = Item(f"block {block.number}, traces", traced.result)
        bad = [*traces.add(item, block_hash=block.hash), *traces.finish()]
        return traces, bad

    def _decoded(self, data: bytes, *, where: str) -> Block:
        try:
            return decode_block(Item(where, data), chain_id=self._chain_id)
        except Unreadable as refusal:
            raise BlockUnreadable(
                f"{where} cannot be read as the node gives it: {refusal}"
            ) from refusal

    def _tell_once(self, notice: str) -> None:
        if notice not in self._told:
            self._told.add(notice)
            self._on_notice(notice)


def _taken_in(
    add: Callable[[Item], Iterable[BadItem]], payloads: Iterable[bytes], *, where: str
) -> list[BadItem]:
    return [bad for payload in payloads for bad in add(Item(where, payload))]


async def check_chain(node: Node, wanted: int | None) -> int:
    """The chain that a node is of.

    Raises:
        ConfigurationError: another one is wanted; None takes any.
    """
    chain_id = await node.chain_id()
    if wanted is not None and chain_id != wanted:
        raise ConfigurationError(
            f"the node is of chain {chain_id}, not of chain {wanted}: name another node or chain"
        )
    return chain_id
