"""mypy --strict and pyright strict accept right calls and refuse wrong ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RIGHT = HERE / "calls.py"
WRONG = HERE / "wrong_calls.py"

MARKED = {
    number
    for number, line in enumerate(WRONG.read_text("utf-8").splitlines(), start=1)
    if "# WRONG" in line
}


def mypy_lines(path: Path) -> set[int]:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    return {int(n) for n in re.findall(rf"{path.name}:(\d+): error", done.stdout)}


def pyright_lines(path: Path) -> set[int]:
    pytest.importorskip("pyright")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pyright",
            "--outputjson",
            "--pythonpath",
            sys.executable,
            str(path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    return {
        item["range"]["start"]["line"] + 1
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    }


@pytest.mark.parametrize("check", [mypy_lines, pyright_lines])
def test_right_calls_pass(check) -> None:  # type: ignore[no-untyped-def]
    assert check(RIGHT) == set()


@pytest.mark.parametrize("check", [mypy_lines, pyright_lines])
def test_each_wrong_call_fails_and_nothing_else(check) -> None:  # type: ignore[no-untyped-def]
    assert len(MARKED) > 8
    assert check(WRONG) == MARKED
