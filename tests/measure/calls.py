"""What a generated function costs beyond the driver's call that it makes.

    python -m tests.measure.calls

Three comparisons, each of a generated function with the same statement and arguments given
to the driver itself, in turn:

- without a server, to resolve parts of a microsecond: a stand-in for the connection suspends
  once, as a round trip does, and returns a row that a server sent. A layer at a time is put
  on top of it, so that the table says where the time goes. The last line is the whole.
- on one connection, within a transaction.
- through the pool, `Database` against the driver's own pool with the same codecs.

Each figure is the median of differences per call within one round, in time of this process
on a processor. With a server the time until the answer is told as well, and what the
driver's call seems to add to itself: how far the figures can be trusted. There our code runs
after the server has had the processor's caches, and takes longer than without one.
"""

import argparse
import asyncio
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

import whaledb
from tests.databases import open_databases
from tests.measure.pairs import CONTROL, Sample, Spread, differences, in_turn, ratios
from tests.servers import chosen_server
from typedsql import codecs
from typedsql.database import Database
from typedsql.query import Executor, One, as_fetched
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement, load_statements
from typedsql.transaction import Session, Transaction, Verified
from whaledb.documents import Preferences
from whaledb.project import PROJECT
from whaledb.queries import users, whale_transactions
from whaledb.rows import User, WhaleTransaction

STUB_CALLS = 200
SERVER_CALLS = 20
WARM_UP_ROUNDS = 3
US_PER_S = 1e6

USER = UUID(int=0x7E57)
HASH = "0x" + "ab" * 32
BLOCK_HASH = "0x" + "cd" * 32
ADDRESS = "0x" + "12" * 20

Clock = Callable[[], float]
Generated = Callable[[Executor], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A statement, how it is called, and what it returns."""

    statement: Statement
    function: Generated
    """Calls the function as a program does. Not a `partial` with keywords: that takes longer
    than such a call, and than a `partial` without them, which the driver's would be."""
    driver: Callable[[Any], Awaitable[object]]
    """Calls the driver with the same, as a program does."""
    arguments: dict[str, object]
    runner: One[Any]
    """What the function calls, made here a second time to be called without it."""

    @property
    def positional(self) -> list[object]:
        """The arguments in the order of the statement's parameters."""
        return [self.arguments[name] for name in self.statement.parameters]


def subjects() -> list[Subject]:
    folder = PROJECT.root / PROJECT.queries_dir
    of_users = load_statements(folder / "users.sql")
    of_transactions = load_statements(folder / "whale_transactions.sql")
    # Not looked up at each call: a program that calls the driver has a constant there.
    sql_of_user = of_users["get"].sql
    sql_by_hash, sql_by_key = of_transactions["get_by_hash"].sql, of_transactions["get"].sql
    key: dict[str, object] = {
        "hash": HASH,
        "chain_id": 1,
        "block_hash": BLOCK_HASH,
        "trace_path": "",
    }
    return [
        Subject(
            of_users["get"],
            lambda db: users.get(db, id=USER),
            lambda driver: driver.fetchrow(sql_of_user, USER),
            {"id": USER},
            One(of_users["get"], User, {2: Preferences}),
        ),
        Subject(
            of_transactions["get_by_hash"],
            lambda db: whale_transactions.get_by_hash(db, chain_id=1, hash=HASH),
            lambda driver: driver.fetchrow(sql_by_hash, HASH, 1),
            {"chain_id": 1, "hash": HASH},
            One(of_transactions["get_by_hash"], WhaleTransaction),
        ),
        Subject(
            of_transactions["get"],
            lambda db: whale_transactions.get(
                db, hash=HASH, chain_id=1, block_hash=BLOCK_HASH, trace_path=""
            ),
            lambda driver: driver.fetchrow(sql_by_key, HASH, 1, BLOCK_HASH, ""),
            key,
            One(of_transactions["get"], WhaleTransaction),
        ),
    ]


async def prepare_rows(db: Database) -> None:
    """One row for each subject to find."""
    await users.merge_account(db, id=USER)
    await users.merge(
        db,
        id=USER,
        display_name="measured",
        preferences=Preferences(time_zone="Europe/Zurich", chain_id=5),
    )
    await whale_transactions.insert(
        db,
        hash=HASH,
        chain_id=1,
        block_hash=BLOCK_HASH,
        trace_path="",
        block_number=23_000_000,
        block_timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        from_address=ADDRESS,
        value_eth=Decimal("123.456"),
        gas_price=20_000_000_000,
    )


@types.coroutine
def suspended() -> Generator[None, None, None]:
    yield


class StandIn:
    """Answers as a connection that has one row; statements are prepared by a real one."""

    def __init__(self, connection: Any, row: asyncpg.Record) -> None:
        self.prepare = connection.prepare
        self._row = row

    async def fetchrow(
        self,
        query: str,
        *arguments: object,
        timeout: float | None = None,  # noqa: ASYNC109 - as the driver's
    ) -> asyncpg.Record:
        await suspended()
        return self._row


def driven(call: Callable[[], Coroutine[Any, Any, object]]) -> Sample:
    """Runs coroutines that suspend once, without an event loop around them."""

    async def sample() -> float:
        started = time.process_time()
        for _ in range(STUB_CALLS):
            running = call()
            running.send(None)
            try:
                running.send(None)
            except StopIteration:
                continue
            raise RuntimeError("the stand-in suspends once, and this suspended twice")
        return (time.process_time() - started) / STUB_CALLS

    return sample


def plain(call: Callable[[], object]) -> Sample:
    async def sample() -> float:
        started = time.process_time()
        for _ in range(STUB_CALLS):
            call()
        return (time.process_time() - started) / STUB_CALLS

    return sample


def awaited(call: Callable[[], Awaitable[object]], clock: Clock) -> Sample:
    async def sample() -> float:
        started = clock()
        for _ in range(SERVER_CALLS):
            await call()
        return (clock() - started) / SERVER_CALLS

    return sample


async def without_server(
    connection: Any, subject: Subject, *, rounds: int, seed: int
) -> dict[str, list[float]]:
    """Seconds per call of each layer, the ones below it included."""
    arguments = subject.positional
    row = await connection.fetchrow(subject.statement.sql, *arguments)
    if row is None:
        raise RuntimeError(f"{subject.statement.name} found no row")
    stand_in = StandIn(connection, row)
    session = Session(stand_in, Verified(), PROJECT)
    transaction = Transaction(session, stand_in)
    function, runner = subject.function, subject.runner
    statement = subject.statement
    # The first use of a statement compares it with its analysis, which asks a server.
    await function(transaction)
    await runner.run(transaction, *arguments)
    built: Callable[..., object] = type(await runner.run(transaction, *arguments))
    cases = {
        CONTROL: driven(partial(subject.driver, stand_in)),
        "session": driven(partial(session.fetch_one, statement, arguments, as_fetched)),
        "transaction": driven(partial(transaction.fetch_one, statement, arguments, as_fetched)),
        "runner": driven(partial(runner.run, transaction, *arguments)),
        "function": driven(partial(function, transaction)),
        "the row alone": plain(lambda: built(*row)),
    }
    return await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed)


