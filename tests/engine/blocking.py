"""What happens at the server while the event loop of the test does nothing."""

import asyncio
import threading

import asyncpg

from typedsql.settings import ConnectionTarget

END_ALL = (
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def run_blocking(target: ConnectionTarget, sql: str) -> object:
    """The value of a statement, on a connection of another thread's; this one waits for it."""
    found: list[object] = []

    async def run() -> None:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            found.append(await connection.fetchval(sql))
        finally:
            await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join()
    return found[0]
