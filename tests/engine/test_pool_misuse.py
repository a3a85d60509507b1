"""What users of the pool do that nobody undoes for them."""

import asyncio
from decimal import Decimal
from functools import partial

import pytest

import whaledb
from typedsql.database import Database
from typedsql.errors import CodeError
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones, whale_transactions

DEADLINE_S = 20
"""Against hanging only."""
MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}


async def count(db: Database) -> int | None:
    return await liquidity_zones.count(db, **MARKET)


async def test_codecs_of_a_raw_connection_do_not_leak(target: ConnectionTarget) -> None:
    seen: list[object] = []
    one = "SELECT 1::numeric"
    async with whaledb.connect(target, max_size=1) as db:
        async with db.connection() as connection:
            await connection.set_type_codec(
                "numeric", schema="pg_catalog", format="text", encoder=str, decoder=float
            )
            assert isinstance(await connection.fetchval(one), float)
            # The control: what undoes a session leaves that as it is.
            await connection.reset()
            assert isinstance(await connection.fetchval(one), float)
        async with db.connection() as connection:
            assert isinstance(await connection.fetchval(one), Decimal)
            connection.add_query_logger(seen.append)
        assert await count(db) == 0
        assert not any("liquidity_zones.count" in str(record) for record in seen)
        opened = db.statistics().queries.opened
        async with db.connection() as connection:
            await connection.execute("SET work_mem = '77MB'")
        assert await count(db) == 0
        assert db.statistics().queries.opened == opened == 3


async def test_another_event_loop_is_told_so(target: ConnectionTarget) -> None:
    async with whaledb.connect(target, max_size=1) as db:
        other = asyncio.to_thread(asyncio.run, count(db))
        with pytest.raises(CodeError, match="opened in another event loop"):
            await other
        assert await count(db) == 0
        # The first call of a statement with @batch is not whose loop its later calls wait in.
        read = partial(whale_transactions.get_by_hash, db, chain_id=1, hash="0x" + "00" * 32)
        with pytest.raises(CodeError, match="opened in another event loop"):
            await asyncio.to_thread(asyncio.run, read())
        async with asyncio.timeout(DEADLINE_S):
            assert set(await asyncio.gather(*(read() for _ in range(50)))) == {None}
