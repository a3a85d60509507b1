"""Concurrent calls of one statement as one statement: reads by key, writes of single rows.

Nothing waits for company. A call runs by itself at once while no other of its statement is
under way; those that come meanwhile go together when it ends. Each caller gets its own row,
error and commit: where a batch is refused it is split until what refused it stands alone.
"""

import asyncio
import copy
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import asyncpg

from typedsql.arguments import Guards, fit_arguments
from typedsql.errors import ConnectionLost, DataError, Error, TimeoutExpired, TransientError
from typedsql.query import Batched, Executor, as_fetched
from typedsql.statements import Statement

R = TypeVar("R")

LANES: Final = 2
"""Statements that may be under way at once for one named statement: one at the server while
the rows of the other are read."""
BATCH_MAX_ROWS: Final = 512
"""Calls that go as one statement."""
BATCH_MAX_BYTES: Final = 4 * 1024 * 1024
"""About how long their arguments may be together; a call beyond it goes alone."""
QUEUE_MAX_ROWS: Final = 10_000
"""Calls that a batch is chosen from; further ones stand in line behind them, in order."""
QUEUE_MAX_BYTES: Final = 64 * 1024 * 1024
"""About how long the arguments of those may be together."""
QUEUE_MAX_AGE_S: Final = 30.0
"""How long a call waits before it is sent."""
ATTEMPTS: Final = 5
"""How often a batch is sent that was rolled back, by a deadlock for example."""
RETRY_PAUSE_S: Final = 0.02
"""The longest pause before the first repetition; each further one may take twice as long."""
DRAIN_TIMEOUT_S: Final = 10.0
"""How long the end of a database waits for the calls that are under way."""

_VALUE_BYTES: Final = 16
# Of what a row is refused for by itself, beside data: an upsert that meets one row twice, a
# policy, and what is too long for an index.
_OF_ONE_ROW: Final = ("21000", "42501", "54000")


class _Call:
    """One caller's arguments and what it waits for."""

    __slots__ = ("arguments", "future", "key", "since_s", "size_bytes")

    def __init__(
        self, arguments: tuple[object, ...], key: object, future: "asyncio.Future[Any]"
    ) -> None:
        self.arguments = arguments
        self.key = key
        self.future = future
        self.since_s = future.get_loop().time()
        self.size_bytes = _size_of(arguments)

    def give(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, failure: BaseException) -> None:
        if self.future.done():
            return
        if isinstance(failure, Exception):
            self.future.set_exception(failure)
        else:
            self.future.cancel()


