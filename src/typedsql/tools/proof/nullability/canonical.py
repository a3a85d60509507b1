"""A text for an expression that equal expressions share."""

from typing import Any, Final

from typedsql.tools.proof.node_tree import Node, Numbers, is_list
from typedsql.tools.proof.nullability.facts import Facts

# How it was written and where, not what it is.
_IGNORED: Final = frozenset(
    [
        "location",
        "varnosyn",
        "varattnosyn",
        "funcformat",
        "relabelformat",
        "coerceformat",
        "list_start",
        "list_end",
        "aggno",
        "aggtransno",
        "winref_location",
        "resultcollid",
    ]
)
_PLAIN: Final = frozenset(
    [
        "VAR",
        "CONST",
        "PARAM",
        "FUNCEXPR",
        "OPEXPR",
        "RELABELTYPE",
        "COERCEVIAIO",
        "COALESCEEXPR",
        "MINMAXEXPR",
        "NULLIFEXPR",
        "AGGREF",
        "WINDOWFUNC",
        "TARGETENTRY",
        "BOOLEXPR",
        "NULLTEST",
        "SUBSCRIPTINGREF",
        "FIELDSELECT",
        "COLLATEEXPR",
        "SORTGROUPCLAUSE",
        "CASEEXPR",
        "CASEWHEN",
        "SCALARARRAYOPEXPR",
        "ARRAYEXPR",
        "SQLVALUEFUNCTION",
    ]
)
_EXTERNAL: Final = "0"
_FUNCTION_FIELDS: Final = ("funcid", "opfuncid", "aggfnoid", "winfnoid")


def canonical(expression: Node, facts: Facts) -> str | None:
    """None where the same text may stand for another value: volatile functions and such."""
    parts: list[str] = []
    return "".join(parts) if _add(expression, facts, parts) else None


def _add(value: Any, facts: Facts, parts: list[str]) -> bool:
    if isinstance(value, Node):
        if value.kind not in _PLAIN or not _is_steady(value, facts):
            return False
        parts.append("{" + value.kind)
        for name, field in value.fields.items():
            if name in _IGNORED:
                continue
            parts.append(f" {name}=")
            if not _add(field, facts, parts):
                return False
        parts.append("}")
    elif is_list(value):
        parts.append("(")
        for item in value:
            if not _add(item, facts, parts):
                return False
            parts.append(",")
        parts.append(")")
    elif isinstance(value, Numbers):
        parts.append(repr(value.values))
    else:
        parts.append(repr(value))
    return True


def _is_steady(node: Node, facts: Facts) -> bool:
    if node.kind == "PARAM":
        return node.text("paramkind") == _EXTERNAL
    for field in _FUNCTION_FIELDS:
        if field in node.fields:
            function = facts.function(node.number(field))
            # Others may have declared their function to be what it is not.
            if function.name is None or function.volatility == "v" or function.returns_set:
                return False
    return True
