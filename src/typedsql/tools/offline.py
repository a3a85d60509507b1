"""The committed analysis: a JSON file for each .sql file, from which code is generated again.

Where nothing that an analysis is made from has changed, its files say all that a server
would, so that checking the generated code needs none. ``project.json`` beside them holds what
the files share: the digests of what they were made from, the rows, and what is wrong with
the database itself.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from typedsql.statements import Columns
from typedsql.tools.analysis import Analysed
from typedsql.tools.catalog_rules import CatalogFinding
from typedsql.tools.config import Checkout
from typedsql.tools.inputs import digest_of, inputs_of
from typedsql.tools.project_analysis import ProjectAnalysis, Reading, batches_of, texts_of
from typedsql.tools.proof.access import Access
from typedsql.tools.proof.cardinality.counting import Cardinality
from typedsql.tools.rows.documents import refused_type
from typedsql.tools.rows.fields import Alias, Field, Row
from typedsql.tools.staging import Merge

FOLDER: Final = "analysis"
"""Within the folder of queries."""
SHARED: Final = "project"


class Stored(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a file of analysis says of one statement."""

    digest: str
    parameters: tuple[Field, ...]
    parameter_types: tuple[str, ...]
    columns: tuple[tuple[str, str, bool], ...]
    """Name, PostgreSQL type, and whether it can be NULL."""
    row: str | None = None
    value: Field | None = None
    merge: Merge | None = None
    cardinality: Cardinality
    reads: dict[str, tuple[str, ...]] = {}
    writes: dict[str, tuple[str, ...]] = {}
    reads_only: bool = False
    array_elements: tuple[str, ...] = ()


