"""The PgBouncer that other tests use: what it shares, what it refuses, and when it is gone."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from tests.databases import ROOT, Databases
from tests.pgbouncer import Pgbouncer, standing_before
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer

LIMIT_S = 60.0
BACKEND = "SELECT pg_backend_pid()"


@asynccontextmanager
async def connected(target: ConnectionTarget, **options: Any) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        **target.asyncpg_arguments(), statement_cache_size=0, **options
    )
    try:
        yield connection
    finally:
        await connection.close()


async def test_clients_share_a_server_connection_and_what_was_set_in_it(
    pgbouncer: Pgbouncer, target: ConnectionTarget
) -> None:
    through = pgbouncer.target(target)
    assert (through.mode, through.database) == ("transaction", target.database)
    async with connected(through) as one, connected(through) as two:
        assert await one.fetchval(BACKEND) == await two.fetchval(BACKEND)
        await one.execute("SET work_mem = '77MB'")
        assert await two.fetchval("SHOW work_mem") == "77MB"


async def test_in_session_mode_each_client_has_its_own(
    server: TestServer, target: ConnectionTarget
) -> None:
    with standing_before(server.target, pool_mode="session") as pgbouncer:
        through = pgbouncer.target(target)
        assert through.mode == "session"
        async with connected(through) as one, connected(through) as two:
            assert await one.fetchval(BACKEND) != await two.fetchval(BACKEND)


async def test_no_more_server_connections_than_the_pool_has(
    server: TestServer, target: ConnectionTarget
) -> None:
    with standing_before(server.target, pool_size=2) as pgbouncer:
        through = pgbouncer.target(target)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(through)) for _ in range(6)]
            found = await asyncio.gather(*(client.fetchval(BACKEND) for client in clients))
    assert len(set(found)) <= 2


async def test_a_startup_parameter_that_it_does_not_know_is_refused(
    pgbouncer: Pgbouncer, target: ConnectionTarget
) -> None:
    with pytest.raises(asyncpg.ProtocolViolationError, match="unsupported startup parameter"):
        async with connected(pgbouncer.target(target), server_settings={"work_mem": "77MB"}):
            pass


async def test_a_wrong_password_is_refused_and_a_new_login_let_in(
    pgbouncer: Pgbouncer, target: ConnectionTarget, connection: Any
) -> None:
    through = pgbouncer.target(target)
    wrong = through.asyncpg_arguments() | {"password": "another"}
    with pytest.raises(asyncpg.PostgresError, match="password"):
        await asyncpg.connect(**wrong)
    login = f"pgbouncer_test_{connection.get_server_pid()}"
    await connection.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'its \"own'")
    try:
        own: dict[str, Any] = {"user": login, "password": SecretStr('its "own')}
        async with connected(pgbouncer.target(replace(target, **own))) as client:
            assert await client.fetchval("SELECT current_user") == login
    finally:
        await connection.execute(f"DROP ROLE {login}")


async def test_a_database_can_be_dropped_that_it_is_connected_to(
    pgbouncer: Pgbouncer, databases: Databases
) -> None:
    async with AsyncExitStack() as stack:
        async with databases.fresh() as fresh:
            client = await stack.enter_async_context(connected(pgbouncer.target(fresh)))
            await client.fetchval(BACKEND)
        with pytest.raises(asyncpg.PostgresError, match="does not exist"):
            await asyncpg.connect(**fresh.asyncpg_arguments())


async def test_it_is_started_again_where_it_dies(
    server: TestServer, target: ConnectionTarget
) -> None:
    with standing_before(server.target) as pgbouncer:
        through = pgbouncer.target(target)
        died = pgbouncer.number()
        os.kill(died, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_S):
            while pgbouncer.number() == died:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
            while True:
                with suppress(OSError):
                    async with connected(through) as client:
                        assert await client.fetchval("SELECT 1") == 1
                    break
        number = pgbouncer.number()
    assert not Path(f"/proc/{number}").exists()


def test_it_goes_with_the_process_that_started_it(server: TestServer) -> None:
    program = (
        "import sys; from tests.pgbouncer import standing_before\n"
        "from typedsql.testing.server import tcp_target\n"
        "with standing_before(tcp_target('127.0.0.1', 1, 'x', 'nothing')) as pgbouncer:\n"
        "    print(pgbouncer.number(), pgbouncer.folder, flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    number, name = process.stdout.readline().split()
    folder = Path(name)
    assert folder.is_dir()
    assert Path(f"/proc/{number}/comm").read_text() == "pgbouncer\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)
    deadline = time.monotonic() + LIMIT_S
    while Path(f"/proc/{number}").exists() or folder.exists():
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("required", [False, True])
def test_where_it_is_missing_a_test_is_skipped_or_fails(
    required: bool, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.pgbouncer.pgbouncer_program", lambda: None)
    monkeypatch.delenv("REQUIRE_PGBOUNCER", raising=False)
    if required:
        monkeypatch.setenv("REQUIRE_PGBOUNCER", "1")
    expected = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(expected, match="PgBouncer is not installed"):
        standing_before(server.target).__enter__()
