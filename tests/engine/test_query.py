"""Loading: what aiosql and the loader make of a .sql file, and what they refuse."""

import re
from pathlib import Path
from typing import Any, Literal

import aiosql
import pytest

from typedsql.database import Database
from typedsql.errors import CodeError, DataError, StatementDrift
from typedsql.project import Project
from typedsql.query import One
from typedsql.statements import QueryFile, load_statements
from whaledb.project import PROJECT

GOOD = """\
-- Things. Owner: nobody.

-- name: get_thing(id, kind)^
-- @returns Thing
-- One thing: "quoted", by its key.
SELECT
    t.id,
    t.kind
FROM public.things AS t
-- a comment inside
WHERE t.kind = :kind AND t.id = :id;

-- name: count_things()$
SELECT count(*) AS things FROM public.things AS t;
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "things.sql"
    path.write_text(text, encoding="utf-8")
    return path


def test_statement_is_tagged_numbered_and_described(tmp_path: Path) -> None:
    statements = load_statements(write(tmp_path, GOOD))
    assert list(statements) == ["get_thing", "count_things"]
    found = statements["get_thing"]
    assert found.name == "things.get_thing"
    assert found.sql.startswith("/* things.get_thing */ SELECT")
    assert found.sql.endswith("WHERE t.kind = $1 AND t.id = $2")
    assert found.parameters == ("kind", "id")
    assert found.declared == ("id", "kind")
    assert found.suffix == "^"
    assert found.returns == "Thing"
    assert found.prose.startswith('One thing: "quoted", by its key.')
    assert "@returns" not in found.prose
    assert found.location == f"{tmp_path.name}/things.sql:3"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("@returns Thing", "@return Thing", "unknown directive @return; known are"),
        ("get_thing(id, kind)^", "get_thing(id)^", "undeclared parameter name"),
        ("get_thing(id, kind)^", "get_thing(id, kind, other)^", "unused declared parameter"),
        ("get_thing(id, kind)^", "get_thing(id, kind)*!", "suffix this package does not run"),
        ("count_things()$", "get_thing()$", "get_thing"),
        ("count_things()$", "count_things$", "missing mandatory parameter list"),
        ("get_thing(id, kind)^", "get_thing<!", "declare the parameters"),
    ],
)
def test_refuses_what_would_go_wrong_silently(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(CodeError, match=re.escape(told)) as caught:
        load_statements(path)
    assert "things.sql" in str(caught.value)


def test_digest_changes_with_meaning_and_not_with_prose(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return load_statements(write(tmp_path, text))["get_thing"].digest

    original = digest(GOOD)
    assert digest(GOOD.replace("by its key", "by its whole key")) == original
    assert digest(GOOD.replace("t.id = :id", "t.id > :id")) != original
    assert digest(GOOD.replace(")^", ")")) != original
    swapped = GOOD.replace(":kind", ":x").replace(":id", ":kind").replace(":x", ":id")
    assert digest(swapped) != original


def elsewhere(folder: Path) -> Project:
    return Project(
        name="things",
        package="things",
        migrations_table="dbmate.schema_migrations",
        latest_migration="20260101000000",
        queries_dir=".",
        migrations_dir="migrations",
        schema_file="schema.sql",
        dbmate_env="dbmate.env",
        checkout=folder,
    )


def test_bind_refuses_a_statement_that_changed_since_generation(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    digest = load_statements(path)["get_thing"].digest
    file = QueryFile(elsewhere(tmp_path), "things")
    assert file.bind("get_thing", digest=digest, columns=()).name == "things.get_thing"
    with pytest.raises(StatementDrift, match=r"things\.sql:3.*run `typedsql generate`"):
        file.bind("get_thing", digest="0" * 16, columns=())
    with pytest.raises(StatementDrift, match="no longer has gone"):
        file.bind("gone", digest=digest, columns=())


def test_every_file_of_the_project_loads_through_aiosql_alone() -> None:
    """A DBA's or another team's plain aiosql sees the same statements."""
    for path in sorted((PROJECT.root / PROJECT.queries_dir).glob("*.sql")):
        plain = aiosql.from_path(path, "typedsql")
        for name, statement in load_statements(path).items():
            function = getattr(plain, name)
            assert function.sql.rstrip().rstrip(";") in statement.sql


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
def test_line_endings_and_a_byte_order_mark_change_nothing(tmp_path: Path, ending: bytes) -> None:
    expected = {name: s.digest for name, s in load_statements(write(tmp_path, GOOD)).items()}
    path = tmp_path / "things.sql"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode().replace(b"\n", ending))
    assert {name: s.digest for name, s in load_statements(path).items()} == expected


def test_a_statement_that_begins_inside_a_line_is_not_lost(tmp_path: Path) -> None:
    text = "-- name: a()\nSELECT 1 AS x; -- name: b_cursor()\nSELECT 2 AS y;\n"
    with pytest.raises(CodeError, match="put `-- name: b_cursor` at the start of a line"):
        load_statements(write(tmp_path, text))


@pytest.mark.parametrize(
    ("document", "kind", "told"),
    [
        ('{"a": "secret"}', list[Literal["x"]], "not of its type"),
        # More than any Python up to 3.13 follows, and less than PostgreSQL takes.
        ("[" * 11_000 + "]" * 11_000, Any, "nested too deeply"),
    ],
    ids=["type", "depth"],
)
async def test_a_document_of_another_type_is_named_and_not_shown(
    db: Database, tmp_path: Path, document: str, kind: Any, told: str
) -> None:
    text = f"-- name: get_thing()^\nSELECT 1 AS id, CAST('{document}' AS JSONB) AS kind;\n"
    statement = load_statements(write(tmp_path, text))["get_thing"]
    one: One[object] = One(statement, lambda *values: values, {1: kind})
    with pytest.raises(DataError, match=told) as caught:
        await one.run(db)
    assert str(caught.value).startswith("things.get_thing: the document in column")
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)
