"""The command that runs a named statement."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from typedsql.cli.arguments import parse_arguments, unsendable_is_wrong_usage
from typedsql.cli.completion import Completer
from typedsql.cli.invocation import (
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    say,
)
from typedsql.cli.named_queries import NamedQuery, all_queries, find_query
from typedsql.cli.output import cell, count, show, write_pairs, write_paragraph, write_rows
from typedsql.project import Project

if TYPE_CHECKING:
    from typedsql.database import Database

DEFAULT_STREAM_ROWS = 1000
_INDENT, _DEEP = " " * 4, " " * 8
PARAMETERS_HELP = "Lists and documents as JSON; an empty optional one is NULL."


def register(app: typer.Typer, project: Project) -> None:
    """Add the command to an app."""
    completer = Completer(project)

    @app.command()
    def query(
        context: typer.Context,
        name: Annotated[
            str | None,
            typer.Argument(
                metavar="NAME",
                help="file.name; none lists them all.",
                autocompletion=completer.names,
            ),
        ] = None,
        parameters: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="KEY=VALUE",
                help=PARAMETERS_HELP,
                autocompletion=completer.parameters,
            ),
        ] = None,
        max_rows: Annotated[
            int,
            typer.Option("--max-rows", metavar="N", min=1, help="Where a stream_ query stops."),
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
            arguments = parse_arguments(name, named.parameters, parameters or [], named.defaulted)
            from typedsql.database import Database

            async with Database.connect(invocation.target(), project=project, max_size=1) as db:
                with unsendable_is_wrong_usage():
                    await _run(invocation, named, arguments, db, max_rows)

        invocation.run(work)

    del query


def _write_list(invocation: Invocation) -> None:
    queries = sorted(all_queries(invocation.project), key=lambda item: item.name)
    if invocation.json:
        invocation.write_json(
            [
                {"name": q.name, "parameters": list(q.parameters), "summary": q.summary}
                for q in queries
            ]
        )
        return
    for item in queries:
        write_paragraph(f"{item.name}({', '.join(item.parameters)})", hanging=_DEEP)
        write_paragraph(item.summary, indent=_INDENT)


async def _run(
    invocation: Invocation,
    named: NamedQuery,
    arguments: dict[str, Any],
    db: "Database",
    max_rows: int,
) -> None:
    from typedsql.query import Affected, ExactlyOneValue, Many, Stream, Value

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
    elif isinstance(named.runner, Value | ExactlyOneValue):
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
