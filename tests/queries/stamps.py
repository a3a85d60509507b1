"""Makes rows old, so that a change of updated_at shows."""

from datetime import UTC, datetime
from typing import Final

from typedsql.database import Database

LONG_AGO: Final = datetime(2020, 2, 2, tzinfo=UTC)


async def age(db: Database, table: str, column: str = "updated_at") -> None:
    """Sets `column` of every row of the table to LONG_AGO."""
    async with db.transaction() as tx:
        statement = f"UPDATE public.{table} SET {column} = $1"
        await tx.driver_connection.execute(statement, LONG_AGO)
