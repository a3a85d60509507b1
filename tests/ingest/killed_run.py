"""A run in a process of its own, to be killed.

    killed_run.py PATH BLOCKS_IN_A_GROUP [--without-transactions]

With the option every statement commits by itself: the control.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import whaledb
from typedsql.database import Database
from whaledb.ingest import IngestorLimits, ingest_blocks

NAME = "killed run"

T = TypeVar("T")


class WithoutTransactions:
    """The database, whose transactions are none."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncGenerator["WithoutTransactions", None]:
        yield self

    async def run_transaction(
        self, function: Callable[["WithoutTransactions"], Awaitable[T]], **_: object
    ) -> T:
        return await function(self)


async def main(path: str, blocks_in_a_group: str, *options: str) -> None:
    # Old enough at no time: how many blocks are in a group is not left to the clock.
    limits = IngestorLimits(max_flush_blocks=int(blocks_in_a_group), max_age_s=600)
    async with whaledb.connect(application_name=NAME) as db:
        used = cast(Database, WithoutTransactions(db)) if options else db
        await ingest_blocks(used, [path], limits=limits)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
