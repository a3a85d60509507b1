"""Seeing that a session waits, so that no test relies on how long something takes."""

import asyncio

import asyncpg

LOCK_WAIT_POLL_S = 0.02
LOCK_WAIT_POLLS = 500


async def until_waiting(observer: asyncpg.Connection, waiter: asyncpg.Connection) -> None:
    """Return once `waiter` waits for a lock that another session holds; AssertionError if never."""
    for _ in range(LOCK_WAIT_POLLS):
        if await observer.fetchval(
            "SELECT cardinality(pg_blocking_pids($1)) > 0", waiter.get_server_pid()
        ):
            return
        await asyncio.sleep(LOCK_WAIT_POLL_S)
    raise AssertionError("the second caller did not come to wait")
