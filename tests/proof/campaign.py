"""Asks PostgreSQL's data whether what the prover claims is so.

    python -m tests.proof.campaign [--seed N] [--queries N] [--focus WORD ...]

Each random statement is proved and then run on data full of NULLs; a column that is claimed
NOT NULL and holds one is an unsound claim. Prints the seed, how often each construct was
met, and how cautious the prover was. Exits with 1 where `Report.complaints` has any, which is
also what the suite and the soak go by.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.databases import open_databases
from tests.proof import generator, schema
from tests.proof.coverage import Names, constructs
from tests.proof.report import Report, Unsound
from tests.servers import chosen_server
from typedsql.errors import CodeError
from typedsql.settings import ConnectionTarget
from typedsql.tools.proof import Proof, Prover
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.node_tree import Node

PROGRESS_EVERY = 5000
STATEMENT_LIMIT = "2s"
RECOVERY_LIMIT_S = 60.0
RECOVERY_PAUSE_S = 0.2
CRASH_LIMIT = 20
"""Of PostgreSQL's own crashes: each costs its statement, more of them the campaign."""


Proving = Callable[[list[Node]], Proof]
"""What a prover, broken or not, makes of a statement's tree."""


class ServerCrashed(Exception):
    """The connection has ended under a statement; says in which schema."""


class Campaign:
    """One connection for each state of the data, and the prover on the first of them."""

    def __init__(self, target: ConnectionTarget) -> None:
        self._target = target
        self.connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}

    @property
    def analysing(self) -> "asyncpg.Connection[asyncpg.Record]":
        """The connection that statements are proved on."""
        return self.connections[schema.STATES[0]]

    async def connect(self) -> None:
        """Open a connection for each state of the data; the schema is there."""
        for state in schema.STATES:
            connection = await asyncpg.connect(
                **self._target.asyncpg_arguments(), statement_cache_size=0
            )
            self.connections[state] = connection
            # An infinite interval is nothing that Python could hold.
            await connection.set_type_codec(
                "interval", schema="pg_catalog", format="text", encoder=str, decoder=str
            )
            await connection.execute(
                f"SET search_path = {state}; SET statement_timeout = '{STATEMENT_LIMIT}'; "
                "SET jit = off"
            )

    async def close(self) -> None:
        """Close what is open."""
        for connection in self.connections.values():
            if not connection.is_closed():
                await connection.close()

    async def reconnect(self) -> None:
        """After a crash: one backend's end is the end of all, until the server has recovered."""
        for connection in self.connections.values():
            connection.terminate()
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while True:
                try:
                    await self.connect()
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    await asyncio.sleep(RECOVERY_PAUSE_S)
                else:
                    return

    async def run(
        self,
        seed: int,
        queries: int,
        *,
        first: int = 0,
        focus: Iterable[str] = (),
        progress: Callable[[Report], None] | None = None,
    ) -> Report:
        """Ask `queries` statements from number `first` on; all the same for the same seed.

        `progress` is told the report after every `PROGRESS_EVERY` statements.
        """
        report = Report(seed)
        started = time.perf_counter()
        prover, names = await Prover.load(self.analysing), await Names.load(self.analysing)
        for number in range(first, first + queries):
            statement = generator.statement(seed, number, focus)
            report.queries += 1
            report.lengths.append(len(statement.sql))
            await self._ask(prover, names, report, number, statement)
            if progress is not None and report.queries % PROGRESS_EVERY == 0:
                progress(report)
        report.seconds = time.perf_counter() - started
        return report

    async def hunt(
        self,
        seed: int,
        queries: int,
        *,
        first: int = 0,
        focus: Iterable[str],
        sound: Prover,
        broken: Proving,
    ) -> Unsound | None:
        """The first claim that only a broken prover makes, and that data contradict.

        Among `queries` statements from number `first` on. Both prove from the same tree; a
        statement is run only where they do not agree.
        """
        report = Report(seed)
        for number in range(first, first + queries):
            statement = generator.statement(seed, number, focus)
            try:
                _, trees = await capture(self.analysing, statement.sql)
                claims = [column.not_null for column in broken(trees).columns]
            except (asyncpg.PostgresError, CodeError, LookupError, RecursionError):
                continue
            if not any(claims):
                continue
            proof = sound.proof(trees)
            # Where a rule of the database has put other columns, nothing is claimed.
            pairs = zip(claims, proof.columns, strict=True)
            claims = [claimed and not column.not_null for claimed, column in pairs]
            if any(claims):
                try:
                    await self._compare(report, number, statement, proof, claims)
                except ServerCrashed:
                    await self.reconnect()
            if report.unsound:
                return report.unsound[0]
        return None

    async def _ask(
        self,
        prover: Prover,
        names: Names,
        report: Report,
        number: int,
        statement: generator.Statement,
    ) -> None:
        try:
            proof = await prover.prove(self.analysing, statement.sql)
        except asyncpg.PostgresError as refusal:
            report.refused[str(refusal)] += 1
            return
        except (CodeError, LookupError, RecursionError) as failure:
            report.unproved[f"statement {number}: {failure!r}"[:200]] += 1
            return
        met = constructs(proof.queries, names)
        report.constructs.update(met)
        report.nodes.append(sum(n for name, n in met.items() if name.isupper()))
        claims = [column.not_null for column in proof.columns]
        report.parameters += len(statement.parameters)
        report.nullable_parameters += len(proof.nullable_parameters)
        report.columns += len(claims)
        report.claimed += sum(claims)
        try:
            await self._compare(report, number, statement, proof, claims)
        except ServerCrashed as crash:
            report.crashes.append(
                f"seed {report.seed}, statement {number}, schema {crash}: {statement.sql}"
            )
            if len(report.crashes) > CRASH_LIMIT:
                raise
            await self.reconnect()

    async def _compare(
        self,
        report: Report,
        number: int,
        statement: generator.Statement,
        proof: Proof,
        claims: list[bool],
    ) -> None:
        """Run a statement on all data, up to the first NULL in a column that is claimed."""
        nulls = [False] * len(claims)
        rows = 0
        for state, arguments in _runs(statement, proof.nullable_parameters):
            found = await self._rows(state, statement.sql, arguments, report)
            rows += len(found)
            for column, claimed in enumerate(claims):
                if any(row[column] is None for row in found):
                    nulls[column] = True
                    if claimed:
                        report.unsound.append(
                            Unsound(report.seed, number, statement.sql, column, state, arguments)
                        )
                        return
        report.rows += rows
        report.seen_null += sum(nulls)
        if rows:
            pairs = zip(claims, nulls, strict=True)
            report.never_null += sum(not claimed and not null for claimed, null in pairs)

    async def _rows(
        self, state: str, sql: str, arguments: tuple[Any, ...], report: Report
    ) -> list[asyncpg.Record]:
        """What a statement returns; nothing of what it changes stays."""
        connection = self.connections[state]
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await connection.fetch(sql, *arguments)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OverflowError, OSError) as failure:
            if connection.is_closed() or isinstance(failure, OSError):
                raise ServerCrashed(state) from failure
            report.failed[str(failure)] += 1
            return []
        finally:
            if not connection.is_closed():
                await transaction.rollback()


