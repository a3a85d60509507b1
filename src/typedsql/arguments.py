"""Arguments as the driver takes them, and never something else than was given.

It truncates a float that is given for an integer, reads a datetime without a zone in the
zone of this machine, and drops the time of day of a datetime given for a date, the zone of
a time given for one without: those are refused here. Everything else that does not fit it
refuses by itself. Ranges and composites become what it knows them by.
"""

import datetime
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, cast

from msgspec.structs import astuple

from typedsql.errors import DataError
from typedsql.statements import Statement
from typedsql.values import Composite, Range, for_driver

NoneType = type(None)

# What needs no further look: the check below costs a call, this a lookup in a set.
_INTEGERS: frozenset[type] = frozenset({int, NoneType})
_DATES: frozenset[type] = frozenset({datetime.date, NoneType})
_FLOATS: frozenset[type] = frozenset({float, int, NoneType})
_NOTHING: frozenset[type] = frozenset({NoneType})

# What PostgreSQL's numeric holds: digits before and after the point (its manual, 8.1.2).
_NUMERIC_DIGITS = 131_072
_NUMERIC_SCALE = 16_383
_NUMERIC_BITS = 435_411
"""Of the largest integer that is certain to have no more digits."""
_NON_FINITE = ("NaN", "Infinity", "-Infinity")

# How the driver hands out 'infinity' and '-infinity', and so takes them back.
_INFINITE = (datetime.datetime.max, datetime.datetime.min)


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
        return "expected a datetime with a time zone, got one without"
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
            # A NaN with a sign or a payload has no text in PostgreSQL.
            return None if str(value) in _NON_FINITE else "NaN with more than its name"
        too_large = value.adjusted() >= _NUMERIC_DIGITS and value != 0
        _, _, exponent = value.as_tuple()
        too_fine = isinstance(exponent, int) and exponent < -_NUMERIC_SCALE
    elif isinstance(value, int) and not isinstance(value, bool):
        too_large, too_fine = value.bit_length() > _NUMERIC_BITS, False
    else:
        return f"expected Decimal or int, got {type(value).__name__}"
    return "value out of numeric range" if too_large or too_fine else None


def _document(value: object) -> str | None:
    # Within an array only: by itself a list is a document like any other.
    if _is_array(value):
        return "a list cannot be a document of an array: it would be a dimension of the array"
    return None


Check = Callable[[object], str | None]
_CHECKS: dict[str, tuple[frozenset[type], Check]] = {
    "cid": (_INTEGERS, _integer),
    "date": (_DATES, _date),
    "float4": (_FLOATS, _float),
    "float8": (_FLOATS, _float),
    "int2": (_INTEGERS, _integer),
    "int4": (_INTEGERS, _integer),
    "int8": (_INTEGERS, _integer),
    "oid": (_INTEGERS, _integer),
    "pg_lsn": (_INTEGERS, _integer),
    "time": (_NOTHING, _time),
    "timestamptz": (_NOTHING, _moment),
    "xid": (_INTEGERS, _integer),
    "xid8": (_INTEGERS, _integer),
}
CHECKED = frozenset(_CHECKS)
"""The types whose arguments are looked at."""
_BOUNDS = {
    "daterange": "date",
    "int4range": "int4",
    "int8range": "int8",
    "tsrange": "timestamp",
    "tstzrange": "timestamptz",
}
_RANGES = {**_BOUNDS, **{name.replace("range", "multirange"): it for name, it in _BOUNDS.items()}}
_DOCUMENTS = ("json", "jsonb")

Guards = tuple[tuple[int, frozenset[type], Check, bool], ...]
"""Position of an argument, the types that need no look, the look at all others, and whether
the driver is given something else in their place."""


