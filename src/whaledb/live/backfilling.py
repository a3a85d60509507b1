"""Missing heights filled from a node, lowest first, without touching what is stored.

Where it stopped needs no cursor: what is missing is asked of the stored blocks, so a run
that was ended in any way is gone on with by starting it again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb import rows
from whaledb.ingest.decoding import Block
from whaledb.ingest.filling import GapFiller
from whaledb.ingest.tally import RefusedItem, RowTally
from whaledb.ingest.transfers import DEFAULT_MIN_VALUE_ETH, ReadBlock, check_threshold
from whaledb.live.fetching import BlockReader, BlockUnreadable, check_chain
from whaledb.live.outcome import DEFAULT_BATCH_BLOCKS, check_range, unheard
from whaledb.live.waiting import Stopped, unless_stopped
from whaledb.queries import blocks
from whaledb.rpc import ChainMoved, Node

BACKFILL_SOURCE: Final = "backfill"
RANGES_AT_A_TIME: Final = 100
MAX_MOVES: Final = 5
"""How often a batch is read again because the chain moved under it, as it does near the head."""
MOVED_DELAY_S: Final = 0.5


class BackfillOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which heights to fill, and how.

    `chain_id` refuses a node of another chain; None takes the node's.
    From `first_number` to `last_number`, both included; None for the lowest and highest
    stored block. At most `max_blocks` are filled, None for no limit.
    """

    chain_id: int | None = None
    first_number: int | None = None
    last_number: int | None = None
    max_blocks: int | None = None
    min_value_eth: Decimal = DEFAULT_MIN_VALUE_ETH
    traces: bool = False
    batch_blocks: int = DEFAULT_BATCH_BLOCKS


class BackfillProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far filling has come: `number` is the last height that was tried."""

    number: int
    blocks: int
    transactions_written: int


class BackfillSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What filling did.

    `chain_id` is None where none was named and the run ended before the node told it.
    `conflicts` are blocks of gaps that were left alone, from the height on at which the
    node's chain was seen not to meet the stored one. `missing_at_node` are heights that the
    node does not have.
    """

    chain_id: int | None
    blocks: int
    transactions_seen: int
    transactions_written: int
    already_present: int
    dead_letters: int
    conflicts: int
    missing_at_node: int
    seconds: float


