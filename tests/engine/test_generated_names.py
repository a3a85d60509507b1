"""What `generate` makes of names and comments that Python would stumble over."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from typedsql.tools.generate import generate
from typedsql.tools.reading.findings import Refused
from typedsql.tools.rows.taken_names import taken_names

MIGRATION = """\
-- Why:    odd names.
-- Locks:  none.
-- Deploy: first.
-- migrate:up
CREATE DOMAIN public.word AS TEXT;
CREATE TABLE public.events (
    id BIGINT PRIMARY KEY,
    date DATE NOT NULL,
    until DATE,
    int INTEGER NOT NULL,
    number INTEGER,
    self TEXT NOT NULL,
    kind public.word,
    "Decimal" NUMERIC
);
COMMENT ON TABLE public.events IS 'A backslash \\, and "quotes"';
COMMENT ON COLUMN public.events.id IS 'Three \"\"\" in a row, \N{SNOWMAN}, {braces} and %s';
COMMENT ON COLUMN public.events.until IS '\\';
CREATE TABLE public."odd table" ("class" INTEGER NOT NULL, "a b" INTEGER);
CREATE TYPE public.mood AS ENUM ('good', 'not "so" good', '\\');
CREATE TABLE public.moods (mood public.mood NOT NULL, cost MONEY);
CREATE TABLE public.tempers (mood public.mood NOT NULL);

-- migrate:down
DROP TABLE public.moods;
"""

QUERIES = """\
-- Events. Owner: nobody.

-- name: list_all()
-- Says \"\"\" and ends in a quote: "
SELECT
    e.id,
    e.date,
    e.until,
    e.int,
    e.number,
    e.self,
    e.kind,
    e."Decimal"
FROM public.events AS e
ORDER BY e.id
LIMIT 10;

-- name: get_odd(date, int, list)^
SELECT
    o."class" AS class_number,
    o."a b" AS ab
FROM public."odd table" AS o
WHERE o."class" = :int AND o."a b" > length(:list) AND CAST(:date AS DATE) IS NOT NULL
LIMIT 1;
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "src" / "oddities").mkdir(parents=True)
    (root / "db" / "migrations").mkdir(parents=True)
    (root / "queries").mkdir()
    (root / "src" / "oddities" / "__init__.py").touch()
    (root / "src" / "oddities" / "py.typed").touch()
    (root / "pyproject.toml").write_text(
        '[project]\nname = "oddities"\n\n[tool.typedsql]\npackage = "oddities"\n'
        '[tool.typedsql.rows]\nevents = "Event"\n'
    )
    (root / "dbmate.env").write_text(
        "DBMATE_MIGRATIONS_DIR=db/migrations\nDBMATE_SCHEMA_FILE=db/schema.sql\n"
        "DBMATE_MIGRATIONS_TABLE=dbmate.schema_migrations\nDBMATE_STRICT=true\n"
    )
    (root / "db/migrations/20260101000000_events.sql").write_text(MIGRATION, encoding="utf-8")
    (root / "queries/events.sql").write_text(QUERIES, encoding="utf-8")
    return root


async def test_odd_names_become_code_that_imports_and_type_checks(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await generate(checkout, check=False)
    monkeypatch.syspath_prepend(str(checkout / "src"))
    rows = importlib.import_module("oddities.rows")
    assert rows.Event.__doc__ == 'A backslash \\, and "quotes" '
    assert rows.Event.__annotations__["kind"] == str | None
    assert rows.Tempers.__doc__ == "A row of public.tempers."
    assert not hasattr(rows, "Odd table")
    # No row holds money, and so neither does that of a whole table.
    assert not hasattr(rows, "Moods")
    assert rows.Tempers.__annotations__["mood"] == Literal["good", 'not "so" good', "\\"]
    events = importlib.import_module("oddities.queries.events")
    assert list(inspect.signature(events.get_odd).parameters) == ["db", "date", "int", "list"]
    pytest.importorskip("mypy")
    done = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-m", "mypy", "--strict", "-p", "oddities"],
        cwd=checkout / "src",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("events.sql", "-- name: list()\nSELECT 1 AS a, 2 AS b LIMIT 1;\n", "Python's list"),
        (
            "events.sql",
            "-- name: Decimal()$\nSELECT CAST(1 AS NUMERIC) AS a;\n",
            "already has",
        ),
        ("events.sql", "-- name: STATEMENTS()$\nSELECT 1 AS a;\n", "file's own _STATEMENTS"),
        ("events.sql", "-- name: _get()$\nSELECT 1 AS a;\n", "'_get' cannot be one in Python"),
        (
            "events.sql",
            "-- name: get_it()^\n-- @returns Any\nSELECT 1 AS a, 2 AS b;\n",
            "its row would be Any, but the generated modules have typing.Any by that name",
        ),
        (
            "events.sql",
            "-- name: get_it()^\n-- @returns Executor\nSELECT 1 AS a, 2 AS b;\n",
            "typedsql.query.Executor",
        ),
        (
            "query.sql",
            "-- name: list_file()\nSELECT 1 AS a, 2 AS b LIMIT 1;\n",
            "its row would be QueryFile",
        ),
        ("events.sql", "-- A comment alone.\n", "no statement in it"),
        ("events.sql", "", "no statement in it"),
        ("class.sql", "-- name: a()$\nSELECT 1 AS a;\n", "the file's name"),
        ("2026-01.sql", "-- name: a()$\nSELECT 1 AS a;\n", "the file's name"),
    ],
)
async def test_names_that_would_mean_something_else_are_findings(
    checkout: Path, file: str, text: str, told: str
) -> None:
    (checkout / "queries" / file).write_text(text)
    with pytest.raises(Refused) as caught:
        await generate(checkout, check=False)
    (finding,) = caught.value.findings
    assert told in str(finding)
    assert str(finding).startswith(f"queries/{file}:1")
    assert not (checkout / "src/oddities/rows.py").exists()


def test_no_row_can_have_a_name_that_a_generated_module_imports() -> None:
    """What is known to be taken, beside what is imported where everything is used."""
    root = Path(__file__).parents[2]
    taken = taken_names("whaledb", [])
    files = [*(root / "src/whaledb/queries").glob("*.py"), root / "src/whaledb/rows.py"]
    own = ("whaledb.rows", "whaledb.documents")
    imported = {
        (node.module, alias.name)
        for path in files
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module and node.module not in own
        for alias in node.names
    }
    assert len(imported) > 10
    assert {(module, name) for module, name in imported if name not in taken} == set()
