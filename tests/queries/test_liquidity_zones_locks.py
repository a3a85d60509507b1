"""Levels of one book that several writers remove and merge at the same time."""

import asyncio
from decimal import Decimal
from typing import Any, Final

import asyncpg
import pytest

from tests.queries.locks import sessions, waits_for_lock
from typedsql.database import Database, Transaction
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones

pytestmark = pytest.mark.versions

BOOK: Final[dict[str, str]] = {"exchange": "kraken", "symbol": "ETH/USD"}


async def merged(db: Database | Transaction, *prices: int, size: int) -> int:
    """How many levels a batch wrote."""
    rows = await liquidity_zones.merge_batch(
        db,
        **BOOK,
        sides=["bid"] * len(prices),
        price_levels=[Decimal(price) for price in prices],
        sizes=[Decimal(size)] * len(prices),
        strengths=[None] * len(prices),
    )
    return len(rows)


async def removed(db: Database, statement: str, *prices: int) -> int:
    if statement == "delete_book":
        return await liquidity_zones.delete_book(db, **BOOK)
    return await liquidity_zones.delete_levels(
        db,
        **BOOK,
        sides=["bid"] * len(prices),
        price_levels=[Decimal(price) for price in prices],
    )


async def stored_backwards(db: Database, connection: Any) -> None:
    """Levels 3, 2, 1 as they lie in the table, which a plan without an index reads in turn."""
    for price in (3, 2, 1):
        await merged(db, price, size=1)
    await connection.execute("ANALYZE public.liquidity_zones")


@pytest.mark.parametrize("statement", ["delete_levels", "delete_book"])
async def test_a_removal_and_a_batch_do_not_deadlock(
    db: Database, connection: Any, statement: str
) -> None:
    await stored_backwards(db, connection)
    async with db.transaction() as tx:
        assert await merged(tx, 2, size=2) == 1
        other = asyncio.create_task(removed(db, statement, 3, 2, 1))
        await waits_for_lock(db, other)
        # The removal waits with 1 in hand: it has not come to 3 yet.
        assert await merged(tx, 3, size=2) == 1
    # It removes what the batch changed meanwhile, too.
    assert await other == 3
    assert await liquidity_zones.count(db, **BOOK) == 0


async def test_an_unordered_removal_deadlocks(
    db: Database, connection: Any, target: ConnectionTarget
) -> None:
    """The control: in the order of its array, it holds 3 and waits for 2."""
    naive = (
        "DELETE FROM public.liquidity_zones AS t USING unnest($1::numeric[]) AS b (price_level)"
        " WHERE t.price_level = b.price_level"
    )

    async def change(connection: Any, price: int) -> None:
        await connection.execute(
            "UPDATE public.liquidity_zones SET size = 2 WHERE price_level = $1", price
        )

    await stored_backwards(db, connection)
    async with sessions(target) as (one, two):
        await two.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
        started = one.transaction()
        await started.start()
        await change(one, 2)
        other = asyncio.create_task(two.execute(naive, [3, 2, 1]))
        await waits_for_lock(db, other)
        here, there = await asyncio.gather(change(one, 3), other, return_exceptions=True)
        await started.rollback()
        assert isinstance(here or there, asyncpg.DeadlockDetectedError)
