"""How settled the stored blocks are, by the word of the node that is followed."""

import time
from typing import Final, Literal

from typedsql.database import Database
from whaledb.ingest.finality import raise_finality
from whaledb.queries import blocks
from whaledb.rpc import Node

FINALITY_INTERVAL_S: Final = 12.0
"""Between two questions; Ethereum finalises each epoch, which is 384 s."""


class FinalityKeeper:
    """Raises the finality of one chain's blocks.

    `depth`: so many blocks below the last stored one count as finalised where the node names
    no finalised block; None for none.
    """

    def __init__(self, db: Database, node: Node, *, chain_id: int, depth: int | None) -> None:
        self._db = db
        self._node = node
        self._chain_id = chain_id
        self._depth = depth
        self._asked_s: float | None = None

    async def keep(self, stored_number: int, *, least_interval_s: float) -> None:
        """Asks the node, if it was last asked so many seconds ago, and writes what it says."""
        now_s = time.monotonic()
        if self._asked_s is not None and now_s - self._asked_s < least_interval_s:
            return
        safe, finalised = await self._node.tagged("safe"), await self._node.tagged("finalized")
        if safe is not None:
            await self._raise(safe.number, safe.hash, "safe")
        if finalised is not None:
            await self._raise(finalised.number, finalised.hash, "finalised")
        elif self._depth is not None and stored_number >= self._depth:
            deep = await blocks.get_canonical(
                self._db, chain_id=self._chain_id, number=stored_number - self._depth
            )
            if deep is not None:
                await self._raise(deep.number, deep.hash, "finalised")
        self._asked_s = now_s

    async def _raise(self, number: int, hash: str, finality: Literal["safe", "finalised"]) -> None:
        await raise_finality(
            self._db, chain_id=self._chain_id, number=number, hash=hash, finality=finality
        )
