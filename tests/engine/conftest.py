"""Fixtures for tests of migration runs (see toy_project.py) and of failing connections."""

import socket
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tests.engine.toy_project import Make, make_project
from typedsql.settings import ConnectionTarget


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout's top folder, with characters in its name that a list would be split at."""
    folder = tmp_path / "a, b"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def make(root: Path) -> Make:
    """Makes a project below `root` with the given migrations."""
    return lambda files: make_project(root, files)


@pytest_asyncio.fixture
async def looking(
    empty_database: ConnectionTarget,
) -> AsyncGenerator["asyncpg.Connection", None]:
    """A plain connection to the database that is migrated."""
    opened = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def server_port_of_nobody() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
