"""Each statement's parameters and rows, as a migrated PostgreSQL describes them."""

import keyword
from collections.abc import Iterable
from typing import Any

import asyncpg
import msgspec

from typedsql.errors import CodeError
from typedsql.query import Columns, Statement
from typedsql.tools.catalog import Catalog, Column, Table
from typedsql.tools.config import Declaration
from typedsql.tools.syntax import Syntax, read_syntax
from typedsql.tools.types import SQLType, python_type
from typedsql.verify import columns_of


class Field(msgspec.Struct, frozen=True):
    """A result column or parameter with its Python type."""

    name: str
    annotation: str
    """Dotted Python type, with `` | None`` where NULL is possible."""
    document: str | None
    """Dotted type of the document, for json and jsonb."""
    comment: str | None
    omissible: bool = False
    """A parameter that may be left out, and then is NULL."""


class Row(msgspec.Struct, frozen=True):
    """The Struct a statement returns."""

    name: str
    fields: tuple[Field, ...]
    table: Table | None
    """The table whose whole row it is, None for a row of the statement's own."""


class Analysed(msgspec.Struct, frozen=True):
    """A statement with everything the generated function says."""

    statement: Statement
    parameters: tuple[Field, ...]
    columns: Columns
    row: Row | None
    """None for statements that return a count or a single value."""
    value: Field | None
    """The value of a ``$`` statement, or of ``<!`` with one column."""


class Analyser:
    """Asks one migrated database about the statements of one project."""

    def __init__(self, connection: Any, catalog: Catalog, declaration: Declaration) -> None:
        self._connection = connection
        self._catalog = catalog
        self._declaration = declaration
        self._tables: dict[str, Row] = {}
        for table in catalog.tables.values():
            row = self._table_row(table)
            if row is not None:
                self._tables[table.qualified] = row
        _check_distinct(self._tables.values())

    @property
    def table_rows(self) -> list[Row]:
        """The Struct of each table that can have one; see `_table_row`."""
        return list(self._tables.values())

    async def analyse(self, statement: Statement, stem: str) -> Analysed:
        """Raises CodeError, with file and line, for what cannot be run or typed."""
        _check_names(statement)
        try:
            prepared = await self._connection.prepare(statement.sql)
        except asyncpg.PostgresError as failure:
            raise CodeError(f"{statement.location}: {failure.args[0]}") from None
        syntax = read_syntax(statement, self._catalog)
        columns = columns_of(prepared)
        _check_suffix(statement, columns)
        fields = tuple(
            self._result_field(statement, item, syntax.columns[index])
            for index, item in enumerate(prepared.get_attributes())
        )
        parameters = tuple(
            self._parameter_field(statement, index, kind, syntax)
            for index, kind in enumerate(prepared.get_parameters())
        )
        single = statement.suffix == "$" or (statement.suffix == "<!" and len(fields) == 1)
        row = None
        if statement.suffix != "!" and not single:
            row = self._row(statement, stem, fields, syntax.columns)
        return Analysed(statement, parameters, columns, row, fields[0] if single else None)

    def _table_row(self, table: Table) -> Row | None:
        """None where a column's name or type has no Python form: a statement renames or casts."""
        rows = self._declaration.rows
        name = rows.get(table.qualified) or rows.get(table.name) or _camel(table.name)
        if not all(_is_name(word) for word in (name, *(column.name for column in table.columns))):
            return None
        fields: list[Field] = []
        for column in table.columns:
            array = column.type_name.startswith("_")
            kind = SQLType(
                column.type_name.removeprefix("_") + ("[]" if array else ""),
                "array" if array else "scalar",
            )
            where = f"column {table.qualified}.{column.name}"
            try:
                fields.append(self._field(column.name, kind, column, where, not column.not_null))
            except CodeError:
                return None
        return Row(name, tuple(fields), table)

    def _result_field(self, statement: Statement, item: Any, column: Column | None) -> Field:
        where = f"{statement.location}: column {item.name}"
        nullable = column is None or not column.not_null
        kind = SQLType(item.type.name, item.type.kind)
        return self._field(item.name, kind, column, where, nullable)

    def _field(
        self, name: str, kind: SQLType, column: Column | None, where: str, nullable: bool
    ) -> Field:
        annotation = python_type(kind, where, parameter=False)
        document = None
        if kind.is_document:
            document = self._document(column) or annotation
            annotation = document
        if nullable and annotation != "None":
            annotation += " | None"
        return Field(name, annotation, document, column.comment if column else None)

    def _parameter_field(
        self, statement: Statement, index: int, described: Any, syntax: Syntax
    ) -> Field:
        name = statement.parameters[index]
        where = f"{statement.location}: parameter {name}"
        kind = SQLType(described.name, described.kind)
        annotation = python_type(kind, where, parameter=True)
        target = syntax.targets.get(index + 1)
        if kind.is_document:
            annotation = self._document(target) or annotation
        if index + 1 in syntax.nullable:
            annotation += " | None"
        comment = target.comment if target else None
        return Field(name, annotation, None, comment, index + 1 in syntax.omissible)

    def _document(self, column: Column | None) -> str | None:
        if column is None:
            return None
        table = column.table.rpartition(".")[2]
        return self._declaration.documents.get(f"{table}.{column.name}")

    def _row(
        self,
        statement: Statement,
        stem: str,
        fields: tuple[Field, ...],
        traced: tuple[Column | None, ...],
    ) -> Row:
        chosen = statement.directives.get("returns")
        first = traced[0] if traced else None
        table_row = self._tables.get(first.table) if first else None
        if table_row and table_row.table and traced == table_row.table.columns:
            if chosen and chosen != table_row.name:
                raise CodeError(
                    f"{statement.location}: returns the whole row of {table_row.table.name}, "
                    f"so its type is {table_row.name}: remove @returns {chosen}"
                )
            return table_row
        name = chosen or self._default_name(statement, stem)
        if not _is_name(name):
            raise CodeError(f"{statement.location}: @returns {name} is no Python class name")
        if any(name == row.name for row in self._tables.values()):
            raise CodeError(
                f"{statement.location}: @returns {name}, but its columns are not those of the "
                "table, all and in order"
            )
        return Row(name, fields, None)

    def _default_name(self, statement: Statement, stem: str) -> str:
        base = self._declaration.rows.get(stem) or _camel(stem)
        words = statement.name.partition(".")[2].split("_")
        rest = words[1:] if len(words) > 1 else words
        return base + _camel("_".join(rest))


