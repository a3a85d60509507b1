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
    Set,
)
from itertools import islice
from typing import Any, Final, Generic, TypeVar, cast

from typedsql.bulk.chunks import Filling, in_common
from typedsql.bulk.limits import Limits
from typedsql.bulk.report import MergeReport, OnProgress, OnRejected, Tally
from typedsql.bulk.rows import (
    Described,
    Refusals,
    RowReader,
    describe,
)
from typedsql.bulk.storing import Stored, Target
from typedsql.database import Database
from typedsql.errors import CodeError, ConnectionLost, TransientError
from typedsql.sqlstate import translate
from typedsql.statements import Statement

R = TypeVar("R")
T = TypeVar("T")

RETRY_DELAY_S: Final = 0.05
"""Before a chunk is tried again, times the number of the try and some chance."""


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
        if not isinstance(cast("object", rows), Iterable | AsyncIterable):
            raise CodeError(
                f"{self.statement.name}: expected an iterable of {self.row.__name__}, got "
                f"{type(rows).__name__}"
            )
        merge = _Merge(self, db, found, on_progress, on_rejected)
        try:
            try:
                await merge.run(rows)
            finally:
                await _close(rows)
        except Exception as failure:
            # What the rows came from raised too.
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
        reader = RowReader(bound.statement.name, bound.columns, bound.key, described)
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                await self._fill(rows, reader, group)
        except BaseExceptionGroup as failures:
            # One is enough: the others ended because of it, or for the same reason.
            failure = failures.exceptions[0]
        if failure is not None:
            raise failure  # Here, so that it keeps its own cause.

    async def _describe(self) -> Described:
        async with self._db.bulk_transaction() as transaction:
            try:
                return await describe(
                    transaction.own_connection,
                    self._bound.table,
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
        reader: RowReader,
        group: asyncio.TaskGroup,
    ) -> None:
        kind = self._bound.row
        filling: Filling[Any] = Filling(self._limits)
        # More would wait for a connection, and have chunks in memory meanwhile.
        count = min(self._limits.lanes, self._db.statistics().bulk.max_size)
        lanes = _Lanes(self, self._target(reader), count, group)
        refused: Refusals = []
        async for some in _parts(rows, filling):
            for other in set(map(type, some)) - {kind}:
                raise CodeError(
                    f"{self._bound.statement.name}: expected rows of type {kind.__name__}, got "
                    f"{other.__name__}"
                )
            read = reader.read(some, refused)
            filling.add_all(read.keys, read.rows, read.size_bytes, reader.size_of)
            while filling.full or len(refused) >= self._limits.chunk_rows:
                await lanes.store(*filling.cut(), refused)
                refused = []
        while filling or refused:
            await lanes.store(*filling.cut(), refused)
            refused = []

    async def store(
        self, rows: Sequence[Any], refused: Refusals, target: Target, *, straight: bool
    ) -> Stored:
        """One chunk, tried again where that is safe; `refused` are those that were none of it."""
        if refused and self._on_rejected is None:
            raise refused[0][1]
        if not rows:
            await self._tell(Stored(inserted=0), refused)
            return Stored(inserted=0)

        async def commit() -> tuple[Stored, Refusals]:
            found: Refusals = []
            async with self._db.bulk_transaction() as transaction:
                stored = await target.store(transaction, rows, found, straight=straight)
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

    def _target(self, reader: RowReader) -> Target:
        bound = self._bound
        timeout_s = self._limits.chunk_timeout_s
        return Target(bound.statement, bound.table, bound.columns, reader, timeout_s)


class _Lanes:
    """Stores so many chunks at a time, in their order where they have a key in common."""

    def __init__(self, merge: _Merge, target: Target, count: int, group: asyncio.TaskGroup) -> None:
        self._merge = merge
        self._group = group
        self._target = target
        self._free = asyncio.Semaphore(count)
        # One more is ready, so that no lane waits for rows to be read.
        self._places = asyncio.Semaphore(count + 1)
        self._alone = count == 1
        self._under_way: dict[asyncio.Task[None], Set[Any]] = {}
        self._straight = True

    async def store(self, keys: Set[Any], rows: Sequence[Any], refused: Refusals) -> None:
        """Have a chunk stored; waits until there is a place for it."""
        await self._places.acquire()
        before = [task for task, other in self._under_way.items() if in_common(other, keys)]
        task = self._group.create_task(self._store(rows, refused, before))
        if not self._alone:
            # A single lane keeps their order by itself.
            self._under_way[task] = keys
            task.add_done_callback(self._under_way.pop)

    async def _store(
        self, rows: Sequence[Any], refused: Refusals, before: "Sequence[asyncio.Task[None]]"
    ) -> None:
        if before:
            await asyncio.wait(before)
            if any(task.cancelled() or task.exception() is not None for task in before):
                return  # What they raised the group tells.
        # Neither is released where this ends with an error: nothing else is to begin then, until
        # the group, which tells the error, has cancelled all.
        await self._free.acquire()
        straight = self._straight
        stored = await self._merge.store(rows, refused, self._target, straight=straight)
        # Where rows were there already there will be more, until a chunk is all new again.
        self._straight = not stored.collided
        self._free.release()
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


async def _parts(
    rows: Iterable[Any] | AsyncIterable[Any], filling: Filling[Any]
) -> AsyncIterator[list[Any]]:
    """The rows of either kind of iterable, a few at a time; between them others have their turn."""
    part: list[Any]
    if isinstance(rows, AsyncIterable):
        part = []
        async for row in rows:
            part.append(row)
            if len(part) >= filling.room_rows:
                yield part
                part = []
        if part:
            yield part
        return
    left = iter(rows)
    while part := list(islice(left, filling.room_rows)):
        yield part
        await asyncio.sleep(0)
