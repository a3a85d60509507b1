"""Commands that change the schema: migrate, rollback, migrations, reset."""

from typing import Annotated

import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    agree,
    say,
)
from typedsql.cli.output import count, show
from typedsql.project import Project


def register(app: typer.Typer, project: Project) -> None:
    """Add the commands to an app."""
    _register_migrate(app, project)
    _register_rollback(app, project)
    _register_reset(app, project)
    _register_migrations(app, project)


def _register_migrate(app: typer.Typer, project: Project) -> None:
    @app.command()
    def migrate(
        context: typer.Context,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Apply all pending migrations.

        Makes the database if it is absent. One run at a time: a second one waits for the
        first, and then finds nothing to do.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> None:
            from typedsql.tools import migrations

            target = invocation.target()
            summary = await migrations.migrate(target, project, announce=say)
            if json:
                invocation.write_json(summary)
            elif summary.files:
                show(
                    f"Applied {count(len(summary.files), 'migration')}; {target.describe()} "
                    f"is at {summary.version}"
                )
            else:
                show(f"Nothing to do: {target.describe()} is at {summary.version}")

        invocation.run(work)

    del migrate


def _register_rollback(app: typer.Typer, project: Project) -> None:
    @app.command()
    def rollback(
        context: typer.Context,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Undo the newest migration.

        Says first which one that is.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> None:
            from typedsql.tools import migrations

            target = invocation.target()
            say(f"Rolling back one migration of {target.describe()}")
            summary = await migrations.rollback(target, project, announce=say)
            if json:
                invocation.write_json(summary)
            elif not summary.files:
                show("Nothing to do: no migration is applied")
            else:
                place = summary.version or "the beginning, without any migration"
                show(f"Undid {summary.files[0]}; the database is at {place}")

        invocation.run(work)

    del rollback


def _register_reset(app: typer.Typer, project: Project) -> None:
    @app.command()
    def reset(
        context: typer.Context,
        force: Annotated[
            bool,
            typer.Option(
                "--force",
                help="Do not ask, and do it on a server that is not on this machine too.",
                show_default=False,
            ),
        ] = False,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Delete all data and start again.

        Undoes every migration and applies all again. Asks first, and refuses a server
        that is not on this machine, unless forced.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> None:
            from typedsql.tools import migrations

            target = invocation.target()
            migrations.refuse_remote(target, "reset", force=force)
            if not force:
                agree(
                    f"This deletes all data of {target.describe()}",
                    otherwise="say --force if it may",
                )
            summary = await migrations.reset_database(target, project, force=force, announce=say)
            if json:
                invocation.write_json(summary)
            else:
                show(f"Reset {target.describe()}; it is empty and at {summary.version}")

        invocation.run(work)

    del reset


def _register_migrations(app: typer.Typer, project: Project) -> None:
    group = typer.Typer(rich_markup_mode=None, help="List migrations, or make one.")
    app.add_typer(group, name="migrations")

    @group.callback(invoke_without_command=True)
    def migrations(
        context: typer.Context,
        check: Annotated[
            bool,
            typer.Option("--check", help="Exit code 1 if one is pending.", show_default=False),
        ] = False,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """List the migrations and which are applied; reads only."""
        if context.invoked_subcommand is not None:
            return
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> int:
            from typedsql.tools.migrations import status

            states = await status(invocation.target(), project)
            pending = [state for state in states if not state.applied]
            if json:
                invocation.write_json(states)
            else:
                for state in states:
                    word = "applied" if state.applied else "pending"
                    show(f"{word}  {state.version}  {state.name or '(no file here)'}")
                say(f"{len(states) - len(pending)} applied, {len(pending)} pending")
            return len(pending)

        if invocation.run(work) and check:
            raise typer.Exit(FINDINGS)

    del migrations
    _register_new(group, project)


def _register_new(group: typer.Typer, project: Project) -> None:
    @group.command()
    def new(
        context: typer.Context,
        name: Annotated[
            str,
            typer.Argument(metavar="NAME", help="What it does, such as add_price_source."),
        ],
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Make an empty migration.

        Its version is the time in UTC, and later than that of all others.
        """
        invocation = Invocation.of(context, project, None, debug, json)

        async def work() -> None:
            from typedsql.tools.migration_files import new_migration

            path = new_migration(project, name)
            if json:
                invocation.write_json({"path": str(path)})
            else:
                show(str(path))

        invocation.run(work)

    del new