def _is_name(word: str) -> bool:
    # msgspec calls these names its own, and Python mangles those with two underscores.
    return word.isidentifier() and not keyword.iskeyword(word) and not word.startswith("__")


def _check_distinct(rows: Iterable[Row]) -> None:
    tables: dict[str, str] = {}
    for row in rows:
        if row.table is None:
            continue
        other = tables.setdefault(row.name, row.table.qualified)
        if other != row.table.qualified:
            raise CodeError(
                f"[tool.typedsql.rows]: {other} and {row.table.qualified} would both be "
                f'{row.name}; name one, as in "{row.table.qualified}" = "..."'
            )


def _check_names(statement: Statement) -> None:
    name = statement.name.partition(".")[2]
    for what, word in [("name", name), *(("parameter", item) for item in statement.parameters)]:
        if not _is_name(word) or word == "db" or word.startswith("_"):
            raise CodeError(
                f"{statement.location}: {what} {word!r} cannot be one in Python; choose another"
            )


def _check_suffix(statement: Statement, columns: Columns) -> None:
    returns_rows = bool(columns)
    if statement.suffix == "!" and returns_rows:
        raise CodeError(
            f"{statement.location}: returns rows, but its suffix ! asks for a count; "
            "use <! for one row, or no suffix for many"
        )
    if statement.suffix != "!" and not returns_rows:
        raise CodeError(f"{statement.location}: returns no columns; use the suffix !")
    if statement.suffix == "$" and len(columns) != 1:
        raise CodeError(
            f"{statement.location}: the suffix $ is for one value, but {len(columns)} columns "
            "come back; use ^"
        )
    names = [name for name, _ in columns]
    single = statement.suffix == "$" or (statement.suffix == "<!" and len(names) == 1)
    if "one" in statement.directives and (single or statement.suffix not in ("^", "<!")):
        raise CodeError(
            f"{statement.location}: @one is for a statement with the suffix ^, or <! and several "
            "columns"
        )
    for name in names:
        if not single and not _is_name(name):
            raise CodeError(
                f"{statement.location}: column {name!r} needs a name that Python can use: AS ..."
            )
        if names.count(name) > 1:
            raise CodeError(f"{statement.location}: two columns are named {name}: rename one")


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))
