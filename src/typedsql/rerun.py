"""A transaction function, run again where that is safe and can do better."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

from typedsql.errors import (
    CodeError,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    Error,
    OutcomeUnknown,
    TimeoutExpired,
    TransientError,
)
from typedsql.nesting import Nesting
from typedsql.outcome import Mark, Outcome, look_up
from typedsql.retry import WRONG_NODE, Backoff
from typedsql.sqlstate import translate
from typedsql.transaction import Transaction

T = TypeVar("T")

OUTCOME_TIMEOUT_S = 30.0
"""How long the server is asked what became of a COMMIT, while it cannot be asked or works on."""


class TransactionRun:
    """One call of `Database.run_transaction`.

    `begin` opens a transaction, `connection` another connection to ask on; `expire` has
    connections made anew, to the server that is to be written to now. `database` is what no
    two runs may nest in.
    """

    def __init__(
        self,
        database: object,
        *,
        begin: Callable[[], AbstractAsyncContextManager[Transaction]],
        connection: Callable[[], AbstractAsyncContextManager[Any]],
        expire: Callable[[], None],
        readonly: bool,
        attempts: int,
    ) -> None:
        if attempts < 1:
            raise ConfigurationError("attempts: expected a whole number of at least 1")
        self._database = database
        self._begin = begin
        self._connection = connection
        self._expire = expire
        self._readonly = readonly
        self._attempts = attempts

    async def run(self, function: Callable[[Transaction], Awaitable[T]]) -> T:
        """What `function` returned in the attempt that was committed."""
        if not callable(function):
            if isinstance(function, Coroutine):
                function.close()
            raise CodeError(
                "run_transaction takes the function itself, which it calls with a transaction, "
                f"not what a call of it gave: got {type(function).__name__}"
            )
        backoff = Backoff()
        expired = False
        with _RUNS.alone(self._database):
            for _ in range(1, self._attempts):
                try:
                    return await self._attempt(function)
                except Error as failure:
                    if failure.sqlstate == WRONG_NODE and not (expired or self._readonly):
                        expired = True
                        self._expire()
                    elif not _may_do_better(failure):
                        raise
                await backoff.wait()
            return await self._attempt(function)

    async def _attempt(self, function: Callable[[Transaction], Awaitable[T]]) -> T:
        """Raises TransientError where its COMMIT came to nothing."""
        returned: tuple[T] | None = None
        mark: Mark | None = None
        try:
            async with self._begin() as transaction:
                returned = (await function(transaction),)
                if not self._readonly:
                    mark = await transaction.mark()
        except OutcomeUnknown as failure:
            # Before it returned, it is the outcome of something else that the function did.
            if returned is None:
                raise
            if mark is None or not await self._is_committed(mark, failure):
                raise TransientError(
                    f"{failure.query}: it was broken off, and nothing was stored",
                    query=failure.query,
                    sqlstate=failure.sqlstate,
                ) from failure
        return returned[0]

    async def _is_committed(self, mark: Mark, failure: OutcomeUnknown) -> bool:
        """Whether it is stored, once the server can say so; raises `failure` if it cannot."""
        backoff = Backoff()
        outcome: Outcome = "in progress"
        try:
            async with asyncio.timeout(OUTCOME_TIMEOUT_S):
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
        async with self._connection() as connection:
            try:
                return await look_up(connection, mark)
            except Exception as failure:
                raise translate(failure, query="pg_xact_status") or failure from failure


_MAY_PASS: Final = (ConnectionLost, ConnectionFailed, TransientError, TimeoutExpired)
"""What keeps the server from being asked, and may not the next time."""


def _may_do_better(failure: Error) -> bool:
    """Whether the transaction was rolled back for a reason that may be gone."""
    # The function raises one of its own where it is to be run again.
    if isinstance(failure, TransientError):
        return True
    return isinstance(failure, ConnectionLost) and not isinstance(failure, OutcomeUnknown)


# The inner one would commit whatever becomes of the outer one, and wait for a connection while
# that holds one, for ever if all others do so as well.
_RUNS: Final = Nesting(
    "transaction_runs",
    CodeError,
    "run_transaction inside a transaction function of the same database: hand its transaction "
    "on, and take a savepoint with `async with tx.transaction()`",
)
