"""The shapes of rows: which Struct a statement returns, and what its fields are.

Tables share one Struct each, statements of the same ``@returns`` another. Columns with a
dot in their name (``AS "alert.id"``) are fields of a nested row.
"""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from typedsql.tools.config import Declaration
from typedsql.tools.rows.catalog import Catalog, Column, Table
from typedsql.tools.rows.documents import JSON_SAFE, bare_names, declared_type, refused_type
from typedsql.tools.rows.fields import (
    Alias,
    Field,
    ResultColumn,
    Row,
    ShapeRefused,
    camel,
    is_name,
    optional,
    plain_name,
)
from typedsql.tools.rows.generated_types import GeneratedTypes
from typedsql.tools.rows.nested import RowFields
from typedsql.tools.rows.taken_names import taken_names
from typedsql.tools.rows.types import Decoder, Typed, TypeRefused


class Shapes:
    """The shapes of one project's rows. Raises ShapeRefused for names that clash."""

    def __init__(self, catalog: Catalog, declaration: Declaration) -> None:
        self._catalog = catalog
        self._declaration = declaration
        self._generated = GeneratedTypes(catalog, declaration)
        self._taken = taken_names(declaration.package, declaration.documents.values())
        self.types = self._generated.types
        self.used_documents: set[str] = set()
        """Keys of [tool.typedsql.documents] that some column was decoded by."""
        self.tables: dict[str, Row] = {}
        """The Struct of each table that can have one, by qualified name."""
        for table in catalog.tables.values():
            row = self._table_row(table)
            if row is not None:
                self._generated.claim(row.name, table.qualified)
                self.tables[table.qualified] = row

    @property
    def aliases(self) -> list[Alias]:
        """The Literal of each enum, labelled domain and column with a list of texts."""
        return self._generated.aliases

    @property
    def composites(self) -> list[Row]:
        """The Struct of each composite type that can have one, after those it contains."""
        return self._generated.composites

    def field(self, column: ResultColumn, statement: str, *, index: int = 0) -> Field:
        """A result column that is not nested; `statement` is ``file.name``."""
        name = plain_name(column.name)
        typed = self._result(column, f"{statement}.{name}", index)
        return Field(
            name.rpartition(".")[2],
            optional(typed.annotation, nullable=column.nullable),
            column.origin.comment if column.origin else None,
            decoder=typed.decoder,
        )

    def parameter(
        self,
        name: str,
        oid: int,
        *,
        nullable: bool,
        omissible: bool = False,
        column: Column | None = None,
    ) -> Field:
        """A parameter; `column` is the table's column it is stored in or compared with."""
        try:
            annotation = self.types.parameter(
                oid,
                text=self._generated.text(column),
                document=self._declared(self._document_key(column)),
            )
        except TypeRefused as failure:
            raise ShapeRefused(
                f"parameter {name} {failure.message}", failure.advice, rule="type"
            ) from None
        return Field(
            name,
            optional(annotation, nullable=nullable),
            column.comment if column else None,
            omissible=omissible,
        )

    def row(self, columns: Sequence[ResultColumn], statement: str, returns: str | None) -> Row:
        """The Struct of a statement (``file.name``); `returns` is its ``@returns``."""
        stem, _, short = statement.partition(".")
        table = self._whole_table(columns, columns)
        if table is not None:
            if returns and returns != table.name:
                raise ShapeRefused(
                    f"returns the whole row of {table.table}, so its type is {table.name}",
                    f"remove @returns {returns}",
                )
            return table
        name = returns or self._default_name(stem, short)
        if not is_name(name):
            raise ShapeRefused(f"@returns {name} is no Python class name", "choose another")
        taken = self._generated.claimed.get(name)
        if taken is not None:
            raise ShapeRefused(
                f"@returns {name}, but that is the name of {taken}",
                "return its columns, all and in order, or choose another name",
            )
        meaning = self._taken.get(name)
        if meaning is not None:
            raise ShapeRefused(
                f"its row would be {name}, but the generated modules have {meaning} by that name",
                "choose another with @returns",
                rule="name",
            )
        fields = RowFields(
            name,
            columns,
            plain=lambda column, index: self.field(column, statement, index=index),
            whole_table=self._whole_table,
            name_of=lambda nested: self._generated.prefix + nested,
        )
        return Row(name, fields.all())

    def given(self, table: str, columns: Sequence[str]) -> Row:
        """The Struct of a row that is given for these columns of a table, by qualified name.

        What can be NULL need not be given, and then is.
        """
        name = f"New{self._generated.struct_name(table)}"
        meaning = self._generated.claimed.get(name) or self._taken.get(name)
        if meaning is not None:
            raise ShapeRefused(
                f"the rows it is given would be {name}, which is the name of {meaning}",
                f'name the table\'s own, as in "{table}" = "..." in [tool.typedsql.rows]',
                rule="name",
            )
        fields: list[Field] = []
        for word in columns:
            column = self._catalog.tables[table].column(word)
            if column is None or not is_name(word):
                raise ShapeRefused(f"column {word} cannot be a field in Python", "rename it")
            field = self.parameter(
                word, column.type_oid, nullable=not column.not_null, column=column
            )
            fields.append(replace(field, omissible=not column.not_null))
        return Row(name, tuple(fields), table, given=True)

    def _default_name(self, stem: str, short: str) -> str:
        base = self._declaration.rows.get(stem) or camel(stem)
        words = short.split("_")
        return base + camel("_".join(words[1:] if len(words) > 1 else words))

    def _whole_table(
        self, columns: Sequence[ResultColumn], inside: Sequence[ResultColumn]
    ) -> Row | None:
        """The Struct of a table, if the columns are its row: all, in order, under their names.

        `inside` are the same columns with the nullability they have in that row.
        """
        first = columns[0].origin if columns else None
        row = self.tables.get(first.table) if first else None
        if first is None or row is None:
            return None
        table = self._catalog.tables[first.table]
        if tuple(column.origin for column in columns) != table.columns:
            return None
        names = [plain_name(column.name).rpartition(".")[2] for column in columns]
        if names != [field.name for field in row.fields]:
            return None
        looser = any(
            column.nullable and known.not_null
            for column, known in zip(inside, table.columns, strict=True)
        )
        return None if looser else row

    def _result(self, column: ResultColumn, computed: str, index: int) -> Typed:
        key = self._document_key(column.origin, computed)
        try:
            typed = self.types.result(
                column.oid,
                text=self._generated.text(column.origin),
                document=self._declared(key),
                elements_not_null=column.elements_not_null,
            )
        except TypeRefused as failure:
            raise ShapeRefused(
                f"column {plain_name(column.name)} {failure.message}",
                failure.advice,
                rule="type",
                column=index,
            ) from None
        if key is not None and _reads_document(typed.decoder):
            self.used_documents.add(key)
        return typed

    def _document_key(self, column: Column | None, computed: str = "") -> str | None:
        """The key of [tool.typedsql.documents] that a column goes by: as stored, or computed."""
        keys = [computed]
        if column is not None:
            table = column.table.rpartition(".")[2]
            keys = [f"{column.table}.{column.name}", f"{table}.{column.name}", computed]
        return next((key for key in keys if key in self._declaration.documents), None)

    def _declared(self, key: str | None) -> str | None:
        if key is None:
            return None
        return declared_type(self._declaration.documents[key], self._generated.prefix)

    def _table_row(self, table: Table) -> Row | None:
        """None where a column's name or type has no Python form: a statement renames or casts."""
        name = self._generated.struct_name(table.qualified)
        if not all(is_name(word) for word in (name, *(column.name for column in table.columns))):
            return None
        fields: list[Field] = []
        for column in table.columns:
            result = ResultColumn(
                name=column.name,
                oid=column.type_oid,
                nullable=not column.not_null,
                origin=column,
            )
            try:
                fields.append(self.field(result, table.name))
            except ShapeRefused:
                return None
        return Row(name, tuple(fields), table.qualified, table.comment)

    def check_documents(self, source_root: Path) -> list[ShapeRefused]:
        """What is wrong with [tool.typedsql.documents], whatever the statements are.

        `source_root` is the folder from which the project's own package is imported.
        """
        found: list[ShapeRefused] = []
        for key, declared in self._declaration.documents.items():
            told = refused_type(declared, source_root) or self._refused_rows(declared)
            if told is not None:
                found.append(
                    ShapeRefused(
                        f'[tool.typedsql.documents]: the type of "{key}", {declared}, {told}',
                        "write where the type is, as in myapp.documents.Event",
                        rule="document",
                    )
                )
        return found

    def unused_documents(self) -> list[ShapeRefused]:
        """Keys that no column of a table or statement goes by, once all are analysed."""
        return [
            ShapeRefused(
                f'[tool.typedsql.documents]: no column is "{key}"',
                'write "table.column", or "file.statement.column" for one that is computed',
                rule="document",
            )
            for key in self._declaration.documents
            if key not in self.used_documents
        ]

    def _refused_rows(self, declared: str) -> str | None:
        """Why JSON cannot be decoded to the rows that a declared type mentions."""
        rows = {row.name: row for row in (*self.tables.values(), *self.composites)}
        for word in bare_names(declared):
            if word not in rows:
                return f"names {word}, which is no table's Struct"
            for field in rows[word].fields:
                if not JSON_SAFE.fullmatch(field.annotation.replace(self._generated.prefix, "")):
                    return (
                        f"has the field {field.name}, which PostgreSQL writes to JSON in another "
                        "form than it is read in"
                    )
        return None


def _reads_document(decoder: Decoder | None) -> bool:
    while decoder is not None and decoder.element is not None:
        decoder = decoder.element
    return decoder is not None and decoder.kind == "document"
