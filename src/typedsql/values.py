"""Values of range and composite types, as rows hold them and functions take them.

The driver's own range class is not typed for strict checkers and cannot be written as
JSON; its record of a composite has no types at all.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import asyncpg
import msgspec
from msgspec.structs import astuple, force_setattr

T = TypeVar("T")

_DRIVER_RANGE: Any = asyncpg.Range


class Range(msgspec.Struct, Generic[T], frozen=True):
    """The values between two bounds; of a multirange, one of its parts.

    A bound that is None is unbounded, which is not the same as the value infinity of a
    timestamp or date. As in PostgreSQL the lower bound belongs to the range and the upper
    one does not, unless said otherwise, and an unbounded side is never inclusive. Ranges
    of integers and dates come back from the server in that form, ``[1,3]`` as ``[1,4)``.

    Raises ValueError for an empty range with bounds.
    """

    lower: T | None = None
    upper: T | None = None
    lower_inc: bool = True
    upper_inc: bool = False
    empty: bool = False

    def __post_init__(self) -> None:
        if self.empty and (self.lower is not None or self.upper is not None):
            raise ValueError("an empty range has no bounds")
        # One form for what is the same range, so that equality and hash agree with it.
        if self.lower_inc and (self.empty or self.lower is None):
            force_setattr(self, "lower_inc", False)
        if self.upper_inc and (self.empty or self.upper is None):
            force_setattr(self, "upper_inc", False)


class Composite(msgspec.Struct, frozen=True, gc=False):
    """Base of the Structs that are generated for composite types."""

    __composite__: ClassVar[tuple[str, tuple[str, ...]]]
    """Qualified name of the type, and the types of its members in order: an array's ends
    in [], those of composites are qualified."""


def from_driver_range(value: Any) -> Range[Any]:
    """Our range from the driver's."""
    return Range(value.lower, value.upper, value.lower_inc, value.upper_inc, value.isempty)


def for_driver(value: Any) -> Any:
    """The value with ranges and composites, at any depth of arrays, as the driver takes them."""
    kind: type[object] = value.__class__
    if issubclass(kind, Range):
        made: Any = _DRIVER_RANGE(
            value.lower,
            value.upper,
            lower_inc=value.lower_inc,
            upper_inc=value.upper_inc,
            empty=value.empty,
        )
        return made
    if issubclass(kind, Composite):
        return tuple(for_driver(member) for member in astuple(value))
    if issubclass(kind, Sequence) and not issubclass(kind, str | bytes | bytearray | memoryview):
        return [for_driver(element) for element in value]
    return value
