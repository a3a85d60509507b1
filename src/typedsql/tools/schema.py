"""db/schema.sql: the schema as one reference release of PostgreSQL dumps it."""

import os
import re
import subprocess
from pathlib import Path

import asyncpg

from typedsql.errors import OperatorError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget

REFERENCE_MAJOR = 18
"""pg_dump's output differs between releases, so the committed file has one author."""
DUMP_TIMEOUT_S = 60

# Lines that differ between two dumps of the same schema.
_VOLATILE = re.compile(r"^(-- Dumped (from|by) .*|\\(un)?restrict .*)$")


async def dump_schema(target: ConnectionTarget, project: Project, bin_dir: Path) -> str:
    """The schema of a migrated database, and the versions it was made by.

    Can be loaded with psql or `dbmate load`. Raises OperatorError where pg_dump fails.
    """
    environment = os.environ | {"PGPASSWORD": _password(target)}
    done = subprocess.run(  # noqa: ASYNC221
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
    return normalise(done.stdout) + await _versions(target, project)


def _password(target: ConnectionTarget) -> str:
    return target.password.get_secret_value() if target.password else ""


def normalise(dump: str) -> str:
    """The dump without what differs from run to run: versions, random keys, blank runs."""
    lines = [line.rstrip() for line in dump.splitlines() if not _VOLATILE.match(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


async def _versions(target: ConnectionTarget, project: Project) -> str:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        rows = await connection.fetch(
            f"SELECT version FROM {project.migrations_table} ORDER BY version"  # noqa: S608
        )
    finally:
        await connection.close()
    values = ",\n".join(f"    ('{row['version']}')" for row in rows)
    return (
        "\n--\n-- Migrations this schema was made by\n--\n\n"
        f"INSERT INTO {project.migrations_table} (version) VALUES\n{values};\n"
    )
