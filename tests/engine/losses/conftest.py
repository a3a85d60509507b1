"""Fixtures for tests of what is lost on its way: a table of notes, and a proxy that loses."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import asyncpg
import pytest

import whaledb
from tests.engine.losses.notes import Notes, note_folder
from tests.engine.proxy import Proxy, proxied
from tests.engine.query_folder import QueryFolder
from typedsql import testing
from typedsql.database import Database
from typedsql.settings import ConnectionTarget


@pytest.fixture(scope="module")
def whaledb_target(whaledb_databases: testing.Databases) -> Iterator[ConnectionTarget]:
    """One for all tests of a file, in the place of one for each."""
    with whaledb_databases.fresh(whaledb_databases.template()) as target:
        yield target


@pytest.fixture
async def folder(tmp_path: Path, connection: asyncpg.Connection) -> QueryFolder:
    """The statements; the tables that they need were made anew."""
    return await note_folder(tmp_path, connection)


@pytest.fixture
async def notes(folder: QueryFolder) -> Notes:
    return Notes(folder)


@pytest.fixture
async def lossy(
    notes: Notes, target: ConnectionTarget
) -> AsyncGenerator[tuple[Proxy, Database], None]:
    """The database through a proxy; each statement was used before, and so is prepared."""
    async with (
        proxied(target) as (proxy, through),
        whaledb.connect(through, max_size=1, acquire_timeout_s=20) as db,
    ):
        await notes.insert(db, "first")
        await notes.find(db, "first")
        await notes.find_unproven(db, "first")
        yield proxy, db
