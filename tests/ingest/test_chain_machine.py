"""Any tree of blocks, any heads of it: what is stored is the node's chain, step by step."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

import whaledb
from tests.ingest.chain import block, some_hash, transaction
from tests.ingest.reading import STREAM, canonical, check_rows_agree, cursor, orphans, read, writing
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.ingest.advancing import ChainWriter, NodeBehind
from whaledb.ingest.transfers import ReadBlock
from whaledb.queries import blocks, ingest_cursors

T = TypeVar("T")

TABLES = "blocks, whale_transactions, ingest_cursors, ingest_claims, dead_letters"
MAX_BATCH = 4
START_HEIGHT = 10


class Chain(RuleBasedStateMachine):
    """A node whose head jumps about a growing tree, and a follower of it.

    The tree's root is at the start height. A follower walks back from the node's head to a
    block that is stored, as canonical, and hands over what is above in batches.
    """

    loop: asyncio.AbstractEventLoop
    db: Database

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    @initialize()
    def begin(self) -> None:
        self.tree: list[tuple[ReadBlock, int | None]] = []
        self.seen: set[str] = set()
        self.top = START_HEIGHT
        self.run(self._empty())
        self._add(None)
        self._follow(0)

    async def _empty(self) -> None:
        async with self.db.connection() as connection:
            await connection.execute(f"TRUNCATE {TABLES}")

    def _add(self, parent: int | None) -> int:
        index = len(self.tree)
        above = self.tree[parent][0].block if parent is not None else None
        number = above.number + 1 if above else START_HEIGHT
        whales = [transaction(f"t{number}", ether=500)] if index % 2 else []
        made = block(
            number,
            whales,
            fork=f"{index}",
            parentHash=above.hash if above else some_hash("below"),
        )
        self.tree.append((read(made), parent))
        return index

    def _path(self, head: int) -> list[ReadBlock]:
        """From the root to the head."""
        path: list[ReadBlock] = []
        index: int | None = head
        while index is not None:
            made, index = self.tree[index]
            path.append(made)
        return path[::-1]

    @rule(parent=st.integers(0, 1000), length=st.integers(1, 4))
    def grow(self, parent: int, length: int) -> None:
        """Another branch somewhere; the node does not go there yet."""
        index = parent % len(self.tree)
        for _ in range(length):
            index = self._add(index)

    @rule(chosen=st.integers(0, 1000), batch=st.integers(1, MAX_BATCH))
    def follow(self, chosen: int, batch: int) -> None:
        self._follow(chosen % len(self.tree), batch)

    @rule(chosen=st.integers(0, 1000), extra=st.integers(0, 2), batch=st.integers(1, MAX_BATCH))
    def switch(self, chosen: int, extra: int, batch: int) -> None:
        """The node goes to a chain through any block, of which it may have come before."""
        index = chosen % len(self.tree)
        top = max(int(self.tree[0][0].block.number), self.top) + extra
        while self.tree[index][0].block.number < top:
            index = self._add(index)
        self._follow(index, batch)

    def _follow(self, head: int, batch: int = MAX_BATCH) -> None:
        self.run(self._advance(self._path(head), batch))

    async def _advance(self, path: list[ReadBlock], batch: int) -> None:
        head = path[-1].block
        before = await canonical(self.db)
        place = await ingest_cursors.get(self.db, stream=STREAM, chain_id=1)
        on_chain = set(before)
        meet = next((i for i in range(len(path), 0, -1) if path[i - 1].block.hash in on_chain), 0)
        missing = path[meet:] or path[-1:]
        top = await blocks.get_latest(self.db, chain_id=1)
        behind = top is not None and top.number > head.number and bool(path[meet:])
        async with writing(self.db) as writer:
            if behind:
                await self._find_behind(writer, missing, before)
                return
            for start in range(0, len(missing), batch):
                step = missing[start : start + batch]
                await writer.advance(step, head_number=head.number)
                self.seen.update(each.block.hash for each in step)
                await check_rows_agree(self.db)
        if path[meet:]:
            assert await canonical(self.db) == [each.block.hash for each in path]
            assert await cursor(self.db) == (head.number, head.hash)
        else:
            # The head is on the stored chain, at its tip or below: nothing to do.
            assert await canonical(self.db) == before
            assert await ingest_cursors.get(self.db, stream=STREAM, chain_id=1) == place
        self.top = START_HEIGHT + len(await canonical(self.db)) - 1
        assert await orphans(self.db) == self.seen - set(await canonical(self.db))

    async def _find_behind(
        self, writer: ChainWriter, missing: list[ReadBlock], before: list[str]
    ) -> None:
        try:
            await writer.advance(missing, head_number=missing[-1].block.number)
        except NodeBehind:
            assert await canonical(self.db) == before
            place = await ingest_cursors.get(self.db, stream=STREAM, chain_id=1)
            assert place is not None
            assert place.hash == before[-1]
        else:
            raise AssertionError("a block above the node's head was orphaned")


def test_what_is_stored_is_the_chain_of_the_node(target: ConnectionTarget) -> None:
    loop = asyncio.new_event_loop()
    connecting = whaledb.connect(target)
    try:
        Chain.loop, Chain.db = loop, loop.run_until_complete(connecting.__aenter__())
        run_state_machine_as_test(
            Chain,
            settings=settings(
                max_examples=12,
                stateful_step_count=10,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(connecting.__aexit__(None, None, None))
        loop.close()
