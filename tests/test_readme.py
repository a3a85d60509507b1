"""The README's examples run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from typedsql.settings import ConnectionTarget

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)


def test_there_is_an_example() -> None:
    assert BLOCKS


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_example_runs(code: str, target: ConnectionTarget, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": target.dbmate_url()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True 1", "2023-08-26 16:21:00+00:00 1250.5"]


@pytest.mark.parametrize(
    "folder", [".", "db", "queries", "src", "src/typedsql", "src/whaledb", "tests"]
)
def test_each_folder_has_its_sign(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text("utf-8")
    assert len(text.splitlines()) > 3


def test_links_within_the_project_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *(ROOT / f / "README.md" for f in ("db", "queries", "src"))]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"