def guards_of(
    prepared: Any, *, binary_numeric: bool = False, numeric_arrays: Collection[int] = ()
) -> Guards:
    """What to look at in the arguments of a prepared statement.

    With `binary_numeric` also at those that the driver's own codec for numeric encodes;
    `numeric_arrays` are the types of arrays whose elements are domains over numeric.
    """
    guards: list[tuple[int, frozenset[type], Check, bool]] = []
    for index, kind in enumerate(prepared.get_parameters()):
        name = kind.name.removesuffix("[]")
        if kind.schema != "pg_catalog" and kind.kind in ("array", "composite"):
            name = f"{kind.schema}.{name}"
        if binary_numeric and (name == "numeric" or kind.oid in numeric_arrays):
            of_elements = _elements(_NOTHING, refuse_binary_numeric)
            look = of_elements if kind.kind == "array" else refuse_binary_numeric
            guards.append((index, _NOTHING, look, False))
            continue
        plain, check = _check_of(name + "[]" if kind.kind == "array" else name)
        if check is not None:
            guards.append((index, plain, check, plain is _NOTHING and _is_converted(kind)))
    return tuple(guards)


def fit_arguments(
    guards: Guards, arguments: Sequence[object], statement: Statement
) -> Sequence[object]:
    """The arguments for the driver. Raises DataError, naming the parameter, never the value."""
    # Most calls need no more than these two loops: no None, and of each guarded type a value
    # that goes to the driver as it is. `in` would compare, which a UUID does in Python.
    for value in arguments:
        if value is None:
            break
    else:
        for index, plain, _, _ in guards:
            if index >= len(arguments) or type(arguments[index]) not in plain:
                break
        else:
            return arguments
    return _look(guards, arguments, statement)


def _look(guards: Guards, arguments: Sequence[object], statement: Statement) -> Sequence[object]:
    query, parameters, nullable = statement.name, statement.parameters, statement.nullable
    if nullable is not None:
        for name, value in zip(parameters, arguments, strict=False):
            # NULL can have a meaning that surprises: LIMIT NULL is no limit at all.
            if value is None and name not in nullable:
                raise DataError(
                    f"{query}: parameter {name} was refused: it must not be None", query=query
                )
    fitted: list[object] | None = None
    for index, plain, check, converted in guards:
        # Too few arguments the driver refuses.
        if index < len(arguments) and type(arguments[index]) not in plain:
            told = check(arguments[index])
            if told:
                name = parameters[index] if index < len(parameters) else f"${index + 1}"
                raise DataError(f"{query}: parameter {name} was refused: {told}", query=query)
            if converted:
                fitted = fitted or list(arguments)
                fitted[index] = for_driver(arguments[index])
    return arguments if fitted is None else fitted


def refuse_too_deep(arguments: Sequence[object], query: str, parameters: Sequence[str]) -> None:
    """Raises DataError for the argument whose nesting is deeper than Python's stack, if any.

    The driver puts the argument it refuses in its message, and fails at that as well.
    """
    for name, value in zip(parameters, arguments, strict=False):
        try:
            repr(value)
        except RecursionError:
            raise DataError(
                f"{query}: parameter {name} was refused: it is nested too deeply", query=query
            ) from None


def _is_converted(kind: Any) -> bool:
    """Whether values of a type, or their elements, are ranges or composites."""
    name = kind.name.removesuffix("[]")
    return kind.kind in ("composite", "range", "multirange") or (
        kind.kind == "array" and (kind.schema != "pg_catalog" or name in _RANGES)
    )


def _check_of(name: str) -> tuple[frozenset[type], Check | None]:
    """By the name of a type, as `typedsql.values.Composite` has those of its members."""
    if name.endswith("[]"):
        element = name.removesuffix("[]")
        plain, check = _check_of(element)
        if element in _DOCUMENTS:
            return _NOTHING, _elements(_NOTHING, _document, nested=False)
        return _NOTHING, None if check is None else _elements(plain, check)
    if name in _RANGES:
        check = _range(*_CHECKS.get(_RANGES[name], (_NOTHING, None)))
        return _NOTHING, _elements(_NOTHING, check) if "multirange" in name else check
    if "." in name:
        return _NOTHING, _composite(name)
    return _CHECKS.get(name, (_NOTHING, None))


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
            plain, check = _check_of(kind)
            told = None if check is None or type(member) in plain else check(member)
            if told:
                return told
        return None

    return look


def _is_array(value: object) -> bool:
    return isinstance(value, list | tuple)


def _elements(plain: frozenset[type], check: Check, *, nested: bool = True) -> Check:
    def look(value: object) -> str | None:
        # What is no array at all the driver refuses.
        if not _is_array(value):
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
        return look(element) if nested and _is_array(element) else check(element)

    return look
