"""Which way to a server a migration run takes, with TLS or without, and that its child follows."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from tests.engine.toy_project import CREATE_THINGS, FIRST, Make, bare_dbmate
from tests.servers import program_folder, throwaway_server
from typedsql.embedded.accounts import account_for
from typedsql.errors import ConfigurationError, ConnectionFailed
from typedsql.settings import ConnectionTarget
from typedsql.tools import migrations
from typedsql.tools.doctor import diagnose
from typedsql.tools.migration_session import open_connection
from whaledb.project import PROJECT

SYSTEM_MAJOR = 15


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    """A self-signed certificate for localhost, and beside it its key, for the server's user."""
    account = account_for(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pem, key = folder / "server.crt", folder / "server.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        try:
            subprocess.run(
                [*command, "-keyout", str(key), "-out", str(pem)], check=True, capture_output=True
            )
        except FileNotFoundError:
            pytest.skip("openssl is absent, so there is no certificate to test TLS with")
        key.chmod(0o600)
        folder.chmod(0o755)
        account.give(key)
        yield pem


@pytest.fixture(scope="module")
def tls_server(certificate: Path) -> Iterator[ConnectionTarget]:
    """Of the system's PostgreSQL: the wheel's is built without TLS."""
    try:
        program_folder(SYSTEM_MAJOR)
    except ConfigurationError:
        pytest.skip(f"no PostgreSQL {SYSTEM_MAJOR} of the system, and the wheel's has no TLS")
    settings = {
        "ssl": "on",
        "ssl_cert_file": str(certificate),
        "ssl_key_file": str(certificate.with_suffix(".key")),
    }
    with throwaway_server(SYSTEM_MAJOR, settings=settings) as target:
        yield replace(target, host="localhost", sslmode=None)


@pytest.fixture(scope="module")
def plain_server() -> Iterator[ConnectionTarget]:
    with throwaway_server(18) as target:
        yield replace(target, sslmode=None)


WAYS = {
    None: ("require", "disable"),
    "prefer": ("require", "disable"),
    "allow": ("disable", "disable"),
    "disable": ("disable", "disable"),
    "require": ("require", None),
}


@pytest.mark.parametrize("mode", WAYS)
async def test_the_way_taken_is_known(
    tls_server: ConnectionTarget, plain_server: ConnectionTarget, mode: str | None
) -> None:
    for target, expected in zip((tls_server, plain_server), WAYS[mode], strict=True):
        asked = replace(target, sslmode=mode)
        if expected is None:
            with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
                await open_connection(asked, application_name="test")
            continue
        connection, taken = await open_connection(asked, application_name="test")
        encrypted = await connection.fetchval(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        )
        await connection.close()
        assert (taken, encrypted) == (expected, expected == "require")


async def test_a_wrong_password_is_not_tried_the_other_way(tls_server: ConnectionTarget) -> None:
    wrong = replace(tls_server, password=SecretStr("wrong"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await open_connection(wrong, application_name="test")


async def test_migrations_run_with_verified_tls(
    tls_server: ConnectionTarget, certificate: Path, make: Make
) -> None:
    target = replace(
        tls_server, database="verified", sslmode="verify-full", sslrootcert=certificate
    )
    project = make({FIRST: CREATE_THINGS})
    assert (await migrations.migrate(target, project)).files
    with pytest.raises(ConnectionFailed, match="certificate was refused"):
        await migrations.migrate(replace(target, host="127.0.0.1"), project)


async def test_migrations_run_on_a_server_without_tls(
    plain_server: ConnectionTarget, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    target = replace(plain_server, database="plain")
    assert (await migrations.migrate(target, project)).files
    # The control: dbmate's driver asks for TLS unless it is told not to.
    url = target.dbmate_url().partition("?")[0]
    assert await bare_dbmate(target, project, DATABASE_URL=url) != 0


async def test_the_doctor_tells_whether_tls_is_used(
    tls_server: ConnectionTarget, certificate: Path
) -> None:
    url = tls_server.dbmate_url(sslmode="verify-full")
    found = await diagnose(
        PROJECT, environ={"DATABASE_URL": url, "PGSSLROOTCERT": str(certificate)}
    )
    assert (found.answers, found.tls) == (True, True)
    other = url.replace("localhost", "127.0.0.1")
    found = await diagnose(
        PROJECT, environ={"DATABASE_URL": other, "PGSSLROOTCERT": str(certificate)}
    )
    assert [finding.code for finding in found.findings] == ["certificate"]
