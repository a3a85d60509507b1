"""Seeing that a statement waits for a lock, so that no test relies on how long it takes."""

import asyncio
from typing import Any, Final

from typedsql.database import Database

MAX_POLLS: Final = 500
POLL_INTERVAL_S: Final = 0.02


async def waits_for_lock(db: Database, task: asyncio.Task[Any]) -> None:
    """Returns once a backend of this database waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with db.connection() as connection:
        for _ in range(MAX_POLLS):
            if await connection.fetchval(waiting):
                return
            assert not task.done(), "it did not wait"
            await asyncio.sleep(POLL_INTERVAL_S)
    raise AssertionError("nothing waits for a lock")
