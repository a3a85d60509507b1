"""What a case for a constraint is, and values that several of them use."""

from typing import Any, NamedTuple

from tests.db.rows import ADDRESS, HASH


class Case(NamedTuple):
    """`accepted` and `refused` hold the changes to the table's valid row."""

    table: str
    constraint: str
    accepted: list[dict[str, Any]]
    refused: list[dict[str, Any]]

    @property
    def is_key(self) -> bool:
        """Whether the valid row stands in the table already when the others come."""
        return self.constraint.startswith("idx_") or self.constraint.endswith(
            ("_pkey", "_natural_key")
        )


def values(column: str, *listed: Any) -> list[dict[str, Any]]:
    """One change for each of the values of a column."""
    return [{column: value} for value in listed]


WEI = "0.000000000000000001"
NOT_FINITE = ["NaN", "Infinity", "-Infinity"]
NO_HASHES = [
    "",
    "0x",
    HASH[2:],
    HASH[:-1],
    HASH + "a",
    "0X" + HASH[2:],
    HASH[:-1] + "G",
    HASH + "\n",
    "0x" + "AB" * 32,
    HASH[:-1] + "\n",
    HASH[:-2] + "é",
    "1x" + HASH[2:],
]
NO_ADDRESSES = [
    "",
    ADDRESS[:-1],
    ADDRESS + "1",
    ADDRESS + "\n",
    ADDRESS[:-1] + "\n",
    ADDRESS[:-2] + "é",
    "1x" + ADDRESS[2:],
    HASH,
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
]
# The years of Python's datetime, in UTC.
TIMES = [
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "10000-01-01T00:30:00+01:00",
    "0001-12-31T23:30:00-01:00 BC",
]
NO_TIMES = [
    "infinity",
    "-infinity",
    "0001-12-31T23:59:59.999999Z BC",
    "0001-01-01T00:30:00+01:00",
    "4000-01-01T00:00:00Z BC",
    "10000-01-01T00:00:00Z",
    "9999-12-31T23:30:00-01:00",
    "290000-01-01T00:00:00Z",
]
NO_ACCOUNT = "33333333-3333-4333-8333-333333333333"
