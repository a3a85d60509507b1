"""Running dbmate as CI does, and dumping what came of it."""

import os
import re
import subprocess
from pathlib import Path

from tests.databases import ROOT, dbmate_program
from typedsql import embedded
from typedsql.settings import ConnectionTarget

MIGRATIONS = ROOT / "db" / "migrations"
FILES = sorted(MIGRATIONS.glob("*.sql"))

RUN_LIMIT_S = 120
DUMP_MAJOR = 18
"""The newest pg_dump dumps every older server."""

MARK = re.compile(r"^-- migrate:(?:up|down)(?: transaction:false)?$", re.MULTILINE)
"""A section begins behind this line."""
NOTHING = "-- migrate:up\nSELECT 1;\n\n-- migrate:down\nSELECT 1;\n"


def run_dbmate(target: ConnectionTarget, *arguments: str, migrations: Path = MIGRATIONS) -> str:
    """What dbmate printed; AssertionError with its errors where it failed."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("DBMATE_", "PG", "POSTGRES_", "SUPABASE_"))
    }
    done = subprocess.run(
        [
            dbmate_program(),
            "--env-file",
            "dbmate.env",
            "--migrations-dir",
            str(migrations),
            *arguments,
        ],
        cwd=ROOT,
        env=environment | {"DATABASE_URL": target.dbmate_url()},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"dbmate {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def dump(target: ConnectionTarget, *options: str) -> list[str]:
    """The lines of a schema dump with owners, grants and comments, without what is random."""
    secret = target.password.get_secret_value() if target.password else ""
    done = subprocess.run(
        [
            str(embedded.binaries(DUMP_MAJOR) / "pg_dump"),
            "--schema-only",
            f"--host={target.host}",
            f"--port={target.port}",
            f"--username={target.user}",
            *options,
            target.database,
        ],
        env=os.environ | {"PGPASSWORD": secret},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [
        line
        for line in done.stdout.splitlines()
        if line.strip() and not line.startswith(("--", "\\restrict", "\\unrestrict"))
    ]


def sections(path: Path) -> tuple[str, str, str]:
    """What stands above the sections of a migration, and the SQL of up and down."""
    above, up, down = MARK.split(path.read_text(encoding="utf-8"))
    return above, up, down


def section(path: Path, name: str) -> str:
    """The SQL of the up or the down section of a migration."""
    _, up, down = sections(path)
    return {"up": up, "down": down}[name]
