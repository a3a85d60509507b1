"""The main job: blocks from files, standard input or memory to rows."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence, Sized
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb.ingest.decoding import decode_block
from whaledb.ingest.flushing import Outcome
from whaledb.ingest.ingestor import MAINNET_CHAIN_ID, Ingestor, IngestorLimits, check_chain_id
from whaledb.ingest.reading import BadItem, read_items
from whaledb.ingest.receipts import Receipts
from whaledb.ingest.sources import Content, Source, SourceRefused, open_sources
from whaledb.ingest.tally import RefusedItem, RowTally
from whaledb.ingest.traces import Traces
from whaledb.ingest.transfers import DEFAULT_MIN_VALUE_ETH, ReadBlock, check_threshold
from whaledb.ingest.writing import write_dead_letter
from whaledb.wire.quantities import Unreadable

# A wrong file is noticed before it has filled dead_letters.
MAX_BAD_ITEMS_BEFORE_A_GOOD_ONE: Final = 1_000

_T = TypeVar("_T")


class IngestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did.

    `blocks` were read and stored, or found stored. `transactions_seen` are all their
    transactions; of those and the transfers within them that are worth at least the
    threshold, `transactions_written` were added or changed and `already_present` were there
    unchanged. `dead_letters` are the bad items of this run, whether an earlier one met them
    too or not.
    """

    blocks: int
    transactions_seen: int
    transactions_written: int
    already_present: int
    dead_letters: int
    seconds: float


class IngestProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run has come. `bytes_total` is None where a source's size is not known.

    Bytes are counted as they are in the files, compressed where they are.
    """

    bytes_read: int
    bytes_total: int | None
    blocks: int
    transactions_written: int
    dead_letters: int


async def ingest_blocks(
    db: Database,
    sources: Sequence[str | Path | Content],
    *,
    chain_id: int = MAINNET_CHAIN_ID,
    min_value_eth: Decimal = DEFAULT_MIN_VALUE_ETH,
    receipts: Sequence[str | Path | Content] = (),
    traces: Sequence[str | Path | Content] = (),
    match_alerts: bool = False,
    limits: IngestorLimits | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
    on_refused: Callable[[RefusedItem], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> IngestSummary:
    """Reads blocks from files, standard input (`-`) or memory; stores what is worth keeping.

    Takes JSON-RPC replies or bare blocks with full transactions, as NDJSON, a JSON array
    or one object, plain or gzip. Blocks commit with their rows and their stream's cursor,
    in groups within `limits`, as an `Ingestor` does it, which waits out what passes by itself;
    the same input again changes nothing. Bad items go to dead_letters and the rest lands.
    Receipts, wholly read beforehand, tell success and gas used; traces, read beforehand
    too, tell of the transfers within transactions, and success where no receipt does. A
    path is read in another thread, so that the event loop goes on. With `match_alerts` new
    rows fire alerts, in the transaction that stores them; of old blocks nobody wants to be
    told.

    Raises:
        ConfigurationError: an option cannot be used.
        SourceUnavailable: a path cannot be read; if it could be told beforehand, nothing
            was written.
        SourceRefused: a source begins with too many bad items, or receipts or traces are
            too many.
        Error: what ended the ingestor; what was committed until then stays.
    """
    opened = check_request(
        sources,
        chain_id=chain_id,
        min_value_eth=min_value_eth,
        receipts=receipts,
        traces=traces,
    )
    run = _Run(db, opened, on_progress, on_refused)
    known_receipts = Receipts()
    for source in opened[len(sources) : len(sources) + len(receipts)]:
        bad_receipts = _bad_receipts(source, known_receipts)
        await run.read_beforehand(source, bad_receipts, known_receipts, wanted="receipt")
    known_traces = Traces()
    for source in opened[len(sources) + len(receipts) :]:
        bad_traces = _bad_traces(source, known_traces)
        await run.read_beforehand(source, bad_traces, known_traces, wanted="trace")
    for source in opened[: len(sources)]:
        # One ingestor for each: every source is a stream of its own.
        ingestor = Ingestor(
            db,
            stream=source.name,
            chain_id=chain_id,
            min_value_eth=min_value_eth,
            match_alerts=match_alerts,
            limits=limits,
            stop_on_signals=False,
            on_committed=partial(run.count, source),
            on_notice=on_notice,
        )
        async with ingestor:
            found = _read_blocks(source, known_receipts, known_traces if traces else None, chain_id)
            await run.put_all(source, found, ingestor)
    return run.summary()


def check_request(
    sources: Sequence[str | Path | Content],
    *,
    chain_id: int,
    min_value_eth: Decimal,
    receipts: Sequence[str | Path | Content],
    traces: Sequence[str | Path | Content] = (),
) -> list[Source]:
    """What can be told before there is a connection.

    Returns the sources, then those of receipts, then those of traces.

    Raises:
        ConfigurationError: an option cannot be used, or (SourceUnavailable) a path.
    """
    if not sources:
        raise ConfigurationError("nothing to read: name at least one file, or - for standard input")
    check_chain_id(chain_id)
    check_threshold(min_value_eth)
    return open_sources([*sources, *receipts, *traces])


class _Run:
    """The counts of one run, and how each kind of source is worked through."""

    def __init__(
        self,
        db: Database,
        sources: Sequence[Source],
        on_progress: Callable[[IngestProgress], None] | None,
        on_refused: Callable[[RefusedItem], None] | None,
    ) -> None:
        self._db = db
        self._sources = sources
        self._on_progress = on_progress
        self._on_refused = on_refused
        self._started_s = time.perf_counter()
        self._tally = RowTally()
        self._blocks_of_source = 0
        self._refused_of_source = 0

    async def read_beforehand(
        self, source: Source, bad_items: Iterator[BadItem], known: Sized, *, wanted: str
    ) -> None:
        """Reads a source of receipts or traces into what is known; keeps its bad items."""
        refused = 0
        while (bad := await _next(bad_items)) is not None:
            await self._keep(source, bad)
            refused += 1
            if not len(known):
                _check_plausible(source, refused, wanted)
        self._report()

    async def put_all(
        self, source: Source, items: Generator[ReadBlock | BadItem], ingestor: Ingestor
    ) -> None:
        """Puts the blocks of a source; ends where it begins with nothing but bad items."""
        self._blocks_of_source = self._refused_of_source = refused = 0
        try:
            while (item := await _next(items)) is not None:
                await ingestor.put(item)
                refused += isinstance(item, BadItem)
                if refused >= MAX_BAD_ITEMS_BEFORE_A_GOOD_ONE and not self._blocks_of_source:
                    await ingestor.flush()
                if not self._blocks_of_source:
                    _check_plausible(source, max(refused, self._refused_of_source), "block")
        finally:
            # Cancelled while the other thread still reads: that thread ends it.
            with suppress(ValueError):
                items.close()

    def count(self, source: Source, outcome: Outcome) -> None:
        """Counts what was committed of a source, and tells of it."""
        if outcome.stored is not None:
            self._blocks_of_source += 1
            self._tally.take([outcome.stored], source=source.given, on_refused=self._on_refused)
        if outcome.refused is not None:
            self._refused_of_source += 1
            self._tally.refuse(outcome.refused, source=source.given, on_refused=self._on_refused)
        self._report()

    async def _keep(self, source: Source, bad: BadItem) -> None:
        await write_dead_letter(self._db, source=source.name, bad=bad)
        self._tally.refuse(bad, source=source.given, on_refused=self._on_refused)
        self._report()

    def _report(self) -> None:
        if self._on_progress is None:
            return
        totals = [source.bytes_total for source in self._sources]
        known = [total for total in totals if total is not None]
        self._on_progress(
            IngestProgress(
                bytes_read=sum(source.bytes_read for source in self._sources),
                bytes_total=sum(known) if len(known) == len(totals) else None,
                blocks=self._tally.blocks,
                transactions_written=self._tally.transactions_written,
                dead_letters=self._tally.dead_letters,
            )
        )

    def summary(self) -> IngestSummary:
        return IngestSummary(
            seconds=round(time.perf_counter() - self._started_s, 3),
            **msgspec.structs.asdict(self._tally),
        )


def _check_plausible(source: Source, refused: int, wanted: str) -> None:
    if refused >= MAX_BAD_ITEMS_BEFORE_A_GOOD_ONE:
        raise SourceRefused(
            f"{source.given}: its first {refused} items hold no {wanted}, so it was read no"
            " further: is it the right file?"
        )


async def _next(items: Iterator[_T]) -> _T | None:
    """The next item, None after the last, waited for in another thread.

    The thread is a daemon: a run that is stopped does not wait for a silent pipe.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[_T | None] = loop.create_future()

    def settle(item: _T | None, failure: BaseException | None) -> None:
        if arrived.cancelled():
            return
        if failure is None:
            arrived.set_result(item)
        else:
            arrived.set_exception(failure)

    def read() -> None:
        item: _T | None = None
        failure: BaseException | None = None
        try:
            item = next(items, None)
        except BaseException as error:
            failure = error
        # The loop may be closed by now; then nobody waits for the item.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, item, failure)

    threading.Thread(target=read, name="ingest-reader", daemon=True).start()
    return await arrived


def _read_blocks(
    source: Source, receipts: Receipts, traces: Traces | None, chain_id: int
) -> Generator[ReadBlock | BadItem]:
    for item in read_items(source):
        if isinstance(item, BadItem):
            yield item
            continue
        try:
            block = decode_block(item, chain_id=chain_id)
        except Unreadable as refusal:
            yield BadItem(item.where, bytes(item.data), str(refusal))
        else:
            yield ReadBlock(block, receipts, traces)


def _bad_receipts(source: Source, receipts: Receipts) -> Iterator[BadItem]:
    for item in read_items(source):
        if isinstance(item, BadItem):
            yield item
        else:
            yield from receipts.add(item)


def _bad_traces(source: Source, traces: Traces) -> Iterator[BadItem]:
    for item in read_items(source):
        if isinstance(item, BadItem):
            yield item
        else:
            yield from traces.add(item)
    yield from traces.finish()
