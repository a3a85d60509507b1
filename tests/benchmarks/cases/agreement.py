"""Whether all contenders did the same: a figure for something else would say nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from measured.rows import Transfer

from tests.benchmarks.frame import OURS

CHECKED_ROWS = 200


class Disagreement(Exception):
    """A contender returned something else than ours did."""


def values_of(row: Any) -> tuple[Any, ...]:
    """A row's values in the order of its columns, whatever it is."""
    if isinstance(row, Transfer):
        values: Iterable[Any] = msgspec.structs.astuple(row)
    elif hasattr(row, "__mapper__"):
        values = [getattr(row, name) for name in Transfer.__struct_fields__]
    else:
        values = row
    return tuple(str(value) if isinstance(value, UUID) else value for value in values)


def check_agreement(found: Mapping[str, Sequence[Any]], count: int) -> None:
    """Raises Disagreement naming the contender whose rows are not those of ours."""
    expected = [values_of(row) for row in found[OURS][:CHECKED_ROWS]]
    for name, rows in found.items():
        if len(rows) != count:
            raise Disagreement(f"{name} returned {len(rows)} rows instead of {count}")
        if [values_of(row) for row in rows[:CHECKED_ROWS]] != expected:
            raise Disagreement(f"{name} returned other values than {OURS}")
