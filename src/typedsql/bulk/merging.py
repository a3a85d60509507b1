"""A whole merge: rows to lanes, lanes to chunks, chunks to transactions; see `typedsql.bulk`."""

import asyncio
import inspect
import random
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, cast

from typedsql.bulk.chunks import Filling
from typedsql.bulk.limits import Limits
from typedsql.bulk.report import MergeReport, OnProgress, OnRejected, Tally
from typedsql.bulk.rows import (
    Described,
    Refusals,
    RowReader,
    Sound,
    describe,
    quoted,
    sizer_of,
    split_table,
)
from typedsql.bulk.storing import Stored, Target
from typedsql.database import Database
from typedsql.errors import CodeError, ConnectionLost, Error, TransientError
from typedsql.sqlstate import translate
from typedsql.statements import Statement

R = TypeVar("R")
T = TypeVar("T")

RETRY_DELAY_S: Final = 0.05
"""Before a chunk is tried again, times the number of the try and some chance."""
YIELD_ROWS: Final = 256
"""After which many rows of a synchronous iterable the event loop gets its turn."""


class BulkMerge(Generic[R]):
    """A statement of @staging, bound to the Struct of the rows that it merges."""

    def __init__(
        self, statement: Statement, row: Callable[..., R], *, table: str, key: tuple[str, ...]
    ) -> None:
        self.statement = statement
        struct: Any = row
        self.row = struct
        self.table = table
        self.key = key
        self.columns: tuple[str, ...] = struct.__struct_fields__

    async def run(
        self,
        db: Database,
        rows: Iterable[R] | AsyncIterable[R],
        on_progress: OnProgress | None,
        on_rejected: OnRejected[R] | None,
        limits: Mapping[str, Any],
    ) -> MergeReport:
        """Merge the rows; `typedsql.bulk` says what holds and what it raises."""
        found = Limits.of(limits)
        if not isinstance(cast("object", db), Database):
            raise CodeError(
                f"{self.statement.name}: a merge has transactions of its own: give it the "
                "database, not a transaction"
            )
        merge = _Merge(self, db, found, on_progress, on_rejected)
        try:
            try:
                await merge.run(rows)
            finally:
                await _close(rows)
        except Error as failure:
            stored = merge.tally.report()
            failure.add_note(
                f"{self.statement.name}: before that {stored.inserted} rows were inserted and "
                f"{stored.updated} updated; merging the same rows again is safe"
            )
            raise
        return merge.tally.report()


