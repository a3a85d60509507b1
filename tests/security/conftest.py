"""The application `app` by each route of the run, and its owner's connection beside it."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

import whaledb
from tests.databases import Databases
from tests.pgbouncer import Pgbouncer
from tests.security import people, routes
from tests.security.routes import Route
from typedsql import testing
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer

MAX_CONNECTIONS = 2
"""Of the application: few, so that a request meets the session of the one before it."""
ACQUIRE_TIMEOUT_S = 10
"""Against hanging only, where a test takes more than those."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "route" in metafunc.fixturenames:
        metafunc.parametrize("route", routes.chosen())


@pytest.fixture(scope="module")
def cases_target(whaledb_databases: testing.Databases) -> Iterator[ConnectionTarget]:
    """A migrated database for the tests of a module, which run one after the other."""
    with whaledb_databases.fresh(whaledb_databases.template()) as target:
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_owner(cases_target: ConnectionTarget) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(**cases_target.asyncpg_arguments())
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def owner(module_owner: asyncpg.Connection) -> asyncpg.Connection:
    """A plain connection of the tables' owner, after Alice and Bob have what is theirs.

    For what a test prepares, looks up and takes away from the protection for its control.
    """
    await people.settle(module_owner)
    return module_owner


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway_login(
    server: TestServer, databases: Databases
) -> AsyncGenerator[tuple[str, SecretStr]]:
    """Name and password of a login that may only become an API role."""
    await databases.template()  # whose migrations make the API roles
    async with made_login(server.target) as made:
        yield made


@asynccontextmanager
async def made_login(server: ConnectionTarget) -> AsyncGenerator[tuple[str, SecretStr]]:
    """Such a login on a server, whose administration `server` is."""
    name, password = f"test_gateway_{secrets.token_hex(6)}", secrets.token_urlsafe(16)
    admin = await asyncpg.connect(**server.asyncpg_arguments())
    try:
        await admin.execute(
            f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '{password}' IN ROLE anon, authenticated"
        )
        yield name, SecretStr(password)
        await admin.execute(f"DROP ROLE {name}")
    finally:
        await admin.close()


@pytest.fixture
def gateway_target(
    request: pytest.FixtureRequest,
    route: Route,
    cases_target: ConnectionTarget,
    gateway_login: tuple[str, SecretStr],
) -> ConnectionTarget:
    """The module's database for that login; through PgBouncer where the route is that."""
    user, password = gateway_login
    direct = replace(cases_target, user=user, password=password)
    if route != "pgbouncer":
        return direct
    pgbouncer: Pgbouncer = request.getfixturevalue("pgbouncer")
    return pgbouncer.target(direct)


Opener = Callable[..., AbstractAsyncContextManager[Database]]


@pytest.fixture
def connect_app(
    request: pytest.FixtureRequest, route: Route, cases_target: ConnectionTarget
) -> Opener:
    """Opens the module's database by this route, for a test that has options of its own."""
    target, options = (
        cases_target,
        {
            "max_size": MAX_CONNECTIONS,
            "acquire_timeout_s": ACQUIRE_TIMEOUT_S,
        },
    )
    if route == "gateway":
        options["gateway"] = request.getfixturevalue("gateway_target")
    if route == "pgbouncer":
        pgbouncer: Pgbouncer = request.getfixturevalue("pgbouncer")
        target = pgbouncer.target(target)
    return lambda **own: whaledb.connect(target, **(options | own))


AppOf = Callable[[Route, Opener], Awaitable[Database]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app_of(cases_target: ConnectionTarget) -> AsyncGenerator[AppOf]:
    """One application for each route, for all tests of a module: opening one takes longer than
    most of them."""
    del cases_target  # which is dropped after their end
    async with AsyncExitStack() as stack:
        opened: dict[Route, Database] = {}

        async def app_of(route: Route, connect: Opener) -> Database:
            if route not in opened:
                opened[route] = await stack.enter_async_context(connect())
            return opened[route]

        yield app_of


@pytest_asyncio.fixture(loop_scope="session")
async def app(
    route: Route, connect_app: Opener, app_of: AppOf, owner: asyncpg.Connection
) -> Database:
    """The application: the library connected by this route, to what `owner` has prepared."""
    del owner
    return await app_of(route, connect_app)


@pytest_asyncio.fixture(loop_scope="session")
async def owner_of_none(owner: asyncpg.Connection) -> AsyncGenerator[asyncpg.Connection]:
    """The owner's connection, with no transfers in the database before and after."""
    await owner.execute("DELETE FROM public.whale_transactions")
    yield owner
    await owner.execute("DELETE FROM public.whale_transactions")
