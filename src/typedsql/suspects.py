"""Which argument of a failed call was refused, and why, where neither side says so.

The server names a parameter it cannot read, and not the one whose value was too large for what
the statement makes of it. Looked at after a failure alone, so that no call pays for it.
"""

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from typedsql.fitting import is_array
from typedsql.unfit import NUL_IN_DOCUMENT, NUL_IN_TEXT, fallback, why_unfit

Suspicion = Callable[[str, object], bool]
"""Whether a value of a type, no array, may be what a failure is about."""

_FLOATS: Final = ("float4", "float8")
# "A field with precision 5, scale 4 must round to an absolute value less than 10^1."
_NUMERIC_FIELD: Final = re.compile(r"\b(\d+)\D+?(-?\d+)\b")
# "value too long for type character varying(50)"
_LENGTH: Final = re.compile(r"\((\d+)\)$")
_FINITE_DIGITS: Final = 2_000
"""Of numbers that are compared with a numeric column's limit; its precision is at most 1,000."""

_LARGE: Final = 2_000
"""Characters; an entry of a B-tree has 2,704 bytes at most."""


class Given:
    """The arguments of a call that has failed."""

    def __init__(
        self, parameters: Sequence[str], kinds: Sequence[str], arguments: Sequence[object]
    ) -> None:
        """`kinds` are the names of the parameters' types, none where they are not known."""
        self._parameters = parameters
        self._kinds = kinds
        self._arguments = arguments

    def name(self, index: int) -> str:
        """A parameter's name; its number where it has none."""
        return self._parameters[index] if index < len(self._parameters) else f"${index + 1}"

    def why(self, index: int) -> str | None:
        """Why an argument does not fit its type; None where that cannot be told."""
        if index < min(len(self._arguments), len(self._kinds)):
            return why_unfit(self._kinds[index], self._arguments[index])
        return None

    def why_at_all(self, index: int) -> str:
        """The same, in so many words as are left."""
        if index >= len(self._arguments):
            return "the value does not fit the parameter's type"
        kind = self._kinds[index] if index < len(self._kinds) else None
        return self.why(index) or fallback(kind, self._arguments[index])

    def unshowable(self) -> int | None:
        """The position of an argument whose `repr` fails, None if there is none.

        The driver puts the argument it refuses in its message, and fails at that as well.
        """
        for index, value in enumerate(self._arguments):
            try:
                repr(value)
            except Exception:
                return index
        return None

    def accuse(self, state: str, message: str, detail: str, told: str) -> str | None:
        """`told` with the parameter it is about, or those of which it is one; None if unknown.

        `state` is the SQLSTATE; `message` and `detail` are the server's, of which
        only lengths are taken.
        """
        suspicion, told = _suspicion(state, message, detail, told)
        found = [
            self.name(index)
            for index, value in enumerate(self._arguments)
            if _any(suspicion, self._kinds[index] if index < len(self._kinds) else "", value)
        ]
        if len(self._arguments) == 1:
            found = [self.name(0)]
        if not found or (suspicion is _anything and len(found) > 1):
            return None
        if len(found) == 1:
            return f"parameter {found[0]} was refused: {told}"
        listed = f"{', '.join(found[:-1])} and {found[-1]}"
        return f"one of the parameters {listed} was refused: {told}"


def _suspicion(state: str, message: str, detail: str, told: str) -> tuple[Suspicion, str]:
    field = _NUMERIC_FIELD.search(detail) if state == "22003" else None
    if field is not None:
        precision, scale = int(field[1]), int(field[2])
        return _beyond(precision, scale), f"it does not fit numeric({precision}, {scale})"
    length = _LENGTH.search(message) if state == "22001" else None
    if length is not None:
        most = int(length[1])
        return _longer_than(most), f"it is longer than {most} characters"
    return _SUSPICIONS.get(state, _anything), told


def _any(suspicion: Suspicion, kind: str, value: object) -> bool:
    try:
        if is_array(value) and not kind.startswith("json"):
            element = kind.removesuffix("[]")
            return any(_any(suspicion, element, item) for item in cast("Iterable[object]", value))
        return value is not None and suspicion(kind, value)
    except Exception:
        # What its own class raised as it was looked at.
        return True


def _anything(kind: str, value: object) -> bool:
    return True


def _is_number(kind: str, value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_text(kind: str, value: object) -> bool:
    return isinstance(value, str)


def _is_time(kind: str, value: object) -> bool:
    """What times are made of: an interval also of seconds."""
    times = datetime.date | datetime.time | datetime.timedelta | float
    return isinstance(value, times) or (kind in _FLOATS and _is_number(kind, value))


def _is_zero(kind: str, value: object) -> bool:
    return _is_number(kind, value) and value == 0


def _is_negative(kind: str, value: Any) -> bool:
    return _is_number(kind, value) and value < 0


def _has_nul(kind: str, value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    return why_unfit(kind, value) in (NUL_IN_TEXT, NUL_IN_DOCUMENT)


def _is_large(kind: str, value: object) -> bool:
    """What an index may not hold, or what may be nested too deeply for the server."""
    return kind.startswith("json") or (isinstance(value, str | bytes) and len(value) > _LARGE)


def _longer_than(most: int) -> Suspicion:
    return lambda _, value: isinstance(value, str | bytes) and len(value) > most


def _beyond(precision: int, scale: int) -> Suspicion:
    """Numbers that a numeric column does not hold once they are rounded to its scale."""
    limit = Decimal((0, (1,), precision - scale)) if precision - scale <= _FINITE_DIGITS else None

    def look(kind: str, value: Any) -> bool:
        # An integer may be stored in such a column as well, and hardly ever is.
        if not _is_number(kind, value) or kind.startswith("int"):
            return False
        number = Decimal(value)
        if limit is None or not number.is_finite():
            return True
        # Just below the limit it would be rounded up to it.
        return abs(number) >= limit or abs(number) >= limit - Decimal((0, (5,), -scale - 1))

    return look


_SUSPICIONS: Final[dict[str, Suspicion]] = {
    "22001": _is_text,
    "22003": _is_number,
    "22007": lambda kind, value: _is_time(kind, value) or _is_text(kind, value),
    "22008": _is_time,
    "22012": _is_zero,
    "22015": _is_time,
    "2201W": _is_negative,
    "2201X": _is_negative,
    "22021": _has_nul,
    "22P02": _is_text,
    "22P05": _has_nul,
    "54000": _is_large,
    "54001": _is_large,
}
"""By SQLSTATE, the arguments that it may be about."""
