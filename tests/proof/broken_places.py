"""Broken rules about conditions, joins and written rows, which need more than one line."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tests.proof.broken import Breaking, Rule
from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability import (
    conditions,
    constants,
    facts,
    functions,
    relations,
    written,
)
from typedsql.tools.proof.nullability.evaluation import value_of
from typedsql.tools.proof.nullability.rows import columns_of
from typedsql.tools.proof.nullability.scopes import FULL, JoinKnown, Scope
from typedsql.tools.proof.nullability.values import NO_JOINS, NOT_NULL, Value, all_of, one_of


def strict_is_total(rule: Rule) -> Rule:
    """A function that answers NULL with NULL has no other reason for it."""

    def broken(known: facts.Facts, oid: int, *, spread: bool) -> str:
        return functions.ALL if known.function(oid).strict else rule(known, oid, spread=spread)

    return broken


def shorter_functions(rule: Rule) -> Rule:
    """Functions of ROWS FROM return as many rows as each other."""

    def broken(relation: Node, scope: Scope) -> tuple[Value, ...]:
        found: list[Value] = []
        for call in relation.nodes("functions"):
            found += rule(Node(relation.kind, {**relation.fields, "functions": [call]}), scope)
        return tuple(found)

    return broken


def functions_of_anybody(rule: Rule) -> Rule:
    def broken(call: Node, oid: int, scope: Scope) -> tuple[Value, ...]:
        own = scope.facts.function(oid).name is None
        return (NOT_NULL,) * 2 if own else rule(call, oid, scope)

    return broken


def merged_from_the_left(rule: Rule) -> Rule:
    """USING shows the left column, also of a FULL JOIN."""

    def broken(relation: Node, number: int, attribute: int, scope: Scope) -> Value:
        if attribute > 0:
            shown = relation.nodes("joinaliasvars")[attribute - 1]
            if shown.kind == "COALESCEEXPR":
                value = value_of(shown.nodes("args")[0], scope)
                return msgspec.structs.replace(value, nulled_by=NO_JOINS)
        return rule(relation, number, attribute, scope)

    return broken


def first_rows_only(rule: Rule) -> Rule:
    """A recursive query's columns are as in its first rows."""

    def broken(table: Node, query: Node, scope: Scope) -> tuple[Value, ...]:
        operations = query.the("setOperations")
        place = scope.child(query)
        first = place.relations[operations.the("larg").number("rtindex") - 1]
        found = columns_of(first.the("subquery"), place)
        return tuple(Value(inside=value.not_null) for value in found)

    return broken


def left_part_only(operation: int) -> Breaking:
    """Of a set operation the columns of its left part."""

    def breaking(rule: Rule) -> Rule:
        def broken(node: Node, scope: Scope) -> tuple[Value, ...]:
            if node.kind != "RANGETBLREF" and node.number("op") == operation:
                return broken(node.the("larg"), scope)
            return rule(node, scope)

        return broken

    return breaking


def either_part(operation: int) -> Breaking:
    """Of a set operation a column that is not NULL in one of its parts."""

    def breaking(rule: Rule) -> Rule:
        def broken(node: Node, scope: Scope) -> tuple[Value, ...]:
            found = rule(node, scope)
            if node.kind == "RANGETBLREF" or node.number("op") != operation:
                return found
            right = rule(node.the("rarg"), scope)
            pairs = zip(found, right, strict=True)
            return tuple(b if b.not_null else a for a, b in pairs)

        return broken

    return breaking


def any_condition_true(rule: Rule) -> Rule:
    """What a condition says holds wherever it is not true, too: NULL counts as false."""
    return lambda condition, scope: conditions.when_false(condition, scope) or conditions.NOTHING


def not_true_is_true(rule: Rule) -> Rule:
    """IN, ANY and EXISTS that are false have found a row."""
    return lambda sublink, scope, *, truth: rule(sublink, scope, truth=True)


def arrays_have_elements(rule: Rule) -> Rule:
    """x <> ALL (array) compares x with something."""

    def broken(node: Node, scope: Scope, *, truth: bool) -> Any:
        arguments = node.nodes("args")
        return conditions.both(conditions.when_not_null(item, scope) for item in arguments)

    return broken


def nothing_is_lax(rule: Rule) -> Rule:
    """Every function that returned something got no NULL."""

    def broken(expression: Node, scope: Scope) -> Any:
        arguments = expression.nodes("args")
        return conditions.both(conditions.when_not_null(item, scope) for item in arguments)

    return broken


def all_joins_found(rule: Rule) -> Rule:
    """A column that is not NULL says that every join around it found a row."""

    def broken(var: Node, scope: Scope) -> Any:
        owner = scope.up(var.number("varlevelsup"))
        sides = [(), ("left",), ("right",)]
        found = (
            JoinKnown(((owner.serial, join, *side),)) for join in owner.sides for side in sides
        )
        return rule(var, scope).union(found)

    return broken


def on_is_where(rule: Rule) -> Rule:
    """The condition of an outer join holds for all rows that come back."""

    def broken(join: Node, scope: Scope, waiting: list[Node]) -> Any:
        rule(join, scope, waiting)
        return conditions.when_true(join.node("quals"), scope) or conditions.NOTHING

    return broken


def groups_keep_columns(nulling: Rule) -> Rule:
    """Grouping sets leave every column as it is."""

    def broken(scope: Scope, number: int, column: int, joins: Any) -> Any:
        kept = [join for join in joins if join in scope.sides]
        return nulling(scope, number, column, kept)

    return broken


