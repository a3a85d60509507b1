"""`whaledb` as a process of its own, told and heard while it runs."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.ingest.inspection import value
from typedsql.database import Database
from typedsql.settings import ConnectionTarget

SAY_LIMIT_S = 60.0
MAIN = "from whaledb.cli import main; main()"
# What it would do if nothing but the lease kept a replaced writer out.
UNCHECKED = f"""
from whaledb.ingest.claims import Claim
async def unchecked(self, tx):
    pass
Claim.renew = unchecked
{MAIN}
"""
WITHOUT_AIOHTTP = f"import sys; sys.modules['aiohttp'] = None; {MAIN}"


class Command:
    """A running command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.err = ""

    async def says(self, text: str) -> None:
        """Waits for a line on stderr that holds the text."""
        assert self._process.stderr is not None
        async with asyncio.timeout(SAY_LIMIT_S):
            while True:
                line = (await self._process.stderr.readline()).decode()
                assert line, f"it ended without saying {text!r}: {self.err}"
                self.err += line
                if text in line:
                    return

    async def ends(self) -> tuple[int | None, str]:
        """Exit code and stdout."""
        async with asyncio.timeout(SAY_LIMIT_S):
            out, err = await self._process.communicate()
        self.err += err.decode()
        return self._process.returncode, out.decode()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)


async def until(db: Database, sql: str) -> None:
    """Waits for a query to give true: what another process does has no event here."""
    async with asyncio.timeout(SAY_LIMIT_S):
        while not await value(db, sql):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def command(
    target: ConnectionTarget, *words: str, program: str = MAIN
) -> AsyncGenerator[Command, None]:
    """Killed when the block ends if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *words,
        env={**os.environ, "DATABASE_URL": target.dbmate_url()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    made = Command(process)
    try:
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await made.ends()
