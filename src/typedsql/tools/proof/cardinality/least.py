"""Whether a row certainly comes back."""

from typing import Final

from typedsql.tools.proof.cardinality.joins import CTE, FUNCTION, RESULT, SUBQUERY, VALUES
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.cardinality.limits import read_limit
from typedsql.tools.proof.cardinality.shapes import boolean_constant, conjuncts
from typedsql.tools.proof.node_tree import Node

Scope = tuple[Node, ...]
"""A query and those around it, the innermost first."""

_SELECT, _INSERT = 1, 3
_INNER, _LEFT, _FULL, _RIGHT = 0, 1, 2, 3
_UNION: Final = 1
_DO_NOTHING: Final = 1


def least_rows(scope: Scope, keys: Keys) -> int:
    """1 if the query returns (or, without RETURNING, writes) a row whatever the data; else 0.

    Errors do not count: a row that a constraint or a policy refuses is one.
    """
    query = scope[0]
    command = query.number("commandType")
    if command == _INSERT:
        return int(_inserts(scope, keys))
    return int(command == _SELECT and _selects(scope, keys))


def _inserts(scope: Scope, keys: Keys) -> bool:
    query = scope[0]
    table = keys.tables.get(
        query.nodes("rtable")[query.number("resultRelation") - 1].number("relid")
    )
    conflict = query.node("onConflict")
    if table is None or table.drops_rows:
        return False
    if conflict is not None and (
        conflict.number("action") == _DO_NOTHING or conflict.node("onConflictWhere") is not None
    ):
        return False
    return not query.flag("hasTargetSRFs") and _has_row(query.the("jointree"), scope, keys)


def _selects(scope: Scope, keys: Keys) -> bool:
    query = scope[0]
    if read_limit(query).may_drop:
        return False
    operation = query.node("setOperations")
    if operation is not None:
        return _unites(operation, scope, keys)
    if query.flag("hasTargetSRFs") or query.node("havingQual") is not None:
        return False
    sets = query.nodes("groupingSets")
    if sets:
        return len(sets) == 1 and sets[0].number("kind") == 0
    if query.flag("hasAggs") and not query.nodes("groupClause"):
        return True
    return not query.nodes("rowMarks") and _has_row(query.the("jointree"), scope, keys)


def _unites(node: Node, scope: Scope, keys: Keys) -> bool:
    if node.kind == "RANGETBLREF":
        entry = scope[0].nodes("rtable")[node.number("rtindex") - 1]
        return bool(least_rows((entry.the("subquery"), *scope), keys))
    return node.number("op") == _UNION and (
        _unites(node.the("larg"), scope, keys) or _unites(node.the("rarg"), scope, keys)
    )


def _has_row(item: Node, scope: Scope, keys: Keys) -> bool:
    """Of a part of the join tree."""
    if item.kind == "RANGETBLREF":
        return _entry_has_row(item.number("rtindex"), scope, keys)
    passes = all(boolean_constant(qual) for qual in conjuncts(item.node("quals")))
    if item.kind == "FROMEXPR":
        return passes and all(_has_row(part, scope, keys) for part in item.nodes("fromlist"))
    kind = item.number("jointype")
    left, right = (_has_row(item.the(side), scope, keys) for side in ("larg", "rarg"))
    if kind == _INNER:
        return passes and left and right
    return {_LEFT: left, _RIGHT: right, _FULL: left or right}[kind]


def _entry_has_row(position: int, scope: Scope, keys: Keys) -> bool:
    entry = scope[0].nodes("rtable")[position - 1]
    kind = entry.number("rtekind")
    if kind == SUBQUERY:
        return bool(least_rows((entry.the("subquery"), *scope), keys))
    if kind == CTE:
        around = scope[entry.number("ctelevelsup") :]
        return any(
            item.text("ctename") == entry.text("ctename")
            and not item.flag("cterecursive")
            and least_rows((item.the("ctequery"), *around), keys)
            for item in around[0].nodes("cteList")
        )
    if kind == FUNCTION:
        return any(
            call.the("funcexpr").fields.get("funcretset") != "true"
            for call in entry.nodes("functions")
        )
    return kind in (VALUES, RESULT)
