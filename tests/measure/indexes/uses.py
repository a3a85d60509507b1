"""Which named statements read by which index, and what they read without it."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from tests.measure.indexes.loading import INDEXES
from tests.measure.indexes.tables import MeasuredTable, Values
from tests.plans import PARTITION, nodes
from typedsql.statements import VARIANTS_FOLDER, Statement, load_statements
from whaledb.project import PROJECT

REPEATS: Final = 5
STATEMENT_LIMIT_S: Final = 20

REFUSALS: Final = (
    asyncpg.QueryCanceledError,
    asyncpg.InvalidColumnReferenceError,  # ON CONFLICT has no index to go by
    asyncpg.UniqueViolationError,  # the sample is a row that is there
)
"""What keeps a statement from being measured; anything else is a mistake of the measurement."""

# An index that is not valid is passed over by the planner and kept up by writers; unlike DROP
# this does to a key what it does to any other, and the end of the transaction takes it back.
HIDE: Final = """
UPDATE pg_index SET indisvalid = FALSE
WHERE
    indexrelid = $1::TEXT::REGCLASS
    OR indexrelid IN (SELECT t.relid FROM pg_partition_tree($1::TEXT::REGCLASS) AS t)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One statement, run a few times in the same state."""

    milliseconds: float
    """The median."""
    pages: int
    """Pages of tables and indexes that it touched, in memory or not."""
    indexes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Use:
    """One statement that reads by an index."""

    index: str
    statement: str
    with_it: Run
    without_it: Run | None
    """None where it cannot run, or takes longer than STATEMENT_LIMIT_S."""


def statements(table: MeasuredTable) -> Iterator[Statement]:
    """Those of the table's file, with the variants that were expanded from them."""
    folder = PROJECT.root / PROJECT.queries_dir
    for path in (
        folder / f"{table.name}.sql",
        folder / VARIANTS_FOLDER / f"{table.name}.sql",
    ):
        if path.exists():
            yield from load_statements(path).values()


async def run(
    connection: asyncpg.Connection,
    statement: Statement,
    arguments: list[Any],
    *,
    hidden: str | None,
    repeats: int,
) -> Run | None:
    """What the statement takes; nothing of what it wrote stays."""
    times: list[float] = []
    plan: dict[str, Any] = {}
    for _ in range(repeats):
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT_S}s'")
            if hidden is not None:
                await connection.execute(HIDE, f"public.{hidden}")
            text = await connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}", *arguments
            )
        except REFUSALS:
            return None
        finally:
            await transaction.rollback()
        (plan,) = json.loads(text)
        times.append(plan["Execution Time"])
    top = plan["Plan"]
    return Run(
        milliseconds=statistics.median(times),
        pages=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        indexes=frozenset(used(top)),
    )


def used(plan: dict[str, Any]) -> Iterator[str]:
    """Names of the indexes of a plan, those by which a conflict is found among them."""
    for node in nodes(plan):
        if "Index Name" in node:
            yield PARTITION.sub("", node["Index Name"])
        yield from node.get("Conflict Arbiter Indexes", ())


async def uses(
    connection: asyncpg.Connection, table: MeasuredTable, rows: int, *, repeats: int = REPEATS
) -> tuple[list[Use], list[str]]:
    """What the table's indexes give, and the statements that were not measured, with why."""
    await connection.execute(f"VACUUM ANALYZE public.{table.name}")
    row = await connection.fetchrow(table.values, rows * 9 // 10)
    values: Values = dict(row.items())
    own = {row["name"] for row in await connection.fetch(INDEXES, f"public.{table.name}")}
    found: list[Use] = []
    left_out: list[str] = []
    for statement in statements(table):
        if statement.staging is not None:
            left_out.append(f"{statement.name}: reads a staging table")
            continue
        missing = [name for name in statement.parameters if name not in values]
        if missing:
            left_out.append(f"{statement.name}: writes new rows or takes {', '.join(missing)}")
            continue
        arguments = [values[name] for name in statement.parameters]
        prepared = await connection.prepare(statement.sql)
        kinds = [parameter.kind for parameter in prepared.get_parameters()]
        # A statement for many takes arrays of what the single one takes.
        arguments = [
            [value] if kind == "array" and not isinstance(value, list) else value
            for kind, value in zip(kinds, arguments, strict=True)
        ]
        with_it = await run(connection, statement, arguments, hidden=None, repeats=repeats)
        if with_it is None:
            left_out.append(f"{statement.name}: only adds rows, or takes {STATEMENT_LIMIT_S} s")
            continue
        for index in sorted(with_it.indexes & own):
            without_it = await run(connection, statement, arguments, hidden=index, repeats=repeats)
            found.append(Use(index, statement.name, with_it, without_it))
    return found, left_out
