"""The texts that CHECK constraints leave to one column or domain, where they are a list."""

from collections.abc import Iterable
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, NullTestType


def labels_of_check(expressions: Iterable[str], name: str) -> tuple[str, ...] | None:
    """The values that pass all those constraints which list text constants.

    `name` is the column's, or ``value`` for a domain's. Expressions are as pg_get_expr
    prints them. None where no constraint is such a list. In the order of the first list,
    each value once.
    """
    found: tuple[str, ...] | None = None
    for expression in expressions:
        labels = _labels(_parsed(expression), name)
        if labels is None:
            continue
        once = tuple(dict.fromkeys(labels))
        found = once if found is None else tuple(label for label in found if label in once)
    return found


def _parsed(expression: str) -> Any:
    statement: Any = parse_sql(f"SELECT {expression}")[0].stmt
    return statement.targetList[0].val


def _labels(node: Any, name: str) -> list[str] | None:
    """What one condition leaves; a NULL in its list would let every value pass."""
    if isinstance(node, ast.BoolExpr):
        if node.boolop != BoolExprType.OR_EXPR:
            return _labels_of_and(node.args or (), name)
        parts = [_labels(item, name) for item in node.args or ()]
        return None if None in parts else [label for part in parts for label in part or ()]
    if isinstance(node, ast.NullTest) and _is(node.arg, name):
        # Beside a list it adds NULL, which a column that is not NOT NULL can hold anyway.
        return [] if node.nulltesttype == NullTestType.IS_NULL else None
    if not isinstance(node, ast.A_Expr) or not _is(node.lexpr, name):
        return None
    # pg_get_expr writes OPERATOR(schema.=) for any = but PostgreSQL's own.
    if [part.sval for part in node.name or ()] != ["="]:
        return None
    if node.kind == A_Expr_Kind.AEXPR_OP:
        values: Any = (node.rexpr,)
    elif node.kind == A_Expr_Kind.AEXPR_OP_ANY:
        array = _uncast(node.rexpr)
        if not isinstance(array, ast.A_ArrayExpr):
            return None
        values = array.elements or ()
    else:
        return None
    labels: list[str] = []
    for value in values:
        constant = _uncast(value)
        if not isinstance(constant, ast.A_Const) or not isinstance(constant.val, ast.String):
            return None
        labels.append(str(constant.val.sval))
    return labels


def _labels_of_and(parts: Any, name: str) -> list[str] | None:
    """One list among conditions that all have to hold is enough."""
    found = [labels for labels in (_labels(item, name) for item in parts) if labels is not None]
    if not found:
        return None
    return [label for label in found[0] if all(label in other for other in found)]


def _is(node: Any, name: str) -> bool:
    node = _uncast(node)
    if not isinstance(node, ast.ColumnRef):
        return False
    return [getattr(part, "sval", None) for part in node.fields or ()] == [name]


def _uncast(node: Any) -> Any:
    """Without casts to text and varchar; a length would cut what is compared."""
    while isinstance(node, ast.TypeCast):
        kind = node.typeName
        if kind is None or kind.typmods:
            return None
        if [part.sval for part in kind.names or ()][-1] not in ("text", "varchar"):
            return None
        node = node.arg
    return node
