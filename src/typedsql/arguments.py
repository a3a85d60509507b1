"""Arguments as the driver takes them, and never something else than was given.

It truncates a float that is given for an integer, reads a datetime without a zone in the
zone of this machine, and drops the time of day of a datetime given for a date, the zone of
a time given for one without: those are refused here. Everything else that does not fit it
refuses by itself. Ranges and composites become what it knows them by.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from typedsql.fitting import (
    NOTHING,
    RANGES,
    Check,
    check_of,
    elements_of,
    refuse_binary_numeric,
)
from typedsql.sqlstate import ArgumentRefused
from typedsql.statements import Statement
from typedsql.unfit import TOO_DEEP
from typedsql.values import for_driver


class Guards(tuple[tuple[int, frozenset[type], Check, bool], ...]):
    """What to look at in the arguments of a statement before each call.

    Position of an argument, the types that need no look, the look at all others, and whether
    the driver is given something else in their place.
    """

    kinds: tuple[str, ...] = ()
    """The names of all types, as `unfit.why_unfit` knows them: for what is said of a failure."""


UNGUARDED = Guards()
"""Of a statement that was not prepared yet."""


def guards_of(
    prepared: Any, *, binary_numeric: bool = False, numeric_arrays: Collection[int] = ()
) -> Guards:
    """What to look at in the arguments of a prepared statement.

    With `binary_numeric` also at those that the driver's own codec for numeric encodes;
    `numeric_arrays` are the types of arrays whose elements are domains over numeric.
    """
    return guards_of_types(
        prepared.get_parameters(), binary_numeric=binary_numeric, numeric_arrays=numeric_arrays
    )


def guards_of_types(
    kinds: Iterable[Any], *, binary_numeric: bool, numeric_arrays: Collection[int] = ()
) -> Guards:
    """The same for values of types that the driver describes, such as those of a COPY."""
    guards: list[tuple[int, frozenset[type], Check, bool]] = []
    names: list[str] = []
    for index, kind in enumerate(kinds):
        name = kind.name.removesuffix("[]")
        if kind.schema != "pg_catalog" and kind.kind in ("array", "composite"):
            name = f"{kind.schema}.{name}"
        names.append(name + "[]" if kind.kind == "array" else name)
        if binary_numeric and (name == "numeric" or kind.oid in numeric_arrays):
            of_elements = elements_of(NOTHING, refuse_binary_numeric)
            look = of_elements if kind.kind == "array" else refuse_binary_numeric
            guards.append((index, NOTHING, look, False))
            continue
        plain, check = check_of(names[index])
        if check is not None:
            guards.append((index, plain, check, plain is NOTHING and _is_converted(kind)))
    made = Guards(guards)
    made.kinds = tuple(names)
    return made


def fit_arguments(
    guards: Guards, arguments: Sequence[object], statement: Statement
) -> Sequence[object]:
    """The arguments for the driver. Raises ArgumentRefused, naming the parameter alone."""
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
                raise ArgumentRefused(
                    f"{query}: parameter {name} was refused: it must not be None", query=query
                )
    fitted: list[object] | None = None
    for index, plain, check, converted in guards:
        # Too few arguments the driver refuses.
        if index < len(arguments) and type(arguments[index]) not in plain:
            try:
                told = check(arguments[index])
            except RecursionError:
                told = TOO_DEEP
            if told:
                name = parameters[index] if index < len(parameters) else f"${index + 1}"
                refusal = f"{query}: parameter {name} was refused: {told}"
                raise ArgumentRefused(refusal, query=query)
            if converted:
                fitted = fitted or list(arguments)
                fitted[index] = for_driver(arguments[index])
    return arguments if fitted is None else fitted


def _is_converted(kind: Any) -> bool:
    """Whether values of a type, or their elements, are ranges or composites."""
    name = kind.name.removesuffix("[]")
    return kind.kind in ("composite", "range", "multirange") or (
        kind.kind == "array" and (kind.schema != "pg_catalog" or name in RANGES)
    )
