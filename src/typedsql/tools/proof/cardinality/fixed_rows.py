"""Which relations of a query give one and the same row to every row that comes back.

A relation is fixed if all rows that come back, in so far as an outer join did not leave it
out, hold the same row of it: because a unique key of it equals what is constant, or what
other fixed relations hold. If all relations of a query are fixed, its joins yield at most
one row. The claims are worked out from nothing upwards, so none rests upon itself.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from typedsql.tools.proof.cardinality.equalities import (
    Equality,
    Value,
    columns_not_null,
    equalities,
    is_constant,
    values,
)
from typedsql.tools.proof.cardinality.joins import FUNCTION, RELATION, RESULT, JoinTree, Path
from typedsql.tools.proof.cardinality.joins import VALUES as VALUES_LIST
from typedsql.tools.proof.cardinality.key_match import match_key
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.cardinality.shapes import (
    boolean_constant,
    column_shape,
    outer_columns,
    shape,
    stripped,
)
from typedsql.tools.proof.node_tree import Node


class Inner(msgspec.Struct, frozen=True):
    """How many rows a subquery of FROM yields, for one row of what stands around it."""

    rows: int | None
    reason: str
    steady: bool = True
    """It yields the same rows should the executor run it twice."""


CountInner = Callable[[Node, tuple[Value, ...]], Inner]
"""Of a range table entry, and what is known of its columns (as those of relation 1)."""
CountMembers = Callable[[Node], bool]
"""Whether a subquery that stands right of IN has a bounded number of rows."""


class FixedRows:
    """The relations of one query that are fixed, and why the others are not."""

    def __init__(
        self,
        tree: JoinTree,
        keys: Keys,
        count: CountInner,
        *,
        given: Iterable[Value] = (),
        members: CountMembers | None = None,
    ) -> None:
        """With `members`, a relation is fixed already if the number of its rows is bounded."""
        self.fixed: dict[int, str] = {}
        """Position in the range table to the reason."""
        self.missing: dict[int, str] = {}
        self.sizes: dict[int, int] = {}
        """The greatest number of rows of relations that are not fixed, where it is known."""
        self._tree = tree
        self._keys = keys
        self._count = count
        self._members = members
        self._unsteady: set[int] = set()
        self._present: set[tuple[int, str]] = set()
        self._given = tuple(given)
        self._values = [value for qual, path in tree.quals for value in values(qual, path, keys)]
        self._equalities = [
            found for qual, path in tree.quals for found in equalities(qual, path, keys)
        ]
        self._find_present()
        self._find_fixed()

    @property
    def one(self) -> bool:
        """Whether the joins yield at most one row (a bounded number, with `members`)."""
        if self.impossible:
            return True
        if any(position not in self.fixed for position in self._tree.relations):
            return False
        return self._members is not None or not self._either_side_missing

    @property
    def _either_side_missing(self) -> bool:
        """A FULL JOIN may yield a row for each side."""
        return any(len(self._left(join.sides)) > 1 for join in self._tree.outer.values())

    @property
    def impossible(self) -> bool:
        """Whether no row passes: a condition is FALSE or NULL for all."""
        return any(
            qual.kind == "CONST" and not boolean_constant(qual) and self._holds(path, frozenset())
            for qual, path in self._tree.quals
        )

    @property
    def size(self) -> int | None:
        """The greatest number of rows of the joins, where it is known."""
        if self.one:
            return 1
        if self._either_side_missing:
            return None
        product = 1
        for position in self._tree.relations:
            if position not in self.fixed:
                if position not in self.sizes:
                    return None
                product *= max(1, self.sizes[position])
        return product

    def constant(self, node: Node) -> bool:
        """Whether an expression has the same value in all rows that come back."""
        return is_constant(node, self._keys, self._column_is_constant)

    def known(self, path: Path = frozenset()) -> list[Value]:
        """What all rows agree in, of those in which the sides of `path` have a row."""
        found: list[Value] = [
            value for value in (*self._given, *self._values) if self._holds(value.path, path)
        ]
        pending = [equality for equality in self._equalities if self._holds(equality.path, path)]
        if self._members is not None:
            found.extend(self._few_values(path))
        changed = True
        while changed:
            changed = False
            for equality in list(pending):
                value = self._follows(equality, found)
                if value is not None:
                    found.extend(value)
                    pending.remove(equality)
                    changed = True
        return found

    def _follows(self, equality: Equality, known: list[Value]) -> list[Value] | None:
        """What an equality says of one side when the other is known."""
        for one, other in (
            (equality.left, equality.right),
            (equality.right, equality.left),
        ):
            families = self._source(other, equality, known)
            if families:
                return [
                    Value(
                        shape=shape(one),
                        families=families,
                        collation=equality.collation,
                        strict=equality.strict,
                    )
                ]
        return None

    def _source(self, node: Node, equality: Equality, known: list[Value]) -> frozenset[int]:
        """The families in which a side of an equality is the same in all rows."""
        if self.constant(node) or (equality.strict and self._is_of_fixed(node)):
            return equality.families
        if not equality.strict:
            return frozenset()
        wanted = shape(node)
        for value in known:
            if value.shape == wanted and value.tells(equality.families, equality.collation):
                if value.families is None:
                    return equality.families
                return value.families & equality.families
        return frozenset()

    def _is_of_fixed(self, node: Node) -> bool:
        """A column of a fixed relation; it may be NULL where an outer join left that out."""
        return (
            node.kind == "VAR"
            and node.number("varlevelsup") == 0
            and node.number("varno") in self.fixed
            and node.number("varno") not in self._unsteady
        )

    def _column_is_constant(self, column: Node) -> bool:
        return self._is_of_fixed(column) and all(
            self._settled(position) for position in column.numbers("varnullingrels")
        )

    def _settled(self, position: int) -> bool:
        """Whether an outer join has a row in the same sides for all rows that come back."""
        join = self._tree.outer.get(position)
        if join is None:
            return False
        left = self._left(join.sides)
        if not left:
            return True
        return (
            len(left) == 1
            and all(inner in self.fixed for inner in join.relations)
            and all(self._settled(inner) for inner in join.joins)
        )

    def _left(self, sides: Path) -> Path:
        """The sides that may still be missing."""
        return sides - self._present

    def _holds(self, path: Iterable[object], where: Path) -> bool:
        """Whether what is said within `path` is said of all rows that have `where`."""
        return frozenset(path) - self._present <= where

    def _find_present(self) -> None:
        """The sides of outer joins that are there, because a condition fails without them."""
        proofs = [
            (column, path)
            for qual, path in self._tree.quals
            for column in columns_not_null(qual, self._keys)
            if column.number("varlevelsup") == 0
        ]
        nowhere: Path = frozenset()
        proofs.extend(
            (value.column, nowhere)
            for value in self._given
            if value.strict and value.column is not None
        )
        changed = True
        while changed:
            before = len(self._present)
            for column, path in proofs:
                nulled = set(column.numbers("varnullingrels"))
                for side in self._tree.relations.get(column.number("varno"), frozenset()):
                    join = self._tree.outer[side[0]]
                    if side[0] in nulled and self._holds(path, join.path):
                        self._present.add(side)
            changed = len(self._present) > before

    def _find_fixed(self) -> None:
        changed = True
        while changed:
            changed = False
            for position, path in self._tree.relations.items():
                if position not in self.fixed:
                    changed = self._fix(position, path) or changed

    def _fix(self, position: int, path: Path) -> bool:
        entry = self._tree.entry(position)
        kind = entry.number("rtekind")
        if kind == RELATION:
            reason = self._fixed_by_key(position, entry, path)
        elif kind == FUNCTION:
            reason = self._fixed_function(position, entry)
        elif kind == VALUES_LIST:
            reason = self._fixed_values(position, entry)
        elif kind == RESULT:
            reason = "a query without FROM yields one row"
        else:
            reason = self._fixed_inner(position, entry, path)
        if reason is None:
            return False
        self.fixed[position] = reason
        self.missing.pop(position, None)
        return True

    def _fixed_inner(self, position: int, entry: Node, path: Path) -> str | None:
        given = tuple(
            Value(
                shape=column_shape(1, value.shape[2]),
                families=value.families,
                collation=value.collation,
                strict=value.strict,
            )
            for value in self.known(path)
            if value.shape[0] == "VAR" and value.shape[1] == position and value.shape[3] == 0
        )
        inner = self._count(entry, given)
        self.missing[position] = inner.reason
        if inner.rows is None:
            return None
        self.sizes[position] = inner.rows
        # A CTE cannot mention what stands beside it in FROM.
        around = outer_columns(entry.the("subquery")) if "subquery" in entry.fields else ()
        if inner.rows > 1 or any(
            out == 1 and not self.constant(self._tree.resolved(_as_own(column)))
            for column, out in around
        ):
            return None
        if not inner.steady:
            self._unsteady.add(position)
        return inner.reason

    def _fixed_function(self, position: int, entry: Node) -> str | None:
        calls = [item.the("funcexpr") for item in entry.nodes("functions")]
        self.missing[position] = "a function of FROM returns any number of rows"
        for call in calls:
            plain = call
            if call.fields.get("funcretset") == "true":
                if self._members is None or call.number("funcid") not in self._keys.sized_functions:
                    return None
                plain = Node("FUNCEXPR", {**call.fields, "funcretset": "false"})
            if not self.constant(self._tree.resolved(plain)):
                return None
        return "a function of FROM returns one row"

    def _fixed_values(self, position: int, entry: Node) -> str | None:
        rows = entry.items("values_lists")
        self.sizes[position] = len(rows)
        self.missing[position] = f"VALUES has {len(rows)} rows"
        if self._members is None and len(rows) > 1:
            return None
        if all(self.constant(self._tree.resolved(item)) for row in rows for item in row):
            return "VALUES has one row"
        return None

    def _fixed_by_key(self, position: int, entry: Node, path: Path) -> str | None:
        quals = [qual for qual, where in self._tree.quals if self._holds(where, path)]
        found = match_key(position, entry, self._keys, self.known(path), quals)
        if not found.matches:
            self.missing[position] = found.reason
        return found.reason if found.matches else None

    def _few_values(self, path: Path) -> list[Value]:
        """Columns that equal one of a bounded number of values."""
        found: list[Value] = []
        for qual, where in self._tree.quals:
            if not self._holds(where, path):
                continue
            if qual.kind == "SCALARARRAYOPEXPR" and qual.flag("useOr"):
                operator, (one, other) = qual, qual.nodes("args")
                bounded = self.constant(other)
            elif qual.kind == "SUBLINK" and qual.number("subLinkType") == _ANY:
                operator = qual.the("testexpr")
                if operator.kind != "OPEXPR":
                    continue
                one = operator.nodes("args")[0]
                bounded = self._members is not None and self._members(qual.the("subselect"))
            else:
                continue
            families = self._keys.equalities.get(operator.number("opno"))
            if bounded and families:
                found.append(
                    Value(
                        shape=shape(stripped(one)),
                        families=families,
                        collation=self._keys.collation(operator.number("inputcollid")),
                        strict=True,
                    )
                )
        return found


_ANY: Final = 2


def _as_own(column: Node) -> Node:
    """A column as the query around mentions it itself."""
    return Node("VAR", {**column.fields, "varlevelsup": "0"})
