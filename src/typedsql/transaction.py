"""Statements on one connection, and the transactions they run in."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NoReturn, Self, TypeVar

import asyncpg

from typedsql.arguments import UNGUARDED, Guards, fit_arguments
from typedsql.driver_connection import set_idle_limit
from typedsql.errors import CodeError
from typedsql.outcome import Mark, mark
from typedsql.project import Project
from typedsql.query import Executor
from typedsql.sqlstate import is_stale_plan, translate
from typedsql.statements import Statement
from typedsql.suspects import Given
from typedsql.verify import check_statement

R = TypeVar("R")

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

ROLLBACK_TIMEOUT_S = 5.0
CURSOR_BATCH_ROWS = 500
"""Rows of a stream that are in memory at once, beside the one in use."""
CLOSE_TIMEOUT_S = 5.0


class Verified(dict[Statement, Guards]):
    """The statements that were compared with their analysis, and what to look at at each call.

    `binary_numeric`: whether their connections are those of `codecs.install_bulk`.
    """

    def __init__(self, *, binary_numeric: bool = False) -> None:
        super().__init__()
        self.binary_numeric = binary_numeric


class Session:
    """Runs statements on one connection and turns failures into this package's errors."""

    __slots__ = ("_connection", "_project", "_verified", "abandoned", "commits", "failed", "lent")

    def __init__(self, connection: Any, verified: Verified, project: Project) -> None:
        # Any: asyncpg's stubs tell a connection from a pooled one, and both serve here.
        self._connection = connection
        self._verified = verified
        self._project = project
        self.commits = True
        """Whether each statement is a transaction of its own, as none is open."""
        self.failed: BaseException | None = None
        """Why the open transaction, or its innermost savepoint, can only be rolled back."""
        self.lent = False
        """Whether a user had the driver's connection, and may have set what outlives a COMMIT."""
        self.abandoned: list[Any] = []
        """Cursors that nobody reads any more, to be closed before the next statement."""

    # Called for each row that a worker handles: what can be spared between a generated function
    # and the driver is, such as a coroutine around another. tests/measure/calls.py measures it.

    async def _find_guards(self, statement: Statement, arguments: Sequence[object]) -> Guards:
        """What to look at in the arguments; asks the server where it is not known yet."""
        if self.abandoned:
            await self._close_abandoned(statement, arguments)
        guards = self._verified.get(statement)
        if guards is None:
            try:
                guards = await check_statement(
                    self._connection,
                    statement,
                    self._project,
                    binary_numeric=self._verified.binary_numeric,
                )
            except (Exception, asyncio.CancelledError) as failure:
                self._refuse(failure, statement, arguments, sent=False)
            self._verified[statement] = guards
        return guards

    async def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> R:
        guards = self._verified.get(statement)
        if guards is None or self.abandoned:
            guards = await self._find_guards(statement, arguments)
        fitted = fit_arguments(guards, arguments, statement)
        try:
            rows: list[asyncpg.Record] = await self._connection.fetch(
                statement.sql, *fitted, timeout=statement.timeout_s
            )
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)
        return read(rows)

    async def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> R:
        guards = self._verified.get(statement)
        if guards is None or self.abandoned:
            guards = await self._find_guards(statement, arguments)
        fitted = fit_arguments(guards, arguments, statement)
        try:
            row: asyncpg.Record | None
            if statement.timeout_s is None:
                row = await self._connection.fetchrow(statement.sql, *fitted)
            else:
                row = await self._connection.fetchrow(
                    statement.sql, *fitted, timeout=statement.timeout_s
                )
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)
        return read(row)

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        guards = self._verified.get(statement)
        if guards is None or self.abandoned:
            guards = await self._find_guards(statement, arguments)
        fitted = fit_arguments(guards, arguments, statement)
        sent = True
        try:
            if fitted:
                status: str = await self._connection.execute(
                    statement.sql, *fitted, timeout=statement.timeout_s
                )
            else:
                # Not execute(): without arguments it takes any number of statements.
                sent = False
                prepared = await self._connection.prepare(
                    statement.sql, timeout=statement.timeout_s
                )
                sent = True
                await prepared.fetch(timeout=statement.timeout_s)
                status = prepared.get_statusmsg()
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments, sent=sent)
        # REFRESH MATERIALIZED VIEW and its like affect no rows, and end without a number.
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        """The rows through a server cursor, so many at a time that memory stays bounded."""
        guards = self._verified.get(statement)
        if guards is None or self.abandoned:
            guards = await self._find_guards(statement, arguments)
        fitted = fit_arguments(guards, arguments, statement)
        limit = statement.timeout_s
        cursor: Any = None
        try:
            cursor = await self._connection.cursor(statement.sql, *fitted, timeout=limit)
            more = True
            while more:
                records: list[asyncpg.Record] = await cursor.fetch(CURSOR_BATCH_ROWS, timeout=limit)
                more = len(records) == CURSOR_BATCH_ROWS
                if records:
                    yield records
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)
        finally:
            # Not closed at once: where the garbage collector found the stream, this runs in a
            # task of the event loop's, and the connection may be at work for another.
            if cursor is not None:
                self.abandoned.append(cursor)

    async def _close_abandoned(self, statement: Statement, arguments: Sequence[object]) -> None:
        """An open cursor keeps its snapshot, and its tables from being altered.

        The end of the transaction closes them as well, and then it costs nothing.
        """
        try:
            while self.abandoned:
                # The driver itself closes only those that it iterates over to their end.
                await self.abandoned.pop()._close_portal(CLOSE_TIMEOUT_S)
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)

    def _refuse(
        self,
        failure: BaseException,
        statement: Statement,
        arguments: Sequence[object],
        *,
        sent: bool = True,
    ) -> NoReturn:
        """Raise ours in place of `failure`; remember if the transaction is lost with it.

        `sent` is whether the server may have begun to run it.
        """
        kinds = self._verified.get(statement, UNGUARDED).kinds
        if is_stale_plan(failure):
            # The schema has changed, so what was found of any statement may not hold, and of
            # those that are prepared anew the server tells nothing.
            self._connection.forget_schema()
            self._verified.clear()
        error = translate(
            failure,
            query=statement.name,
            given=Given(statement.parameters, kinds, arguments),
            may_be_stored=sent and self.commits and not statement.reads_only,
            late=_late(statement),
        )
        if _aborts(failure):
            self.failed = error or failure
        _raise(error, failure)


