"""The server and the databases that tests use; see servers.py and databases.py."""

import contextlib
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import ROOT, Databases, open_databases
from tests.servers import TestServer, chosen_server
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.settings import ConnectionTarget

SHARED_DATA = ROOT.parent / "shared" / "data"

_SERVER = pytest.StashKey[TestServer]()
_CLOSING = pytest.StashKey[contextlib.ExitStack]()


def pytest_sessionstart(session: pytest.Session) -> None:
    # Background jobs and nohup ignore these, and programs under test would inherit that.
    # A handler of our own is not inherited, and ignores them all the same.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    if session.config.option.collectonly:
        return
    stack = contextlib.ExitStack()
    session.config.stash[_CLOSING] = stack
    try:
        session.config.stash[_SERVER] = stack.enter_context(chosen_server())
    except (Error, OSError, asyncpg.PostgresError) as error:
        raise pytest.UsageError(f"no PostgreSQL to test on: {error}") from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    server = config.stash.get(_SERVER, None)
    lines = [] if server is None else [server.describe()]
    if not SHARED_DATA.is_dir():
        lines.append(f"{SHARED_DATA} is absent: the tests that read it are skipped")
    return lines


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CLOSING in config.stash:
        config.stash[_CLOSING].close()


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> TestServer:
    """The server of this run; `server.target` is its database for administration."""
    return pytestconfig.stash[_SERVER]


@pytest_asyncio.fixture(scope="session")
async def databases(server: TestServer) -> AsyncGenerator[Databases, None]:
    async with open_databases(server.target) as opened:
        yield opened


@pytest_asyncio.fixture
async def target(databases: Databases) -> AsyncGenerator[ConnectionTarget, None]:
    """A migrated database of the test's own."""
    async with databases.fresh(await databases.template()) as fresh:
        yield fresh


@pytest_asyncio.fixture
async def empty_database(databases: Databases) -> AsyncGenerator[ConnectionTarget, None]:
    """A database without anything in it, of the test's own."""
    async with databases.fresh() as fresh:
        yield fresh


@pytest_asyncio.fixture
async def connection(target: ConnectionTarget) -> AsyncGenerator["asyncpg.Connection", None]:
    """A plain connection to `target`."""
    opened = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        yield opened
    finally:
        await opened.close()


@pytest_asyncio.fixture
async def db(target: ConnectionTarget) -> AsyncGenerator[Database, None]:
    """The library connected to `target`."""
    import whaledb

    async with whaledb.connect(target) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session")
async def shared_target(databases: Databases) -> AsyncGenerator[ConnectionTarget, None]:
    """One migrated database for all tests that leave nothing behind."""
    async with databases.fresh(await databases.template()) as fresh:
        yield fresh


@pytest_asyncio.fixture
async def rolled_back(
    shared_target: ConnectionTarget,
) -> AsyncGenerator["asyncpg.Connection", None]:
    """A connection within a transaction that is rolled back; cheaper than a clone."""
    opened = await asyncpg.connect(**shared_target.asyncpg_arguments())
    transaction = opened.transaction()
    await transaction.start()
    try:
        yield opened
    finally:
        if not opened.is_closed():
            await transaction.rollback()
        await opened.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded blocks and market data, beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} is absent")
    return SHARED_DATA
