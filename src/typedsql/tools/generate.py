"""`generate`: from the .sql files and a migrated database to rows, functions and schema."""

import difflib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from typedsql import embedded
from typedsql.errors import CodeError
from typedsql.tools import emit
from typedsql.tools.catalog_places import at_schema_file
from typedsql.tools.config import Checkout, read_checkout
from typedsql.tools.declaration_findings import declaration_finding
from typedsql.tools.leftovers import leftovers
from typedsql.tools.migration_session import applied_versions
from typedsql.tools.migrations import migrate
from typedsql.tools.offline import analysis_files, analysis_paths, unchanged_analysis
from typedsql.tools.project_analysis import (
    ProjectAnalysis,
    Reading,
    analyse_project,
    read_queries,
)
from typedsql.tools.reading.findings import Finding, Refused, in_file_order
from typedsql.tools.schema import dump_schema
from typedsql.tools.scratch import open_analysis, scratch_server

_DATABASE: Final = "analysis"

DIFF_LINES = 12
"""Of each outdated file, so that a finding says what is different."""


class Outcome(msgspec.Struct, frozen=True):
    """What `generate` did or found."""

    lines: tuple[str, ...]
    """One for each file that was written, removed or found outdated."""
    strange: tuple[str, ...]
    """One for each file that is in the way of what is generated, and nobody's to remove."""
    asked: bool
    """Whether a server was asked; else nothing had changed since one was."""


async def generate(root: Path, *, check: bool, full: bool = False) -> Outcome:
    """Write everything that is generated; with `check`, write nothing and say what differs.

    Asks a scratch server, migrated as the checkout says, unless nothing has changed since
    one was asked; with `full` in any case. Raises Refused with all findings in the SQL.
    """
    checkout = read_checkout(root)
    readings = read_queries(checkout)
    analysis = None if full else unchanged_analysis(checkout, readings)
    files: dict[Path, str] = {}
    asked = analysis is None
    if analysis is None:
        analysis, code, schema = await _ask(checkout, readings)
        files = analysis_files(checkout, analysis, schema)
        files[root / checkout.project.schema_file] = schema
    else:
        code, findings = _code(checkout, analysis, readings)
        if findings:
            raise Refused(findings)
    files = code | files
    gone, others = leftovers(checkout, files.keys() | analysis_paths(checkout, analysis))
    strange = tuple(
        f"{path.relative_to(root)}: not generated, in a folder for what is: move it"
        for path in others
    )
    if check:
        return Outcome(
            (
                *(
                    _outdated(path, text, root)
                    for path, text in files.items()
                    if _differs(path, text)
                ),
                *(f"{path.relative_to(root)}: its .sql file is gone" for path in gone),
            ),
            strange,
            asked,
        )
    written: list[str] = []
    for path, text in files.items():
        if _differs(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(f"{path.relative_to(root)} written")
    for path in gone:
        path.unlink()
        written.append(f"{path.relative_to(root)} removed")
    return Outcome(tuple(written), strange, asked)


async def find(root: Path, *, full: bool = False) -> tuple[tuple[Finding, ...], int]:
    """Everything that is wrong with a project's SQL, and how many statements it has.

    Also with what its migrations make: that of an unchanged project stands in its analysis.
    """
    checkout = read_checkout(root)
    readings = read_queries(checkout)
    count = sum(len(reading.source.sections) for reading in readings)
    analysis = None if full else unchanged_analysis(checkout, readings)
    findings: list[Finding] = []
    if analysis is None:
        async with _asked(checkout, readings) as (analysis, _, _):
            _, findings = _code(checkout, analysis, readings)
            findings += analysis.findings
    findings += at_schema_file(root, checkout.project.schema_file, analysis.catalog)
    return tuple(in_file_order(findings)), count


@asynccontextmanager
async def _asked(
    checkout: Checkout, readings: list[Reading]
) -> AsyncGenerator[tuple[ProjectAnalysis, Any, embedded.EmbeddedServer], None]:
    """What a migrated server of its own says, a connection to it, and the server."""
    with scratch_server(checkout.project) as server:
        target = server.target(_DATABASE)
        await migrate(target, checkout.project)
        async with open_analysis(target) as connection:
            yield await analyse_project(connection, checkout, readings), connection, server


async def _ask(
    checkout: Checkout, readings: list[Reading]
) -> tuple[ProjectAnalysis, dict[Path, str], str]:
    """What a migrated server says, the code that follows from it, and the server's schema.

    Raises Refused with all findings.
    """
    async with _asked(checkout, readings) as (analysis, connection, server):
        code, findings = _code(checkout, analysis, readings)
        findings += analysis.findings
        if findings:
            raise Refused(in_file_order(findings))
        applied = await applied_versions(connection, checkout.project)
        schema = dump_schema(
            server.target(_DATABASE), checkout.project, server.bin_dir, applied=applied
        )
    return analysis, code, schema


def _code(
    checkout: Checkout, analysis: ProjectAnalysis, readings: list[Reading]
) -> tuple[dict[Path, str], list[Finding]]:
    """The text of every generated Python file, and of every file of variants.

    Beside it the names that the generated modules cannot have; their files are left out then.
    """
    package, project = checkout.package_dir, checkout.project
    files: dict[Path, str] = {}
    findings: list[Finding] = []
    for reading in readings:
        statements = analysis.files.get(reading.stem, ())
        try:
            text = emit.queries_module(reading.stem, statements, project)
        except emit.NameTaken as refusal:
            findings.append(
                reading.source.finding(
                    refusal.statement, rule="name", message=str(refusal), advice="choose another"
                )
            )
        else:
            files[package / "queries" / f"{reading.stem}.py"] = text
    files[package / "queries" / "__init__.py"] = emit.queries_package(project)
    try:
        files[package / "rows.py"] = emit.rows_module(analysis.rows, project, analysis.aliases)
    except CodeError as failure:
        told = f"[tool.typedsql.rows]: {failure}"
        findings.append(declaration_finding(checkout.root, "name", told))
    files[package / "project.py"] = emit.project_module(project)
    files |= {checkout.root / name: text for name, text in analysis.variants.items()}
    return files, findings


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_text(encoding="utf-8") != text


def _outdated(path: Path, text: str, root: Path) -> str:
    relative = path.relative_to(root)
    if not path.is_file():
        return f"{relative}: missing"
    committed = path.read_text(encoding="utf-8").splitlines()
    changes = list(
        difflib.unified_diff(
            committed, text.splitlines(), "committed", "generated", lineterm="", n=0
        )
    )
    shown = "\n".join(f"    {line}" for line in changes[2 : 2 + DIFF_LINES])
    return f"{relative}: out of date\n{shown}"
