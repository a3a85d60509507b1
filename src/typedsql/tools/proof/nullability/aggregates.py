"""Aggregates and window functions: whether they have anything to work on."""

from typing import Final

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability import constants
from typedsql.tools.proof.nullability.evaluation import value_of
from typedsql.tools.proof.nullability.functions import (
    AGGREGATES_ALWAYS,
    AGGREGATES_OF_ROWS,
    AGGREGATES_OF_VALUES,
    HYPOTHETICAL,
    WINDOWS_ALWAYS,
)
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import Scope
from typedsql.tools.proof.nullability.values import NOT_NULL, NULLABLE, Value, all_of, known_null

_EMPTY, _SIMPLE, _ROLLUP, _CUBE, _SETS = range(5)
"""GroupingSetKind."""

# Bits of frameOptions, src/include/nodes/parsenodes.h.
_RANGE: Final = 0x2
_START_UNBOUNDED: Final = 0x20
_END_UNBOUNDED: Final = 0x100
_START_CURRENT: Final = 0x200
_END_CURRENT: Final = 0x400
_START_BEFORE: Final = 0x800
_END_AFTER: Final = 0x4000
_EXCLUDED: Final = 0x8000 | 0x10000

_NO_ROWS: Final = "there may be no rows to aggregate"


def aggregate(expression: Node, scope: Scope) -> Value:
    """The rule for AGGREF."""
    name = scope.facts.function(expression.number("aggfnoid")).name
    kind = expression.text("aggkind")
    if name is None:
        return NULLABLE
    if name in AGGREGATES_ALWAYS and kind == "n":
        return _counted(expression)
    if kind == "h":
        return NOT_NULL if name in HYPOTHETICAL else NULLABLE
    if name not in AGGREGATES_OF_ROWS and name not in AGGREGATES_OF_VALUES:
        return NULLABLE
    # An outer query's aggregate runs over rows that are not those seen from here.
    if expression.number("agglevelsup") > 0:
        return NULLABLE
    if not has_input(scope.query):
        return known_null(_NO_ROWS)
    if expression.node("aggfilter") is not None:
        return known_null("FILTER may leave no rows to aggregate")
    return _of_arguments(expression, name, scope)


@rule("count")
def _counted(expression: Node) -> Value:
    """Of no rows there are none."""
    return NOT_NULL


@rule("aggregate-of-values")
def _of_arguments(expression: Node, name: str, scope: Scope) -> Value:
    """Aggregates pass over NULL: with nothing else they have nothing."""
    arguments = [
        value_of(entry.the("expr"), scope.base)
        for entry in expression.nodes("args")
        if not entry.flag("resjunk")
    ]
    direct = [value_of(item, scope.base) for item in expression.nodes("aggdirectargs")]
    if name in AGGREGATES_OF_ROWS:
        return Value(inside=True, elements=name == "array_agg" and arguments[0].not_null)
    return all_of((*arguments, *direct))


@rule("grouping")
def has_input(query: Node) -> bool:
    """Whether each row of a grouped query stands for at least one row.

    It does not without GROUP BY, nor for the grouping set of nothing, as in ROLLUP.
    """
    sets = query.nodes("groupingSets")
    if sets:
        return not all(map(_may_be_empty, sets))
    return bool(query.nodes("groupClause"))


def _may_be_empty(grouping: Node) -> bool:
    kind = grouping.number("kind")
    if kind == _SETS:
        return any(map(_may_be_empty, grouping.nodes("content")))
    return kind != _SIMPLE


def window(expression: Node, scope: Scope) -> Value:
    """The rule for WINDOWFUNC."""
    name = scope.facts.function(expression.number("winfnoid")).name
    if name is None:
        return NULLABLE
    if expression.flag("winagg"):
        if name in AGGREGATES_ALWAYS:
            return NOT_NULL
        if name not in AGGREGATES_OF_ROWS and name not in AGGREGATES_OF_VALUES:
            return NULLABLE
        return _in_frame(expression, name, scope)
    arguments = [value_of(item, scope.base) for item in expression.nodes("args")]
    if name in WINDOWS_ALWAYS:
        return NOT_NULL
    if name == "ntile":
        return all_of(arguments)
    if name in ("lag", "lead"):
        return _neighbour(arguments)
    if name in ("first_value", "last_value"):
        return _edge(expression, arguments, scope)
    if name == "nth_value":
        return known_null("there may be no such row in the frame")
    return NULLABLE


@rule("window-neighbour")
def _neighbour(arguments: list[Value]) -> Value:
    """lag and lead fall back on their third argument, which is NULL if it is not given."""
    if len(arguments) < 3:
        return known_null("there may be no such row in the partition")
    return all_of(arguments)


@rule("window-edge")
def _edge(expression: Node, arguments: list[Value], scope: Scope) -> Value:
    """first_value and last_value have one where the frame has a row."""
    if not frame_has_row(expression, scope.query):
        return NULLABLE
    return all_of(arguments)


@rule("window-aggregate")
def _in_frame(expression: Node, name: str, scope: Scope) -> Value:
    """An aggregate over a frame has what it needs where the frame has a row."""
    if expression.node("aggfilter") is not None or not frame_has_row(expression, scope.query):
        return NULLABLE
    arguments = [value_of(item, scope.base) for item in expression.nodes("args")]
    if name in AGGREGATES_OF_ROWS:
        return Value(inside=True, elements=name == "array_agg" and arguments[0].not_null)
    return all_of(arguments)


@rule("window-frame")
def frame_has_row(expression: Node, query: Node) -> bool:
    """Whether the frame has the current row in it."""
    number = expression.number("winref")
    clause = next(
        (item for item in query.nodes("windowClause") if item.number("winref") == number), None
    )
    if clause is None:
        return False
    options = clause.number("frameOptions")
    if options & _EXCLUDED:
        return False
    if not options & (_START_UNBOUNDED | _START_CURRENT | _START_BEFORE):
        return False
    if not options & (_END_UNBOUNDED | _END_CURRENT | _END_AFTER):
        return False
    if not options & _RANGE:
        return True
    # An interval of a month less 30 days goes backwards or forwards, as the date has it.
    for bit, field in ((_START_BEFORE, "startOffset"), (_END_AFTER, "endOffset")):
        if options & bit and not _is_forward(clause.the(field)):
            return False
    return True


def _is_forward(offset: Node) -> bool:
    if offset.kind != "CONST" or offset.flag("constisnull"):
        return False
    return offset.number("consttype") != constants.INTERVAL or constants.forward_interval(offset)
