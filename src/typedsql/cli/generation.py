"""Commands on the SQL of a checkout: write code from it, and say what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
    say,
)
from typedsql.cli.output import count, show
from typedsql.project import Project

if TYPE_CHECKING:
    from typedsql.tools.impact import Impact
    from typedsql.tools.reading.findings import Finding

FullOption = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Ask a server even if nothing has changed since one was asked.",
        show_default=False,
    ),
]


def register(app: typer.Typer, project: Project) -> None:
    """Add the commands to an app."""
    _register_generate(app, project)
    _register_check(app, project)


def _register_generate(app: typer.Typer, project: Project) -> None:
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
        full: FullOption = False,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Write typed code from the SQL.

        From queries/*.sql: rows, typed functions, variants, the analysis and the schema
        file. Asks a throwaway PostgreSQL of its own; needs no database.
        """
        invocation = Invocation.of(context, project, None, debug, json)

        async def work() -> bool:
            root = _checkout(project)
            from typedsql.tools.generate import generate as run
            from typedsql.tools.reading.findings import Refused

            try:
                outcome = await run(root, check=check, full=full)
            except Refused as refused:
                # On stdout is what was written, so these are not.
                _write_findings(invocation, refused.findings, say)
                return True
            # What somebody has to move is out of order, but was not written.
            lines = (*outcome.lines, *outcome.strange) if check else outcome.lines
            if json:
                key = "out_of_date" if check else "written"
                invocation.write_json({key: lines, "asked_server": outcome.asked})
            else:
                show("\n".join(lines) if lines else "Everything is up to date")
            if outcome.strange and not check:
                say("\n".join(outcome.strange))
            return check and bool(lines)

        if invocation.run(work):
            raise typer.Exit(FINDINGS)

    del generate


def _register_check(app: typer.Typer, project: Project) -> None:
    @app.command()
    def check(
        context: typer.Context,
        impact: Annotated[
            bool,
            typer.Option(
                "--impact",
                help="What each pending migration changes for the queries, instead.",
                show_default=False,
            ),
        ] = False,
        since: Annotated[
            str | None,
            typer.Option(
                metavar="VERSION",
                help="With --impact: the newest applied migration; else the database is asked.",
            ),
        ] = None,
        full: FullOption = False,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Find mistakes in the SQL.

        Every finding of queries/*.sql and of the database that the migrations make, at
        once, with file, line and what to write; exit code 1 if there is one. Asks a
        throwaway PostgreSQL of its own, unless nothing has changed since one was asked.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> bool:
            root = _checkout(project)
            if impact:
                if full:
                    raise WrongUsage("--full says nothing with --impact, which always asks")
                return await _find_impact(invocation, root, since)
            if since is not None:
                raise WrongUsage("--since goes with --impact")
            from typedsql.tools.generate import find

            findings, statements = await find(root, full=full)
            if findings or json:
                _write_findings(invocation, findings)
            else:
                show(f"{count(statements, 'statement')}, nothing wrong")
            return bool(findings)

        if invocation.run(work):
            raise typer.Exit(FINDINGS)

    del check


def _checkout(project: Project) -> Path:
    if not project.is_checkout:
        raise WrongUsage(
            f"{project.name} is an installed package here, and this command needs its source:"
            " run it in a checkout, installed with pip install -e '.[tools]'"
        )
    return project.root


def _write_findings(
    invocation: Invocation, findings: "tuple[Finding, ...]", tell: Callable[[str], None] = show
) -> None:
    if invocation.json:
        invocation.write_json({"findings": findings})
        return
    files = len({finding.file for finding in findings})
    tell("\n".join(str(finding) for finding in findings))
    say(f"{count(len(findings), 'finding')} in {count(files, 'file')}")


async def _find_impact(invocation: Invocation, root: Path, since: str | None) -> bool:
    from typedsql.tools.impact import find_impact
    from typedsql.tools.migration_files import list_migrations
    from typedsql.tools.migrations import status

    if since is None:
        states = await status(invocation.target(), invocation.project)
        applied = [state.version for state in states if state.applied]
    else:
        known = [file.version for file in list_migrations(invocation.project)]
        if since not in ("none", *known):
            raise WrongUsage(f"--since {since}: no migration has this version, nor is it none")
        applied = known[: known.index(since) + 1] if since != "none" else []
    found = await find_impact(root, applied)
    if invocation.json:
        invocation.write_json({"breaks": found.breaks, **msgspec.structs.asdict(found)})
    else:
        _write_impact(found)
    return found.breaks


def _write_impact(found: "Impact") -> None:
    if not found.steps:
        show(f"No migration is pending after {found.since}" if found.since else "No migrations")
    for step in found.steps:
        show(f"{step.version}_{step.name}")
        if not step.changes:
            show("  changes nothing for any query")
        for change in step.changes:
            show("\n".join(f"  {change.query}: {told}" for told in change.what))
    if found.unread:
        show("Read by no query:")
        show("\n".join(f"  {column}" for column in found.unread))
    if found.breaks:
        say(f"Would break: {', '.join(found.broken)}")
