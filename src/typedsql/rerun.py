"""A transaction function, run again where that is safe and can do better."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar

from typedsql.errors import (
    CodeError,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    Error,
    OutcomeUnknown,
    TimeoutExpired,
    TransientError,
    WriteTimedOut,
)
from typedsql.outcome import Mark, Outcome, look_up
from typedsql.retry import WRONG_NODE, Backoff, reason_to_repeat
from typedsql.sqlstate import translate
from typedsql.transaction import Transaction

T = TypeVar("T")

OUTCOME_TIMEOUT_S: Final = 30.0
"""How long the server is asked what became of a COMMIT, while it cannot be asked or works on."""


class Transactional(Protocol):
    """What is needed of a database."""

    def connection(self) -> AbstractAsyncContextManager[Any]: ...

    def expire_connections(self) -> None: ...


class TransactionRun:
    """One call of `Database.run_transaction`."""

    def __init__(
        self,
        database: Transactional,
        begin: Callable[[], AbstractAsyncContextManager[Transaction]],
        *,
        readonly: bool,
        attempts: int,
        outcome_timeout_s: float = OUTCOME_TIMEOUT_S,
    ) -> None:
        if attempts < 1:
            raise ConfigurationError("attempts: expected a whole number of at least 1")
        self._database = database
        self._begin = begin
        self._readonly = readonly
        self._attempts = attempts
        self._outcome_timeout_s = outcome_timeout_s

    async def run(self, function: Callable[[Transaction], Awaitable[T]]) -> T:
        """What `function` returned in the attempt that was committed."""
        backoff = Backoff()
        expired = False
        with _alone(self._database):
            for attempt in range(1, self._attempts + 1):
                mark: Mark | None = None
                ended = False
                try:
                    async with self._begin() as transaction:
                        result = await function(transaction)
                        if not self._readonly:
                            mark = await transaction.mark()
                        ended = True
                    return result
                except OutcomeUnknown as failure:
                    if not ended:
                        raise  # of something else that the function did
                    if mark is not None and await self._is_committed(mark, failure):
                        return result
                    if attempt == self._attempts:
                        raise _nothing_stored(failure) from failure
                except Error as failure:
                    if failure.sqlstate == WRONG_NODE:
                        if expired or self._readonly:
                            raise
                        expired = True
                        self._database.expire_connections()
                    elif not _may_do_better(failure) or attempt == self._attempts:
                        raise
                await backoff.wait()
        raise AssertionError("the last attempt returns or raises")

    async def _is_committed(self, mark: Mark, failure: OutcomeUnknown) -> bool:
        """Whether it is stored, once the server can say so; raises `failure` if it cannot."""
        backoff = Backoff()
        outcome: Outcome = "in progress"
        try:
            async with asyncio.timeout(self._outcome_timeout_s):
                while outcome == "in progress":
                    try:
                        outcome = await self._ask(mark)
                    except Error as cannot:
                        if not isinstance(cannot, _MAY_PASS):
                            raise failure from cannot
                    if outcome == "in progress":
                        await backoff.wait()
        except TimeoutError:
            raise failure from failure.__cause__
        if outcome == "unknown":
            raise failure
        return outcome == "committed"

    async def _ask(self, mark: Mark) -> Outcome:
        async with self._database.connection() as connection:
            try:
                return await look_up(connection, mark)
            except Exception as failure:
                raise translate(failure, query="pg_xact_status") or failure from failure


_MAY_PASS: Final = (ConnectionLost, ConnectionFailed, TransientError, TimeoutExpired)
"""What keeps the server from being asked, and may not the next time."""


def _may_do_better(failure: Error) -> bool:
    """Whether the transaction was rolled back for a reason that may be gone.

    A TransientError of the function's own is one as well.
    """
    return isinstance(failure, TransientError) or reason_to_repeat(failure) is not None


def _nothing_stored(failure: OutcomeUnknown) -> Error:
    """The same, now that the outcome is known."""
    if isinstance(failure, WriteTimedOut):
        told = "no answer within the time limit; it was cancelled and nothing was stored"
        return TimeoutExpired(f"{failure.query}: {told}", query=failure.query)
    return ConnectionLost(
        f"{failure.query}: the connection to the server broke, and nothing was stored",
        query=failure.query,
        sqlstate=failure.sqlstate,
    )


_running: ContextVar[tuple["_Run", ...]] = ContextVar("typedsql_transaction_runs", default=())


class _Run:
    """A transaction function at work; a task that outlives it carries the ended one along."""

    __slots__ = ("database", "ended")

    def __init__(self, database: Transactional) -> None:
        self.database = database
        self.ended = False


@contextmanager
def _alone(database: Transactional) -> Iterator[None]:
    """Refuses another on the same database: it would commit whatever becomes of the outer one.

    And wait for a connection while it holds one, for ever if all others do so as well.
    """
    outer = _running.get()
    if any(run.database is database and not run.ended for run in outer):
        raise CodeError(
            "run_transaction inside a transaction function of the same database: hand its "
            "transaction on, and take a savepoint with `async with tx.transaction()`"
        )
    run = _Run(database)
    token = _running.set((*outer, run))
    try:
        yield
    finally:
        run.ended = True
        _running.reset(token)