class _Merge:
    def __init__(
        self,
        bound: BulkMerge[Any],
        db: Database,
        limits: Limits,
        on_progress: OnProgress | None,
        on_rejected: OnRejected[Any] | None,
    ) -> None:
        self._bound = bound
        self._db = db
        self._limits = limits
        self._on_progress = on_progress
        self._on_rejected = on_rejected
        self._telling = asyncio.Lock()
        self.tally = Tally()

    async def run(self, rows: Iterable[Any] | AsyncIterable[Any]) -> None:
        described = await self._patiently(self._describe)
        bound = self._bound
        # More would wait for a connection, and have chunks in memory meanwhile.
        count = min(self._limits.lanes, self._db.statistics().bulk.max_size)
        lanes = [
            _Lane(self, RowReader(bound.statement.name, bound.columns, described))
            for _ in range(count)
        ]
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                await self._fill(rows, lanes, sizer_of(bound.columns, described.kinds), group)
        except BaseExceptionGroup as failures:
            # One is enough: the others ended because of it, or for the same reason.
            failure = failures.exceptions[0]
        if failure is not None:
            raise failure  # Here, so that it keeps its own cause.

    async def _describe(self) -> Described:
        schema, name = split_table(self._bound.table)
        async with self._db.bulk_transaction() as transaction:
            try:
                return await describe(
                    transaction.driver_connection,
                    f"{quoted(schema)}.{quoted(name)}",
                    self._bound.columns,
                )
            except Exception as failure:
                error = translate(failure, query=self._bound.statement.name)
                if error is None:
                    raise
                raise error from failure

    async def _fill(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        lanes: Sequence["_Lane"],
        size: Callable[[Any], int],
        group: asyncio.TaskGroup,
    ) -> None:
        key_of: Callable[[Any], Any] = attrgetter(*self._bound.key)
        kind = self._bound.row
        count = len(lanes)
        async for row in _each(rows):
            if type(row) is not kind:
                raise CodeError(
                    f"{self._bound.statement.name}: expected rows of type {kind.__name__}, got "
                    f"{type(row).__name__}"
                )
            key = key_of(row)
            try:
                lane = lanes[hash(key) % count]
            except TypeError:
                # A value that has no place in a key, which the look at its type finds.
                key, lane = id(row), lanes[0]
            lane.filling.add(key, row, size(row))
            while lane.filling.full:
                await lane.flush(group)
        for lane in lanes:
            while lane.filling:
                await lane.flush(group)

    async def store(
        self, sound: Sound, refused: Refusals, target: Target, *, straight: bool
    ) -> Stored:
        """One chunk, tried again where that is safe; `refused` are those that were none of it."""
        if refused and self._on_rejected is None:
            raise refused[0][1]
        if not sound.rows:
            await self._tell(Stored(inserted=0), refused)
            return Stored(inserted=0)

        async def commit() -> tuple[Stored, Refusals]:
            found: Refusals = []
            async with self._db.bulk_transaction() as transaction:
                stored = await target.store(transaction, sound, found, straight=straight)
                if found and self._on_rejected is None:
                    raise found[0][1]
            return stored, found

        stored, found = await self._patiently(commit)
        await self._tell(stored, [*refused, *found])
        return stored

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns, which is tried again where its connection broke or others won."""
        attempt = 1
        while True:
            try:
                return await work()
            except (TransientError, ConnectionLost):
                if attempt >= self._limits.attempts:
                    raise
                chance = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                await asyncio.sleep(RETRY_DELAY_S * attempt * chance)
                attempt += 1

    async def _tell(self, stored: Stored, refused: Refusals) -> None:
        tally = self.tally
        tally.inserted += stored.inserted
        tally.updated += stored.updated
        tally.unchanged += stored.unchanged
        tally.rejected += len(refused)
        async with self._telling:
            for row, error in refused:
                await _called(self._on_rejected, row, error)
            if self._on_progress is not None:
                await _called(self._on_progress, tally.report())

    def target(self) -> Target:
        bound = self._bound
        return Target(bound.statement, bound.table, bound.columns, self._limits.chunk_timeout_s)

    def filling(self) -> Filling[Any]:
        return Filling(self._limits)


class _Lane:
    """Where all rows of a key go: a chunk is filled while those before it are stored in turn."""

    def __init__(self, merge: _Merge, reader: RowReader) -> None:
        self._merge = merge
        self._reader = reader
        self._target = merge.target()
        self._task: asyncio.Task[None] | None = None
        # One is stored and one is ready to be, so that no lane waits for the rows of another.
        self._places = asyncio.Semaphore(2)
        self._straight = True
        self.filling = merge.filling()

    async def flush(self, group: asyncio.TaskGroup) -> None:
        """Have stored what was filled, after the chunks before it; waits where two are left."""
        refused: Refusals = []
        # Before the wait: the server need not wait for it then.
        sound = self._reader.read(self.filling.cut(), refused)
        await self._places.acquire()
        self._task = group.create_task(self._store(sound, refused, self._task))

    async def _store(
        self, sound: Sound, refused: Refusals, before: "asyncio.Task[None] | None"
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
            if before.cancelled() or before.exception() is not None:
                return  # What it raised the group tells.
        straight = self._straight
        stored = await self._merge.store(sound, refused, self._target, straight=straight)
        # Where rows were there already there will be more, until a chunk is all new again.
        self._straight = not stored.collided
        self._places.release()


async def _called(callback: Callable[..., Any] | None, *arguments: object) -> None:
    if callback is None:
        return
    try:
        result = callback(*arguments)
        if inspect.isawaitable(result):
            await result
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # A task group would take it for the end of this task alone, and the merge would go on
        # without the chunks behind it.
        raise CodeError("a callback of a merge was cancelled by what it awaited") from cancelled


async def _close(rows: object) -> None:
    """End a generator or a stream of rows, which may hold a connection, and be nobody else's."""
    opened: Any = rows
    if isinstance(rows, Generator):
        opened.close()
    elif hasattr(rows, "aclose"):
        await opened.aclose()


async def _each(rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Of either kind of iterable; a synchronous one lets others have their turn."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
        return
    for number, row in enumerate(rows, start=1):
        yield row
        if number % YIELD_ROWS == 0:
            await asyncio.sleep(0)
