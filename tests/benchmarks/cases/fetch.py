"""Fetching rows on one connection: what decoding costs."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle
from typing import Any

from tests.benchmarks.cases.agreement import check_agreement
from tests.benchmarks.data import FIRST_BLOCK, ROWS_PER_BLOCK
from tests.benchmarks.frame import OURS, Bench, Case, Contenders, Goal, repeated
from tests.benchmarks.peers import Reads, raw, sqlalchemy2
from tests.benchmarks.peers.everyone import PEERS

ROWS_PER_SAMPLE = 10_000
CALLS_PER_SAMPLE = 300
"""At most; what 10,000 rows make less is fewer."""


def starts(bench: Bench, rows: int) -> Iterator[int]:
    """Blocks to begin at, for ever: each call reads other rows than the one before it.

    Who is asked for the same again could answer from what is remembered.
    """
    last = (bench.loaded_rows - rows) // ROWS_PER_BLOCK
    step = max(1, rows // ROWS_PER_BLOCK)
    return (FIRST_BLOCK + block for block in cycle(range(0, last + 1, step)))


async def fetch_next(reads: Reads, blocks: Iterator[int], rows: int) -> None:
    await reads.list_since_block(next(blocks), rows)


@asynccontextmanager
async def contenders(bench: Bench, *, rows: int) -> AsyncGenerator[Contenders, None]:
    rows = min(rows, bench.loaded_rows)
    calls = bench.scaled(max(1, min(CALLS_PER_SAMPLE, ROWS_PER_SAMPLE // rows)))
    samples, missing = {}, {}
    first: dict[str, Sequence[Any]] = {}
    async with AsyncExitStack() as stack:
        for peer in PEERS:
            lacking = peer.lacks()
            if lacking is not None:
                missing[peer.name] = lacking
                continue
            reads = await stack.enter_async_context(peer.connection(bench.loaded))
            first[peer.name] = await reads.list_since_block(FIRST_BLOCK, rows)
            samples[peer.name] = repeated(
                partial(fetch_next, reads, starts(bench, rows), rows), calls
            )
        check_agreement(first, rows)
        first.clear()
        yield Contenders(samples, calls * rows, missing)


def case(rows: int, *, goals: tuple[Goal, ...] = (), quick_rounds: int | None = None) -> Case:
    return Case(
        name=f"fetch/{rows}",
        title=f"Fetch {rows:,} row{'s' if rows > 1 else ''} of 13 columns",
        unit="rows",
        control=raw.NAME,
        open=partial(contenders, rows=rows),
        goals=goals,
        rounds=30 if rows < 50_000 else 12,
        quick_rounds=quick_rounds,
    )


CASES = (
    case(1),
    case(100),
    case(
        1_000,
        goals=(
            Goal("fetch_1000_time_vs_asyncpg", OURS, raw.NAME, "time", "at most", 0.90),
            Goal(
                "fetch_1000_time_vs_same_codec",
                OURS,
                raw.WITH_NUMERIC_CODEC,
                "time",
                "at most",
                1.05,
            ),
            Goal(
                "fetch_1000_orm_time_vs_ours", sqlalchemy2.ORM_NAME, OURS, "time", "at least", 2.2
            ),
        ),
        quick_rounds=9,
    ),
    case(50_000),
)
