"""Whether the pools of a database are as new after what was done to them."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from typedsql.database import Database

PATIENCE_S: Final = 60.0
"""Against a pool that hangs."""
POLL_INTERVAL_S: Final = 0.01


async def complaints(db: Database) -> list[str]:
    """What is wrong: a connection that did not come back, or a pool that cannot be filled.

    Every connection of both pools is opened, is in a transaction at the same time as all the
    others, and answers.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            await db.drain()
            while _in_use(db):  # noqa: ASYNC110 - the pool has no event for it
                await asyncio.sleep(POLL_INTERVAL_S)
            async with AsyncExitStack() as stack:
                pools = db.statistics()
                made = [db.transaction() for _ in range(pools.queries.max_size)]
                made += [db.bulk_transaction() for _ in range(pools.bulk.max_size)]
                for each in made:
                    transaction = await stack.enter_async_context(each)
                    await transaction.driver_connection.execute("SELECT 1")
    except TimeoutError:
        return [f"the pools did not come back to themselves: {db.statistics()}"]
    return []


def _in_use(db: Database) -> int:
    pools = db.statistics()
    return sum(pool.in_use + pool.waiting for pool in (pools.queries, pools.bulk))
