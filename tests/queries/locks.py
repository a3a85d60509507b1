"""Statements that wait for each other, and seeing it, so that no test relies on a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from typedsql.database import Database
from typedsql.settings import ConnectionTarget

MAX_POLLS: Final = 500
POLL_INTERVAL_S: Final = 0.02


@asynccontextmanager
async def sessions(target: ConnectionTarget) -> AsyncIterator[tuple[Any, Any]]:
    """Two of the server's own, for what would go wrong without the library."""
    async with (
        asyncpg.create_pool(**target.asyncpg_arguments(), min_size=2, max_size=2) as pool,
        pool.acquire() as one,
        pool.acquire() as two,
    ):
        yield one, two


async def waits_for_lock(db: Database, task: asyncio.Task[Any]) -> None:
    """Returns once a backend of this database waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    # One connection for all of it: the others may take all that are left.
    async with db.transaction(readonly=True) as tx:
        for _ in range(MAX_POLLS):
            # Within a transaction it would be shown the same each time.
            await tx.driver_connection.fetchval("SELECT pg_stat_clear_snapshot()")
            if await tx.driver_connection.fetchval(waiting):
                return
            assert not task.done(), "it did not wait"
            await asyncio.sleep(POLL_INTERVAL_S)
    raise AssertionError("nothing waits for a lock")
