"""Databases for a module of tests each."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.proof import campaign, hard
from tests.proof.campaign import Campaign
from typedsql.tools.proof import Prover
from typedsql.tools.schema import REFERENCE_MAJOR


def pytest_configure(config: pytest.Config) -> None:
    # Where workers run the tests, who reports may not come to see this file: then
    # tests/conftest.py has to name the plugin.
    config.pluginmanager.import_plugin("tests.proof.summary")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(databases: Databases) -> AsyncGenerator["asyncpg.Connection"]:
    """A connection to the tables of the hard cases."""
    async with databases.fresh() as target:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            _need_reference(connection)
            await hard.install(connection)
            yield connection
        finally:
            await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prover(asked: "asyncpg.Connection") -> Prover:
    """For the statements that `asked` is asked."""
    return await Prover.load(asked)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare(databases: Databases) -> AsyncGenerator["asyncpg.Connection"]:
    """A connection to an empty database, for PostgreSQL's own functions."""
    async with databases.fresh() as target:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            _need_reference(connection)
            yield connection
        finally:
            await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fuzzing(databases: Databases) -> AsyncGenerator[Campaign]:
    """A campaign that is ready to ask."""
    async with databases.fresh() as target, campaign.opened(target) as opened:
        _need_reference(opened.analysing)
        yield opened


def _need_reference(connection: "asyncpg.Connection") -> None:
    major = connection.get_server_version().major
    if major != REFERENCE_MAJOR:
        pytest.skip(f"trees are read as release {REFERENCE_MAJOR} prints them, not {major}")
