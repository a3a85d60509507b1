"""The join tree of one query: its relations, and where its conditions hold."""

from typing import Any, Final

import msgspec

from typedsql.tools.proof.cardinality.shapes import conjuncts
from typedsql.tools.proof.node_tree import Node, Numbers, is_list

Side = tuple[int, str]
"""A side of an outer join, by the join's position in the range table, that may be missing."""
Path = frozenset[Side]

RELATION, SUBQUERY, JOIN, FUNCTION, VALUES, CTE, RESULT, GROUP = 0, 1, 2, 3, 5, 6, 8, 9
_LEFT, _FULL, _RIGHT = 1, 2, 3


class Outer(msgspec.Struct, frozen=True):
    """An outer join."""

    position: int
    sides: frozenset[Side]
    """Those that may be missing: one, or both of FULL JOIN."""
    path: Path
    """Where the join itself stands."""
    relations: frozenset[int]
    joins: frozenset[int]
    """Outer joins within."""


class JoinTree:
    """Relations and conditions of a query, each with the sides of outer joins it is within."""

    def __init__(self, query: Node) -> None:
        self.range_table = query.nodes("rtable")
        self.relations: dict[int, Path] = {}
        self.outer: dict[int, Outer] = {}
        self.quals: list[tuple[Node, Path]] = []
        tree = query.node("jointree")
        if tree is not None:
            self._from(tree, frozenset())

    def entry(self, position: int) -> Node:
        """An entry of the range table."""
        return self.range_table[position - 1]

    def add_qual(self, qual: Node | None, path: Path) -> None:
        """Conditions that hold wherever the sides of `path` have a row."""
        for item in conjuncts(qual):
            self.quals.append((self.resolved(item), path))

    def resolved(self, node: Node) -> Node:
        """The expression with the columns of joins and groups replaced by what they stand for."""
        found = self._resolve(node)
        if not isinstance(found, Node):
            raise TypeError
        return found

    def _from(self, tree: Node, path: Path) -> None:
        for item in tree.nodes("fromlist"):
            self._item(item, path)
        self.add_qual(tree.node("quals"), path)

    def _item(self, item: Node, path: Path) -> None:
        if item.kind == "RANGETBLREF":
            self.relations[item.number("rtindex")] = path
        elif item.kind == "FROMEXPR":
            self._from(item, path)
        else:
            self._join(item, path)

    def _join(self, join: Node, path: Path) -> None:
        position, kind = join.number("rtindex"), join.number("jointype")
        left = {(position, "left")} if kind in (_FULL, _RIGHT) else set[Side]()
        right = {(position, "right")} if kind in (_FULL, _LEFT) else set[Side]()
        relations, joins = set(self.relations), set(self.outer)
        self._item(join.the("larg"), path | left)
        self._item(join.the("rarg"), path | right)
        self.add_qual(join.node("quals"), path | left | right)
        if left or right:
            self.outer[position] = Outer(
                position=position,
                sides=frozenset(left | right),
                path=path,
                relations=frozenset(set(self.relations) - relations),
                joins=frozenset(set(self.outer) - joins),
            )

    def _resolve(self, value: Any) -> Any:
        if is_list(value):
            return [self._resolve(item) for item in value]
        if not isinstance(value, Node):
            return value
        if value.kind == "VAR":
            return self._column(value)
        if value.kind == "QUERY":
            return value
        return Node(
            value.kind, {name: self._resolve(field) for name, field in value.fields.items()}
        )

    def _column(self, column: Node) -> Node:
        """A column of a join is one of its sides'; where it merges both, it stays."""
        attribute = column.number("varattno")
        if column.number("varlevelsup") or attribute < 1:
            return column
        entry = self.entry(column.number("varno"))
        field = _STANDS_FOR.get(entry.number("rtekind"))
        if field is None:
            return column
        found: Node = self.resolved(entry.nodes(field)[attribute - 1])
        nulled = column.numbers("varnullingrels")
        if not nulled:
            return found
        if found.kind != "VAR":
            return column
        both = Numbers(sorted({*found.numbers("varnullingrels"), *nulled}))
        return Node("VAR", {**found.fields, "varnullingrels": both})


_STANDS_FOR: Final = {JOIN: "joinaliasvars", GROUP: "groupexprs"}
