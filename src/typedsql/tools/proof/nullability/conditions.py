"""What follows from a condition: which columns cannot be NULL where it holds.

Each function returns what is known, or None where the condition cannot hold at all. A strict
function or operator that returned something got no NULL; that holds for those of anybody.
"""

from collections.abc import Callable, Iterable
from typing import Final

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability import constants
from typedsql.tools.proof.nullability.canonical import canonical
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import (
    ColumnKnown,
    ExpressionKnown,
    JoinKnown,
    Knowledge,
    Known,
    Scope,
)

NOTHING: Final[Knowledge] = frozenset()

Outcome = Callable[[Node, Scope], "Knowledge | None"]

_THROUGH: Final = frozenset(
    [
        "RELABELTYPE",
        "COERCEVIAIO",
        "COERCETODOMAIN",
        "ARRAYCOERCEEXPR",
        "CONVERTROWTYPEEXPR",
        "COLLATEEXPR",
        "FIELDSELECT",
        "NAMEDARGEXPR",
        "JSONISPREDICATE",
    ]
)
_IS_NULL: Final = 0
_IS_TRUE, _IS_NOT_TRUE, _IS_FALSE, _IS_NOT_FALSE, _IS_UNKNOWN, _IS_NOT_UNKNOWN = range(6)
_EXISTS, _, _ANY, _ROW_COMPARE, _EXPRESSION = range(5)


def both(parts: Iterable[Knowledge | None]) -> Knowledge | None:
    """Everything holds."""
    known: Knowledge = NOTHING
    for part in parts:
        if part is None:
            return None
        known |= part
    return known


def either(parts: Iterable[Knowledge | None]) -> Knowledge | None:
    """One of them holds, and we do not know which."""
    possible = [part for part in parts if part is not None]
    if not possible:
        return None
    known = possible[0]
    for part in possible[1:]:
        known &= part
    return known


@rule("qual-true")
def when_true(condition: Node | None, scope: Scope) -> Knowledge | None:
    """What is known where a condition is true."""
    return NOTHING if condition is None else _when(condition, scope, truth=True)


@rule("qual-false")
def when_false(condition: Node, scope: Scope) -> Knowledge | None:
    """What is known where a condition is false."""
    return _when(condition, scope, truth=False)


def _when(condition: Node, scope: Scope, *, truth: bool) -> Knowledge | None:
    kind = condition.kind
    same: Outcome = when_true if truth else when_false
    opposite: Outcome = when_false if truth else when_true
    if kind == "CONST":
        return NOTHING if constants.boolean(condition) is truth else None
    if kind == "BOOLEXPR":
        arguments = condition.nodes("args")
        operation = condition.text("boolop")
        if operation == "not":
            return opposite(arguments[0], scope)
        together = (operation == "and") is truth
        parts = [same(argument, scope) for argument in arguments]
        return both(parts) if together else either(parts)
    if kind == "NULLTEST":
        if (condition.number("nulltesttype") == _IS_NULL) is truth:
            return NOTHING
        # Of a row, IS NOT NULL says more, and its opposite nothing.
        if not truth and condition.flag("argisrow") and condition.number("nulltesttype"):
            return NOTHING
        return when_not_null(condition.the("arg"), scope)
    if kind == "BOOLEANTEST":
        return _boolean_test(condition, scope, truth=truth)
    if kind == "DISTINCTEXPR":
        return NOTHING if truth else _not_distinct(condition, scope)
    if kind == "COALESCEEXPR":
        return either(same(argument, scope) for argument in condition.nodes("args"))
    if kind == "CASEEXPR":
        return _case(condition, scope, same)
    if kind == "SCALARARRAYOPEXPR":
        return _array_comparison(condition, scope, truth=truth)
    if kind == "SUBLINK":
        return _subquery(condition, scope, truth=truth)
    if kind == "ROWCOMPAREEXPR":
        first = condition.nodes("largs")[0], condition.nodes("rargs")[0]
        return both(when_not_null(side, scope) for side in first)
    return when_not_null(condition, scope)


def _boolean_test(test: Node, scope: Scope, *, truth: bool) -> Knowledge | None:
    argument = test.the("arg")
    kind = test.number("booltesttype")
    if kind == (_IS_TRUE if truth else _IS_NOT_TRUE):
        return when_true(argument, scope)
    if kind == (_IS_FALSE if truth else _IS_NOT_FALSE):
        return when_false(argument, scope)
    if kind == (_IS_NOT_UNKNOWN if truth else _IS_UNKNOWN):
        return when_not_null(argument, scope)
    return NOTHING


def _not_distinct(comparison: Node, scope: Scope) -> Knowledge | None:
    """IS NOT DISTINCT FROM something that is not NULL."""
    if scope.facts.function(comparison.number("opfuncid")).name is None:
        return NOTHING
    left, right = comparison.nodes("args")
    known: Knowledge = NOTHING
    for side, other in ((left, right), (right, left)):
        if other.kind == "CONST" and not constants.is_null(other):
            known |= when_not_null(side, scope) or NOTHING
    return known


