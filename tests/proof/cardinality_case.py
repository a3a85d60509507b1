"""Statements with the number of rows that is to be proven of each.

A case without a proof of one row is shown to return more rows on the data of
`cardinality_schema`, unless it is marked as caution: then more could be proven.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """What is expected of one statement."""

    sql: str
    least: int
    most: int | None
    bounded: bool
    caution: bool = False
    before: str = ""
    """Run in the same transaction first, where the data alone cannot show it."""


def one(sql: str, least: int = 0) -> Case:
    return Case(sql, least, 1, bounded=True)


def many(sql: str, *, bounded: bool = False, before: str = "", least: int = 0) -> Case:
    return Case(sql, least, None, bounded, before=before)


def cautious(sql: str, *, bounded: bool = False, least: int = 0) -> Case:
    return Case(sql, least, None, bounded, caution=True)


def upto(most: int, sql: str, least: int = 0) -> Case:
    return Case(sql, least, most, bounded=True)
