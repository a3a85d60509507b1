"""No SQL is made of strings in src, but for names that are quoted and what is listed here."""

from collections.abc import Mapping
from typing import Final

import asyncpg
import pytest

from tests.databases import ROOT
from tests.security.sql_in_source import Built, built_below, built_in
from typedsql.identifiers import quoted, quoted_table

SOURCE = ROOT / "src"

QUOTED_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("typedsql/verify.py", "applied_version"): "dbmate's table, which dbmate.env names",
    ("typedsql/tools/migration_session.py", "applied_versions"): "the same",
    ("typedsql/tools/migration_session.py", "recorded_elsewhere"): "dbmate's default table",
    ("typedsql/tools/migration_session.py", "_create_database"): "the database of the target",
    ("typedsql/bulk/rows.py", "describe"): "the table and columns of a generated merge",
    ("typedsql/bulk/storing.py", "Target.__init__"): "the same table, and its staging table",
    ("typedsql/tools/staging.py", "create_staging"): "the same, for the analysis",
    ("typedsql/tools/analysis.py", "Analyser._analyse_merge"): "the staging table",
    ("typedsql/testing/databases.py", "Databases._create"): "a test's database, and its template",
    ("typedsql/testing/databases.py", "Databases._drop"): "a test's database",
}
"""Where a name is put into SQL, which takes no parameter for one, and which name."""

OTHERWISE: Final[Mapping[tuple[str, str], str]] = {
    ("typedsql/driver_connection.py", "Connection.get_reset_query"): "the driver's own constant",
    ("typedsql/tools/plans.py", "_explain"): "EXPLAIN before a named statement of a file",
    ("typedsql/tools/migration_session.py", "recorded_elsewhere"): "advice to a person",
    ("typedsql/tools/staging.py", "_Reader._check_select"): "advice to a person",
    ("typedsql/tools/proof/cardinality/fixed_rows.py", "FixedRows._fixed_values"): "a reason told",
    ("typedsql/tools/reading/source.py", "_value"): "read by the parser, never sent",
    ("typedsql/tools/rows/labels.py", "_parsed"): "read by the parser, never sent",
    ("typedsql/tools/variants/conditions.py", "sort_clause"): "read by the parser, never sent",
    ("typedsql/tools/variants/conditions.py", "ordering_shape"): "read by the parser, never sent",
}
"""Where something is put in that is no name, and why that is in order."""


@pytest.mark.case(29)
def test_sql_is_made_of_nothing_but_quoted_names() -> None:
    quoted: set[tuple[str, str]] = set()
    otherwise: set[tuple[str, str]] = set()
    for path, built in built_below(SOURCE):
        (otherwise if built.unquoted else quoted).add((path, built.function))
    assert otherwise == OTHERWISE.keys()
    assert quoted == QUOTED_NAMES.keys()


@pytest.mark.case(29)
@pytest.mark.parametrize(
    ("source", "unquoted"),
    [
        ('db.execute(f"DELETE FROM t WHERE id = {id}")', ("id",)),
        ('db.fetch("SELECT * FROM t WHERE id = " + id)', ("id",)),
        ('db.fetchval("SELECT 1 FROM t WHERE id = %s" % id)', ("id",)),
        ('db.fetchrow("SELECT {} FROM t".format(column))', ("column",)),
        ('db.prepare(" ".join(parts))', ("parts",)),
        ('db.execute("x" f"{y}")', ("y",)),
        ('sql = f"DROP TABLE {name}"', ("name",)),
        ('def f(name):\n    sql = "DROP TABLE " + name\n    return sql', ("name",)),
        ("def f(x):\n    sql = f'{x}'\n    db.execute(sql)", ("x",)),
        ("sql = f'{x}'\ndef f():\n    db.execute(query=sql)", ("x",)),
        ('self._sql = f"{x}"\nself.db.fetch(self._sql, 1)', ("x",)),
        ('db.fetch(f"SELECT 1 FROM {quoted(table)} WHERE {condition}")', ("condition",)),
        ('table = read()\ndb.fetch(f"SELECT 1 FROM {table}")', ("table",)),
        ('table = quoted(a) if b else a\ndb.fetch(f"SELECT 1 FROM {table}")', ("table",)),
        ("db.fetch(f\"SELECT {', '.join(map(str, columns))} FROM t\")", None),
    ],
)
def test_sql_made_of_strings_is_found(source: str, unquoted: tuple[str, ...] | None) -> None:
    """The control, in each way that Python has."""
    [built] = built_in(source)
    assert built.unquoted
    assert unquoted is None or built.unquoted == unquoted


@pytest.mark.case(29)
@pytest.mark.parametrize(
    "source",
    [
        'db.fetch(f"SELECT 1 FROM {quoted(name)}")',
        'db.fetch(f"SELECT 1 FROM {quoted_table(table)}")',
        'name = quoted(given)\ndb.fetch(f"SELECT 1 FROM {name}")',
        "db.fetch(f\"SELECT {', '.join(map(quoted, columns))} FROM t\")",
        'TABLE = "t"\ndb.fetch(f"SELECT 1 FROM {TABLE}")',
        "db.fetch(f\"SELECT 1 {'FOR UPDATE' if locked else ''}\")",
        'db.fetch(f"SELECT 1 FROM {project.quoted_migrations_table}")',
    ],
)
def test_names_that_are_quoted_are_told_apart(source: str) -> None:
    [built] = built_in(source)
    assert built.unquoted == ()


@pytest.mark.case(29)
@pytest.mark.parametrize(
    "source",
    [
        'db.fetch("SELECT 1 FROM t WHERE id = $1", id)',
        "db.fetch(statement.sql, *arguments)",
        'db.fetch("SELECT 1 "\n"FROM t")',
        'raise ValueError(f"{name} cannot be dropped")',
        'print(f"Selected {count}")',
        'Finding(advice=f"DROP INDEX {name}")',
        "pool.execute(3 + 4)",
    ],
)
def test_what_is_no_sql_or_no_string_is_left_alone(source: str) -> None:
    assert built_in(source) == []


@pytest.mark.case(29)
def test_a_place_is_told_by_its_function() -> None:
    source = "class A:\n    async def b(self):\n        await db.execute(f'{x}')\n"
    assert built_in(source) == [Built(function="A.b", line=3, unquoted=("x",))]


@pytest.mark.case(29)
@pytest.mark.parametrize("name", ["plain", "Upper case", 'x"; DROP TABLE t; --', '"', "a.b", "é🐋"])
async def test_a_quoted_name_is_one_name(rolled_back: asyncpg.Connection, name: str) -> None:
    await rolled_back.execute(f"CREATE TEMPORARY TABLE {quoted(name)} (one INT)")
    assert await rolled_back.fetchval(
        "SELECT relname FROM pg_class WHERE oid = $1::TEXT::REGCLASS", f"pg_temp.{quoted(name)}"
    ) == (name)
    assert quoted_table(f"pg_temp.{name}") == f'"pg_temp".{quoted(name)}'
