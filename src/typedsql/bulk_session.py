"""Statements on a connection without the text codec for numeric, with the same results.

The driver's binary codec makes Decimal("1E+4") of 10000, which is equal and written otherwise;
here it becomes what PostgreSQL writes, and the text codec reads.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import asyncpg

from typedsql.query import as_fetched
from typedsql.statements import Statement
from typedsql.transaction import Session

R = TypeVar("R")


class BulkSession(Session):
    """As `Session`, for connections of `codecs.install_bulk`."""

    __slots__ = ()

    async def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> R:
        rows = await super().fetch_all(statement, arguments, as_fetched)
        return read(_written_out(statement, rows))

    async def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> R:
        row = await super().fetch_one(statement, arguments, as_fetched)
        return read(row if row is None else _written_out(statement, [row])[0])

    async def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        batches = super().batches(statement, arguments)
        try:
            async for records in batches:
                yield _written_out(statement, records)
        finally:
            await batches.aclose()


def _written_out(statement: Statement, records: list[asyncpg.Record]) -> list[asyncpg.Record]:
    """The rows, those of a statement with numbers as tuples: they are read by position."""
    columns = statement.columns
    if columns is not None and not any(_may_hold_numbers(kind) for _, kind in columns):
        return records
    written: list[Any] = [tuple(write_out(value) for value in record) for record in records]
    return written


def _may_hold_numbers(kind: str) -> bool:
    # The element of an array can be a domain, whose name says nothing.
    return kind == "numeric" or kind.endswith("[]")


def write_out(value: object) -> object:
    """A Decimal, or those of an array, without an exponent that PostgreSQL does not write."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent > 0:
            return Decimal(format(value, "f"))
        return value
    if isinstance(value, list):
        return [write_out(element) for element in cast("list[object]", value)]
    return value
