"""Rows as JSON without a model of each: the bytes that the response's model would write.

A row is proven by its statement, so there is nothing to validate. Rows whose documents are
answered otherwise than they are stored (alerts, users) go through their models all the same.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct
from pydantic import TypeAdapter

from whaledb import rows
from whaledb.schemas.alerts import ALERT_READ
from whaledb.schemas.json_documents import with_plain_numbers
from whaledb.schemas.users import UserRead
from whaledb.schemas.values import plain_text

_MODELS: Final[dict[type[Struct], TypeAdapter[Any]]] = {
    rows.Alert: ALERT_READ,
    rows.User: TypeAdapter(UserRead),
}
_DOCUMENTS: Final[dict[type[Struct], str]] = {rows.SMCPattern: "metadata"}

_EXPONENT: Final = re.compile(rb'E[+-][0-9]+"')
# How times without a zone are written, of which there are PostgreSQL's infinities alone.
_INFINITIES: Final = (b'9999-12-31T23:59:59.999999"', b'0001-01-01T00:00:00"')

_encoder: Final = msgspec.json.Encoder(decimal_format="string")


class _Page(Struct):
    items: Sequence[Any]
    next_cursor: str | None


def encode_row(row: Struct) -> bytes:
    """One row as its response model writes it."""
    model = _MODELS.get(type(row))
    if model is not None:
        return model.dump_json(model.validate_python(row, from_attributes=True))
    return _written([row], lambda items: items[0])


def encode_rows(some: Sequence[Struct]) -> bytes:
    """A list of rows of one kind as their response model writes it."""
    if some and type(some[0]) in _MODELS:
        return b"[" + b",".join(map(encode_row, some)) + b"]"
    return _written(some, lambda items: items)


def encode_page(some: Sequence[Struct], next_cursor: str | None) -> bytes:
    """The same as a `Page`: its items, and the cursor of the next one."""
    if some and type(some[0]) in _MODELS:
        cursor = _encoder.encode(next_cursor)
        return b'{"items":' + encode_rows(some) + b',"next_cursor":' + cursor + b"}"
    # In one piece: to put a large one together from parts takes longer than to encode it.
    return _written(some, lambda items: _Page(items, next_cursor))


def _written(some: Sequence[Struct], wrap: Callable[[Sequence[Any]], Any]) -> bytes:
    document = _DOCUMENTS.get(type(some[0])) if some else None
    if document is not None:
        some = [_with_document(row, document) for row in some]
    encoded = _encoder.encode(wrap(some))
    # To search for what few pages have is faster than to look at each value of all of them.
    if _EXPONENT.search(encoded) or any(mark in encoded for mark in _INFINITIES):
        return _encoder.encode(wrap([_in_full(row) for row in some]))
    return encoded


def _with_document(row: Struct, name: str) -> Struct:
    document = getattr(row, name)
    if not document:
        return row
    return msgspec.structs.replace(row, **{name: with_plain_numbers(document)})


def _in_full(row: Struct) -> dict[str, Any]:
    return {name: _value_in_full(value) for name, value in msgspec.structs.asdict(row).items()}


def _value_in_full(value: object) -> object:
    if isinstance(value, Decimal):
        return plain_text(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
