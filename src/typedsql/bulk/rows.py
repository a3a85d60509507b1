"""The rows of one table as a merge is given them, and as COPY takes them."""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import asyncpg
from msgspec import Struct
from msgspec.structs import astuple

from typedsql.arguments import Guards, guards_of_types
from typedsql.digits import is_too_long
from typedsql.errors import DataError
from typedsql.identifiers import quoted, quoted_table
from typedsql.unfit import TOO_DEEP, why_unfit
from typedsql.values import for_driver
from typedsql.verify import numeric_arrays

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
    if int in kinds:
        # By themselves: each comparison with a Decimal would convert the int anew.
        mixed = Decimal in kinds
        whole = [value for value in present if type(value) is int] if mixed else present
        if is_too_long(max(whole)) or is_too_long(min(whole)):
            return False
        present = [value for value in present if type(value) is Decimal] if mixed else ()
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
_zone: Final = operator.attrgetter("tzinfo")
_QUICK: Final[dict[str, Callable[[Sequence[object]], bool]]] = {
    "numeric": _numbers,
    "timestamptz": _moments,
}
"""Types whose guard looks at every value, and what tells that a whole column passes it."""


class Read(Struct, frozen=True):
    """Some rows that were looked at; the sequences are of one order."""

    keys: Sequence[Any]
    rows: Sequence[Any]
    size_bytes: int
    """Of all that were given, the refused ones too."""


class RowReader:
    """Reads the Structs of one table, some at a time: column by column, since a look at each
    value by itself takes several times as long."""

    def __init__(
        self, query: str, columns: Sequence[str], key: Sequence[str], described: "Described"
    ) -> None:
        kinds = described.kinds
        self._query = query
        self._columns = columns
        self._key = [columns.index(name) for name in key]
        self._sizer = Sizer(kinds)
        self._guards: Guards = guards_of_types(
            kinds, binary_numeric=True, numeric_arrays=described.numeric_arrays
        )
        self._converted = [index for index, _, _, converts in self._guards if converts]
        self._quick = {
            index: _QUICK[kind.name]
            for index, kind in enumerate(kinds)
            if kind.schema == "pg_catalog" and kind.name in _QUICK
        }

    def read(self, rows: Sequence[Any], refused: Refusals) -> Read:
        """The rows, one or more; those that could not be stored as given go to `refused`."""
        columns = list(zip(*map(astuple, rows), strict=True))
        of_key = [columns[index] for index in self._key]
        keys: Sequence[Any] = of_key[0] if len(of_key) == 1 else list(zip(*of_key, strict=True))
        size_bytes = self._sizer.of_columns(columns)
        told: dict[int, DataError] = {}
        for index, plain, check, _ in self._guards:
            column = columns[index]
            quick = self._quick.get(index)
            if quick(column) if quick is not None else plain.issuperset(map(type, column)):
                continue
            for position, value in enumerate(column):
                if type(value) in plain:
                    continue
                try:
                    wrong = check(value)
                except RecursionError:
                    wrong = TOO_DEEP
                if wrong is not None:
                    told.setdefault(position, self._refusal(self._columns[index], wrong))
        if told:
            refused.extend((rows[position], told[position]) for position in sorted(told))
            kept = [position for position in range(len(rows)) if position not in told]
            keys = [keys[position] for position in kept]
            rows = [rows[position] for position in kept]
        return Read(keys, rows, size_bytes)

    def values(self, rows: Iterable[Any]) -> Iterator[Values]:
        """What the driver is given for each of the rows, made as it is asked for.

        To keep them from when the row was looked at would take longer: so many objects in
        memory are those that the collector of garbage visits, and the processor has to fetch.
        """
        values = map(astuple, rows)
        return map(self._convert, values) if self._converted else values

    def unfit(self, row: Any) -> DataError:
        """Why the driver could not encode a row; its own words quote the value."""
        kinds = self._guards.kinds
        for name, kind, value in zip(self._columns, kinds, astuple(row), strict=True):
            told = why_unfit(kind, value)
            if told is not None:
                return self._refusal(name, told)
        return DataError(
            f"{self._query}: a value of the row does not fit its column's type", query=self._query
        )

    def size_of(self, row: Any) -> int:
        """About how many bytes one row is."""
        return self._sizer.of_columns([(value,) for value in astuple(row)])

    def _refusal(self, column: str, told: str) -> DataError:
        return DataError(
            f"{self._query}: column {column} was refused: {told}", query=self._query, column=column
        )

    def _convert(self, values: Values) -> Values:
        changed = list(values)
        for index in self._converted:
            changed[index] = for_driver(changed[index])
        return tuple(changed)


class Sizer:
    """Tells about how many bytes rows are.

    Exact enough for a limit: it counts characters of texts and bytes, and the Python text of
    what else can be long.
    """

    def __init__(self, kinds: Sequence[Any]) -> None:
        names = [kind.name for kind in kinds]
        self._texts = [index for index, name in enumerate(names) if name in _TEXTS]
        self._others = [
            index for index, name in enumerate(names) if name not in _TEXTS and name not in _FIXED
        ]
        self._fixed_bytes = FIXED_BYTES * (len(names) - len(self._others))

    def of_columns(self, columns: Sequence[Sequence[object]]) -> int:
        total = self._fixed_bytes * len(columns[0])
        for index in self._texts:
            total += _length(columns[index])
        for index in self._others:
            total += sum(_shown_length(value) for value in columns[index] if value is not None)
        return total


def _shown_length(value: object) -> int:
    try:
        return len(repr(value))
    except Exception:
        # Too deep, or of a class of its own: the row is refused when it is sent.
        return FIXED_BYTES


def _length(column: Sequence[Any]) -> int:
    """Of all texts of a column together."""
    try:
        return len("".join(column))
    except TypeError:
        present = [value for value in column if value is not None]
        return sum(
            len(value) if isinstance(value, str | bytes) else FIXED_BYTES for value in present
        )


class Described(Struct, frozen=True):
    """The types of a table's columns."""

    kinds: Sequence[Any]
    """As the driver describes them."""
    numeric_arrays: Set[int]
    """Those that are arrays of domains over numeric."""


async def describe(connection: Any, table: str, columns: Sequence[str]) -> Described:
    """Asks the server for the types of these columns."""
    names = ", ".join(map(quoted, columns))
    prepared = await connection.prepare(
        f"SELECT {names} FROM {quoted_table(table)} LIMIT 0"  # noqa: S608
    )
    kinds = [item.type for item in prepared.get_attributes()]
    return Described(kinds, await numeric_arrays(connection, kinds))


def split_table(table: str) -> tuple[str, str]:
    """Schema and name of a qualified table."""
    schema, _, name = table.partition(".")
    return schema, name


def is_from_server(failure: BaseException) -> bool:
    """Whether the server said it; the driver raises the same classes for what it cannot send."""
    severity: object = getattr(failure, "severity", None)
    return isinstance(failure, asyncpg.PostgresError) and severity is not None
