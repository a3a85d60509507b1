"""JSON objects of any shape in requests and responses, with a limit on everything.

Numbers in them are JSON numbers, as people write them there, and not strings as amounts are.
"""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Final, cast

import msgspec
from pydantic import BeforeValidator, PlainSerializer
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from whaledb.documents import JSONObject

MAX_DOCUMENT_DEPTH: Final = 32
"""Objects and arrays within each other, the document itself counted."""
MAX_DOCUMENT_VALUES: Final = 10_000
"""Members, elements and containers of a document."""
MAX_DOCUMENT_BYTES: Final = 65_536
"""Bytes of a document as JSON in UTF-8."""
MAX_DOCUMENT_INTEGER_BITS: Final = 256
"""Of an integer in a document; a uint256 fits."""

_ALL_EXACT: Final = 2**53
"""Up to here a double holds every integer."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def _refused(why: str) -> PydanticCustomError:
    return PydanticCustomError("json_document", "{why}", {"why": f"Input should be {why}"})


def _check_text(text: str) -> int:
    if "\0" in text:
        raise _refused("a JSON object without the character NUL in its texts")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _refused("a JSON object whose texts are Unicode without lone surrogates") from None


def _check_number(value: float | Decimal) -> None:
    if isinstance(value, int):
        fits = value.bit_length() <= MAX_DOCUMENT_INTEGER_BITS
    elif isinstance(value, float):
        fits = math.isfinite(value)
    else:
        fits = value.is_finite() and abs(value.adjusted()) < 300
    if not fits:
        raise _refused("a JSON object whose numbers are finite and of at most 77 digits")


def read_document(value: object) -> JSONObject:
    """The document itself; refuses what JSON or PostgreSQL cannot hold, and what is too large.

    It walks without recursion: a document may be deeper than Python's stack.
    """
    if not isinstance(value, dict):
        raise _refused("a JSON object")
    pending: list[tuple[object, int]] = [(cast("object", value), 1)]
    values, text_bytes = 0, 0
    while pending:
        item, depth = pending.pop()
        values += 1
        inner: list[object] = []
        if isinstance(item, dict):
            for name, member in cast("dict[object, object]", item).items():
                if not isinstance(name, str):
                    raise _refused("a JSON object whose members are named by strings")
                text_bytes += _check_text(name)
                inner.append(member)
        elif isinstance(item, list | tuple):
            inner.extend(cast("list[object]", item))
        elif isinstance(item, str):
            text_bytes += _check_text(item)
        elif isinstance(item, int | float | Decimal) and not isinstance(item, bool):
            _check_number(item)
        elif item is not None and not isinstance(item, bool):
            raise _refused("a JSON object of texts, numbers, booleans, nulls, arrays and objects")
        if inner and depth >= MAX_DOCUMENT_DEPTH:
            raise _refused(f"a JSON object at most {MAX_DOCUMENT_DEPTH} deep")
        pending.extend((each, depth + 1) for each in inner)
        if values + len(pending) > MAX_DOCUMENT_VALUES:
            raise _refused(f"a JSON object of at most {MAX_DOCUMENT_VALUES} values")
        if text_bytes > MAX_DOCUMENT_BYTES:
            raise _refused(f"a JSON object of at most {MAX_DOCUMENT_BYTES} bytes")
    document = cast("JSONObject", value)
    if len(_encode(document)) > MAX_DOCUMENT_BYTES:
        raise _refused(f"a JSON object of at most {MAX_DOCUMENT_BYTES} bytes")
    return document


def with_plain_numbers(document: JSONObject) -> JSONObject:
    """A copy with numbers as every reader of JSON takes them: nothing is lost silently.

    A fraction that a double holds becomes a float, an integer that it holds stays one; what it
    would alter becomes the string of its digits. A request takes each of them again, so an
    integer beyond its limit is a float: jsonb holds 1.5e300 with all of its zeros. Without
    recursion, as above.
    """
    copy: JSONObject = {}
    pending: list[tuple[Any, Any]] = [(document, copy)]
    while pending:
        source, target = pending.pop()
        for place, value in _places(source):
            target[place] = _plain(value, pending)
    return copy


def _places(container: object) -> Iterable[tuple[Any, Any]]:
    if isinstance(container, dict):
        return cast("dict[object, object]", container).items()
    return enumerate(cast("list[Any]", container))


def _plain(value: object, pending: list[tuple[Any, Any]]) -> object:
    # A document is decoded: its types are these and no others.
    kind = type(value)
    if kind is dict:
        pending.append((value, {}))
    elif kind is list:
        pending.append((value, [None] * len(cast("list[Any]", value))))
    elif isinstance(value, Decimal):
        nearest = float(value)
        return nearest if _spells(nearest, value) else str(value)
    elif kind is int:
        return _plain_integer(cast("int", value))
    else:
        return value
    return pending[-1][1]


def _plain_integer(value: int) -> float | str:
    if abs(value) <= _ALL_EXACT:
        return value
    digits = Decimal(value)
    nearest = float(digits)
    spelt = _spells(nearest, digits)
    if value.bit_length() <= MAX_DOCUMENT_INTEGER_BITS:
        return value if spelt or nearest == value else str(digits)
    return nearest if spelt else str(digits)


def _spells(nearest: float, value: Decimal) -> bool:
    """Whether what is written for the double is the value, digit by digit."""
    return math.isfinite(nearest) and Decimal(repr(nearest)) == value


JSONDocument = Annotated[
    dict[str, Any],
    BeforeValidator(read_document),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": True,
            "description": (
                "JSON object. A number with a fraction or an exponent is read as a double,"
                " which keeps 15 digits of it; one that has to be exact is a string."
            ),
        }
    ),
]
"""A JSON object of a request. pydantic reads its fractions as doubles before anything here sees
them: 0.12345678901234567890 loses digits, 1e-400 is 0."""
StoredDocument = Annotated[
    dict[str, Any],
    PlainSerializer(with_plain_numbers, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
"""A JSON object of a response, as the database holds it."""
