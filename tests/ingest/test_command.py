"""`whaledb ingest blocks` as a process: its summary, its exit code, its two streams."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.chain import block, lines, transaction
from tests.ingest.inspection import value
from typedsql.database import Database
from typedsql.settings import ConnectionTarget

DATA = Path(__file__).parent / "data"
COMMAND = [sys.executable, "-c", "from whaledb.cli import main; main()", "ingest", "blocks"]
TIME_LIMIT_S = 120.0

SUMMARY_FIELDS = [
    "blocks",
    "transactions_seen",
    "transactions_written",
    "already_present",
    "dead_letters",
    "seconds",
]


def environment(target: ConnectionTarget) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": target.dbmate_url(), "COLUMNS": "100"}


def run(
    target: ConnectionTarget, *arguments: object, given: bytes = b"", **more: Any
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(target),
        input=given,
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
        **more,
    )


def summary_of(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """The one JSON document on stdout."""
    summary: dict[str, Any] = json.loads(done.stdout)
    assert list(summary) == SUMMARY_FIELDS
    return summary


def test_json_is_one_summary_object(target: ConnectionTarget) -> None:
    done = run(target, DATA / "blocks.ndjson", "--json")
    assert done.returncode == 0
    assert done.stderr == b""
    summary = summary_of(done)
    assert summary.pop("seconds") > 0
    assert summary == {
        "blocks": 3,
        "transactions_seen": 5,
        "transactions_written": 3,
        "already_present": 0,
        "dead_letters": 0,
    }


def test_the_summary_in_words(target: ConnectionTarget) -> None:
    done = run(target, DATA / "blocks.ndjson", "--min-value-eth", "0")
    assert done.returncode == 0
    told = b"Blocks: 3. Transactions: 5 seen, 5 written, 0 already present.\n"
    assert (done.stdout, done.stderr) == (told, b"")


@pytest.mark.parametrize("as_json", [True, False])
def test_bad_items_are_named_and_the_exit_code_is_1(
    target: ConnectionTarget, as_json: bool
) -> None:
    path = DATA / "bad-items.ndjson"
    done = run(target, path, *["--json"] * as_json)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"{path}, line 2: not valid JSON: invalid character (byte 0)",
        f"{path}, line 3: parentHash is missing",
        f"{path}, line 4, transaction 2: gasPrice is out of range: it is over 2^63-1,"
        " the most that BIGINT holds",
        "Bad items: 3, kept in dead_letters with their reasons; all else was stored",
    ]
    if as_json:
        summary = summary_of(done)
        assert (summary["blocks"], summary["dead_letters"]) == (3, 3)
        assert summary["transactions_written"] == 3
    else:
        assert done.stdout.startswith(b"Blocks: 3. Transactions: 5 seen, 3 written")


def test_many_bad_items_do_not_flood_the_terminal(target: ConnectionTarget) -> None:
    done = run(target, "-", given=lines(block(1), *[b"garbage"] * 50))
    assert done.returncode == 1
    told = done.stderr.decode().splitlines()
    assert told[0].startswith("-, line 2: not valid JSON")
    assert sum("not valid JSON" in line for line in told) == 20
    assert told[-1].startswith("Bad items: 50,")


def test_standard_input_and_receipts_and_chain(target: ConnectionTarget) -> None:
    done = run(
        target,
        "-",
        "--receipts",
        DATA / "receipts.ndjson",
        "--chain-id=137",
        "--json",
        given=(DATA / "blocks.ndjson").read_bytes(),
    )
    assert summary_of(done)["transactions_written"] == 3
    asked = subprocess.run(
        [*COMMAND[:3], "query", "ingest_cursors.get", "stream=stdin", "chain_id=137", "--json"],
        env=environment(target),
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=True,
    )
    assert json.loads(asked.stdout)["number"] == 102


def test_traces_add_the_transfers_within_transactions(target: ConnectionTarget) -> None:
    options = ["--chain-id=31337", "--min-value-eth=0.000000000000000001", "--json"]
    block = [DATA / "traced-block.ndjson", *options]
    assert summary_of(run(target, *block))["transactions_written"] == 3
    geth = ["--traces", DATA / "traced-block-geth.ndjson"]
    parity = ["--traces", DATA / "traced-block-parity.ndjson"]
    # The three learn whether they succeeded, and nine internal transfers join them.
    assert summary_of(run(target, *block, *geth))["transactions_written"] == 12
    summary = summary_of(run(target, *block, *geth, *parity))
    assert (summary["transactions_written"], summary["already_present"]) == (0, 12)


def test_it_runs_from_another_folder(target: ConnectionTarget, tmp_path: Path) -> None:
    (tmp_path / "here.ndjson").write_bytes((DATA / "blocks.ndjson").read_bytes())
    done = run(target, "here.ndjson", "--json", cwd=tmp_path)
    assert summary_of(done)["transactions_written"] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.ndjson"], "absent.ndjson cannot be read: No such file or directory"),
        ([DATA], "is a folder"),
        ([DATA / "blocks.ndjson", "--receipts", "absent.gz"], "absent.gz cannot be read"),
        ([DATA / "blocks.ndjson", "--traces", "absent.gz"], "absent.gz cannot be read"),
        ([DATA / "blocks.ndjson", "--min-value-eth", "-1"], "amount of ether, 0 or more"),
        ([DATA / "blocks.ndjson", "--min-value-eth", "NaN"], "amount of ether, 0 or more"),
        ([DATA / "blocks.ndjson", "--min-value-eth", "much"], "has to be an amount of ether"),
        ([DATA / "blocks.ndjson", "--chain-id", "0"], "chain id"),
        (["-", "-"], "named twice"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_writes_nothing(
    target: ConnectionTarget, arguments: list[object], told: str
) -> None:
    done = run(target, *arguments)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_an_unmigrated_database_is_exit_code_2(empty_database: ConnectionTarget) -> None:
    done = run(empty_database, DATA / "blocks.ndjson")
    assert done.returncode == 2
    assert b"Error: " in done.stderr


def on_a_terminal(target: ConnectionTarget, *arguments: object) -> tuple[bytes, bytes]:
    """What the command writes to stdout, and to a terminal as stderr."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env={**environment(target), "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    shown = b""
    # The terminal's last reader gets an error once the command has ended.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    out, _ = process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 0
    return out, shown


def test_a_terminal_shows_progress_and_a_pipe_none(target: ConnectionTarget) -> None:
    out, shown = on_a_terminal(target, DATA / "blocks.ndjson", "--json")
    assert json.loads(out)["blocks"] == 3
    assert b"\x1b[" in shown
    assert b"3 blocks" in shown
    piped = run(target, DATA / "blocks.ndjson", "--json")
    assert piped.stderr == b""


async def test_it_can_be_interrupted_while_a_pipe_is_silent(db: Database) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "-",
        env=environment(db.target),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(lines(block(1, [transaction("a", ether=500)])))
    async with asyncio.timeout(TIME_LIMIT_S):
        await process.stdin.drain()
        while not await value(db, "SELECT count(*) FROM blocks"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert await process.stderr.read() == b"Error: interrupted\n"
        assert await process.wait() == 130
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 1
