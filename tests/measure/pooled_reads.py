"""How many rows a second callers read by key through the pool, beside the driver's own pool.

    python -m tests.measure.pooled_reads

Each caller awaits one point read after the other: a generated function through `Database`,
or `pool.fetchrow` with the same statement and arguments. The driver's pool has as many
connections, once as it comes, and once with our codecs and our time limit; a third one is also
spared its reset after each use, which tells how much of the difference is the round trip.

Within a round the cases come in random order; a figure is the median of the ratios to the
driver's pool within one round. It leaves out what other processes do to the machine meanwhile,
and says nothing about a network: there the round trip that is spared counts for more.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

import whaledb
from tests.databases import open_databases
from tests.measure.calls import Subject, prepare_rows, subjects
from tests.measure.pairs import CONTROL, Sample, Spread, in_turn
from tests.servers import chosen_server
from typedsql import codecs
from typedsql.connect_options import COMMAND_TIMEOUT_S, DEFAULT_MAX_SIZE
from typedsql.settings import ConnectionTarget

CALLERS = (1, 8, 64)
CALLS = 640
"""Of all callers together, in each round."""
WARM_UP_ROUNDS = 3

Read = Callable[[], Awaitable[object]]


def read_by(callers: int, read: Read) -> Sample:
    """Seconds until so many callers have made `CALLS` reads."""

    async def one_after_the_other() -> None:
        for _ in range(CALLS // callers):
            await read()

    async def sample() -> float:
        started = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(callers)))
        return time.perf_counter() - started

    return sample


async def no_reset(connection: object) -> None:
    """Stands for the driver's reset after each use."""


async def open_pools(stack: AsyncExitStack, target: ConnectionTarget) -> dict[str, Any]:
    same = {"init": codecs.install, "command_timeout": COMMAND_TIMEOUT_S}
    pools: dict[str, dict[str, Any]] = {
        CONTROL: {},
        "the driver's pool with our codecs and time limit": same,
        "the same without a reset": same | {"reset": no_reset},
    }
    opened: dict[str, Any] = {}
    for name, options in pools.items():
        opened[name] = await stack.enter_async_context(
            asyncpg.create_pool(
                **target.asyncpg_arguments(),
                min_size=DEFAULT_MAX_SIZE,
                max_size=DEFAULT_MAX_SIZE,
                **options,
            )
        )
    return opened


def told(subject: Subject, callers: int, taken: dict[str, list[float]]) -> None:
    reads = Spread.of([CALLS / seconds for seconds in taken[CONTROL]]).text("reads/s", digits=0)
    print(f"{subject.statement.name}, {callers} callers: the driver's pool {reads}")
    for name in taken:
        if name != CONTROL:
            times = [
                control / own for control, own in zip(taken[CONTROL], taken[name], strict=True)
            ]
            print(f"    {name}: {Spread.of(times).text('times that')}")


async def measure(server: ConnectionTarget, *, rounds: int, seed: int) -> None:
    print(f"seed {seed}, {rounds} rounds of {CALLS} reads after {WARM_UP_ROUNDS} to warm up")
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
        whaledb.connect(target, min_size=DEFAULT_MAX_SIZE) as db,
        AsyncExitStack() as stack,
    ):
        await prepare_rows(db)
        pools = await open_pools(stack, target)
        subject = subjects()[2]

        def case(pool: Any) -> Read:
            return lambda: subject.driver(pool)

        for callers in CALLERS:
            cases = {name: read_by(callers, case(pool)) for name, pool in pools.items()}
            cases["ours"] = read_by(callers, lambda: subject.function(db))
            told(
                subject,
                callers,
                await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed),
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.pooled_reads")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with chosen_server() as server:
        print(server.describe().split(":")[0])
        asyncio.run(measure(server.target, rounds=options.rounds, seed=options.seed))


if __name__ == "__main__":
    main()
