"""Runners: a named statement bound to what it returns.

A generated module binds each statement of its .sql file to one of these; which one follows
from the statement's suffix and directives.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from operator import itemgetter
from typing import Any, Generic, Protocol, Self, TypeVar

import asyncpg

from typedsql.decoding import Decoders, row_builder, value_decoder
from typedsql.errors import NoRowFound
from typedsql.statements import Statement

R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Executor(Protocol):
    """What a generated function takes first: a `Database` or a `Transaction`.

    `read` makes what the caller gets of what the driver returned. It is called once the
    statement has succeeded, and what it raises is no failure of the statement.
    """

    # What `async def` gives: a transaction hands on the coroutines of its session, and the
    # runners below those of the executor. Each coroutine around another costs every call.

    def fetch_all(
        self,
        statement: "Statement",
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> Coroutine[Any, Any, R]: ...

    def fetch_one(
        self,
        statement: "Statement",
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> Coroutine[Any, Any, R]:
        """The first row, None where there is none."""
        ...

    def execute(
        self, statement: "Statement", arguments: Sequence[object]
    ) -> Coroutine[Any, Any, int]: ...

    def batches(
        self, statement: "Statement", arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        """The rows of a stream, so many at a time; closing it releases what it holds."""
        ...

    def run_batched(self, batched: "Batched[R]", arguments: tuple[object, ...]) -> Awaitable[R]:
        """By itself, unless the executor runs concurrent calls together."""
        return batched.runner.run(self, *arguments)


def as_fetched(fetched: R) -> R:
    """Reads nothing: for a caller that takes the driver's records as they are."""
    return fetched


class _Rows(Generic[R]):
    """A statement whose rows are built as `row`; how many there are is the subclass's."""

    def __init__(
        self, statement: Statement, row: Callable[..., R], decoders: Decoders | None = None
    ) -> None:
        self._statement = statement
        self._shape = (row, decoders)
        self._build = row_builder(row, decoders or {}, statement)

    def bound_to(self, statement: Statement) -> Self:
        """The same for a statement that returns the same columns."""
        row, decoders = self._shape
        return type(self)(statement, row, decoders)


class Many(_Rows[R]):
    """A statement that returns any number of rows."""

    def __init__(
        self, statement: Statement, row: Callable[..., R], decoders: Decoders | None = None
    ) -> None:
        super().__init__(statement, row, decoders)
        build = self._build
        # Rows whose values are taken as they come are spared the calls of a builder.
        self._read: Callable[[list[asyncpg.Record]], list[R]] = (
            (lambda records: [build(record) for record in records])
            if decoders
            else (lambda records: [row(*record) for record in records])
        )

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, list[R]]:
        return db.fetch_all(self._statement, arguments, self._read)


class One(_Rows[R]):
    """A statement that returns at most one row."""

    def __init__(
        self, statement: Statement, row: Callable[..., R], decoders: Decoders | None = None
    ) -> None:
        super().__init__(statement, row, decoders)
        build = self._build
        # A row whose values are taken as they come is spared the call of a builder.
        self._read: Callable[[asyncpg.Record | None], R | None] = (
            (lambda record: None if record is None else build(record))
            if decoders
            else (lambda record: None if record is None else row(*record))
        )

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, R | None]:
        return db.fetch_one(self._statement, arguments, self._read)


class ExactlyOne(_Rows[R]):
    """A statement of which a row always comes back; where none does, NoRowFound is raised."""

    def __init__(
        self, statement: Statement, row: Callable[..., R], decoders: Decoders | None = None
    ) -> None:
        super().__init__(statement, row, decoders)
        build = self._build

        def read(record: asyncpg.Record | None) -> R:
            if record is None:
                raise no_row(statement)
            return build(record)

        self._read = read

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, R]:
        return db.fetch_one(self._statement, arguments, self._read)


class _FirstColumn(Generic[R]):
    """A statement whose first column is read; whether there is a row is the subclass's."""

    def __init__(self, statement: Statement, decoder: Any = None) -> None:
        self._statement = statement
        self._decoder = decoder
        self._decode = None if decoder is None else value_decoder(decoder, statement)

    def bound_to(self, statement: Statement) -> Self:
        """The same for a statement that returns the same columns."""
        return type(self)(statement, self._decoder)

    def _value(self, record: asyncpg.Record) -> Any:
        value: Any = record[0]
        return value if self._decode is None else self._decode(value)


