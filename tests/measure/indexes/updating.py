"""What writing every row a second time costs, by the free space that pages are left with.

Rows are priced and their receipts read after they were stored. Where the page of a row has room
for its new version, and no indexed column changes, no index is touched.
"""

from typing import Final

import asyncpg

from tests.measure.indexes.loading import Loader, processor_s
from tests.measure.pairs import Spread

FILLFACTORS: Final = (100, 90, 80, 65, 50)
BATCH_ROWS: Final = 1000
"""Rows that one transaction prices, neighbours in time and so on the same pages."""

PRICE: Final = """
UPDATE public.whale_transactions AS t
SET value_usd = 1, price_source = 'market_data:exchange:symbol:1m', priced_at = now()
FROM public.measured_rows AS m
WHERE
    m.n > $1 AND m.n <= $2
    AND t.hash = m.hash AND t.chain_id = m.chain_id
    AND t.block_hash = m.block_hash AND t.trace_path = m.trace_path
"""


async def update_costs(
    connection: asyncpg.Connection, loader: Loader, rows: int, rounds: int
) -> list[str]:
    """A line for each fillfactor, loaded in turn: what pricing all rows took, wrote and left."""
    process = connection.get_server_pid()
    taken: dict[int, list[float]] = {fillfactor: [] for fillfactor in FILLFACTORS}
    lines: dict[int, str] = {}
    for _ in range(rounds):
        for fillfactor in FILLFACTORS:
            await connection.execute(f"TRUNCATE {loader.qualified}")
            await connection.execute(
                f"ALTER TABLE {loader.qualified} SET (fillfactor = {fillfactor})"
            )
            await loader.load()
            await connection.execute(f"VACUUM ANALYZE {loader.qualified}")
            stored = await connection.fetchval(f"SELECT pg_relation_size('{loader.qualified}')")
            await connection.execute("CHECKPOINT")
            before = await hot(connection)
            started = processor_s(process)
            wal = await connection.fetchval("SELECT pg_current_wal_insert_lsn()::TEXT")
            for first in range(0, rows, BATCH_ROWS):
                await connection.execute(PRICE, first, first + BATCH_ROWS)
            taken[fillfactor].append(processor_s(process) - started)
            written = await connection.fetchval(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::TEXT::PG_LSN)::FLOAT8", wal
            )
            stayed = await hot(connection) - before
            size = await connection.fetchval(f"SELECT pg_total_relation_size('{loader.qualified}')")
            lines[fillfactor] = (
                f"{stayed / rows:.2f} of the rows stayed on their page,"
                f" {written / rows:.0f} bytes of WAL for a row, the table had"
                f" {stored / rows:.0f} bytes for a row before,"
                f" with its indexes {size / rows:.0f} after"
            )
    await connection.execute(f"ALTER TABLE {loader.qualified} RESET (fillfactor)")
    await connection.execute(f"TRUNCATE {loader.qualified}")
    return [
        f"fillfactor {fillfactor}: "
        + Spread.of([seconds / rows for seconds in taken[fillfactor]]).text(
            "us of the processor for a row priced", scale=1e6, digits=1
        )
        + "; "
        + lines[fillfactor]
        for fillfactor in FILLFACTORS
    ]


async def hot(connection: asyncpg.Connection) -> int:
    """Updates so far that touched no index."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    count: int = await connection.fetchval(
        "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'whale_transactions'"
    )
    return count
