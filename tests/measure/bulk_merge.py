"""How fast rows are merged in bulk, beside the limit and beside the driver's own way.

    python -m tests.measure.bulk_merge

Into whale_transactions with all its indexes and constraints, truncated before each round:

- new rows: `whale_transactions.merge_rows` of rows that are not there, in one and in two
  lanes. Its control is the limit: binary COPY of the same rows by as many connections, of
  bytes that were encoded beforehand. The ratio is the merge's rows per second by those of the
  limit.
- half of them there: the same rows where every second one is stored already. Its control is
  the driver's `executemany` of the single statement `merge`, in one transaction.

For the merges of new rows the processor time of this process is told too, which the limit hardly
has: where client and server share the processors, that is what the merge can lose to it.

Durability is the server's default. Rows are made before the time is taken. What is left out:
how they would come from a network, and what other tables and sessions would take.

With --memory N only the peak memory of a process is told that merges N rows, which it makes one
by one. The figure has the interpreter and all that is imported in it.
"""

import argparse
import asyncio
import io
import random
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
from msgspec.structs import astuple

import whaledb
from tests.measure.pairs import CONTROL, Sample, Spread, in_turn
from tests.servers import throwaway_server
from typedsql.bulk.limits import CHUNK_ROWS
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from typedsql.statements import load_statements
from typedsql.tools.migrations import migrate
from typedsql.tools.schema import REFERENCE_MAJOR
from whaledb.project import PROJECT
from whaledb.queries import whale_transactions
from whaledb.rows import NewWhaleTransaction

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
ROWS_OF_A_BLOCK = 20
ADDRESSES = 5_000
COMMAND_TIMEOUT_S = 600.0
COLUMNS = NewWhaleTransaction.__struct_fields__


def make_rows(count: int, seed: int) -> Iterator[NewWhaleTransaction]:
    """Transfers of blocks that follow each other, between addresses that come again."""
    chance = random.Random(seed)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    addresses = [f"0x{chance.getrandbits(160):040x}" for _ in range(ADDRESSES)]
    for number in range(count):
        block = number // ROWS_OF_A_BLOCK
        yield NewWhaleTransaction(
            hash=f"0x{chance.getrandbits(256):064x}",
            chain_id=1,
            block_hash=f"0x{block:064x}",
            trace_path="",
            block_number=block,
            block_timestamp=begin + timedelta(seconds=12 * block),
            from_address=chance.choice(addresses),
            to_address=chance.choice(addresses),
            value_eth=Decimal(chance.randrange(10**20, 10**22)).scaleb(-18),
            gas_price=chance.randrange(10**9, 10**11),
            gas_used=21_000,
            succeeded=True,
        )


class Subject:
    """A database with the rows of one measurement, as objects and as bytes."""

    def __init__(
        self, db: Database, drivers: Sequence[Any], rows: list[NewWhaleTransaction]
    ) -> None:
        self._db = db
        self._drivers = drivers
        self._rows = rows
        self._encoded: dict[int, list[bytes]] = {}
        self.processor_s: list[float] = []
        """Of this process for each merge: the server's is another's, and the load another's too."""
        statement = load_statements(PROJECT.root / PROJECT.queries_dir / "whale_transactions.sql")
        self._merge = statement["merge"]

    async def encode(self, lanes: int) -> None:
        """Prepare what the limit sends."""
        driver = self._drivers[0]
        parts: list[bytes] = []
        await driver.execute("CREATE TEMPORARY TABLE encoded (LIKE public.whale_transactions)")
        await driver.execute(
            "ALTER TABLE encoded ALTER id DROP NOT NULL, ALTER created_at DROP NOT NULL, "
            "ALTER updated_at DROP NOT NULL"
        )
        for lane in range(lanes):
            await driver.copy_records_to_table(
                "encoded", records=map(astuple, self._rows[lane::lanes]), columns=COLUMNS
            )
            output = io.BytesIO()
            await driver.copy_from_query(
                f"SELECT {', '.join(COLUMNS)} FROM encoded", output=output, format="binary"
            )
            parts.append(output.getvalue())
            await driver.execute("TRUNCATE encoded")
        await driver.execute("DROP TABLE encoded")
        self._encoded[lanes] = parts

    async def limit(self, lanes: int) -> float:
        await self._empty()
        begin = time.perf_counter()
        await asyncio.gather(
            *(
                driver.copy_to_table(
                    "whale_transactions", source=io.BytesIO(part), columns=COLUMNS, format="binary"
                )
                for driver, part in zip(self._drivers, self._encoded[lanes], strict=False)
            )
        )
        return time.perf_counter() - begin

    async def merge_new(self, lanes: int, chunk_rows: int) -> float:
        await self._empty()
        return await self._timed(lanes, chunk_rows)

    async def merge_half(self, lanes: int, chunk_rows: int) -> float:
        await self._half()
        return await self._timed(lanes, chunk_rows)

    async def executemany_half(self) -> float:
        await self._half()
        names = self._merge.parameters
        arguments = [[getattr(row, name) for name in names] for row in self._rows]
        begin = time.perf_counter()
        await self._drivers[0].executemany(self._merge.sql, arguments)
        return time.perf_counter() - begin

    async def _timed(self, lanes: int, chunk_rows: int) -> float:
        begin, worked = time.perf_counter(), time.process_time()
        report = await whale_transactions.merge_rows(
            self._db, self._rows, lanes=lanes, chunk_rows=chunk_rows
        )
        seconds = time.perf_counter() - begin
        self.processor_s.append(time.process_time() - worked)
        assert report.given == len(self._rows)
        return seconds

    async def _empty(self) -> None:
        await self._drivers[0].execute("TRUNCATE public.whale_transactions; CHECKPOINT")

    async def _half(self) -> None:
        await self._empty()
        await whale_transactions.merge_rows(self._db, self._rows[::2])
        await self._drivers[0].execute("CHECKPOINT")


