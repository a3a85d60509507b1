"""The command that runs a named statement."""

import difflib
import importlib
import inspect
import pkgutil
import typing
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from typedsql.cli.arguments import parse_arguments
from typedsql.cli.invocation import (
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
    say,
)
from typedsql.cli.output import cell, count, show, write_pairs, write_rows
from typedsql.project import Project

if TYPE_CHECKING:
    from typedsql.database import Database

DEFAULT_STREAM_ROWS = 1000
SUGGESTIONS = 3


def register(app: typer.Typer, project: Project) -> None:
    """Add the command to an app."""

    @app.command()
    def query(
        context: typer.Context,
        name: Annotated[
            str | None, typer.Argument(metavar="NAME", help="file.name; none lists them all.")
        ] = None,
        parameters: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="KEY=VALUE",
                help="Lists and documents as JSON; an empty optional one is NULL.",
            ),
        ] = None,
        max_rows: Annotated[
            int, typer.Option("--max-rows", metavar="N", min=1, help="Where a stream_ query stops.")
        ] = DEFAULT_STREAM_ROWS,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Run a named query, or list them.

        With --json: an array of objects; one object or null; {"value": ...}; or
        {"affected": ...}. Decimals are strings.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> None:
            if name is None:
                _write_list(invocation)
                return
            named = find_query(project, name)
            arguments = parse_arguments(name, named.parameters, parameters or [])
            from typedsql.database import Database

            async with Database.connect(invocation.target(), project=project, max_size=1) as db:
                await _run(invocation, named, arguments, db, max_rows)

        invocation.run(work)

    del query


class NamedQuery(msgspec.Struct, frozen=True):
    """A generated function and how its result is to be read."""

    name: str
    function: Any
    runner: Any
    """What the generated module bound the statement to."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Annotation of each parameter; the database itself is not one of them."""
        hints = typing.get_type_hints(self.function)
        return {
            key: hints[key]
            for key, parameter in inspect.signature(self.function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    @property
    def summary(self) -> str:
        """First line of what the SQL file says about it."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


def find_query(project: Project, name: str) -> NamedQuery:
    """The generated function of a statement. Raises WrongUsage, with suggestions."""
    stem, _, short = name.partition(".")
    if stem.isidentifier() and stem in _stems(project):
        found = _queries_in(_module(project, stem)).get(short)
        if found is not None:
            return found
    close = _similar(name, sorted(item.name for item in _all_queries(project)))
    everything = f"see them all with `{project.name} query`"
    advice = f"did you mean {' or '.join(close)}?" if close else everything
    raise WrongUsage(f"there is no query {name}: {advice}")


def _similar(name: str, known: list[str]) -> list[str]:
    """Names that a misspelt one may stand for: of the same file first."""
    stem, _, short = name.rpartition(".")
    siblings = {item.partition(".")[2]: item for item in known if item.startswith(f"{stem}.")}
    close = [siblings[item] for item in difflib.get_close_matches(short, siblings, n=SUGGESTIONS)]
    return (
        close
        or (
            [item for item in known if item.endswith(f".{short}")]
            or difflib.get_close_matches(name, known, n=SUGGESTIONS)
        )[:SUGGESTIONS]
    )


def _stems(project: Project) -> list[str]:
    package = importlib.import_module(f"{project.package}.queries")
    return [item.name for item in pkgutil.iter_modules(package.__path__)]


def _module(project: Project, stem: str) -> ModuleType:
    return importlib.import_module(f"{project.package}.queries.{stem}")


def _queries_in(module: ModuleType) -> dict[str, NamedQuery]:
    """Each function that has a statement bound under its name with a leading underscore."""
    stem = module.__name__.rpartition(".")[2]
    return {
        key: NamedQuery(f"{stem}.{key}", function, vars(module)[f"_{key}"])
        for key, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and f"_{key}" in vars(module)
    }


def _all_queries(project: Project) -> list[NamedQuery]:
    modules = (_module(project, stem) for stem in _stems(project))
    return [item for module in modules for item in _queries_in(module).values()]


def _write_list(invocation: Invocation) -> None:
    queries = sorted(_all_queries(invocation.project), key=lambda item: item.name)
    if invocation.json:
        invocation.write_json(
            [
                {"name": q.name, "parameters": list(q.parameters), "summary": q.summary}
                for q in queries
            ]
        )
        return
    for item in queries:
        show(f"{item.name}({', '.join(item.parameters)})")
        show(f"    {item.summary}")


async def _run(
    invocation: Invocation,
    named: NamedQuery,
    arguments: dict[str, Any],
    db: "Database",
    max_rows: int,
) -> None:
    from typedsql.query import Affected, Many, Stream, Value

    result: Any = named.function(db, **arguments)
    if isinstance(named.runner, Stream):
        rows, more = await _first_rows(result, max_rows)
        _write_many(invocation, rows)
        if more:
            say(f"Stopped after {count(max_rows, 'row')}; --max-rows N for more")
        return
    value: Any = await result
    if isinstance(named.runner, Many):
        _write_many(invocation, value)
    elif isinstance(named.runner, Affected):
        if invocation.json:
            invocation.write_json({"affected": value})
        else:
            show(count(value, "row"))
    elif isinstance(named.runner, Value):
        if invocation.json:
            invocation.write_json({"value": value})
        else:
            show(cell(value))
    elif invocation.json:
        invocation.write_json(value)
    elif value is None:
        say("No row")
    else:
        write_pairs(msgspec.structs.asdict(value))


def _write_many(invocation: Invocation, rows: list[Any]) -> None:
    if invocation.json:
        invocation.write_json(rows)
        return
    write_rows(rows)
    say(count(len(rows), "row"))


async def _first_rows(stream: AsyncGenerator[Any, None], max_rows: int) -> tuple[list[Any], bool]:
    """At most so many rows, and whether there are more."""
    rows: list[Any] = []
    async with aclosing(stream):
        async for row in stream:
            if len(rows) == max_rows:
                return rows, True
            rows.append(row)
    return rows, False
