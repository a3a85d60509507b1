"""This layer: the generated functions of the project in this folder."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from measured.project import PROJECT
from measured.queries import transfers

from tests.benchmarks.data import CHAIN_ID
from tests.benchmarks.frame import OURS
from tests.benchmarks.peers import Peer, Reads
from typedsql.database import Database
from typedsql.query import Executor
from typedsql.settings import ConnectionTarget


def reads(db: Executor) -> Reads:
    async def get_by_hash(key: str) -> object:
        return await transfers.get_by_hash(db, chain_id=CHAIN_ID, hash=key)

    async def list_since_block(block: int, rows: int) -> list[transfers.Transfer]:
        return await transfers.list_since_block(
            db, chain_id=CHAIN_ID, first_block=block, max_rows=rows
        )

    return Reads(get_by_hash, list_since_block)


@asynccontextmanager
async def connection(target: ConnectionTarget) -> AsyncGenerator[Reads, None]:
    async with Database.connect(target, project=PROJECT) as db, db.transaction() as transaction:
        yield reads(transaction)


@asynccontextmanager
async def pool(target: ConnectionTarget, size: int) -> AsyncGenerator[Reads, None]:
    async with Database.connect(target, project=PROJECT, min_size=size, max_size=size) as db:
        yield reads(db)


PEER = Peer(OURS, "typed rows", (), connection, pool)