async def backfill(
    db: Database,
    node: Node,
    options: BackfillOptions,
    *,
    stop: asyncio.Event,
    on_progress: Callable[[BackfillProgress], None] | None = None,
    on_refused: Callable[[RefusedItem], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> BackfillSummary:
    """Fills missing heights, a batch of blocks in each transaction, until none is left.

    Nothing that is stored is orphaned or moved, so that it may run beside whoever follows
    the chain. Alerts do not fire: what is found here is old. When `stop` is set, what is
    being read is left, what is being written is finished.

    Raises:
        ConfigurationError: an option cannot be used, or the node is of another chain.
        NodeUnavailable: the node was away for longer than its client waits.
        BlockUnreadable: a block cannot be read; those below it were stored.
    """
    check_backfill_options(options)
    try:
        chain_id = await unless_stopped(stop, check_chain(node, options.chain_id))
    except Stopped:
        return BackfillSummary(
            chain_id=options.chain_id, seconds=0.0, **msgspec.structs.asdict(_Tally())
        )
    run = _Run(db, node, options, chain_id, stop, on_progress, on_refused, on_notice or unheard)
    with suppress(Stopped):
        await run.fill_gaps()
    return run.summary()


def check_backfill_options(options: BackfillOptions) -> None:
    """Raises ConfigurationError for what can be told before there is a connection."""
    check_range(options.first_number, options.last_number, batch_blocks=options.batch_blocks)
    check_threshold(options.min_value_eth)
    if options.max_blocks is not None and options.max_blocks < 1:
        raise ConfigurationError("the number of blocks to fill has to be 1 or more")


class _Run:
    """The counts of one run, and its batches."""

    def __init__(
        self,
        db: Database,
        node: Node,
        options: BackfillOptions,
        chain_id: int,
        stop: asyncio.Event,
        on_progress: Callable[[BackfillProgress], None] | None,
        on_refused: Callable[[RefusedItem], None] | None,
        on_notice: Callable[[str], None],
    ) -> None:
        self._db = db
        self._node = node
        self._chain_id = chain_id
        self._options = options
        self._stop = stop
        self._on_progress = on_progress
        self._on_refused = on_refused
        self._notice = on_notice
        self._reader = BlockReader(
            node,
            chain_id=chain_id,
            min_value_eth=options.min_value_eth,
            traces=options.traces,
            on_notice=on_notice,
        )
        self._filler = GapFiller(
            db,
            chain_id=chain_id,
            source=BACKFILL_SOURCE,
            min_value_eth=options.min_value_eth,
        )
        self._started_s = time.perf_counter()
        self._tally = _Tally()

    async def fill_gaps(self) -> None:
        """The missing heights, lowest first; what could not be filled is not tried again."""
        first, last = await self._ends()
        while first <= last:
            missing = await blocks.list_missing_ranges(
                self._db,
                chain_id=self._chain_id,
                first_number=first,
                last_number=last,
                max_rows=RANGES_AT_A_TIME,
            )
            if not missing:
                return
            for gap in missing:
                await self._fill_gap(gap)
                if not self._room():
                    return
            first = missing[-1].last_number + 1

    def _room(self) -> int:
        """How many blocks the next batch may fill. What could not be filled takes none of it."""
        room, most = self._options.batch_blocks, self._options.max_blocks
        return room if most is None else min(room, most - self._tally.blocks)

    async def _fill_gap(self, gap: rows.MissingBlocks) -> None:
        """A batch after the other, up to the first that contradicts what is stored.

        Above that one the node's blocks would meet no stored neighbour that could tell that
        they are of another chain.
        """
        absent: list[int] = []
        apart = await self._apart(gap)
        start, end = gap.first_number, gap.last_number + 1
        while apart is None and start < end and self._room():
            numbers = range(start, min(end, start + self._room()))
            apart = await self._fill(numbers, absent)
            start = start if apart is not None else numbers.stop
        self._tally.missing_at_node += len(absent)
        if absent:
            tried = _span(gap.first_number, max(start - 1, absent[-1]))
            self._notice(
                f"the node does not have {len(absent)} of {tried}, the last of them {absent[-1]}:"
                " they stay missing; name a node that keeps old blocks"
            )
        if apart is not None:
            self._tally.conflicts += end - start
            self._notice(
                f"{_span(start, end - 1)}: left alone, as the node's chain does not meet the"
                f" stored one at block {apart}; one of the two is not of the chain: if it is the"
                " stored one, follow the node through them as a new stream, `whaledb ingest rpc"
                f" --stream repair-{start} --from {start} --to {end - 1}`"
            )

    async def _apart(self, gap: rows.MissingBlocks) -> int | None:
        """The height next to a gap at which the node has another block than is stored."""
        for number in (gap.first_number - 1, gap.last_number + 1):
            for move in range(MAX_MOVES + 1):
                stored = await blocks.get_canonical(
                    self._db, chain_id=self._chain_id, number=number
                )
                if stored is None:
                    break
                there = await unless_stopped(self._stop, self._node.reference_at(number))
                if there is None or there.hash == stored.hash:
                    break
                if move == MAX_MOVES:
                    return number
                await self._moved()
        return None

    async def _moved(self) -> None:
        """The follower may just be about to leave a branch that the node has left."""
        await unless_stopped(self._stop, asyncio.sleep(MOVED_DELAY_S))

    async def _ends(self) -> tuple[int, int]:
        first, last = self._options.first_number, self._options.last_number
        if first is None:
            lowest = await blocks.get_earliest(self._db, chain_id=self._chain_id)
            first = 0 if lowest is None else lowest.number
        if last is None:
            highest = await blocks.get_latest(self._db, chain_id=self._chain_id)
            last = -1 if highest is None else highest.number
        return first, last

    async def _fill(self, numbers: Sequence[int], absent: list[int]) -> int | None:
        """The height at which these contradict what is stored, None if they do not.

        Adds to `absent` what the node does not have.
        """
        wanted = numbers
        for moves_left in range(MAX_MOVES, -1, -1):
            try:
                found, read = await unless_stopped(self._stop, self._read(wanted))
                filled = await self._filler.fill(read)
            except BlockUnreadable:
                half = len(wanted) // 2
                if not half:
                    raise
                # What is below it is stored.
                apart = await self._fill(wanted[:half], absent)
                return apart if apart is not None else await self._fill(wanted[half:], absent)
            except ChainMoved:
                if not moves_left:
                    raise
            else:
                self._tally.take(filled.stored, source=BACKFILL_SOURCE, on_refused=self._on_refused)
                absent += [n for n, block in zip(wanted, found, strict=True) if block is None]
                if not filled.conflicts or not moves_left:
                    self._report(numbers[-1])
                    return filled.conflicts[0].neighbour if filled.conflicts else None
                wanted = [conflict.number for conflict in filled.conflicts]
            await self._moved()
        raise AssertionError("the last move returns or raises")

    async def _read(self, numbers: Sequence[int]) -> tuple[list[Block | None], list[ReadBlock]]:
        found = await self._reader.by_numbers(numbers)
        return found, await self._reader.read([block for block in found if block is not None])

    def _report(self, number: int) -> None:
        if self._on_progress is not None:
            self._on_progress(
                BackfillProgress(
                    number=number,
                    blocks=self._tally.blocks,
                    transactions_written=self._tally.transactions_written,
                )
            )

    def summary(self) -> BackfillSummary:
        return BackfillSummary(
            chain_id=self._chain_id,
            seconds=round(time.perf_counter() - self._started_s, 3),
            **msgspec.structs.asdict(self._tally),
        )


class _Tally(RowTally):
    """What a run counts; its fields are those of `BackfillSummary`."""

    conflicts: int = 0
    missing_at_node: int = 0


def _span(first: int, last: int) -> str:
    return f"block {first}" if first == last else f"blocks {first} to {last}"
