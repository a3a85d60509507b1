"""The command line of any project: `make_app` gives it the commands they all share.

Nothing here imports the driver, settings or rich before a command needs them, so that
``--help`` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.completion import get_completion_inspect_parameters
from typer.core import TyperGroup

from typedsql.cli import (
    completion,
    describe,
    explain,
    generation,
    inspection,
    migrations,
    query,
)
from typedsql.cli.invocation import FINDINGS, DebugOption, Globals, UrlOption, say
from typedsql.cli.output import discard
from typedsql.cli.usage import ToldGroup
from typedsql.project import Project

FirstStep = tuple[str, str]
"""A command, without the program's name, and what it is for."""

_FIRST_STEPS: Sequence[FirstStep] = (
    ("doctor", "where it would connect, and what is wrong"),
    ("migrate", "make the tables, or bring them up to date"),
    ("query", "list the named queries; with a name, run one"),
)


def make_app(
    project: Project, *, about: str = "", first_steps: Sequence[FirstStep] = _FIRST_STEPS
) -> typer.Typer:
    """The commands every project has; the project adds its own to what is returned.

    `about` says in a sentence what the project is. `first_steps` is shown when the
    program is called without a command.
    """
    if completion.completion_variable(project.command) in os.environ:
        get_completion_inspect_parameters()  # makes typer know the shells
    app = typer.Typer(
        name=project.command,
        cls=_in_order([step.partition(" ")[0] for step, _ in first_steps]),
        help=about or f"The database of {project.name}.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def begin(context: typer.Context, url: UrlOption = None, debug: DebugOption = False) -> None:
        context.obj = Globals(url=url, debug=debug)
        if context.invoked_subcommand is None:
            typer.echo(_introduction(project, about, first_steps))

    del begin
    migrations.register(app, project)
    query.register(app, project)
    explain.register(app, project)
    describe.register(app, project)
    inspection.register(app, project)
    generation.register(app, project)
    completion.register(app, project)
    return app


def _in_order(first: Sequence[str]) -> type[TyperGroup]:
    """A group that lists these commands before all others."""

    class Ordered(ToldGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            names = super().list_commands(ctx)
            # Two steps may be commands of one group, which is listed once.
            steps = [name for name in dict.fromkeys(first) if name in names]
            return [*steps, *(name for name in names if name not in steps)]

    return Ordered


def run_app(app: typer.Typer) -> None:
    """Run a command line as the process's own; never returns.

    What is written outside a command, such as help, may find standard output full.
    """
    _occupy_standard_descriptors()
    command = typer.main.get_command(app)
    _name_arguments_plainly(command)
    try:
        command()
    except OSError as failure:
        discard(sys.stdout)
        say(f"Error: standard output cannot be written: {failure.strerror}")
        sys.exit(FINDINGS)


def _name_arguments_plainly(command: Any) -> None:
    """Have help show an argument's name alone: typer adds its Python type, as <list[str]>."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = _nothing
    for inner in getattr(command, "commands", {}).values():
        _name_arguments_plainly(inner)


def _nothing(**_: object) -> str:
    return ""


def _occupy_standard_descriptors() -> None:
    """Put nothing in the place of standard streams that were closed beforehand.

    Else the event loop's own files get their numbers: uvloop aborts the process then.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def _introduction(project: Project, about: str, first_steps: Sequence[FirstStep]) -> str:
    width = max(len(command) for command, _ in first_steps)
    lines = [
        about or f"The database of {project.name}.",
        "",
        "First steps:",
        *(f"  {project.command} {command:<{width}}  {text}" for command, text in first_steps),
        f"  {project.command} {'--help':<{width}}  all commands",
        "",
        "It connects where DATABASE_URL says; with nothing set, to an embedded",
        "PostgreSQL that it starts and stops itself.",
    ]
    return "\n".join(lines)
