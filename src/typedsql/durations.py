"""Lengths of time as PostgreSQL's settings take them."""


def milliseconds(limit_s: float) -> str:
    """A limit of more than 0 s in whole milliseconds, 1 at least: 0 would be no limit at all."""
    return str(max(1, round(limit_s * 1000)))
