"""psqlpy: a driver written in Rust, with a pool and event loop of its own."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tests.benchmarks.data import CHAIN_ID
from tests.benchmarks.peers import Peer, Reads, statements
from typedsql.settings import ConnectionTarget

NAME = "psqlpy"
LEAST_POOL_SIZE = 2
"""What it asks for; one of them is used where one is measured."""


def reads(acquire: Callable[[], AbstractAsyncContextManager[Any]]) -> Reads:
    found = statements()
    get_sql, list_sql = found["get_by_hash"].sql, found["list_since_block"].sql

    async def get_by_hash(key: str) -> object:
        async with acquire() as connection:
            rows = (await connection.fetch(get_sql, [key, CHAIN_ID])).result(as_tuple=True)
            return rows[0] if rows else None

    async def list_since_block(block: int, rows: int) -> Sequence[Any]:
        async with acquire() as connection:
            result = await connection.fetch(list_sql, [CHAIN_ID, block, rows])
            fetched: Sequence[Any] = result.result(as_tuple=True)
            return fetched

    return Reads(get_by_hash, list_since_block)


@asynccontextmanager
async def connection(target: ConnectionTarget) -> AsyncGenerator[Reads, None]:
    import psqlpy

    opened = psqlpy.ConnectionPool(dsn=target.dbmate_url(), max_db_pool_size=LEAST_POOL_SIZE)
    try:
        async with opened.acquire() as held:

            @asynccontextmanager
            async def acquire() -> AsyncGenerator[Any, None]:
                yield held

            yield reads(acquire)
    finally:
        opened.close()


@asynccontextmanager
async def pool(target: ConnectionTarget, size: int) -> AsyncGenerator[Reads, None]:
    import psqlpy

    opened = psqlpy.ConnectionPool(dsn=target.dbmate_url(), max_db_pool_size=size)
    try:
        yield reads(opened.acquire)
    finally:
        opened.close()


PEER = Peer(NAME, "tuples", ("psqlpy",), connection, pool)
