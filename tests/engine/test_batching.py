"""Concurrent calls as one statement: each caller has its own row, error and commit."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.queries.locks import waits_for_lock
from tests.queries.transfers import CHAIN, hash_of, key, stored, transfer
from typedsql import batching
from typedsql.database import Database
from typedsql.errors import (
    CodeError,
    ConnectionLost,
    DataError,
    Error,
    TimeoutExpired,
    TransientError,
)
from typedsql.settings import ConnectionTarget
from typedsql.sqlstate import ArgumentRefused
from typedsql.statements import Statement
from typedsql.transaction import Session
from whaledb.queries import market_data, whale_transactions
from whaledb.rows import WhaleTransaction

CALLERS = 100
DEADLINE_S = 60
"""Against hanging only."""

Sent = list[tuple[str, int]]
"""Statements that were sent, and of how many elements their arrays are; 0 where they have none."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    seen: Sent = []
    for name in ("fetch_all", "fetch_one"):
        monkeypatch.setattr(Session, name, _noting(getattr(Session, name), seen))
    yield seen


def _noting(original: Callable[..., Awaitable[Any]], seen: Sent) -> Callable[..., Awaitable[Any]]:
    async def run(self: Session, statement: Statement, arguments: Sequence[Any], read: Any) -> Any:
        first = arguments[0] if arguments else None
        seen.append((statement.name, len(first) if isinstance(first, tuple) else 0))
        return await original(self, statement, arguments, read)

    return run


async def together(*calls: Any) -> list[Any]:
    """Results and errors of calls that are made at the same time."""
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.gather(*calls, return_exceptions=True)


async def inserted(db: Database, *numbers: int, **changes: Any) -> list[Any]:
    return await together(
        *(whale_transactions.insert(db, **transfer(number, **changes)) for number in numbers)
    )


def started(db: Database, *numbers: int) -> list["asyncio.Task[WhaleTransaction]"]:
    """The same as tasks, which make their calls when the event loop turns to them."""
    return [
        asyncio.create_task(whale_transactions.insert(db, **transfer(number))) for number in numbers
    ]


async def counts(db: Database) -> Counter[str]:
    """How often each hash is stored."""
    async with db.connection() as connection:
        rows = await connection.fetch("SELECT hash FROM public.whale_transactions")
    return Counter(row["hash"] for row in rows)


async def test_reads_at_the_same_time_become_few_statements(db: Database, sent: Sent) -> None:
    rows = [await stored(db, number) for number in range(20)]
    sent.clear()
    asked = [number % 25 for number in range(CALLERS)]
    found = await together(
        *(whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(n)) for n in asked)
    )
    assert found == [rows[n] if n < 20 else None for n in asked]
    # Each caller has a row of its own.
    assert len({id(row) for row in found if row is not None}) == sum(n < 20 for n in asked)
    names = Counter(name for name, _ in sent)
    assert names["whale_transactions.get_by_hash"] == batching.ALONE_AT_ONCE
    assert 1 <= names["whale_transactions.get_by_hash__batch"] <= 5
    assert sum(size or 1 for _, size in sent) == CALLERS


async def test_writes_at_the_same_time_share_a_commit(db: Database, sent: Sent) -> None:
    made = await inserted(db, *range(CALLERS))
    assert [row.hash for row in made] == [hash_of(number) for number in range(CALLERS)]
    for row in made[:: CALLERS // 10]:
        assert await whale_transactions.get(db, **key(row)) == row
    async with db.connection() as connection:
        commits = await connection.fetchval(
            "SELECT count(DISTINCT xmin::text) FROM public.whale_transactions"
        )
    assert commits == len([name for name, _ in sent if "insert" in name]) < CALLERS / 5


async def test_a_call_alone_is_the_plain_statement(db: Database, sent: Sent) -> None:
    await inserted(db, 1)
    await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(1))
    assert [name for name, _ in sent] == [
        "whale_transactions.insert",
        "whale_transactions.get_by_hash",
    ]


