"""`generate` on a small project of its own: what it writes, and what it finds."""

import ast
import shutil
from pathlib import Path

import pytest

from typedsql.errors import ConfigurationError
from typedsql.tools.generate import generate
from typedsql.tools.reading.findings import Refused
from typedsql.tools.schema import normalise

PYPROJECT = """\
[project]
name = "library"

[tool.typedsql]
package = "library"

[tool.typedsql.rows]
books = "Book"

[tool.typedsql.documents]
"books.extra" = "library.documents.Extra"
"""

DOCUMENTS = """\
from msgspec import Struct


class Extra(Struct, frozen=True):
    pages: int = 0
"""

DBMATE_ENV = """\
DBMATE_MIGRATIONS_DIR=db/migrations
DBMATE_SCHEMA_FILE=db/schema.sql
DBMATE_MIGRATIONS_TABLE=dbmate.schema_migrations
DBMATE_STRICT=true
"""

MIGRATION = """\
-- Why:    books.
-- Locks:  none that anybody waits for.
-- Deploy: first.
-- migrate:up
CREATE TABLE public.books (
    id BIGINT CONSTRAINT books_pkey PRIMARY KEY,
    title TEXT NOT NULL,
    price NUMERIC,
    extra JSONB,
    tags TEXT[] NOT NULL
);
COMMENT ON TABLE public.books IS 'Books "in print" \\ and others.';
COMMENT ON COLUMN public.books.price IS 'Euros; NULL while not for sale.';

-- migrate:down
DROP TABLE public.books;
"""

QUERIES = """\
-- Books. Owner: the library.

-- name: get(id)^
-- The book, if there is one.
SELECT
    b.id,
    b.title,
    b.price,
    b.extra,
    b.tags
FROM public.books AS b
WHERE b.id = :id;

-- name: insert(id, title, price, extra, tags)<!
-- @one
-- Adds a book.
INSERT INTO public.books AS b (id, title, price, extra, tags)
VALUES (:id, :title, :price, :extra, :tags)
RETURNING
    b.id,
    b.title,
    b.price,
    b.extra,
    b.tags;

-- name: list_titles(max_rows)
-- @returns Title
-- Titles, by number.
SELECT
    b.id,
    upper(b.title) AS loud
FROM public.books AS b
ORDER BY b.id
LIMIT :max_rows;

-- name: stream_titles()
-- @returns Title
-- All titles, by number.
SELECT
    b.id,
    upper(b.title) AS loud
FROM public.books AS b
ORDER BY b.id;

-- name: count()$
-- How many books there are.
SELECT count(*) AS books FROM public.books AS b;

-- name: delete(id)!
-- Removes a book.
DELETE FROM public.books AS b
WHERE b.id = :id;
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The source tree of a project that is not installed, in a path with a space."""
    root = tmp_path / "a checkout"
    (root / "src" / "library").mkdir(parents=True)
    (root / "db" / "migrations").mkdir(parents=True)
    (root / "queries").mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "dbmate.env").write_text(DBMATE_ENV)
    (root / "db" / "migrations" / "20260101000000_books.sql").write_text(MIGRATION)
    (root / "queries" / "books.sql").write_text(QUERIES)
    (root / "src" / "library" / "documents.py").write_text(DOCUMENTS)
    return root


def function(source: str, name: str) -> str:
    for node in ast.parse(source).body:
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name == name:
            return ast.unparse(node)
    raise AssertionError(f"no function {name}")


async def told(checkout: Path, *, full: bool = False) -> tuple[str, ...]:
    """What `generate --check` says."""
    return (await generate(checkout, check=True, full=full)).lines


