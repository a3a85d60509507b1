"""The worker kit: blocks are put one by one and committed in groups."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from types import TracebackType
from typing import Final

import msgspec

from typedsql.database import Database
from typedsql.errors import CodeError, ConfigurationError, TimeoutExpired
from whaledb.ingest.backlog import Backlog, Entry
from whaledb.ingest.flushing import Flusher, Outcome
from whaledb.ingest.payloads import Payload, read_payload, size_of
from whaledb.ingest.sources import MAX_NAME_BYTES
from whaledb.ingest.stopping import StopSignals
from whaledb.ingest.storing import BlockStore
from whaledb.ingest.tally import RowTally
from whaledb.ingest.transfers import (
    DEFAULT_MIN_VALUE_ETH,
    ReadBlock,
    check_threshold,
    list_transfers,
)
from whaledb.ingest.writing import MAX_BLOCKS_AT_ONCE
from whaledb.wire.quantities import LARGEST_BIGINT

MAINNET_CHAIN_ID: Final = 1


class DrainIncomplete(TimeoutExpired):
    """The time to stop in was over before all that was put was committed: put it again."""


class IngestorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds an `Ingestor`.

    A group is committed once it has `max_flush_blocks` blocks or `max_flush_rows` rows, or its
    first block is `max_age_s` old. A single block may have more rows: it is never split.
    `put` waits while `max_queue_blocks` blocks, or payloads of `max_queue_bytes`, are not
    committed; decoded, a block takes some times the memory of its payload. What passes by
    itself, such as a lost connection, is waited out for `retry_limit_s`; the try under way may
    still wait the database's `acquire_timeout_s` for a server. After `stop` there are
    `drain_limit_s` for all that is left, less than the 30 s that Kubernetes gives.
    """

    max_flush_blocks: int = 32
    max_flush_rows: int = 5_000
    max_age_s: float = 0.2
    max_queue_blocks: int = 256
    max_queue_bytes: int = 64 * 1024 * 1024
    retry_limit_s: float = 60.0
    drain_limit_s: float = 25.0

    def check(self) -> None:
        """Raises ConfigurationError for a limit that cannot be kept."""
        for name, value in msgspec.structs.asdict(self).items():
            kinds = (int, float) if name.endswith("_s") else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise ConfigurationError(
                    f"an ingestor's {name} has to be a number, got {type(value).__name__}"
                )
        counts = (
            self.max_flush_blocks,
            self.max_flush_rows,
            self.max_queue_blocks,
            self.max_queue_bytes,
        )
        times = (self.max_age_s, self.retry_limit_s, self.drain_limit_s)
        if min(counts) < 1 or self.max_flush_blocks > MAX_BLOCKS_AT_ONCE:
            raise ConfigurationError(
                "an ingestor's limits of blocks, rows and bytes have to be 1 or more, and"
                f" max_flush_blocks at most {MAX_BLOCKS_AT_ONCE}"
            )
        if not all(math.isfinite(one) and one >= 0 for one in times):
            raise ConfigurationError("an ingestor's times have to be seconds, 0 or more")


class IngestorStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an `Ingestor` did, and what it has still to do.

    Blocks and transactions are counted as by `ingest_blocks`. `commits` are transactions,
    `retries` those that were tried again, `splits` groups that were divided as the database
    refused one of their blocks. Queued is what is not committed yet; `oldest_age_s` is how
    long the first of it has waited.
    """

    blocks: int
    transactions_seen: int
    transactions_written: int
    already_present: int
    dead_letters: int
    commits: int
    retries: int
    splits: int
    blocks_queued: int
    bytes_queued: int
    oldest_age_s: float


class Ingestor:
    """Stores the blocks of one stream while its `async with` block runs.

    `put` returns once a block is queued. Groups of whole blocks commit together with the
    stream's cursor, so whatever happens the database holds whole blocks, and the cursor is at
    one of them; a bad item becomes a dead letter and the others land. Everything is a merge:
    to put a block again changes nothing.

    Leaving the block commits what is queued. The first SIGTERM or SIGINT does too: it ends the
    block where that waits, as a cancellation that goes no further, and the program goes on
    behind it. `stop_on_signals` False leaves signals alone; `stop` does the same. A failure
    that lasts ends the block likewise, and is raised by it and by every `put` and `flush`.
    Where the block is cancelled from outside, what is queued is dropped at once.

    Transfers worth less than `min_value_eth` are left out; with `match_alerts` new rows fire
    alerts. `on_committed` is told of each item after its commit, `on_notice` of what is waited
    for.

    Raises:
        ConfigurationError: an argument cannot be used.
        DrainIncomplete: at the end, where the time to stop in was not enough.
    """

    def __init__(
        self,
        db: Database,
        *,
        stream: str,
        chain_id: int = MAINNET_CHAIN_ID,
        min_value_eth: Decimal = DEFAULT_MIN_VALUE_ETH,
        match_alerts: bool = False,
        limits: IngestorLimits | None = None,
        stop_on_signals: bool = True,
        on_committed: Callable[[Outcome], None] | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self._limits = limits = _checked_limits(limits)
        check_threshold(min_value_eth)
        check_chain_id(chain_id)
        _check_stream(stream)
        self._chain_id = chain_id
        self._min_value_eth = min_value_eth
        store = BlockStore(
            db,
            stream=stream,
            chain_id=chain_id,
            min_value_eth=min_value_eth,
            match_alerts=match_alerts,
        )
        self._flusher = Flusher(
            store, retry_limit_s=limits.retry_limit_s, notice=on_notice or _unheard
        )
        self._backlog = Backlog(
            max_blocks=limits.max_queue_blocks,
            max_bytes=limits.max_queue_bytes,
            max_flush_blocks=limits.max_flush_blocks,
            max_flush_rows=limits.max_flush_rows,
            max_age_s=limits.max_age_s,
        )
        self._on_committed = on_committed
        self._signals = StopSignals(self.stop) if stop_on_signals else None
        self._tally = RowTally()
        self._flushing: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._is_open = False
        self._body: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._has_cancelled = False
        self._stop_s: float | None = None
        self._draining: asyncio.Timeout | None = None

    @property
    def stopping(self) -> bool:
        """Whether a signal, or `stop`, asked for the end."""
        return self._stop_s is not None

    async def put(
        self,
        payload: Payload,
        *,
        receipts: bytes | str | None = None,
        traces: bytes | str | None = None,
    ) -> asyncio.Future[None]:
        """Queues the blocks of a payload; waits while the queue is full.

        A payload is JSON: a JSON-RPC reply or a bare block with full transactions, or an array
        of either; or a block that was decoded before. `receipts` and `traces` are replies for
        it, as eth_getBlockReceipts and trace_block or debug_traceBlockByHash give them. What
        cannot be read becomes a dead letter. Decoding takes the event loop some milliseconds
        for a full block of mainnet.

        Returns a future that is done once all of it is committed, for those who acknowledge
        what they read; others let it go. Only what is committed survives a crash.

        Raises:
            CodeError: outside the `async with` block, or a payload of another type.
            SourceRefused: there are more receipts or traces than are held in memory.
            Error: what ended the ingestor.
        """
        self._check_open()
        committed: asyncio.Future[None] | None = None
        for item in read_payload(
            payload, chain_id=self._chain_id, receipts=receipts, traces=traces
        ):
            rows = (
                len(list_transfers(item, min_value_eth=self._min_value_eth))
                if isinstance(item, ReadBlock)
                else 1
            )
            entry = Entry(item, size_bytes=size_of(item), row_count=rows)
            await self._backlog.put(entry)
            committed = entry.committed
        if committed is None:
            committed = asyncio.get_running_loop().create_future()
            committed.set_result(None)
        return committed

    async def flush(self) -> None:
        """Commits what was put until now without waiting for more, and returns after that.

        Raises:
            CodeError: outside the `async with` block.
            Error: what ended the ingestor.
        """
        self._check_open()
        await self._backlog.flush()

    def stop(self) -> None:
        """Ends the `async with` block as a signal does. From the event loop's thread only."""
        if self._stop_s is not None:
            return
        self._stop_s = asyncio.get_running_loop().time()
        if self._draining is not None:
            self._draining.reschedule(self._stop_s + self._limits.drain_limit_s)
        self._end_body()

    def statistics(self) -> IngestorStatistics:
        """The counts so far."""
        return IngestorStatistics(
            **msgspec.structs.asdict(self._tally),
            commits=self._flusher.commits,
            retries=self._flusher.retries,
            splits=self._flusher.splits,
            blocks_queued=len(self._backlog),
            bytes_queued=self._backlog.size_bytes,
            oldest_age_s=round(self._backlog.oldest_age_s, 3),
        )

    async def __aenter__(self) -> "Ingestor":
        if self._flushing is not None:
            raise CodeError("an ingestor is used once: make another one")
        self._body = asyncio.current_task()
        self._cancelling = self._body.cancelling() if self._body else 0
        self._flushing = asyncio.create_task(self._flush_groups())
        self._is_open = True
        if self._signals is not None:
            self._signals.install()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        body, self._body = self._body, None
        is_ours = is_outside = False
        if self._has_cancelled and body is not None:
            if error is None:
                # Asked for by the block itself, and not come to it yet.
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
            is_outside = body.uncancel() > self._cancelling
            is_ours = isinstance(error, asyncio.CancelledError) and not is_outside
        self._is_open = False
        try:
            if not is_outside and (is_ours or error is None or isinstance(error, Exception)):
                await self._drain()
        finally:
            await self._end_flushing()
            if self._signals is not None:
                self._signals.restore()
        if is_outside and error is None:
            raise asyncio.CancelledError
        if self._failure is not None and error is not self._failure and not is_outside:
            raise self._failure
        return is_ours

    async def _flush_groups(self) -> None:
        try:
            while group := await self._backlog.next_group():
                outcomes = await self._flusher.flush([entry.item for entry in group])
                self._backlog.drop(group)
                for outcome in outcomes:
                    self._count(outcome)
        except Exception as failure:
            self._failure = failure
            self._backlog.fail(failure)
            self._end_body()

    def _count(self, outcome: Outcome) -> None:
        if outcome.stored is not None:
            self._tally.take([outcome.stored], source="", on_refused=None)
        else:
            self._tally.dead_letters += 1
        if self._on_committed is not None:
            self._on_committed(outcome)

    def _end_body(self) -> None:
        """Wakes the block from whatever it waits for, as a silent source."""
        if self._body is not None and not self._has_cancelled:
            self._has_cancelled = True
            self._body.cancel()

    async def _drain(self) -> None:
        """Waits until everything is committed, or failed; after `stop` so long only."""
        if self._flushing is None:
            return
        self._backlog.close()
        try:
            async with asyncio.timeout(None) as self._draining:
                if self._stop_s is not None:
                    self._draining.reschedule(self._stop_s + self._limits.drain_limit_s)
                await asyncio.wait({self._flushing})
        except TimeoutError:
            self._failure = DrainIncomplete(
                f"{len(self._backlog)} blocks were put and are not stored: the"
                f" {self._limits.drain_limit_s:g} s to stop in were over; put them again"
            )
        finally:
            self._draining = None

    async def _end_flushing(self) -> None:
        if self._flushing is None:
            return
        self._flushing.cancel()
        await asyncio.wait({self._flushing})
        if len(self._backlog) and self._failure is None:
            self._backlog.fail(CodeError("the ingestor was cancelled before this was stored"))
        elif self._failure is not None:
            self._backlog.fail(self._failure)

    def _check_open(self) -> None:
        if not self._is_open:
            raise CodeError("an ingestor takes blocks inside its `async with` block only")


def _checked_limits(limits: object) -> IngestorLimits:
    if limits is None:
        return IngestorLimits()
    if not isinstance(limits, IngestorLimits):
        raise ConfigurationError(
            f"an ingestor's limits are given as IngestorLimits(...), got {type(limits).__name__}"
        )
    limits.check()
    return limits


def _check_stream(stream: object) -> None:
    if not isinstance(stream, str) or not 1 <= len(stream.encode()) <= MAX_NAME_BYTES:
        raise ConfigurationError(
            f"a stream's name has to be a text of 1 to {MAX_NAME_BYTES} bytes, such as 'my-node'"
        )


def check_chain_id(chain_id: object) -> None:
    """Raises ConfigurationError for what is no number that a chain can have."""
    if not isinstance(chain_id, int) or not 1 <= chain_id <= LARGEST_BIGINT:
        raise ConfigurationError(f"the chain id has to be a number from 1 to {LARGEST_BIGINT}")


def _unheard(_: str) -> None:
    """Nobody wants to be told."""
