"""Runs the example workflow of db/README.md as a CI service would.

    python -m tests.dbmate_workflow

Each job gets a copy of what it checks out, and an empty database on a server of the release
that its service names; its steps run one by one. Afterwards the command line has to find
nothing pending. Needs the package registries that the jobs install from; a job whose
installer is not on this machine is told and left out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.markdown import block_named
from tests.servers import throwaway_server

ROOT = Path(__file__).parents[1]
STEP_LIMIT_SECONDS = 300
INSTALLERS = {"pypi": "python3", "npm": "npm"}


def run_job(name: str, job: dict[str, Any]) -> None:
    """Run a job's steps; raises CalledProcessError where one fails."""
    major = int(job["services"]["postgres"]["image"].removeprefix("postgres:"))
    with tempfile.TemporaryDirectory() as folder, throwaway_server(major) as target:
        checkout = Path(folder) / "checkout"
        shutil.copytree(ROOT / "db", checkout / "db")
        shutil.copy(ROOT / "dbmate.env", checkout)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "DATABASE_URL": target.dbmate_url().replace("/postgres?", "/ci?"),
        }
        for step in job["steps"]:
            if "run" not in step:
                continue
            print(f"{name} (PostgreSQL {major}): {step['run']}", flush=True)
            subprocess.run(
                ["bash", "-euo", "pipefail", "-c", step["run"]],
                cwd=checkout,
                env=environment,
                check=True,
                timeout=STEP_LIMIT_SECONDS,
            )
        subprocess.run(
            [sys.executable, "-c", "from whaledb.cli import main; main()", "migrations", "--check"],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=STEP_LIMIT_SECONDS,
        )


def main() -> int:
    jobs = yaml.safe_load(block_named(ROOT / "db" / "README.md", "dbmate.yml").text)["jobs"]
    for name, job in jobs.items():
        if shutil.which(INSTALLERS[name]) is None:
            print(f"{name}: no {INSTALLERS[name]} on this machine, so this job did not run")
            continue
        try:
            run_job(name, job)
        except subprocess.CalledProcessError as failure:
            print(f"{name}: a step ended with {failure.returncode}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
