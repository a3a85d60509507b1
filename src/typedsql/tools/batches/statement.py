"""What stands for many calls of one statement, and how its types are written in SQL."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pglast import keywords

from typedsql.statements import Columns, Statement
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.source import SourceFile

RULE: Final = "batch"
POSITION: Final = "ordinal"
"""The column that says which call a row is for, from 1."""
POSITION_COLUMN: Final = (POSITION, "int8")
AFFECTED_COLUMN: Final = ("affected", "int8")

_SPELLED: Final = {
    "bool": "BOOLEAN",
    "char": '"char"',
    "float4": "REAL",
    "float8": "DOUBLE PRECISION",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
}
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_$]*")


class BatchStatement(msgspec.Struct, frozen=True):
    """The statement that concurrent calls of another become."""

    statement: Statement
    columns: Columns
    is_derived: bool
    """Whether it stands in the file of variants, else beside the other."""


def at_directive(source: SourceFile, statement: Statement, message: str, advice: str) -> Finding:
    """A finding at the line of a statement's @batch."""
    section = source.section(statement)
    match = re.compile(r"--[ \t]*(@batch)\b").search(source.text, section.start, section.end)
    return source.at(
        match.start(1) if match else section.name_offset,
        rule=RULE,
        message=message,
        advice=advice,
        statement=statement.name,
    )


def array_elements(
    source: SourceFile, statement: Statement, kinds: Mapping[str, Any]
) -> tuple[str, ...]:
    """Of a read with @batch, the types of its parameters, as they are written in SQL.

    `kinds` has the driver's description of each. Raises Refused for one of which `unnest` does
    not make a column again.
    """
    if statement.batch is None or statement.batch.into is not None:
        return ()
    findings = [
        at_directive(
            source,
            statement,
            f"parameter {name} has type {kind.name}, of which unnest makes no column",
            "take @batch from it, or give its parts as parameters of their own",
        )
        for name, kind in kinds.items()
        if kind.kind in ("array", "composite")
    ]
    if findings:
        raise Refused(findings)
    return tuple(sql_type(kinds[name]) for name in statement.parameters)


def sql_type(kind: Any) -> str:
    """A type of the driver's as a person writes it, one of an extension with its schema."""
    name: str = kind.name
    if kind.schema == "pg_catalog":
        return _SPELLED.get(name, name.upper())
    return f"{quoted(kind.schema)}.{quoted(name)}"


def quoted(name: str) -> str:
    """A name as it is written in SQL, without quotes where it needs none."""
    reserved = name in keywords.RESERVED_KEYWORDS or name in keywords.TYPE_FUNC_NAME_KEYWORDS
    if _PLAIN.fullmatch(name) and not reserved:
        return name
    return '"' + name.replace('"', '""') + '"'
