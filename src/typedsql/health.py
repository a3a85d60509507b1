"""Does the database answer, and is it what this code was generated for?"""

import asyncio
import time
from typing import Literal

import msgspec

from typedsql.connect_failure import connection_failed
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.identities import unsafe_api_roles
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.sqlstate import translate
from typedsql.verify import ahead, applied_version, behind

HEALTH_TIMEOUT_S = 10.0
"""For the whole check, a new connection included."""

_SERVER = """
SELECT
    current_setting('server_version') AS server_version,
    current_setting('transaction_read_only')::boolean AS read_only
"""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the database; None wherever it did not come to that."""

    status: Literal["healthy", "unhealthy"]
    reason: str | None
    """Why it is unhealthy, and what to do; never a secret."""
    notice: str | None = None
    """What a healthy database has to say all the same: it is migrated further."""
    target: str
    server_version: str | None = None
    latency_ms: float | None = None
    """One round trip on an open connection."""
    read_only: bool | None = None
    """True on a standby, and where transactions are read-only by default."""
    migration_version: str | None = None
    expected_migration: str
    """What the code was generated for; a newer database is healthy too."""
    pool_size: int | None = None
    """Connections that are open."""
    pool_idle: int | None = None
    """Open connections that nobody uses."""


async def check_health(db: Database, *, timeout_s: float = HEALTH_TIMEOUT_S) -> Health:
    """Look at the database through its pool.

    Never raises for a sick database: it is `unhealthy`, with a reason. Unhealthy are a
    server that does not answer within `timeout_s`, to the gateway's login too where there is
    one, a migration older than the code's, and an API role that row level security does not
    limit.
    """
    expected = db.project.latest_migration
    try:
        async with (
            asyncio.timeout(timeout_s),
            db.checking_connection(wait_for_server=False) as connection,
        ):
            server = await connection.fetchrow(_SERVER)
            started = time.perf_counter()
            await connection.fetchval("SELECT 1")
            latency_ms = round((time.perf_counter() - started) * 1000, 3)
            version = await applied_version(connection, db.project)
            unsafe = await unsafe_api_roles(connection)
            await db.ask_gateway()
    except Exception as failure:
        return Health(
            status="unhealthy",
            reason=_reason(failure, timeout_s),
            target=db.target.describe(),
            expected_migration=expected,
            pool_size=db.pool_size,
            pool_idle=db.pool_idle,
        )
    reason = "; ".join(unsafe) or behind(version, db.project)
    return Health(
        status="unhealthy" if reason else "healthy",
        reason=reason,
        notice=ahead(version, db.project),
        target=db.target.describe(),
        server_version=server["server_version"],
        latency_ms=latency_ms,
        read_only=server["read_only"],
        migration_version=version,
        expected_migration=expected,
        pool_size=db.pool_size,
        pool_idle=db.pool_idle,
    )


async def connect_and_check(
    target: ConnectionTarget, project: Project, *, timeout_s: float = HEALTH_TIMEOUT_S
) -> Health:
    """`check_health` on a pool of its own; that it cannot be opened is a reason as well."""
    try:
        async with Database.connect(
            target, project=project, max_size=1, migrations="ignore", connect_timeout_s=timeout_s
        ) as db:
            return await check_health(db, timeout_s=timeout_s)
    except Exception as failure:
        error = connection_failed(failure, target)
        return Health(
            status="unhealthy",
            reason=str(error) if error else _reason(failure, timeout_s),
            target=target.describe(),
            expected_migration=project.latest_migration,
        )


def _reason(failure: Exception, timeout_s: float) -> str:
    if isinstance(failure, Error):
        return str(failure)
    if isinstance(failure, TimeoutError):
        return f"no answer within {timeout_s:g} s: look at the server's load and at the network"
    # The text of an unknown exception may hold anything; its type does not.
    return str(translate(failure, query=None) or f"the check failed with {type(failure).__name__}")
