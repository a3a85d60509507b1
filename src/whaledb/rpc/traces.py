"""Call traces of a block, in the style that a node has."""

from typing import Final, Literal

import msgspec

from whaledb.rpc.errors import NodeRefused
from whaledb.rpc.messages import METHOD_MISSING_CODES, UNKNOWN_BLOCK_CODES
from whaledb.rpc.reading import are_of_block, is_nothing, items
from whaledb.rpc.requests import Requests

Style = Literal["parity", "geth"]

# Geth's code for everything, "resource unavailable" of EIP-1474 (Nethermind, of a pruned
# state), internal errors, and geth's for pruned history. Not among them: -32005, too many
# requests, which says nothing about the block.
_UNTRACEABLE_CODES: Final = frozenset({-32000, -32002, -32603, 4444})
# An account that may not trace is told -32600 by some providers. That may change with the
# account, so it is not remembered, as a method that is not there is.
_REMEMBERED_CODES: Final = METHOD_MISSING_CODES - {-32600}


class Traced(msgspec.Struct, frozen=True):
    """The traces of one block as the node gave them.

    `style` "parity": the list that trace_block gives, each trace with its block's hash.
    "geth": the list that debug_traceBlockByHash gives with the callTracer, which does not
    name the block.
    """

    style: Style
    result: bytes


class TraceRequests:
    """Asks for traces, and remembers which of the two styles the node has."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._styles: tuple[Style, ...] = ("parity", "geth")

    async def fetch(self, block_hash: str, number: int) -> Traced | None:
        """See `Node.traces`."""
        block_hash = block_hash.lower()
        for style in self._styles:
            try:
                if style == "parity":
                    result = await self._parity(block_hash, number)
                else:
                    result = await self._geth(block_hash)
            except NodeRefused as refusal:
                if refusal.code in METHOD_MISSING_CODES:
                    self._forget(style, refusal.code)
                    continue
                if refusal.code not in _UNTRACEABLE_CODES:
                    raise
                result = None
            if result is None:
                # It cannot trace the block, or no longer has it: that is for the chain to say.
                await self._requests.require_canonical(block_hash, number)
                return None
            return Traced(style, result)
        return None

    def _forget(self, style: Style, code: int | None) -> None:
        if code in _REMEMBERED_CODES:
            self._styles = tuple(kept for kept in self._styles if kept != style)

    async def _parity(self, block_hash: str, number: int) -> bytes | None:
        """Nothing where the node has no traces of that height."""

        def read(result: bytes) -> tuple[bytes, int, bool] | None:
            if is_nothing(result):
                return None
            traces = items(result, what="the traces")
            return result, len(traces), are_of_block(traces, block_hash)

        found = await self._requests.ask(
            "trace_block",
            hex(number),
            read=read,
            nothing_codes=UNKNOWN_BLOCK_CODES,
            doubtful_codes=_UNTRACEABLE_CODES,
        )
        if found is None:
            return None
        result, count, are_its = found
        if not are_its:
            raise self._requests.moved(block_hash, number)
        if count == 0:
            # No trace says which block has none, and anvil has none of a block it does not know.
            await self._requests.require_canonical(block_hash, number)
        return result

    async def _geth(self, block_hash: str) -> bytes | None:
        """Nothing where the node does not have that block."""

        def read(result: bytes) -> bytes | None:
            if is_nothing(result):
                return None
            items(result, what="the traces")
            return result

        return await self._requests.ask(
            "debug_traceBlockByHash",
            block_hash,
            {"tracer": "callTracer"},
            read=read,
            nothing_codes=UNKNOWN_BLOCK_CODES,
            doubtful_codes=_UNTRACEABLE_CODES,
        )
