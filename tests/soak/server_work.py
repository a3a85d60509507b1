"""What a worker does whose server is killed again and again, and its diary; see server_kills."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import asyncpg

from tests.ingest import chain
from tests.queries.transfers import CHAIN, transfer
from tests.soak import ledger
from typedsql.database import Database, Transaction
from typedsql.errors import (
    ConnectionFailed,
    ConnectionLost,
    OutcomeUnknown,
    TimeoutExpired,
    TransientError,
)
from typedsql.settings import ConnectionTarget
from whaledb.ingest import Ingestor, IngestorLimits
from whaledb.queries import whale_transactions
from whaledb.rows import NewWhaleTransaction

T = TypeVar("T")

KINDS: Final = ("blocks", "inserts", "merged", "entries")
SERIES: Final = {"inserts": 10**9, "merged": 2 * 10**9}
"""Where the numbers of the transfers of each kind begin."""
BLOCK_ROWS: Final = 2
MERGE_ROWS: Final = 1_000
MERGE_CHUNK_ROWS: Final = 250
NAIVE_TABLE: Final = "CREATE TABLE public.naive (number BIGINT NOT NULL)"
NAIVE_PAUSE_S: Final = 0.05
AGAIN_PAUSE_S: Final = 0.02
PASSING: Final = (ConnectionLost, ConnectionFailed, TimeoutExpired, TransientError)
"""What a caller waits out, and then does its work again, or looks first."""


NAIVELY_PASSING: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What the driver itself raises where the connection ends."""


class Diary:
    """What callers were told, of every kind of work."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.acknowledged: dict[str, set[int]] = {kind: set() for kind in KINDS}
        self.failures: Counter[str] = Counter()
        self.longest_s = 0.0
        self.wrong: list[str] = []
        self._numbers = itertools.count()

    def new_number(self) -> int:
        return next(self._numbers)

    async def time(self, kind: str, call: Coroutine[Any, Any, T]) -> T:
        """What the call gives or raises; how long it took, and what it raised, are noted."""
        begin = time.perf_counter()
        try:
            return await call
        except Exception as failure:
            self.failures[f"{type(failure).__name__} of {kind}"] += 1
            raise
        finally:
            self.longest_s = max(self.longest_s, time.perf_counter() - begin)


def block_hash(number: int) -> str:
    return chain.block_hash(number)


def transfer_hash(number: int, place: int) -> str:
    return chain.some_hash("transaction", f"{number}.{place}")


async def ingest(db: Database, diary: Diary) -> None:
    """Puts blocks, one after the other, until it is to stop."""
    acknowledged = diary.acknowledged["blocks"]

    def note(number: int, committed: "asyncio.Future[None]") -> None:
        if not committed.cancelled() and committed.exception() is None:
            acknowledged.add(number)

    limits = IngestorLimits(max_age_s=0.02, max_flush_blocks=8, max_queue_blocks=32)
    async with Ingestor(db, stream="soak", limits=limits, stop_on_signals=False) as ingestor:
        for number in itertools.count(1):
            if diary.stopping.is_set():
                return
            transfers = [
                chain.transaction(f"{number}.{place}", ether=500) for place in range(BLOCK_ROWS)
            ]
            committed = await diary.time(
                "blocks", ingestor.put(json.dumps(chain.block(number, transfers)))
            )
            committed.add_done_callback(lambda told, number=number: note(number, told))


async def insert_rows(db: Database, diary: Diary) -> None:
    """Inserts one row after the other, and looks before it repeats one of unknown outcome."""
    while not diary.stopping.is_set():
        number = diary.new_number()
        row = transfer(SERIES["inserts"] + number)
        unsure = False
        while True:
            try:
                if not (unsure and await _is_stored(db, diary, row["hash"])):
                    await diary.time("inserts", whale_transactions.insert(db, **row))
            except PASSING as failure:
                unsure = unsure or isinstance(failure, OutcomeUnknown)
                await asyncio.sleep(AGAIN_PAUSE_S)
            else:
                diary.acknowledged["inserts"].add(number)
                break


async def _is_stored(db: Database, diary: Diary, sought: str) -> bool:
    found = await diary.time(
        "reads", whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=sought)
    )
    return found is not None


async def merge_rows(db: Database, diary: Diary) -> None:
    """Merges rows by the thousand; after a failure the same again, as is safe."""
    for start in itertools.count(0, MERGE_ROWS):
        if diary.stopping.is_set():
            return
        numbers = range(start, start + MERGE_ROWS)
        rows = [_new_row(SERIES["merged"] + number) for number in numbers]
        while True:
            try:
                told = await diary.time(
                    "merged", whale_transactions.merge_rows(db, rows, chunk_rows=MERGE_CHUNK_ROWS)
                )
            except PASSING:
                await asyncio.sleep(AGAIN_PAUSE_S)
            else:
                break
        if told.inserted + told.unchanged != MERGE_ROWS:
            diary.wrong.append(f"a merge was {told}")
        diary.acknowledged["merged"].update(numbers)


def _new_row(number: int) -> NewWhaleTransaction:
    row = transfer(number)
    for name in ("value_usd", "price_source", "priced_at"):
        del row[name]
    return NewWhaleTransaction(**row)


async def run_transactions(db: Database, diary: Diary) -> None:
    """Enters one number after the other, and looks where nobody knows whether it is there."""
    while not diary.stopping.is_set():
        number = diary.new_number()

        async def enter(tx: Transaction, number: int = number) -> None:
            for part in ledger.PARTS:
                await ledger.enter.run(tx, number, part)

        unsure = False
        while True:
            try:
                if not (unsure and await diary.time("reads", ledger.count.run(db, number))):
                    await diary.time("entries", db.run_transaction(enter))
            except PASSING as failure:
                unsure = unsure or isinstance(failure, OutcomeUnknown)
                await asyncio.sleep(AGAIN_PAUSE_S)
            else:
                diary.acknowledged["entries"].add(number)
                break


async def repeat_naively(target: ConnectionTarget, diary: Diary) -> None:
    """The control: whatever was not answered is written again."""
    connection: Any = None
    while not diary.stopping.is_set():
        number = diary.new_number()
        while True:
            try:
                if connection is None:
                    connection = await asyncpg.connect(**target.asyncpg_arguments())
                await connection.execute("INSERT INTO public.naive VALUES ($1)", number)
            except NAIVELY_PASSING:
                if connection is not None:
                    connection.terminate()
                connection = None
                await asyncio.sleep(NAIVE_PAUSE_S)
            else:
                break
    if connection is not None:
        await connection.close()
