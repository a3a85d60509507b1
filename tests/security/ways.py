"""The ways to a database that identities must not leak on, and who their sessions say they are.

A session of the server is what a leak would stay in: the driver's own connection, or one that a
pooler lends to whoever comes next.
"""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from pydantic import SecretStr

import whaledb
from tests.pgbouncer import POOL_SIZE, Pgbouncer
from typedsql.database import Database
from typedsql.query import ExactlyOne
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement

DIRECT: Final = ("direct", "gateway")
POOLED: Final = ("pgbouncer", "gateway through pgbouncer")
NAMES: Final = (*DIRECT, *POOLED)

OBSERVER: Final = "observer"
"""The name of connections that are left in peace."""

MAX_CLIENTS: Final = 4 * POOL_SIZE

LOST: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
)
"""What the driver raises on a connection that has ended."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What one session of the server says of itself."""

    pid: int
    role: str
    user_id: UUID | None
    """As the policies see it; None where nobody is told of."""
    claims: str | None
    """Of a token; None where there are none, as `''` is what a local setting leaves."""
    legacy: str | None
    """The claims of older versions, together; None where there are none."""
    statement_timeout: str

    def has_identity(self) -> bool:
        return (self.user_id, self.claims, self.legacy) != (None, None, None)


def _statement(name: str, sql: str, *parameters: str) -> Statement:
    return Statement(
        name=name,
        sql=f"/* {name} */ {sql}",
        suffix="^",
        parameters=parameters,
        declared=parameters,
        prose="",
        location="sessions.sql:1",
    )


_SETTINGS: Final = """
    nullif(current_setting('request.jwt.claims', TRUE), '') AS claims,
    nullif(concat(
        current_setting('request.jwt.claim.sub', TRUE),
        current_setting('request.jwt.claim.role', TRUE)
    ), '') AS legacy,
    current_setting('statement_timeout') AS statement_timeout
"""
_ROLE: Final = "SELECT pg_backend_pid() AS pid, current_user::TEXT AS role,"
_WHO: Final = f"{_ROLE} auth.uid() AS user_id, {_SETTINGS}"
# A gateway's login may not call auth.uid().
_WHO_BY_SETTINGS: Final = f"{_ROLE} NULL::UUID AS user_id, {_SETTINGS}"

who_am_i: Final = ExactlyOne[Session](_statement("sessions.who", _WHO), lambda *r: _read(r))
"""The session of a transaction, or of the login."""
rest: Final = ExactlyOne[tuple[Any, ...]](
    _statement("sessions.rest", "SELECT pg_sleep($1)::TEXT AS slept", "pause_s"), lambda *r: r
)
"""Sleeps."""


def _read(row: Iterable[Any]) -> Session:
    return Session(**dict(zip(Session.__struct_fields__, row, strict=True)))


@dataclass(frozen=True, slots=True)
class Way:
    """One way: the target of the library and its gateway, and the server itself."""

    name: str
    direct: ConnectionTarget
    target: ConnectionTarget
    gateway: ConnectionTarget | None
    pgbouncer: Pgbouncer | None

    @property
    def is_pooled(self) -> bool:
        return self.pgbouncer is not None

    def deaths(self) -> int:
        """How often the pooler has died of its own faults."""
        return self.pgbouncer.deaths() if self.pgbouncer else 0

    def connect(self, **options: Any) -> AbstractAsyncContextManager[Database]:
        return whaledb.connect(self.target, gateway=self.gateway, **options)

    async def sessions(self, db: Database) -> list[Session]:
        """Every session of the server that the next caller may be given."""
        found: list[Session] = []
        async with AsyncExitStack() as stack:
            if self.is_pooled:
                for target in filter(None, (self.target, self.gateway)):
                    found += await _behind_a_pooler(stack, target)
            else:
                for pool in db._pools():
                    taken = [await pool.acquire() for _ in range(pool.statistics().size)]
                    for each in taken:
                        stack.callback(pool.give_back, each)
                        # One whose backend was ended a moment ago is nobody's any more.
                        with suppress(*LOST):
                            found.append(await ask(each.connection))
        return found


async def ask(connection: Any) -> Session:
    """Who the session of a driver's connection says it is."""
    return _read(await connection.fetchrow(_WHO_BY_SETTINGS))


async def _behind_a_pooler(stack: AsyncExitStack, target: ConnectionTarget) -> list[Session]:
    """As many as it has: each holds one in a transaction, while the others get theirs."""
    found: list[Session] = []
    for _ in range(MAX_CLIENTS):
        client = await asyncpg.connect(**target.asyncpg_arguments(), statement_cache_size=0)
        stack.callback(client.terminate)
        # Its backend may have been ended a moment ago: then it is nobody's any more.
        with suppress(*LOST):
            await client.execute("BEGIN")
            found.append(await ask(client))
        if len(found) == POOL_SIZE:
            break
    assert len({session.pid for session in found}) == POOL_SIZE
    return found


@asynccontextmanager
async def observer(direct: ConnectionTarget) -> AsyncIterator[Any]:
    """A connection of the owner's, straight to the server."""
    connection = await asyncpg.connect(
        **direct.asyncpg_arguments(), server_settings={"application_name": OBSERVER}
    )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def gateway_login(direct: ConnectionTarget) -> AsyncIterator[ConnectionTarget]:
    """A login that may become an API role and nothing else, while the block runs."""
    name, password = f"leaks_{secrets.token_hex(6)}", secrets.token_urlsafe(16)
    async with observer(direct) as admin:
        await admin.execute(f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '{password}'")
        try:
            await admin.execute(f"GRANT anon, authenticated TO {name}")
            yield replace(direct, user=name, password=SecretStr(password))
        finally:
            await admin.execute(f"DROP ROLE {name}")


@asynccontextmanager
async def open_way(
    name: str, direct: ConnectionTarget, pgbouncer: Pgbouncer | None
) -> AsyncIterator[Way]:
    """One of NAMES to a migrated database; those of POOLED need the pooler."""
    async with AsyncExitStack() as stack:
        target, gateway = direct, None
        if name.startswith("gateway"):
            gateway = await stack.enter_async_context(gateway_login(direct))
        if name not in POOLED:
            pgbouncer = None
        if pgbouncer is not None:
            target = pgbouncer.target(direct)
            gateway = gateway and pgbouncer.target(gateway)
        yield Way(name, direct, target, gateway, pgbouncer)
