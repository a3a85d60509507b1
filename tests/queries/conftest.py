"""The query suite through a pooler: `TEST_POOLER=pgbouncer python -m pytest tests/queries`.

Then `db` reaches the test's database through PgBouncer in transaction mode. `connection` and
`rolled_back` stay what they are, the server's own sessions.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

import whaledb
from tests.pgbouncer import Pgbouncer, ServerLog, standing_before
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer

VARIABLE = "TEST_POOLER"
POOLER = os.environ.get(VARIABLE, "")

Route = Callable[[ConnectionTarget], ConnectionTarget]

if POOLER not in ("", "pgbouncer"):
    raise pytest.UsageError(f"{VARIABLE} is neither empty nor pgbouncer")


@pytest.fixture(scope="session")
def flawless_pgbouncer(server: TestServer) -> Iterator[Pgbouncer]:
    """At the end, neither it nor the server has complained of a name or a parameter."""
    log = ServerLog(server.target)
    with standing_before(server.target) as pgbouncer:
        yield pgbouncer
        assert pgbouncer.complaints() + log.name_errors() == []


@pytest.fixture(scope="session")
def route(request: pytest.FixtureRequest) -> Route:
    """How the library reaches a database: as it is, or through the pooler that was asked for."""
    if not POOLER:
        return lambda target: target
    pgbouncer: Pgbouncer = request.getfixturevalue("flawless_pgbouncer")
    return pgbouncer.target


@pytest.fixture
async def db(route: Route, target: ConnectionTarget) -> AsyncIterator[Database]:
    """The library connected to `target`, by way of `route`."""
    async with whaledb.connect(route(target)) as database:
        yield database
