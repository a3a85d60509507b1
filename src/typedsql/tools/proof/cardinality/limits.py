"""LIMIT and FETCH FIRST, read from the analysed tree."""

import sys
from typing import Final

import msgspec

from typedsql.tools.proof.node_tree import Node

_WITH_TIES: Final = 1
_CASTS_TO_BIGINT: Final = frozenset({481, 754})  # pg_catalog.int8(integer), int8(smallint)


class Limit(msgspec.Struct, frozen=True):
    """What a query's LIMIT and OFFSET do."""

    rows: int | None
    """The constant number of rows at most; None where it is none."""
    count: Node | None
    """The number of rows at most, NULL for all; None where there is no limit."""
    may_drop: bool
    """A query that has a row may come to have none."""


def read_limit(query: Node) -> Limit:
    """Of a SELECT. WITH TIES is no limit, as all rows may be equal; nor is LIMIT NULL."""
    count, offset = query.node("limitCount"), query.node("limitOffset")
    skipped = 0 if offset is None or _is_null(offset) else _integer(offset)
    if count is None or _is_null(count):
        return Limit(rows=None, count=None, may_drop=skipped != 0)
    rows = _integer(count)
    may_drop = skipped != 0 or rows is None or rows < 1
    if query.number("limitOption") == _WITH_TIES:
        return Limit(rows=None, count=None, may_drop=may_drop)
    return Limit(rows=rows, count=count, may_drop=may_drop)


def _constant(node: Node) -> Node | None:
    if node.kind == "FUNCEXPR" and node.number("funcid") in _CASTS_TO_BIGINT:
        return _constant(node.nodes("args")[0])
    return node if node.kind == "CONST" else None


def _is_null(node: Node) -> bool:
    constant = _constant(node)
    return constant is not None and constant.flag("constisnull")


def _integer(node: Node) -> int | None:
    constant = _constant(node)
    if constant is None or constant.flag("constisnull"):
        return None
    value = constant.fields["constvalue"]
    if not isinstance(value, bytes):
        return None
    # A datum as the server's memory holds it; the analysing server runs on this machine.
    return int.from_bytes(value[: constant.number("constlen")], sys.byteorder, signed=True)