def _late(statement: Statement) -> str | None:
    """That the statement's own limit ended the wait for it; None where it has none."""
    if statement.timeout_s is None:
        return None
    return (
        f"no answer within its @timeout of {statement.timeout_s:g} s; the statement was cancelled"
    )


def _raise(error: BaseException | None, failure: BaseException) -> NoReturn:
    if error is None or error is failure:
        raise failure
    raise error from failure


def _aborts(failure: BaseException) -> bool:
    """Whether the server may have aborted the transaction in which this happened."""
    if isinstance(failure, asyncpg.PostgresError):
        # The driver raises the same classes for values it cannot encode, without a severity.
        return getattr(failure, "severity", None) is not None
    return isinstance(
        failure, asyncio.CancelledError | TimeoutError | asyncpg.OutdatedSchemaCacheError
    )


class Transaction(Executor):
    """An open transaction, or a savepoint inside one; made by ``transaction()``.

    Takes one statement at a time: it is one connection. Use after its block ended is a
    CodeError, and so is a block that goes on after a failed statement to its end: the
    server has forgotten what it did, and would answer its COMMIT with a rollback.
    """

    def __init__(self, session: Session, connection: Any) -> None:
        self._session: Session | None = session
        self._connection = connection

    def _open(self) -> Session:
        if self._session is None:
            raise CodeError("the transaction has ended: use it inside its `async with` block")
        return self._session

    @property
    def driver_connection(self) -> Any:
        """The driver's connection, for COPY within this transaction; unusable after its end.

        What it raises is the driver's, and may hold row content. Whatever it sets for the
        session is undone, as by ``connection()``, at the cost of a round trip.
        """
        self._open().lent = True
        return self._connection

    @property
    def own_connection(self) -> Any:
        """The same for this package, which leaves nothing in a session."""
        self._open()
        return self._connection

    async def mark(self) -> Mark | None:
        """What it is known by, for `outcome.look_up` after a COMMIT that was not answered.

        None where nothing was written, and where it can only be rolled back.
        """
        session = self._open()
        if session.failed is not None:
            return None
        try:
            return await mark(self._connection)
        except (Exception, asyncio.CancelledError) as failure:
            _refuse_boundary(failure, session, "pg_current_xact_id")

    # The session's coroutines are handed on as they are, not awaited in others.

    def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> Coroutine[Any, Any, R]:
        return (self._session or self._open()).fetch_all(statement, arguments, read)

    def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> Coroutine[Any, Any, R]:
        return (self._session or self._open()).fetch_one(statement, arguments, read)

    def execute(
        self, statement: Statement, arguments: Sequence[object]
    ) -> Coroutine[Any, Any, int]:
        return (self._session or self._open()).execute(statement, arguments)

    def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        return self._open().batches(statement, arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Self, None]:
        """A savepoint: an exception inside rolls back to it and leaves the outer one usable."""
        async with type(self).begin(self._connection, self._open()) as nested:
            yield nested

    @classmethod
    @asynccontextmanager
    async def begin(
        cls,
        connection: Any,
        session: Session,
        *,
        isolation: Isolation | None = None,
        readonly: bool = False,
        deferrable: bool = False,
        idle_limit_s: float | None = None,
    ) -> AsyncGenerator[Self, None]:
        """On one connection; `Database.transaction` is the way in.

        `idle_limit_s` is after how long of nothing the server is to end it, where its session
        does not say so already.
        """
        try:
            # A connection that has ended refuses here already.
            block = connection.transaction(
                isolation=isolation, readonly=readonly, deferrable=deferrable
            )
            await block.__aenter__()
        except (Exception, asyncio.CancelledError) as failure:
            _refuse_boundary(failure, session, "BEGIN")
        is_outermost, session.commits = session.commits, False
        try:
            transaction = cls(session, connection)
            try:
                if idle_limit_s is not None:
                    await _limit_idle(connection, session, idle_limit_s)
                yield transaction
                if is_outermost and session.lent and session.failed is None:
                    await _leave_nothing(connection, session)
            except BaseException as failure:
                transaction._session = None
                await _roll_back(block, session, failure)
                raise
            transaction._session = None
            if session.failed is not None:
                swallowed = session.failed
                await _roll_back(block, session, swallowed)
                raise CodeError(
                    "a statement failed and the block went on, so nothing of it was stored: let "
                    "the error end the block, or give the statement a savepoint of its own"
                ) from swallowed
            try:
                await block.__aexit__(None, None, None)
            except (Exception, asyncio.CancelledError) as failure:
                may_be_stored = is_outermost and not readonly
                _refuse_boundary(failure, session, "COMMIT", may_be_stored=may_be_stored)
        finally:
            session.commits = is_outermost


