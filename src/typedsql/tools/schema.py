"""db/schema.sql: the schema as one reference release of PostgreSQL dumps it."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from typedsql.errors import OperatorError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget

REFERENCE_MAJOR = 18
"""pg_dump's output differs between releases, so the committed file has one author."""
DUMP_TIMEOUT_S = 60

# Lines that differ between two dumps of the same schema.
_VOLATILE = re.compile(r"^(-- Dumped (from|by) .*|\\(un)?restrict .*)$")


def dump_schema(
    target: ConnectionTarget, project: Project, bin_dir: Path, *, applied: Sequence[str]
) -> str:
    """The schema of a migrated database, and the versions that were applied to it.

    Can be loaded with psql or `dbmate load`. Raises OperatorError where pg_dump fails.
    """
    environment = os.environ | {"PGPASSWORD": _password(target)}
    done = subprocess.run(
        [
            str(bin_dir / "pg_dump"),
            "--schema-only",
            "--no-owner",
            f"--host={target.host}",
            f"--port={target.port}",
            f"--username={target.user}",
            target.database,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DUMP_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(f"pg_dump failed: {done.stderr.strip()}")
    return normalise(done.stdout) + _versions(applied, project)


def _password(target: ConnectionTarget) -> str:
    return target.password.get_secret_value() if target.password else ""


def normalise(dump: str) -> str:
    """The dump without what differs from run to run: versions, random keys, blank runs."""
    lines = [line.rstrip() for line in dump.splitlines() if not _VOLATILE.match(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _versions(applied: Sequence[str], project: Project) -> str:
    values = ",\n".join(f"    ('{version}')" for version in applied)
    return (
        "\n--\n-- Migrations this schema was made by\n--\n\n"
        f"INSERT INTO {project.migrations_table} (version) VALUES\n{values};\n"
    )
