"""A project made for one test: its own migrations, its own table for them, no domain."""

import asyncio
import secrets
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg

from tests.databases import dbmate_program
from typedsql.project import Project
from typedsql.settings import ConnectionTarget

Make = Callable[[dict[str, str]], Project]

TABLE = "bookkeeping.applied"

FIRST = "20240101000000_things"
SECOND = "20240102000000_more"

WAIT_LIMIT_S = 30

CREATE_THINGS = """
    -- migrate:up
    CREATE TABLE public.things (id INTEGER NOT NULL, word TEXT);
    -- migrate:down
    DROP TABLE public.things;
    """


def make_project(root: Path, migrations: Mapping[str, str]) -> Project:
    """Write a checkout below `root`.

    `migrations` maps file names without .sql to their text.
    """
    package = f"toy_{secrets.token_hex(6)}"
    (root / package).mkdir(parents=True)
    (root / package / "__init__.py").touch()
    (root / "pyproject.toml").touch()
    (root / "queries").mkdir()
    (root / "db" / "migrations").mkdir(parents=True)
    (root / "dbmate.env").write_text(
        "DBMATE_MIGRATIONS_DIR=db/migrations\n"
        "DBMATE_SCHEMA_FILE=db/schema.sql\n"
        f"DBMATE_MIGRATIONS_TABLE={TABLE}\n"
    )
    project = Project(
        name="toy",
        package=package,
        migrations_table=TABLE,
        latest_migration=max((name[:14] for name in migrations), default=""),
        queries_dir="queries",
        migrations_dir="db/migrations",
        schema_file="db/schema.sql",
        dbmate_env="dbmate.env",
        command="toy",
        checkout=root,
    )
    for name, text in migrations.items():
        add_migration(project, root, name, text)
    return project


def add_migration(project: Project, root: Path, name: str, text: str) -> Path:
    """Write one more migration, or another text for one."""
    path = root / project.migrations_dir / f"{name}.sql"
    path.write_text(textwrap.dedent(text).lstrip())
    return path


def second(up: str, *, option: str = "", down: str = "SELECT 1;") -> str:
    """The text of a migration."""
    return f"-- migrate:up{option}\n{up}\n-- migrate:down\n{down}\n"


def things_and(text: str) -> dict[str, str]:
    """CREATE_THINGS and one more."""
    return {FIRST: CREATE_THINGS, SECOND: text}


async def bare_dbmate(
    target: ConnectionTarget, project: Project, command: str = "migrate", **extra: str
) -> int:
    """What somebody who does not use our runner gets: dbmate's exit code."""
    child = await start_bare_dbmate(target, project, command, **extra)
    return await child.wait()


async def start_bare_dbmate(
    target: ConnectionTarget, project: Project, command: str = "migrate", **extra: str
) -> asyncio.subprocess.Process:
    """The same, still at work."""
    environment = {"DATABASE_URL": target.dbmate_url(), "DBMATE_NO_DUMP_SCHEMA": "true", **extra}
    return await asyncio.create_subprocess_exec(
        dbmate_program(),
        "--env-file",
        "dbmate.env",
        command,
        cwd=project.root,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def versions(looking: asyncpg.Connection) -> list[str]:
    """What is recorded as applied."""
    rows = await looking.fetch(f"SELECT version FROM {TABLE} ORDER BY 1")
    return [row[0] for row in rows]


async def until(looking: asyncpg.Connection, sql: str, expected: int) -> None:
    """Wait for the server to come to a state, which it tells nobody by itself."""
    async with asyncio.timeout(WAIT_LIMIT_S):
        while await looking.fetchval(sql) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