def show(name: str, seconds: Sequence[float], control: Sequence[float], rows: int) -> None:
    faster = [other / own for own, other in zip(seconds, control, strict=True)]
    rate = rows / statistics.median(seconds)
    print(f"{name:28} {rate:9,.0f} rows/s  {Spread.of(faster).text('times the control')}")


async def measure(target: ConnectionTarget, options: argparse.Namespace) -> None:
    rows = list(make_rows(options.rows, options.seed))
    drivers = [
        await asyncpg.connect(**target.asyncpg_arguments(), command_timeout=COMMAND_TIMEOUT_S)
        for _ in range(2)
    ]
    async with whaledb.connect(target, command_timeout_s=COMMAND_TIMEOUT_S) as db:
        subject = Subject(db, drivers, rows)
        for lanes in (1, 2):
            await subject.encode(lanes)
            cases: dict[str, Sample] = {CONTROL: partial(subject.limit, lanes)}
            for size in options.chunk_rows:
                cases[f"{lanes} lanes, chunks of {size}"] = partial(subject.merge_new, lanes, size)
            taken = await in_turn(cases, rounds=options.rounds, warm_up=1, seed=options.seed)
            print(f"\n{options.rows:,} new rows; the control is COPY of encoded bytes")
            for name, seconds in taken.items():
                show(name, seconds, taken[CONTROL], options.rows)
            client = Spread.of(subject.processor_s).text("us", scale=1e6 / options.rows)
            print(f"processor time of the merging client for a row: {client}")
            subject.processor_s.clear()
        subject = Subject(db, drivers, rows[: options.half_rows])
        cases = {CONTROL: subject.executemany_half}
        for lanes in (1, 2):
            for size in options.chunk_rows:
                name = f"{lanes} lanes, chunks of {size}"
                cases[name] = partial(subject.merge_half, lanes, size)
        taken = await in_turn(cases, rounds=options.rounds, warm_up=0, seed=options.seed)
        print(f"\n{options.half_rows:,} rows, half of them there; the control is executemany")
        for name, seconds in taken.items():
            show(name, seconds, taken[CONTROL], options.half_rows)
    for driver in drivers:
        await driver.close()


async def remember(target: ConnectionTarget, options: argparse.Namespace) -> None:
    async with whaledb.connect(target, command_timeout_s=COMMAND_TIMEOUT_S) as db:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report = await whale_transactions.merge_rows(db, make_rows(options.memory, options.seed))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert report.inserted == options.memory
    print(
        f"{report.inserted:,} rows merged; resident at most {after / 1024:.0f} MB, before the "
        f"merge {before / 1024:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--half-rows", type=int, default=20_000)
    parser.add_argument("--chunk-rows", type=int, nargs="+", default=[CHUNK_ROWS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=int, default=0, metavar="ROWS")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.rounds} rounds", file=sys.stderr)
    with throwaway_server(REFERENCE_MAJOR, settings=SETTINGS) as target:
        asyncio.run(run(target, options))


async def run(target: ConnectionTarget, options: argparse.Namespace) -> None:
    await migrate(target, PROJECT)
    await (remember if options.memory else measure)(target, options)


if __name__ == "__main__":
    main()
