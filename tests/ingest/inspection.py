"""What a test asks of the database beside the typed functions."""

from typing import Any

from typedsql.database import Database

TIMED_TABLES = ("blocks", "whale_transactions", "ingest_cursors")


async def fetch(db: Database, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    async with db.connection() as connection:
        return [tuple(row) for row in await connection.fetch(sql, *arguments)]


async def value(db: Database, sql: str, *arguments: object) -> Any:
    async with db.connection() as connection:
        return await connection.fetchval(sql, *arguments)


async def execute(db: Database, sql: str) -> None:
    async with db.connection() as connection:
        await connection.execute(sql)


async def contents(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of what ingestion writes, with updated_at and the version of each row."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in TIMED_TABLES:
        sql = f"SELECT t.xmin::text, t.* FROM public.{table} AS t ORDER BY t"
        found[table] = await fetch(db, sql)
    return found


async def chain(db: Database) -> list[tuple[int, str, bool]]:
    """Number, hash and whether canonical, of every block."""
    rows = await fetch(db, "SELECT number, hash, canonical FROM blocks ORDER BY number, hash")
    return [(row[0], row[1], row[2]) for row in rows]


async def letters(db: Database) -> list[tuple[str, str]]:
    """Item and reason of every dead letter."""
    rows = await fetch(db, "SELECT item, reason FROM dead_letters ORDER BY item")
    return [(row[0], row[1]) for row in rows]