def full_join_is_one(nulling: Rule) -> Rule:
    """A FULL JOIN that has a row on one side has one on the other."""

    def broken(scope: Scope, number: int, column: int, joins: Any) -> Any:
        names = nulling(scope, number, column, joins)
        full = {join for join, (kind, *_) in scope.sides.items() if kind == FULL}
        return frozenset(name[:2] if name[1] in full else name for name in names)

    return broken


def where_holds_after(rule: Rule) -> Rule:
    """What WHERE proved of a row before its change holds for the row after."""

    def broken(command: int, values: Mapping[int, Value], scope: Scope) -> Scope:
        place: Scope = rule(command, values, scope)
        place.proven = scope.proven
        return place

    return broken


def unchanged(rule: Rule) -> Rule:
    """The row after a change has what it had before."""

    def broken(row: written.Written, relation: Node, column: int) -> Value:
        old: Callable[..., Value] = row._old
        return old(relation, column)

    return broken


def source_always_there(rule: Rule) -> Rule:
    """MERGE has a source row also WHEN NOT MATCHED BY SOURCE."""

    def broken(action: Node, scope: Scope) -> list[Scope]:
        places: list[Scope] = rule(action, scope)
        for place in places:
            place.absent = frozenset()
            place.base = place
        return places

    return broken


def always_matched(rule: Rule) -> Rule:
    """The ON of a MERGE holds in every action."""

    def broken(action: Node, scope: Scope) -> list[Scope]:
        condition = scope.query.node("mergeJoinCondition")
        known = conditions.when_true(condition, scope) or conditions.NOTHING
        return [place.knowing(known) for place in rule(action, scope)]

    return broken


def domains_hold(rule: Rule) -> Rule:
    """A column whose domain refuses NULL holds none."""

    def broken(var: Node, scope: Scope) -> Value:
        if scope.facts.domain_not_null(var.number("vartype")):
            return NOT_NULL
        return rule(var, scope)

    return broken


def nth_is_there(rule: Rule) -> Rule:
    """nth_value finds its row in the frame."""

    def broken(expression: Node, scope: Scope) -> Value:
        if scope.facts.function(expression.number("winfnoid")).name == "nth_value":
            return all_of(value_of(item, scope) for item in expression.nodes("args"))
        return rule(expression, scope)

    return broken


def children_alike(rule: Rule) -> Rule:
    """What inherits from a table has the constraints of it."""

    def broken(known: facts.Facts, relation: int, column: int, *, with_children: bool) -> bool:
        return rule(known, relation, column, with_children=False)

    return broken


def partitions_without_triggers(rule: Rule) -> Rule:
    """Partitions have the triggers of their table and no others."""

    def broken(known: facts.Facts, relation: int, events: Any) -> bool:
        table = known.relations.get(relation)
        if table is None or not table.children:
            return rule(known, relation, events)
        alone = msgspec.structs.replace(table, children=())
        relations = {**known.relations, relation: alone}
        return rule(msgspec.structs.replace(known, relations=relations), relation, events)

    return broken


def one_arm(rule: Rule) -> Rule:
    """A CASE gives what its first arm does."""

    def broken(expression: Node, scope: Scope) -> Value:
        return value_of(expression.nodes("args")[0].the("result"), scope)

    return broken


def default_like_first(case: Node) -> dict[str, Any]:
    """A CASE without ELSE never comes to it."""
    default = case.node("defresult")
    if default is not None and not constants.is_null(default):
        return {}
    return {"defresult": case.nodes("args")[0].the("result")}


def first_or_second(rule: Rule) -> Rule:
    """One value that is not NULL is enough for a list of them."""

    def broken(expression: Node, scope: Scope) -> Value:
        values = [value_of(item, scope) for item in expression.nodes("args")]
        return next((value for value in values if value.not_null), one_of(values))

    return broken


def sets_alike(rule: Rule) -> Rule:
    """Functions in a select list return as many rows as each other."""

    def broken(expression: Node, oid: int, scope: Scope) -> Value:
        columns = relations.set_columns(expression, oid, scope)
        return columns[0] if len(columns) == 1 else rule(expression, oid, scope)

    return broken


def membership_decides(rule: Rule) -> Rule:
    """IN, ANY and ALL are true or false."""

    def broken(expression: Node, scope: Scope) -> Value:
        any_or_all = expression.text("subLinkType") in ("1", "2")
        return NOT_NULL if any_or_all else rule(expression, scope)

    return broken


def without_aggregates(sublink: Node) -> dict[str, Any]:
    """The subquery of a condition, as if its aggregates were plain functions."""
    query = sublink.the("subselect")
    return {"subselect": Node(query.kind, {**query.fields, "hasAggs": "false"})}


def without_validation(sql: str) -> str:
    """The query for NOT NULL columns, without its look at the constraints."""
    before, _, rest = sql.partition("AND NOT EXISTS (")
    return before + rest[rest.index("GROUP BY") :]


def sets_have_rows(rule: Rule) -> Rule:
    """Each grouping set has a row, also that of nothing."""
    return lambda query: bool(query.nodes("groupingSets")) or rule(query)


def with_deviations(names: frozenset[str]) -> frozenset[str]:
    """Aggregates of values, and those that need two of them."""
    return names | {"stddev", "stddev_samp", "variance", "var_samp", "corr"}


def row_found(rule: Rule) -> Rule:
    """A scalar subquery is NULL only if what it selects is."""
    return lambda query, scope: columns_of(query, scope)[0]
