"""What it costs that volume is net within each transaction, beside a sum of all hops.

    python -m tests.measure.net_volume

Loads transactions of three hops each into the migrated table and times list_volume_by_hour
over all of them against the same hours summed hop by hop, in turn. The figure leaves out what
the first reading from disk takes: everything is in memory. Runs on the server that the tests use.
"""

import argparse
import asyncio
import statistics
import time

import asyncpg

from tests.databases import open_databases
from tests.servers import chosen_server
from typedsql.settings import ConnectionTarget
from typedsql.statements import load_statements
from whaledb.project import PROJECT

STATEMENT_LIMIT_S = 600.0

GENERATE = """
INSERT INTO public.whale_transactions (
    hash, chain_id, block_hash, trace_path, block_number, block_timestamp, from_address,
    to_address, value_eth, gas_price
)
SELECT
    '0x' || encode(sha256(int8send($1::BIGINT * 1000000000 + n / 3)), 'hex'),
    1,
    '0x' || encode(sha256(int8send(-n / 150)), 'hex'),
    CASE n % 3 WHEN 0 THEN '' ELSE (n % 3)::TEXT END,
    16000000 + n / 150,
    TIMESTAMPTZ '2024-01-01 00:00:00+00' + (n / 150) * INTERVAL '12 seconds',
    '0x' || left(encode(sha256(int8send((n / 3 * 7 + n % 3) % 5003)), 'hex'), 40),
    '0x' || left(encode(sha256(int8send((n / 3 * 7 + n % 3 + 1) % 5003)), 'hex'), 40),
    100 + n % 9973 * 0.000000000000000001,
    20000000000
FROM generate_series(1, $2::BIGINT) AS n
"""

HOPS = """
SELECT
    date_trunc('hour', t.block_timestamp, 'UTC') AS hour,
    count(*) AS transfer_count,
    sum(t.value_eth) AS hop_volume_eth,
    max(t.value_eth) AS largest_eth
FROM public.whale_transfers AS t
WHERE t.chain_id = $1 AND t.block_timestamp >= $2 AND t.block_timestamp < $3
GROUP BY date_trunc('hour', t.block_timestamp, 'UTC')
ORDER BY hour ASC
LIMIT 8784
"""


async def timed(connection: asyncpg.Connection, sql: str, period: tuple[object, ...]) -> float:
    started = time.perf_counter()
    await connection.fetch(sql, *period)
    return time.perf_counter() - started


async def measure(server: ConnectionTarget, *, rows: int, rounds: int, seed: int) -> None:
    path = PROJECT.root / PROJECT.queries_dir / "whale_transactions.sql"
    net = load_statements(path)["list_volume_by_hour"].sql
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
    ):
        connection = await asyncpg.connect(
            **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
        )
        try:
            await connection.execute(GENERATE, seed, rows)
            await connection.execute("VACUUM ANALYZE public.whale_transactions")
            first, last = await connection.fetchrow(
                "SELECT min(block_timestamp), max(block_timestamp) + INTERVAL '1 s'"
                " FROM public.whale_transactions"
            )
            period = (1, first, last)
            # The first pair warms the caches and is not counted.
            pairs = [
                (
                    await timed(connection, HOPS, period),
                    await timed(connection, net, period),
                )
                for _ in range(rounds + 1)
            ][1:]
        finally:
            await connection.close()
    ratios = sorted(net_s / hops_s for hops_s, net_s in pairs)
    print(f"seed {seed}, {rows} rows, {rows // 3} transactions, {rounds} rounds")
    print(f"hop by hop: {statistics.median(hops_s for hops_s, _ in pairs) * 1000:.0f} ms")
    print(f"net: {statistics.median(net_s for _, net_s in pairs) * 1000:.0f} ms")
    print(
        f"net / hop by hop: {statistics.median(ratios):.1f}"
        f" (from {ratios[0]:.1f} to {ratios[-1]:.1f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.net_volume")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with chosen_server() as server:
        print(server.describe().split(":")[0])
        asyncio.run(
            measure(server.target, rows=options.rows, rounds=options.rounds, seed=options.seed)
        )


if __name__ == "__main__":
    main()
