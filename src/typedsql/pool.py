"""Connections that are kept open and handed out: first come, first served.

Handing out an idle connection and taking it back take no turn of the event loop and no round
trip. What has to be undone after a use (a running statement, an open transaction, the settings
of a raw connection) is undone in a task of the pool, which a caller's cancellation does not
reach. A connection is closed at the end of its lifetime, when nobody has needed it for long,
and when it no longer answers.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from typedsql.connect_options import PoolLimits
from typedsql.driver_connection import Connection
from typedsql.errors import CodeError
from typedsql.pool_statistics import Counters, PoolStatistics
from typedsql.transaction import Session
from typedsql.waiting_line import WaitingLine

CLEAN_TIMEOUT_S: Final = 5.0
"""For undoing what a use has left; the connection is given up after that."""
SETTLE_TIMEOUT_S: Final = 1.0
"""How long a caller waits for that, where its statement failed."""
PART_TIMEOUT_S: Final = 5.0
"""For taking leave of the server; the connection is cut after that."""
LIVENESS_TIMEOUT_S: Final = 2.0
"""For the answer of an idle connection."""
SOCKET_CHECK_IDLE_S: Final = 0.001
"""After which the system is asked whether the server has ended an idle connection."""
LIFETIME_JITTER: Final = 0.1
"""Up to which part of its lifetime a connection is closed early: not all at once."""
HOUSEKEEPING_INTERVAL_S: Final = 10.0
"""Between looks at the idle connections; shorter where their limits are."""

_LIVENESS = "/* typedsql.liveness */ SELECT 1"


class Pooled:
    """A connection with what the pool knows of it."""

    __slots__ = ("connection", "dirty", "expires_at", "idle_since", "session")

    def __init__(self, connection: Connection, session: Session, expires_at: float) -> None:
        self.connection = connection
        self.session = session
        self.expires_at = expires_at
        self.idle_since = 0.0
        self.dirty = False
        """Whether its session is to be reset before somebody else gets it."""


class Pool:
    """Connections of one kind to one database; `Database` is what callers see of it."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        session: Callable[[Connection], Session],
        limits: PoolLimits,
    ) -> None:
        self.limits = limits
        self._connect = connect
        self._session = session
        self._all: dict[Connection, Pooled] = {}
        self._idle: list[Pooled] = []  # the last one used is the next one used
        self._line: WaitingLine[Pooled] = WaitingLine()
        self._opening = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._expired_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Event | None = None
        """Set once the last connection is gone; None while the pool is open."""
        self._count = Counters()

    async def open(self) -> None:
        """Open the connections that are kept open. Raises what the driver does."""
        self._loop = asyncio.get_running_loop()
        if self.limits.min_size > 0:
            # One, to be told what is wrong; the others are opened beside what follows.
            started = time.monotonic()
            self._admit(await self._connect(), started)
        self._start(self._keep_house())

    def take(self) -> Pooled | None:
        """An idle connection, at once; None where `acquire` has to be awaited.

        Raises CodeError in another event loop than the one in which the pool was opened: the
        driver would give its answer there, and what waits here would wait for ever.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise CodeError(
                "the database was opened in another event loop: each thread, and each "
                "asyncio.run, needs one of its own"
            )
        now = time.monotonic()
        idle = self._idle
        while idle:
            pooled = idle[-1]
            idle_s = now - pooled.idle_since
            if pooled.connection.is_closed():
                idle.pop()
                self._forget(pooled)
            elif now >= pooled.expires_at:
                idle.pop()
                self._count.closed_lifetime += 1
                self._part(pooled)
            elif idle_s >= self.limits.liveness_idle_s or (
                idle_s >= SOCKET_CHECK_IDLE_S and pooled.connection.heard_something()
            ):
                return None
            else:
                idle.pop()
                self._count.acquired += 1
                return pooled
        return None

    async def acquire(self) -> Pooled:
        """A connection, waited for in the order of asking.

        Raises TimeoutError after the limit, CodeError on a closed pool, and what the driver
        raises where the connection that was opened for this caller could not be.
        """
        limit = asyncio.timeout(self.limits.acquire_timeout_s)
        try:
            async with limit:
                while True:
                    if self._closing is not None:
                        raise _closed()
                    pooled = self.take()
                    if pooled is not None:
                        return pooled
                    if not self._idle:
                        return await self._wait()
                    pooled = self._idle.pop()
                    if await self._answers(pooled):
                        self._count.acquired += 1
                        return pooled
        except asyncio.CancelledError:
            self._count.acquires_canceled += 1
            raise
        except Exception:
            if limit.expired():
                self._count.acquires_timed_out += 1
            else:
                self._count.acquires_failed += 1
            raise

    async def _wait(self) -> Pooled:
        started = time.monotonic()
        pooled = await self._line.wait(self._grow, self.give_back)
        self._count.acquired += 1
        self._count.acquired_after_wait += 1
        self._count.acquire_wait_s += time.monotonic() - started
        return pooled

    def give_back(self, pooled: Pooled) -> "asyncio.Task[None] | None":
        """Take a connection back; the task is one that cleans it first, None if none has to."""
        connection = pooled.connection
        if connection.is_closed():
            self._forget(pooled)
            return None
        if pooled.dirty or connection.is_in_transaction():
            return self._start(self._clean(pooled))
        self._offer(pooled)
        return None

    async def settle(self, pooled: Pooled, *, dirty: bool, wait: bool = True) -> None:
        """Take a connection back and see to it that little remains of its use.

        Waits until the server has ended what failed, but not for long: the task goes on
        without the caller, and from the beginning where there is nothing to `wait` for.
        `dirty` after any failure: where a statement was prepared and not run, the server waits
        inside it, with its tables locked against DDL, until it hears more.
        """
        pooled.dirty = dirty
        if pooled.connection.altered:
            pooled.expires_at = 0.0
        # It would keep the frames of the failure, with what was in them, until the next one.
        pooled.session.failed = None
        cleaning = self.give_back(pooled)
        if cleaning is not None and wait:
            await asyncio.wait({cleaning}, timeout=SETTLE_TIMEOUT_S)

    def expire(self) -> None:
        """Replace every connection: the idle ones now, the others when they come back."""
        self._expired_at = time.monotonic()
        for pooled in self._all.values():
            pooled.expires_at = 0.0
        while self._idle:
            self._count.closed_lifetime += 1
            self._part(self._idle.pop())

    def statistics(self) -> PoolStatistics:
        idle = len(self._idle)
        return PoolStatistics(
            max_size=self.limits.max_size,
            size=len(self._all),
            idle=idle,
            in_use=len(self._all) - idle,
            opening=self._opening,
            waiting=len(self._line),
            **vars(self._count),
        )

    @property
    def size(self) -> int:
        """Connections that are open."""
        return len(self._all)

    @property
    def idle(self) -> int:
        """Open connections that nobody uses."""
        return len(self._idle)

    async def close(self, timeout_s: float) -> None:
        """Close every connection, those in use when they come back or after `timeout_s`."""
        self._closing = asyncio.Event()
        while self._line.refuse(_closed()):
            pass
        while self._idle:
            self._part(self._idle.pop())
        try:
            async with asyncio.timeout(timeout_s):
                if self._all:
                    await self._closing.wait()
        except TimeoutError:
            pass
        finally:
            for connection in list(self._all):
                connection.terminate()
            self._all.clear()
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _admit(self, connection: Connection, started: float) -> None:
        early = LIFETIME_JITTER * random.random()  # noqa: S311 - no secret
        expires_at = started + self.limits.max_lifetime_s * (1 - early)
        if started < self._expired_at:
            # It may be one to a server that those who expired the others no longer want.
            expires_at = 0.0
        pooled = Pooled(connection, self._session(connection), expires_at)
        self._all[connection] = pooled
        connection.pooled_with = self._all.keys()
        connection.add_termination_listener(self._ended)
        self._count.opened += 1
        self._offer(pooled)

    def _ended(self, connection: Any) -> None:
        """The driver has seen the end of a connection; one that is in use its user gives back."""
        pooled = self._all.get(connection)
        if pooled is not None and pooled in self._idle:
            self._idle.remove(pooled)
            self._forget(pooled)

    def _offer(self, pooled: Pooled) -> None:
        """To whoever has waited longest, or to the idle ones."""
        now = time.monotonic()
        if self._closing is not None:
            self._part(pooled)
        elif now >= pooled.expires_at:
            self._count.closed_lifetime += 1
            self._part(pooled)
        elif not self._line.serve(pooled):
            pooled.idle_since = now
            self._idle.append(pooled)

    def _grow(self) -> None:
        """Open connections for those who wait, as far as the pool may grow.

        A connection that comes back serves the one who waits longest all the same, and the
        one that is being opened then serves the next.
        """
        while (
            self._closing is None
            and self._opening < len(self._line)
            and len(self._all) + self._opening < self.limits.max_size
        ):
            self._opening += 1
            self._start(self._open_one())

    async def _open_one(self) -> None:
        started = time.monotonic()
        try:
            connection = await self._connect()
            if connection.heard_something():
                # It has ended as it was opened, most likely: the last answer came all the same.
                try:
                    await self._ask(connection)
                except BaseException:
                    connection.terminate()
                    raise
        except Exception as failure:
            self._opening -= 1
            self._line.refuse(failure)
            self._grow()
        except BaseException:
            self._opening -= 1
            raise
        else:
            self._opening -= 1
            self._admit(connection, started)

    async def _answers(self, pooled: Pooled) -> bool:
        """Whether an idle connection is alive; it is given up where it is not."""
        try:
            await self._ask(pooled.connection)
        except asyncio.CancelledError:
            pooled.dirty = True
            self.give_back(pooled)
            raise
        except TimeoutError:
            # What has silenced it is likely to have silenced those that are idle for longer.
            for silent in [pooled, *self._idle]:
                self._count.closed_silent += 1
                self._cut(silent)
            self._idle.clear()
            return False
        except Exception:
            self._count.closed_broken += 1
            self._cut(pooled)
            return False
        return True

    async def _ask(self, connection: Connection) -> None:
        self._count.asked += 1
        await connection.execute(_LIVENESS, timeout=LIVENESS_TIMEOUT_S)

    async def _clean(self, pooled: Pooled) -> None:
        self._count.cleaned += 1
        try:
            await pooled.connection.clean(timeout_s=CLEAN_TIMEOUT_S)
        except Exception:
            # What ran on it has its result or its error already.
            self._count.closed_broken += 1
            self._cut(pooled)
        else:
            pooled.dirty = False
            self._offer(pooled)

    def _forget(self, pooled: Pooled) -> None:
        """A connection has ended by itself."""
        self._count.closed_broken += 1
        self._cut(pooled)

    def _cut(self, pooled: Pooled) -> None:
        """End a connection at once."""
        pooled.connection.terminate()
        self._remove(pooled)

    def _part(self, pooled: Pooled) -> None:
        """End a connection, telling the server; it counts until the server has let go of it."""
        self._start(self._take_leave(pooled))

    async def _take_leave(self, pooled: Pooled) -> None:
        try:
            # Where that fails, the driver has cut the connection.
            with suppress(Exception):
                await pooled.connection.close(timeout=PART_TIMEOUT_S)
        finally:
            self._remove(pooled)

    def _remove(self, pooled: Pooled) -> None:
        self._all.pop(pooled.connection, None)
        if self._closing is None:
            self._grow()
        elif not self._all:
            self._closing.set()

    async def _keep_house(self) -> None:
        """Close what is idle for too long or too old, and open what is to be kept open."""
        limits = self.limits
        interval_s = min(HOUSEKEEPING_INTERVAL_S, limits.max_lifetime_s / 4, limits.max_idle_s / 4)
        while True:
            self._retire_idle()
            while len(self._all) + self._opening < limits.min_size:
                self._opening += 1
                self._start(self._open_one())
            await asyncio.sleep(interval_s)

    def _retire_idle(self) -> None:
        now = time.monotonic()
        spare = len(self._all) - self.limits.min_size
        kept: list[Pooled] = []
        for pooled in self._idle:
            if pooled.connection.is_closed():
                self._forget(pooled)
            elif now >= pooled.expires_at:
                self._count.closed_lifetime += 1
                self._part(pooled)
            elif spare > 0 and now - pooled.idle_since >= self.limits.max_idle_s:
                self._count.closed_idle += 1
                self._part(pooled)
            else:
                kept.append(pooled)
                continue
            spare -= 1
        self._idle[:] = kept


def _closed() -> CodeError:
    return CodeError("the database is closed: use it inside its `async with` block")
