"""Commands that look and change nothing: health and doctor."""

from typing import TYPE_CHECKING

import msgspec
import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    announce_new_server,
)
from typedsql.cli.output import show, write_pairs
from typedsql.project import Project

if TYPE_CHECKING:
    from typedsql.tools.doctor import Diagnosis


def register(app: typer.Typer, project: Project) -> None:
    """Add the commands to an app."""

    @app.command()
    def health(
        context: typer.Context,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Ask the database how it is.

        Unhealthy, with exit code 1, are a server that does not answer and a database
        whose migrations are behind.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> bool:
            from typedsql.health import connect_and_check

            found = await connect_and_check(invocation.target(), project)
            if json:
                invocation.write_json(found)
            else:
                pairs = msgspec.structs.asdict(found)
                write_pairs({name: value for name, value in pairs.items() if value is not None})
            return found.status == "healthy"

        if not invocation.run(work):
            raise typer.Exit(FINDINGS)

    @app.command()
    def doctor(
        context: typer.Context,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Find out what is wrong.

        Says where it would connect and why, what stands in the way (exit code 1 then),
        and what to do.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> bool:
            from typedsql.tools.doctor import diagnose

            found = await diagnose(project, invocation.url, on_target=announce_new_server)
            if json:
                invocation.write_json(found)
            else:
                _write(found)
            return found.sound

        if not invocation.run(work):
            raise typer.Exit(FINDINGS)

    del health, doctor


def _write(found: "Diagnosis") -> None:
    write_pairs(
        {
            "Connects to": found.target or "nowhere",
            "Decided by": _decision(found),
            "Answers": _answer(found),
            "Migrations": _migrations(found),
            "Server log": found.server_log or "unknown",
            "dbmate": found.dbmate or "not installed",
            **({"Gateway": found.gateway} if found.gateway else {}),
            "Embedded": "installed" if found.embedded_available else "not installed",
        }
    )
    show("")
    for finding in found.findings:
        show(f"{finding.level.capitalize()}: {finding.message}")
        if finding.action:
            show(f"  What to do: {finding.action}")
    if not found.findings:
        show("Nothing is wrong")


def _decision(found: "Diagnosis") -> str:
    if found.decided_by is None:
        return "nothing usable"
    if found.decided_by == "argument":
        decision = "--url"
    elif found.decided_by.startswith("embedded"):
        decision = "nothing is set, so the embedded server"
    else:
        decision = found.decided_by
    return decision + (f"; overruled: {', '.join(found.overruled)}" if found.overruled else "")


def _answer(found: "Diagnosis") -> str:
    if not found.answers:
        return "no"
    words = [f"PostgreSQL {found.server_version}", f"{found.latency_ms} ms", f"as {found.role}"]
    words.append("TLS" if found.tls else "no TLS")
    if found.read_only:
        words.append("read-only")
    return "yes: " + ", ".join(words)


def _migrations(found: "Diagnosis") -> str:
    if found.pending_migrations is None:
        return f"unknown, expected {found.expected_migration}"
    if found.migration_version == found.expected_migration and not found.pending_migrations:
        return f"at {found.migration_version}, as expected"
    return f"at {found.migration_version or 'none'}, expected {found.expected_migration}"
