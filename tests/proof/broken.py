"""How to break a rule: from the rule as it is, make one that claims too much."""

from collections.abc import Callable
from typing import Any

import msgspec

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability.evaluation import value_of
from typedsql.tools.proof.nullability.scopes import Scope
from typedsql.tools.proof.nullability.values import NOT_NULL, Value, all_of

Rule = Callable[..., Any]
Breaking = Callable[[Rule], Rule]


def answers(result: Any) -> Breaking:
    """The same, whatever is asked."""
    return lambda _: lambda *arguments, **named: result


NEVER_NULL = answers(NOT_NULL)


def changed(change: Callable[[Any], Any]) -> Breaking:
    """The rule's answer, made into another one."""
    return lambda rule: lambda *arguments, **named: change(rule(*arguments, **named))


def of_parts(field: str = "args", *, count: int | None = None) -> Breaking:
    """An expression is NULL only if one of its first `count` parts is."""

    def broken(expression: Node, scope: Scope) -> Value:
        return all_of(value_of(part, scope) for part in expression.nodes(field)[:count])

    return lambda _: broken


def of_part(field: str) -> Breaking:
    """An expression is NULL only if one certain part of it is."""
    return lambda _: lambda expression, scope: value_of(expression.the(field), scope)


def seeing(kind: str, change: Callable[[Node], dict[str, Any]]) -> Breaking:
    """The rule looks at nodes of a kind in which some fields say something else."""

    def breaking(rule: Rule) -> Rule:
        def broken(node: Node | None, *arguments: Any, **named: Any) -> Any:
            if node is not None and node.kind == kind:
                node = Node(kind, {**node.fields, **change(node)})
            return rule(node, *arguments, **named)

        return broken

    return breaking


def seeing_fields(kind: str, **fields: Any) -> Breaking:
    """The rule looks at nodes of a kind in which some fields have always the same value."""
    return seeing(kind, lambda _: fields)


def where(kind: str, field: str, old: str, new: str) -> Breaking:
    """Nodes of a kind that say one thing in a field are taken to say another one."""
    return seeing(kind, lambda node: {field: new} if node.text(field) == old else {})


def with_elements(value: Value) -> Value:
    """Elements are not NULL where their array is not."""
    return msgspec.structs.replace(value, elements=True)


def with_fields(value: Value) -> Value:
    """Fields are not NULL where their row is not."""
    fields = None if value.fields is None else (NOT_NULL,) * len(value.fields)
    return msgspec.structs.replace(value, fields=fields)


def all_not_null(columns: tuple[Any, ...]) -> tuple[Value, ...]:
    return (NOT_NULL,) * len(columns)