def _runs(
    statement: generator.Statement, nullable: frozenset[int]
) -> list[tuple[str, tuple[Any, ...]]]:
    """Which data to run a statement on, with NULL for parameters that are said to take it."""
    given = tuple(parameter.value for parameter in statement.parameters)
    runs = [(state, given) for state in schema.STATES]
    numbers = range(1, len(given) + 1)
    if any(number in nullable for number in numbers):
        absent = tuple(
            None if number in nullable else value
            for number, value in zip(numbers, given, strict=True)
        )
        runs += [(state, absent) for state in schema.STATES]
    return runs


@asynccontextmanager
async def opened(target: ConnectionTarget) -> AsyncGenerator[Campaign]:
    """A campaign on an empty database, which is filled with the fuzzer's schema."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await schema.create(connection)
    finally:
        await connection.close()
    campaign = Campaign(target)
    try:
        await campaign.connect()
        yield campaign
    finally:
        await campaign.close()


async def _main(seed: int, queries: int, focus: list[str]) -> Report:
    with chosen_server() as server:
        print(server.describe())
        async with (
            open_databases(server.target) as databases,
            databases.fresh() as target,
            opened(target) as campaign,
        ):
            return await campaign.run(seed, queries, focus=focus)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--focus", nargs="*", default=[])
    options = parser.parse_args()
    report = asyncio.run(_main(options.seed, options.queries, options.focus))
    print("\n".join(report.lines()))
    print("\n".join(report.complaints))
    sys.exit(1 if report.complaints else 0)


if __name__ == "__main__":
    main()
