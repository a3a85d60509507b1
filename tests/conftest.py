"""The server and the databases that tests use: whaledb.testing's, under shorter names."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.databases import ROOT, Databases
from tests.pgbouncer import Pgbouncer, standing_before
from typedsql import testing
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer

pytest_plugins = ["whaledb.testing", "tests.proof.summary"]

SHARED_DATA = ROOT.parent / "shared" / "data"

_IGNORED = "ignored signals"


def pytest_sessionstart(session: pytest.Session) -> None:
    # Background jobs and nohup ignore these, and programs under test would inherit that.
    # A handler of our own is not inherited, and ignores them all the same.
    told = getattr(session.config, "workerinput", {}).get(_IGNORED, [])
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN or number in told:
            signal.signal(number, _ignore)


def _ignore(*_: object) -> None:
    """Stands for signal.SIG_IGN, which child processes would inherit."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    # The processes of pytest-xdist inherit neither, and are to ignore what their parent does.
    node.workerinput[_IGNORED] = [
        int(number)
        for number in (signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is _ignore
    ]


def pytest_report_header() -> list[str]:
    if SHARED_DATA.is_dir():
        return []
    return [f"{SHARED_DATA} is absent: the tests that read it are skipped"]


@pytest.fixture(scope="session")
def server(whaledb_server: TestServer) -> TestServer:
    """The server of this run; `server.target` is its database for administration."""
    return whaledb_server


@pytest.fixture(scope="session")
def databases(whaledb_databases: testing.Databases) -> Databases:
    return Databases(whaledb_databases)


@pytest.fixture
def target(whaledb_target: ConnectionTarget) -> ConnectionTarget:
    """A migrated database of the test's own."""
    return whaledb_target


@pytest.fixture
def empty_database(whaledb_databases: testing.Databases) -> Iterator[ConnectionTarget]:
    """A database without anything in it, of the test's own."""
    # Roles belong to the whole server, which other processes may share: after the first
    # migration they are there, and no test meets another process that just makes them.
    whaledb_databases.template()
    with whaledb_databases.fresh() as fresh:
        yield fresh


@pytest.fixture
def connection(whaledb_connection: "asyncpg.Connection") -> "asyncpg.Connection":
    """A plain connection to `target`."""
    return whaledb_connection


@pytest.fixture
def db(whaledb_db: Database) -> Database:
    """The library connected to `target`."""
    return whaledb_db


@pytest.fixture(scope="session")
def shared_target(whaledb_shared_target: ConnectionTarget) -> ConnectionTarget:
    """One migrated database for all tests that leave nothing behind."""
    return whaledb_shared_target


@pytest.fixture
def rolled_back(whaledb_rolled_back: "asyncpg.Connection") -> "asyncpg.Connection":
    """A connection within a transaction that is rolled back; cheaper than a clone."""
    return whaledb_rolled_back


@pytest.fixture(scope="session")
def pgbouncer(server: TestServer) -> Iterator[Pgbouncer]:
    """PgBouncer in transaction mode before the server of this run."""
    with standing_before(server.target) as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded blocks and market data, beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} is absent")
    return SHARED_DATA
