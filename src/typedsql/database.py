"""A pool of connections that runs named statements, and transactions on it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, Unpack

import asyncpg

from typedsql import codecs
from typedsql.batching import DRAIN_TIMEOUT_S, Batching
from typedsql.connect_failure import connection_failed
from typedsql.connect_options import (
    ACQUIRE_TIMEOUT_S,
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    DEFAULT_MAX_SIZE,
    DEFAULT_MIN_SIZE,
    IDLE_IN_TRANSACTION_TIMEOUT_S,
    ConnectOptions,
    check_follow_options,
)
from typedsql.embedded import reachable
from typedsql.errors import CodeError, TimeoutExpired
from typedsql.project import Project
from typedsql.query import Batched, Executor, as_fetched
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement
from typedsql.transaction import Isolation, Session, Transaction, Verified
from typedsql.verify import check_migrations

__all__ = ["ConnectOptions", "Database", "Isolation", "Transaction"]

R = TypeVar("R")

RELEASE_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 10.0


class Database(Executor):
    """A pool of connections to one database; made by `connect`.

    Each statement called on it directly is a transaction of its own.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        target: ConnectionTarget,
        project: Project,
        acquire_timeout_s: float,
        touched: set[int],
    ) -> None:
        self._pool = pool
        self._touched = touched
        self._acquire_timeout_s = acquire_timeout_s
        self._verified: Verified = {}
        self._batching = Batching(self, self._verified)
        self.target = target
        """Where this pool is connected."""
        self.project = project
        """What the code was generated for."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, target: ConnectionTarget, *, project: Project, **options: Unpack[ConnectOptions]
    ) -> AsyncGenerator["Database", None]:
        """Open a pool, check the migration version, and close the pool at the end.

        Raises ConnectionFailed, with what to do, where no connection can be opened, and
        MigrationMismatch where the database is not migrated as the code expects, and
        ConfigurationError for an option that it does not know or cannot follow.
        """
        check_follow_options(options)
        async with reachable(target) as concrete:
            touched: set[int] = set()
            pool = await _open_pool(concrete, project, options, touched)
            acquire_timeout_s = options.get("acquire_timeout_s", ACQUIRE_TIMEOUT_S)
            database = cls(pool, concrete, project, acquire_timeout_s, touched)
            try:
                async with database.connection() as connection:
                    await check_migrations(connection, project, options.get("migrations", "exact"))
                yield database
            finally:
                await database._batching.close(DRAIN_TIMEOUT_S)
                await _close_pool(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any, None]:
        """A raw asyncpg connection, for what named statements cannot do.

        Its numeric, json and jsonb codecs are those of `typedsql.codecs`. Whatever it
        sets for the session is undone when the block ends.
        """
        connection = await self._acquire()
        self._mark(connection)
        try:
            yield connection
        finally:
            await self._release(connection)

    async def _acquire(self) -> Any:
        try:
            return await self._pool.acquire(timeout=self._acquire_timeout_s)
        except TimeoutError as failure:
            if self._pool.get_size() < self._pool.get_max_size():
                # It was not the others who kept it from connecting.
                raise connection_failed(failure, self.target) or failure from failure
            raise TimeoutExpired(
                f"no connection came free within {self._acquire_timeout_s:g} s: "
                f"all {self._pool.get_max_size()} are in use"
            ) from failure
        except Exception as failure:
            if self._pool.is_closing():
                raise CodeError(
                    "the database is closed: use it inside its `async with` block"
                ) from failure
            error = connection_failed(failure, self.target)
            if error is None:
                raise
            raise error from failure

    def _mark(self, connection: Any) -> None:
        """Have the session reset when the connection is given back.

        After a failure as well: where a statement was prepared and not run, the server
        waits inside it, with its tables locked against DDL, until it hears more.
        """
        try:
            if not connection.is_closed():
                self._touched.add(connection.get_server_pid())
        except asyncpg.InterfaceError:
            # Its session has ended, and the pool has taken it back: nothing is left to reset.
            return

    async def _release(self, connection: Any) -> None:
        """Give a connection back. A cancelled caller does not stop it: the pool shields it."""
        try:
            await self._pool.release(connection, timeout=RELEASE_TIMEOUT_S)
        except Exception:
            # The pool has closed the connection. What ran on it has its result already.
            return

    @asynccontextmanager
    async def transaction(
        self,
        *,
        isolation: Isolation | None = None,
        readonly: bool = False,
        deferrable: bool = False,
    ) -> AsyncGenerator[Transaction, None]:
        """A transaction: committed when the block ends, rolled back if it raises.

        `isolation` None is the server's default, usually read committed. `deferrable`
        only matters to a serializable read-only transaction. Raises TransientError from
        the block or its end where the whole block should be run again.
        """
        connection = await self._acquire()
        try:
            session = self._session(connection)
            async with Transaction.begin(
                connection, session, isolation=isolation, readonly=readonly, deferrable=deferrable
            ) as transaction:
                yield transaction
        finally:
            await self._release(connection)

    async def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> R:
        connection = await self._acquire()
        try:
            rows = await self._session(connection).fetch_all(statement, arguments, as_fetched)
        except BaseException:
            self._mark(connection)
            await self._release(connection)
            raise
        await self._release(connection)
        return read(rows)

    async def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> R:
        connection = await self._acquire()
        try:
            row = await self._session(connection).fetch_one(statement, arguments, as_fetched)
        except BaseException:
            self._mark(connection)
            await self._release(connection)
            raise
        await self._release(connection)
        return read(row)

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        connection = await self._acquire()
        try:
            count = await self._session(connection).execute(statement, arguments)
        except BaseException:
            self._mark(connection)
            await self._release(connection)
            raise
        await self._release(connection)
        return count

    async def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        connection = await self._acquire()
        try:
            session = self._session(connection)
            async with Transaction.begin(connection, session, readonly=True):
                batches = session.batches(statement, arguments)
                try:
                    async for records in batches:
                        yield records
                finally:
                    await batches.aclose()
        finally:
            await self._release(connection)

    def run_batched(
        self, batched: Batched[R], arguments: tuple[object, ...]
    ) -> Coroutine[Any, Any, R]:
        return self._batching.run(batched, arguments)

    async def drain(self) -> None:
        """Return once each call of a statement with @batch that was made has its result.

        For a worker that stops: what it wrote is committed then, or its callers have the
        error. The end of ``async with`` drains as well, for at most 10 s.
        """
        await self._batching.drain()

    def _session(self, connection: Any) -> Session:
        return Session(connection, self._verified, self.project)

    @property
    def pool_size(self) -> int:
        """Connections that are open now."""
        return self._pool.get_size()

    @property
    def pool_idle(self) -> int:
        """Open connections that nobody uses now."""
        return self._pool.get_idle_size()


async def _open_pool(
    target: ConnectionTarget, project: Project, options: ConnectOptions, touched: set[int]
) -> "asyncpg.Pool[asyncpg.Record]":
    idle_ms = round(
        options.get("idle_in_transaction_timeout_s", IDLE_IN_TRANSACTION_TIMEOUT_S) * 1000
    )
    max_size = options.get("max_size", DEFAULT_MAX_SIZE)

    async def reset(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        # The driver has rolled back what was open. Named statements leave nothing else
        # behind (`generate` refuses those that would), so the round trip is spared them.
        pid = connection.get_server_pid()
        if pid in touched:
            touched.discard(pid)
            # RESET ALL, which the driver's query ends with, leaves the role as it was set.
            await connection.execute(
                f"RESET SESSION AUTHORIZATION;\n{connection.get_reset_query()}"
            )

    try:
        return await asyncpg.create_pool(
            **target.asyncpg_arguments(),
            min_size=min(options.get("min_size", DEFAULT_MIN_SIZE), max_size),
            max_size=max_size,
            timeout=options.get("connect_timeout_s", CONNECT_TIMEOUT_S),
            command_timeout=options.get("command_timeout_s", COMMAND_TIMEOUT_S),
            init=codecs.install,
            reset=reset,
            server_settings={
                "application_name": options.get("application_name", project.name),
                "idle_in_transaction_session_timeout": str(idle_ms),
            },
        )
    except Exception as failure:
        error = connection_failed(failure, target)
        if error is None:
            raise
        raise error from failure


async def _close_pool(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()
