"""TAB: what a shell is told, and that bash really completes with it; nothing is connected to."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import typer

from tests.cli.commands import program, run, whaledb
from tests.engine.toy_project import make_project
from typedsql.cli.completion import SHELLS, Completer, script
from typedsql.cli.named_queries import all_queries
from whaledb.project import PROJECT

LIMIT_S = 60

# Port 1 is nobody's: whoever connects fails.
NOWHERE = {"DATABASE_URL": "postgres://app@127.0.0.1:1/app"}

# What bash does at TAB, with the words of the line as bash splits them.
AT_TAB = """
source <({program} completion bash)
COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}
_whaledb_completion {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def offered(line: str) -> dict[str, str]:
    """Each value that is offered at the end of a line, and what is said of it."""
    done = whaledb(
        environment=NOWHERE
        | {
            "_WHALEDB_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_ARGS": line,
            "COLUMNS": "1000",
        }
    )
    assert (done.code, done.err) == (0, "")
    pairs = (found.partition("\t") for found in done.out.splitlines() if found)
    return {value: told for value, _, told in pairs}


def test_commands_and_groups_with_what_they_do() -> None:
    found = offered("whaledb ")
    assert found["migrate"] == "Apply all pending migrations."
    assert {"query", "explain", "describe", "doctor", "ingest", "completion"} <= set(found)
    assert list(offered("whaledb migr")) == ["migrate", "migrations"]
    assert list(offered("whaledb migrations ")) == ["new"]


def test_options() -> None:
    assert {"--json", "--url", "--max-rows"} <= set(offered("whaledb query --"))
    assert "--analyze" in offered("whaledb explain alerts.get --")


@pytest.mark.parametrize("command", ["query", "explain"])
def test_names_of_queries_are_all_of_them(command: str) -> None:
    found = offered(f"whaledb {command} ")
    queries = {item.name: item for item in all_queries(PROJECT)}
    assert set(found) == set(queries)
    assert {name: told for name, told in found.items() if told} == {
        name: item.summary for name, item in queries.items()
    }
    assert set(offered(f"whaledb {command} blocks.get")) == {
        name for name in queries if name.startswith("blocks.get")
    }


def test_parameters_are_those_that_are_not_there_yet() -> None:
    line = "whaledb query whale_transactions.get_by_hash "
    assert list(offered(line)) == ["chain_id=", "hash="]
    assert list(offered(line + "h")) == ["hash="]
    assert list(offered(line + "chain_id=1 ")) == ["hash="]
    assert list(offered(line + "chain_id=1 --json ")) == ["hash="]
    assert offered(line + "chain_id=") == {}
    assert offered("whaledb query nothing.like_it ") == {}


def test_the_parameters_are_those_of_the_generated_functions() -> None:
    declared = {
        item.name: item.parameters + (("order_by",) if item.orderings else ())
        for item in Completer(PROJECT)._statements()
    }
    generated = {item.name: tuple(item.parameters) for item in all_queries(PROJECT)}
    assert declared == generated


def test_orderings_are_offered_with_their_values(tmp_path: Path) -> None:
    project = make_project(tmp_path, {})
    (tmp_path / "queries" / "things.sql").write_text(
        "-- name: list_things(max_rows)\n"
        "-- @order_by newest t.id DESC\n"
        "-- @order_by oldest t.id ASC\n"
        "-- Things.\n"
        "SELECT t.id FROM public.things AS t ORDER BY t.id DESC LIMIT :max_rows;\n"
    )
    completer = Completer(project)

    def words(incomplete: str, *given: str) -> list[str]:
        context = SimpleNamespace(params={"name": "things.list_things", "parameters": given})
        return completer.parameters(cast("typer.Context", context), incomplete)

    assert words("") == ["max_rows=", "order_by=newest", "order_by=oldest"]
    assert words("order_by=o", "order_by=o") == ["order_by=oldest"]
    assert words("", "order_by=newest") == ["max_rows="]
    assert completer.names("")[0][1] == "Things."


def test_bash_asked_the_older_way_is_answered_too() -> None:
    done = whaledb(
        environment={
            "_WHALEDB_COMPLETE": "complete_bash",
            "COMP_WORDS": "whaledb query alerts.ge",
            "COMP_CWORD": "2",
        }
    )
    assert (done.code, done.out, done.err) == (0, "alerts.get\n", "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("whaledb migr", ["migrate", "migrations"]),
        ("whaledb query blocks.get_l", ["blocks.get_latest"]),
        ("whaledb query blocks.get chain_id=1 ha", ["hash="]),
        ("whaledb query 'blocks.get' ha", ["hash="]),
        ("whaledb ingest blocks ", [""]),
    ],
)
def test_bash_completes_with_the_script(line: str, expected: list[str]) -> None:
    text = AT_TAB.format(program=shlex.join(program()), line=shlex.quote(line))
    done = subprocess.run(
        ["bash", "--norc", "-c", text],
        env={"PATH": "/usr/bin:/bin", **NOWHERE},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.stdout.splitlines() == expected
    assert "command not found" not in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_sound(shell: str, tmp_path: Path) -> None:
    printed = whaledb("completion", shell)
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.rstrip() == script(PROJECT, shell).rstrip()
    assert "@" not in printed.out.replace("[@]", "").replace("(@f)", "")
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / f"script.{shell}"
    file.write_text(printed.out)
    checked = subprocess.run([path, "-n", file], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_login_shell_is_the_default_and_others_are_refused() -> None:
    done = whaledb("completion", environment={"SHELL": "/usr/bin/zsh"})
    assert done.out.startswith("#compdef whaledb\n")
    unknown = whaledb("completion", "tcsh")
    assert (unknown.code, unknown.out) == (2, "")
    assert "there is no completion for tcsh: only for bash, zsh, fish" in unknown.err
    nobody = whaledb("completion", environment={"SHELL": "/bin/sh"})
    assert nobody.code == 2
    assert "say which (bash, zsh, fish)" in nobody.err


def test_a_tab_imports_no_driver() -> None:
    code = (
        "import os, sys\n"
        "sys.argv[0] = 'whaledb'\n"
        "from whaledb.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    print(sorted({'asyncpg', 'aiosql', 'pglast'} & set(sys.modules)))\n"
    )
    environment = {
        "_WHALEDB_COMPLETE": "complete_bash",
        "COMP_WORDS": "whaledb query alerts.ge",
        "COMP_CWORD": "2",
    }
    done = run([sys.executable, "-c", code], environment=environment)
    assert done.out == "alerts.get\n[]\n"
