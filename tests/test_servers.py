"""`python -m tests.servers`: a command on a server of a certain release."""

import asyncio
import os
import subprocess
import sys

import pytest

from tests.databases import ROOT

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
