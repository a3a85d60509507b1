"""What concurrent callers gain where their calls become one statement.

    python -m tests.measure.coalescing

For a number of callers, each of which awaits one call after the other: calls in a second of a
read by key (`whale_transactions.get_by_hash`) and of a write of one row
(`whale_transactions.insert`), through

- asyncpg's own pool, as it comes, with the same statement: the control;
- the generated function without @batch, on a `Database` with as many connections;
- the generated function.

All return the same 20 columns. The cases run in turn, in an order that is shuffled each round;
a figure is the median of ratios to the control of the same round, with its spread. Every write
is a new row and is committed with the durability that the server has, which is told. Server and
client share this machine's processors, as the figures say nothing of a network.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg

import whaledb
from tests.databases import open_databases
from tests.measure.pairs import CONTROL, Sample, Spread, in_turn
from tests.queries.transfers import hash_of, transfer
from tests.servers import chosen_server
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from typedsql.statements import load_statements
from whaledb.project import PROJECT
from whaledb.queries import whale_transactions

CALLERS = (1, 8, 64, 512)
POOL_SIZE = 8
STORED_ROWS = 5_000
WARM_UP_ROUNDS = 2
PLAIN = "without @batch"
BATCHED = "with @batch"

Call = Callable[[int], Awaitable[object]]
"""Makes the call for the transfer of that number."""


def by_callers(call: Call, numbers: "itertools.count[int]", *, callers: int, calls: int) -> Sample:
    """Seconds per call, where each of so many callers makes its next one after the last."""

    async def caller(mine: int) -> None:
        for _ in range(mine):
            await call(next(numbers))

    async def sample() -> float:
        each = max(calls // callers, 1)
        started = time.perf_counter()
        await asyncio.gather(*(caller(each) for _ in range(callers)))
        return (time.perf_counter() - started) / (each * callers)

    return sample


def reads(db: Database, pool: Any) -> dict[str, Call]:
    sql = load_statements(PROJECT.root / PROJECT.queries_dir / "whale_transactions.sql")[
        "get_by_hash"
    ].sql
    plain = whale_transactions._get_by_hash
    keys = [hash_of(number) for number in range(STORED_ROWS)]

    async def driver(number: int) -> object:
        return await pool.fetchrow(sql, keys[number % STORED_ROWS], 1)

    async def without(number: int) -> object:
        return await plain.run(db, keys[number % STORED_ROWS], 1)

    async def batched(number: int) -> object:
        return await whale_transactions.get_by_hash(db, chain_id=1, hash=keys[number % STORED_ROWS])

    return {CONTROL: driver, PLAIN: without, BATCHED: batched}


def writes(db: Database, pool: Any) -> dict[str, Call]:
    statement = load_statements(PROJECT.root / PROJECT.queries_dir / "whale_transactions.sql")[
        "insert"
    ]
    sql, names = statement.sql, statement.parameters
    plain = whale_transactions._insert

    async def driver(number: int) -> object:
        row = transfer(number)
        return await pool.fetchrow(sql, *[row[name] for name in names])

    async def without(number: int) -> object:
        row = transfer(number)
        return await plain.run(db, *[row[name] for name in names])

    async def batched(number: int) -> object:
        return await whale_transactions.insert(db, **transfer(number))

    return {CONTROL: driver, PLAIN: without, BATCHED: batched}


async def compare(
    what: str, cases: dict[str, Call], *, callers: int, calls: int, rounds: int, seed: int
) -> None:
    numbers = itertools.count(seed * 10_000_000)
    make = partial(by_callers, numbers=numbers, callers=callers, calls=calls)
    taken = await in_turn(
        {name: make(call) for name, call in cases.items()},
        rounds=rounds,
        warm_up=WARM_UP_ROUNDS,
        seed=seed,
    )
    print(f"{what}, {callers} caller{'s' if callers > 1 else ''}, {calls} calls a round")
    for name in cases:
        in_a_second = Spread.of([1 / seconds for seconds in taken[name]])
        print(f"  {name}: {in_a_second.text('calls/s', digits=0)}")
    for name, other in ((PLAIN, CONTROL), (BATCHED, CONTROL), (BATCHED, PLAIN)):
        times = [theirs / ours for ours, theirs in zip(taken[name], taken[other], strict=True)]
        print(f"  {name}, throughput over {other}: {Spread.of(times).text('times')}")


async def measure(server: ConnectionTarget, options: argparse.Namespace) -> None:
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
        whaledb.connect(target, min_size=POOL_SIZE, max_size=POOL_SIZE) as db,
        asyncpg.create_pool(
            **target.asyncpg_arguments(), min_size=POOL_SIZE, max_size=POOL_SIZE
        ) as pool,
    ):
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            print(f"{setting} = {await pool.fetchval(f'SHOW {setting}')}", end="; ")
        print(f"{POOL_SIZE} connections, seed {options.seed}, {options.rounds} rounds")
        await asyncio.gather(
            *(whale_transactions.insert(db, **transfer(n)) for n in range(STORED_ROWS))
        )
        await pool.execute("VACUUM ANALYZE public.whale_transactions")
        for callers in options.callers:
            for what, cases in (("read", reads(db, pool)), ("insert", writes(db, pool))):
                if what in options.only:
                    await compare(
                        what,
                        cases,
                        callers=callers,
                        calls=max(options.calls, callers) if callers > 1 else options.calls // 4,
                        rounds=options.rounds,
                        seed=options.seed + callers,
                    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.coalescing")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2048)
    parser.add_argument("--callers", type=int, nargs="+", default=CALLERS)
    parser.add_argument("--only", nargs="+", default=("read", "insert"))
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with chosen_server() as server:
        print(server.describe().split(":")[0])
        asyncio.run(measure(server.target, options))


if __name__ == "__main__":
    main()
