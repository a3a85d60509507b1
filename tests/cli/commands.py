"""The command line as a person meets it: another process, another folder, a clean environment."""

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.databases import ROOT
from typedsql.project import Project
from typedsql.settings import ConnectionTarget

COMMAND_LIMIT_S = 120

# Where programs are looked for; a person's own variables are not handed on.
_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """stdout as the one JSON document it must be."""
        return json.loads(self.out)


def program() -> list[str]:
    """The installed `whaledb`."""
    found = shutil.which("whaledb", path=sysconfig.get_path("scripts"))
    if found is None:
        return [sys.executable, "-c", "from whaledb.cli import main; main()"]
    return [found]


def whaledb(
    *words: str,
    target: ConnectionTarget | None = None,
    environment: dict[str, str] | None = None,
    stdin: str | bytes = "",
) -> Outcome:
    """Run `whaledb` from a folder that has nothing to do with it."""
    return run([*program(), *words], target=target, environment=environment, stdin=stdin)


def run(
    command: list[str],
    *,
    target: ConnectionTarget | None = None,
    environment: dict[str, str] | None = None,
    stdin: str | bytes = "",
) -> Outcome:
    with tempfile.TemporaryDirectory() as elsewhere:
        variables = {"PATH": _PATH, "HOME": elsewhere, "LANG": "C.UTF-8"}
        if target is not None:
            variables["DATABASE_URL"] = target.dbmate_url()
        done = subprocess.run(
            command,
            cwd=elsewhere,
            env=variables | (environment or {}),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        assert not list(Path(elsewhere).iterdir()), "the command left files where it was run"
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def of_project(project: Project, *words: str, target: ConnectionTarget | None = None) -> Outcome:
    """Run the command line that the engine makes for any project."""
    return run([*project_program(project), *words], target=target)


def project_program(project: Project) -> list[str]:
    code = (
        "from pathlib import PosixPath\n"
        "from typedsql.cli import make_app\n"
        "from typedsql.project import Project\n"
        f"make_app({project!r})()\n"
    )
    return [sys.executable, "-c", code]


DATA = ROOT / "tests" / "ingest" / "data"
