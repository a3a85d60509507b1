"""From the driver's records to rows: built positionally, documents decoded by msgspec.

The column types were proven when the code was generated, so nothing is checked twice. Most
values are taken as the driver gives them; the decoders here are for those that are not.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import asyncpg
import msgspec

from typedsql.errors import DataError
from typedsql.statements import Statement
from typedsql.values import from_driver_range

R = TypeVar("R")
Convert = Callable[[Any], Any]


class Ranges(msgspec.Struct, frozen=True):
    """A range, or a part of a multirange, as `typedsql.values.Range`."""


class Items(msgspec.Struct, frozen=True):
    """An array of any dimensions, each of its elements that is not NULL decoded."""

    element: Any


class Members(msgspec.Struct, frozen=True):
    """A composite as a Struct, the members at the given positions decoded."""

    row: Callable[..., Any]
    members: Mapping[int, Any] = {}


class Nested(msgspec.Struct, frozen=True):
    """Several columns of the result as one field of the row."""

    row: Callable[..., Any]
    width: int
    """How many columns they are, beginning with the one at whose position this stands."""
    columns: Mapping[int, Any] = {}
    """Decoders by position within them."""
    present: int | None = None
    """Position within them of a column that is NULL only where there is no such row, and the
    field is None; None where there always is one."""


Decoders = Mapping[int, Any]
"""Position of each column that is not taken as it comes, and what makes its value: one of
the classes above, or for a JSON column the Python type of its document."""


def row_builder(
    row: Callable[..., R], decoders: Decoders, statement: Statement
) -> Callable[[asyncpg.Record], R]:
    """Builds a row positionally: its column types were proven when it was generated."""
    if not decoders:
        return lambda record: row(*record)
    cells, spans = _plan(decoders, 0, statement)
    if not spans and len(cells) == 1:
        return _of_one_cell(row, *cells[0])
    if not spans:
        return lambda record: row(*_converted(record, cells))

    def build(record: asyncpg.Record) -> R:
        values = _converted(record, cells)
        for start, end, present, nested in spans:
            if present is not None and values[present] is None:
                values[start:end] = (None,)
            else:
                values[start:end] = (nested(*values[start:end]),)
        return row(*values)

    return build


def value_decoder(decoder: Any, statement: Statement) -> Convert:
    """Makes the value of a statement that returns one column; NULL stays None."""
    convert = _converter(decoder, statement, 0)
    return lambda value: None if value is None else convert(value)


def document_decoder(kind: Any) -> Callable[[bytes], Any]:
    """Decodes JSON bytes to `kind`; numbers with a fraction become Decimal, never float."""
    return msgspec.json.Decoder(kind, float_hook=Decimal).decode


_Cells = list[tuple[int, Convert]]
_Spans = list[tuple[int, int, int | None, Callable[..., Any]]]


def _converted(record: asyncpg.Record, cells: _Cells) -> list[Any]:
    values: list[Any] = [*record]
    for index, convert in cells:
        value = values[index]
        if value is not None:
            values[index] = convert(value)
    return values


def _of_one_cell(
    row: Callable[..., R], index: int, convert: Convert
) -> Callable[[asyncpg.Record], R]:
    """As the loop of `_converted`, for the rows that have but one document."""

    def build(record: asyncpg.Record) -> R:
        values: list[Any] = [*record]
        value = values[index]
        if value is not None:
            values[index] = convert(value)
        return row(*values)

    return build


def _plan(decoders: Decoders, start: int, statement: Statement) -> tuple[_Cells, _Spans]:
    """What is decoded where, and which columns then become one, in the order to do it.

    From right to left and from the inside outwards, so that each place is still where the
    plan says when its turn comes.
    """
    cells: _Cells = []
    spans: _Spans = []
    for offset in sorted(decoders, reverse=True):
        decoder = decoders[offset]
        position = start + offset
        if not isinstance(decoder, Nested):
            cells.append((position, _converter(decoder, statement, position)))
            continue
        inner_cells, inner_spans = _plan(decoder.columns, position, statement)
        cells.extend(inner_cells)
        spans.extend(inner_spans)
        inner = [(at, it) for at, it in decoder.columns.items() if isinstance(it, Nested)]
        end = position + decoder.width - sum(it.width - 1 for _, it in inner)
        present = decoder.present
        if present is not None:
            lost = sum(it.width - 1 for at, it in inner if at < present)
            present = position + present - lost
        spans.append((position, end, present, decoder.row))
    return cells, spans


def _converter(decoder: Any, statement: Statement, index: int) -> Convert:
    """What makes a value that is not NULL; `index` is the column that messages name."""
    if isinstance(decoder, Ranges):
        return from_driver_range
    if isinstance(decoder, Items):
        return _of_items(_converter(decoder.element, statement, index))
    if isinstance(decoder, Members):
        return _of_members(decoder, statement, index)
    return _of_document(decoder, statement, index)


def _of_items(convert: Convert) -> Convert:
    def of_items(values: Any) -> list[Any]:
        return [
            None if item is None else of_items(item) if isinstance(item, list) else convert(item)
            for item in values
        ]

    return of_items


def _of_members(decoder: Members, statement: Statement, index: int) -> Convert:
    row = decoder.row
    if not decoder.members:
        return lambda record: row(*record)
    cells = [(at, _converter(it, statement, index)) for at, it in decoder.members.items()]
    return lambda record: row(*_converted(record, cells))


def _of_document(kind: Any, statement: Statement, index: int) -> Convert:
    decode = document_decoder(kind)

    def of_document(document: bytes) -> Any:
        try:
            return decode(document)
        except (msgspec.DecodeError, RecursionError) as failure:
            column = statement.columns[index][0] if statement.columns else f"number {index + 1}"
            told = "nested too deeply" if isinstance(failure, RecursionError) else "not of its type"
            # Not chained: what msgspec says can quote the document.
            raise DataError(
                f"{statement.name}: the document in column {column} is {told}",
                query=statement.name,
            ) from None

    return of_document
