"""psycopg 3: binary results, prepared statements, rows made by its row factories."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from measured.rows import Transfer

from tests.benchmarks.data import CHAIN_ID
from tests.benchmarks.peers import Peer, Reads, statements
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement

NAME = "psycopg 3"
BY_NAME = "psycopg 3, by name"


def reads(acquire: Callable[[], AbstractAsyncContextManager[Any]], *, by_name: bool) -> Reads:
    from psycopg import AsyncRawCursor
    from psycopg.rows import args_row, class_row

    found = statements()
    get_sql, list_sql = found["get_by_hash"].sql, found["list_since_block"].sql
    rows: Any = class_row(Transfer) if by_name else args_row(Transfer)

    async def get_by_hash(key: str) -> object:
        async with acquire() as connection:
            cursor: Any = AsyncRawCursor(connection, row_factory=rows)
            await cursor.execute(get_sql, (key, CHAIN_ID), prepare=True, binary=True)
            return await cursor.fetchone()

    async def list_since_block(block: int, count: int) -> Sequence[Any]:
        async with acquire() as connection:
            cursor: Any = AsyncRawCursor(connection, row_factory=rows)
            await cursor.execute(list_sql, (CHAIN_ID, block, count), prepare=True, binary=True)
            fetched: Sequence[Any] = await cursor.fetchall()
            return fetched

    async def run_one(statement: Statement, arguments: Sequence[Any]) -> object:
        async with acquire() as connection:
            cursor: Any = AsyncRawCursor(connection)
            await cursor.execute(statement.sql, arguments, prepare=True, binary=True)
            return await cursor.fetchone()

    return Reads(get_by_hash, list_since_block, run_one)


@asynccontextmanager
async def connection(target: ConnectionTarget, *, by_name: bool) -> AsyncGenerator[Reads, None]:
    import psycopg

    async with await psycopg.AsyncConnection.connect(conninfo(target), autocommit=True) as opened:

        @asynccontextmanager
        async def acquire() -> AsyncGenerator[Any, None]:
            yield opened

        yield reads(acquire, by_name=by_name)


@asynccontextmanager
async def pool(
    target: ConnectionTarget, size: int, *, by_name: bool
) -> AsyncGenerator[Reads, None]:
    from psycopg_pool import AsyncConnectionPool

    async with AsyncConnectionPool(
        conninfo(target), min_size=size, max_size=size, kwargs={"autocommit": True}
    ) as opened:
        await opened.wait()
        yield reads(opened.connection, by_name=by_name)


def conninfo(target: ConnectionTarget) -> str:
    return target.dbmate_url()


ARGS_ROW = Peer(
    NAME,
    "typed rows",
    ("psycopg", "psycopg_binary", "psycopg_pool"),
    partial(connection, by_name=False),
    partial(pool, by_name=False),
)
CLASS_ROW = Peer(
    BY_NAME,
    "typed rows",
    ("psycopg", "psycopg_binary"),
    partial(connection, by_name=True),
    None,
)
