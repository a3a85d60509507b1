"""Which columns and parameters the syntax alone proves, and which it must not."""

import asyncpg
import pytest

from typedsql.errors import CodeError
from typedsql.query import Statement
from typedsql.settings import ConnectionTarget
from typedsql.tools.catalog import Catalog, Column, Table, read_catalog
from typedsql.tools.syntax import Syntax, read_syntax

T = "public.t"
CATALOG = Catalog(
    {
        name: Table(
            "public",
            name.partition(".")[2],
            None,
            (
                Column(name, "id", "int8", True, None),
                Column(name, "a", "text", True, None),
                Column(name, "b", "text", False, None),
            ),
        )
        for name in (T, "public.u")
    }
)


def read(sql: str, parameters: int = 0) -> Syntax:
    statement = Statement(
        name="t.x",
        sql=f"/* t.x */ {sql}",
        suffix="",
        parameters=tuple(f"p{n}" for n in range(1, parameters + 1)),
        declared=tuple(f"p{n}" for n in range(1, parameters + 1)),
        prose="",
        directives={},
        location="queries/t.sql:1",
    )
    return read_syntax(statement, CATALOG)


def traced(sql: str) -> list[str | None]:
    return [column.name if column else None for column in read(sql).columns]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT x.id, a, x.b AS c FROM public.t AS x WHERE x.b IS NULL", ["id", "a", "b"]),
        ("SELECT id, lower(a), count(*) OVER () FROM t", ["id", None, None]),
        ("SELECT x.id FROM t AS x LEFT JOIN u AS y ON x.id = y.id", [None]),
        ("SELECT x.id FROM t AS x, u AS y", [None]),
        ("SELECT id FROM t UNION ALL SELECT id FROM u", [None]),
        ("SELECT a, count(*) FROM t GROUP BY a", ["a", None]),
        ("SELECT a, count(*) FROM t GROUP BY ROLLUP (a)", [None, None]),
        ("SELECT a FROM t GROUP BY GROUPING SETS ((a), ())", [None]),
        ("WITH t AS (SELECT NULL AS id) SELECT id FROM t", [None]),
        ("WITH t AS (SELECT NULL AS id) SELECT x.id FROM public.t AS x", ["id"]),
        ("SELECT s.id FROM (SELECT id FROM t) AS s", [None]),
        ("SELECT x.id FROM unknown_view AS x", [None]),
        ("SELECT y.id FROM t AS x", [None]),
        ("SELECT id FROM t AS x (b, id)", [None]),
        ("VALUES (1, NULL)", [None, None]),
        ("INSERT INTO t AS x (id) VALUES (1) RETURNING x.id, a, xmax = 0", ["id", "a", None]),
        ("UPDATE t SET a = '' RETURNING id", ["id"]),
        ("UPDATE t SET a = y.a FROM u AS y RETURNING y.id, t.id", [None, None]),
        ("DELETE FROM t USING u AS y WHERE t.id = y.id RETURNING t.id", [None]),
        ("DELETE FROM t RETURNING id, b", ["id", "b"]),
        (
            "MERGE INTO t USING u AS y ON t.id = y.id WHEN MATCHED THEN DELETE RETURNING t.id",
            [None],
        ),
        ("DELETE FROM t", []),
    ],
)
def test_columns(sql: str, expected: list[str | None]) -> None:
    assert traced(sql) == expected


