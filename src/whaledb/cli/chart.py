"""Amounts, addresses and bars as text for terminals of any width, without colour."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

SHORTENED_HEAD: Final = 6
SHORTENED_TAIL: Final = 4
WIDEST_COLUMNS: Final = 80
NARROWEST_COLUMNS: Final = 32
LEAST_BAR_COLUMNS: Final = 4


class Signs(msgspec.Struct, frozen=True):
    """What is drawn with. `half` is half a `full`, or nothing where there is no such sign."""

    full: str
    half: str
    arrow: str
    gap: str


UNICODE: Final = Signs(full="\u2588", half="\u258c", arrow="\u2192", gap="\u2026")
ASCII: Final = Signs(full="#", half="", arrow="->", gap="..")


def signs_for(encoding: str | None) -> Signs:
    """Those that an output can take; only its encoding is known, not its fonts."""
    try:
        "".join((UNICODE.full, UNICODE.half, UNICODE.arrow, UNICODE.gap)).encode(
            encoding or "ascii"
        )
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def amount(value: Decimal) -> str:
    """Ether with thousands separators: two places, or below 1 as many as it has."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f}"
    return f"{value.normalize():f}"


def address(whole: str, signs: Signs) -> str:
    """The head and the tail of an address."""
    return f"{whole[:SHORTENED_HEAD]}{signs.gap}{whole[-SHORTENED_TAIL:]}"


def bars(
    rows: Sequence[tuple[str, Decimal]], *, columns: int, signs: Signs, indent: str = "  "
) -> list[str]:
    """A line for each label: the label, a bar, and the amount in whole numbers.

    The longest bar is that of the largest amount; what is more than nothing shows at
    least the smallest sign.
    """
    if not rows:
        return []
    figures = [f"{value:,.0f}" if value else "-" for _, value in rows]
    label_width = max(len(label) for label, _ in rows)
    figure_width = max(map(len, figures))
    room = columns - len(indent) - label_width - 2 - figure_width - 2
    room = max(room, LEAST_BAR_COLUMNS)
    largest = max(value for _, value in rows)
    return [
        f"{indent}{label:<{label_width}}  {figure:>{figure_width}}  "
        f"{_bar(value, largest, room, signs)}".rstrip()
        for (label, value), figure in zip(rows, figures, strict=True)
    ]


def _bar(value: Decimal, largest: Decimal, room: int, signs: Signs) -> str:
    if value <= 0:
        return ""
    steps = 2 if signs.half else 1
    length = max(1, int(value * room * steps / largest))
    return signs.full * (length // steps) + signs.half * (length % steps)
