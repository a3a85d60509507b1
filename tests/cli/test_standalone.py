"""`typedsql` for the project in the folder, or in one above; and where there is none."""

from pathlib import Path

import pytest

from tests.cli.test_check_command import typedsql
from tests.engine.example_project import copy_example, replace


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_example(tmp_path / "lending")


def test_in_the_project_and_below_it(project: Path) -> None:
    for folder in (project, project / "queries", project / "src/lending/queries"):
        done = typedsql("generate", "--check", folder=folder)
        assert (done.code, done.out) == (0, "Everything is up to date\n"), done.err
    assert "The database of lending." in typedsql("--help", folder=project).out
    listed = typedsql("query", folder=project / "db")
    assert "books.search(title_prefix, hall, max_price_eur, max_rows" in listed.out


def test_the_command_is_the_declared_one_whatever_scripts_there_are(project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_text(path.read_text() + '[project.scripts]\nlending = "lending.server:main"\n')
    assert typedsql("generate", "--check", folder=project).code == 0
    assert "  typedsql migrate " in typedsql(folder=project).out
    replace(path, 'package = "lending"', 'package = "lending"\ncommand = "lend"')
    assert "  lend migrate " in typedsql(folder=project).out


def test_a_pyproject_of_something_else_in_between_is_passed_by(project: Path) -> None:
    inner = project / "tools"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.black]\n")
    assert typedsql("check", folder=inner).code == 0


def _is_project(folder: Path) -> bool:
    path = folder / "pyproject.toml"
    return path.is_file() and "[tool.typedsql" in path.read_text(errors="replace")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "neither this folder nor one above it has a pyproject.toml"),
        ("tool = 1\n", "neither this folder nor one above it has a pyproject.toml"),
        ("[tool.typedsql\n", "cannot be read"),
        ("\xff[tool.typedsql]\n", "cannot be read"),
        ("[tool]\ntypedsql = 3\n", "Expected `object`, got `int`"),
        ("[tool.typedsql]\n", "the key package is missing"),
        ("[tool.typedsql]\npackages = 'x'\n", "there is no key packages; there are package, "),
        ("[tool.typedsql]\npackage = 'x'\n", 'lacks name = "..." under [project]'),
        ("[tool.typedsql]\npackage = ''\n", "is no name of a Python package"),
        ("[tool.typedsql]\npackage = '../x'\n", "is no name of a Python package"),
        ("[tool.typedsql]\npackage = 'x'\ncommand = ''\n", "is no name of a program"),
        ("[tool.typedsql]\npackage = 'x'\ncommand = 'a b'\n", "is no name of a program"),
        ("[tool.typedsql]\npackage = 'x'\nmax_variants = 0\n", "max_variants must be 1 or more"),
        (
            "[project]\nname = 'x'\n[tool.typedsql]\npackage = 'x'\nqueries = 'sql'\n",
            "there is no folder sql/ for the .sql files",
        ),
    ],
)
def test_where_there_is_no_project(tmp_path: Path, text: str | None, told: str) -> None:
    if told.startswith("neither") and any(map(_is_project, tmp_path.parents)):
        pytest.skip("a project stands above the folder that the tests work in")
    if text is not None:
        (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    done = typedsql("generate", folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 1
    as_json = typedsql("generate", "--json", folder=tmp_path)
    assert (as_json.code, as_json.json()["error"]["exit_code"]) == (2, 2)
    # Help is given all the same, and says what is wrong.
    help_ = typedsql("--help", folder=tmp_path)
    assert (help_.code, help_.err) == (0, "")
    assert 'package = "shop"' in help_.out
    assert "There is no such project here." in help_.out or told in help_.out