@pytest.mark.parametrize(
    ("sql", "count", "nullable", "omissible"),
    [
        ("INSERT INTO t (id, a, b) VALUES ($1, $2, $3)", 3, {3}, {3}),
        ("INSERT INTO t (id, a, b) VALUES ($1, lower($2), lower(CAST($3 AS TEXT)))", 3, {3}, {3}),
        ("INSERT INTO t SELECT $1, $2, $3", 3, {3}, {3}),
        (
            "INSERT INTO t (id, b) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET b = excluded.b",
            2,
            {2},
            set[int](),
        ),
        ("UPDATE t SET a = $1, b = $2 WHERE id = $3", 3, {2}, set[int]()),
        ("UPDATE t SET (a, b) = ($1, $2)", 2, {2}, set[int]()),
        # The strictest column decides, wherever it stands.
        ("INSERT INTO t (a, b) VALUES ($1, $1)", 1, set[int](), set[int]()),
        ("INSERT INTO t (b, a) VALUES ($1, $1)", 1, set[int](), set[int]()),
        (
            "WITH u AS (UPDATE t SET b = $1 RETURNING id) INSERT INTO t (b) VALUES ($2)",
            2,
            {1, 2},
            {2},
        ),
        ("UPDATE t SET a = $1 WHERE b IS NOT DISTINCT FROM $2", 2, {2}, set[int]()),
        ("UPDATE t SET a = $1 WHERE a IS DISTINCT FROM $1", 1, set[int](), set[int]()),
        ("SELECT id FROM t WHERE ($1::text IS NULL OR a = $1)", 1, {1}, set[int]()),
        ("SELECT id FROM t WHERE a = coalesce($1, $2)", 2, {1, 2}, set[int]()),
        ("SELECT id FROM t WHERE a = $1 LIMIT $2", 2, set[int](), set[int]()),
        # What goes to a NOT NULL column needs a value, whatever else it is compared with.
        ("UPDATE t SET a = $1 WHERE coalesce($1, '') <> ''", 1, set[int](), set[int]()),
    ],
)
def test_parameters(sql: str, count: int, nullable: set[int], omissible: set[int]) -> None:
    syntax = read(sql, count)
    assert syntax.nullable == nullable
    assert syntax.omissible == omissible


@pytest.mark.parametrize(
    ("sql", "count", "told"),
    [
        ("SELEC 1", 0, "syntax error"),
        ("SELECT 1; SELECT 2", 0, "2 statements under one name"),
        ("SELECT x.* FROM t AS x", 0, "list the columns"),
        ("SELECT '$1'", 1, "other parameters than aiosql"),
    ],
)
def test_refusals_name_the_place(sql: str, count: int, told: str) -> None:
    with pytest.raises(CodeError, match=told) as caught:
        read(sql, count)
    assert str(caught.value).startswith("queries/t.sql:1: ")


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        "SET work_mem = '1MB'",
        "LISTEN news",
        "COPY t FROM STDIN",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock_shared(1)",
        "SELECT set_config('role', 'x', false)",
    ],
)
def test_what_the_next_user_of_the_connection_would_inherit_is_refused(sql: str) -> None:
    with pytest.raises(CodeError, match=r"SET LOCAL|xact|unless it ends in TRUE"):
        read(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL work_mem = '1MB'",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT set_config('role', 'x', TRUE)",
    ],
)
def test_what_ends_with_the_transaction_is_not(sql: str) -> None:
    read(sql)


AWKWARD = """
CREATE SCHEMA other;
CREATE DOMAIN word AS TEXT;
CREATE DOMAIN longword AS word NOT NULL;
CREATE TABLE public.parent (
    id INTEGER CONSTRAINT parent_id_given NOT NULL NO INHERIT, note longword
);
CREATE TABLE public.child () INHERITS (public.parent);
CREATE TABLE public.ruled (id INTEGER NOT NULL);
CREATE RULE instead AS ON INSERT TO public.ruled DO INSTEAD NOTHING;
CREATE TABLE other.shadowed (id INTEGER NOT NULL);
CREATE VIEW public.shadowed AS SELECT CAST(NULL AS INTEGER) AS id;
CREATE TABLE public.late (id INTEGER);
ALTER TABLE public.late ADD CONSTRAINT late_id_given NOT NULL id NOT VALID;
"""


async def test_the_catalog_claims_no_more_than_the_server_keeps(
    empty_database: ConnectionTarget,
) -> None:
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        if connection.get_server_version().major < 18:
            pytest.skip("NOT NULL constraints of this kind are new in PostgreSQL 18")
        await connection.execute(AWKWARD)
        catalog = await read_catalog(connection, ("public", "other"))
    finally:
        await connection.close()
    for name in ("public.parent", "public.child", "public.ruled", "public.late"):
        column = catalog.tables[name].column("id")
        assert column is not None
        assert not column.not_null, name
    note = catalog.tables["public.parent"].column("note")
    assert note is not None
    assert (note.type_name, note.not_null) == ("text", False)
    assert catalog.find(None, "shadowed") is None
    assert catalog.find("other", "shadowed") is catalog.tables["other.shadowed"]
    assert catalog.find(None, "late") is catalog.tables["public.late"]
