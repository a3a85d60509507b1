"""Expressions of a node tree in a form that can be compared.

Two expressions have equal shapes if they are the same but for where they stand in the
text and how their casts were written: an index's expression and a query's are then one.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeGuard

from typedsql.tools.proof.node_tree import Node, Numbers, is_list

Shape = tuple[Any, ...]
"""Hashable; a column is ``("VAR", varno, attribute number, levels up)``."""

_DISPLAY: Final = frozenset(
    {
        "location",
        "funcformat",
        "relabelformat",
        "coerceformat",
        "coercionformat",
        "convertformat",
        "row_format",
        "opfuncid",
        "list_start",
        "list_end",
        "rexpr_list_start",
        "rexpr_list_end",
    }
)
_TRUE: Final = 1


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def shape(value: Any) -> Any:
    """The value without what is only for display."""
    if isinstance(value, Node):
        if value.kind == "VAR":
            return column_shape(
                value.number("varno"), value.number("varattno"), value.number("varlevelsup")
            )
        fields = tuple(
            (name, shape(field)) for name, field in value.fields.items() if name not in _DISPLAY
        )
        return (value.kind, fields)
    if is_list(value):
        return tuple(shape(item) for item in value)
    if isinstance(value, Numbers):
        return tuple(value.values)
    return value


def column_shape(varno: int, attribute: int, levels_up: int = 0) -> Shape:
    """The shape of a plain column."""
    return ("VAR", varno, attribute, levels_up)


def moved(found: Any, varno: int) -> Any:
    """The shape of an index's expression, whose table is always 1, for another position."""
    if not _is_tuple(found):
        return found
    if len(found) == 4 and found[0] == "VAR" and found[3] == 0:
        return column_shape(varno, found[2])
    return tuple(moved(item, varno) for item in found)


def stripped(node: Node) -> Node:
    """The expression without casts that change no bit, as of varchar to text."""
    while node.kind == "RELABELTYPE":
        node = node.the("arg")
    return node


def conjuncts(qual: Node | None) -> Iterator[Node]:
    """The conditions that all have to be true; boolean ones in their shortest form."""
    if qual is None:
        return
    if qual.kind == "BOOLEXPR" and qual.fields["boolop"] == "and":
        for item in qual.nodes("args"):
            yield from conjuncts(item)
        return
    yield _plain(qual)


_IS_TRUE, _IS_FALSE = 0, 2
_BOOLEAN_EQUALS: Final = 91  # pg_catalog.=(boolean, boolean)


def _plain(qual: Node) -> Node:
    """``x`` for ``x IS TRUE`` and ``x = TRUE``, and ``NOT x`` for their opposites.

    As a condition they are the same: what is NULL is not true.
    """
    if qual.kind == "BOOLEANTEST":
        test = qual.number("booltesttype")
        if test == _IS_TRUE:
            return _plain(qual.the("arg"))
        if test == _IS_FALSE:
            return _not(qual.the("arg"))
    if qual.kind == "OPEXPR" and qual.number("opno") == _BOOLEAN_EQUALS:
        left, right = qual.nodes("args")
        for one, other in ((left, right), (right, left)):
            truth = boolean_constant(other)
            if truth is not None and boolean_constant(one) is None:
                return _plain(one) if truth else _not(one)
    return qual


def _not(argument: Node) -> Node:
    return Node("BOOLEXPR", {"boolop": "not", "args": [argument], "location": "-1"})


def boolean_constant(node: Node) -> bool | None:
    """The value of TRUE and FALSE; None for NULL and all else."""
    if node.kind != "CONST" or node.number("consttype") != 16 or node.flag("constisnull"):
        return None
    return bool(_bytes(node)[0] == _TRUE)


def _bytes(node: Node) -> bytes:
    value = node.fields["constvalue"]
    return value if isinstance(value, bytes) else b"\0"


_COLLATIONS: Final = {
    "VAR": "varcollid",
    "CONST": "constcollid",
    "PARAM": "paramcollid",
    "FUNCEXPR": "funccollid",
    "OPEXPR": "opcollid",
    "RELABELTYPE": "resultcollid",
    "COERCEVIAIO": "resultcollid",
    "COERCETODOMAIN": "resultcollid",
    "COLLATEEXPR": "collOid",
    "CASEEXPR": "casecollid",
    "COALESCEEXPR": "coalescecollid",
}


def collation(node: Node) -> int | None:
    """The oid of the expression's collation, 0 where its type has none; None if not known."""
    field = _COLLATIONS.get(node.kind)
    return None if field is None else node.number(field)


def outer_columns(query: Node) -> Iterator[tuple[Node, int]]:
    """Columns of outer queries that a query mentions, with how far out they are (1: next)."""
    pending: list[tuple[Any, int]] = [(query, -1)]
    while pending:
        item, depth = pending.pop()
        if is_list(item):
            pending.extend((part, depth) for part in item)
        elif isinstance(item, Node):
            if item.kind == "VAR":
                out = item.number("varlevelsup") - depth
                if out > 0:
                    yield item, out
            inner = depth + 1 if item.kind == "QUERY" else depth
            pending.extend((part, inner) for part in item.fields.values())
