"""What the driver must not be given, because it would store something else than was given.

A float for an integer it truncates, and a number too large for numeric it stores as 0. What else
does not fit, the driver or the server refuses; `typedsql.unfit` says why.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from decimal import Decimal
from typing import Final, cast

from msgspec.structs import astuple

from typedsql.digits import INT_TOO_LONG, is_too_long
from typedsql.values import Composite, Range

Check = Callable[[object], str | None]
"""Why a value does not fit; None where it does, or where that cannot be told."""

NoneType = type(None)

# What needs no further look: a check costs a call, this a lookup in a set.
INTEGERS: Final[frozenset[type]] = frozenset({int, NoneType})
DATES: Final[frozenset[type]] = frozenset({datetime.date, NoneType})
FLOATS: Final[frozenset[type]] = frozenset({float, int, NoneType})
NOTHING: Final[frozenset[type]] = frozenset({NoneType})

# What PostgreSQL's numeric holds: digits before and after the point (its manual, 8.1.2).
_NUMERIC_DIGITS: Final = 131_072
_NUMERIC_SCALE: Final = 16_383
_NON_FINITE: Final = ("NaN", "Infinity", "-Infinity")

# How the driver hands out 'infinity' and '-infinity', and so takes them back.
_INFINITE: Final = (datetime.datetime.max, datetime.datetime.min)

NO_ZONE: Final = "expected a datetime with a time zone, got one without"


def _integer(value: object) -> str | None:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return f"expected int, got {type(value).__name__}"
    return None


def _float(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return f"expected float, got {type(value).__name__}"
    return None


def _date(value: object) -> str | None:
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        return f"expected date, got {type(value).__name__}"
    return None


def _moment(value: object) -> str | None:
    if not isinstance(value, datetime.datetime):
        return f"expected datetime, got {type(value).__name__}"
    if value.tzinfo is None and value not in _INFINITE:
        return NO_ZONE
    return None


def _time(value: object) -> str | None:
    if not isinstance(value, datetime.time):
        return f"expected time, got {type(value).__name__}"
    if value.tzinfo is not None:
        return "expected a time without a time zone, got one with"
    return None


def refuse_binary_numeric(value: object) -> str | None:
    """Why a value must not go through the driver's binary codec for numeric; None if it may.

    Refuses what `codecs.encode_numeric` and the server refuse together: the codec takes
    floats, strings and booleans, and stores a value that is too large as 0.
    """
    if isinstance(value, Decimal):
        if not value.is_finite():
            known = str(value) in _NON_FINITE
            return None if known else "PostgreSQL has no NaN with a sign, a signal or a payload"
        too_large = value.adjusted() >= _NUMERIC_DIGITS and value != 0
        _, _, exponent = value.as_tuple()
        too_fine = isinstance(exponent, int) and exponent < -_NUMERIC_SCALE
    elif isinstance(value, int) and not isinstance(value, bool):
        return INT_TOO_LONG if is_too_long(value) else None
    else:
        return f"expected Decimal or int, got {type(value).__name__}"
    return "value out of numeric range" if too_large or too_fine else None


def _document_of_array(value: object) -> str | None:
    # Within an array only: by itself a list is a document like any other.
    if is_array(value):
        return "a list cannot be a document of an array: it would be a dimension of the array"
    return None


_CHECKS: Final[dict[str, tuple[frozenset[type], Check]]] = {
    "cid": (INTEGERS, _integer),
    "date": (DATES, _date),
    "float4": (FLOATS, _float),
    "float8": (FLOATS, _float),
    "int2": (INTEGERS, _integer),
    "int4": (INTEGERS, _integer),
    "int8": (INTEGERS, _integer),
    "oid": (INTEGERS, _integer),
    "pg_lsn": (INTEGERS, _integer),
    "time": (NOTHING, _time),
    "timestamptz": (NOTHING, _moment),
    "xid": (INTEGERS, _integer),
    "xid8": (INTEGERS, _integer),
}
CHECKED: Final = frozenset(_CHECKS)
"""The types whose values are looked at before they are sent."""
_BOUNDS: Final = {
    "daterange": "date",
    "int4range": "int4",
    "int8range": "int8",
    "tsrange": "timestamp",
    "tstzrange": "timestamptz",
}
RANGES: Final = {
    **_BOUNDS,
    **{name.replace("range", "multirange"): it for name, it in _BOUNDS.items()},
}
DOCUMENTS: Final = ("json", "jsonb")


def check_of(name: str) -> tuple[frozenset[type], Check | None]:
    """What needs no look, and the look at all else before it is sent.

    By the name of a type, as `typedsql.values.Composite` has those of its members.
    """
    if name.endswith("[]"):
        element = name.removesuffix("[]")
        plain, check = check_of(element)
        if element in DOCUMENTS:
            return NOTHING, elements_of(NOTHING, _document_of_array, nested=False)
        return NOTHING, None if check is None else elements_of(plain, check)
    if name in RANGES:
        check = _range(*_CHECKS.get(RANGES[name], (NOTHING, None)))
        return NOTHING, elements_of(NOTHING, check) if "multirange" in name else check
    if "." in name:
        return NOTHING, _composite(name)
    return _CHECKS.get(name, (NOTHING, None))


def _range(plain: frozenset[type], check: Check | None) -> Check:
    def look(value: object) -> str | None:
        if not isinstance(value, Range):
            return f"expected Range, got {type(value).__name__}"
        if check is not None:
            given = cast("Range[object]", value)
            for bound in (given.lower, given.upper):
                told = None if type(bound) in plain else check(bound)
                if told:
                    return told
        return None

    return look


def _composite(name: str) -> Check:
    def look(value: object) -> str | None:
        if isinstance(value, tuple | dict):
            given = cast("object", value)
            return f"expected the Struct of {name}, got {type(given).__name__}"
        if not isinstance(value, Composite):
            # Of an enum, a domain or an extension's type, which the driver looks at.
            return None
        found, kinds = value.__composite__
        if found != name:
            return f"expected a value of type {name}, got one of {found}"
        for kind, member in zip(kinds, astuple(value), strict=True):
            plain, check = check_of(kind)
            told = None if check is None or type(member) in plain else check(member)
            if told:
                return told
        return None

    return look


def is_array(value: object) -> bool:
    """Whether the driver takes it for an array, or within one for a dimension or a composite."""
    # The first is what nearly all are, and costs less to tell.
    return isinstance(value, list | tuple) or (
        isinstance(value, Iterable)
        and isinstance(value, Sized)
        and not isinstance(value, str | bytes | bytearray | memoryview | Mapping)
    )


def elements_of(plain: frozenset[type], check: Check, *, nested: bool = True) -> Check:
    """The look at every element of an array."""

    def look(value: object) -> str | None:
        # What is no array at all the driver refuses.
        if not is_array(value):
            return None
        elements = cast("Sequence[object]", value)
        if plain.issuperset(map(type, elements)):
            return None
        for element in elements:
            told = None if type(element) in plain else look_closer(element)
            if told:
                return told
        return None

    def look_closer(element: object) -> str | None:
        if nested and isinstance(element, list | tuple):
            return look(cast("object", element))
        told = check(element)
        # What is an array in another way costs more to tell than the check.
        return look(element) if told and nested and is_array(element) else told

    return look
