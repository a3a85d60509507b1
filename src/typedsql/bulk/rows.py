"""The rows of one table as a merge is given them, and as COPY takes them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any, Final

import asyncpg
import msgspec
from msgspec.structs import astuple

from typedsql.arguments import Guards, guards_of_types
from typedsql.errors import DataError
from typedsql.values import for_driver

FIXED_BYTES: Final = 16
"""What a value counts whose size does not depend on it, in `MergeLimits.chunk_bytes`."""
_TEXTS: Final = frozenset({"bpchar", "bytea", "name", "text", "varchar"})
_FIXED: Final = frozenset(
    {
        *("bool", "date", "float4", "float8", "int2", "int4", "int8", "interval", "numeric"),
        *("oid", "time", "timestamp", "timestamptz", "uuid"),
    }
)

Refusals = list[tuple[Any, DataError]]
"""Rows as they were given, and why they cannot be stored."""
Values = tuple[object, ...]


def _numbers(column: Sequence[object]) -> bool:
    """Whether all are numbers that numeric holds; a single look at each takes ten times as long."""
    kinds = set(map(type, column))
    if not kinds <= _NUMBERS:
        return False
    present: Any = column
    if NoneType in kinds:
        present = [value for value in column if value is not None]
    try:
        return not present or (max(present) < _TOO_LARGE and min(present) > -_TOO_LARGE)
    except InvalidOperation:  # a NaN
        return False


def _moments(column: Sequence[object]) -> bool:
    """Whether all are times with a zone, or NULL."""
    kinds = set(map(type, column))
    if not kinds <= _MOMENTS:
        return False
    present: Iterable[Any] = column
    if NoneType in kinds:
        present = filter(None, column)
    return None not in set(map(_zone, present))


NoneType = type(None)
_NUMBERS: Final = frozenset({Decimal, int, NoneType})
_TOO_LARGE: Final = Decimal("1E131072")
_MOMENTS: Final = frozenset({datetime, NoneType})
_zone: Final = attrgetter("tzinfo")
_QUICK: Final[dict[str, Callable[[Sequence[object]], bool]]] = {
    "numeric": _numbers,
    "timestamptz": _moments,
}
"""Types whose guard looks at every value, and what tells that a whole column passes it."""


class Sound(msgspec.Struct, frozen=True):
    """Rows whose values the driver takes as they are meant; two sequences of one order."""

    rows: Sequence[Any]
    values: Sequence[Values]

    def part(self, start: int, stop: int) -> "Sound":
        return Sound(self.rows[start:stop], self.values[start:stop])


class RowReader:
    """Reads the Structs of one table."""

    def __init__(self, query: str, columns: Sequence[str], kinds: Sequence[Any]) -> None:
        self._query = query
        self._columns = columns
        self._guards: Guards = guards_of_types(kinds, binary_numeric=True)
        self._quick = {
            index: _QUICK[kind.name]
            for index, kind in enumerate(kinds)
            if kind.schema == "pg_catalog" and kind.name in _QUICK
        }

    def read(self, rows: Sequence[Any], refused: Refusals) -> Sound:
        """The values of the rows; those that could not be stored as given go to `refused`."""
        values: list[Values] = list(map(astuple, rows))
        told: dict[int, DataError] = {}
        columns = list(zip(*values, strict=True))
        converted = False
        for index, plain, check, converts in self._guards:
            column = columns[index]
            quick = self._quick.get(index)
            if quick(column) if quick is not None else plain.issuperset(map(type, column)):
                continue
            converted = converted or converts
            for position, value in enumerate(column):
                if type(value) in plain:
                    continue
                wrong = check(value)
                if wrong is not None:
                    told.setdefault(position, self._refusal(self._columns[index], wrong))
        if told:
            refused.extend((rows[position], told[position]) for position in sorted(told))
            kept = [position for position in range(len(rows)) if position not in told]
            rows = [rows[position] for position in kept]
            values = [values[position] for position in kept]
        if converted:
            values = [self._convert(row) for row in values]
        return Sound(rows, values)

    def _refusal(self, column: str, told: str) -> DataError:
        return DataError(
            f"{self._query}: column {column} was refused: {told}", query=self._query, column=column
        )

    def _convert(self, values: Values) -> Values:
        changed = list(values)
        for index, _, _, converts in self._guards:
            if converts:
                changed[index] = for_driver(changed[index])
        return tuple(changed)


async def describe(connection: Any, table: str, columns: Sequence[str]) -> Sequence[Any]:
    """The driver's description of the types of a table's columns."""
    names = ", ".join(map(quoted, columns))
    prepared = await connection.prepare(f"SELECT {names} FROM {table} LIMIT 0")  # noqa: S608
    return [item.type for item in prepared.get_attributes()]


def sizer_of(columns: Sequence[str], kinds: Sequence[Any]) -> Callable[[Any], int]:
    """What tells about how many bytes a row is.

    Exact enough for a limit: it counts characters of texts and bytes, and the Python text of
    what else can be long.
    """
    texts = [name for name, kind in zip(columns, kinds, strict=True) if kind.name in _TEXTS]
    others = [
        name
        for name, kind in zip(columns, kinds, strict=True)
        if kind.name not in _TEXTS and kind.name not in _FIXED
    ]
    fixed_bytes = FIXED_BYTES * (len(columns) - len(others))
    # With a second name there is always a tuple.
    values: Callable[[Any], tuple[Any, ...]] = attrgetter(*texts, *texts[:1], *others)
    count = len(texts)

    def size(row: Any) -> int:
        found = values(row)
        total = fixed_bytes
        for value in found[:count]:
            if value:
                total += len(value) if isinstance(value, str | bytes) else FIXED_BYTES
        for value in found[count + 1 :]:
            total += 0 if value is None else len(repr(value))
        return total

    if others or not texts:
        return size if others else lambda _: fixed_bytes
    # Most rows have all their texts, and then this takes a third of the time.
    plain: Callable[[Any], Iterable[str]] = attrgetter(*texts, *texts[:1])
    join = "".join

    def size_of_texts(row: Any) -> int:
        try:
            return fixed_bytes + len(join(plain(row)))
        except TypeError:
            return size(row)

    return size_of_texts


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def split_table(table: str) -> tuple[str, str]:
    """Schema and name of a qualified table."""
    schema, _, name = table.partition(".")
    return schema, name


def is_from_server(failure: BaseException) -> bool:
    """Whether the server said it; the driver raises the same classes for what it cannot send."""
    severity: object = getattr(failure, "severity", None)
    return isinstance(failure, asyncpg.PostgresError) and severity is not None
