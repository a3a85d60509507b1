"""What is run again after a failure, how often, and how long after.

| what happened | a statement outside a transaction | a transaction function |
| --- | --- | --- |
| 40001, 40P01, 55P03: the server rolled it back | again | again |
| 0A000: a plan that no longer fits the schema | once, columns compared anew | again |
| the connection broke, nothing was stored | once, on another connection | again |
| the connection broke under a COMMIT or a write | never: OutcomeUnknown | as the server says |
| 25006: the server is not the one to write to | once, on new connections | the same |
| refused, reset, no name service, 57P03, 53300 | until the acquire timeout | the same |
| anything else | never | never |

A statement that calls a procedure is never run again: it may have committed a part.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

from typedsql.connect_failure import may_pass
from typedsql.errors import ConnectionLost, Error, OutcomeUnknown, TransientError
from typedsql.sqlstate import ROLLED_BACK, is_stale_plan
from typedsql.statements import Statement

T = TypeVar("T")

MAX_STATEMENT_RETRIES: Final = 4
"""Of a statement outside a transaction that the server rolled back."""
MAX_TRANSACTION_ATTEMPTS: Final = 5
"""Of a transaction function, the first one included."""
FIRST_DELAY_S: Final = 0.02
MAX_DELAY_S: Final = 1.0

Reason = Literal["rolled back", "stale plan", "connection lost", "wrong node"]

_LIMITS: Final[dict[Reason, int]] = {
    "rolled back": MAX_STATEMENT_RETRIES,
    "stale plan": 1,
    "connection lost": 1,
    "wrong node": 1,
}

WRONG_NODE: Final = "25006"


def _reason_to_repeat(failure: BaseException) -> Reason | None:
    """Why running the same again can do better and is safe; None where it is not."""
    if isinstance(failure, OutcomeUnknown) or not isinstance(failure, Error):
        return None
    if isinstance(failure, ConnectionLost):
        return "connection lost"
    if isinstance(failure, TransientError):
        cause = failure.__cause__
        if cause is not None and is_stale_plan(cause):
            return "stale plan"
        return "rolled back" if failure.sqlstate in ROLLED_BACK else None
    return "wrong node" if failure.sqlstate == WRONG_NODE else None


class StatementRetries:
    """Counts how often one call of a statement outside a transaction was run again."""

    __slots__ = ("_backoff", "_counts")

    def __init__(self) -> None:
        self._counts: dict[Reason, int] = {}
        self._backoff = Backoff()

    def next_reason(self, failure: BaseException, statement: Statement) -> Reason | None:
        """Why it is run once more, which is counted; None where it is not."""
        reason = _reason_to_repeat(failure)
        if reason is None or statement.calls_procedure:
            return None
        count = self._counts.get(reason, 0)
        if count == _LIMITS[reason]:
            return None
        self._counts[reason] = count + 1
        return reason

    async def wait(self, reason: Reason) -> None:
        """Until it may be run; a server that rolled it back is busy with somebody else."""
        if reason == "rolled back":
            await self._backoff.wait()


class Backoff:
    """Waits that double, shortened at random, so that those who collided part."""

    __slots__ = ("_delay_s",)

    def __init__(self) -> None:
        self._delay_s = FIRST_DELAY_S

    async def wait(self) -> None:
        """The next wait; MAX_DELAY_S is the longest."""
        delay_s = random.uniform(self._delay_s / 2, self._delay_s)  # noqa: S311
        self._delay_s = min(self._delay_s * 2, MAX_DELAY_S)
        await asyncio.sleep(delay_s)


async def until_it_passes(
    connect: Callable[[], Awaitable[T]], refusal: Exception, *, limit_s: float
) -> T:
    """What `connect` gives, called again while the server restarts or is full.

    `refusal` is what it raised before; the last one is raised at the end of `limit_s`.
    """
    backoff = Backoff()
    try:
        async with asyncio.timeout(limit_s):
            while True:
                await backoff.wait()
                try:
                    return await connect()
                except Exception as failure:
                    if not may_pass(failure):
                        raise
                    refusal = failure
    except TimeoutError:
        raise refusal from None
