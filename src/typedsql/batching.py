"""Concurrent calls of one statement as one statement: reads by key, writes of single rows.

Nothing waits for company. A call runs by itself at once while few others of its statement are
under way; those that come beside these go together, as soon as the event loop turns to them.
Each caller gets its own row, error and commit: where a batch is refused it is split until what
refused it stands alone.
"""

import asyncio
import copy
import time
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import asyncpg

from typedsql.arguments import UNGUARDED, Guards, fit_arguments
from typedsql.errors import CodeError, DataError, Error, TimeoutExpired
from typedsql.query import Batched, Executor, as_fetched
from typedsql.sqlstate import ArgumentRefused
from typedsql.statements import Statement
from typedsql.waiting_call import WaitingCall

R = TypeVar("R")

ALONE_AT_ONCE: Final = 8
"""Calls that run by themselves at once, if there are as many connections: a statement over
arrays costs the server more than a few plain ones, which run on several processors."""
LANES: Final = 2
"""Batches that may be under way at once for one statement: while the rows of one are decoded, or
its commit awaited, the server is at work on the other. A third makes all of them smaller, and
each costs both sides a round trip; of a write it would wait at the same pages of an index too."""
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
DRAIN_TIMEOUT_S: Final = 10.0
"""How long the end of a database waits for the calls that are under way."""

# Of what a row is refused for by itself, beside data: an upsert that meets one row twice, and a
# policy.
_OF_ONE_ROW: Final = ("21000", "42501")


class Batching:
    """What is under way of the batched statements of one database."""

    def __init__(
        self, db: Executor, verified: Mapping[Statement, Guards], *, connections: int
    ) -> None:
        self._db = db
        self._verified = verified
        self._connections = max(1, connections)
        # Of the database, and not of who calls first: a call from another is refused.
        self._loop = asyncio.get_running_loop()
        self._coalescers: dict[Batched[Any], Coalescer[Any]] = {}

    def run(self, batched: Batched[R], arguments: tuple[object, ...]) -> Awaitable[R]:
        """One call: by itself, or with the others that are made meanwhile. Await it at once."""
        coalescer = self._coalescers.get(batched)
        if coalescer is None:
            coalescer = self._coalescers[batched] = Coalescer(
                self._db, self._verified, batched, self._loop, connections=self._connections
            )
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
            pass
        for coalescer in self._coalescers.values():
            coalescer.end(f"not sent within {timeout_s:g} s of the database's end")


