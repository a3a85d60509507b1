"""Which expressions the caller of a statement decides, by the parameters that he gives."""

from typing import Final

from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.node_tree import Node

_EXTERNAL: Final = "0"
_LEAST: Final = 1
_SAME_VALUE: Final = frozenset({"RELABELTYPE", "COERCEVIAIO", "COERCETODOMAIN"})
_CASTS: Final = frozenset({1, 2})
"""CoercionForm: COERCE_EXPLICIT_CAST and COERCE_IMPLICIT_CAST."""


class Given:
    """Numbers that follow from constants and parameters, and from no data."""

    def __init__(self, keys: Keys, nullable_parameters: frozenset[int]) -> None:
        self._arithmetic = keys.arithmetic
        self._nullable = nullable_parameters

    def bounds(self, node: Node) -> bool:
        """Whether an expression is never NULL, and at most what the caller said.

        LEAST is bounded by any of its arguments, as it passes over NULL; another expression
        only if nothing but constants and parameters goes into it.
        """
        node = self._uncast(node)
        if node.kind == "MINMAXEXPR" and node.number("op") == _LEAST:
            return any(self.bounds(item) for item in node.nodes("args"))
        return self._is_given(node) and self._is_not_null(node)

    def _uncast(self, node: Node) -> Node:
        """The value under casts that keep its order."""
        while True:
            if node.kind == "RELABELTYPE":
                node = node.the("arg")
            elif self._is_arithmetic(node) and node.kind == "FUNCEXPR" and _is_cast(node):
                node = node.nodes("args")[0]
            else:
                return node

    def _is_given(self, node: Node) -> bool:
        """Whether it is NULL, or one of the values that constants and parameters make up."""
        if node.kind == "CONST":
            return True
        if node.kind == "PARAM":
            return node.text("paramkind") == _EXTERNAL
        if node.kind in _SAME_VALUE:
            return self._is_given(node.the("arg"))
        if node.kind == "NULLIFEXPR":
            return self._is_given(node.nodes("args")[0])
        if node.kind == "CASEEXPR":
            return all(self._is_given(item) for item in _results(node))
        if node.kind in ("COALESCEEXPR", "MINMAXEXPR") or self._is_arithmetic(node):
            return all(self._is_given(item) for item in node.nodes("args"))
        return False

    def _is_not_null(self, node: Node) -> bool:
        """Of what is given."""
        if node.kind == "CONST":
            return not node.flag("constisnull")
        if node.kind == "PARAM":
            return node.number("paramid") not in self._nullable
        if node.kind in _SAME_VALUE:
            return self._is_not_null(node.the("arg"))
        if node.kind == "CASEEXPR":
            if node.node("defresult") is None:
                return False
            return all(self._is_not_null(item) for item in _results(node))
        if node.kind in ("COALESCEEXPR", "MINMAXEXPR"):
            return any(self._is_not_null(item) for item in node.nodes("args"))
        # NULLIF gives NULL where both are equal.
        return self._is_arithmetic(node) and all(map(self._is_not_null, node.nodes("args")))

    def _is_arithmetic(self, node: Node) -> bool:
        if node.kind == "FUNCEXPR":
            return node.number("funcid") in self._arithmetic
        return node.kind == "OPEXPR" and node.number("opfuncid") in self._arithmetic


def _is_cast(call: Node) -> bool:
    return call.number("funcformat") in _CASTS and len(call.nodes("args")) == 1


def _results(case: Node) -> list[Node]:
    """Whatever its conditions say, a CASE gives one of these; without ELSE, or NULL."""
    default = case.node("defresult")
    found = [arm.the("result") for arm in case.nodes("args")]
    return found if default is None else [*found, default]