class Batching:
    """What is under way of the batched statements of one database."""

    def __init__(self, db: Executor, verified: Mapping[Statement, Guards]) -> None:
        self._db = db
        self._verified = verified
        self._coalescers: dict[Batched[Any], Coalescer[Any]] = {}

    def run(self, batched: Batched[R], arguments: tuple[object, ...]) -> Coroutine[Any, Any, R]:
        """One call: by itself, or with the others that are made meanwhile."""
        coalescer = self._coalescers.get(batched)
        if coalescer is None:
            coalescer = self._coalescers[batched] = Coalescer(self._db, self._verified, batched)
        return coalescer.call(arguments)

    async def drain(self) -> None:
        """Return once every call that was made has its result."""
        # Tasks that were started and did not run yet are to make their calls first.
        await asyncio.sleep(0)
        while busy := [item for item in self._coalescers.values() if not item.is_idle]:
            for coalescer in busy:
                await coalescer.drained()

    async def close(self, timeout_s: float) -> None:
        """Drain for at most so long, then refuse what was not sent."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.drain()
        except TimeoutError:
            for coalescer in self._coalescers.values():
                coalescer.refuse_unsent(f"not sent within {timeout_s:g} s of the database's end")


class Coalescer(Generic[R]):
    """The calls of one statement on one database."""

    def __init__(
        self, db: Executor, verified: Mapping[Statement, Guards], batched: Batched[R]
    ) -> None:
        self._db = db
        self._verified = verified
        self._batched = batched
        self._lanes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # In the order of arrival. A dict, since a caller that is cancelled leaves from anywhere.
        self._waiting: dict[_Call, None] = {}
        self._waiting_bytes = 0
        self._line: deque[_Call] = deque()
        self._sent_keys: set[object] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._drainers: list[asyncio.Future[None]] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way; then nothing waits either."""
        return not self._lanes

    async def call(self, arguments: tuple[object, ...]) -> R:
        """The result of one call, as if it had been the only one."""
        if self._lanes:
            return await self._queued(arguments)
        key = self._key_of(arguments)
        self._lanes = 1
        self._sent_keys.add(key)
        try:
            return await self._batched.runner.run(self._db, *arguments)
        finally:
            self._sent_keys.discard(key)
            self._leave()

    async def _queued(self, arguments: tuple[object, ...]) -> R:
        single = self._batched.single
        # None would be an element like any other; what else is refused here need not be split.
        fit_arguments(self._verified.get(single, ()), arguments, single)
        loop = asyncio.get_running_loop()
        call = _Call(arguments, self._key_of(arguments), loop.create_future())
        if self._line or self._is_full():
            self._line.append(call)
        else:
            self._wait(call)
        if self._lanes < LANES:
            self._start()
        if self._timer is None:
            self._timer = loop.call_later(QUEUE_MAX_AGE_S, self._expire)
        try:
            result: R = await call.future
        except asyncio.CancelledError:
            self._forget(call)
            raise
        return result

    async def drained(self) -> None:
        """Return once nothing is under way."""
        while not self.is_idle:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drainers.append(waiter)
            await waiter

    def refuse_unsent(self, told: str) -> None:
        """Have every call fail that still waits, with nothing sent of it."""
        for call in (*self._waiting, *self._line):
            call.refuse(self._expired(told))
        self._waiting.clear()
        self._waiting_bytes = 0
        self._line.clear()

    def _key_of(self, arguments: tuple[object, ...]) -> object:
        """What tells calls apart that may not be under way together."""
        if self._batched.key is None:
            return None
        key = self._batched.key(arguments)
        try:
            hash(key)
        except TypeError:
            # No key column takes such a value, so the call will be refused.
            return object()
        return key

    def _is_full(self) -> bool:
        return len(self._waiting) >= QUEUE_MAX_ROWS or self._waiting_bytes >= QUEUE_MAX_BYTES

    def _wait(self, call: _Call) -> None:
        self._waiting[call] = None
        self._waiting_bytes += call.size_bytes

    def _forget(self, call: _Call) -> None:
        if call in self._waiting:
            del self._waiting[call]
            self._waiting_bytes -= call.size_bytes

    def _start(self) -> None:
        # By a task of its own: it takes what comes until the loop turns to it, and nobody's
        # cancellation reaches what others wait for.
        self._lanes += 1
        task = asyncio.get_running_loop().create_task(self._lane())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _leave(self) -> None:
        self._lanes -= 1
        if self._lanes:
            return
        if self._waiting:
            self._start()
            return
        for waiter in self._drainers:
            if not waiter.done():
                waiter.set_result(None)
        self._drainers.clear()

    async def _lane(self) -> None:
        try:
            while calls := self._cut():
                try:
                    await self._settle(calls)
                finally:
                    self._sent_keys.difference_update([call.key for call in calls])
                # Who was answered is to make the next call before the next batch is cut.
                await asyncio.sleep(0)
        finally:
            self._leave()

    def _cut(self) -> list[_Call]:
        """The calls to send next, in order; of those with one key the first."""
        taken: list[_Call] = []
        passed: list[_Call] = []
        keyed = self._batched.key is not None
        size_bytes = 0
        for call in self._waiting:
            if call.future.done():
                passed.append(call)
                continue
            if keyed and call.key in self._sent_keys:
                continue
            size_bytes += call.size_bytes
            if taken and size_bytes > BATCH_MAX_BYTES:
                break
            taken.append(call)
            if keyed:
                self._sent_keys.add(call.key)
            if len(taken) == BATCH_MAX_ROWS:
                break
        for call in itertools.chain(taken, passed):
            self._forget(call)
        while self._line and not self._is_full():
            following = self._line.popleft()
            if not following.future.done():
                self._wait(following)
        return taken

    async def _settle(self, calls: Sequence[_Call]) -> None:
        """Have each of these calls answered, whatever happens."""
        try:
            await self._send(calls)
        except BaseException as failure:
            for call in calls:
                call.refuse(_own(failure))
            if not isinstance(failure, Exception):
                raise

    async def _send(self, calls: Sequence[_Call]) -> None:
        if len(calls) == 1:
            result = await self._batched.runner.run(self._db, *calls[0].arguments)
            calls[0].give(result)
            return
        statement = self._batched.statement
        arrays = self._batched.arrays([call.arguments for call in calls])
        for attempt in itertools.count(1):
            try:
                records = await self._db.fetch_all(statement, arrays, as_fetched)
            except Error as failure:
                if self._is_of_one_call(failure):
                    middle = len(calls) // 2
                    await self._settle(calls[:middle])
                    await self._settle(calls[middle:])
                    return
                if attempt == ATTEMPTS or not self._may_repeat(failure):
                    raise
                longest_s = RETRY_PAUSE_S * 2 ** (attempt - 1)
                await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - no secret
            else:
                self._answer(calls, records)
                return

    def _answer(self, calls: Sequence[_Call], records: Sequence[asyncpg.Record]) -> None:
        read = self._batched.read
        for record in records:
            # The position is the statement's own, and counts from 1.
            _give(calls[record[0] - 1], read, record[1:])
        for call in calls:
            if not call.future.done():
                _give(call, read, None)

    def _is_of_one_call(self, failure: Error) -> bool:
        """Whether the others may succeed without the call that this is about."""
        if isinstance(failure, DataError):
            # A write whose result cannot be read is stored all the same.
            is_unread = isinstance(failure.__cause__, ValueError | OverflowError)
            return not is_unread or self._batched.key is None
        return failure.sqlstate in _OF_ONE_ROW

    def _may_repeat(self, failure: Error) -> bool:
        if isinstance(failure, ConnectionLost):
            return self._batched.key is None
        return isinstance(failure, TransientError)

    def _expire(self) -> None:
        """Refuse the calls that have waited too long, and look again when the next one has."""
        self._timer = None
        loop = asyncio.get_running_loop()
        latest_s = loop.time() - QUEUE_MAX_AGE_S
        for call in [*self._waiting, *self._line]:
            if call.future.done():
                continue
            if call.since_s > latest_s:
                self._timer = loop.call_at(call.since_s + QUEUE_MAX_AGE_S, self._expire)
                return
            call.refuse(self._expired(f"not sent within {QUEUE_MAX_AGE_S:g} s"))
            self._forget(call)

    def _expired(self, told: str) -> TimeoutExpired:
        name = self._batched.single.name
        return TimeoutExpired(f"{name}: {told}, and nothing was stored", query=name)


def _give(call: _Call, read: Callable[[Any], Any], record: Any) -> None:
    try:
        result = read(record)
    except Exception as failure:
        call.refuse(failure)
    else:
        call.give(result)


def _own(failure: BaseException) -> BaseException:
    """The failure for one of several callers: each adds its own traceback to it."""
    if not isinstance(failure, Error):
        return failure
    own = copy.copy(failure)
    own.__cause__ = failure.__cause__
    return own


def _size_of(value: object) -> int:
    """About how many bytes a value takes on the wire."""
    if isinstance(value, str | bytes):
        return _VALUE_BYTES + len(value)
    if isinstance(value, tuple | list):
        return sum(map(_size_of, cast("Sequence[object]", value)))
    if isinstance(value, dict):
        document = cast("Mapping[object, object]", value)
        return sum(_size_of(item) for pair in document.items() for item in pair)
    return _VALUE_BYTES
