"""One row by its key through a pool, with one caller and with several."""

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from tests.benchmarks.cases.agreement import check_agreement
from tests.benchmarks.cases.callers import all_callers
from tests.benchmarks.data import make_rows
from tests.benchmarks.frame import OURS, Bench, Case, Contenders, Goal, Loop
from tests.benchmarks.peers import raw
from tests.benchmarks.peers.everyone import PEERS

POOL_SIZE = 8
CALLS_PER_SAMPLE = {1: 400, 8: 1_200, 64: 1_600}


@asynccontextmanager
async def contenders(bench: Bench, *, callers: int) -> AsyncGenerator[Contenders, None]:
    calls = bench.scaled(CALLS_PER_SAMPLE[callers], least=callers)
    keys = [row[0] for row in make_rows(bench.seed, bench.loaded_rows)]
    random.Random(bench.seed).shuffle(keys)
    keys = [keys[index % len(keys)] for index in range(calls)]
    samples, missing = {}, {}
    first: dict[str, Sequence[Any]] = {}
    async with AsyncExitStack() as stack:
        for peer in PEERS:
            lacking = peer.lacks()
            if lacking is None and peer.pool is None:
                continue
            if lacking is not None or peer.pool is None:
                missing[peer.name] = lacking or ""
                continue
            reads = await stack.enter_async_context(peer.pool(bench.loaded, POOL_SIZE))
            first[peer.name] = [await reads.get_by_hash(keys[0])]
            samples[peer.name] = all_callers(reads.get_by_hash, keys, callers)
        check_agreement(first, 1)
        yield Contenders(samples, calls, missing, [f"{POOL_SIZE} connections each"])


def case(
    callers: int,
    *,
    loop: Loop = Loop.ASYNCIO,
    goals: tuple[Goal, ...] = (),
    quick_rounds: int | None = None,
) -> Case:
    told = "1 caller" if callers == 1 else f"{callers} callers"
    return Case(
        name=f"point_read/{callers}" + ("" if loop is Loop.ASYNCIO else f"/{loop.value}"),
        title=f"Pooled point read, {told}" + ("" if loop is Loop.ASYNCIO else ", uvloop"),
        unit="calls",
        control=raw.NAME,
        open=partial(contenders, callers=callers),
        goals=goals,
        loop=loop,
        rounds=20,
        quick_rounds=quick_rounds,
    )


def goal(callers: int, least: float) -> Goal:
    return Goal(f"point_read_{callers}_rate_vs_pool", OURS, raw.NAME, "rate", "at least", least)


CASES = (
    case(1, goals=(goal(1, 1.6),), quick_rounds=7),
    case(8, goals=(goal(8, 1.35),), quick_rounds=7),
    case(64),
    case(1, loop=Loop.UVLOOP),
    case(8, loop=Loop.UVLOOP),
    case(64, loop=Loop.UVLOOP),
)
