"""One chunk in one transaction: straight into the table, or by way of the staging table."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from typedsql.bulk.copying import Collision, Copy
from typedsql.bulk.rows import Refusals, RowReader, split_table
from typedsql.errors import DataError, Error
from typedsql.identifiers import quoted, quoted_table
from typedsql.sqlstate import translate
from typedsql.statements import STAGING_SUFFIX, Statement
from typedsql.transaction import Transaction

_TOUCHED_TWICE: Final = "21000"
"""SQLSTATE where two rows have one key after all, as texts that a collation takes for equal."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a chunk."""

    inserted: int
    updated: int = 0
    unchanged: int = 0
    collided: bool = False
    """Whether any was there already."""


class Target:
    """The table that a statement merges into."""

    def __init__(
        self,
        statement: Statement,
        table: str,
        columns: tuple[str, ...],
        reader: RowReader,
        timeout_s: float,
    ) -> None:
        self._statement = statement
        schema, name = split_table(table)
        staging = f"{statement.staging}{STAGING_SUFFIX}"
        self._straight = Copy(statement.name, schema, name, columns, reader, timeout_s)
        self._into_staging = Copy(statement.name, "pg_temp", staging, columns, reader, timeout_s)
        self._create = {
            checked: (
                f"CREATE TEMPORARY TABLE {quoted(staging)} (LIKE {quoted_table(table)} "
                f"INCLUDING DEFAULTS {'INCLUDING CONSTRAINTS ' if checked else ''}"
                "INCLUDING GENERATED INCLUDING IDENTITY) ON COMMIT DROP"
            )
            for checked in (False, True)
        }
        self._drop = f"DROP TABLE pg_temp.{quoted(staging)}"
        self.may_copy = True
        """False once the server has refused a straight COPY as such."""

    async def store(
        self, transaction: Transaction, rows: Sequence[Any], refused: Refusals, *, straight: bool
    ) -> Stored:
        """Store the rows; those that the table refuses go to `refused`.

        `straight`: whether a collision is unlikely enough to try without staging.
        """
        if straight and self.may_copy:
            found: Refusals = []
            try:
                await self._straight.run(transaction, rows, found)
            except Collision:
                pass
            except Error as failure:
                # As where row level security holds for the role: COPY does not know that.
                if failure.sqlstate != asyncpg.FeatureNotSupportedError.sqlstate:
                    raise
                self.may_copy = False
            else:
                refused.extend(found)
                return Stored(inserted=len(rows) - len(found))
        return await self._merge(transaction, rows, refused)

    async def _merge(
        self,
        transaction: Transaction,
        rows: Sequence[Any],
        refused: Refusals,
        *,
        checked: bool = False,
    ) -> Stored:
        """By way of the staging table.

        `checked`: with the table's CHECKs on it too, so that COPY tells which row is refused.
        They can take more time than everything else, so that comes second.
        """
        count = len(rows)
        if not count:
            return Stored(inserted=0)
        found: Refusals = []
        try:
            async with transaction.transaction():
                await self._execute(transaction, self._create[checked])
                await self._into_staging.run(transaction, rows, found)
                inserted, updated = await transaction.fetch_one(self._statement, (), _counts)
                await self._execute(transaction, self._drop)
        except Error as failure:
            if not isinstance(failure, DataError) and failure.sqlstate != _TOUCHED_TWICE:
                raise
            if not checked:
                return await self._merge(transaction, rows, refused, checked=True)
            if count == 1:
                if not isinstance(failure, DataError):
                    raise
                refused.append((rows[0], failure))
                return Stored(inserted=0)
            # Nobody says which row it was, as with a foreign key.
            middle = count // 2
            first = await self._merge(transaction, rows[:middle], refused, checked=True)
            second = await self._merge(transaction, rows[middle:], refused, checked=True)
            return Stored(
                inserted=first.inserted + second.inserted,
                updated=first.updated + second.updated,
                unchanged=first.unchanged + second.unchanged,
                collided=first.collided or second.collided,
            )
        refused.extend(found)
        unchanged = count - len(found) - inserted - updated
        return Stored(
            inserted=inserted,
            updated=updated,
            unchanged=unchanged,
            collided=bool(updated or unchanged),
        )

    async def _execute(self, transaction: Transaction, sql: str) -> None:
        try:
            await transaction.own_connection.execute(sql)
        except Exception as failure:
            error = translate(failure, query=self._statement.name)
            if error is None:
                raise
            raise error from failure


def _counts(record: Any) -> tuple[int, int]:
    return record[0], record[1]
