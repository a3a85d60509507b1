"""Missing heights filled from a node, lowest first, without touching what is stored.

Where it stopped needs no cursor: what is missing is asked of the stored blocks, so a run
that was ended in any way is gone on with by starting it again.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb.ingest.filling import GapFiller
from whaledb.ingest.pipeline import DEFAULT_MIN_VALUE_ETH, RefusedItem
from whaledb.ingest.transfers import ReadBlock
from whaledb.live.fetching import BlockReader, check_chain
from whaledb.live.outcome import DEFAULT_BATCH_BLOCKS, MAX_BATCH_BLOCKS
from whaledb.queries import blocks
from whaledb.rpc import ChainMoved, Node

BACKFILL_SOURCE: Final = "backfill"
RANGES_AT_A_TIME: Final = 100
MAX_MOVES: Final = 5
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

    `conflicts` were not stored: the node's block does not fit its stored neighbours.
    `missing_at_node` are heights that the node does not have.
    """

    chain_id: int
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
    the chain. Alerts do not fire: what is found here is old. The batch under way when
    `stop` is set is finished.

    Raises:
        ConfigurationError: an option cannot be used, or the node is of another chain.
        NodeUnavailable: the node was away for longer than its client waits.
    """
    _check_options(options)
    chain_id = await check_chain(node, options.chain_id)
    run = _Run(db, node, options, chain_id, on_progress, on_refused, on_notice or _ignore)
    async for numbers in run.batches():
        if stop.is_set():
            break
        await run.fill(numbers)
    return run.summary()


def _check_options(options: BackfillOptions) -> None:
    if not 1 <= options.batch_blocks <= MAX_BATCH_BLOCKS:
        raise ConfigurationError(f"a batch has to hold from 1 to {MAX_BATCH_BLOCKS} blocks")
    if options.max_blocks is not None and options.max_blocks < 1:
        raise ConfigurationError("the number of blocks to fill has to be 1 or more")
    first, last = options.first_number, options.last_number
    if (first is not None and first < 0) or (last is not None and last < (first or 0)):
        raise ConfigurationError(
            "the first block has to be 0 or higher, and the last no lower than the first"
        )


class _Run:
    """The counts of one run, and its batches."""

    def __init__(
        self,
        db: Database,
        node: Node,
        options: BackfillOptions,
        chain_id: int,
        on_progress: Callable[[BackfillProgress], None] | None,
        on_refused: Callable[[RefusedItem], None] | None,
        on_notice: Callable[[str], None],
    ) -> None:
        self._db = db
        self._chain_id = chain_id
        self._options = options
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

    async def batches(self) -> AsyncGenerator[range]:
        """The missing heights, lowest first, in bounded ranges."""
        first, last = await self._ends()
        left = self._options.max_blocks
        while first <= last and (left is None or left > 0):
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
                for number in range(
                    gap.first_number, gap.last_number + 1, self._options.batch_blocks
                ):
                    end = min(gap.last_number + 1, number + self._options.batch_blocks)
                    if left is not None:
                        end = min(end, number + left)
                        left -= end - number
                    yield range(number, end)
                    if left == 0:
                        return
            # What could not be filled stays missing, and is not tried again in this run.
            first = missing[-1].last_number + 1

    async def _ends(self) -> tuple[int, int]:
        first, last = self._options.first_number, self._options.last_number
        if first is None:
            lowest = await blocks.get_earliest(self._db, chain_id=self._chain_id)
            first = 0 if lowest is None else lowest.number
        if last is None:
            highest = await blocks.get_latest(self._db, chain_id=self._chain_id)
            last = -1 if highest is None else highest.number
        return first, last

    async def _read(self, numbers: range) -> list[ReadBlock]:
        moves = 0
        while True:
            try:
                return await self._reader.read(await self._reader.by_numbers(numbers))
            except ChainMoved:
                if moves == MAX_MOVES:
                    raise
            moves += 1
            await asyncio.sleep(MOVED_DELAY_S)

    async def fill(self, numbers: range) -> None:
        read = await self._read(numbers)
        filled = await self._filler.fill(read)
        tally = self._tally
        for stored in filled.stored:
            tally.blocks += 1
            tally.transactions_seen += stored.transactions_seen
            tally.transactions_written += stored.transactions_written
            tally.already_present += stored.already_present
            tally.dead_letters += len(stored.dead_letters)
            for bad in stored.dead_letters:
                if self._on_refused is not None:
                    refused = RefusedItem(source=BACKFILL_SOURCE, item=bad.where, reason=bad.reason)
                    self._on_refused(refused)
        for conflict in filled.conflicts:
            tally.conflicts += 1
            self._notice(
                f"block {conflict.number} was not stored: it does not link with the stored block"
                f" {conflict.neighbour}; one of the two is not of the chain"
            )
        if len(read) < len(numbers):
            tally.missing_at_node += len(numbers) - len(read)
            self._notice(
                f"the node does not have block {numbers[len(read)]}: it and those after it, up"
                f" to {numbers[-1]}, stay missing"
            )
        if self._on_progress is not None:
            self._on_progress(
                BackfillProgress(
                    number=numbers[-1],
                    blocks=tally.blocks,
                    transactions_written=tally.transactions_written,
                )
            )

    def summary(self) -> BackfillSummary:
        return BackfillSummary(
            chain_id=self._chain_id,
            seconds=round(time.perf_counter() - self._started_s, 3),
            **msgspec.structs.asdict(self._tally),
        )


class _Tally(msgspec.Struct):
    """What a run counts; its fields are those of `BackfillSummary`."""

    blocks: int = 0
    transactions_seen: int = 0
    transactions_written: int = 0
    already_present: int = 0
    dead_letters: int = 0
    conflicts: int = 0
    missing_at_node: int = 0


def _ignore(_: str) -> None:
    """Stands for a callback that nobody gave."""
