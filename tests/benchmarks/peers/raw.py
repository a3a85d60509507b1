"""asyncpg by itself: as it comes, and with codecs of this layer."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg

from tests.benchmarks.data import CHAIN_ID
from tests.benchmarks.peers import Peer, Reads, statements
from typedsql import codecs
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement

NAME = "asyncpg"
WITH_NUMERIC_CODEC = "asyncpg + numeric codec"
WITH_ALL_CODECS = "asyncpg + all our codecs"

Install = Callable[[Any], Awaitable[None]]


async def install_numeric(connection: Any) -> None:
    """The codec of `typedsql.codecs` alone that reads numbers as text."""
    await connection.set_type_codec(
        "numeric",
        schema="pg_catalog",
        format="text",
        encoder=codecs.encode_numeric,
        decoder=Decimal,
    )


def reads(driver: Any) -> Reads:
    """Of a connection or a pool, which have the same methods."""
    found = statements()
    get_sql, list_sql = found["get_by_hash"].sql, found["list_since_block"].sql

    async def get_by_hash(key: str) -> object:
        return await driver.fetchrow(get_sql, key, CHAIN_ID)

    async def list_since_block(block: int, rows: int) -> Sequence[Any]:
        fetched: Sequence[Any] = await driver.fetch(list_sql, CHAIN_ID, block, rows)
        return fetched

    async def run_one(statement: Statement, arguments: Sequence[Any]) -> object:
        return await driver.fetchrow(statement.sql, *arguments)

    return Reads(get_by_hash, list_since_block, run_one)


@asynccontextmanager
async def connection(
    target: ConnectionTarget, *, install: Install | None
) -> AsyncGenerator[Reads, None]:
    opened = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        if install is not None:
            await install(opened)
        yield reads(opened)
    finally:
        await opened.close()


@asynccontextmanager
async def pool(
    target: ConnectionTarget, size: int, *, install: Install | None
) -> AsyncGenerator[Reads, None]:
    async with asyncpg.create_pool(
        **target.asyncpg_arguments(),
        min_size=size,
        max_size=size,
        init=install,
    ) as opened:
        yield reads(opened)


def peer(name: str, install: Install | None) -> Peer:
    return Peer(
        name,
        "records",
        ("asyncpg",),
        partial(connection, install=install),
        partial(pool, install=install),
    )


PLAIN = peer(NAME, None)
NUMERIC_CODEC = peer(WITH_NUMERIC_CODEC, install_numeric)
ALL_CODECS = peer(WITH_ALL_CODECS, codecs.install)