BAD: dict[str, Any] = {
    "a CHECK": {"gas_price": -1},
    "None": {"from_address": None},
    "another form": {"block_hash": "0x12"},
    "beyond 64 bits": {"gas_used": 2**70},
    "no time zone": {"block_timestamp": datetime(2026, 1, 1)},
    "a text": {"value_eth": "1"},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_bad_row_fails_alone(db: Database, sent: Sent, bad: dict[str, Any]) -> None:
    wrong = {17, 60, 61}
    calls = [
        whale_transactions.insert(db, **transfer(number, **(bad if number in wrong else {})))
        for number in range(CALLERS)
    ]
    made = await together(*calls)
    with pytest.raises(DataError) as alone:
        async with db.transaction() as tx:
            await whale_transactions.insert(tx, **transfer(17, **bad))
    for number in wrong:
        assert type(made[number]) is type(alone.value)
        assert str(made[number]) == str(alone.value)
    assert len({id(made[number]) for number in wrong}) == len(wrong)
    good = set(range(CALLERS)) - wrong
    assert all(isinstance(made[number], WhaleTransaction) for number in good)
    assert await counts(db) == {hash_of(number): 1 for number in good}
    assert any(size > 10 for _, size in sent)


@pytest.mark.parametrize("kind", [list, frozenset])
async def test_lists_in_place_of_values_are_refused_and_not_flattened(
    db: Database, kind: Callable[[Sequence[str]], object]
) -> None:
    made = await inserted(db, *range(CALLERS), from_address=kind(["0x" + "01" * 20]))
    assert {type(error) for error in made} == {ArgumentRefused}
    assert await counts(db) == Counter()
    hashes: Any = kind([hash_of(number) for number in range(2)])
    read = (whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hashes) for _ in range(CALLERS))
    assert {type(error) for error in await together(*read)} == {ArgumentRefused}
    # The control: the server takes an array of such lists for one that is twice as long.
    async with db.connection() as connection:
        unnested = "SELECT count(*) FROM unnest($1::text[])"
        assert await connection.fetchval(unnested, (hashes, hashes)) == 4


async def test_a_batch_that_is_not_split_fails_everybody(db: Database) -> None:
    """The control of the test before."""
    names = transfer(0)
    rows = [transfer(n, **({"gas_price": -1} if n == 17 else {})) for n in range(CALLERS)]
    with pytest.raises(DataError):
        await whale_transactions.insert_many(
            db, **{name: [row[name] for row in rows] for name in names}
        )
    assert await counts(db) == {}


async def test_of_one_key_the_calls_keep_their_order(db: Database) -> None:
    numbers = [number % 10 for number in range(CALLERS)]
    made = await inserted(db, *numbers)
    assert all(isinstance(row, WhaleTransaction) for row in made[:10])
    assert all(isinstance(row, DataError) and row.sqlstate == "23505" for row in made[10:])
    assert set((await counts(db)).values()) == {1}

    def merge(number: int, gas_used: int | None) -> Any:
        row = transfer(number, gas_used=gas_used)
        for name in ("value_usd", "price_source", "priced_at", "whale_score"):
            del row[name]
        return whale_transactions.merge(db, **row, orphaned_at=None)

    news = [merge(number, gas) for gas in (None, 1, 1, 2) for number in range(100, 130)]
    told = await together(*news)
    assert told == [True] * 30 + [False] * 30 + [None] * 30 + [False] * 30
    row = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(107))
    assert row is not None
    assert row.gas_used == 2


async def test_keys_that_differ_in_their_spelling_alone_are_split_apart(db: Database) -> None:
    hashes = [
        hash_of(0xABC0 + n % 40).upper().replace("X", "x") if n >= 40 else hash_of(0xABC0 + n)
        for n in range(80)
    ]
    made = await together(
        *(whale_transactions.insert(db, **transfer(0, hash=each)) for each in hashes)
    )
    assert sum(isinstance(row, WhaleTransaction) for row in made) == 40
    assert {row.sqlstate for row in made if isinstance(row, Error)} == {"23505"}
    assert len(await counts(db)) == 40


async def test_a_cancelled_caller_loses_nobody_elses_row(db: Database) -> None:
    chance = random.Random(20261123)
    for first in range(0, 5 * CALLERS, CALLERS):
        tasks = started(db, *range(first, first + CALLERS))
        for _ in range(30):
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        made = await together(*tasks)
        there = await counts(db)
        for number, result in enumerate(made, start=first):
            if isinstance(result, WhaleTransaction):
                assert there[hash_of(number)] == 1
            else:
                assert isinstance(result, asyncio.CancelledError)
        assert any(isinstance(result, asyncio.CancelledError) for result in made)
    await db.drain()
    assert max((await counts(db)).values()) == 1
    found = db.statistics().queries
    assert (found.in_use, found.waiting) == (0, 0)


