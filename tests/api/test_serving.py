"""Its start, its health and its end."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace

import asyncpg
import httpx
import pytest
from pydantic import SecretStr, ValidationError

from tests.api.app import create_app
from tests.api.app.settings import Settings
from tests.api.conftest import Api
from tests.api.serving import served
from tests.api.tokens import SECRET, SETTINGS
from tests.databases import ROOT
from typedsql import testing
from typedsql.settings import ConnectionTarget

MAX_LOOKS = 1_000
OUR_CONNECTIONS = (
    "SELECT count(*) FROM pg_catalog.pg_stat_activity AS a"
    " WHERE a.datname = $1 AND a.application_name = 'whale-tracker-api'"
)


async def test_it_lives_and_is_ready(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.get("/health/live")).json() == {"status": "alive"}
    assert (await nobody.get("/health/ready")).json() == {"status": "ready"}


async def test_it_lives_and_is_not_ready(
    whaledb_databases: testing.Databases, connection: asyncpg.Connection
) -> None:
    target = whaledb_databases.create(whaledb_databases.template())
    with served(create_app(SETTINGS, target=target)) as url:
        whaledb_databases.drop(target)
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.get("/health/ready")
            assert (await client.get("/health/live")).status_code == 200
    assert answer.status_code == 503
    secrets = (target.database, target.host, target.user, str(target.port))
    assert not [each for each in secrets if each in answer.text]


async def test_its_connections_end_with_it(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    with served(create_app(SETTINGS, target=target)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/health/ready")).status_code == 200
        assert await connection.fetchval(OUR_CONNECTIONS, target.database) > 0
    # The server forgets a connection a moment after it is closed.
    for _ in range(MAX_LOOKS):
        left = await connection.fetchval(OUR_CONNECTIONS, target.database)
        if not left:
            break
        await asyncio.sleep(0.01)
    assert left == 0


async def test_a_process_serves_until_it_is_told_to_stop(api: Api) -> None:
    environment = os.environ | {
        "DATABASE_URL": api.target.dbmate_url(),
        "SUPABASE_JWT_SECRET": SECRET,
        "PYTHONUNBUFFERED": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.api.app", "--port", "0"),
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            said = b""
            while b"http://" not in said:
                said = await process.stderr.readline()
                assert said, "it ended"
            url = "http://" + said.partition(b"http://")[2].split()[0].decode()
            async with api.client(api.people.asking.id) as client:
                assert (await client.get(f"{url}/profile")).status_code == 200
            process.send_signal(signal.SIGTERM)
            rest = await process.stderr.read()
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    assert b"Application shutdown complete" in rest
    assert SECRET.encode() not in rest
    # uvicorn ends as the signal would have ended it.
    assert code in (0, -signal.SIGTERM)


async def test_it_does_not_start_without_its_database(api: Api) -> None:
    app = create_app(SETTINGS, target=replace(api.target, database="not_there"))
    with pytest.raises(RuntimeError, match="did not start"), served(app):
        pass


@pytest.mark.parametrize("secret", [None, "too short"])
def test_it_does_not_start_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    monkeypatch.delenv("SUPABASE_JWT_SECRET", raising=False)
    if secret is not None:
        monkeypatch.setenv("SUPABASE_JWT_SECRET", secret)
    with pytest.raises(ValidationError) as refused:
        create_app()
    assert "supabase_jwt_secret" in str(refused.value)
    assert "too short" not in str(refused.value)


def test_its_settings_do_not_tell_the_secret() -> None:
    assert SECRET not in repr(SETTINGS) + str(SETTINGS) + SETTINGS.model_dump_json()
    assert isinstance(SETTINGS.supabase_jwt_secret, SecretStr)
    # The control: it is in there.
    assert SETTINGS.supabase_jwt_secret.get_secret_value() == SECRET


def test_its_document_does_not_change_by_itself() -> None:
    made = [json.dumps(create_app(SETTINGS).openapi()) for _ in range(2)]
    assert made[0] == made[1]
    assert Settings.__doc__ is not None


def test_its_document_has_names_for_clients() -> None:
    document = create_app(SETTINGS).openapi()
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(set(operations)) == len(operations)
    assert {"create_alert", "list_alerts", "get_profile"} <= set(operations)
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    unused = [name for name in schemas if f'"#/components/schemas/{name}"' not in text]
    assert unused == []
    assert all(len(name) <= 40 for name in schemas)
