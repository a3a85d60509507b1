"""One API for the tests of this folder, on a database with two people and a market."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.api.app import create_app
from tests.api.people import People, prepare
from tests.api.serving import served
from tests.api.tokens import SETTINGS, bearer
from typedsql import testing
from typedsql.settings import ConnectionTarget

CALL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Api:
    """A served API, its database, and who has rows in it."""

    url: str
    target: ConnectionTarget
    people: People

    def client(self, user: UUID | None = None) -> httpx.AsyncClient:
        """A client of a user, or of nobody."""
        headers = {} if user is None else bearer(user)
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=CALL_TIMEOUT_S)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[asyncpg.Connection, None]:
        """A connection of the database's owner, whom no policy limits."""
        connection = await asyncpg.connect(**self.target.asyncpg_arguments())
        try:
            yield connection
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def api(whaledb_databases: testing.Databases) -> Generator[Api, None, None]:
    """Tests leave the rows of its people and of its market as they are."""
    with whaledb_databases.fresh(whaledb_databases.template()) as target:
        with asyncio.Runner() as runner:
            people = runner.run(prepare(target))
        with served(create_app(SETTINGS, target=target)) as url:
            yield Api(url, target, people)


@pytest.fixture
async def me(api: Api) -> AsyncGenerator[httpx.AsyncClient, None]:
    """The one who asks."""
    async with api.client(api.people.asking.id) as client:
        yield client


@pytest.fixture
async def newcomer(api: Api) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Somebody with an account and nothing else, whose rows a test may make and change."""
    user = uuid4()
    async with api.connection() as connection:
        await connection.execute("INSERT INTO auth.users (id) VALUES ($1)", user)
    async with api.client(user) as client:
        yield client


@pytest.fixture
async def nobody(api: Api) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client without a token."""
    async with api.client() as client:
        yield client
