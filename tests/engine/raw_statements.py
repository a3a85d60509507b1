"""Statements written in a test, as if a query file had them."""

from typing import Any

from typedsql.query import Executor, as_fetched
from typedsql.statements import Statement


def statement(sql: str, *parameters: str) -> Statement:
    """One whose columns nobody has analysed."""
    return Statement(
        name="raw.statement",
        sql=sql,
        suffix="",
        parameters=parameters,
        declared=parameters,
        prose="",
        location="",
    )


async def value_of(db: Executor, sql: str, **arguments: Any) -> Any:
    """The first column of the first row."""
    row = await db.fetch_one(statement(sql, *arguments), tuple(arguments.values()), as_fetched)
    return None if row is None else row[0]


async def row_of(db: Executor, sql: str, **arguments: Any) -> tuple[Any, ...]:
    """The first row."""
    row = await db.fetch_one(statement(sql, *arguments), tuple(arguments.values()), as_fetched)
    assert row is not None
    return tuple(row)
