"""The doctor recognises what is usually wrong, and says what to do about it."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from tests.engine.doctoring import codes, look
from tests.engine.refusing import CANARY
from tests.servers import throwaway_server
from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget, resolve_target
from typedsql.tools import migrations
from typedsql.tools.doctor import diagnose
from typedsql.tools.server_log import find_server_log
from whaledb.project import PROJECT

TABLE = PROJECT.migrations_table


# Where it would connect, and why


async def test_a_sound_database_has_no_findings(target: ConnectionTarget) -> None:
    found = await look(target)
    assert found.findings == []
    assert found.sound
    assert found.answers
    assert found.decided_by == "DATABASE_URL"
    assert found.role == target.user
    assert found.migration_version == PROJECT.latest_migration
    assert found.pending_migrations == 0
    assert found.dbmate is not None
    assert found.latency_ms is not None


async def test_what_is_overruled_is_named(target: ConnectionTarget) -> None:
    found = await look(target, POSTGRES_HOST=target.host, SUPABASE_URL="http://localhost:54321")
    assert found.overruled == ["POSTGRES_HOST", "SUPABASE_URL"]
    by_argument = await diagnose(
        PROJECT, target.dbmate_url(), environ={"DATABASE_URL": f"postgres://u:{CANARY}@h/d"}
    )
    assert by_argument.decided_by == "argument"
    assert by_argument.overruled == ["DATABASE_URL"]
    assert CANARY not in repr(by_argument)


async def test_a_malformed_url_is_told_without_a_part_of_it() -> None:
    url = f"postgres://user:{CANARY}%ZZ@host/database"
    found = await diagnose(PROJECT, environ={"DATABASE_URL": url})
    assert codes(found) == ["special_characters"]
    assert not found.sound
    assert "DATABASE_URL" in found.findings[0].message
    assert "percent-encoded" in found.findings[0].action
    assert CANARY not in repr(found)


async def test_variables_of_other_programs_are_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "embedded"
    monkeypatch.setattr(
        "typedsql.settings.default_embedded_dir", lambda project, environment=None: folder
    )
    monkeypatch.setattr("typedsql.tools.doctor.reachable", _unavailable)
    found = await diagnose(PROJECT, environ={"PGHOST": "db.example.com", "HOME": str(tmp_path)})
    assert "foreign_variables" in codes(found)
    assert "PGHOST is set, but not read" in found.findings[0].message
    assert found.decided_by is not None
    assert found.decided_by.startswith("embedded")


@contextlib.asynccontextmanager
async def _unavailable(target: ConnectionTarget) -> AsyncGenerator[ConnectionTarget, None]:
    raise ConfigurationError("the extra embedded is not installed")
    yield target


# Migrations


async def test_an_empty_database_is_not_migrated(empty_database: ConnectionTarget) -> None:
    found = await look(empty_database)
    assert codes(found) == ["not_migrated"]
    assert found.findings[0].action == "run `whaledb migrate`"
    assert found.pending_migrations


async def test_behind_and_ahead(target: ConnectionTarget, connection: asyncpg.Connection) -> None:
    await connection.execute(f"INSERT INTO {TABLE} VALUES ('29990101000000')")
    ahead = await look(target)
    assert (codes(ahead), ahead.sound) == (["ahead"], True)
    await connection.execute(
        f"DELETE FROM {TABLE} WHERE version >= $1",
        PROJECT.latest_migration,
    )
    behind = await look(target)
    assert (codes(behind), behind.sound, behind.pending_migrations) == (["behind"], False, 1)


async def test_an_invalid_index_is_found(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE TABLE public.twice AS VALUES (1), (1);"
        "ALTER TABLE public.twice ENABLE ROW LEVEL SECURITY"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY twice_id ON public.twice (column1)"
        )
    found = await look(target)
    assert codes(found) == ["invalid_index"]
    assert found.findings[0].action == "run REINDEX INDEX CONCURRENTLY public.twice_id"


async def test_a_read_only_database_is_a_warning(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        f'ALTER DATABASE "{target.database}" SET default_transaction_read_only = on'
    )
    found = await look(target)
    assert (codes(found), found.read_only, found.sound) == (["read_only"], True, True)


async def test_what_breaks_a_rule_of_the_catalogs_is_a_warning(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute("CREATE TABLE public.exposed (id BIGINT)")
    found = await look(target)
    assert (codes(found), found.sound) == (["row_security"], True)
    assert "public.exposed is exposed without row level security" in found.findings[0].message


async def test_a_role_without_rights_on_the_migrations_is_told(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    name = f"doctor_stranger_{secrets.token_hex(6)}"  # roles belong to the whole server
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{CANARY}'")
    try:
        found = await look(replace(target, user=name, password=SecretStr(CANARY)))
        assert codes(found) == ["migrations_unreadable"]
        assert f"may not read {TABLE}" in found.findings[0].message
    finally:
        await connection.execute(f"DROP ROLE {name}")


async def test_a_missing_dbmate_is_a_warning(
    target: ConnectionTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    found = await look(target)
    assert (codes(found), found.dbmate, found.sound) == (["dbmate_unusable"], None, True)


# Servers that do not let anybody in


@pytest.fixture(scope="module")
def password_server() -> Iterator[ConnectionTarget]:
    """A server over TCP that asks for a password and has no TLS."""
    with throwaway_server(18) as target:
        yield replace(target, sslmode=None, source="DATABASE_URL")


async def test_a_wrong_password(password_server: ConnectionTarget) -> None:
    found = await look(replace(password_server, password=SecretStr(CANARY)))
    assert (codes(found), found.answers) == (["wrong_password"], False)


async def test_a_database_that_is_not_there(password_server: ConnectionTarget) -> None:
    found = await look(replace(password_server, database="nowhere"))
    assert codes(found) == ["database_missing"]
    assert found.findings[0].action == "run `whaledb migrate`, which creates it"


async def test_no_server(server_port_of_nobody: int, password_server: ConnectionTarget) -> None:
    found = await look(
        replace(password_server, port=server_port_of_nobody, password=SecretStr(CANARY))
    )
    assert codes(found) == ["no_server"]
    assert "connection refused" in found.findings[0].message


@pytest.mark.parametrize("answer", [b"", b"H", b"N"], ids=["nothing", "another", "no TLS"])
async def test_another_kind_of_server(password_server: ConnectionTarget, answer: bytes) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await look(replace(password_server, port=port, sslmode=None))
    assert codes(found) == ["not_postgresql"]
    assert "does not speak as PostgreSQL does" in found.findings[0].message


async def test_a_misspelt_variable_is_named() -> None:
    given = {"HOME": "/nonexistent", "DATABASEURL": CANARY, "POSTGRES_HSOT": "x"}
    found = await diagnose(PROJECT, None, environ=given | {"TEST_DATABASE_URL": "y"})
    told = [item for item in found.findings if item.code == "misspelt_variable"]
    assert [item.message for item in told] == [
        "DATABASEURL is set, but not read",
        "POSTGRES_HSOT is set, but not read",
    ]
    assert "DATABASE_URL" in told[0].action
    assert CANARY not in repr(found)


async def test_a_host_that_nobody_knows(password_server: ConnectionTarget) -> None:
    found = await look(replace(password_server, host="nowhere.invalid"))
    assert "unknown_host" in codes(found)


async def test_tls_that_the_server_does_not_have(password_server: ConnectionTarget) -> None:
    found = await look(replace(password_server, sslmode="require"))
    assert codes(found) == ["tls_unsupported"]
    assert "sslmode=require demands it" in found.findings[0].message
    plain = await look(password_server)
    assert (plain.answers, plain.tls) == (True, False)


# Where the log is


LOGS = {
    "stderr": ({}, "its standard error: see journalctl, or docker logs"),
    "syslog": (
        {"log_destination": "syslog"},
        "the system log of the server's machine (syslog)",
    ),
    "collector": (
        {"logging_collector": "on", "log_filename": "day.log"},
        "/data/log/day.log on the server",
    ),
}


@pytest.fixture(params=LOGS)
def logging_server(request: pytest.FixtureRequest) -> Iterator[tuple[ConnectionTarget, str]]:
    """A server that logs in a way of its own, and where that is."""
    settings, place = LOGS[request.param]
    with throwaway_server(18, settings=settings) as target:
        yield target, place


async def test_the_servers_log_is_named(logging_server: tuple[ConnectionTarget, str]) -> None:
    server, place = logging_server
    found = await look(server)
    assert found.server_log is not None
    assert found.server_log.endswith(place)
    admin = await asyncpg.connect(**server.asyncpg_arguments())
    name = f"log_stranger_{secrets.token_hex(6)}"
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{CANARY}'")
    await admin.close()
    stranger = await look(replace(server, user=name, password=SecretStr(CANARY)))
    if place.startswith("/"):
        place = "files on the server; a member of pg_monitor may ask which"
    assert stranger.server_log == place


@pytest.mark.parametrize(
    ("host", "folder", "place"),
    [
        ("db.abcdefgh.supabase.co", None, "Supabase's dashboard, under Logs, Postgres"),
        ("aws-0-eu.pooler.supabase.com", None, "Supabase's dashboard, under Logs, Postgres"),
        ("/run/socket", Path("/srv/own"), "/srv/own/server.log"),
    ],
)
async def test_the_log_of_a_server_that_is_known_by_its_place(
    host: str, folder: Path | None, place: str
) -> None:
    target = resolve_target("postgres://u@localhost/d", project="toy", environ={})
    known = replace(target, host=host, embedded_dir=folder)
    # Nothing is asked of a connection then.
    assert await find_server_log(None, known) == place


async def test_settings_that_are_risky_elsewhere_are_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("typedsql.tools.doctor.reachable", _unavailable)
    url = f"postgres://u:{CANARY}@192.0.2.1:6543/d?sslmode=require"
    found = await diagnose(PROJECT, environ={"DATABASE_URL": url})
    assert codes(found) == ["transaction_pooler", "unverified_server", "configuration"]
    assert CANARY not in repr(found)


async def test_the_doctor_changes_nothing(
    empty_database: ConnectionTarget,
) -> None:
    await look(empty_database)
    states = await migrations.status(empty_database, PROJECT)
    assert not any(state.applied for state in states)
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    assert await connection.fetchval("SELECT to_regnamespace('dbmate')::text") is None
    await connection.close()
