"""A node's chain followed from block to block, through reorganisations and restarts.

One step looks where the node's head is, fetches what comes after the cursor, walks back to
where it meets the stored chain, and stores all of it with the cursor in one transaction.
Whatever ends a step early leaves the stored chain as it was, and the next one looks anew.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from typedsql.database import Database
from typedsql.errors import (
    ConnectionFailed,
    ConnectionLost,
    TimeoutExpired,
    TransientError,
)
from whaledb.ingest.advancing import (
    MAX_REORGANISATION_BLOCKS,
    Advanced,
    ChainWriter,
    NodeBehind,
    ReorganisationRefused,
)
from whaledb.ingest.claims import Claim, claimed
from whaledb.ingest.decoding import Block
from whaledb.ingest.finality import raise_finality
from whaledb.ingest.pipeline import RefusedItem
from whaledb.live.fetching import BlockReader, BlockUnreadable, check_chain
from whaledb.live.outcome import (
    FollowOptions,
    FollowProgress,
    FollowSummary,
    Tally,
    check_options,
)
from whaledb.live.waiting import Heads, Patience
from whaledb.queries import blocks, ingest_cursors
from whaledb.rows import IngestCursor
from whaledb.rpc import BlockReference, ChainMoved, Node

FINALITY_INTERVAL_S: Final = 12.0

# Nothing of the step was stored, or storing it again changes nothing.
_WAITED_OUT = (
    ChainMoved,
    BlockUnreadable,
    TransientError,
    ConnectionLost,
    ConnectionFailed,
    TimeoutExpired,
)


async def follow(
    db: Database,
    node: Node,
    options: FollowOptions,
    *,
    stop: asyncio.Event,
    on_progress: Callable[[FollowProgress], None] | None = None,
    on_refused: Callable[[RefusedItem], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> FollowSummary:
    """Follows a node's chain until `stop` is set or the last wanted block is stored.

    The step under way when `stop` is set is finished. A node or database that is away, or
    a node that lags behind what is stored, is waited for, `give_up_after_s` at most from
    one stored step to the next.

    Raises:
        ConfigurationError: an option cannot be used, or the node is of another chain.
        StreamTaken: another writer has the stream, or took it over.
        ReorganisationRefused: the node's chain leaves the stored one below a finalised block,
            or too far back.
        NodeUnavailable, NodeBehind, BlockUnreadable, ConnectionLost, ...: given up waiting.
    """
    check_options(options)
    chain_id = await check_chain(node, options.chain_id)
    follower = _Follower(db, node, options, chain_id, stop, on_progress, on_refused, on_notice)
    async with claimed(
        db,
        stream=options.stream,
        chain_id=chain_id,
        lease_s=options.lease_s,
        on_wait=lambda held: follower.notice(
            f"stream {held.stream} is held by {held.holder}: waiting for its claim to expire"
        ),
    ) as claim:
        await follower.run(claim)
    return follower.summary()


class _Follower:
    """The counts of one run, and its steps."""

    def __init__(
        self,
        db: Database,
        node: Node,
        options: FollowOptions,
        chain_id: int,
        stop: asyncio.Event,
        on_progress: Callable[[FollowProgress], None] | None,
        on_refused: Callable[[RefusedItem], None] | None,
        on_notice: Callable[[str], None] | None,
    ) -> None:
        self._db = db
        self._node = node
        self._options = options
        self._chain_id = chain_id
        self._stop = stop
        self._on_progress = on_progress
        self._on_refused = on_refused
        self.notice = on_notice or _ignore
        self._reader = BlockReader(
            node,
            chain_id=chain_id,
            min_value_eth=options.min_value_eth,
            traces=options.traces,
            on_notice=self.notice,
        )
        self._started_s = time.perf_counter()
        self._finality_asked_s: float | None = None
        self._stored_number: int | None = None
        self._tally = Tally()

    async def run(self, claim: Claim) -> None:
        writer = ChainWriter(self._db, claim=claim, min_value_eth=self._options.min_value_eth)
        patience = Patience(self._options.give_up_after_s)
        heads = Heads(self._node.new_heads(), self._stop, claim)
        try:
            while not self._stop.is_set():
                if heads.is_lost:
                    await self._confirm(claim)
                try:
                    stored = await self._step(writer)
                except NodeBehind as failure:
                    self._tally.waits += 1
                    patience.after(failure, self.notice)
                    await heads.next()
                    continue
                except _WAITED_OUT as failure:
                    self._tally.waits += 1
                    await heads.stopped_within(patience.after(failure, self.notice))
                    continue
                patience.restore(self.notice)
                if self._is_through():
                    return
                if not stored:
                    await heads.next()
        finally:
            await heads.close()

    async def _confirm(self, claim: Claim) -> None:
        """Raises StreamTaken where the stream is lost, which a heartbeat has found."""
        async with self._db.transaction() as tx:
            await claim.renew(tx)

    def _is_through(self) -> bool:
        last, stored = self._options.last_number, self._stored_number
        return last is not None and stored is not None and stored >= last

    async def _step(self, writer: ChainWriter) -> bool:
        """Whether something was stored: then there may be more to store at once."""
        cursor = await ingest_cursors.get(
            self._db, stream=self._options.stream, chain_id=self._chain_id
        )
        self._stored_number = None if cursor is None else cursor.number
        if self._is_through():
            await self._raise_finality()
            return False
        head = await self._node.head()
        if cursor is not None and head.number < cursor.number:
            raise NodeBehind(
                f"the node's head is block {head.number}, block {cursor.number} is stored:"
                " nothing was rolled back; the node lags behind or was set back",
                head_number=head.number,
                stored_number=cursor.number,
            )
        if cursor is not None and head.hash == cursor.hash:
            await self._raise_finality()
            return False
        branch = await self._fetch(cursor, head)
        if not branch:
            return False
        branch = await self._met(branch)
        advanced = await writer.advance(await self._reader.read(branch), head_number=head.number)
        self._account(advanced, branch, head)
        await self._raise_finality(least_interval_s=FINALITY_INTERVAL_S)
        return True

    async def _fetch(self, cursor: IngestCursor | None, head: BlockReference) -> list[Block]:
        """What follows the cursor on the node's chain; the head where nothing is above it."""
        if cursor is not None and head.number == cursor.number:
            block = await self._reader.by_hash(head.hash)
            return [] if block is None else [block]
        if cursor is not None:
            first = cursor.number + 1
        else:
            wanted = self._options.first_number
            first = head.number if wanted is None else wanted
        last = min(head.number, first + self._options.batch_blocks - 1)
        if self._options.last_number is not None:
            last = min(last, self._options.last_number)
        found = await self._reader.by_numbers(range(first, last + 1))
        linked = found[:1]
        for block in found[1:]:
            # The chain changed between two answers: the rest is fetched anew.
            if block.parent_hash != linked[-1].hash:
                break
            linked.append(block)
        return linked

    async def _met(self, branch: list[Block]) -> list[Block]:
        """The branch, longer by what lies between it and the stored chain.

        Raises:
            ReorganisationRefused: they meet below a finalised block, or too far back.
        """
        walked: list[Block] = []
        lowest = branch[0]
        while lowest.number > 0:
            stored = await blocks.get_canonical(
                self._db, chain_id=self._chain_id, number=lowest.number - 1
            )
            if stored is None or stored.hash == lowest.parent_hash:
                break
            if stored.finality == "finalised":
                raise ReorganisationRefused(
                    f"the node's chain leaves the stored one at or below block {stored.number},"
                    " which is finalised: nothing was rolled back; compare the node with others"
                )
            if len(walked) == MAX_REORGANISATION_BLOCKS:
                raise ReorganisationRefused(
                    f"the node's chain leaves the stored one more than"
                    f" {MAX_REORGANISATION_BLOCKS} blocks below block {branch[0].number}:"
                    " nothing was rolled back; compare the node with others"
                )
            parent = await self._reader.by_hash(lowest.parent_hash)
            if parent is None or parent.number != lowest.number - 1:
                raise ChainMoved(
                    f"the node does not have the parent of block {lowest.number} any more"
                )
            walked.append(parent)
            lowest = parent
        return [*reversed(walked), *branch]

    async def _raise_finality(self, *, least_interval_s: float = 0.0) -> None:
        now_s = time.monotonic()
        asked_s = self._finality_asked_s
        if asked_s is not None and now_s - asked_s < least_interval_s:
            return
        self._finality_asked_s = now_s
        safe, finalised = await self._node.tagged("safe"), await self._node.tagged("finalized")
        if safe is not None:
            await self._raise(safe.number, safe.hash, "safe")
        if finalised is not None:
            await self._raise(finalised.number, finalised.hash, "finalised")
        await self._finalise_by_depth()

    async def _finalise_by_depth(self) -> None:
        depth = self._options.finalised_depth
        if depth is None or self._stored_number is None or self._stored_number < depth:
            return
        deep = await blocks.get_canonical(
            self._db, chain_id=self._chain_id, number=self._stored_number - depth
        )
        if deep is not None:
            await self._raise(deep.number, deep.hash, "finalised")

    async def _raise(self, number: int, hash: str, finality: Literal["safe", "finalised"]) -> None:
        await raise_finality(
            self._db, chain_id=self._chain_id, number=number, hash=hash, finality=finality
        )

    def _account(self, advanced: Advanced, branch: list[Block], head: BlockReference) -> None:
        tip = branch[-1]
        self._stored_number = tip.number
        tally = self._tally
        tally.blocks += len(branch)
        for stored in advanced.stored:
            tally.transactions_seen += stored.transactions_seen
            tally.transactions_written += stored.transactions_written
            tally.already_present += stored.already_present
            tally.dead_letters += len(stored.dead_letters)
            for bad in stored.dead_letters:
                self._tell_refused(bad.where, bad.reason)
        tally.alerts_fired += advanced.alerts_fired
        tally.blocks_orphaned += len(advanced.orphaned)
        tally.blocks_revived += len(advanced.revived)
        if advanced.orphaned:
            tally.reorganisations += 1
            numbers = [orphan.number for orphan in advanced.orphaned]
            self.notice(
                f"reorganisation: {len(numbers)} blocks from {min(numbers)} to {max(numbers)}"
                f" were orphaned; the chain goes on from block {branch[0].number - 1}"
            )
        if self._on_progress is not None:
            self._on_progress(
                FollowProgress(
                    head_number=head.number,
                    stored_number=tip.number,
                    stored_hash=tip.hash,
                    lag_blocks=max(0, head.number - tip.number),
                    lag_s=round((datetime.now(UTC) - tip.timestamp).total_seconds(), 3),
                    blocks=tally.blocks,
                    transactions_written=tally.transactions_written,
                )
            )

    def _tell_refused(self, item: str, reason: str) -> None:
        if self._on_refused is not None:
            self._on_refused(RefusedItem(source=self._options.stream, item=item, reason=reason))

    def summary(self) -> FollowSummary:
        return FollowSummary(
            chain_id=self._chain_id,
            stored_number=self._stored_number,
            seconds=round(time.perf_counter() - self._started_s, 3),
            **msgspec.structs.asdict(self._tally),
        )


def _ignore(_: str) -> None:
    """Stands for a callback that nobody gave."""