def _case(case: Node, scope: Scope, outcome: Outcome) -> Knowledge | None:
    inner = scope.copy()
    inner.subject = case.node("arg")
    arms: list[Knowledge | None] = []
    for arm in case.nodes("args"):
        arms.append(both((when_true(arm.the("expr"), inner), outcome(arm.the("result"), scope))))
    default = case.node("defresult")
    if default is not None:
        arms.append(outcome(default, scope))
    return either(arms)


@rule("qual-array-comparison")
def _array_comparison(node: Node, scope: Scope, *, truth: bool) -> Knowledge | None:
    """x = ANY (array): of an empty array it is false, of any x; see ExecEvalScalarArrayOp."""
    value, elements = node.nodes("args")
    known = when_not_null(elements, scope)
    strict = scope.facts.function(node.number("opfuncid")).strict
    if not strict:
        return NOTHING
    # ANY that is true, and ALL that is false, had an element to compare with.
    if node.flag("useOr") is truth or has_elements(elements):
        return both((known, when_not_null(value, scope)))
    return known


def has_elements(array: Node) -> bool:
    """Whether an array has elements for certain."""
    while array.kind in ("RELABELTYPE", "ARRAYCOERCEEXPR"):
        array = array.the("arg")
    if array.kind == "ARRAYEXPR":
        return bool(array.nodes("elements")) and not array.flag("multidims")
    constant = constants.array(array)
    return constant is not None and constant[0]


@rule("qual-subquery")
def _subquery(sublink: Node, scope: Scope, *, truth: bool) -> Knowledge | None:
    """EXISTS, IN and ANY that are true found a row, so the subquery's own WHERE was true."""
    kind = sublink.number("subLinkType")
    if kind == _EXPRESSION:
        return _row_found(sublink, scope)
    if kind == _ROW_COMPARE:
        return both(
            (_when(sublink.the("testexpr"), scope, truth=truth), _row_found(sublink, scope))
        )
    if not truth or kind not in (_EXISTS, _ANY):
        return NOTHING
    found = _row_found(sublink, scope)
    if kind == _EXISTS:
        return found
    return both((found, when_true(sublink.the("testexpr"), scope)))


def _row_found(sublink: Node, scope: Scope) -> Knowledge:
    query = sublink.the("subselect")
    grouped = bool(query.nodes("groupClause")) and not query.nodes("groupingSets")
    if query.number("commandType") != 1 or query.node("setOperations") is not None:
        return NOTHING
    # An aggregate without GROUP BY has a row also where its WHERE found none.
    if not grouped and (
        query.flag("hasAggs") or query.node("havingQual") or query.nodes("groupingSets")
    ):
        return NOTHING
    inner = scope.child(query)
    tree = query.the("jointree")
    measure(tree, inner)
    known = join_knowledge(tree, inner)
    return frozenset(item for item in known if not _is_of(item, inner.serial))


def _is_of(item: Known, serial: int) -> bool:
    if isinstance(item, ColumnKnown):
        return item.key[0] == serial
    if isinstance(item, JoinKnown):
        return bool(item.join[0] == serial)
    return True


@rule("qual-not-null")
def when_not_null(expression: Node, scope: Scope) -> Knowledge | None:
    """What is known where an expression is not NULL."""
    kind = expression.kind
    if kind == "VAR":
        return _column(expression, scope)
    if kind == "CONST":
        return None if expression.flag("constisnull") else NOTHING
    if kind in _THROUGH:
        field = "expr" if kind == "JSONISPREDICATE" else "arg"
        known = when_not_null(expression.the(field), scope)
    elif kind in ("OPEXPR", "FUNCEXPR"):
        known = _strict(expression, scope)
    elif kind == "NULLIFEXPR" or (kind == "BOOLEXPR" and expression.text("boolop") == "not"):
        known = when_not_null(expression.nodes("args")[0], scope)
    elif kind == "SUBSCRIPTINGREF" and expression.node("refassgnexpr") is None:
        known = when_not_null(expression.the("refexpr"), scope)
    elif kind in ("COALESCEEXPR", "MINMAXEXPR"):
        known = either(when_not_null(item, scope) for item in expression.nodes("args"))
    elif kind == "CASEEXPR":
        known = _case(expression, scope, when_not_null)
    elif kind == "CASETESTEXPR":
        return when_not_null(scope.subject, scope) if scope.subject else NOTHING
    elif kind == "SCALARARRAYOPEXPR":
        known = _array_comparison_not_null(expression, scope)
    elif kind == "SUBLINK" and expression.number("subLinkType") in (_EXPRESSION, _ROW_COMPARE):
        known = _row_found(expression, scope)
    else:
        known = NOTHING
    if known is None:
        return None
    text = canonical(expression, scope.facts)
    return known if text is None else known | {ExpressionKnown(text)}


