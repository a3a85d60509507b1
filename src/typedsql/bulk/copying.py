"""COPY of rows within a transaction: never endless, and a refused row is known by itself.

The driver waits for ever where the connection breaks while it has paused writing, and its time
limit does not reach that wait. Here a listener of the connection ends the COPY.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from operator import length_hint
from typing import Any, Final, NoReturn

import asyncpg

from typedsql.bulk.rows import Refusals, RowReader, is_from_server
from typedsql.errors import ConnectionLost, DataError, Error, TransientError
from typedsql.sqlstate import place_in_copy, translate
from typedsql.transaction import Transaction

UNIQUE_VIOLATION: Final = "23505"
_OTHER_TYPES: Final = ("08P01", "22P03", "22P04")
"""SQLSTATEs of binary data that is not of the column's type: too short, too long, or other."""
LEAST_REACH_ROWS: Final = 64
"""How far a COPY reaches at least behind a row that was refused."""


class Collision(Exception):
    """A key is there already."""


class _Refused(Exception):
    """One of the rows of a COPY cannot be stored."""

    def __init__(self, position: int | None, error: DataError) -> None:
        super().__init__()
        self.position = position
        """From 0; None where nobody told."""
        self.error = error


class Copy:
    """COPY into one table, its rows in the order in which they are given."""

    def __init__(
        self,
        query: str,
        schema: str,
        table: str,
        columns: Sequence[str],
        reader: RowReader,
        timeout_s: float,
    ) -> None:
        self._query = query
        self._schema = schema
        self._table = table
        self._columns = columns
        self._reader = reader
        self._timeout_s = timeout_s

    async def run(self, transaction: Transaction, rows: Sequence[Any], refused: Refusals) -> None:
        """Store the rows but those that cannot be, which go to `refused`.

        Raises Collision for a key that is there already; nothing is stored then.
        """
        parts: deque[tuple[int, int]] = deque()
        try:
            # Mostly all are sound, and every savepoint is a round trip at either end.
            async with transaction.transaction():
                await self._send(transaction, rows)
                return
        except _Refused as told:
            reach = _without(told, rows, (0, len(rows)), parts, refused) or len(rows)
        async with transaction.transaction():
            while parts:
                start, stop = parts.popleft()
                if start == stop:
                    continue
                if stop - start > reach:
                    parts.appendleft((start + reach, stop))
                    stop = start + reach
                try:
                    async with transaction.transaction():
                        await self._send(transaction, rows[start:stop])
                except _Refused as told:
                    reach = _without(told, rows, (start, stop), parts, refused) or reach
                else:
                    reach *= 2

    async def _send(self, transaction: Transaction, rows: Sequence[Any]) -> None:
        connection = transaction.own_connection
        left = iter(rows)
        try:
            await guarded(
                connection,
                connection.copy_records_to_table(
                    self._table,
                    schema_name=self._schema,
                    columns=self._columns,
                    records=self._reader.values(left),
                    timeout=self._timeout_s,
                ),
                self._timeout_s,
            )
        except Exception as failure:
            if getattr(failure, "sqlstate", None) in _OTHER_TYPES and is_from_server(failure):
                # The driver remembers which types the columns had.
                await connection.reload_schema_state()
                raise TransientError(
                    f"{self._query}: the types of the table's columns changed meanwhile",
                    query=self._query,
                ) from None
            self._refuse(failure, rows, len(rows) - length_hint(left) - 1)

    def _refuse(self, failure: Exception, rows: Sequence[Any], encoded: int) -> NoReturn:
        """Raise what `failure` means; `encoded` is the position of the row that was last read."""
        if is_from_server(failure):
            place = place_in_copy(getattr(failure, "context", None) or "")
            state: object = getattr(failure, "sqlstate", None)
            error = translate(failure, query=self._query)
            if state == UNIQUE_VIOLATION:
                raise Collision from error
            if isinstance(error, DataError):
                position = place[0] - 1 if place else None
                known = position is not None and 0 <= position < len(rows)
                raise _Refused(position if known else None, error) from failure
        elif _is_connection(failure):
            error = translate(failure, query=self._query)
        else:
            raise _Refused(encoded, self._reader.unfit(rows[encoded])) from None
        if error is None or error is failure:
            raise failure
        raise error from failure


def _without(
    told: _Refused,
    rows: Sequence[Any],
    part: tuple[int, int],
    parts: deque[tuple[int, int]],
    refused: Refusals,
) -> int | None:
    """Put what is left of a part before the other parts; how far the next COPY is to reach."""
    start, stop = part
    if told.position is None and stop - start > 1:
        middle = (start + stop) // 2
        parts.extendleft([(middle, stop), (start, middle)])
        return None
    at = start + (told.position or 0)
    refused.append((rows[at], told.error))
    parts.extendleft([(at + 1, stop), (start, at)])
    # What stood before it was sound. Behind it the next may be near, and what is sent beyond
    # that is sent in vain.
    return max(LEAST_REACH_ROWS, 2 * (at - start))


def _is_connection(failure: Exception) -> bool:
    """Whether it is not about a value: the driver raises anything for one it cannot encode."""
    if isinstance(failure, asyncpg.DataError):
        return False
    known = Error | OSError | asyncpg.PostgresError | asyncpg.InternalClientError
    if isinstance(failure, known):
        return True
    # A subclass of InterfaceError tells of arguments, and is a ValueError too.
    return isinstance(failure, asyncpg.InterfaceError) and not isinstance(failure, ValueError)


async def guarded(connection: Any, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
    """What `work` on the connection returns or raises, within a limit.

    Raises ConnectionLost at once where the connection ends while the driver waits for
    something else, and TimeoutError.
    """
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def notice(_: object) -> None:
        if not lost.done():
            lost.set_result(None)

    connection.add_termination_listener(notice)
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            # Where the driver has noticed too it says more of the reason.
            await asyncio.sleep(0)
        if not task.done():
            raise ConnectionLost("the connection to the server broke during a COPY")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            # Where nobody waits for it any more, the event loop would log it with the row's values.
            task.exception()
        if not connection.is_closed():
            connection.remove_termination_listener(notice)
