"""Running as somebody else: a transaction under another role, as the API's gateway opens it."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def as_role(
    connection: asyncpg.Connection, role: str, *, claims: str | None = None
) -> AsyncGenerator[None, None]:
    """A transaction (within another one, a savepoint) as `role`, rolled back at the end."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        if claims is not None:
            await connection.execute("SELECT set_config('request.jwt.claims', $1, TRUE)", claims)
        await connection.execute("SELECT set_config('role', $1, TRUE)", role)
        yield
    finally:
        await transaction.rollback()


def claims_of(account: str) -> str:
    return json.dumps({"sub": account, "role": "authenticated"})
