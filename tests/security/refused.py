"""How a bad value has to be refused, and the transfers that it is tried on."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import asyncpg

from tests.failures import everything_of
from tests.queries.transfers import transfer
from tests.security.attempts import value
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import whale_transactions
from whaledb.rows import NewWhaleTransaction

CANARY: Final = "19870605"
UINT256_MAX: Final = 2**256 - 1
SHOWN: Final = (CANARY, "1987-06-05", "1987, 6, 5", "1987.0605", str(UINT256_MAX)[:12])
"""None of these may be anywhere in what is told of a failure."""
WEST: Final = timezone(timedelta(hours=-12))
NAIVE: Final = datetime(1987, 6, 5)
PRICES: Final = ("value_usd", "price_source", "priced_at")


async def failure_of(work: Awaitable[object]) -> BaseException | None:
    try:
        await work
    except Exception as failure:
        return failure
    return None


def look_at(failure: BaseException | None, query: str, field: str, told: str) -> None:
    """It is typed, names the query and the field, and shows nothing of the value."""
    assert isinstance(failure, DataError)
    assert failure.query == query
    assert str(failure).startswith(f"{query}: ")
    assert told in str(failure)
    by_name = (f"parameter {field} was refused: {told}", f"column {field} was refused: {told}")
    by_constraint = field in (failure.constraint or "") and f"constraint {failure.constraint}"
    assert any(name in str(failure) for name in by_name) or by_constraint
    everything = everything_of(failure)
    assert [each for each in SHOWN if each in everything] == []


@asynccontextmanager
async def undisturbed(app: Database) -> AsyncGenerator[None]:
    """No connection is opened in place of another, and none is left in use."""

    def counts() -> list[tuple[int, ...]]:
        pools = app.statistics()
        return [
            (pool.opened, pool.closed_broken, pool.closed_lifetime, pool.in_use)
            for pool in (pools.queries, pools.bulk)
        ]

    async with app.transaction(), app.transaction(), app.bulk_transaction():
        pass
    before = counts()
    yield
    assert await value(app, "SELECT 1") == 1
    assert counts() == before


async def insert(app: Database, row: dict[str, Any]) -> None:
    await whale_transactions.insert(app, **row)


def new(number: int, **changes: Any) -> NewWhaleTransaction:
    given = transfer(number) | changes
    return NewWhaleTransaction(**{name: given[name] for name in given if name not in PRICES})


async def stored(owner: asyncpg.Connection) -> set[str]:
    return {row["hash"] for row in await owner.fetch("SELECT hash FROM whale_transactions")}
