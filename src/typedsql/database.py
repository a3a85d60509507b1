"""Pools of connections that run named statements, and transactions on them."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, Unpack
from uuid import UUID

from typedsql import codecs
from typedsql.batching import DRAIN_TIMEOUT_S, Batching
from typedsql.bulk_session import BulkSession
from typedsql.connect_failure import connection_failed
from typedsql.connect_options import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    IDLE_IN_TRANSACTION_TIMEOUT_S,
    KEEPALIVE_IDLE_S,
    ConnectOptions,
    bulk_limits,
    check_follow_options,
    gateway_limits,
    pool_limits,
)
from typedsql.driver_connection import Connection, Install, open_connection
from typedsql.embedded import reachable
from typedsql.errors import CodeError, ConfigurationError
from typedsql.identities import Role, check_gateway, claims_of, take_on
from typedsql.pool import Pool
from typedsql.pool_statistics import DatabaseStatistics
from typedsql.pooled_statements import PooledStatements
from typedsql.project import Project
from typedsql.query import Batched
from typedsql.rerun import TransactionRun
from typedsql.retry import MAX_TRANSACTION_ATTEMPTS
from typedsql.settings import ConnectionTarget
from typedsql.transaction import Isolation, Session, Transaction, Verified
from typedsql.user_transaction import (
    IDLE_TIMEOUT_S,
    ONE_AT_A_TIME,
    STATEMENT_TIMEOUT_S,
    UserTransaction,
    check_limits,
)
from typedsql.verify import check_migrations

__all__ = ["ConnectOptions", "Database", "Isolation", "Transaction", "UserTransaction"]

R = TypeVar("R")

CLOSE_TIMEOUT_S = 10.0
"""For connections that are in use at the end to come back; they are cut after that."""


class Database(PooledStatements):
    """Connections to one database; made by `connect`.

    Each statement called on it directly is a transaction of its own.
    """

    def __init__(
        self,
        target: ConnectionTarget,
        project: Project,
        options: ConnectOptions,
        *,
        gateway: ConnectionTarget | None = None,
    ) -> None:
        verified, verified_bulk = Verified(), Verified(binary_numeric=True)

        def session(connection: Connection) -> Session:
            return Session(connection, verified, project)

        own: tuple[Pool, ConnectionTarget] | None = None
        if gateway is not None:
            connect = _connector(gateway, project, options, codecs.install)
            own = Pool(connect, session, gateway_limits(options)), gateway
        super().__init__(
            target,
            project,
            verified,
            pool=Pool(
                _connector(target, project, options, codecs.install),
                session,
                pool_limits(options),
            ),
            bulk=Pool(
                _connector(target, project, options, codecs.install_bulk),
                lambda connection: BulkSession(connection, verified_bulk, project),
                bulk_limits(options),
            ),
            gateway=own,
            idle_limit_s=_idle_limit_s(options) if target.mode == "transaction" else None,
        )
        self._verified_bulk = verified_bulk
        connections = self._pool.limits.max_size
        self._batching = Batching(self, self._verified, connections=connections)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        target: ConnectionTarget,
        *,
        project: Project,
        gateway: ConnectionTarget | None = None,
        **options: Unpack[ConnectOptions],
    ) -> AsyncGenerator["Database", None]:
        """Open a pool, check the migration version, and close the pool at the end.

        With `gateway`, another login on the same database, `as_user` runs on a pool of its own.
        That login may do nothing by itself: it is NOINHERIT and a member of the API roles
        alone, so what forgets to act as a user is refused. What it may do beyond that is a
        ConfigurationError here, and so is another database.

        Raises ConnectionFailed, with what to do, where no connection can be opened, and
        MigrationMismatch where the database is not migrated as the code expects, and
        ConfigurationError for an option that it does not know or cannot follow.
        """
        check_follow_options(options)
        async with reachable(target) as concrete:
            database = cls(concrete, project, options, gateway=gateway)
            try:
                await database._open()
                async with database.checking_connection() as connection:
                    await check_migrations(connection, project, options.get("migrations", "exact"))
                yield database
            finally:
                await database._close()

    async def _open(self) -> None:
        await _open_pool(self._pool, self.target)
        await self._bulk.open()
        if self._gateway is not None:
            await _open_pool(self._gateway, self._gateway_target)
            async with self._raw(self._gateway) as connection, self._raw(self._pool) as beside:
                problems = await check_gateway(connection, beside)
            if problems:
                raise ConfigurationError(f"the gateway's login: {'; '.join(problems)}")

    async def _close(self) -> None:
        try:
            await self._batching.close(DRAIN_TIMEOUT_S)
        finally:
            await asyncio.gather(*(pool.close(CLOSE_TIMEOUT_S) for pool in self._pools()))

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any, None]:
        """A raw asyncpg connection, for what named statements cannot do.

        Its numeric, json and jsonb codecs are those of `typedsql.codecs`. Whatever it
        sets for the session is undone when the block ends, and its use after that is an
        error; where it was given other codecs or a query logger, it is closed then. A server
        that restarts or has no free slot is waited for as long as for a connection of the
        pool.

        Raises CodeError through a transaction pooler, where the next statement may be in
        another session, and what this one leaves is found by another client.
        """
        if self.target.mode == "transaction":
            raise CodeError(
                "db.connection() is a session of one's own, and a transaction pooler has none to "
                "give: use db.transaction(), or connect directly or to a session pooler"
            )
        async with self._raw(self._pool) as connection:
            yield connection

    @asynccontextmanager
    async def checking_connection(
        self, *, wait_for_server: bool = True
    ) -> AsyncGenerator[Any, None]:
        """A raw connection for the package's own questions, which leave nothing in a session.

        It is there in every mode. `wait_for_server` False does not wait for a server that
        restarts or has no free slot.
        """
        async with self._raw(self._pool, wait_for_server=wait_for_server) as connection:
            yield connection

    async def ask_gateway(self) -> None:
        """Raises where the gateway, if there is one, does not answer; waits for no restart."""
        if self._gateway is not None:
            async with self._raw(self._gateway, wait_for_server=False) as connection:
                await connection.fetchval("SELECT 1")

    @asynccontextmanager
    async def _raw(self, pool: Pool, *, wait_for_server: bool = True) -> AsyncGenerator[Any, None]:
        pooled = pool.take() or await self._acquire(pool, wait_for_server=wait_for_server)
        lent = pooled.connection.lend()
        try:
            yield lent
        finally:
            pooled.connection.take_back(lent)
            await pool.settle(pooled, dirty=True)

    async def run_transaction(
        self,
        function: Callable[[Transaction], Awaitable[R]],
        *,
        isolation: Isolation | None = None,
        readonly: bool = False,
        attempts: int = MAX_TRANSACTION_ATTEMPTS,
    ) -> R:
        """Run `function` in a transaction, and again where that is safe; what it returned.

        It is run again, `attempts` times in all, after a TransientError, a connection lost
        before COMMIT, a schema change under a prepared statement, and once on new connections
        where the server is read-only: each time from its start, in another transaction, so
        what it does besides must bear repeating. Where COMMIT was not answered the server is
        asked what became of it: committed, its result is returned; rolled back, it is run
        again. Costs one round trip more than `transaction`, but where `readonly`.

        A NOTIFY of a transaction that wrote nothing else may be sent twice.

        Raises:
            OutcomeUnknown: the server could not say, within 30 s, or was replaced or crashed
                in between. Running it again may store it twice.
            CodeError: called from inside of `function`, on the same database.
            Error: what the last attempt raised, and at once what no repetition changes.
        """
        run = TransactionRun(
            self,
            begin=partial(self.transaction, isolation=isolation, readonly=readonly),
            connection=self.checking_connection,
            expire=self._leave_wrong_node,
            readonly=readonly,
            attempts=attempts,
        )
        return await run.run(function)

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
        async with (
            self._lent(self._pool, self._verified) as (lent, session),
            Transaction.begin(
                lent,
                session,
                isolation=isolation,
                readonly=readonly,
                deferrable=deferrable,
                idle_limit_s=self._idle_limit_s,
            ) as transaction,
        ):
            yield transaction

    @asynccontextmanager
    async def as_user(
        self,
        user: UUID | None,
        *,
        readonly: bool = False,
        role: Role = "authenticated",
        claims: Mapping[str, object] | None = None,
        statement_timeout_s: float = STATEMENT_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> AsyncGenerator[UserTransaction, None]:
        """A transaction in the name of an application's user: row level security decides.

        One statement makes it so, for this transaction alone: the role, and what auth.uid()
        and auth.jwt() read. Its end, however it comes, is the end of that, and of whatever a
        function that it called has set for the session. `user` is None for
        role anon alone; `claims` are further members of the token, for policies that read
        them. Each statement may take `statement_timeout_s` (57014), and the server ends the
        transaction after `idle_timeout_s` of nothing (25P03). Otherwise it is like
        `transaction`, for named statements alone: no raw connection, no COPY. It costs one
        statement more than `transaction`, and runs on the gateway's pool where there is one.

        Raises:
            IdentityRefused: a role other than authenticated and anon, a user who is no UUID,
                or another user's block around this one. It is a ValueError too.
            IdentityLost: something inside of it ended the transaction; nothing more is run.
            OperatorError: the login may not become the role, or the role sees everything.
        """
        told = claims_of(user, role, claims)
        check_limits(statement_timeout_s, idle_timeout_s)
        with ONE_AT_A_TIME.alone(self):
            async with (
                self._lent(self._gateway or self._pool, self._verified, reset=True) as (
                    lent,
                    session,
                ),
                UserTransaction.begin(lent, session, readonly=readonly) as transaction,
            ):
                await take_on(
                    lent,
                    told,
                    role,
                    statement_timeout_s=statement_timeout_s,
                    idle_timeout_s=idle_timeout_s,
                )
                yield transaction
                await transaction.leave()

    @asynccontextmanager
    async def bulk_transaction(
        self, *, isolation: Isolation | None = None
    ) -> AsyncGenerator[Transaction, None]:
        """A transaction on a connection that can COPY records with numeric columns.

        Otherwise like `transaction`: generated functions give the same on it, and are
        slower where they read many numbers. Its connections are few and its own
        (`bulk_max_size`), so that bulk work never takes those of queries.
        """
        async with (
            self._lent(self._bulk, self._verified_bulk) as (lent, session),
            Transaction.begin(
                lent, session, isolation=isolation, idle_limit_s=self._idle_limit_s
            ) as transaction,
        ):
            yield transaction

    def run_batched(self, batched: Batched[R], arguments: tuple[object, ...]) -> Awaitable[R]:
        return self._batching.run(batched, arguments)

    async def drain(self) -> None:
        """Return once each call of a statement with @batch that was made has its result.

        For a worker that stops: what it wrote is committed then, or its callers have the
        error. The end of ``async with`` drains as well, for at most 10 s.
        """
        await self._batching.drain()

    def statistics(self) -> DatabaseStatistics:
        """What the pools have counted since they were opened, and how full they are."""
        return DatabaseStatistics(
            queries=self._pool.statistics(),
            bulk=self._bulk.statistics(),
            gateway=None if self._gateway is None else self._gateway.statistics(),
        )

    @property
    def pool_size(self) -> int:
        """Connections for queries that are open now."""
        return self._pool.size

    @property
    def pool_idle(self) -> int:
        """Open connections for queries that nobody uses now."""
        return self._pool.idle


async def _open_pool(pool: Pool, target: ConnectionTarget) -> None:
    try:
        await pool.open()
    except Exception as failure:
        error = connection_failed(failure, target)
        if error is None:
            raise
        raise error from failure


def _idle_limit_s(options: ConnectOptions) -> float:
    return options.get("idle_in_transaction_timeout_s", IDLE_IN_TRANSACTION_TIMEOUT_S)


def _connector(
    target: ConnectionTarget, project: Project, options: ConnectOptions, install: Install
) -> Callable[[], Awaitable[Connection]]:
    return partial(
        open_connection,
        target,
        install,
        connect_timeout_s=options.get("connect_timeout_s", CONNECT_TIMEOUT_S),
        command_timeout_s=options.get("command_timeout_s", COMMAND_TIMEOUT_S),
        keepalive_idle_s=math.ceil(options.get("keepalive_idle_s", KEEPALIVE_IDLE_S)),
        idle_in_transaction_timeout_s=_idle_limit_s(options),
        application_name=options.get("application_name", project.name),
    )
