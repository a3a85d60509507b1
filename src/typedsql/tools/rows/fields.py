"""What rows are made of: fields, Structs, nested Structs; and that those of one name agree."""

import keyword
import re
from collections.abc import Iterator

import msgspec

from typedsql.errors import CodeError
from typedsql.tools.rows.catalog import Column
from typedsql.tools.rows.types import Decoder


class ShapeRefused(CodeError):
    """A result or parameter that has no Python form. Its text is the message and the advice."""

    def __init__(
        self, message: str, advice: str = "", *, rule: str = "row", column: int | None = None
    ) -> None:
        super().__init__(f"{message}; {advice}" if advice else message)
        self.rule = rule
        self.message = message
        self.advice = advice
        self.column = column
        """Position of the result column it is about, None where it is about none of them."""


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """A result column or parameter with its Python type."""

    name: str
    annotation: str
    """Dotted Python type, with `` | None`` where NULL is possible."""
    comment: str | None = None
    omissible: bool = False
    """A parameter, or a field of a row that is given, that may be left out and then is NULL."""
    decoder: Decoder | None = None
    """What the run time makes of the driver's value, None where it is taken as it is."""
    nested: "Nested | None" = None
    """The columns that this field of a row stands for, where they are several."""

    @property
    def document(self) -> str | None:
        """Dotted type of the document, for json and jsonb."""
        found = self.decoder
        return found.type if found is not None and found.kind == "document" else None


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """The Struct a statement returns, or that of a table or composite type."""

    name: str
    fields: tuple[Field, ...]
    table: str | None = None
    """Qualified name of the table whose whole row it is."""
    comment: str | None = None
    composite: tuple[str, tuple[str, ...]] | None = None
    """Of a composite type: see `typedsql.values.Composite`."""
    given: bool = False
    """Whether it is given to be stored in `table`, rather than returned."""


class Nested(msgspec.Struct, frozen=True, omit_defaults=True):
    """Result columns that are one field of a row."""

    row: Row
    width: int
    """How many columns of the result they are."""
    present: int | None
    """Position among them of the one that tells whether there is such a row, if it can lack."""


class Alias(msgspec.Struct, frozen=True, omit_defaults=True):
    """A name for the texts that are possible, those of an enum or a CHECK."""

    name: str
    labels: tuple[str, ...]
    comment: str | None


class ResultColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A result column as PostgreSQL describes it, with what was proven of it."""

    name: str
    """As PostgreSQL names it; an override's suffix still on it."""
    oid: int
    """Of its type."""
    nullable: bool
    """Whether it can be NULL, overrides obeyed."""
    origin: Column | None = None
    """The table's column whose stored value it is."""
    nulled_by: frozenset[object] = frozenset()
    """The outer joins that may make it NULL."""
    not_null_inside: bool = False
    """Proven to be NULL only where one of those joins found no row."""
    elements_not_null: bool = False
    """Of an array, that none of its elements is NULL."""


def plain_name(name: str) -> str:
    """A result column's name without the suffix that overrides its nullability."""
    # PostgreSQL's own name for a column without one ends in the same way.
    return name[:-1] if name.endswith(("!", "?")) and name != "?column?" else name


def is_name(word: str) -> bool:
    """Whether Python can use the word as the name of a field or parameter."""
    # msgspec calls these names its own, and Python mangles those with two underscores.
    return word.isidentifier() and not keyword.iskeyword(word) and not word.startswith("__")


def camel(name: str) -> str:
    """A name of the database as a Python class would have it."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", name))


def optional(annotation: str, *, nullable: bool) -> str:
    """The annotation of what can be NULL, or cannot."""
    return f"{annotation} | None" if nullable and annotation != "None" else annotation


def rows_of(row: Row) -> Iterator[Row]:
    """The row and those nested in it, the innermost first."""
    for field in row.fields:
        if field.nested is not None:
            yield from rows_of(field.nested.row)
    yield row


def agree(known: dict[str, Row], row: Row) -> None:
    """Add a statement's row, and those nested in it, to the rows there are.

    Raises ShapeRefused, naming the first difference, where one of that name is another.
    """
    for found in rows_of(row):
        told = _difference(known.setdefault(found.name, found), found)
        if told:
            raise ShapeRefused(
                f"returns {found.name} with {told}, as an earlier statement does not",
                "make them the same, or give one of them another name with @returns",
                rule="shared-row",
            )


def _difference(known: Row, row: Row) -> str | None:
    for index, field in enumerate(row.fields):
        if index >= len(known.fields):
            return f"a further column {field.name}"
        other = known.fields[index]
        if field.name != other.name:
            return f"column {field.name} where it has {other.name}"
        if field.annotation != other.annotation:
            plain, other_plain = (
                item.annotation.removesuffix(" | None") for item in (field, other)
            )
            if plain == other_plain:
                can = "can" if field.annotation != plain else "cannot"
                return f"a column {field.name} that {can} be NULL"
            return f"column {field.name} as {field.annotation} where it is {other.annotation}"
    if len(known.fields) > len(row.fields):
        return f"no column {known.fields[len(row.fields)].name}"
    return None