async def test_a_caller_that_is_cancelled_before_it_is_sent_leaves_the_queue(
    db: Database, connection: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE public.whale_transactions")
        first = started(db, *range(40))
        await waits_for_lock(db, first[0])
        later = started(db, *range(40, 50))
        await asyncio.sleep(0)
        for task in later[:5]:
            task.cancel()
    made = await together(*first, *later)
    assert sum(isinstance(row, WhaleTransaction) for row in made) == 45
    assert set(await counts(db)) == {hash_of(n) for n in (*range(40), *range(45, 50))}


async def test_killed_backends_lose_nothing_that_was_acknowledged(
    db: Database, connection: asyncpg.Connection
) -> None:
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE '%/* whale_transactions.insert%'"
        " AND pid <> pg_backend_pid()"
    )
    acknowledged: set[int] = set()
    lost = 0
    for first in range(0, 6 * CALLERS, CALLERS):
        numbers = range(first, first + CALLERS)
        calls = asyncio.create_task(inserted(db, *numbers))
        for _ in range(3):
            await connection.execute(kill)
        for number, result in zip(numbers, await calls, strict=True):
            if isinstance(result, WhaleTransaction):
                acknowledged.add(number)
            else:
                assert isinstance(result, ConnectionLost), result
                lost += 1
    assert lost, "no kill has met a statement"
    there = await counts(db)
    assert {hash_of(number) for number in acknowledged} <= there.keys()
    assert max(there.values()) == 1
    # Whoever asks afterwards is served.
    assert all(
        isinstance(row, WhaleTransaction) for row in await inserted(db, *range(9_000, 9_050))
    )


async def test_databases_with_the_same_keys_in_opposite_orders_do_not_deadlock(
    db: Database, target: ConnectionTarget
) -> None:
    await market_data.ensure_months(
        db, first=transfer(0)["block_timestamp"], last=transfer(0)["block_timestamp"]
    )

    def candle(number: int, volume: int) -> dict[str, Any]:
        prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
        return {
            "exchange": "okx",
            "symbol": f"s{number:03}",
            "interval": "1m",
            "open_time": transfer(0)["block_timestamp"],
            "volume": Decimal(volume),
            "trade_count": None,
        } | prices

    async with whaledb.connect(target) as other:
        for volume in range(5):
            told = await together(
                *(market_data.merge(db, **candle(n, 2 * volume)) for n in range(CALLERS)),
                *(
                    market_data.merge(other, **candle(n, 2 * volume + 1))
                    for n in reversed(range(CALLERS))
                ),
            )
            assert [item for item in told if isinstance(item, BaseException)] == []


async def test_the_same_statement_in_another_order_deadlocks(db: Database) -> None:
    """The control of the test before, which the order of the rows alone decides."""
    sql = whale_transactions._insert_many._statement.sql
    ordered = "ORDER BY g.block_hash ASC, g.hash ASC, g.chain_id ASC, g.trace_path ASC"
    assert ordered in sql

    async def crossing(text: str, shift: int) -> int:
        names = whale_transactions._insert_many._statement.parameters

        async def insert(connection: Any, *numbers: int) -> None:
            rows = [transfer(number + shift) for number in numbers]
            await connection.fetch(text, *([row[name] for row in rows] for name in names))

        async with db.connection() as one, db.connection() as two:
            block = one.transaction()
            await block.start()
            await insert(one, 2)
            other = asyncio.create_task(insert(two, 3, 2, 1))
            await waits_for_lock(db, other)
            mine = await asyncio.gather(insert(one, 3), return_exceptions=True)
            await block.rollback()
            results = [*mine, *await asyncio.gather(other, return_exceptions=True)]
        return sum(isinstance(item, asyncpg.DeadlockDetectedError) for item in results)

    async with asyncio.timeout(DEADLINE_S):
        assert await crossing(sql, 0) == 0
        assert await crossing(sql.replace(ordered, ""), 10) == 1


