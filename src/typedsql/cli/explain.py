"""The command that shows how PostgreSQL runs a named statement."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

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
from typedsql.cli.named_queries import find_query
from typedsql.cli.output import show
from typedsql.cli.query import PARAMETERS_HELP
from typedsql.project import Project

if TYPE_CHECKING:
    from typedsql.tools.plans import Plan


def register(app: typer.Typer, project: Project) -> None:
    """Add the command to an app."""
    completer = Completer(project)

    @app.command()
    def explain(
        context: typer.Context,
        name: Annotated[
            str, typer.Argument(metavar="NAME", help="file.name", autocompletion=completer.names)
        ],
        parameters: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="KEY=VALUE",
                help=PARAMETERS_HELP,
                autocompletion=completer.parameters,
            ),
        ] = None,
        analyze: Annotated[
            bool,
            typer.Option(
                "--analyze",
                help="Run it and measure, in a transaction that is rolled back.",
                show_default=False,
            ),
        ] = False,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Show how a named query is run.

        PostgreSQL's plan for the query with these values, and the indexes in it. The
        query is not run, unless with --analyze. With --json: query, analyzed, indexes,
        scanned (tables read from end to end) and plan, as PostgreSQL's JSON.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> None:
            plan = await _explain(invocation, name, parameters or [], analyze=analyze)
            if json:
                invocation.write_json(plan)
            else:
                _write(plan)

        invocation.run(work)

    del explain


async def _explain(
    invocation: Invocation, name: str, words: Sequence[str], *, analyze: bool
) -> "Plan":
    project = invocation.project
    named = find_query(project, name)
    arguments = parse_arguments(name, named.parameters, words, named.defaulted)
    from typedsql.database import Database
    from typedsql.tools.plans import explain_query

    # A plan is worth seeing on a database that is migrated further, too.
    async with Database.connect(
        invocation.target(), project=project, max_size=1, migrations="at_least"
    ) as db:
        with unsendable_is_wrong_usage():
            return await explain_query(
                db,
                partial(named.function, **arguments),
                analyze=analyze,
                form="json" if invocation.json else "text",
            )


def _write(plan: "Plan") -> None:
    show(plan.plan)
    show("")
    show(f"Indexes: {', '.join(plan.indexes) or 'none'}")
    if plan.scanned:
        show(f"Read from end to end: {', '.join(plan.scanned)}")
    if plan.analyzed:
        say(
            "It was run, in a transaction that is rolled back: of its effects only those on"
            " sequences, and those outside the database, stay"
        )
    else:
        say("An estimate: it was not run; --analyze runs and measures it")
