"""Which statements are proven to leave nothing behind, however often they are run."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import Databases
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.effects import HARMLESS, Effects

SCHEMA = """
CREATE TABLE a (id INT PRIMARY KEY, x INT);
CREATE SEQUENCE numbers;
CREATE VIEW plain AS SELECT a.id, a.x FROM a WHERE a.x > 0;
CREATE VIEW drawn AS SELECT a.id, nextval('numbers') AS number FROM a;
CREATE FUNCTION writes(x INT) RETURNS INT LANGUAGE sql VOLATILE
    AS 'INSERT INTO a VALUES (x, x) RETURNING id';
CREATE FUNCTION reads(x INT) RETURNS INT LANGUAGE sql STABLE AS 'SELECT a.x FROM a WHERE a.id = $1';
CREATE FUNCTION write_both(INT, INT) RETURNS INT LANGUAGE sql VOLATILE AS 'SELECT writes($1)';
CREATE OPERATOR <+> (FUNCTION = write_both, LEFTARG = INT, RIGHTARG = INT);
CREATE VIEW summed AS SELECT a.id FROM a WHERE a.id <+> a.x > 0;
CREATE AGGREGATE write_all (INT) (SFUNC = write_both, STYPE = INT);
CREATE FUNCTION random() RETURNS FLOAT8 LANGUAGE sql VOLATILE
    AS 'SELECT nextval(''numbers'')::FLOAT8';
CREATE PROCEDURE proceed() LANGUAGE sql AS 'DELETE FROM a';
"""

READS_ONLY = {
    "columns": "SELECT a.x FROM a WHERE a.id = $1",
    "nothing": "SELECT 1",
    "aggregate": "SELECT count(*), max(a.x) FROM a GROUP BY a.id HAVING sum(a.x) > 1",
    "window": "SELECT row_number() OVER (ORDER BY a.x) FROM a",
    "view": "SELECT p.x FROM plain AS p",
    "CTE": "WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) TABLE c LIMIT 3",
    "stable function": "SELECT reads(a.id), now() FROM a",
    "harmless volatile": "SELECT clock_timestamp(), pg_catalog.random(), gen_random_uuid()",
    "rows": "SELECT (1, 2) < (a.id, a.x) FROM a WHERE a.id = ANY($1::INT[])",
}
LEAVES_SOMETHING = {
    "insert": "INSERT INTO a VALUES (1, 2)",
    "insert returning": "INSERT INTO a VALUES (1, 2) RETURNING id",
    "update": "UPDATE a SET x = 1",
    "delete": "DELETE FROM a",
    "merge": "MERGE INTO a USING (SELECT 1 AS id) AS g ON g.id = a.id WHEN MATCHED THEN DELETE",
    "modifying CTE": "WITH gone AS (DELETE FROM a RETURNING id) SELECT count(*) FROM gone",
    "modifying CTE unread": "WITH gone AS (DELETE FROM a) SELECT 1",
    "row lock": "SELECT a.x FROM a FOR UPDATE",
    "weak row lock": "SELECT a.x FROM a FOR KEY SHARE",
    "row lock below": "SELECT 1 WHERE EXISTS (SELECT FROM a FOR SHARE)",
    "nextval": "SELECT nextval('numbers')",
    "nextval in a view": "SELECT d.id FROM drawn AS d",
    "currval": "SELECT currval('numbers')",
    "set_config": "SELECT set_config('work_mem', '1MB', TRUE)",
    "setseed": "SELECT setseed(0.5)",
    "advisory lock": "SELECT pg_advisory_xact_lock(1)",
    "notify": "SELECT pg_notify('channel', 'news')",
    "function": "SELECT writes(1)",
    "function in FROM": "SELECT f.f FROM writes(1) AS f",
    "function below": "SELECT 1 WHERE 1 IN (SELECT writes(a.id) FROM a)",
    "function in LIMIT": "SELECT 1 LIMIT writes(1)",
    "function in a CTE": "WITH c AS MATERIALIZED (SELECT writes(1) AS w) SELECT w FROM c",
    "function of the same name as a harmless one": "SELECT public.random()",
    "operator": "SELECT a.id <+> a.x FROM a",
    "operator in a view": "SELECT count(*) FROM summed",
    "aggregate": "SELECT write_all(a.x) FROM a",
    "aggregate as window": "SELECT write_all(a.x) OVER () FROM a",
    "procedure": "CALL proceed()",
    "lock table": "LOCK TABLE a",
}


Laboratory = tuple["asyncpg.Connection", Effects]


@pytest_asyncio.fixture(scope="module")
async def laboratory(databases: Databases) -> AsyncGenerator[Laboratory, None]:
    async with databases.fresh() as target:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            await connection.execute(SCHEMA)
            yield connection, await Effects.load(connection)
        finally:
            await connection.close()


@pytest.mark.parametrize("name", READS_ONLY)
async def test_what_only_reads(laboratory: Laboratory, name: str) -> None:
    assert await reads_only(laboratory, READS_ONLY[name])


@pytest.mark.parametrize("name", LEAVES_SOMETHING)
async def test_what_may_leave_something_behind(laboratory: Laboratory, name: str) -> None:
    assert not await reads_only(laboratory, LEAVES_SOMETHING[name])


async def test_every_harmless_function_is_one_that_would_count(laboratory: Laboratory) -> None:
    """The list has no name that PostgreSQL does not know, or does not call volatile anyway."""
    volatile = await laboratory[0].fetch(
        "SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' "
        "AND pronamespace = 'pg_catalog'::regnamespace AND proname = ANY($1::TEXT[])",
        HARMLESS,
    )
    assert {row[0] for row in volatile} == set(HARMLESS)


async def reads_only(laboratory: Laboratory, sql: str) -> bool:
    connection, effects = laboratory
    _, queries = await capture(connection, sql)
    return effects.reads_only([query for query in queries if query.node("utilityStmt") is None])
