"""The database of a request: the pool that the process opened when it started."""

from typing import Annotated

from fastapi import Depends, Request

from typedsql.database import Database


async def _database(request: Request) -> Database:
    db: Database = request.state.db
    return db


Db = Annotated[Database, Depends(_database)]
