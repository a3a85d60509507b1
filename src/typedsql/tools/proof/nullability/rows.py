"""The columns of a query, and whether it has a row for certain."""

from typing import Final

import msgspec

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability import constants
from typedsql.tools.proof.nullability.conditions import NOTHING, join_knowledge, measure, when_true
from typedsql.tools.proof.nullability.evaluation import value_of
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import LEFT, RIGHT, SUBQUERY, VALUES, Proven, Scope
from typedsql.tools.proof.nullability.values import NULLABLE, Value, one_of
from typedsql.tools.proof.nullability.written import returning

_SELECT: Final = 1
_UNION, _INTERSECT, _EXCEPT = 1, 2, 3


def columns_of(query: Node, outer: Scope) -> tuple[Value, ...]:
    """What is known of the columns of a query that stands within another."""
    return columns(opened(query, outer.child(query)))


def opened(query: Node, scope: Scope) -> Scope:
    """The place of a query's select list, with what its joins and conditions prove."""
    tree = query.node("jointree")
    if tree is not None:
        measure(tree, scope)
        known = join_knowledge(tree, scope)
        known |= when_true(query.node("havingQual"), scope) or NOTHING
        scope.proven = Proven(known)
    return scope


def columns(scope: Scope) -> tuple[Value, ...]:
    """What is known of the columns of the query that a scope is of."""
    query = scope.query
    operations = query.node("setOperations")
    if operations is not None:
        return arm_columns(operations, scope)
    if query.number("commandType") == _SELECT:
        return tuple(
            value_of(entry.the("expr"), scope)
            for entry in query.nodes("targetList")
            if not entry.flag("resjunk")
        )
    ways = returning(query, scope, value_of)
    if not ways:
        entries = query.nodes("returningList")
        return tuple(NULLABLE for entry in entries if not entry.flag("resjunk"))
    return tuple(one_of(ways_of_column) for ways_of_column in zip(*ways, strict=True))


@rule("set-operation")
def arm_columns(node: Node, scope: Scope) -> tuple[Value, ...]:
    """What is known of the columns of one arm of a set operation, or of all of it."""
    if node.kind == "RANGETBLREF":
        relation = scope.relations[node.number("rtindex") - 1]
        return columns_of(relation.the("subquery"), scope)
    left = arm_columns(node.the("larg"), scope)
    right = arm_columns(node.the("rarg"), scope)
    operation = node.number("op")
    if operation == _UNION:
        return tuple(one_of(pair) for pair in zip(left, right, strict=True))
    if operation == _INTERSECT:
        # A row of both: NULL in one of them would be NULL in the other.
        return tuple(
            a if a.not_null or not b.not_null else msgspec.structs.replace(b, origin=a.origin)
            for a, b in zip(left, right, strict=True)
        )
    return left


@rule("at-least-one-row")
def always_has_row(query: Node, outer: Scope) -> bool:
    """Whether a query has a row whatever the data are."""
    if query.number("commandType") != _SELECT or query.nodes("rowMarks"):
        return False
    if query.node("limitOffset") is not None or query.flag("hasTargetSRFs"):
        return False
    limit = query.node("limitCount")
    if limit is not None and (constants.whole_number(limit) or 0) < 1:
        return False
    operations = query.node("setOperations")
    if operations is not None:
        return _operation_has_row(operations, query, outer)
    if query.node("havingQual") is not None:
        return False
    if query.flag("hasAggs") and not query.nodes("groupClause") and not query.nodes("groupingSets"):
        return True
    if query.nodes("groupingSets"):
        return False
    tree = query.the("jointree")
    if tree.node("quals") is not None:
        return False
    return all(_source_has_row(item, query, outer) for item in tree.nodes("fromlist"))


def _operation_has_row(node: Node, query: Node, outer: Scope) -> bool:
    if node.kind == "RANGETBLREF":
        relation = query.nodes("rtable")[node.number("rtindex") - 1]
        return always_has_row(relation.the("subquery"), outer)
    if node.number("op") != _UNION:
        return False
    return any(_operation_has_row(node.the(side), query, outer) for side in ("larg", "rarg"))


def _source_has_row(tree: Node, query: Node, outer: Scope) -> bool:
    if tree.kind == "RANGETBLREF":
        relation = query.nodes("rtable")[tree.number("rtindex") - 1]
        kind = relation.number("rtekind")
        if kind == SUBQUERY:
            return always_has_row(relation.the("subquery"), outer)
        return kind == VALUES
    if tree.kind == "JOINEXPR":
        kind = tree.number("jointype")
        if kind == LEFT:
            return _source_has_row(tree.the("larg"), query, outer)
        if kind == RIGHT:
            return _source_has_row(tree.the("rarg"), query, outer)
    return False
