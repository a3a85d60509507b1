"""aiosql with the adapter for asyncpg that it comes with."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiosql
import asyncpg

from tests.benchmarks.data import CHAIN_ID
from tests.benchmarks.peers import QUERY_FILE, Peer, Reads
from typedsql.settings import ConnectionTarget

NAME = "aiosql"


def reads(driver: Any) -> Reads:
    queries: Any = aiosql.from_path(QUERY_FILE, "asyncpg")

    async def get_by_hash(key: str) -> object:
        return await queries.get_by_hash(driver, hash=key, chain_id=CHAIN_ID)

    async def list_since_block(block: int, rows: int) -> Sequence[Any]:
        found = queries.list_since_block(
            driver, chain_id=CHAIN_ID, first_block=block, max_rows=rows
        )
        return [row async for row in found]

    return Reads(get_by_hash, list_since_block)


@asynccontextmanager
async def connection(target: ConnectionTarget) -> AsyncGenerator[Reads, None]:
    opened = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        yield reads(opened)
    finally:
        await opened.close()


@asynccontextmanager
async def pool(target: ConnectionTarget, size: int) -> AsyncGenerator[Reads, None]:
    async with asyncpg.create_pool(
        **target.asyncpg_arguments(), min_size=size, max_size=size
    ) as opened:
        yield reads(opened)


PEER = Peer(NAME, "records", ("aiosql", "asyncpg"), connection, pool)
