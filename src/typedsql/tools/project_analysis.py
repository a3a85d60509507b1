"""All statements of a project, read, varied and analysed; everything that is wrong at once."""

import keyword
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from typedsql.tools.analysis import Analysed, Analyser, refusal_finding
from typedsql.tools.batches.project import Batches, with_batches
from typedsql.tools.batches.statement import at_directive
from typedsql.tools.catalog_rules import CatalogFinding, catalog_findings
from typedsql.tools.config import Checkout
from typedsql.tools.declaration_findings import of_refusal, unknown_names
from typedsql.tools.inputs import query_files
from typedsql.tools.reading.findings import Finding, Refused, in_file_order
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.rows.fields import Alias, Row, ShapeRefused, agree
from typedsql.tools.variants.expansion import Expansion, expand

_SCHEMAS: Final = "SELECT n.nspname FROM pg_catalog.pg_namespace AS n"

# aiosql warns of what is a finding here, with a place and an advice.
logging.getLogger("aiosql").setLevel(logging.ERROR)


class Reading(msgspec.Struct, frozen=True):
    """One .sql file, read and with its variants written down."""

    stem: str
    source: SourceFile
    expansion: Expansion
    variants: SourceFile
    """The text of the variants, which need not be written yet."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the file by itself; that of the variants would be ours."""
        return (*self.source.findings, *self.expansion.findings, *self.variants.findings)


class ProjectAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is generated follows from this."""

    files: Mapping[str, tuple[Analysed, ...]]
    """The statements of each file, by its stem, in the order of the file."""
    variants: Mapping[str, str]
    """Text of each file of variants by its path, relative to the project's root."""
    rows: tuple[Row, ...]
    """Structs of composite types, of tables, and of statements."""
    aliases: tuple[Alias, ...]
    columns: tuple[tuple[str, str], ...] = ()
    """Every table's columns: ``schema.table`` and name. Empty where it was read from files."""
    findings: tuple[Finding, ...] = ()
    catalog: tuple[CatalogFinding, ...] = ()
    """What is wrong with the database itself, which keeps nothing from being generated."""


def read_queries(checkout: Checkout) -> list[Reading]:
    """Every .sql file of the project; asks no server."""
    return [_read(path, checkout) for path in query_files(checkout)]


def _read(path: Path, checkout: Checkout) -> Reading:
    source = SourceFile.read(path, checkout.root)
    stem = path.stem
    told: tuple[str, str] | None = None
    if not stem.isidentifier() or keyword.iskeyword(stem) or stem.startswith("_"):
        told = ("the file's name becomes a module's, and Python cannot import that", "rename it")
    elif not source.sections and not source.findings:
        told = (
            "no statement in it",
            "begin one with `-- name: get_thing(id)^`, or remove the file",
        )
    if told is not None:
        finding = source.at(0, rule="file", message=told[0], advice=told[1])
        source.findings = (*source.findings, msgspec.structs.replace(finding, column=0, excerpt=""))
    expansion = expand(
        source,
        max_variants=checkout.declaration.max_variants,
        command=checkout.project.command,
    )
    return Reading(stem, source, expansion, SourceFile.of_text(expansion.file, expansion.text))


async def analyse_project(
    connection: Any, checkout: Checkout, readings: Iterable[Reading]
) -> ProjectAnalysis:
    """Ask a migrated database about every statement. What is wrong is in `findings`."""
    readings = list(readings)
    findings = [finding for reading in readings for finding in reading.findings]
    try:
        analyser = await Analyser.load(
            connection, checkout.declaration, without=checkout.project.migrations_table
        )
    except ShapeRefused as refusal:
        findings.append(of_refusal(checkout.root, refusal))
        return ProjectAnalysis(files={}, variants={}, rows=(), aliases=(), findings=tuple(findings))
    shapes = analyser.shapes
    schemas = [row[0] for row in await connection.fetch(_SCHEMAS)]
    findings += unknown_names(checkout.root, checkout.declaration, analyser.catalog, schemas)
    refusals = shapes.check_documents(checkout.source_root)
    findings += [of_refusal(checkout.root, refusal) for refusal in refusals]
    rows = {row.name: row for row in (*shapes.composites, *shapes.tables.values())}
    files: dict[str, tuple[Analysed, ...]] = {}
    variants: dict[str, str] = {}
    for reading in readings:
        found: list[Analysed] = []
        for statement in reading.source.statements.values():
            name = statement.name.partition(".")[2]
            try:
                analysed = await analyser.analyse(
                    reading.source, statement, reading.expansion.sets.get(name), reading.variants
                )
                _share(rows, analysed, reading)
            except Refused as refused:
                findings += refused.findings
                continue
            except Exception as failure:
                failure.add_note(f"while {statement.name} was analysed, {statement.location}")
                raise
            found.append(analysed)
        batches = batches_of(reading, found, checkout)
        findings += batches.findings
        findings += await _wrong_batches(analyser, reading, batches)
        files[reading.stem] = batches.statements
        variants |= texts_of(reading, batches)
    if not findings:
        # What a refused statement would have used is not unused.
        refusals = shapes.unused_documents()
        findings += [of_refusal(checkout.root, refusal) for refusal in refusals]
    return ProjectAnalysis(
        files=files,
        variants=variants,
        rows=tuple(rows.values()),
        aliases=tuple(shapes.aliases),
        columns=tuple(
            (table.qualified, column.name)
            for table in analyser.catalog.tables.values()
            for column in table.columns
        ),
        findings=tuple(in_file_order(findings)),
        catalog=tuple(
            await catalog_findings(
                connection,
                schemas=checkout.declaration.schemas,
                exposed_schemas=checkout.declaration.exposed_schemas,
            )
        ),
    )


def batches_of(reading: Reading, found: Iterable[Analysed], checkout: Checkout) -> Batches:
    """The statements of one file with what concurrent calls of them become; asks no server."""
    command = checkout.project.command
    return with_batches(reading.source, reading.expansion, tuple(found), command=command)


def texts_of(reading: Reading, batches: Batches) -> dict[str, str]:
    """The file of variants that is to be written, if there is one."""
    return {reading.expansion.file: batches.text} if batches.text else {}


async def _wrong_batches(analyser: Analyser, reading: Reading, batches: Batches) -> list[Finding]:
    """What a server says against derived statements, told of those they are derived from."""
    if batches.source.findings:
        return []
    found: list[Finding] = []
    for single in batches.statements:
        if single.batch is None or not single.batch.is_derived:
            continue
        for wrong in await analyser.check_derived(single.batch, batches.source):
            message = f"for many keys at once: {wrong.message}"
            found.append(at_directive(reading.source, single.statement, message, wrong.advice))
    return found


def statements_of(analysis: ProjectAnalysis) -> Iterator[Analysed]:
    """Every statement, file by file."""
    for found in analysis.files.values():
        yield from found


def _share(rows: dict[str, Row], analysed: Analysed, reading: Reading) -> None:
    """Raises Refused where a row of that name is another one already."""
    if analysed.row is None:
        return
    try:
        agree(rows, analysed.row)
    except ShapeRefused as refusal:
        raise Refused([refusal_finding(refusal, reading.source, analysed.statement)]) from None
