"""What is wrong with ``[tool.typedsql]`` once a database was asked, with its line."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from typedsql.tools.config import Declaration
from typedsql.tools.reading.findings import Finding
from typedsql.tools.rows.catalog import Catalog
from typedsql.tools.rows.fields import ShapeRefused

FILE: Final = "pyproject.toml"
_TABLE: Final = re.compile(r"\[tool\.typedsql(?:\.\w+)?\]")
_QUOTED: Final = re.compile(r'"([^"]+)"')
_HEADER: Final = re.compile(r"\s*\[")


def declaration_finding(root: Path, rule: str, message: str, advice: str = "") -> Finding:
    """A finding at the key that the message names in quotes, in the table that it names.

    Where the text of the file does not have them so, at the table, else at the beginning.
    """
    lines = (root / FILE).read_text(encoding="utf-8").splitlines()
    line, column = _place(lines, message)
    return Finding(
        rule=rule,
        file=FILE,
        line=line,
        column=column,
        statement=None,
        message=message,
        advice=advice,
        excerpt=lines[line - 1] if column else "",
    )


def of_refusal(root: Path, refusal: ShapeRefused) -> Finding:
    """What the declaration does not let rows be."""
    return declaration_finding(root, refusal.rule, refusal.message, refusal.advice)


def unknown_names(
    root: Path, declaration: Declaration, catalog: Catalog, schemas: Sequence[str]
) -> Iterator[Finding]:
    """Keys of the declaration that name nothing in the database.

    `schemas` are those that there are.
    """
    for key in ("schemas", "exposed_schemas"):
        for schema in getattr(declaration, key):
            if schema not in schemas:
                yield declaration_finding(
                    root,
                    "declaration",
                    f'[tool.typedsql]: "{key}" names {schema}, which is no schema of the database',
                    "write the names of schemas that migrations make",
                )
    own = [kind for kind in catalog.types.by_oid.values() if kind.schema in declaration.schemas]
    known = {*catalog.tables, *(kind.qualified for kind in own)}
    known |= {name.rpartition(".")[2] for name in known}
    # A column's name is that of the Literal of its texts.
    known |= {
        f"{table}.{column.name}"
        for found in catalog.tables.values()
        for table in (found.qualified, found.name)
        for column in found.columns
    }
    for key in declaration.rows:
        if key not in known:
            yield declaration_finding(
                root,
                "declaration",
                f'[tool.typedsql.rows]: no table, column or type is named "{key}"',
                "write the name it has in the database, or remove the line",
            )


def _place(lines: Sequence[str], message: str) -> tuple[int, int]:
    """Line and column from 1; column 0 where it is in no line."""
    table = _TABLE.search(message)
    key = _QUOTED.search(message)
    if table is None:
        return 1, 0
    header = next((i for i, text in enumerate(lines) if text.strip().startswith(table[0])), None)
    if header is None:
        return 1, 0
    for index in range(header + 1, len(lines)):
        if _HEADER.match(lines[index]):
            break
        if key is not None and re.match(rf"""\s*["']?{re.escape(key[1])}["']?\s*=""", lines[index]):
            return index + 1, len(lines[index]) - len(lines[index].lstrip()) + 1
    return header + 1, lines[header].index("[") + 1