async def _limit_idle(connection: Any, session: Session, limit_s: float) -> None:
    try:
        await set_idle_limit(connection, limit_s, local=True)
    except (Exception, asyncio.CancelledError) as failure:
        _refuse_boundary(failure, session, "BEGIN")


async def _leave_nothing(connection: Any, session: Session) -> None:
    try:
        await connection.leave_nothing()
    except (Exception, asyncio.CancelledError) as failure:
        _refuse_boundary(failure, session, "COMMIT")


def _refuse_boundary(
    failure: BaseException, session: Session, what: str, *, may_be_stored: bool = False
) -> NoReturn:
    error = translate(failure, query=what, may_be_stored=may_be_stored)
    # Where it was a savepoint's, the transaction around it must not commit either.
    session.failed = error or failure
    _raise(error, failure)


async def _roll_back(block: Any, session: Session, reason: BaseException) -> None:
    """Roll back, keeping the exception that made it necessary."""
    try:
        async with asyncio.timeout(ROLLBACK_TIMEOUT_S):
            await block.__aexit__(type(reason), reason, None)
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        # Of a connection whose end has been announced and has not come yet.
        asyncpg.InternalClientError,
        OSError,
    ):
        # The connection is gone or busy. The pool ends its transaction; where this was a
        # savepoint's, the transaction around it must not commit what is inside.
        session.failed = reason
    except asyncio.CancelledError:
        session.failed = reason
        raise
    else:
        session.failed = None
