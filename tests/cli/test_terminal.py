"""What only shows on a terminal, and what a signal leaves behind."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.cli.commands import DATA, of_project, program, project_program
from tests.engine.toy_project import FIRST, make_project, second, until, versions
from typedsql.project import Project
from typedsql.settings import ConnectionTarget

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")

END_LIMIT_S = 60

SLEEPING = """
SELECT count(*) FROM pg_stat_activity
WHERE query LIKE '%pg_sleep(120)%' AND state = 'active'
AND pid <> pg_backend_pid() AND datname = current_database()
"""


def on_terminal(words: list[str], target: ConnectionTarget, answer: str = "") -> tuple[int, str]:
    """Exit code and all that a person sees."""
    outer, inner = pty.openpty()
    child = subprocess.Popen(
        [*program(), *words],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={"PATH": "/usr/bin:/bin", "DATABASE_URL": target.dbmate_url(), "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(inner)
    seen = b""
    deadline = time.monotonic() + END_LIMIT_S
    try:
        while time.monotonic() < deadline:
            if not select.select([outer], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(outer, 4096)
            except OSError:  # Linux tells the end of a terminal by an error
                break
            if not data:
                break
            seen += data
            if answer and b"[y/N]" in seen:
                os.write(outer, answer.encode())
                answer = ""
        return child.wait(END_LIMIT_S), seen.decode()
    finally:
        child.kill()
        os.close(outer)


async def test_reset_asks_on_a_terminal(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute("INSERT INTO auth.users (id) VALUES (gen_random_uuid())")
    code, seen = on_terminal(["reset"], target, "n\n")
    assert code == 1
    assert "This deletes all data of" in seen
    assert "Nothing was done" in seen
    assert await connection.fetchval("SELECT count(*) FROM auth.users") == 1
    code, seen = on_terminal(["reset"], target, "y\n")
    assert code == 0, seen


def test_a_progress_bar_shows_on_a_terminal_and_refusals_stay_whole(
    target: ConnectionTarget,
) -> None:
    code, seen = on_terminal(["ingest", "blocks", str(DATA / "bad-items.ndjson")], target)
    assert code == 1
    assert "3 blocks, 3 written" in seen
    assert "gasPrice is out of range: it is over 2^63-1" in seen


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return tmp_path / "toy"


async def start_migrating(project: Project, target: ConnectionTarget) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *project_program(project),
        "migrate",
        env={"PATH": "/usr/bin:/bin", "DATABASE_URL": target.dbmate_url()},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_an_interrupted_migration_ends_everywhere(
    empty_database: ConnectionTarget, looking: asyncpg.Connection, toy: Path
) -> None:
    toy.mkdir()
    project = make_project(toy, {FIRST: second("SELECT pg_sleep(120);")})
    child = await start_migrating(project, empty_database)
    await until(looking, SLEEPING, 1)
    child.send_signal(signal.SIGINT)
    async with asyncio.timeout(END_LIMIT_S):
        _, err = await child.communicate()
    assert (child.returncode, err) == (130, b"Error: interrupted\n")
    await until(looking, SLEEPING, 0)
    assert await versions(looking) == []


async def test_a_killed_runner_is_not_overtaken_while_its_child_is_at_work(
    empty_database: ConnectionTarget, looking: asyncpg.Connection, toy: Path
) -> None:
    toy.mkdir()
    insert = "INSERT INTO public.counted SELECT 1 FROM pg_sleep(3);"
    project = make_project(toy, {FIRST: second(insert, option=" transaction:false")})
    await looking.execute("CREATE TABLE public.counted (id INTEGER)")
    child = await start_migrating(project, empty_database)
    await until(looking, SLEEPING.replace("120", "3"), 1)
    child.kill()
    await child.wait()
    second_run = of_project(project, "migrate", "--json", target=empty_database)
    assert second_run.code == 0, second_run.err
    assert "Another migration run is at work" in second_run.err
    assert second_run.json()["files"] == []
    assert await looking.fetchval("SELECT count(*) FROM public.counted") == 1
