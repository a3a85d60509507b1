"""Conditions that are the key of a page, which fits one ordering only.

They are known by their form. A strict comparison with a column that comes first in an ordering
is as often a filter, such as the end of a range of time; a column that ends one is there to
tell rows apart, and what is compared with it is where the last page ended.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from pglast.enums import A_Expr_Kind

from typedsql.tools.reading.parse_tree import ast, walk
from typedsql.tools.variants.conditions import Reader

_OPPOSITE: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}

Name = tuple[str, ...]
"""A column as it is written: ``("t", "id")``."""


class Comparison(msgspec.Struct, frozen=True):
    """A column beside parameters, read with the column on the left."""

    place: int
    """Of the operator, in characters."""
    column: Name
    operator: str
    parameters: frozenset[str]


class PageKeys:
    """Tells which conditions of a SELECT are keys of pages.

    `optional` are the parameters that may be left out, `sort_clauses` the nodes of each
    ordering.
    """

    def __init__(
        self,
        tree: Any,
        optional: frozenset[str],
        reader: Reader,
        sort_clauses: Iterable[Sequence[Any]],
    ) -> None:
        self._optional = optional
        self._reader = reader
        self._last = _last_columns(tree, sort_clauses)
        self._all = list(_comparisons(tree, reader))

    def place(self, condition: Any) -> int | None:
        """Where a condition is a key, in characters; None where it has no form of one.

        Its forms are: rows compared by their order; a column that ends an ordering, compared by
        < or > with an optional parameter, and not bounded from the other side, as a range is;
        a column compared so that equals the same parameter elsewhere in the condition, as in
        ``price < :price OR (price = :price AND ...)``.
        """
        if not self._optional & self._reader.mentions(condition):
            return None
        for item in walk(condition):
            if _operator(item) in _OPPOSITE.keys() - {"="} and (
                isinstance(item.lexpr, ast.RowExpr) or isinstance(item.rexpr, ast.RowExpr)
            ):
                return int(item.location)
        within = list(_comparisons(condition, self._reader))
        for one in within:
            if one.operator in "<>" and one.parameters & self._optional:
                ends = any(_same(one.column, last) for last in self._last)
                if (ends and not self._is_range(one)) or _is_chained(one, within):
                    return one.place
        return None

    def _is_range(self, one: Comparison) -> bool:
        return any(
            other.operator.startswith(_OPPOSITE[one.operator])
            and _same(other.column, one.column)
            and other.parameters != one.parameters
            for other in self._all
        )


def _is_chained(one: Comparison, within: Iterable[Comparison]) -> bool:
    return any(
        other.operator == "="
        and _same(other.column, one.column)
        and other.parameters & one.parameters
        for other in within
    )


def _last_columns(tree: Any, sort_clauses: Iterable[Sequence[Any]]) -> list[Name]:
    """The column that ends each ordering, where one does."""
    found: list[Name] = []
    for clause in sort_clauses:
        column = _column(_meant(clause[-1].node, tree.targetList or ()))
        if column is not None:
            found.append(column)
    return found


def _meant(node: Any, shown: Sequence[Any]) -> Any:
    """What ORDER BY stands for: a name or a number may be that of a result column."""
    if isinstance(node, ast.A_Const) and isinstance(node.val, ast.Integer):
        index = int(node.val.ival or 0) - 1
        return shown[index].val if 0 <= index < len(shown) else node
    column = _column(node)
    if column is not None and len(column) == 1:
        return next((item.val for item in shown if item.name == column[0]), node)
    return node


def _comparisons(tree: Any, reader: Reader) -> Iterator[Comparison]:
    for item in walk(tree):
        operator = _operator(item)
        if operator not in _OPPOSITE:
            continue
        for one, other, read in (
            (item.lexpr, item.rexpr, operator),
            (item.rexpr, item.lexpr, _OPPOSITE[operator]),
        ):
            column = _column(one)
            names = reader.mentions(other)
            if column is not None and names:
                yield Comparison(int(item.location), column, read, names)


def _operator(node: Any) -> str | None:
    if isinstance(node, ast.A_Expr) and node.kind == A_Expr_Kind.AEXPR_OP:
        name: str = node.name[-1].sval
        return name
    return None


def _column(node: Any) -> Name | None:
    if isinstance(node, ast.CollateClause | ast.TypeCast):
        return _column(node.arg)
    if isinstance(node, ast.ColumnRef) and all(isinstance(p, ast.String) for p in node.fields):
        return tuple(part.sval for part in node.fields)
    return None


def _same(one: Name, other: Name) -> bool:
    """Whether two names may be of one column: as far as both are qualified, alike."""
    return all(a == b for a, b in zip(reversed(one), reversed(other), strict=False))
