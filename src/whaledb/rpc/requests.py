"""One question to a node: tried again where that may help, bounded, and read."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from whaledb.rpc.attempts import Retries, attempted
from whaledb.rpc.errors import ChainMoved
from whaledb.rpc.messages import PRUNED_HISTORY_CODE, UNKNOWN_BLOCK_CODES, Fault
from whaledb.rpc.reading import NOTHING, BlockReference, is_nothing, reference
from whaledb.wire.quantities import Unreadable

if TYPE_CHECKING:
    from whaledb.rpc.transport import Transport

# Public nodes begin to refuse more at once; a node of one's own answers faster than we store.
MAX_REQUESTS_IN_FLIGHT: Final = 8
# A state that a node has pruned is the same at every attempt, and has no code of its own.
DOUBTFUL_ATTEMPTS: Final = 2

_T = TypeVar("_T")


class Requests:
    """The requests of one client; `host` is what may be told of the node's URL."""

    def __init__(self, transport: "Transport", *, host: str, retries: Retries) -> None:
        self.host = host
        self._transport = transport
        self._retries = retries
        self._in_flight = asyncio.Semaphore(MAX_REQUESTS_IN_FLIGHT)

    async def ask(
        self,
        method: str,
        *params: object,
        read: Callable[[bytes], _T],
        nothing_codes: frozenset[int] = frozenset(),
        doubtful_codes: frozenset[int] = frozenset(),
    ) -> _T:
        """What `read` makes of a method's result.

        A JSON-RPC error among `nothing_codes` counts as the result `null`; one among
        `doubtful_codes`, which may or may not pass, is a refusal when it comes
        `DOUBTFUL_ATTEMPTS` times. What `read` refuses as `Unreadable` is asked for again.

        Raises:
            NodeUnavailable: all attempts failed in ways that may pass.
            NodeRefused: asking again is of no use.
        """

        doubts = 0

        async def once() -> _T:
            nonlocal doubts
            async with self._in_flight:
                try:
                    result = await self._transport.exchange(method, params)
                except Fault as fault:
                    if fault.code in nothing_codes:
                        result = NOTHING
                    elif fault.code in doubtful_codes:
                        doubts += 1
                        fault.is_final = fault.is_final or doubts >= DOUBTFUL_ATTEMPTS
                        raise
                    else:
                        raise
            try:
                return read(result)
            except Unreadable as error:
                raise Fault(f"a result that cannot be used: {error}") from None

        return await attempted(once, retries=self._retries, method=method, host=self.host)

    async def reference_at(self, number: int) -> BlockReference | None:
        """Which block the node's chain has at a height; None above its head, or pruned."""

        def read(result: bytes) -> BlockReference | None:
            if is_nothing(result):
                return None
            found = reference(result)
            if found.number != number:
                raise Unreadable("it is a block of another number than was asked for")
            return found

        return await self.ask(
            "eth_getBlockByNumber",
            hex(number),
            False,
            read=read,
            nothing_codes=UNKNOWN_BLOCK_CODES | {PRUNED_HISTORY_CODE},
        )

    async def require_canonical(self, block_hash: str, number: int) -> None:
        """Nothing, if the node's chain has this block at this height.

        Raises:
            ChainMoved: it has another one, or none.
        """
        found = await self.reference_at(number)
        if found is None or found.hash != block_hash:
            raise self.moved(block_hash, number)

    def moved(self, block_hash: str, number: int) -> ChainMoved:
        """The error of a block that the node's chain has left."""
        return ChainMoved(
            f"block {number} ({block_hash}) is no longer on the chain of {self.host}:"
            " read its head again"
        )
