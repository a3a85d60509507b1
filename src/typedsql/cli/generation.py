"""The command that writes code from SQL."""

from typing import Annotated

import typer

from typedsql.cli.invocation import FINDINGS, DebugOption, Invocation, JsonOption, WrongUsage
from typedsql.cli.output import show
from typedsql.project import Project


def register(app: typer.Typer, project: Project) -> None:
    """Add the command to an app."""

    @app.command()
    def generate(
        context: typer.Context,
        check: Annotated[
            bool,
            typer.Option(
                "--check",
                help="Write nothing; exit code 1 if something is out of date.",
                show_default=False,
            ),
        ] = False,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Write typed code from the SQL.

        From queries/*.sql: rows, typed functions and the schema file. Asks a throwaway
        PostgreSQL of its own; needs no database.
        """
        invocation = Invocation.of(context, project, None, debug, json)

        async def work() -> list[str]:
            if not project.is_checkout:
                raise WrongUsage(
                    f"{project.name} is an installed package here, and generating needs its source:"
                    " generate in a checkout, installed with pip install -e '.[tools]'"
                )
            from typedsql.tools.generate import generate as run

            lines = await run(project.root, check=check)
            if json:
                invocation.write_json({"out_of_date" if check else "written": lines})
            else:
                show("\n".join(lines) if lines else "Everything is up to date")
            return lines

        if invocation.run(work) and check:
            raise typer.Exit(FINDINGS)

    del generate
