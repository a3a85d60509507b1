"""Why a value was refused as one of a type: said of its kind, never quoting it.

The driver quotes what it refuses, and says little of the reason; so does the server. Looked at
after a failure alone.
"""

import datetime
import math
import sys
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from msgspec.structs import astuple

from typedsql.codecs import INTEGER_TOO_LONG_DOCUMENT, NON_FINITE_DOCUMENT, encode_json
from typedsql.fitting import (
    DOCUMENTS,
    NO_ZONE,
    RANGES,
    Check,
    check_of,
    is_array,
    refuse_binary_numeric,
)
from typedsql.timestamps import BEYOND_THE_YEARS, encode_timestamptz
from typedsql.values import Composite, Range

TOO_DEEP: Final = "it is nested too deeply"
NUL_IN_TEXT: Final = "text cannot contain a NUL character"
NUL_IN_DOCUMENT: Final = "a document cannot contain a NUL character"
_HALF_A_PAIR: Final = "a text with half of a surrogate pair has no UTF-8"


def why_unfit(kind: str, value: object) -> str | None:
    """Why a value was refused as one of a type, as far as it can be told.

    Takes its time: for what the driver or the server has refused.
    """
    try:
        return None if value is None else _why(kind, value)
    except RecursionError:
        return TOO_DEEP
    except Exception:
        # What its own class raised as it was looked at, and may hold the value.
        return f"the {type(value).__name__} cannot be read"


def fallback(kind: str | None, value: object) -> str:
    """What is left to say where nothing else can be told."""
    given = type(value).__name__
    return f"the {given} does not fit the type {kind or 'of the parameter'}"


def _why(kind: str, value: object) -> str | None:
    plain, check = check_of(kind)
    if check is not None and type(value) not in plain:
        told = check(value)
        if told:
            return told
    if kind.endswith("[]"):
        return _why_array(kind.removesuffix("[]"), value)
    if kind in RANGES:
        return _why_range(kind, value)
    if isinstance(value, Composite):
        members = zip(value.__composite__[1], astuple(value), strict=True)
        return _first(why_unfit(of, member) for of, member in members)
    if kind in DOCUMENTS:
        return _why_document(kind, value)
    closer = _CLOSER.get(kind)
    if closer is not None:
        return closer(value)
    # Of an enum, or of a type that the driver takes the text of.
    return _text(value) if isinstance(value, str) else None


def _first(told: Iterable[str | None]) -> str | None:
    return next((each for each in told if each), None)


def _why_array(element: str, value: object) -> str | None:
    if not is_array(value):
        return f"expected a list, got {type(value).__name__}"
    lengths: set[int | None] = set()
    for item in cast("Iterable[object]", value):
        length = _dimension(item)
        told = why_unfit(element if length is None else element + "[]", item)
        if told:
            return told
        lengths.add(length)
    return "a list of values and lists, or of lists that differ" if len(lengths) > 1 else None


def _dimension(item: Any) -> int | None:
    """How many elements there are in a dimension of an array; None for an element."""
    # A tuple is a composite to the driver.
    return len(item) if is_array(item) and not isinstance(item, tuple) else None


def _why_range(kind: str, value: object) -> str | None:
    if "multirange" in kind:
        parts = cast("Iterable[object]", value) if is_array(value) else ()
        return _first(_why_range(kind.replace("multirange", "range"), part) for part in parts)
    given = cast("Range[object]", value)
    return why_unfit(RANGES[kind], given.lower) or why_unfit(RANGES[kind], given.upper)


def _why_document(kind: str, value: object) -> str | None:
    try:
        encoded = encode_json(value)
    except UnicodeEncodeError:
        return _HALF_A_PAIR
    except (TypeError, ValueError, OverflowError) as failure:
        told = str(failure)
        # Ours, and msgspec's own words, which tell of types.
        known = told in (NON_FINITE_DOCUMENT, INTEGER_TOO_LONG_DOCUMENT) or told.startswith(
            ("Encoding objects of", "Only dicts")
        )
        return told if known else f"the {type(value).__name__} cannot be written as JSON"
    # An escaped backslash before it would be another text; json keeps it, jsonb does not.
    escaped = encoded.replace(b"\\\\", b"")
    return NUL_IN_DOCUMENT if kind == "jsonb" and b"\\u0000" in escaped else None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return f"expected str, got {type(value).__name__}"
    if "\0" in value:
        return NUL_IN_TEXT
    try:
        value.encode()
    except UnicodeEncodeError:
        return _HALF_A_PAIR
    return None


def _integer_within(kind: str, least: int, most: int) -> Check:
    def look(value: Any) -> str | None:
        return None if least <= value.__index__() <= most else f"value out of {kind} range"

    return look


def _signed(kind: str, bits: int) -> Check:
    return _integer_within(kind, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _float_within(kind: str, most: float) -> Check:
    def look(value: Any) -> str | None:
        # An infinity that was given as such fits.
        return f"value out of {kind} range" if most < abs(value) != math.inf else None

    return look


def _of(*kinds: type) -> Check:
    def look(value: object) -> str | None:
        if isinstance(value, kinds):
            return None
        return f"expected {kinds[0].__name__}, got {type(value).__name__}"

    return look


def _uuid(value: object) -> str | None:
    if not isinstance(value, str):
        return _of(uuid.UUID)(value)
    try:
        uuid.UUID(value)
    except ValueError:
        return "the text is not that of a UUID"
    return None


def _timestamp(value: object) -> str | None:
    if not isinstance(value, datetime.datetime):
        return f"expected datetime, got {type(value).__name__}"
    if value.tzinfo is not None:
        return "expected a datetime without a time zone, got one with"
    return None


def _timestamptz(value: Any) -> str | None:
    if value.tzinfo is not None and value.utcoffset() is None:
        return NO_ZONE
    try:
        encode_timestamptz(value)
    except ValueError:
        return BEYOND_THE_YEARS
    return None


_FLOAT4_MOST: Final = (2 - 2**-23) * 2.0**127
_CLOSER: Final[Mapping[str, Check]] = {
    **dict.fromkeys(("bpchar", "name", "text", "varchar", "xml"), _text),
    **{f"int{bits // 8}": _signed(f"int{bits // 8}", bits) for bits in (16, 32, 64)},
    **{kind: _integer_within(kind, 0, 2**32 - 1) for kind in ("cid", "oid", "xid")},
    **{kind: _integer_within(kind, 0, 2**64 - 1) for kind in ("pg_lsn", "xid8")},
    "bool": _of(bool),
    "char": _of(bytes),
    "bytea": _of(bytes, bytearray, memoryview),
    "float4": _float_within("float4", _FLOAT4_MOST),
    "float8": _float_within("float8", sys.float_info.max),
    "interval": _of(datetime.timedelta),
    "numeric": refuse_binary_numeric,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "uuid": _uuid,
}
"""What is looked at after a refusal alone: the driver, or the server, has seen to it."""
