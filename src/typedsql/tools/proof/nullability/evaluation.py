"""The value of any expression, by the rule for its kind."""

from collections.abc import Callable
from typing import Final

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability.canonical import canonical
from typedsql.tools.proof.nullability.scopes import Scope
from typedsql.tools.proof.nullability.values import NOT_NULL, NULLABLE, Value

EXPRESSIONS: Final[dict[str, Callable[[Node, Scope], Value]]] = {}
"""The rule for each kind of node, as outfuncs.c names it; `expressions` enters them."""


def value_of(expression: Node, scope: Scope) -> Value:
    """What is known of an expression's value; a kind that has no rule may be NULL."""
    decide = EXPRESSIONS.get(expression.kind)
    value = NULLABLE if decide is None else decide(expression, scope)
    if not value.not_null and scope.proven.expressions and expression.kind not in ("VAR", "CONST"):
        text = canonical(expression, scope.facts)
        if text is not None and text in scope.proven.expressions:
            return NOT_NULL
    return value