def _array_comparison_not_null(node: Node, scope: Scope) -> Knowledge | None:
    if not scope.facts.function(node.number("opfuncid")).strict:
        return NOTHING
    value, elements = node.nodes("args")
    known = when_not_null(elements, scope)
    return both((known, when_not_null(value, scope))) if has_elements(elements) else known


@rule("qual-strict")
def _strict(expression: Node, scope: Scope) -> Knowledge | None:
    """A strict function that returned something was not given NULL."""
    field = "opfuncid" if expression.kind == "OPEXPR" else "funcid"
    if not scope.facts.function(expression.number(field)).strict:
        return NOTHING
    return both(when_not_null(argument, scope) for argument in expression.nodes("args"))


@rule("qual-column")
def _column(var: Node, scope: Scope) -> Knowledge:
    """A column that is not NULL was nulled by none of the joins that could have."""
    owner = scope.up(var.number("varlevelsup"))
    known: set[Known] = set()
    for key, nulling in owner.keys(var):
        known.add(ColumnKnown((key, nulling)))
        known.update(JoinKnown((join,)) for join in nulling)
    return frozenset(known)


@rule("case-not-true")
def when_not_true(condition: Node, scope: Scope) -> Knowledge:
    """What is known where a condition is false or NULL, as in the arms that follow it."""
    kind = condition.kind
    if kind == "NULLTEST" and condition.number("nulltesttype") == _IS_NULL:
        return when_not_null(condition.the("arg"), scope) or NOTHING
    if kind == "BOOLEANTEST" or kind == "DISTINCTEXPR":
        return when_false(condition, scope) or NOTHING
    if kind == "BOOLEXPR":
        parts = [when_not_true(argument, scope) for argument in condition.nodes("args")]
        if condition.text("boolop") == "or":
            return both(parts) or NOTHING
        if condition.text("boolop") == "and":
            return either(parts) or NOTHING
    return NOTHING


def members(tree: Node) -> frozenset[int]:
    """The relations of a part of the join tree, joins themselves too."""
    if tree.kind == "RANGETBLREF":
        return frozenset({tree.number("rtindex")})
    if tree.kind == "JOINEXPR":
        own = frozenset({tree.number("rtindex")})
        return own | members(tree.the("larg")) | members(tree.the("rarg"))
    return frozenset[int]().union(*(members(item) for item in tree.nodes("fromlist")))


def measure(tree: Node, scope: Scope) -> None:
    """Note which relations are on which side of each join."""
    if tree.kind == "FROMEXPR":
        for item in tree.nodes("fromlist"):
            measure(item, scope)
    elif tree.kind == "JOINEXPR":
        left, right = tree.the("larg"), tree.the("rarg")
        scope.sides[tree.number("rtindex")] = (
            tree.number("jointype"),
            members(left),
            members(right),
        )
        measure(left, scope)
        measure(right, scope)


def join_knowledge(tree: Node, scope: Scope) -> Knowledge:
    """What is known of the rows that a join tree leaves.

    A condition under an outer join holds where the join found a row; what else can null its
    columns stands at each use of them, so that it need not be repeated here. The ON of an
    outer join that always finds a row is as good as a WHERE.
    """
    known: Knowledge = NOTHING
    waiting: list[Node] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        if node.kind == "FROMEXPR":
            known |= when_true(node.node("quals"), scope) or NOTHING
            pending.extend(node.nodes("fromlist"))
        elif node.kind == "JOINEXPR":
            pending.extend((node.the("larg"), node.the("rarg")))
            known |= _on(node, scope, waiting)
    progress = True
    while progress:
        progress = False
        for join in list(waiting):
            if _always_found(join, scope, known):
                waiting.remove(join)
                known |= when_true(join.node("quals"), scope) or NOTHING
                progress = True
    return known


@rule("join-condition")
def _on(join: Node, scope: Scope, waiting: list[Node]) -> Knowledge:
    """What an ON proves at once; that of an outer join waits for more."""
    number = join.number("rtindex")
    kind, left, right = scope.sides[number]
    condition = when_true(join.node("quals"), scope) or NOTHING
    if kind == INNER_JOIN:
        return condition
    if kind == FULL_JOIN:
        return NOTHING
    waiting.append(join)
    # Only the side that is nulled where the condition is not true.
    nulled = right if kind == LEFT_JOIN else left
    return frozenset(item for item in condition if _concerns(item, scope.serial, nulled))


INNER_JOIN: Final = 0
LEFT_JOIN: Final = 1
FULL_JOIN: Final = 2


def _concerns(item: Known, serial: int, relations: frozenset[int]) -> bool:
    if isinstance(item, ColumnKnown):
        return item.key[0] == serial and item.key[1] in relations
    if isinstance(item, JoinKnown):
        return item.join[0] == serial and item.join[1] in relations
    return False


@rule("join-always-found")
def _always_found(join: Node, scope: Scope, known: Knowledge) -> bool:
    """Whether an outer join is known to have found a row for each."""
    return JoinKnown(((scope.serial, join.number("rtindex")),)) in known
