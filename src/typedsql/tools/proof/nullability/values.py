"""What is known of the value of an expression."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

Join = tuple[Any, ...]
"""An outer join: its query's serial, its number there, and what tells it from others."""

Origin = tuple[int, int]
"""pg_class.oid and attnum of a table's column."""

NO_JOINS: Final[frozenset[Join]] = frozenset()


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an expression's value, in every row in which it is computed."""

    inside: bool = False
    """Never NULL where every join of `nulled_by` found a row."""
    nulled_by: frozenset[Join] = NO_JOINS
    """The outer joins that may put NULL in its place."""
    origin: Origin | None = None
    """The column of a table whose value this is, unchanged."""
    elements: bool = False
    """An array's elements are never NULL either."""
    fields: "tuple[Value, ...] | None" = None
    """What is known of a composite value's fields, if anything is."""
    because: str | None = None
    """For people, why NULL is known to be possible; None where it only may be."""

    @property
    def not_null(self) -> bool:
        return self.inside and not self.nulled_by


NULLABLE: Final = Value()
"""Nothing is known."""
NOT_NULL: Final = Value(inside=True)


def all_of(values: Iterable[Value]) -> Value:
    """Computed from values so that it is NULL only if one of them is."""
    known = list(values)
    return Value(
        inside=all(value.inside for value in known),
        nulled_by=NO_JOINS.union(*(value.nulled_by for value in known)),
        because=next((value.because for value in known if value.because), None),
    )


def one_of(values: Iterable[Value]) -> Value:
    """One of the values, whichever: what holds for each of them."""
    known = list(values)
    if not known:
        return NULLABLE
    first = known[0]
    fields = None
    if first.fields is not None and all(
        value.fields is not None and len(value.fields) == len(first.fields) for value in known
    ):
        columns = zip(*(value.fields or () for value in known), strict=True)
        fields = tuple(one_of(column) for column in columns)
    return msgspec.structs.replace(
        all_of(known),
        origin=first.origin if all(value.origin == first.origin for value in known) else None,
        elements=all(value.elements for value in known),
        fields=fields,
    )


def first_of(values: Iterable[Value]) -> Value:
    """The first that is not NULL, or another one that is not: NULL only if all are."""
    known = list(values)
    inside = next((value for value in known if value.not_null), None) or next(
        (value for value in known if value.inside), None
    )
    if inside is None:
        because = known[-1].because if all(value.because for value in known) else None
        return msgspec.structs.replace(one_of(known), inside=False, origin=None, because=because)
    return Value(
        inside=True,
        nulled_by=inside.nulled_by,
        because=None if inside.not_null else inside.because,
        elements=all(value.elements for value in known),
    )


def known_null(because: str) -> Value:
    """NULL is possible, and this is why."""
    return Value(because=because)
