"""API roles that row level security does not limit, on a server of the tests' own.

A role belongs to the whole server, and elsewhere other tests may be counting on it.
"""

from collections.abc import AsyncGenerator, Iterator

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.pgbouncer import Pgbouncer, standing_before
from tests.security import attempts
from tests.security.attempts import changed, reach_for_bobs, take_on_by_hand
from tests.security.conftest import made_login
from tests.security.people import ALICE
from tests.servers import throwaway_server
from typedsql import testing
from typedsql.database import Database
from typedsql.errors import OperatorError
from typedsql.health import check_health
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer
from whaledb.project import PROJECT


@pytest.fixture(scope="module")
def own_server(server: TestServer) -> Iterator[ConnectionTarget]:
    """Of the release that the other tests run on."""
    with throwaway_server(int(server.version.partition(".")[0])) as target:
        yield target


@pytest.fixture(scope="module")
def cases_target(own_server: ConnectionTarget) -> Iterator[ConnectionTarget]:
    with testing.Databases(own_server, PROJECT) as made, made.fresh(made.template()) as target:
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway_login(
    own_server: ConnectionTarget, cases_target: ConnectionTarget
) -> AsyncGenerator[tuple[str, SecretStr]]:
    del cases_target  # whose migrations make the API roles
    async with made_login(own_server) as made:
        yield made


@pytest.fixture(scope="module")
def pgbouncer(own_server: ConnectionTarget) -> Iterator[Pgbouncer]:
    with standing_before(own_server) as running:
        yield running


@pytest.mark.case(13)
@pytest.mark.parametrize("power", ["BYPASSRLS", "SUPERUSER"])
@pytest.mark.parametrize("role", ["authenticated", "anon"])
async def test_a_powerful_api_role_is_refused(
    app: Database, owner: asyncpg.Connection, role: str, power: str
) -> None:
    user = ALICE if role == "authenticated" else None

    async def act() -> bool:
        async with app.as_user(user, role=role) as tx:  # type: ignore[arg-type]
            return bool(await attempts.value(tx, "SELECT TRUE"))

    async with changed(owner, f"ALTER ROLE {role} {power}", f"ALTER ROLE {role} NO{power}"):
        health = await check_health(app)
        assert health.status == "unhealthy"
        assert f"row level security does not limit the role {role}" in (health.reason or "")
        with pytest.raises(OperatorError, match=f"does not limit the role {role}"):
            await act()
        # The control: by hand it is taken on, and reaches what is Bob's.
        if role == "authenticated":
            async with app.transaction() as tx:
                await take_on_by_hand(tx, ALICE)
                listed, updated, _ = await reach_for_bobs(tx)
            assert listed == 1
            assert updated == 1
    assert (await check_health(app)).status == "healthy"
    assert await act()
