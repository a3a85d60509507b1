"""What users of poolers and of Supabase complain about: each has a name and a way out."""

import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

import whaledb
from tests.engine.doctoring import codes, environment, look
from tests.engine.refusing import CANARY, refusing_server
from tests.pgbouncer import Pgbouncer, standing_before
from tests.servers import throwaway_server
from typedsql import connect_failure
from typedsql.errors import ConfigurationError, OperatorError
from typedsql.settings import ConnectionTarget, resolve_target
from typedsql.testing import TestServer
from typedsql.tools import migrations
from typedsql.tools.doctor import Diagnosis, diagnose
from whaledb.project import PROJECT
from whaledb.queries import liquidity_zones

MARKET = {"exchange": "kraken", "symbol": "ETH-USD"}


def action(found: Diagnosis, code: str) -> str:
    (told,) = [finding.action for finding in found.findings if finding.code == code]
    return told


async def settings_only(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Diagnosis:
    """What is found before anything is connected to."""
    monkeypatch.setattr("typedsql.tools.doctor.reachable", _unavailable)
    found = await diagnose(PROJECT, environ={"HOME": "/nonexistent", **environ})
    assert CANARY not in repr(found)
    return found


def _unavailable(target: ConnectionTarget) -> Any:
    raise ConfigurationError("it is not connected to", code="stopped")


# What a server or a pooler says

REFUSALS = {
    "tls_required": [
        (
            "28000",
            'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption',
        ),
    ],
    "tenant_not_found": [
        ("XX000", "Tenant or user not found"),
        ("XX000", "(ENOTFOUND) tenant/user u.abc not found"),
    ],
    "pooler_full": [
        (
            "XX000",
            "MaxClientsInSessionMode: max clients reached - in Session mode max clients are"
            " limited to pool_size",
        ),
        ("XX000", "(EMAXCONNSESSION) max clients reached in session mode: pool_size: 15"),
        ("XX000", "Max client connections reached"),
        ("08P01", "no more connections allowed (max_client_conn)"),
    ],
    "startup_parameter": [
        ("08P01", "unsupported startup parameter: idle_in_transaction_session_timeout"),
        ("08P01", "unsupported startup parameter in options: lock_timeout"),
    ],
    "wrong_password": [
        ("28P01", 'password authentication failed for user "u"'),
        ("08P01", "password authentication failed"),
        ("08P01", "no such user: u"),
    ],
    "unknown_database": [
        ("08P01", "no such database: d"),
        ("08P01", 'database "d" does not exist'),
    ],
    "pooler_without_server": [
        ("08P01", "server login has been failing, try again later (server_login_retry)"),
    ],
    "too_many_connections": [("53300", "sorry, too many clients already")],
    "starting": [("57P03", "the database system is starting up")],
    "no_standby": [("57P03", "the database system is not accepting connections")],
    "not_allowed": [("42501", 'permission denied for database "d"')],
    "refused": [("08P01", "something new")],
}


@pytest.mark.parametrize(
    ("code", "said"), [(code, said) for code, all_said in REFUSALS.items() for said in all_said]
)
async def test_what_servers_and_poolers_say_is_recognised(code: str, said: tuple[str, str]) -> None:
    async with refusing_server(*said) as (target, _):
        found = await look(target)
    assert codes(found) == [code]
    assert found.findings[0].action


@pytest.mark.parametrize("sqlstate", ["26000", "42P05"])
async def test_prepared_statements_that_a_pooler_lost_are_recognised(sqlstate: str) -> None:
    words = {"26000": "does not exist", "42P05": "already exists"}
    said = f'prepared statement "__asyncpg_stmt_1__" {words[sqlstate]}'
    async with refusing_server(sqlstate, said, after_login=True) as (target, _):
        found = await look(target)
        with pytest.raises(OperatorError, match="set DATABASE_MODE=transaction") as caught:
            async with whaledb.connect(target, migrations="ignore") as db:
                await liquidity_zones.count(db, **MARKET)
    assert codes(found) == ["prepared_statements"]
    assert action(found, "prepared_statements") == "set DATABASE_MODE=transaction"
    assert caught.value.sqlstate == sqlstate


async def test_a_full_pooler_is_waited_for_as_a_full_server_is() -> None:
    for code in ("pooler_full", "too_many_connections", "tenant_not_found"):
        for said in REFUSALS[code]:
            async with refusing_server(*said) as (target, _):
                with pytest.raises(asyncpg.PostgresError) as caught:
                    await asyncpg.connect(**target.asyncpg_arguments())
            # The control: who is not known stays so.
            assert connect_failure.may_pass(caught.value) == (code != "tenant_not_found")


# What a real PgBouncer does


@pytest.fixture
def narrow(server: TestServer) -> Iterator[Pgbouncer]:
    """One with a single session, which all its clients meet."""
    with standing_before(server.target, pool_size=1) as pgbouncer:
        yield pgbouncer


async def test_pgbouncer_taken_for_the_server_is_recognised(
    narrow: Pgbouncer, target: ConnectionTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = narrow.target(target)
    found = await look(through, DATABASE_MODE="direct")
    assert codes(found) == ["startup_parameter"]
    assert action(found, "startup_parameter").startswith("set DATABASE_MODE=transaction")

    other = await asyncpg.connect(**through.asyncpg_arguments())
    for number in range(20):  # as another process would, which counts its names from 1 as well
        monkeypatch.setattr("asyncpg.connection._uid", number)
        await other.fetchval(f"SELECT {number}")
    monkeypatch.setattr("asyncpg.connection._uid", 0)
    found = await look(through, DATABASE_MODE="session")
    await other.close()
    assert codes(found) == ["prepared_statements"]

    # The control: what the doctor says to do is the cure.
    for cured in (await look(through, DATABASE_MODE="transaction"), await look(through)):
        assert codes(cured) == ["transaction_pooler"]
        assert (cured.sound, cured.migration_version) == (True, PROJECT.latest_migration)


async def test_something_between_that_takes_everything_is_told_by_its_number(
    narrow: Pgbouncer, target: ConnectionTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = await asyncpg.connect(
        **narrow.target(target).asyncpg_arguments(), statement_cache_size=0
    )
    own = await asyncpg.connect(**target.asyncpg_arguments())
    for connection, same in ((own, True), (through, False)):
        told = await connection.fetchval("SELECT pg_backend_pid()")
        assert (told == connection.get_server_pid()) is same
        await connection.close()
    monkeypatch.setattr(asyncpg.Connection, "get_server_pid", lambda self: -5)
    assert codes(await look(target)) == ["pooler"]
    assert codes(await look(target, DATABASE_MODE="session")) == []


async def test_nothing_is_migrated_through_a_transaction_pooler(
    narrow: Pgbouncer, target: ConnectionTarget
) -> None:
    through = narrow.target(target)
    for refused in (through, replace(target, mode="transaction")):
        with pytest.raises(ConfigurationError, match="lose their lock") as caught:
            await migrations.migrate(refused, PROJECT)
        assert caught.value.code == "transaction_pooler"
    # The control: it is the mode that decides, not the port.
    assert await migrations.migrate(replace(target, mode="session"), PROJECT)


# The network


def test_failures_of_networks_are_recognised() -> None:
    """What a machine's network does cannot be had at will: the system's own errors instead."""
    target = resolve_target("postgres://u@db.example.com/d", project="toy", environ={})
    failures = {
        OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)): "unreachable",
        # Of a host with several addresses.
        OSError("Multiple exceptions: [Errno 101] Network is unreachable, ..."): "unreachable",
        OSError("Multiple exceptions: [Errno 99] Cannot assign requested address"): "unreachable",
        TimeoutError(): "no_answer",
        ssl.SSLError("WRONG_VERSION_NUMBER"): "tls_failed",
    }
    for failure, code in failures.items():
        problem = connect_failure.explain(failure, target)
        assert problem is not None
        assert problem.code == code
        assert problem.action
        assert ("session pooler" in problem.action) == (code == "unreachable")
    assert connect_failure.explain(ValueError("not about connecting"), target) is None


def test_a_direct_host_without_an_address_of_this_network_has_the_session_pooler() -> None:
    url = "postgres://u@{}/d?sslrootcert=system"
    for host, told in (("db.abcdefgh.supabase.co", True), ("db.example.com", False)):
        target = resolve_target(url.format(host), project="toy", environ={})
        failure = socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
        problem = connect_failure.explain(failure, target)
        assert problem is not None
        assert problem.code == "unknown_host"
        assert ("session pooler" in problem.action) is told


# Settings


@pytest.mark.parametrize(
    ("code", "environ"),
    [
        ("special_characters", {"DATABASE_URL": f"postgres://u:{CANARY}/x@h/d"}),
        ("api_key", {"DATABASE_URL": f"postgres://u:sb_secret_{CANARY}@h/d"}),
        (
            "pooler_user",
            {"DATABASE_URL": "postgres://u@x.pooler.supabase.com/d?sslrootcert=system"},
        ),
        (
            "no_authority",
            {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_DB_PASSWORD": CANARY},
        ),
        (
            "unverified_server",
            {"DATABASE_URL": "postgres://u@db.abc.supabase.co/d?sslmode=require"},
        ),
        ("configuration", {"DATABASE_MODE": CANARY, "DATABASE_URL": "postgres://u@h/d"}),
    ],
)
async def test_settings_that_cannot_be_used_have_a_name(
    monkeypatch: pytest.MonkeyPatch, code: str, environ: dict[str, str]
) -> None:
    found = await settings_only(monkeypatch, **environ)
    assert codes(found) == [code]
    assert not found.sound


async def test_a_mode_that_a_supabase_pooler_does_not_have_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "postgres://u.abc@x.pooler.supabase.com:{}/d?sslrootcert=system"
    for port, mode, expected in (
        (6543, "direct", ["mode"]),
        (6543, "session", ["mode"]),
        (5432, "direct", ["mode"]),
        (5432, "session", []),
        (5432, "transaction", ["transaction_pooler"]),
    ):
        found = await settings_only(monkeypatch, DATABASE_URL=url.format(port), DATABASE_MODE=mode)
        assert codes(found) == [*expected, "stopped"]
    elsewhere = "postgres://u@h:6432/d?sslmode=verify-full&sslrootcert=system"
    found = await settings_only(monkeypatch, DATABASE_URL=elsewhere, DATABASE_MODE="session")
    assert codes(found) == ["stopped"]


@pytest.fixture(scope="module")
def password_server() -> Iterator[ConnectionTarget]:
    with throwaway_server(18) as target:
        yield target


async def test_a_password_that_is_encoded_where_it_must_not_be(
    password_server: ConnectionTarget,
) -> None:
    variables = {
        "POSTGRES_HOST": password_server.host,
        "POSTGRES_PORT": str(password_server.port),
        "PGSSLMODE": "disable",
    }
    for secret, told in ((f"{CANARY}%23", True), (f"{CANARY}#", False)):
        found = await diagnose(PROJECT, environ={**variables, "POSTGRES_PASSWORD": secret})
        assert codes(found) == ["wrong_password"]
        assert ("not percent-encoded" in action(found, "wrong_password")) is told
        assert CANARY not in repr(found)
    wrong = replace(password_server, password=SecretStr(CANARY))
    assert "# / @ ? % and : of a password are percent-encoded" in action(
        await look(wrong), "wrong_password"
    )


# Rights


@pytest.fixture
async def login(connection: asyncpg.Connection) -> AsyncIterator[str]:
    """A login of the test's own: roles belong to the whole server."""
    name = f"doctor_login_{connection.get_server_pid()}"
    await connection.execute(f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '{CANARY}'")
    yield name
    await connection.execute(f"DROP OWNED BY {name}")
    await connection.execute(f"DROP ROLE {name}")


async def test_a_policy_without_its_grant_is_told(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    assert codes(await look(target)) == []
    await connection.execute("REVOKE ALL ON public.alerts FROM authenticated")
    found = await look(target)
    assert codes(found) == ["api_grants"]
    assert found.sound
    assert action(found, "api_grants").startswith(
        "run GRANT DELETE, INSERT, SELECT, UPDATE ON public.alerts TO authenticated"
    )
    # The control: following it is the cure.
    await connection.execute("GRANT DELETE, INSERT, SELECT ON public.alerts TO authenticated")
    await connection.execute("GRANT UPDATE (enabled) ON public.alerts TO authenticated")
    assert codes(await look(target)) == []


async def test_an_api_role_that_sees_every_row_is_told(
    target: ConnectionTarget,
    connection: asyncpg.Connection,
    login: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("typedsql.identities.API_ROLES", (login,))
    assert codes(await look(target)) == []
    await connection.execute(f"ALTER ROLE {login} BYPASSRLS")
    found = await look(target)
    assert codes(found) == ["api_role_power"]
    assert not found.sound
    assert action(found, "api_role_power").startswith(f"ALTER ROLE {login} NOSUPERUSER")


async def test_a_gateway_is_looked_at(
    target: ConnectionTarget, connection: asyncpg.Connection, login: str
) -> None:
    own = replace(target, user=login, password=SecretStr(CANARY), embedded_dir=None)
    variable = {"GATEWAY_DATABASE_URL": own.dbmate_url()}
    found = await look(target, **variable)
    assert [(item.code, item.action) for item in found.findings] == [
        ("gateway", f"GRANT authenticated TO {login}")
    ]
    await connection.execute(f"GRANT anon, authenticated TO {login}")
    found = await look(target, **variable)
    assert codes(found) == []
    assert found.gateway == f"{login}@{target.host}:{target.port}/{target.database}" + (
        " (GATEWAY_DATABASE_URL)"
    )
    # A URL that is given counts instead of the environment, in which the gateway belongs to
    # another database.
    given = await diagnose(PROJECT, target.dbmate_url(), environ=environment(target, **variable))
    assert given.gateway is None


async def test_a_gateway_that_leads_elsewhere_or_nowhere_is_told(
    target: ConnectionTarget, server: TestServer, login: str, connection: asyncpg.Connection
) -> None:
    await connection.execute(f"GRANT anon, authenticated TO {login}")
    own = replace(target, user=login, password=SecretStr(CANARY), embedded_dir=None)
    found = await look(
        target, GATEWAY_DATABASE_URL=replace(own, database=server.target.database).dbmate_url()
    )
    assert codes(found) == ["gateway"]
    assert "leads to another database" in found.findings[0].message
    found = await look(target, GATEWAY_DATABASE_URL=replace(own, database="nowhere").dbmate_url())
    assert codes(found) == ["gateway"]
    assert "has no database nowhere" in found.findings[0].message
    found = await look(target, GATEWAY_DATABASE_URL=f"postgres://u:{CANARY}#@h/d")
    assert codes(found) == ["gateway"]
    assert found.findings[0].message.startswith("GATEWAY_DATABASE_URL is not a usable")
