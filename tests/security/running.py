"""Runs of pytest over every test that carries a number."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.databases import ROOT
from tests.security.recording import Record
from tests.security.routes import VARIABLE, Route
from tests.servers import throwaway_server

HERE = "tests/security"
MARK = "pytest.mark.case("

PASSED, TESTS_FAILED = 0, 1
"""Exit codes of pytest after which its record can be believed."""


class RunFailed(Exception):
    """pytest ended before it could run the tests; the text is what it printed."""


def where() -> list[str]:
    """This folder, and the modules elsewhere in which a test carries a number."""
    elsewhere = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if ROOT / HERE not in path.parents and MARK in path.read_text(encoding="utf-8")
    ]
    return [HERE, *sorted(elsewhere)]


def run(major: int, routes: Sequence[Route], folder: Path) -> tuple[Record, str]:
    """Run the tests on one release; what they recorded, and what pytest printed."""
    with throwaway_server(major) as target:
        environment = {"TEST_DATABASE_URL": target.dbmate_url(), VARIABLE: ",".join(routes)}
        return recorded(folder / f"{major}.json", environment)


def recorded(path: Path, environment: Mapping[str, str], *options: str) -> tuple[Record, str]:
    """Have pytest look at every test with a number; what it recorded, and what it printed."""
    command = [sys.executable, "-m", "pytest", *where(), "-m", "case", "-q"]
    command += ["-p", "no:cacheprovider", "-p", "tests.security.recording"]
    result = subprocess.run(
        [*command, f"--record-cases={path}", *options],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode not in (PASSED, TESTS_FAILED):
        raise RunFailed(f"pytest ended with {result.returncode}\n{result.stdout}")
    return msgspec.json.decode(path.read_bytes(), type=Record), result.stdout