async def with_server(
    driver: Callable[[], Awaitable[object]],
    function: Callable[[], Awaitable[object]],
    *,
    rounds: int,
    seed: int,
) -> None:
    """Tell what `function` takes beyond `driver`, and how long each is waited for."""
    for clock, what in ((time.process_time, "of the processor"), (time.perf_counter, "waited")):
        cases = {
            CONTROL: awaited(driver, clock),
            "again": awaited(driver, clock),
            "function": awaited(function, clock),
        }
        taken = await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed)
        control = Spread.of(taken[CONTROL]).text("us", scale=US_PER_S)
        over = Spread.of(differences(taken, "function")).text("us", scale=US_PER_S)
        again = Spread.of(differences(taken, "again")).text("us", scale=US_PER_S)
        print(f"    {what}: the driver's call {control}")
        print(f"      the same call a second time adds {again}")
        print(f"      the function adds {over}")
        print(f"      function / driver {Spread.of(ratios(taken, 'function')).text('')}")


def told_layers(taken: dict[str, list[float]]) -> None:
    below: Sequence[float] = taken[CONTROL]
    stand_in = Spread.of(below).text("us", scale=US_PER_S)
    print(f"  without a server: the stand-in for the driver's call takes {stand_in}")
    for name in ("session", "transaction", "runner", "function"):
        added = [upper - lower for upper, lower in zip(taken[name], below, strict=True)]
        print(f"    {name} adds {Spread.of(added).text('us', scale=US_PER_S)}")
        below = taken[name]
    row = Spread.of(taken["the row alone"]).text("us", scale=US_PER_S)
    print(f"    of which the row alone, its values as they come: {row}")
    whole = Spread.of(differences(taken, "function")).text("us", scale=US_PER_S)
    print(f"    all of them add {whole}")


async def measure(server: ConnectionTarget, *, rounds: int, seed: int) -> None:
    print(
        f"seed {seed}, {rounds} rounds after {WARM_UP_ROUNDS} to warm up, calls per round:"
        f" {STUB_CALLS} without a server, {SERVER_CALLS} with one"
    )
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
        whaledb.connect(target) as db,
        asyncpg.create_pool(
            **target.asyncpg_arguments(), min_size=1, max_size=1, init=codecs.install
        ) as pool,
    ):
        await prepare_rows(db)
        for subject in subjects():
            count = len(subject.arguments)
            print(f"{subject.statement.name}, {count} argument{'s' if count > 1 else ''}, one row")
            async with db.connection() as connection:
                layers = await without_server(connection, subject, rounds=rounds, seed=seed)
                told_layers(layers)
                print("  on one connection, within a transaction:")
                session = Session(connection, Verified(), PROJECT)
                async with Transaction.begin(connection, session) as transaction:
                    await with_server(
                        partial(subject.driver, connection),
                        partial(subject.function, transaction),
                        rounds=rounds,
                        seed=seed,
                    )
            print("  through the pool:")
            await with_server(
                partial(subject.driver, pool),
                partial(subject.function, db),
                rounds=rounds,
                seed=seed,
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.calls")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    with chosen_server() as server:
        print(server.describe().split(":")[0])
        asyncio.run(measure(server.target, rounds=options.rounds, seed=options.seed))


if __name__ == "__main__":
    main()