class Value(_FirstColumn[R]):
    """A statement that returns one value, None for NULL and for no row at all."""

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, R | None]:
        return db.fetch_one(self._statement, arguments, self._read)

    def _read(self, record: asyncpg.Record | None) -> R | None:
        if record is None:
            return None
        value: R | None = self._value(record)
        return value


class ExactlyOneValue(_FirstColumn[R]):
    """A statement of which a value always comes back; without a row NoRowFound is raised.

    The value is None only where `R` says so.
    """

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, R]:
        return db.fetch_one(self._statement, arguments, self._read)

    def _read(self, record: asyncpg.Record | None) -> R:
        if record is None:
            raise no_row(self._statement)
        value: R = self._value(record)
        return value


class Affected:
    """A statement that returns how many rows it inserted, changed or deleted."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def bound_to(self, statement: Statement) -> Self:
        """The same for a statement that returns the same columns."""
        return type(self)(statement)

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, int]:
        return db.execute(self._statement, arguments)

    def _read(self, record: asyncpg.Record | None) -> int:
        """The count in a row of a statement that stands for many calls of this one."""
        return 0 if record is None else record[0]


class Single(Protocol[T_co]):
    """A runner of a statement that gives one result: a row, a value or a count."""

    _statement: Statement

    def run(self, db: Executor, *arguments: object) -> Coroutine[Any, Any, T_co]: ...

    def _read(self, record: asyncpg.Record | None, /) -> T_co: ...


class Batched(Generic[R]):
    """A statement of which concurrent calls on a `Database` become one statement (``@batch``).

    `statement` takes an array for each parameter of the runner's own, and returns the 1-based
    position of a call and then what the call alone would have returned; a call without a row
    there found or wrote none. `key` are the parameters of a write of which two calls are never
    under way together; None for a read.
    """

    def __init__(
        self, runner: Single[R], statement: Statement, *, key: Sequence[str] | None = None
    ) -> None:
        self.runner = runner
        self.statement = statement
        self.single: Statement = runner._statement  # pyright: ignore[reportPrivateUsage]
        self.read: Callable[[Any], R] = runner._read  # pyright: ignore[reportPrivateUsage]
        positions = {name: index for index, name in enumerate(self.single.parameters)}
        self.key: Callable[[tuple[object, ...]], object] | None = (
            None if key is None else itemgetter(*(positions[name] for name in key))
        )
        self._order = [positions[name] for name in statement.parameters]

    def run(self, db: Executor, *arguments: object) -> Awaitable[R]:
        return db.run_batched(self, arguments)

    def arrays(self, calls: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
        """The arguments of the statement that stands for these calls."""
        transposed = list(zip(*calls, strict=True))
        return [transposed[index] for index in self._order]


class RowStream(Generic[R]):
    """Rows on their way through a server cursor, a batch of them in memory at a time.

    Iterate over it with ``async for``, once. On a `Database` it holds a connection and a
    read-only transaction from the first row on, in a `Transaction` a cursor: until the last
    row, an error, or the end of ``async with rows:``. That is the way to stop early: without
    it a ``break`` releases them as soon as nothing refers to the stream any more.
    """

    __slots__ = ("_batches", "_build", "_records")

    def __init__(
        self,
        batches: AsyncGenerator[list[asyncpg.Record], None],
        build: Callable[[asyncpg.Record], R],
    ) -> None:
        # An event loop closes generators that are dropped, and with it what they hold: there
        # is nothing between this object and that generator that could keep it alive.
        self._batches = batches
        self._build = build
        self._records: Iterator[asyncpg.Record] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        record = next(self._records, None)
        if record is None:
            self._records = iter(await anext(self._batches))
            record = next(self._records)
        try:
            return self._build(record)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Release what the stream holds; nothing more comes from it. Any number of times."""
        self._records = iter(())
        await self._batches.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Stream(_Rows[R]):
    """A statement whose rows come through a server cursor, in bounded memory."""

    def run(self, db: Executor, *arguments: object) -> RowStream[R]:
        return RowStream(db.batches(self._statement, arguments), self._build)


def no_row(statement: Statement) -> NoRowFound:
    """The error of a statement that promises a row."""
    name = statement.name
    return NoRowFound(f"{name}: no row came back, and it promises one", query=name)
