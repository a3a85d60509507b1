"""How long an integer may be that Python writes as text and reads from it."""

from typing import Final

MOST_DIGITS: Final = 4_300
"""`sys.int_info.default_max_str_digits`. msgspec reads as many characters, whatever a process sets
for itself; with it a sign counts."""

LEAST_TOO_LONG: Final = 10**MOST_DIGITS
"""The size of an int decides nearly always. For a comparison with a Decimal it would be converted,
which takes time by the square of its digits."""

INT_TOO_LONG: Final = f"Python writes no int of more than {MOST_DIGITS:,} digits: give a Decimal"


def is_too_long(value: int) -> bool:
    """Whether it has more digits than Python writes."""
    return not -LEAST_TOO_LONG < value < LEAST_TOO_LONG
