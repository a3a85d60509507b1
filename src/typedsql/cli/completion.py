"""Shell completion: the command that prints a shell's script, and what queries complete to.

A shell's script asks this program at each TAB. What it answers comes from the .sql files alone:
nothing is connected to, and no driver imported.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from typedsql.cli.invocation import DebugOption, Invocation, WrongUsage
from typedsql.cli.named_queries import first_sentence
from typedsql.cli.output import show
from typedsql.errors import Error
from typedsql.project import Project

Candidate = tuple[str, str]
"""What may stand there, and what it is."""

_STATEMENT = re.compile(
    r"^[ \t]*--[ \t]*name[ \t]*:[ \t]*(?P<name>[\w-]+)[ \t]*(?:\((?P<parameters>[^)]*)\))?.*"
    r"(?P<comment>(?:\n[ \t]*--.*)*)",
    re.MULTILINE,
)

_ORDERING = re.compile(r"^[ \t]*--[ \t]*@order_by[ \t]+(\w+)", re.MULTILINE)

_STAGING = re.compile(r"^[ \t]*--[ \t]*@staging\b", re.MULTILINE)

_MARKUP = re.compile(r"^[ \t]*--(?:[ \t]*@.*)?[ \t]?", re.MULTILINE)

_SCRIPTS = Path(__file__).with_name("scripts")
SHELLS = ("bash", "zsh", "fish")


def register(app: typer.Typer, project: Project) -> None:
    """Add the command to an app."""

    @app.command()
    def completion(
        context: typer.Context,
        shell: Annotated[
            str | None,
            typer.Argument(
                metavar="SHELL",
                help="bash, zsh or fish; none takes the one in $SHELL.",
                autocompletion=_shells,
            ),
        ] = None,
        debug: DebugOption = False,
    ) -> None:
        """Print what makes TAB complete.

        Commands, options, the names of queries and their parameters. To have it in every
        shell, let its start-up file read the output: the script's first lines say how.
        """
        invocation = Invocation.of(context, project, None, debug)

        async def work() -> None:
            show(script(project, _chosen(shell)).rstrip("\n"))

        invocation.run(work)

    del completion


def script(project: Project, shell: str) -> str:
    """The completion script of one of `SHELLS`."""
    words = {
        "program": project.command,
        "function": re.sub(r"\W", "_", project.command),
        "variable": completion_variable(project.command),
    }
    text = (_SCRIPTS / f"complete.{shell}").read_text(encoding="utf-8")
    return re.sub(r"@(program|function|variable)@", lambda match: words[match[1]], text)


def completion_variable(program: str) -> str:
    """The environment variable in which typer is told that a shell asks."""
    return f"_{program}_COMPLETE".replace("-", "_").upper()


def _shells() -> list[str]:
    return list(SHELLS)


def _chosen(shell: str | None) -> str:
    named = shell or Path(os.environ.get("SHELL", "")).name
    if named in SHELLS:
        return named
    known = ", ".join(SHELLS)
    if shell is None:
        raise WrongUsage(f"$SHELL names no shell that is known here: say which ({known})")
    raise WrongUsage(f"there is no completion for {shell}: only for {known}")


class NamedStatement(msgspec.Struct, frozen=True):
    """What a .sql file says of a statement, before anything of it is checked."""

    name: str
    parameters: tuple[str, ...]
    orderings: tuple[str, ...]
    summary: str


class Completer:
    """What the arguments of a command on named queries may be."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def names(self, incomplete: str) -> list[Candidate]:
        """Queries that begin so."""
        return [
            (item.name, item.summary)
            for item in self._statements()
            if item.name.startswith(incomplete)
        ]

    def parameters(self, context: typer.Context, incomplete: str) -> list[str]:
        """``key=`` of each parameter that the query has and that is not there yet.

        Of the orderings that a caller may choose the whole words.
        """
        given = {word.partition("=")[0] for word in context.params.get("parameters") or ()}
        name = context.params.get("name")
        found = next((item for item in self._statements() if item.name == name), None)
        if found is None:
            return []
        words = [f"{key}=" for key in found.parameters]
        words += [f"order_by={name}" for name in found.orderings]
        return [
            word
            for word in words
            if word.startswith(incomplete)
            and word != incomplete
            and word.partition("=")[0] not in given - {incomplete.partition("=")[0]}
        ]

    def _statements(self) -> list[NamedStatement]:
        try:
            folder = self._project.root / self._project.queries_dir
            return [item for path in sorted(folder.glob("*.sql")) for item in named_in(path)]
        except (Error, OSError):
            return []  # A TAB is no place to complain.


def named_in(path: Path) -> Iterator[NamedStatement]:
    """The statements of a file, as far as their headers are well-formed."""
    for match in _STATEMENT.finditer(path.read_text(encoding="utf-8-sig")):
        if _STAGING.search(match["comment"]):
            continue  # It takes rows that a program gives it.
        parameters = (match["parameters"] or "").split(",")
        yield NamedStatement(
            name=f"{path.stem}.{match['name'].replace('-', '_')}",
            parameters=tuple(key.strip() for key in parameters if key.strip()),
            orderings=tuple(_ORDERING.findall(match["comment"])),
            summary=first_sentence(_MARKUP.sub("", match["comment"])),
        )