async def test_a_batch_that_was_rolled_back_is_sent_again(
    db: Database, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_all, failures = Session.fetch_all, [TransientError("deadlock", sqlstate="40P01")] * 2

    async def fails_at_first(self: Session, *arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await fetch_all(self, *arguments)

    monkeypatch.setattr(Session, "fetch_all", fails_at_first)
    made = await inserted(db, *range(CALLERS))
    assert all(isinstance(row, WhaleTransaction) for row in made)
    failures += [TransientError("deadlock", sqlstate="40P01")] * 20
    made = await inserted(db, *range(CALLERS, CALLERS + 20))
    refused = [row for row in made if isinstance(row, TransientError)]
    assert len(refused) == 20 - batching.ALONE_AT_ONCE
    assert len({id(error) for error in refused}) == len(refused)


async def test_positions_that_do_not_count_from_one_give_nobody_anothers_row(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_all = Session.fetch_all

    async def shifted(self: Session, *arguments: Any) -> Any:
        return [(record[0] - 1, *record[1:]) for record in await fetch_all(self, *arguments)]

    monkeypatch.setattr(Session, "fetch_all", shifted)
    made = await inserted(db, *range(CALLERS))
    others = [row for row in made[batching.ALONE_AT_ONCE :] if isinstance(row, CodeError)]
    assert len(others) == CALLERS - batching.ALONE_AT_ONCE
    assert "returned ordinal 0 of" in str(others[0])


async def test_a_read_whose_connection_was_lost_is_asked_again(
    db: Database, connection: asyncpg.Connection
) -> None:
    await stored(db, 1)
    async with connection.transaction():
        await connection.execute("LOCK TABLE public.whale_transactions")
        reads = [
            asyncio.create_task(whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(1)))
            for _ in range(40)
        ]
        await waits_for_lock(db, reads[0])
        killed = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%get_by_hash__batch%'"
            " AND pid <> pg_backend_pid()"
        )
    assert killed
    found = await together(*reads)
    assert all(isinstance(row, WhaleTransaction) for row in found)


async def test_in_a_transaction_nothing_is_coalesced(db: Database, sent: Sent) -> None:
    others = asyncio.create_task(inserted(db, *range(CALLERS)))
    await asyncio.sleep(0)
    async with db.transaction() as tx:
        for number in range(500, 520):
            await whale_transactions.insert(tx, **transfer(number))
        assert (await counts(db)).keys().isdisjoint({hash_of(number) for number in range(500, 520)})
    await others
    assert len(await counts(db)) == CALLERS + 20
    alone = [name for name, size in sent if name == "whale_transactions.insert" and not size]
    assert len(alone) >= 20


async def test_drain_loses_nothing_and_without_it_something_is_lost(db: Database) -> None:
    async def worker(first: int, *, drained: bool) -> int:
        numbers = range(first, first + CALLERS)
        tasks = started(db, *numbers)
        await asyncio.sleep(0)
        if drained:
            await db.drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len({hash_of(n) for n in numbers} & (await counts(db)).keys())

    assert await worker(0, drained=True) == CALLERS
    assert await worker(1000, drained=False) < CALLERS


async def test_the_end_of_a_database_drains(target: ConnectionTarget, db: Database) -> None:
    async with whaledb.connect(target) as other:
        tasks = started(other, *range(CALLERS))
    made = await together(*tasks)
    assert all(isinstance(row, WhaleTransaction) for row in made)
    assert len(await counts(db)) == CALLERS


async def test_the_limits_are_kept(
    db: Database, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH_MAX_ROWS", 9)
    monkeypatch.setattr(batching, "QUEUE_MAX_ROWS", 20)
    made = await inserted(db, *range(CALLERS))
    assert [row.hash for row in made] == [hash_of(number) for number in range(CALLERS)]
    assert max(size for _, size in sent) == 9
    sent.clear()
    monkeypatch.setattr(batching, "BATCH_MAX_BYTES", 2_000)
    monkeypatch.setattr(batching, "QUEUE_MAX_BYTES", 4_000)
    made = await inserted(db, *range(CALLERS, 2 * CALLERS))
    assert all(isinstance(row, WhaleTransaction) for row in made)
    assert 1 < max(size for _, size in sent) < 6


async def test_a_call_that_waits_too_long_is_refused_with_nothing_sent(
    db: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "QUEUE_MAX_AGE_S", 0.2)
    async with connection.transaction():
        await connection.execute("LOCK TABLE public.whale_transactions")
        first = started(db, *range(40))
        await waits_for_lock(db, first[0])
        later = await inserted(db, *range(40, 50))
    for failure in later:
        assert isinstance(failure, TimeoutExpired)
        assert str(failure) == (
            "whale_transactions.insert: not sent within 0.2 s, and nothing was stored"
        )
    made = await together(*first)
    # Of the first there are some that waited behind a batch as well.
    there = await counts(db)
    for number, result in enumerate(made):
        assert there[hash_of(number)] == isinstance(result, WhaleTransaction)
    assert there.keys().isdisjoint({hash_of(number) for number in range(40, 50)})
