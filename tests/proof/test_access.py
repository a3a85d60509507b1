"""The tables and columns that a statement reads and writes."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import Databases
from typedsql.tools.proof.access import access
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.cardinality.keys import Keys

SCHEMA = """
CREATE TABLE a (id INT PRIMARY KEY, x INT, y INT, unread TEXT);
CREATE TABLE b (id INT PRIMARY KEY, a_id INT, z INT);
CREATE VIEW v AS SELECT a.id, a.x + a.y AS xy, b.z FROM a LEFT JOIN b ON b.a_id = a.id;
CREATE VIEW plain AS SELECT a.id, a.x FROM a WHERE a.y > 0;
CREATE VIEW outer_v AS SELECT v.id, v.xy FROM v;
CREATE TABLE ruled (id INT);
CREATE RULE also AS ON INSERT TO ruled DO ALSO UPDATE b SET z = 1 WHERE b.id = NEW.id;
"""

# Statement, what it reads, what it writes: `table.column` in the schema public.
CASES = {
    "columns": ("SELECT a.x FROM a WHERE a.y = $1", "a.x a.y", ""),
    "rows alone": ("SELECT count(*) FROM a", "a.*", ""),
    "nothing": ("SELECT 1", "", ""),
    "whole row": ("SELECT a FROM a", "a.id a.unread a.x a.y", ""),
    "system column": ("SELECT a.ctid FROM a", "a.ctid", ""),
    "order": ("SELECT a.x FROM a ORDER BY a.y", "a.x a.y", ""),
    "join": ("SELECT a.x FROM a JOIN b ON b.a_id = a.id", "a.id a.x b.a_id", ""),
    "USING": ("SELECT 1 FROM a JOIN b USING (id)", "a.id b.id", ""),
    "exists": ("SELECT 1 WHERE EXISTS (SELECT FROM b WHERE b.z = 1)", "b.z", ""),
    "scalar": ("SELECT (SELECT max(b.z) FROM b WHERE b.a_id = a.id) FROM a", "a.id b.a_id b.z", ""),
    "CTE": ("WITH c AS (SELECT b.z FROM b) SELECT c.z FROM c", "b.z", ""),
    "group": ("SELECT a.x, count(a.y) FROM a GROUP BY a.x, a.id", "a.id a.x a.y", ""),
    "union": ("SELECT a.x FROM a UNION ALL SELECT b.z FROM b", "a.x b.z", ""),
    "view": ("SELECT p.x FROM plain AS p", "a.x a.y plain.x", ""),
    "view, the rest unread": ("SELECT v.z FROM v", "a.id b.a_id b.z v.z", ""),
    "view, rows alone": ("SELECT count(*) FROM v", "a.id b.a_id v.*", ""),
    "view of a view": ("SELECT o.xy FROM outer_v AS o", "a.id a.x a.y b.a_id outer_v.xy v.xy", ""),
    "lock": ("SELECT a.x FROM a FOR UPDATE", "a.x", ""),
    "insert": ("INSERT INTO b (id, z) VALUES ($1, 2)", "", "b.id b.z"),
    "insert defaults": ("INSERT INTO a DEFAULT VALUES", "", "a.*"),
    "insert returning": ("INSERT INTO b (id) VALUES (1) RETURNING z", "b.z", "b.id"),
    "insert select": ("INSERT INTO b (id) SELECT a.x FROM a", "a.x", "b.id"),
    "upsert": (
        "INSERT INTO b (id, z) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET z = excluded.z",
        "b.id",
        "b.id b.z",
    ),
    "update": ("UPDATE a SET x = y + 1 WHERE id = 3", "a.id a.y", "a.x"),
    "update from": ("UPDATE a SET x = b.z FROM b WHERE b.a_id = a.id", "a.id b.a_id b.z", "a.x"),
    "update returning old": ("UPDATE a SET x = 1 WHERE id = 3 RETURNING old.y", "a.id a.y", "a.x"),
    "update a view": (
        "UPDATE plain SET x = 1 WHERE id = $1",
        "a.id a.x a.y plain.id",
        "a.x plain.x",
    ),
    "delete": ("DELETE FROM a WHERE id = 3", "a.id", "a.*"),
    "delete all": ("DELETE FROM a", "", "a.*"),
    "CTE that deletes": ("WITH d AS (DELETE FROM b RETURNING z) SELECT d.z FROM d", "b.z", "b.*"),
    "merge": (
        "MERGE INTO a USING b ON b.a_id = a.id WHEN MATCHED THEN UPDATE SET x = b.z "
        "WHEN NOT MATCHED THEN INSERT (id) VALUES (b.id)",
        "a.id b.a_id b.id b.z",
        "a.id a.x",
    ),
    "merge that deletes": (
        "MERGE INTO a USING b ON b.a_id = a.id WHEN MATCHED AND a.y = 1 THEN DELETE",
        "a.id a.y b.a_id",
        "a.*",
    ),
    "rule": ("INSERT INTO ruled VALUES (1)", "b.id ruled.* ruled.id", "b.z ruled.id"),
}


@pytest_asyncio.fixture(scope="module")
async def laboratory(
    databases: Databases,
) -> AsyncGenerator[tuple["asyncpg.Connection", Keys], None]:
    async with databases.fresh() as target:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            await connection.execute(SCHEMA)
            yield connection, await Keys.load(connection)
        finally:
            await connection.close()


def _columns(text: str) -> set[tuple[str, str]]:
    return {(f"public.{table}", column) for table, _, column in map(_split, text.split())}


def _split(word: str) -> tuple[str, str, str]:
    return word.partition(".")


@pytest.mark.parametrize("name", CASES)
async def test_case(laboratory: tuple["asyncpg.Connection", Keys], name: str) -> None:
    connection, keys = laboratory
    sql, reads, writes = CASES[name]
    _, queries = await capture(connection, sql)
    found = access(queries, keys)
    assert set(found.reads) == _columns(reads)
    assert set(found.writes) == _columns(writes)
    assert list(found.reads) == sorted(found.reads)
