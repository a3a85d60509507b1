"""Statements on pooled connections, each a transaction of its own, run again where it is safe."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from typedsql.bulk_session import BulkSession
from typedsql.connect_failure import connection_failed, may_pass
from typedsql.errors import Error, TimeoutExpired
from typedsql.pool import Pool, Pooled
from typedsql.project import Project
from typedsql.query import Executor, as_fetched
from typedsql.retry import StatementRetries, until_it_passes
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement
from typedsql.transaction import Session, Transaction, Verified

R = TypeVar("R")

EXPIRE_INTERVAL_S = 5.0
"""Between replacing all connections because the server was found to be read-only."""


class PooledStatements(Executor):
    """Runs statements on connections of a pool; `Database` is what callers see of it."""

    def __init__(
        self,
        target: ConnectionTarget,
        project: Project,
        verified: Verified,
        *,
        pool: Pool,
        bulk: Pool,
        gateway: tuple[Pool, ConnectionTarget] | None,
        idle_limit_s: float | None = None,
    ) -> None:
        self.target = target
        """Where its connections go."""
        self.project = project
        """What the code was generated for."""
        self._verified = verified
        self._pool = pool
        self._bulk = bulk
        self._gateway: Pool | None = None
        self._gateway_target = target
        if gateway is not None:
            self._gateway, self._gateway_target = gateway
        self._idle_limit_s = idle_limit_s
        """What each transaction tells the server of it; None where the session has told."""
        self._expire_next_at = 0.0

    async def _acquire(self, pool: Pool, *, wait_for_server: bool = True) -> Pooled:
        try:
            try:
                return await pool.acquire()
            except Exception as failure:
                if not (wait_for_server and may_pass(failure)):
                    raise
                return await until_it_passes(
                    pool.acquire, failure, limit_s=pool.limits.acquire_timeout_s
                )
        except TimeoutError as failure:
            limits = pool.limits
            if pool.size < limits.max_size:
                # It was not the others who kept it from connecting.
                raise connection_failed(failure, self._target_of(pool)) or failure from failure
            raise TimeoutExpired(
                f"no connection came free within {limits.acquire_timeout_s:g} s: "
                f"all {limits.max_size} are in use. Inside a transaction hand that to the "
                "functions called there: the database would need another connection"
            ) from failure
        except Exception as failure:
            error = connection_failed(failure, self._target_of(pool))
            if error is None or error is failure:
                raise
            raise error from failure

    def _target_of(self, pool: Pool) -> ConnectionTarget:
        return self._gateway_target if pool is self._gateway else self.target

    def expire_connections(self) -> None:
        """Have every connection made anew: idle ones now, those in use when they come back.

        A host name is resolved again then, for example to the primary server after a failover.
        """
        for pool in self._pools():
            pool.expire()

    def _pools(self) -> list[Pool]:
        return [pool for pool in (self._pool, self._bulk, self._gateway) if pool is not None]

    def _leave_wrong_node(self) -> None:
        """Expire the connections, but once for all calls that found the server read-only."""
        now = time.monotonic()
        if now >= self._expire_next_at:
            self._expire_next_at = now + EXPIRE_INTERVAL_S
            self.expire_connections()

    @asynccontextmanager
    async def _lent(
        self, pool: Pool, verified: Verified, *, reset: bool = False
    ) -> AsyncGenerator[tuple[Any, Session], None]:
        """A connection and its session for a block: whoever keeps them cannot use them later.

        With `reset`, its session is reset before the next user has it, whatever ran in it.
        """
        pooled = pool.take() or await self._acquire(pool)
        lent = pooled.connection.lend()
        kind = BulkSession if verified.binary_numeric else Session
        session = kind(lent, verified, self.project)
        failed = True
        try:
            yield lent, session
            failed = False
        finally:
            pooled.connection.take_back(lent)
            await pool.settle(pooled, dirty=failed or session.lent or reset, wait=failed)

    async def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> R:
        pool = self._pool
        pooled = pool.take() or await self._acquire(pool)
        try:
            rows = await pooled.session.fetch_all(statement, arguments, as_fetched)
        except BaseException as failure:
            await pool.settle(pooled, dirty=True)
            rows = await self._run_again(
                failure,
                statement,
                lambda session: session.fetch_all(statement, arguments, as_fetched),
            )
        else:
            pool.give_back(pooled)
        return read(rows)

    async def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> R:
        pool = self._pool
        pooled = pool.take() or await self._acquire(pool)
        try:
            row = await pooled.session.fetch_one(statement, arguments, as_fetched)
        except BaseException as failure:
            await pool.settle(pooled, dirty=True)
            row = await self._run_again(
                failure,
                statement,
                lambda session: session.fetch_one(statement, arguments, as_fetched),
            )
        else:
            pool.give_back(pooled)
        return read(row)

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        pool = self._pool
        pooled = pool.take() or await self._acquire(pool)
        try:
            count = await pooled.session.execute(statement, arguments)
        except BaseException as failure:
            await pool.settle(pooled, dirty=True)
            count = await self._run_again(
                failure, statement, lambda session: session.execute(statement, arguments)
            )
        else:
            pool.give_back(pooled)
        return count

    async def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        retries = StatementRetries()
        while True:
            begun = False
            try:
                async with (
                    self._lent(self._pool, self._verified) as (lent, session),
                    Transaction.begin(
                        lent, session, readonly=True, idle_limit_s=self._idle_limit_s
                    ),
                ):
                    batches = session.batches(statement, arguments)
                    try:
                        async for records in batches:
                            begun = True
                            yield records
                    finally:
                        await batches.aclose()
            except Error as failure:
                reason = None if begun else retries.next_reason(failure, statement)
                if reason is None:
                    raise
            else:
                return
            await retries.wait(reason)

    async def _run_again(
        self,
        failure: BaseException,
        statement: Statement,
        run: Callable[[Session], Awaitable[R]],
    ) -> R:
        """Run a failed statement again where that is safe; else raises what failed last."""
        retries = StatementRetries()
        pool = self._pool
        while True:
            reason = retries.next_reason(failure, statement)
            if reason is None:
                raise failure
            if reason == "wrong node":
                self._leave_wrong_node()
            await retries.wait(reason)
            pooled = pool.take() or await self._acquire(pool)
            try:
                result = await run(pooled.session)
            except BaseException as again:
                await pool.settle(pooled, dirty=True)
                failure = again
            else:
                pool.give_back(pooled)
                return result
