"""The place in a statement where an expression is computed, and what is known there."""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability.facts import Facts
from typedsql.tools.proof.nullability.values import Join, Value

Key = tuple[int, int, int, int]
"""Of a column: its query's serial, its relation there, its number, and 1 for old, 2 for new."""

RELATION: Final = 0
SUBQUERY: Final = 1
JOIN: Final = 2
FUNCTION: Final = 3
TABLE_FUNCTION: Final = 4
VALUES: Final = 5
CTE: Final = 6
GROUP: Final = 9
"""RTEKind, src/include/nodes/parsenodes.h."""

INNER: Final = 0
LEFT: Final = 1
FULL: Final = 2
RIGHT: Final = 3
"""JoinType, src/include/nodes/nodes.h."""


class ColumnKnown(tuple[Key, frozenset[Join]]):
    """A column is not NULL, once the joins given have had their chance to null it."""

    __slots__ = ()

    @property
    def key(self) -> Key:
        return self[0]

    @property
    def after(self) -> frozenset[Join]:
        return self[1]


class ExpressionKnown(str):
    """An expression, in its canonical text, is not NULL."""

    __slots__ = ()


class JoinKnown(tuple[Join]):
    """An outer join has found a row, or its nulling is otherwise out of the question."""

    __slots__ = ()

    @property
    def join(self) -> Join:
        return self[0]


Known = ColumnKnown | ExpressionKnown | JoinKnown
Knowledge = frozenset[Known]


class Proven:
    """What is known of all rows for which an expression is computed, indexed."""

    __slots__ = ("columns", "expressions", "joins", "known")

    def __init__(self, known: Iterable[Known] = ()) -> None:
        self.known: Knowledge = frozenset(known)
        self.columns: dict[Key, list[frozenset[Join]]] = {}
        self.expressions: set[str] = set()
        self.joins: set[Join] = set()
        for item in self.known:
            if isinstance(item, ColumnKnown):
                self.columns.setdefault(item.key, []).append(item.after)
            elif isinstance(item, ExpressionKnown):
                self.expressions.add(str(item))
            else:
                self.joins.add(item.join)

    def and_also(self, more: Iterable[Known]) -> "Proven":
        return Proven(self.known.union(more))


class Session:
    """What is shared by all of one statement's proof."""

    def __init__(self, facts: Facts, is_required: Callable[[int], bool]) -> None:
        self.facts = facts
        self.is_required = is_required
        """Whether a parameter is never NULL."""
        self.recursive: dict[int, tuple[Value, ...]] = {}
        """Assumed columns of the recursive queries that are being looked at."""
        self._serials: dict[int, int] = {}

    def serial(self, query: Node) -> int:
        """A number for a query, the same however often one comes to it."""
        return self._serials.setdefault(id(query), len(self._serials))


class Scope:
    """A query of the statement, seen from within an expression of it."""

    def __init__(self, session: Session, query: Node, parent: "Scope | None") -> None:
        self.session = session
        self.query = query
        self.parent = parent
        self.serial = session.serial(query)
        self.relations: list[Node] = query.nodes("rtable")
        self.proven = Proven()
        self.base = self
        """The same place without what only a branch of a CASE knows."""
        self.subject: Node | None = None
        """What the CASE around is about."""
        self.element: Value | None = None
        """What a placeholder stands for: a CASE's subject, or a row of a subquery."""
        self.absent: frozenset[int] = frozenset()
        """Relations without a row."""
        self.written: Any = None
        """In RETURNING, what has become of the row."""
        self.excluded: tuple[int, Any] | None = None
        """In ON CONFLICT DO UPDATE, the number of EXCLUDED and what was to be inserted."""
        self.sides: dict[int, tuple[int, frozenset[int], frozenset[int]]] = {}
        """Of each join its kind and what is on its left and right."""
        self.found: frozenset[Join] | None = None
        """The joins within its subqueries that have found a row, once that is worked out."""
        self.cache: dict[Any, tuple[Value, ...]] = {}

    @property
    def facts(self) -> Facts:
        return self.session.facts

    def child(self, query: Node) -> "Scope":
        return Scope(self.session, query, self)

    def up(self, levels: int) -> "Scope":
        """The query that many levels further out."""
        scope = self
        for _ in range(levels):
            if scope.parent is None:
                raise LookupError("a column of a query that is not there")
            scope = scope.parent
        return scope

    def copy(self) -> "Scope":
        """The same place, to be changed in one respect."""
        other = object.__new__(Scope)
        other.__dict__.update(self.__dict__)
        other.found = None
        return other

    def knowing(self, more: Iterable[Known]) -> "Scope":
        """A part of an expression that is computed only where something more is known."""
        other = self.copy()
        other.proven = self.proven.and_also(more)
        return other

    def nulling(self, number: int, column: int, joins: Iterable[int]) -> frozenset[Join]:
        """The joins that may null a column of a relation, by names of their own.

        Each side of a FULL JOIN is nulled for itself, and each column of grouping sets.
        """
        names: list[Join] = []
        for join in joins:
            kind, left, _ = self.sides.get(join, (GROUP, frozenset[int](), frozenset[int]()))
            if kind == FULL:
                names.append((self.serial, join, "left" if number in left else "right"))
            elif kind == GROUP:
                names.append((self.serial, join, column))
            else:
                names.append((self.serial, join))
        return frozenset(names)

    def keys(self, var: Node) -> list[tuple[Key, frozenset[Join]]]:
        """What a column is known by here: itself, and what a join or group shows under it."""
        found: list[tuple[Key, frozenset[Join]]] = []
        nulling: frozenset[Join] = frozenset()
        current: Node | None = var
        while current is not None and current.kind == "VAR":
            number, column = current.number("varno"), current.number("varattno")
            nulling |= self.nulling(number, column, current.numbers("varnullingrels"))
            returning = current.number("varreturningtype")
            found.append(((self.serial, number, column, returning), nulling))
            current = self._shown(number, column)
        return found

    def _shown(self, number: int, column: int) -> Node | None:
        relation = self.relations[number - 1]
        kind = relation.number("rtekind")
        if column <= 0 or kind not in (JOIN, GROUP):
            return None
        # A dropped column has its place in the list, and nothing in it.
        shown = relation.items("joinaliasvars" if kind == JOIN else "groupexprs")[column - 1]
        if shown is None:
            return None
        if shown.kind == "VAR" and shown.number("varlevelsup") == 0:
            return cast("Node", shown)
        return None
