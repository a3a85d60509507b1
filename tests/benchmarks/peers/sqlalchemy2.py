"""SQLAlchemy 2 on asyncpg: Core's rows, and the ORM's objects.

In autocommit, which spares it the round trips that begin and end its transactions.
"""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from tests.benchmarks.data import CHAIN_ID
from tests.benchmarks.peers import Peer, Reads, statements
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement

CORE_NAME = "SQLAlchemy Core"
ORM_NAME = "SQLAlchemy ORM"


@cache
def named_text(statement: Statement) -> Any:
    """The statement with the names of its parameters, as SQLAlchemy takes it."""
    import sqlalchemy

    return sqlalchemy.text(
        re.sub(
            r"\$(\d+)", lambda found: f":{statement.parameters[int(found[1]) - 1]}", statement.sql
        )
    )


@cache
def mapped_class() -> Any:
    """The table's class with the ORM."""
    from sqlalchemy import BigInteger, DateTime, Numeric, Text, Uuid
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it off the class
            UUID: Uuid,
            str: Text,
            int: BigInteger,
            Decimal: Numeric,
            datetime: DateTime(timezone=True),
        }

    # Evaluated here, where the names of the annotations are known.
    class WhaleTransaction(Base):
        __tablename__ = "whale_transactions"
        id: Mapped[UUID] = mapped_column(primary_key=True)
        hash: Mapped[str]
        from_address: Mapped[str]
        to_address: Mapped[str | None]
        value_eth: Mapped[Decimal]
        value_usd: Mapped[Decimal | None]
        gas_price: Mapped[int]
        gas_used: Mapped[int | None]
        block_number: Mapped[int]
        block_timestamp: Mapped[datetime]
        whale_score: Mapped[Decimal | None]
        created_at: Mapped[datetime]
        updated_at: Mapped[datetime]

    return WhaleTransaction


Acquire = Callable[[], Any]


def core_reads(acquire: Acquire) -> Reads:
    found = statements()
    get_text, list_text = named_text(found["get_by_hash"]), named_text(found["list_since_block"])

    async def get_by_hash(key: str) -> object:
        async with acquire() as connection:
            result = await connection.execute(get_text, {"hash": key, "chain_id": CHAIN_ID})
            return result.first()

    async def list_since_block(block: int, rows: int) -> Sequence[Any]:
        given = {"chain_id": CHAIN_ID, "first_block": block, "max_rows": rows}
        async with acquire() as connection:
            result = await connection.execute(list_text, given)
            fetched: Sequence[Any] = result.all()
            return fetched

    async def run_one(statement: Statement, arguments: Sequence[Any]) -> object:
        given = dict(zip(statement.parameters, arguments, strict=True))
        async with acquire() as connection:
            return (await connection.execute(named_text(statement), given)).first()

    return Reads(get_by_hash, list_since_block, run_one)


def orm_reads(acquire: Acquire) -> Reads:
    """A session for each call: it would remember the objects that it has."""
    import sqlalchemy
    from sqlalchemy.ext.asyncio import AsyncSession

    found = statements()
    kind = mapped_class()
    get_query = sqlalchemy.select(kind).from_statement(named_text(found["get_by_hash"]))
    list_query = sqlalchemy.select(kind).from_statement(named_text(found["list_since_block"]))

    async def get_by_hash(key: str) -> object:
        async with acquire() as bound, AsyncSession(bound) as session:
            given = {"hash": key, "chain_id": CHAIN_ID}
            return (await session.execute(get_query, given)).scalars().first()

    async def list_since_block(block: int, rows: int) -> Sequence[Any]:
        given = {"chain_id": CHAIN_ID, "first_block": block, "max_rows": rows}
        async with acquire() as bound, AsyncSession(bound) as session:
            fetched: Sequence[Any] = (await session.execute(list_query, given)).scalars().all()
            return fetched

    return Reads(get_by_hash, list_since_block)


@asynccontextmanager
async def engine(target: ConnectionTarget, size: int) -> AsyncGenerator[Any, None]:
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import create_async_engine

    given = target.asyncpg_arguments()
    url = URL.create(
        "postgresql+asyncpg",
        username=given["user"],
        password=given.get("password"),
        host=given["host"],
        port=given["port"],
        database=given["database"],
    )
    opened = create_async_engine(url, pool_size=size, max_overflow=0, isolation_level="AUTOCOMMIT")
    try:
        yield opened
    finally:
        await opened.dispose()


def on_connection(make: Callable[[Acquire], Reads]) -> Any:
    @asynccontextmanager
    async def connection(target: ConnectionTarget) -> AsyncGenerator[Reads, None]:
        async with engine(target, 1) as opened, opened.connect() as held:

            @asynccontextmanager
            async def acquire() -> AsyncGenerator[Any, None]:
                yield held

            yield make(acquire)

    return connection


def on_pool(make: Callable[[Acquire], Reads]) -> Any:
    @asynccontextmanager
    async def pool(target: ConnectionTarget, size: int) -> AsyncGenerator[Reads, None]:
        async with engine(target, size) as opened:
            yield make(opened.connect)

    return pool


NEEDS = ("sqlalchemy", "greenlet")
CORE = Peer(CORE_NAME, "row tuples", NEEDS, on_connection(core_reads), on_pool(core_reads))
ORM = Peer(ORM_NAME, "objects", NEEDS, on_connection(orm_reads), on_pool(orm_reads))
