"""What a separate index on hash would cost and give, beside a primary key led by hash.

    python -m tests.measure.hash_index

Loads the same rows into the migrated table, with and without the specification's
idx_whale_transactions_hash, in turn, and compares the size of the indexes, the time of the
inserts and the pages that a lookup by hash reads. Runs on the server that the tests use.
"""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass

import asyncpg

from tests.databases import open_databases
from tests.servers import chosen_server
from typedsql.settings import ConnectionTarget

BATCH_ROWS = 1000
LOOKUPS = 200
STATEMENT_LIMIT_S = 600.0

EXTRA = "idx_whale_transactions_hash"

GENERATE = """
CREATE UNLOGGED TABLE public.measured_rows AS
SELECT
    n,
    '0x' || encode(sha256(convert_to(format('%s transaction %s', $1::BIGINT, n), 'UTF8')), 'hex')
        AS hash,
    '0x' || encode(sha256(convert_to(format('%s block %s', $1, n / 150), 'UTF8')), 'hex')
        AS block_hash,
    '0x' || left(encode(sha256(convert_to(format('%s from %s', $1, n % 5000), 'UTF8')), 'hex'), 40)
        AS from_address,
    '0x' || left(encode(sha256(convert_to(format('%s to %s', $1, n % 9000), 'UTF8')), 'hex'), 40)
        AS to_address,
    16000000 + n / 150 AS block_number,
    TIMESTAMPTZ '2026-01-01 00:00:00+00' + (n / 150) * INTERVAL '12 seconds' AS block_timestamp,
    100 + n % 9973 * 0.000000000000000001 AS value_eth
FROM generate_series(1, $2::BIGINT) AS n
"""

INSERT = """
INSERT INTO public.whale_transactions (
    hash, chain_id, block_hash, block_number, block_timestamp, from_address, to_address,
    value_eth, gas_price
)
SELECT
    m.hash, 1, m.block_hash, m.block_number, m.block_timestamp, m.from_address, m.to_address,
    m.value_eth, 20000000000
FROM public.measured_rows AS m
WHERE m.n > $1 AND m.n <= $1 + $2
"""

LOOKUP = """
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
SELECT t.value_eth FROM public.whale_transactions AS t WHERE t.hash = $1
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One load of all rows."""

    seconds: float
    key_bytes: int
    extra_bytes: int
    pages_per_lookup: float


async def load(connection: asyncpg.Connection, rows: int, *, extra: bool) -> Load:
    await connection.execute("TRUNCATE public.whale_transactions")
    await connection.execute(f"DROP INDEX IF EXISTS public.{EXTRA}")
    if extra:
        await connection.execute(f"CREATE INDEX {EXTRA} ON public.whale_transactions (hash)")
    await connection.execute("CHECKPOINT")
    started = time.perf_counter()
    for first in range(0, rows, BATCH_ROWS):
        await connection.execute(INSERT, first, BATCH_ROWS)
    seconds = time.perf_counter() - started
    await connection.execute("ANALYZE public.whale_transactions")
    return Load(
        seconds=seconds,
        key_bytes=await size(connection, "whale_transactions_pkey"),
        extra_bytes=await size(connection, EXTRA),
        pages_per_lookup=await pages_per_lookup(
            connection, rows, EXTRA if extra else "whale_transactions_pkey"
        ),
    )


async def size(connection: asyncpg.Connection, index: str) -> int:
    """Bytes of an index, 0 where it does not exist."""
    found: int | None = await connection.fetchval(
        "SELECT pg_relation_size(to_regclass($1))", f"public.{index}"
    )
    return found or 0


async def pages_per_lookup(connection: asyncpg.Connection, rows: int, index: str) -> float:
    """Pages of `index` and table that one lookup touches, on average."""
    hashes = await connection.fetch(
        "SELECT m.hash FROM public.measured_rows AS m WHERE m.n % $1 = 0 LIMIT $2",
        max(1, rows // LOOKUPS),
        LOOKUPS,
    )
    pages = []
    for row in hashes:
        (plan,) = json.loads(await connection.fetchval(LOOKUP, row["hash"]))
        node = plan["Plan"]
        while "Index Name" not in node:
            node = node["Plans"][0]
        if node["Index Name"] != index:
            raise RuntimeError(f"the lookup used {node['Index Name']} instead of {index}")
        pages.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
    return statistics.mean(pages)


async def measure(server: ConnectionTarget, *, rows: int, rounds: int, seed: int) -> None:
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
    ):
        connection = await asyncpg.connect(
            **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
        )
        try:
            await connection.execute(
                "ALTER TABLE public.whale_transactions SET (autovacuum_enabled = FALSE)"
            )
            await connection.execute(GENERATE, seed, rows)
            await connection.execute("ALTER TABLE public.measured_rows ADD PRIMARY KEY (n)")
            await connection.execute("ANALYZE public.measured_rows")
            # The first pair warms the caches and is not counted.
            pairs = [
                (
                    await load(connection, rows, extra=False),
                    await load(connection, rows, extra=True),
                )
                for _ in range(rounds + 1)
            ][1:]
        finally:
            await connection.close()
    ratios = sorted(with_index.seconds / without.seconds for without, with_index in pairs)
    without, with_index = pairs[-1]
    print(f"seed {seed}, {rows} rows in batches of {BATCH_ROWS}, {rounds} rounds")
    print(f"primary key: {without.key_bytes} bytes")
    print(f"{EXTRA}: {with_index.extra_bytes} bytes more")
    print(
        "insert time with the extra index / without:"
        f" {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    print(
        "pages per lookup by hash:"
        f" {without.pages_per_lookup:.2f} by the primary key,"
        f" {with_index.pages_per_lookup:.2f} by the extra index"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.hash_index")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    with chosen_server() as server:
        print(server.describe().split(":")[0])
        asyncio.run(
            measure(server.target, rows=options.rows, rounds=options.rounds, seed=options.seed)
        )


if __name__ == "__main__":
    main()
