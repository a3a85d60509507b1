"""What it gives to commit several blocks together, beside one by one.

    python -m tests.measure.ingestion [--rounds N] [--blocks N] [--seed N]

Each round stores the same number of new blocks at each size of group, in an order that is
shuffled: blocks as mainnet has them, two transfers among 150 transactions, and full ones, 50
transfers among 50. First the database alone, with blocks that are decoded already; then the
whole way of a worker, from JSON through an `Ingestor`. The server is one of its own that syncs
each commit to the disk that TMPDIR is on. Figures are medians over the rounds with their
spread; a ratio is that of one round. The database grows from round to round, alike for all.
"""

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

import whaledb
from tests.databases import open_databases
from tests.ingest.chain import block, transaction
from tests.measure.pairs import CONTROL, Sample, Spread, in_turn
from tests.servers import throwaway_server
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.ingest import Ingestor, IngestorLimits
from whaledb.ingest.payloads import read_payload
from whaledb.ingest.storing import BlockStore
from whaledb.ingest.transfers import ReadBlock

DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
MAJOR = 18
SIZES = (1, 8, 32)
WARM_UP_ROUNDS = 1
NEVER_S = 600.0
KINDS = {"2 transfers of 150": (150, 2), "50 transfers of 50": (50, 50)}

Numbers = Iterator[int]


def payload(number: int, transactions: int, whales: int) -> bytes:
    made = [
        transaction(f"{number}.{i}", ether=100 + i if i < whales else 1)
        for i in range(transactions)
    ]
    return json.dumps(block(number, made)).encode()


def some(numbers: Numbers, blocks: int, kind: tuple[int, int]) -> list[bytes]:
    return [payload(number, *kind) for number in itertools.islice(numbers, blocks)]


def stored(db: Database, size: int, numbers: Numbers, blocks: int, kind: tuple[int, int]) -> Sample:
    store = BlockStore(db, stream="measured", chain_id=1, min_value_eth=Decimal(100))

    async def sample() -> float:
        reads = [
            item
            for data in some(numbers, blocks, kind)
            for item in read_payload(data, chain_id=1)
            if isinstance(item, ReadBlock)
        ]
        started = time.perf_counter()
        for start in range(0, blocks, size):
            await store.store(reads[start : start + size])
        return time.perf_counter() - started

    return sample


def ingested(
    db: Database, size: int, numbers: Numbers, blocks: int, kind: tuple[int, int]
) -> Sample:
    limits = IngestorLimits(max_flush_blocks=size, max_flush_rows=1_000_000, max_age_s=NEVER_S)

    async def sample() -> float:
        payloads = some(numbers, blocks, kind)
        started = time.perf_counter()
        async with Ingestor(
            db, stream="measured", limits=limits, stop_on_signals=False
        ) as ingestor:
            for data in payloads:
                await ingestor.put(data)
        taken = time.perf_counter() - started
        if ingestor.statistics().transactions_written != blocks * kind[1]:
            raise RuntimeError("not everything was new")
        return taken

    return sample


def case(size: int) -> str:
    return CONTROL if size == 1 else str(size)


async def tell(
    what: str, sampler: Callable[[int], Sample], *, rounds: int, seed: int, blocks: int, whales: int
) -> None:
    cases = {case(size): sampler(size) for size in SIZES}
    taken = await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed)
    print(f"  {what}:")
    for size in SIZES:
        seconds = taken[case(size)]
        rates = Spread.of([blocks / one for one in seconds])
        ratios = [control / one for control, one in zip(taken[CONTROL], seconds, strict=True)]
        print(f"    groups of {size}: {rates.text('blocks/s', digits=0)},")
        print(
            f"      {rates.median * whales:.0f} rows/s; times one by one"
            f" {Spread.of(ratios).text('')}"
        )


async def measure(server: ConnectionTarget, *, rounds: int, blocks: int, seed: int) -> None:
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
        whaledb.connect(target) as db,
    ):
        async with db.connection() as connection:
            told = {name: await connection.fetchval(f"SHOW {name}") for name in DURABLE}
            release = await connection.fetchval("SHOW server_version")
        print(f"PostgreSQL {release}, {told}, seed {seed}, {rounds} rounds of {blocks} blocks")
        numbers = itertools.count(1)
        for name, kind in KINDS.items():
            print(f"{name} transactions a block")
            for what, sampler in (("the database alone", stored), ("from JSON", ingested)):
                await tell(
                    what,
                    partial(sampler, db, numbers=numbers, blocks=blocks, kind=kind),
                    rounds=rounds,
                    seed=seed,
                    blocks=blocks,
                    whales=kind[1],
                )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.ingestion")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with throwaway_server(MAJOR, settings=DURABLE) as server:
        asyncio.run(
            measure(server, rounds=options.rounds, blocks=options.blocks, seed=options.seed)
        )


if __name__ == "__main__":
    main()