async def test_what_is_written(checkout: Path) -> None:
    outcome = await generate(checkout, check=False)
    assert outcome.asked
    assert [line.split()[0] for line in outcome.lines] == [
        "src/library/queries/books.py",
        "src/library/queries/__init__.py",
        "src/library/rows.py",
        "src/library/project.py",
        "queries/analysis/books.json",
        "queries/analysis/project.json",
        "db/schema.sql",
    ]
    rows = (checkout / "src/library/rows.py").read_text()
    assert "class Book(Struct, frozen=True, gc=False):" in rows
    assert 'Books "in print" \\\\ and others.' in rows
    assert '    price: Decimal | None\n    """Euros; NULL while not for sale."""' in rows
    assert "    extra: Extra | None" in rows
    assert "    tags: list[str | None]" in rows
    assert "class Title(Struct, frozen=True, gc=False):" in rows
    assert "    id: int\n    loud: str\n" in rows

    source = (checkout / "src/library/queries/books.py").read_text()
    assert function(source, "get").startswith(
        "async def get(db: Executor, *, id: int) -> Book | None:"
    )
    assert function(source, "insert").startswith(
        "async def insert(db: Executor, *, id: int, title: str, price: Decimal | None=None, "
        "extra: Extra | None=None, tags: Sequence[str | None]) -> Book:"
    )
    assert "-> list[Title]:" in function(source, "list_titles")
    assert "-> RowStream[Title]:" in function(source, "stream_titles")
    assert "-> int:" in function(source, "count")
    assert "-> int:" in function(source, "delete")
    assert (
        "\n    The book, if there is one.\n"
        in f"\n    {ast.get_docstring(ast.parse(source).body[-6])}\n"
    )

    project = (checkout / "src/library/project.py").read_text()
    assert 'latest_migration="20260101000000"' in project
    assert str(checkout) not in project
    schema = (checkout / "db/schema.sql").read_text()
    assert "CREATE TABLE public.books" in schema
    assert "('20260101000000')" in schema
    assert "Dumped" not in schema


async def test_check_says_what_differs_and_writes_nothing(checkout: Path) -> None:
    missing = await told(checkout)
    assert missing
    assert all(line.endswith(": missing") for line in missing)
    assert not (checkout / "db/schema.sql").exists()
    await generate(checkout, check=False)
    assert await told(checkout, full=True) == ()
    # Twice is the same: nothing in the output depends on the run.
    assert (await generate(checkout, check=False, full=True)).lines == ()

    queries = checkout / "queries" / "books.sql"
    queries.write_text(QUERIES.replace("The book, if there is one.", "The book with this id."))
    stale, *digests = await told(checkout)
    assert stale.startswith("src/library/queries/books.py: out of date\n")
    assert "The book with this id." in stale
    assert [line.partition(":")[0] for line in digests] == ["queries/analysis/project.json"]
    assert "The book with this id." not in (checkout / "src/library/queries/books.py").read_text()

    schema = checkout / "db/schema.sql"
    schema.write_text(schema.read_text().replace("numeric", "money"))
    assert any(line.startswith("db/schema.sql") for line in await told(checkout))


async def test_a_module_whose_file_is_gone_is_found_and_removed(checkout: Path) -> None:
    shutil.copy(checkout / "queries/books.sql", checkout / "queries/more.sql")
    await generate(checkout, check=False)
    (checkout / "queries/more.sql").unlink()
    gone = {
        "src/library/queries/more.py: its .sql file is gone",
        "queries/analysis/more.json: its .sql file is gone",
    }
    assert gone <= set(await told(checkout))
    await generate(checkout, check=False)
    assert not (checkout / "src/library/queries/more.py").exists()
    assert not (checkout / "queries/analysis/more.json").exists()
    assert await told(checkout) == ()