class Coalescer(Generic[R]):
    """The calls of one statement on one database."""

    def __init__(
        self,
        db: Executor,
        verified: Mapping[Statement, Guards],
        batched: Batched[R],
        loop: asyncio.AbstractEventLoop,
        *,
        connections: int,
    ) -> None:
        self._db = db
        self._verified = verified
        self._batched = batched
        self._alone_at_once = min(ALONE_AT_ONCE, connections)
        self._max_lanes = min(LANES, connections)
        self._loop = loop
        # Whether more calls are under way than go alone; those that come meanwhile go together.
        self._crowded = False
        self._lanes = 0
        self._sent = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # In the order of arrival. Who is cancelled stays until the next batch is cut.
        self._waiting: deque[WaitingCall] = deque()
        self._waiting_bytes = 0
        self._line: deque[WaitingCall] = deque()
        self._sent_keys: set[object] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._drainers: list[asyncio.Future[None]] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or waits."""
        return not (self._sent or self._lanes or self._waiting or self._line)

    # Every call passes here, so what can be spared is: a caller that waits for company awaits
    # the future itself, and one that has none a single coroutine.

    def call(self, arguments: tuple[object, ...]) -> Awaitable[R]:
        """The result of one call, as if it had been the only one."""
        key = None if self._batched.key is None else self._key_of(arguments)
        if (
            self._crowded
            or self._waiting
            or self._sent >= self._alone_at_once
            or key in self._sent_keys
        ):
            return self._enqueue(arguments, key)
        return self._alone(arguments, key)

    async def _alone(self, arguments: tuple[object, ...], key: object) -> R:
        self._sent += 1
        if key is not None:
            self._sent_keys.add(key)
        try:
            return await self._batched.runner.run(self._db, *arguments)
        finally:
            self._sent -= 1
            if key is not None:
                self._sent_keys.discard(key)
            if self._waiting or self._drainers:
                self._go_on()

    def _enqueue(self, arguments: tuple[object, ...], key: object) -> "asyncio.Future[R]":
        single = self._batched.single
        # None would be an element like any other; what else is refused here need not be split.
        fit_arguments(self._verified.get(single, UNGUARDED), arguments, single)
        future: asyncio.Future[R] = self._loop.create_future()
        call = WaitingCall(arguments, key, future)
        if self._line or self._is_full():
            self._line.append(call)
        else:
            self._wait(call)
        self._crowded = True
        if self._lanes < self._max_lanes:
            self._start()
        if self._timer is None:
            self._timer = self._loop.call_later(QUEUE_MAX_AGE_S, self._expire)
        return future

    async def drained(self) -> None:
        """Return once nothing is under way."""
        while not self.is_idle:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._drainers.append(waiter)
            await waiter

    def end(self, told: str) -> None:
        """Have every call fail that still waits, with nothing sent of it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for call in (*self._waiting, *self._line):
            call.refuse(self._expired(told))
        self._waiting.clear()
        self._waiting_bytes = 0
        self._line.clear()

    def _key_of(self, arguments: tuple[object, ...]) -> object:
        """What tells calls apart that may not be under way together."""
        key = self._batched.key(arguments) if self._batched.key else None
        try:
            hash(key)
        except Exception:
            # No key column takes such a value, so the call will be refused.
            return object()
        return key

    def _is_full(self) -> bool:
        return len(self._waiting) >= QUEUE_MAX_ROWS or self._waiting_bytes >= QUEUE_MAX_BYTES

    def _wait(self, call: WaitingCall) -> None:
        self._waiting.append(call)
        self._waiting_bytes += call.size_bytes

    def _start(self) -> None:
        # By a task of its own: it takes what comes until the loop turns to it, and nobody's
        # cancellation reaches what others wait for.
        self._lanes += 1
        task = self._loop.create_task(self._lane())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _go_on(self) -> None:
        """After a call or a lane has ended: what waited for it can be sent."""
        if self._waiting and self._lanes < self._max_lanes:
            self._start()
        elif self.is_idle:
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
                    self._sent -= len(calls)
                    self._sent_keys.difference_update(call.key for call in calls)
                # Who was answered is to make the next call before the next batch is cut.
                await asyncio.sleep(0)
        finally:
            self._lanes -= 1
            # What waits for the key of a call that is under way goes on when that has ended.
            if not self._sent:
                self._go_on()

    def _cut(self) -> list[WaitingCall]:
        """The calls to send next, in order; of those with one key the first.

        No more than this lane's share: where one took them all, the server would wait while
        their rows are read, and then the callers for the server.
        """
        taken: list[WaitingCall] = []
        kept: list[WaitingCall] = []
        size_bytes = 0
        waiting, sent_keys = self._waiting, self._sent_keys
        at_once = len(waiting) + self._sent
        self._crowded = at_once > self._alone_at_once
        share = min(BATCH_MAX_ROWS, -(-at_once // self._max_lanes))
        while waiting and len(taken) < share:
            call = waiting.popleft()
            if call.future.done():
                self._waiting_bytes -= call.size_bytes
                continue
            key = call.key
            if key is not None and key in sent_keys:
                kept.append(call)
                continue
            if taken and size_bytes + call.size_bytes > BATCH_MAX_BYTES:
                kept.append(call)
                break
            size_bytes += call.size_bytes
            if key is not None:
                sent_keys.add(key)
            taken.append(call)
        waiting.extendleft(reversed(kept))
        self._waiting_bytes -= size_bytes
        self._sent += len(taken)
        while self._line and not self._is_full():
            following = self._line.popleft()
            if not following.future.done():
                self._wait(following)
        return taken

    async def _settle(self, calls: Sequence[WaitingCall]) -> None:
        """Have each of these calls answered, whatever happens."""
        try:
            await self._send(calls)
        except BaseException as failure:
            for call in calls:
                call.refuse(_own(failure))
            if not isinstance(failure, Exception):
                raise

    async def _send(self, calls: Sequence[WaitingCall]) -> None:
        if len(calls) == 1:
            result = await self._batched.runner.run(self._db, *calls[0].arguments)
            calls[0].give(result)
            return
        statement = self._batched.statement
        arrays = self._batched.arrays([call.arguments for call in calls])
        try:
            records = await self._db.fetch_all(statement, arrays, as_fetched)
        except Error as failure:
            if not self._is_of_one_call(failure):
                raise
        else:
            self._answer(calls, records)
            return
        middle = len(calls) // 2
        await self._settle(calls[:middle])
        await self._settle(calls[middle:])

    def _answer(self, calls: Sequence[WaitingCall], records: Sequence[asyncpg.Record]) -> None:
        read, count = self._batched.read, len(calls)
        for record in records:
            # The position is the statement's own, and counts from 1.
            position: int = record[0]
            if not 0 < position <= count:
                name = self._batched.statement.name
                raise CodeError(
                    f"{name}: returned ordinal {position} of {count}: it counts the given from 1",
                    query=name,
                )
            future = calls[position - 1].future
            if not future.done():
                try:
                    future.set_result(read(record[1:]))
                except Exception as failure:
                    future.set_exception(failure)
        if len(records) < len(calls):
            for call in calls:
                if not call.future.done():
                    self._answer_none(call)

    def _answer_none(self, call: WaitingCall) -> None:
        """Have a call answered for which no row came back."""
        try:
            call.give(self._batched.read(None))
        except Exception as failure:
            call.refuse(failure)

    def _is_of_one_call(self, failure: Error) -> bool:
        """Whether the others may succeed without the call that this is about."""
        if isinstance(failure, DataError):
            # A write whose result cannot be read is stored all the same.
            is_unread = isinstance(failure.__cause__, ValueError | OverflowError)
            is_unsent = isinstance(failure, ArgumentRefused)
            return is_unsent or not is_unread or self._batched.key is None
        return failure.sqlstate in _OF_ONE_ROW

    def _expire(self) -> None:
        """Refuse the calls that have waited too long, and look again when the next one has."""
        self._timer = None
        now_s = time.monotonic()
        for queue in (self._waiting, self._line):
            while queue:
                call = queue[0]
                left_s = call.since_s + QUEUE_MAX_AGE_S - now_s
                if left_s > 0 and not call.future.done():
                    self._timer = self._loop.call_later(left_s, self._expire)
                    return
                call.refuse(self._expired(f"not sent within {QUEUE_MAX_AGE_S:g} s"))
                queue.popleft()
                if queue is self._waiting:
                    self._waiting_bytes -= call.size_bytes

    def _expired(self, told: str) -> TimeoutExpired:
        name = self._batched.single.name
        return TimeoutExpired(f"{name}: {told}, and nothing was stored", query=name)


def _own(failure: BaseException) -> BaseException:
    """The failure for one of several callers: each adds its own traceback to it."""
    if not isinstance(failure, Error):
        return failure
    own = copy.copy(failure)
    own.__cause__ = failure.__cause__
    return own
