"""The servers and databases that the tests run on."""

import asyncio
import os
import subprocess
import sys

import asyncpg
import pytest

from tests import databases, servers
from tests.databases import ROOT, Databases, drop_leftovers, open_databases
from tests.servers import TestServer
from typedsql.settings import ConnectionTarget

RUN_LIMIT_SECONDS = 180


def run_servers(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.servers", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_SECONDS,
        check=False,
    )


def test_a_command_gets_a_server_of_the_release_and_its_exit_code_is_passed_on() -> None:
    command = (
        "import asyncio, asyncpg, os, sys\n"
        "async def main():\n"
        "    connection = await asyncpg.connect(os.environ['TEST_DATABASE_URL'])\n"
        "    print(await connection.fetchval('SHOW server_version'))\n"
        "    print(connection._addr[1])\n"
        "asyncio.run(main())\n"
        "sys.exit(7)\n"
    )
    result = run_servers("--major", "16", "--", sys.executable, "-c", command)
    assert result.returncode == 7, result.stderr
    version, port = result.stdout.split()
    assert version.startswith("16.")

    async def knock() -> None:
        await asyncio.open_connection("127.0.0.1", int(port))

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(knock())


def test_a_release_that_is_nowhere_is_refused_before_the_command_runs() -> None:
    result = run_servers("--major", "9", "--", sys.executable, "-c", "print('ran')")
    assert result.returncode == 2
    assert "no PostgreSQL 9" in result.stderr
    assert result.stdout == ""


def test_the_url_of_the_environment_goes_before_docker(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bool:
        raise AssertionError("nobody should ask Docker")

    monkeypatch.setenv("TEST_DATABASE_URL", server.target.dbmate_url())
    monkeypatch.setattr(servers, "docker_answers", fail)
    with servers.chosen_server() as chosen:
        assert chosen.target.source == "TEST_DATABASE_URL"
        assert chosen.version == server.version


def test_an_engine_that_does_not_answer_is_no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert not servers.docker_answers()


# Databases


async def names(server: TestServer) -> set[str]:
    connection = await asyncpg.connect(**server.target.asyncpg_arguments())
    try:
        return {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
    finally:
        await connection.close()


async def test_each_test_has_its_own_migrated_database(
    target: ConnectionTarget, databases: Databases
) -> None:
    async with databases.fresh(await databases.template()) as other:
        assert other.database != target.database
        first = await asyncpg.connect(**target.asyncpg_arguments())
        second = await asyncpg.connect(**other.asyncpg_arguments())
        await first.execute("CREATE TABLE public.only_here ()")
        assert await second.fetchval("SELECT to_regclass('public.only_here')") is None
        assert await second.fetchval("SELECT count(*) FROM dbmate.schema_migrations") > 0
        await first.close()
        await second.close()


async def test_a_database_is_dropped_though_somebody_is_connected(
    server: TestServer, databases: Databases
) -> None:
    async with databases.fresh() as fresh:
        left_open = await asyncpg.connect(**fresh.asyncpg_arguments())
        assert fresh.database in await names(server)
    assert fresh.database not in await names(server)
    left_open.terminate()


async def test_runs_at_the_same_time_leave_each_other_alone(server: TestServer) -> None:
    async with open_databases(server.target) as one, one.fresh() as first:
        async with open_databases(server.target) as two, two.fresh() as second:
            assert {first.database, second.database} <= await names(server)
        assert first.database in await names(server)


async def test_databases_of_killed_runs_are_dropped_and_those_of_living_ones_kept(
    server: TestServer,
) -> None:
    admin = await asyncpg.connect(**server.target.asyncpg_arguments())
    dead, living = f"{databases._PREFIX}7ffffff0_1", f"{databases._PREFIX}7ffffff1_1"
    lock = ("SELECT pg_advisory_lock($1, $2)", databases._LOCK_SPACE, 0x7FFFFFF1)
    other = await asyncpg.connect(**server.target.asyncpg_arguments())
    try:
        await other.execute(*lock)
        for name in (dead, living):
            await databases.drop(admin, name)
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        await drop_leftovers(admin)
        found = await names(server)
        assert dead not in found
        assert living in found
        # The control: once its run is gone, and its lock with it, it goes too.
        await other.execute("SELECT pg_advisory_unlock_all()")
        await drop_leftovers(admin)
        assert living not in await names(server)
    finally:
        await other.close()
        await admin.close()
