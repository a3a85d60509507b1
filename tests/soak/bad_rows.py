"""One caller in 100 sends a row that is refused: it alone fails, all others store theirs once.

The control is a batch that is not split: whoever shares one with a bad row fails with it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg

import whaledb
from tests.queries.transfers import hash_of, transfer
from tests.soak import pools
from typedsql.database import Database
from typedsql.errors import DataError
from typedsql.settings import ConnectionTarget
from whaledb.queries import whale_transactions

ONE_IN: Final = 100
CALLERS: Final = 256
"""Calls that are under way at once."""
CONTROL_BATCH_ROWS: Final = 64
BAD: Final[tuple[dict[str, Any], ...]] = (
    {"gas_price": -1},
    {"from_address": None},
    {"block_hash": "0x12"},
    {"gas_used": 2**70},
    {"block_timestamp": datetime(2026, 1, 1)},
    {"value_eth": "1"},
    {"value_usd": 1},
)
"""Refused by the server, by a constraint over two columns, by the driver, and before it."""


@dataclass(slots=True)
class Outcome:
    """What became of calls of which some were bad."""

    bad: int = 0
    refused: int = 0
    """Bad ones that failed."""
    innocent: int = 0
    """Others that failed."""
    stored: int = 0
    wrong: list[str] = field(default_factory=list[str])


async def campaign(target: ConnectionTarget, *, seed: int, count: int) -> Outcome:
    """So many inserts, each awaited by a caller of its own."""
    rows, bad = _rows(seed, count)
    outcome = Outcome(bad=len(bad))
    good = set(range(count)) - bad
    async with whaledb.connect(target) as db:
        waiting = iter(range(count))

        async def caller() -> None:
            for number in waiting:
                failure = await _insert(db, rows[number])
                if failure is not None and number in bad:
                    outcome.refused += 1
                elif failure is not None:
                    outcome.innocent += 1
                elif number in bad:
                    outcome.wrong.append("a bad row was accepted")

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        outcome.wrong += await pools.complaints(db)
    found = await _stored(target)
    outcome.stored = len(found)
    if found != {hash_of(number): 1 for number in good}:
        outcome.wrong.append("what is stored is not each good row once")
    if outcome.innocent:
        outcome.wrong.append(f"{outcome.innocent} callers failed whose rows were good")
    if outcome.refused != len(bad):
        outcome.wrong.append(f"{outcome.refused} of {len(bad)} bad rows were refused")
    return outcome


async def unsplit(target: ConnectionTarget, *, seed: int, count: int) -> Outcome:
    """The control: the same rows in batches, of which each has one result for all."""
    rows, bad = _rows(seed, count)
    outcome = Outcome(bad=len(bad))
    async with whaledb.connect(target) as db:
        for numbers in _parts(count):
            names = rows[0].keys()
            columns = {name: [rows[number][name] for number in numbers] for name in names}
            try:
                await whale_transactions.insert_many(db, **columns)
            except DataError:
                failed = bad.intersection(numbers)
                outcome.refused += len(failed)
                outcome.innocent += len(numbers) - len(failed)
    outcome.stored = len(await _stored(target))
    return outcome


def _rows(seed: int, count: int) -> tuple[list[dict[str, Any]], set[int]]:
    chance = random.Random(seed)
    bad = set(chance.sample(range(count), count // ONE_IN))
    rows = [
        transfer(number, **(chance.choice(BAD) if number in bad else {})) for number in range(count)
    ]
    return rows, bad


def _parts(count: int) -> Iterator[range]:
    for start in range(0, count, CONTROL_BATCH_ROWS):
        yield range(start, min(start + CONTROL_BATCH_ROWS, count))


async def _insert(db: Database, row: dict[str, Any]) -> DataError | None:
    try:
        await whale_transactions.insert(db, **row)
    except DataError as failure:
        return failure
    return None


async def _stored(target: ConnectionTarget) -> Counter[str]:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        rows = await connection.fetch("SELECT hash FROM public.whale_transactions")
    finally:
        await connection.close()
    return Counter(row["hash"] for row in rows)