async def test_all_findings_come_at_once_with_file_and_line(checkout: Path) -> None:
    (checkout / "queries" / "books.sql").write_text(
        """\
-- name: get_one(id)^
SELECT b.id, b.title, b.nothing FROM public.books AS b WHERE b.id = :id;

-- name: get_all()
SELECT * FROM public.books;

-- name: get_pair()$
SELECT b.id, b.title FROM public.books AS b;

-- name: remove(id)!
DELETE FROM public.books AS b WHERE b.id = :id RETURNING b.id;

-- name: remove_quietly(id)
DELETE FROM public.books AS b WHERE b.id = :id;

-- name: get_range()^
SELECT CAST(1 AS MONEY) AS cost, 1 AS other;

-- name: get_twice()^
SELECT b.id, b.id FROM public.books AS b LIMIT 1;

-- name: get_title()^
-- @returns Title
SELECT b.title, 1 AS number FROM public.books AS b LIMIT 1;

-- name: get_other()^
-- @returns Title
SELECT b.title, 'x' AS number FROM public.books AS b LIMIT 1;

-- name: get_unnamed()^
SELECT b.title, 1 FROM public.books AS b LIMIT 1;

-- name: get_by(db)^
SELECT b.title, 1 AS one FROM public.books AS b WHERE b.title = :db LIMIT 1;
"""
    )
    (checkout / "queries" / "worse.sql").write_text("-- name: get(class)^\nSELECT :class AS one;\n")
    (checkout / "queries" / "broken.sql").write_text(
        "-- name: get(a)^\nSELECT 1 AS one, 2 AS two;\n"
    )
    with pytest.raises(Refused) as caught:
        await generate(checkout, check=False)
    found = [(f"{item.file}:{item.line}:{item.column}", item) for item in caught.value.findings]
    wanted = [
        ("queries/books.sql:2:23", "postgresql", "column b.nothing does not exist"),
        ("queries/books.sql:5:8", "star", "list the columns"),
        ("queries/books.sql:7:10", "suffix", "2 columns come back; use ^"),
        ("queries/books.sql:7:10", "cardinality", "more than one row may come back"),
        ("queries/books.sql:10:10", "suffix", "suffix ! asks for a count"),
        ("queries/books.sql:13:10", "suffix", "use the suffix !"),
        ("queries/books.sql:17:8", "type", "money"),
        ("queries/books.sql:20:14", "row", "two columns are named id"),
        ("queries/books.sql:26:10", "shared-row", "returns Title with column number as str"),
        ("queries/books.sql:31:17", "row", "needs a name"),
        ("queries/books.sql:33:17", "name", "'db' cannot be one in Python"),
        ("queries/broken.sql:1:14", "header", "does not mention :a"),
        ("queries/worse.sql:1:14", "name", "'class' cannot be one in Python"),
    ]
    for place, rule, words in wanted:
        there = [item for at, item in found if (at, item.rule) == (place, rule)]
        assert any(words in str(item) for item in there), (place, [str(item) for _, item in found])
    assert [at for at, _ in found] == [place for place, _, _ in wanted]
    assert not (checkout / "src/library/rows.py").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("pyproject.toml", 'package = "library"', 'packages = "library"', "packages"),
        ("pyproject.toml", 'package = "library"', 'package = "lost"', "no folder src/lost"),
        ("pyproject.toml", "[tool.typedsql]\n", "[tool.other]\n", "typedsql"),
        ("dbmate.env", "DBMATE_SCHEMA_FILE", "SCHEMA", "does not set DBMATE_SCHEMA_FILE"),
    ],
)
async def test_a_wrong_declaration_is_named(
    checkout: Path, file: str, old: str, new: str, told: str
) -> None:
    path = checkout / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigurationError, match=told) as caught:
        await generate(checkout, check=True)
    assert file in str(caught.value)


def test_dumps_of_two_runs_are_the_same_after_normalising() -> None:
    first = "\\restrict abc\n-- Dumped from database version 18.4\nCREATE TABLE t ();\n\n\n\n--\n"
    second = "\\restrict xyz\n-- Dumped from database version 18.5\nCREATE TABLE t ();\n\n--\n"
    assert first != second
    assert normalise(first) == normalise(second)
