"""The health check: a sick database is told, never raised."""

import secrets
from dataclasses import replace

import asyncpg
import msgspec
import pytest
from pydantic import SecretStr

import whaledb
from tests.servers import TestServer
from typedsql.connect_failure import ConnectProblem
from typedsql.database import Database
from typedsql.errors import Error
from typedsql.health import Health, check_health, connect_and_check
from typedsql.settings import ConnectionTarget
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

TABLE = PROJECT.migrations_table


async def test_a_healthy_database_tells_version_latency_and_pool(db: Database) -> None:
    found = await check_health(db)
    assert (found.status, found.reason) == ("healthy", None)
    async with db.connection() as connection:
        assert found.server_version == await connection.fetchval("SHOW server_version")
    assert found.latency_ms is not None
    assert found.latency_ms > 0
    assert found.read_only is False
    assert found.migration_version == found.expected_migration == PROJECT.latest_migration
    assert found.pool_size == 1
    assert found.target == db.target.describe()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Health) == found


async def test_an_empty_database_is_unhealthy_and_says_what_to_do(
    empty_database: ConnectionTarget,
) -> None:
    found = await connect_and_check(empty_database, PROJECT)
    assert found.status == "unhealthy"
    assert found.reason is not None
    assert "has no migrations" in found.reason
    assert "`whaledb migrate`" in found.reason
    assert found.server_version is not None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("DELETE FROM {} WHERE version = '{}'", "unhealthy"),
        ("INSERT INTO {} VALUES ('2999' || substr('{}', 5))", "healthy"),
    ],
    ids=["behind", "ahead"],
)
async def test_only_a_database_that_is_behind_is_unhealthy(
    target: ConnectionTarget, connection: asyncpg.Connection, change: str, status: str
) -> None:
    await connection.execute(change.format(TABLE, PROJECT.latest_migration))
    found = await connect_and_check(target, PROJECT)
    assert found.status == status
    assert (found.reason is None) == (status == "healthy")
    assert (found.notice is None) == (status == "unhealthy")
    assert found.migration_version != PROJECT.latest_migration


async def test_a_read_only_database_is_told(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        f'ALTER DATABASE "{target.database}" SET default_transaction_read_only = on'
    )
    found = await connect_and_check(target, PROJECT)
    assert (found.status, found.read_only) == ("healthy", True)


async def test_a_database_that_goes_away_under_its_pool_is_unhealthy(
    target: ConnectionTarget, server: TestServer
) -> None:
    async with whaledb.connect(target) as db:
        assert (await check_health(db)).status == "healthy"
        admin = await asyncpg.connect(**server.target.asyncpg_arguments())
        await admin.execute(f'DROP DATABASE "{target.database}" WITH (FORCE)')
        await admin.close()
        first, second = await check_health(db), await check_health(db)
        assert (first.status, second.status) == ("unhealthy", "unhealthy")
        assert second.reason is not None
        assert "has no database" in second.reason
        # The control: any other use of the pool raises.
        with pytest.raises(Error):
            async with db.connection():
                pass


async def test_a_server_that_does_not_answer_is_unhealthy_within_the_limit(db: Database) -> None:
    """All connections are in use by somebody who keeps them."""
    async with whaledb.connect(db.target, max_size=1) as full, full.connection():
        found = await check_health(full, timeout_s=0.2)
    assert found.status == "unhealthy"
    assert found.reason == ("no answer within 0.2 s: look at the server's load and at the network")


async def test_a_role_that_may_not_read_the_migrations_is_told(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    name = f"health_stranger_{secrets.token_hex(6)}"  # roles belong to the whole server
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'canary-41'")
    try:
        stranger = replace(target, user=name, password=SecretStr("canary-41"))
        found = await connect_and_check(stranger, PROJECT)
        assert found.status == "unhealthy"
        assert found.reason is not None
        assert f"may not read {TABLE}" in found.reason
        assert "canary" not in repr(found)
    finally:
        await connection.execute(f"DROP ROLE {name}")


async def test_no_secret_is_in_the_reason(server_port_of_nobody: int) -> None:
    nobody = ConnectionTarget(
        host="127.0.0.1",
        port=server_port_of_nobody,
        database="app",
        user="app",
        password=SecretStr("canary-42"),
        sslmode=None,
        sslrootcert=None,
        source="DATABASE_URL",
        embedded_dir=None,
    )
    found = await connect_and_check(nobody, PROJECT)
    assert found.status == "unhealthy"
    assert found.reason is not None
    assert "no server answers there" in found.reason
    assert "canary" not in repr(found)


def test_a_problem_reads_as_one_sentence() -> None:
    assert str(ConnectProblem("code", "it is broken", "mend it")) == "it is broken: mend it"
