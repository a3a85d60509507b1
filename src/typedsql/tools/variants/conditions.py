"""A statement's tree without some of its conditions: what a variant must turn out to be.

Everything here works on the parser's tree alone, so that the text of a variant, which was cut
by tokens, is checked by something that knows nothing of how it was cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, cast

import pglast
from pglast.enums import BoolExprType

from typedsql.tools.reading.parse_tree import ast, parse, walk

Shape = object
"""A tree as plain values; equal where two trees mean the same, wherever they stand."""

_PLACES: Final = frozenset(
    {"location", "stmt_location", "stmt_len"}
    | {"rexpr_list_start", "rexpr_list_end", "list_start", "list_end"}
)


def conditions(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Each node of which conditions may be left out, and the condition that it has.

    Those are queries, UPDATE, DELETE and joins. A FILTER, the condition of ON CONFLICT and
    those of MERGE are not among them: without one they would do something else.
    """
    for node in walk(tree):
        field = _condition_field(node)
        if field is not None and getattr(node, field) is not None:
            yield node, getattr(node, field)


def extent(node: Any) -> tuple[int, int]:
    """First and last place, in characters, that the nodes of a tree tell of.

    A constant alone tells of none; a parameter always does. ValueError where there is none.
    """
    places = [place for item in walk(node) if (place := getattr(item, "location", -1)) is not None]
    known = [place for place in places if place >= 0]
    return min(known), max(known)


def conjuncts_of(condition: Any) -> list[Any]:
    """What AND joins at the top of a condition, however it is put in parentheses."""
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        return [part for item in condition.args for part in conjuncts_of(item)]
    return [condition]


class Reader:
    """Reads trees of one text as shapes, with parameters by their names."""

    def __init__(
        self,
        parameters: Sequence[str],
        without: frozenset[str] = frozenset(),
        ordering: Shape | None = None,
    ) -> None:
        self._parameters = parameters
        self._without = without
        self._ordering = ordering

    def mentions(self, node: Any) -> frozenset[str]:
        """Names of the parameters in a tree."""
        return frozenset(
            self._parameters[int(item.number) - 1]
            for item in walk(node)
            if isinstance(item, ast.ParamRef)
        )

    def statement(self, tree: Any) -> Shape:
        """The shape of a whole statement, in the reader's ordering if it has one."""
        if self._ordering is None:
            return self.shape(tree)
        return self._node(tree, {"sortClause": self._ordering})

    def shape(self, node: Any) -> Shape:
        """The shape of a tree; conditions that mention what it is read without are not in it."""
        if isinstance(node, tuple):
            return tuple(self.shape(item) for item in cast("Iterable[Any]", node))
        if isinstance(node, ast.ParamRef):
            return ("ParamRef", self._parameters[node.number - 1])
        if isinstance(node, ast.Node):
            return self._node(node, {})
        plain: object = node
        return plain

    def _node(self, node: Any, replaced: dict[str, Shape]) -> Shape:
        field = _condition_field(node)
        if field is not None:
            replaced = replaced | {field: self._condition(node, getattr(node, field))}
        return (
            type(node).__name__,
            *(
                (name, replaced[name] if name in replaced else self.shape(getattr(node, name)))
                for name in node
                if name not in _PLACES
            ),
        )

    def _condition(self, node: Any, condition: Any) -> Shape:
        if condition is None:
            return None
        kept = self.kept(condition)
        if not kept:
            return _true() if isinstance(node, ast.JoinExpr) else None
        return ("AND", *(self.shape(item) for item in kept))

    def kept(self, condition: Any) -> list[Any]:
        """The conjuncts of a condition that stay."""
        return [
            item
            for item in conjuncts_of(condition)
            if not self._without or self._without.isdisjoint(self.mentions(item))
        ]

    def emptied(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Each node of which no condition stays that says anything, with its condition.

        Those within a condition that does not stay itself are not among them.
        """
        if isinstance(node, tuple):
            for item in cast("Iterable[Any]", node):
                yield from self.emptied(item)
        elif isinstance(node, ast.Node):
            field = _condition_field(node)
            for name in node:
                value = getattr(node, name)
                if name == field and value is not None:
                    whole = conjuncts_of(value)
                    value = tuple(self.kept(value))
                    if len(value) < len(whole) and all(map(_says_nothing, value)):
                        yield node, getattr(node, name)
                yield from self.emptied(value)


def _says_nothing(condition: Any) -> bool:
    """Whether a condition is the same for every row, as TRUE and ``id = id`` are."""
    if isinstance(condition, ast.A_Expr) and condition.lexpr == condition.rexpr:
        return True
    return not any(isinstance(node, ast.ColumnRef | ast.SubLink) for node in walk(condition))


def sort_clause(expressions: str) -> Sequence[Any]:
    """What stands behind ORDER BY, as nodes. Raises pglast's ParseError where it is no SQL."""
    clause: Sequence[Any] = parse(f"SELECT 1 ORDER BY {expressions}").sortClause
    return clause


def ordering_shape(expressions: str, parameters: Sequence[str]) -> Shape | None:
    """The shape of what stands behind ORDER BY; None where it is more, or less, than that.

    Raises pglast's ParseError where it is no SQL.
    """
    parsed = pglast.parse_sql(f"SELECT 1 ORDER BY {expressions}")
    if len(parsed) != 1:
        return None
    tree: Any = parsed[0].stmt
    reader = Reader(parameters)
    shape = reader.shape(tree.sortClause)
    plain = Reader((), ordering=shape).statement(parse("SELECT 1"))
    return shape if reader.shape(tree) == plain else None


def _condition_field(node: Any) -> str | None:
    if isinstance(node, ast.SelectStmt | ast.UpdateStmt | ast.DeleteStmt):
        return "whereClause"
    return "quals" if isinstance(node, ast.JoinExpr) else None


@cache
def _true() -> Shape:
    """What is left of a join's condition where nothing is: ON TRUE."""
    tree = parse("SELECT 1 FROM a JOIN b ON TRUE")
    return ("AND", Reader(()).shape(tree.fromClause[0].quals))
