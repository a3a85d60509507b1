"""The `typedsql` command: what every project has, for the project one stands in.

A project with a command of its own gives these commands to it with `make_app`; this one
is for those without, and for those that are not installed.
"""

import sys
import tomllib
from pathlib import Path
from typing import NoReturn

from typedsql.cli import make_app, run_app
from typedsql.cli.invocation import UNABLE, Failure, say, write_failure
from typedsql.cli.output import show
from typedsql.errors import ConfigurationError, Error

_DECLARATION = """\
typedsql: SQL in files becomes typed async Python functions.

It works on the project in this folder or the nearest one above whose pyproject.toml has

    [tool.typedsql]
    package = "shop"        # the import package it generates rows and functions into

beside which it finds dbmate.env, the migrations it names, and queries/*.sql.

    typedsql generate    write typed code from the SQL
    typedsql check       report everything that is wrong with the SQL
"""


def main() -> None:
    """Entry point of the console script."""
    root = find_project(Path.cwd())
    if root is None:
        _end_without(
            "There is no such project here.",
            "neither this folder nor one above it has a pyproject.toml with a table "
            "[tool.typedsql]; `typedsql --help` shows what stands in it",
        )
    from typedsql.tools.config import read_checkout

    try:
        project = read_checkout(root).project
    except Error as failure:
        place = "" if root == Path.cwd() else f"{root}: "
        _end_without(f"The project here cannot be read: {place}{failure}.", f"{place}{failure}")
    # The package need not be installed to be generated into, nor for its queries to be run.
    sys.path[:0] = [str(root / "src"), str(root)]
    run_app(make_app(project))


def _end_without(told_with_help: str, error: str) -> NoReturn:
    """Where there is no project to work on, help is still given."""
    if any(word in ("-h", "--help") for word in sys.argv[1:]):
        show(f"{_DECLARATION}\n{told_with_help}")
        sys.exit(0)
    say(f"Error: {error}")
    if "--json" in sys.argv[1:]:
        write_failure(Failure(ConfigurationError.__name__, error, UNABLE))
    sys.exit(UNABLE)


def find_project(folder: Path) -> Path | None:
    """The nearest folder from here upwards whose pyproject.toml declares a project."""
    for candidate in (folder, *folder.parents):
        try:
            text = (candidate / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if _declares(text):
            return candidate
    return None


def _declares(text: str) -> bool:
    try:
        tools = tomllib.loads(text).get("tool")
    except tomllib.TOMLDecodeError:
        # Read again by what is asked to work on it, and told of there.
        return "[tool.typedsql" in text
    return isinstance(tools, dict) and "typedsql" in tools
