"""Concurrent callers whose calls become one statement, beside callers that have one each."""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

import whaledb
from tests.benchmarks.cases.callers import all_callers
from tests.benchmarks.data import CHAIN_ID, COLUMNS, make_rows
from tests.benchmarks.frame import OURS, Bench, Case, Contenders, Goal, Sample
from tests.benchmarks.peers import Reads, psycopg3, raw, sqlalchemy2, statements_of_project
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.queries import whale_transactions

POOL_SIZE = 8
PLAIN = f"{OURS}, one by one"
"""The generated functions' own statements, as they run within a transaction."""
PEERS = (raw.PLAIN, psycopg3.ARGS_ROW, sqlalchemy2.CORE)
CALLERS = (1, 8, 64, 512)
READS_PER_SAMPLE = {1: 400, 8: 1_200, 64: 6_400, 512: 10_240}
INSERTS_PER_SAMPLE = {1: 200, 8: 800, 64: 4_480, 512: 7_168}

Row = dict[str, Any]


@asynccontextmanager
async def opened(
    target: ConnectionTarget,
) -> AsyncGenerator[tuple[Database, dict[str, Reads], dict[str, str]], None]:
    """Ours, the peers' pools by name, and why others are missing."""
    pools: dict[str, Reads] = {}
    missing: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(
            whaledb.connect(target, min_size=POOL_SIZE, max_size=POOL_SIZE)
        )
        for peer in PEERS:
            lacking = peer.lacks()
            if lacking is not None or peer.pool is None:
                missing[peer.name] = lacking or "it has no pool"
                continue
            pools[peer.name] = await stack.enter_async_context(peer.pool(target, POOL_SIZE))
        yield db, pools, missing


@asynccontextmanager
async def reads(bench: Bench, *, callers: int) -> AsyncGenerator[Contenders, None]:
    calls = bench.scaled(READS_PER_SAMPLE[callers], least=callers)
    keys = [row[0] for row in make_rows(bench.seed, bench.loaded_rows)]
    random.Random(bench.seed).shuffle(keys)
    keys = [keys[index % len(keys)] for index in range(calls)]
    statement = statements_of_project("whale_transactions")["get_by_hash"]
    plain = whale_transactions._get_by_hash
    async with opened(bench.loaded) as (db, pools, missing):

        async def ours(key: str) -> object:
            return await whale_transactions.get_by_hash(db, chain_id=CHAIN_ID, hash=key)

        async def one_by_one(key: str) -> object:
            return await plain.run(db, key, CHAIN_ID)

        def by(peer: Reads) -> Callable[[str], Awaitable[object]]:
            run_one = peer.run_one
            assert run_one is not None
            return lambda key: run_one(statement, (key, CHAIN_ID))

        calls_of: dict[str, Callable[[str], Awaitable[object]]] = {
            OURS: ours,
            PLAIN: one_by_one,
            **{name: by(peer) for name, peer in pools.items()},
        }
        samples = {name: all_callers(call, keys, callers) for name, call in calls_of.items()}
        yield Contenders(samples, calls, missing, [f"{POOL_SIZE} connections each"])


@asynccontextmanager
async def inserts(bench: Bench, *, callers: int) -> AsyncGenerator[Contenders, None]:
    calls = bench.scaled(INSERTS_PER_SAMPLE[callers], least=callers)
    rows: list[Row] = [
        dict(zip(COLUMNS, row, strict=True)) for row in make_rows(bench.seed + 1, calls)
    ]
    statement = statements_of_project("whale_transactions")["insert"]
    names = statement.parameters
    plain = whale_transactions._insert
    admin = await asyncpg.connect(**bench.empty.asyncpg_arguments())
    try:
        async with opened(bench.empty) as (db, pools, missing):

            async def ours(row: Row) -> object:
                return await whale_transactions.insert(db, **row)

            async def one_by_one(row: Row) -> object:
                return await plain.run(db, *[row[name] for name in names])

            def by(peer: Reads) -> Callable[[Row], Awaitable[object]]:
                run_one = peer.run_one
                assert run_one is not None
                return lambda row: run_one(statement, [row[name] for name in names])

            calls_of: Mapping[str, Callable[[Row], Awaitable[object]]] = {
                OURS: ours,
                PLAIN: one_by_one,
                **{name: by(peer) for name, peer in pools.items()},
            }
            samples = {
                name: into_empty(admin, all_callers(call, rows, callers), len(rows))
                for name, call in calls_of.items()
            }
            yield Contenders(
                samples, calls, missing, [f"{POOL_SIZE} connections each, every call committed"]
            )
    finally:
        await admin.close()


def into_empty(admin: Any, store: Sample, count: int) -> Sample:
    """`store` into the emptied table, all of whose rows are then there."""

    async def sample() -> float:
        await admin.execute("TRUNCATE public.whale_transactions; CHECKPOINT")
        seconds = await store()
        stored = await admin.fetchval("SELECT count(*) FROM public.whale_transactions")
        if stored != count:
            raise RuntimeError(f"{stored} rows are stored instead of {count}")
        return seconds

    return sample


def read_case(callers: int, *goals: Goal, quick: bool = False) -> Case:
    return Case(
        name=f"coalesced_read/{callers}",
        title=f"Read by key with @batch, {callers_text(callers)}",
        unit="calls",
        control=raw.NAME,
        open=partial(reads, callers=callers),
        goals=goals,
        rounds=15,
        quick_rounds=5 if quick else None,
    )


def insert_case(callers: int, *goals: Goal, quick: bool = False) -> Case:
    return Case(
        name=f"coalesced_insert/{callers}",
        title=f"Insert one row with @batch, {callers_text(callers)}",
        unit="calls",
        control=raw.NAME,
        open=partial(inserts, callers=callers),
        goals=goals,
        rounds=15,
        quick_rounds=5 if quick else None,
    )


def callers_text(callers: int) -> str:
    return "1 caller" if callers == 1 else f"{callers} callers"


def versus_pool(what: str, callers: int, least: float) -> Goal:
    key = f"coalesced_{what}_{callers}_rate_vs_pool"
    return Goal(key, OURS, raw.NAME, "rate", "at least", least)


def versus_plain(what: str) -> Goal:
    return Goal(f"coalesced_{what}_1_rate_vs_plain", OURS, PLAIN, "rate", "at least", 0.95)


CASES: Sequence[Case] = (
    read_case(1, versus_plain("read"), quick=True),
    read_case(8),
    read_case(64, versus_pool("read", 64, 8.0), quick=True),
    read_case(512),
    insert_case(1, versus_plain("insert"), quick=True),
    insert_case(8),
    insert_case(64, versus_pool("insert", 64, 4.5), quick=True),
    insert_case(512, versus_pool("insert", 512, 6.0), quick=True),
)
