"""A node's chain followed from block to block, through reorganisations and restarts.

One step looks where the node's head is, fetches what comes after the cursor, walks back to
where it meets the stored chain, and stores all of it with the cursor in one transaction.
Whatever ends a step early leaves the stored chain as it was, and the next one looks anew.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

import msgspec

from typedsql.database import Database
from typedsql.errors import (
    ConnectionFailed,
    ConnectionLost,
    TimeoutExpired,
    TransientError,
)
from whaledb.ingest.advancing import Advanced, ChainWriter, NodeBehind
from whaledb.ingest.attempts import LookAgain
from whaledb.ingest.claims import Claim, claimed
from whaledb.ingest.patience import Patience
from whaledb.ingest.tally import RefusedItem
from whaledb.live.branches import Branch, BranchFinder
from whaledb.live.fetching import BlockUnreadable, check_chain
from whaledb.live.finality import FINALITY_INTERVAL_S, FinalityKeeper
from whaledb.live.outcome import (
    FollowOptions,
    FollowProgress,
    FollowSummary,
    FollowTally,
    check_follow_options,
    unheard,
)
from whaledb.live.waiting import Heads, Stopped, unless_stopped
from whaledb.queries import blocks, ingest_cursors
from whaledb.rpc import ChainMoved, Node

# Nothing of the step was stored, or storing it again changes nothing.
_WAITED_OUT = (
    BlockUnreadable,
    LookAgain,
    TransientError,
    ConnectionLost,
    ConnectionFailed,
    TimeoutExpired,
)
# A chain that changed while it was read, and one of several nodes behind one URL that is a
# block late, are usual.
_OFTEN_PASSES = (ChainMoved, LookAgain)


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

    When `stop` is set, what is being read is left, what is being written is finished. A
    node or database that is away, or a node that lags behind what is stored, is waited for,
    `give_up_after_s` at most from one good step to the next; a node that is away at the very
    start only for as long as its client tries again. `on_progress` is called after each step,
    also one that found nothing new.

    Raises:
        ConfigurationError: an option cannot be used, or the node is of another chain.
        StreamTaken: another writer has the stream, or took it over.
        ReorganisationRefused: the node's chain leaves the stored one below a finalised block,
            or too far back.
        NodeUnavailable, NodeBehind, BlockUnreadable, ConnectionLost, ...: given up waiting.
    """
    check_follow_options(options)
    try:
        chain_id = await unless_stopped(stop, check_chain(node, options.chain_id))
    except Stopped:
        return FollowSummary(
            chain_id=options.chain_id,
            stored_number=None,
            seconds=0.0,
            **msgspec.structs.asdict(FollowTally()),
        )
    follower = _Follower(db, node, options, chain_id, stop, on_progress, on_refused, on_notice)
    async with AsyncExitStack() as stack:
        entered = stack.enter_async_context(
            claimed(
                db,
                stream=options.stream,
                chain_id=chain_id,
                lease_s=options.lease_s,
                on_wait=lambda held: follower.notice(
                    f"stream {held.stream} is held by {held.holder}: waiting for its claim to"
                    " expire"
                ),
            )
        )
        with suppress(Stopped):
            await follower.run(await unless_stopped(stop, entered))
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
        self.notice = on_notice or unheard
        self._finder = BranchFinder(db, node, options, chain_id=chain_id, notice=self.notice)
        self._finality = FinalityKeeper(db, node, chain_id=chain_id, depth=options.finalised_depth)
        self._started_s = time.perf_counter()
        self._stored_number: int | None = None
        self._stored_hash: str = ""
        self._stored_at: datetime | None = None
        self._was_orphaned = False
        self._tally = FollowTally()

    async def run(self, claim: Claim) -> None:
        writer = ChainWriter(self._db, claim=claim, min_value_eth=self._options.min_value_eth)
        patience = Patience(self._options.give_up_after_s, self.notice)
        heads = Heads(self._node.new_heads(), self._stop, claim)
        try:
            while not self._stop.is_set():
                try:
                    if heads.is_lost:
                        await self._confirm(claim)
                    stored = await self._step(writer)
                except _WAITED_OUT as failure:
                    self._tally.waits += 1
                    self._finder.be_careful()
                    delay_s = patience.after(
                        failure, often_passes=isinstance(failure, _OFTEN_PASSES)
                    )
                    if isinstance(failure, NodeBehind):
                        await heads.next()
                    else:
                        await heads.stopped_within(delay_s)
                    continue
                patience.restore()
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
        is_reached = last is not None and stored is not None and stored >= last
        return is_reached and not self._was_orphaned

    async def _step(self, writer: ChainWriter) -> bool:
        """Whether something was stored: then there may be more to store at once.

        Raises:
            Stopped: the end was asked for before there was anything to write.
        """
        branch = await unless_stopped(self._stop, self._look())
        if branch is not None and branch.blocks:
            advanced = await writer.advance(branch.blocks, head_number=branch.head.number)
            self._account(advanced, branch)
            self._finder.be_bold()
        if self._stored_number is not None:
            least_s = 0.0 if self._is_through() else FINALITY_INTERVAL_S
            keeping = self._finality.keep(self._stored_number, least_interval_s=least_s)
            await unless_stopped(self._stop, keeping)
        if branch is not None:
            self._report(branch.head.number)
        return branch is not None and bool(branch.blocks)

    async def _look(self) -> Branch | None:
        """What is to be stored next; None where the last wanted block is stored already."""
        cursor = await ingest_cursors.get(
            self._db, stream=self._options.stream, chain_id=self._chain_id
        )
        if cursor is not None and cursor.hash != self._stored_hash:
            row = await blocks.get(self._db, chain_id=self._chain_id, hash=cursor.hash)
            if self._stored_number is None:
                self.notice(f"stream {self._options.stream} goes on behind block {cursor.number}")
            self._stored_number, self._stored_hash = cursor.number, cursor.hash
            self._stored_at = None if row is None else row.block_timestamp
            # By another stream: the last wanted block is to be stored again.
            self._was_orphaned = row is None or not row.canonical
        return None if self._is_through() else await self._finder.find(cursor)

    def _account(self, advanced: Advanced, branch: Branch) -> None:
        tip = branch.blocks[-1].block
        self._stored_number, self._stored_hash = tip.number, tip.hash
        self._stored_at = tip.timestamp
        self._was_orphaned = False
        tally = self._tally
        tally.take(advanced.stored, source=self._options.stream, on_refused=self._on_refused)
        tally.alerts_fired += advanced.alerts_fired
        tally.blocks_orphaned += len(advanced.orphaned)
        tally.blocks_revived += len(advanced.revived)
        if advanced.orphaned:
            tally.reorganisations += 1
            numbers = [orphan.number for orphan in advanced.orphaned]
            self.notice(
                f"reorganisation: {len(numbers)} blocks from {min(numbers)} to {max(numbers)}"
                f" were orphaned; the chain goes on from block {branch.blocks[0].block.number - 1}"
            )

    def _report(self, head_number: int) -> None:
        stored_number, stored_at = self._stored_number, self._stored_at
        if self._on_progress is None or stored_number is None or stored_at is None:
            return
        self._on_progress(
            FollowProgress(
                head_number=head_number,
                stored_number=stored_number,
                stored_hash=self._stored_hash,
                lag_blocks=max(0, head_number - stored_number),
                lag_s=max(0.0, round((datetime.now(UTC) - stored_at).total_seconds(), 3)),
                blocks=self._tally.blocks,
                transactions_written=self._tally.transactions_written,
            )
        )

    def summary(self) -> FollowSummary:
        return FollowSummary(
            chain_id=self._chain_id,
            stored_number=self._stored_number,
            seconds=round(time.perf_counter() - self._started_s, 3),
            **msgspec.structs.asdict(self._tally),
        )
