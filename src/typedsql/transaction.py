"""Statements on one connection, and the transactions they run in."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NoReturn

import asyncpg

from typedsql.arguments import Guards, refuse_too_deep, refuse_unfit
from typedsql.errors import CodeError
from typedsql.project import Project
from typedsql.query import Executor, Statement
from typedsql.sqlstate import is_stale_plan, translate
from typedsql.verify import check_statement

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

ROLLBACK_TIMEOUT_S = 5.0
CURSOR_PREFETCH_ROWS = 500

Verified = dict[Statement, Guards]
"""The statements that were compared with their analysis, and what to look at at each call."""


class Session:
    """Runs statements on one connection and turns failures into this package's errors."""

    __slots__ = ("_connection", "_project", "_verified", "failed")

    def __init__(self, connection: Any, verified: Verified, project: Project) -> None:
        # Any: asyncpg's stubs tell a connection from a pooled one, and both serve here.
        self._connection = connection
        self._verified = verified
        self._project = project
        self.failed: BaseException | None = None
        """Why the open transaction, or its innermost savepoint, can only be rolled back."""

    async def _ready(self, statement: Statement, arguments: Sequence[object]) -> None:
        guards = self._verified.get(statement)
        if guards is None:
            try:
                guards = await check_statement(self._connection, statement, self._project)
            except (Exception, asyncio.CancelledError) as failure:
                self._refuse(failure, statement, arguments)
            self._verified[statement] = guards
        if guards:
            refuse_unfit(guards, arguments, statement.name, statement.parameters)

    async def fetch_all(
        self, statement: Statement, arguments: Sequence[object]
    ) -> list[asyncpg.Record]:
        await self._ready(statement, arguments)
        try:
            rows: list[asyncpg.Record] = await self._connection.fetch(statement.sql, *arguments)
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)
        return rows

    async def fetch_one(
        self, statement: Statement, arguments: Sequence[object]
    ) -> asyncpg.Record | None:
        await self._ready(statement, arguments)
        try:
            row: asyncpg.Record | None = await self._connection.fetchrow(statement.sql, *arguments)
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)
        return row

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        await self._ready(statement, arguments)
        try:
            if arguments:
                status: str = await self._connection.execute(statement.sql, *arguments)
            else:
                # Not execute(): without arguments it takes any number of statements.
                prepared = await self._connection.prepare(statement.sql)
                await prepared.fetch()
                status = prepared.get_statusmsg()
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)
        # REFRESH MATERIALIZED VIEW and its like affect no rows, and end without a number.
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def iterate(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[asyncpg.Record, None]:
        await self._ready(statement, arguments)
        try:
            cursor = self._connection.cursor(
                statement.sql, *arguments, prefetch=CURSOR_PREFETCH_ROWS
            )
            async for record in cursor:
                yield record
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(failure, statement, arguments)

    def _refuse(
        self, failure: BaseException, statement: Statement, arguments: Sequence[object]
    ) -> NoReturn:
        """Raise ours in place of `failure`; remember if the transaction is lost with it."""
        if is_stale_plan(failure):
            # The schema has changed, so what was found of this statement may not hold.
            self._verified.pop(statement, None)
        if isinstance(failure, RecursionError):
            refuse_too_deep(arguments, statement.name, statement.parameters)
        error = translate(failure, query=statement.name, parameters=statement.parameters)
        if _aborts(failure):
            self.failed = error or failure
        _raise(error, failure)


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

    async def fetch_all(
        self, statement: Statement, arguments: Sequence[object]
    ) -> list[asyncpg.Record]:
        return await self._open().fetch_all(statement, arguments)

    async def fetch_one(
        self, statement: Statement, arguments: Sequence[object]
    ) -> asyncpg.Record | None:
        return await self._open().fetch_one(statement, arguments)

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        return await self._open().execute(statement, arguments)

    def iterate(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[asyncpg.Record, None]:
        return self._open().iterate(statement, arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["Transaction", None]:
        """A savepoint: an exception inside rolls back to it and leaves the outer one usable."""
        async with Transaction.begin(self._connection, self._open()) as nested:
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
    ) -> AsyncGenerator["Transaction", None]:
        """On one connection; `Database.transaction` is the way in."""
        block = connection.transaction(
            isolation=isolation, readonly=readonly, deferrable=deferrable
        )
        try:
            await block.__aenter__()
        except (Exception, asyncio.CancelledError) as failure:
            _refuse_boundary(failure, session, "BEGIN")
        transaction = cls(session, connection)
        try:
            yield transaction
        except BaseException as failure:
            transaction._session = None
            await _roll_back(block, session, failure)
            raise
        transaction._session = None
        if session.failed is not None:
            swallowed = session.failed
            await _roll_back(block, session, swallowed)
            raise CodeError(
                "a statement failed and the block went on, so nothing of it was stored: let the "
                "error end the block, or give the statement a savepoint of its own"
            ) from swallowed
        try:
            await block.__aexit__(None, None, None)
        except (Exception, asyncio.CancelledError) as failure:
            _refuse_boundary(failure, session, "COMMIT")


def _refuse_boundary(failure: BaseException, session: Session, what: str) -> NoReturn:
    error = translate(failure, query=what)
    # Where it was a savepoint's, the transaction around it must not commit either.
    session.failed = error or failure
    _raise(error, failure)


async def _roll_back(block: Any, session: Session, reason: BaseException) -> None:
    """Roll back, keeping the exception that made it necessary."""
    try:
        async with asyncio.timeout(ROLLBACK_TIMEOUT_S):
            await block.__aexit__(type(reason), reason, None)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        # The connection is gone or busy. The pool ends its transaction; where this was a
        # savepoint's, the transaction around it must not commit what is inside.
        session.failed = reason
    except asyncio.CancelledError:
        session.failed = reason
        raise
    else:
        session.failed = None
