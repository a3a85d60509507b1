"""Everything a person or a generated docstring asks about has a COMMENT."""

import asyncpg
import pytest

# Names of what has no comment, or one that is no sentence, in the schema public.
UNDOCUMENTED = r"""
WITH documented AS (
    SELECT
        format('%s', c.relname) AS name,
        obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class AS c
    WHERE
        c.relnamespace = 'public'::REGNAMESPACE
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT
        format('%s.%s', c.relname, a.attname),
        col_description(c.oid, a.attnum)
    FROM pg_class AS c
    INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE
        c.relnamespace = 'public'::REGNAMESPACE
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT format('%s()', p.proname), obj_description(p.oid, 'pg_proc')
    FROM pg_proc AS p
    WHERE p.pronamespace = 'public'::REGNAMESPACE
)

SELECT name FROM documented
WHERE comment IS NULL OR comment !~ '^[A-Z].*\.$'
ORDER BY name
"""

# Nullable columns of tables whose comment does not say what NULL means.
UNEXPLAINED_NULLS = """
SELECT format('%s.%s', c.relname, a.attname) AS name
FROM pg_class AS c
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE
    c.relnamespace = 'public'::REGNAMESPACE
    AND c.relkind IN ('r', 'p')
    AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull
    AND coalesce(col_description(c.oid, a.attnum), '') !~ 'NULL'
ORDER BY name
"""


async def names(connection: asyncpg.Connection, query: str) -> list[str]:
    return [row["name"] for row in await connection.fetch(query)]


@pytest.mark.versions
async def test_everything_has_a_comment(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT public.ensure_market_data_months(now(), now())")
    assert await names(connection, UNDOCUMENTED) == []


@pytest.mark.versions
async def test_every_nullable_column_says_what_null_means(connection: asyncpg.Connection) -> None:
    assert await names(connection, UNEXPLAINED_NULLS) == []


@pytest.mark.versions
async def test_a_missing_comment_is_detected(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """
        CREATE TABLE public.silent (quantity BIGINT, spoken BIGINT);
        COMMENT ON COLUMN public.silent.spoken IS 'Said, but not what its absence means.';
        CREATE VIEW public.silent_view AS SELECT 1 AS one;
        CREATE FUNCTION public.silent_function() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1';
        COMMENT ON COLUMN public.blocks.number IS 'height';
        """
    )
    assert await names(connection, UNDOCUMENTED) == [
        "blocks.number",
        "silent",
        "silent.quantity",
        "silent_function()",
        "silent_view",
        "silent_view.one",
    ]
    assert await names(connection, UNEXPLAINED_NULLS) == ["silent.quantity", "silent.spoken"]


@pytest.mark.versions
async def test_views_say_the_same_as_their_tables(connection: asyncpg.Connection) -> None:
    """A column that a view passes on keeps its meaning, unless the view narrows it."""
    different = await connection.fetch(
        """
        SELECT v.attname
        FROM (VALUES
            ('public.whale_transfers'::REGCLASS, 'public.whale_transactions'::REGCLASS),
            ('public.active_smc_patterns', 'public.smc_patterns')
        ) AS pair (view, source)
        INNER JOIN pg_attribute AS v ON v.attrelid = pair.view AND v.attnum > 0
        LEFT JOIN pg_attribute AS s ON s.attrelid = pair.source AND s.attname = v.attname
        WHERE
            col_description(v.attrelid, v.attnum)
            IS DISTINCT FROM col_description(s.attrelid, s.attnum)
        ORDER BY v.attname
        """
    )
    assert [row["attname"] for row in different] == ["succeeded", "value_eth"]


@pytest.mark.versions
async def test_roles_and_keys_have_comments(connection: asyncpg.Connection) -> None:
    comments = await connection.fetch(
        "SELECT rolname, shobj_description(oid, 'pg_authid') AS comment FROM pg_roles"
        " WHERE rolname IN ('whaledb_worker', 'whaledb_reader')"
    )
    assert len(comments) == 2
    assert all(row["comment"] for row in comments)
