"""Arguments that the driver would take and quietly store as something else.

It truncates a float that is given for an integer, reads a datetime without a zone in the
zone of this machine, and drops the time of day of a datetime given for a date. Everything
else that does not fit it refuses by itself.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Any, cast

from typedsql.errors import DataError

NoneType = type(None)

# What needs no further look: the check below costs a call, this a lookup in a set.
_INTEGERS: frozenset[type] = frozenset({int, NoneType})
_DATES: frozenset[type] = frozenset({datetime.date, NoneType})
_FLOATS: frozenset[type] = frozenset({float, int, NoneType})
_NOTHING: frozenset[type] = frozenset({NoneType})

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


Check = Callable[[object], str | None]
_CHECKS: dict[str, tuple[frozenset[type], Check]] = {
    "date": (_DATES, _date),
    "float4": (_FLOATS, _float),
    "float8": (_FLOATS, _float),
    "int2": (_INTEGERS, _integer),
    "int4": (_INTEGERS, _integer),
    "int8": (_INTEGERS, _integer),
    "oid": (_INTEGERS, _integer),
    "timestamptz": (_NOTHING, _moment),
    "xid8": (_INTEGERS, _integer),
}

Guards = tuple[tuple[int, frozenset[type], Check], ...]
"""Position of an argument, the types that need no look, and the look at all others."""


def guards_of(prepared: Any) -> Guards:
    """What to look at in the arguments of a prepared statement."""
    guards: list[tuple[int, frozenset[type], Check]] = []
    for index, kind in enumerate(prepared.get_parameters()):
        plain, check = _CHECKS.get(kind.name.removesuffix("[]"), (None, None))
        if plain is None or check is None:
            continue
        if kind.kind == "array":
            guards.append((index, _NOTHING, _elements(plain, check)))
        else:
            guards.append((index, plain, check))
    return tuple(guards)


def _is_array(value: object) -> bool:
    return isinstance(value, list | tuple)


def _elements(plain: frozenset[type], check: Check) -> Check:
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
        return look(element) if _is_array(element) else check(element)

    return look


def refuse_unfit(
    guards: Guards, arguments: Sequence[object], query: str, parameters: Sequence[str]
) -> None:
    """Raises DataError, naming the parameter and never the value."""
    for index, plain, check in guards:
        # Too few arguments the driver refuses.
        if index < len(arguments) and type(arguments[index]) not in plain:
            told = check(arguments[index])
            if told:
                name = parameters[index] if index < len(parameters) else f"${index + 1}"
                raise DataError(f"{query}: parameter {name} was refused: {told}", query=query)


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