class Shared(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What ``project.json`` says."""

    inputs: dict[str, str]
    """Digest of each thing that the analysis was made from."""
    outputs: dict[str, str]
    """Digest of each file of analysis, of the schema file, and of what is below."""
    aliases: tuple[Alias, ...]
    rows: tuple[Row, ...]
    catalog: tuple[CatalogFinding, ...] = ()


def analysis_files(checkout: Checkout, analysis: ProjectAnalysis, schema: str) -> dict[Path, str]:
    """The text of every file of analysis. `schema` is the text of the schema file."""
    texts = {stem: _statements(found) for stem, found in analysis.files.items()}
    outputs = {stem: digest_of([text.encode()]) for stem, text in texts.items()}
    outputs[checkout.project.schema_file] = digest_of([schema.encode()])
    outputs[SHARED] = _shared_digest(analysis.aliases, analysis.rows, analysis.catalog)
    shared = Shared(
        inputs=inputs_of(checkout),
        outputs=outputs,
        aliases=analysis.aliases,
        rows=analysis.rows,
        catalog=analysis.catalog,
    )
    texts[SHARED] = _layout(msgspec.to_builtins(shared))
    return {_path(checkout, stem): text for stem, text in texts.items()}


def analysis_paths(checkout: Checkout, analysis: ProjectAnalysis) -> set[Path]:
    """Where the files of an analysis are, whether they are there or not."""
    return {_path(checkout, stem) for stem in (*analysis.files, SHARED)}


def unchanged_analysis(checkout: Checkout, readings: list[Reading]) -> ProjectAnalysis | None:
    """The committed analysis, if it is of exactly what is there now; else None.

    The schema file is looked at as well: it was dumped by the server that was asked.
    """
    try:
        shared = msgspec.json.decode(_path(checkout, SHARED).read_bytes(), type=Shared)
        if shared.inputs != inputs_of(checkout):
            return None
        schema = (checkout.root / checkout.project.schema_file).read_bytes()
        if shared.outputs.get(checkout.project.schema_file) != digest_of([schema]):
            return None
        if shared.outputs.get(SHARED) != _shared_digest(
            shared.aliases, shared.rows, shared.catalog
        ):
            return None
        if not _documents_exist(checkout):
            return None
        return _restore(checkout, shared, readings)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return None


class _Recognised(msgspec.Struct, frozen=True):
    """What any release's file of analysis says of a statement, its other fields left out."""

    digest: str
    parameter_types: list[str]
    cardinality: dict[str, msgspec.Raw]


def is_analysis(data: bytes) -> bool:
    """Whether it is a file of analysis, of this release or another, rather than other JSON."""
    try:
        return bool(msgspec.json.decode(data, type=dict[str, _Recognised]))
    except (UnicodeDecodeError, msgspec.DecodeError):
        return False


def _restore(checkout: Checkout, shared: Shared, readings: list[Reading]) -> ProjectAnalysis | None:
    rows = {row.name: row for row in shared.rows}
    files: dict[str, tuple[Analysed, ...]] = {}
    variants: dict[str, str] = {}
    for reading in readings:
        data = _path(checkout, reading.stem).read_bytes()
        if reading.findings or shared.outputs.get(reading.stem) != digest_of([data]):
            return None
        stored = msgspec.json.decode(data, type=dict[str, Stored])
        statements = reading.source.statements
        if list(stored) != list(statements):
            return None
        found: list[Analysed] = []
        for name, item in stored.items():
            if item.digest != statements[name].digest or (item.row and item.row not in rows):
                return None
            found.append(
                Analysed(
                    statement=statements[name],
                    parameters=item.parameters,
                    parameter_types=item.parameter_types,
                    columns=tuple((column, kind) for column, kind, _ in item.columns),
                    nullable=tuple(nullable for *_, nullable in item.columns),
                    row=rows[item.row] if item.row else None,
                    value=item.value,
                    cardinality=item.cardinality,
                    access=Access(reads=_pairs(item.reads), writes=_pairs(item.writes)),
                    reads_only=item.reads_only,
                    variants=reading.expansion.sets.get(name),
                    array_elements=item.array_elements,
                    merge=item.merge,
                )
            )
        batches = batches_of(reading, found, checkout)
        if batches.findings:
            return None
        files[reading.stem] = batches.statements
        variants |= texts_of(reading, batches)
    return ProjectAnalysis(
        files=files,
        variants=variants,
        rows=shared.rows,
        aliases=shared.aliases,
        catalog=shared.catalog,
    )


def _shared_digest(
    aliases: tuple[Alias, ...], rows: tuple[Row, ...], catalog: tuple[CatalogFinding, ...]
) -> str:
    return digest_of([msgspec.json.encode([aliases, rows, catalog])])


def _documents_exist(checkout: Checkout) -> bool:
    """Whether the declared types still do, whose modules are not among the inputs."""
    return not any(
        refused_type(declared, checkout.source_root)
        for declared in checkout.declaration.documents.values()
    )


def _statements(found: tuple[Analysed, ...]) -> str:
    stored = {
        item.statement.name.partition(".")[2]: Stored(
            digest=item.statement.digest,
            parameters=tuple(
                msgspec.structs.replace(field, comment=None) for field in item.parameters
            ),
            parameter_types=item.parameter_types,
            columns=_columns(item.columns, item.nullable),
            row=item.row.name if item.row else None,
            value=item.value,
            merge=item.merge,
            cardinality=item.cardinality,
            reads=_by_table(item.access.reads),
            writes=_by_table(item.access.writes),
            reads_only=item.reads_only,
            array_elements=item.array_elements,
        )
        for item in found
    }
    return _layout(msgspec.to_builtins(stored))


def _columns(columns: Columns, nullable: tuple[bool, ...]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((name, kind, can) for (name, kind), can in zip(columns, nullable, strict=True))


def _by_table(columns: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for table, column in columns:
        found.setdefault(table, []).append(column)
    return {table: tuple(names) for table, names in found.items()}


def _pairs(by_table: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    return tuple((table, name) for table, names in by_table.items() for name in names)


def _path(checkout: Checkout, stem: str) -> Path:
    return checkout.root / checkout.project.queries_dir / FOLDER / f"{stem}.json"


_LINE_WIDTH: Final = 100


def _layout(value: Any, indent: str = "") -> str:
    """JSON with each item on a line of its own where it is short, for people to compare."""
    inline = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list | tuple) or len(indent) + len(inline) < _LINE_WIDTH:
        return inline if indent else inline + "\n"
    inner = indent + "  "
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        items = [f"{json.dumps(key)}: {_layout(item, inner)}" for key, item in table.items()]
        opening, closing = "{", "}"
    else:
        items = [_layout(item, inner) for item in cast("list[Any]", value)]
        opening, closing = "[", "]"
    body = ",\n".join(f"{inner}{item}" for item in items)
    return f"{opening}\n{body}\n{indent}{closing}" + ("" if indent else "\n")
