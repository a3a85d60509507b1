"""The small project in tests/example, for tests that work on a copy of it."""

import shutil
from pathlib import Path

from tests.databases import ROOT

EXAMPLE = ROOT / "tests" / "example"
PACKAGE = Path("src/lending")
GENERATED = (
    *(f"{PACKAGE}/queries/{stem}.py" for stem in ("__init__", "books", "loans", "members")),
    f"{PACKAGE}/rows.py",
    f"{PACKAGE}/project.py",
    "queries/variants/books.sql",
    "queries/variants/members.sql",
    *(f"queries/analysis/{stem}.json" for stem in ("books", "loans", "members", "project")),
    "db/schema.sql",
)
"""Every file that `generate` writes there."""


def copy_example(folder: Path) -> Path:
    """A copy of the project without what Python left behind in it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache")
    return Path(shutil.copytree(EXAMPLE, folder, ignore=ignored))


def generated_texts(root: Path) -> dict[str, bytes]:
    """What `generate` wrote, by path."""
    return {name: (root / name).read_bytes() for name in GENERATED}


def replace(path: Path, old: str, new: str) -> None:
    """Change a file; the text that is replaced must be in it once or more."""
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")
