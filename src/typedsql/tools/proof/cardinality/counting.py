"""How many rows a statement can return, proven from PostgreSQL's analysed query tree.

At most one row is claimed only where data of no kind can contradict it. What the claim rests
on is the catalog at the time of the analysis, and that functions are as volatile as they say.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from typedsql.tools.proof.cardinality.equalities import Value, is_repeatable, is_volatile
from typedsql.tools.proof.cardinality.fixed_rows import FixedRows, Inner
from typedsql.tools.proof.cardinality.given import Given
from typedsql.tools.proof.cardinality.joins import CTE, RELATION, SUBQUERY, JoinTree
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.cardinality.least import least_rows
from typedsql.tools.proof.cardinality.limits import read_limit
from typedsql.tools.proof.cardinality.shapes import collation, outer_columns, shape, stripped
from typedsql.tools.proof.node_tree import Node, walk

SELECT, UPDATE, INSERT, DELETE, MERGE = 1, 2, 3, 4, 5
_NOT_MATCHED_BY_SOURCE, _NOT_MATCHED_BY_TARGET = 1, 2
_UNION, _INTERSECT, _EXCEPT = 1, 2, 3


class Cardinality(msgspec.Struct, frozen=True):
    """The number of rows that a statement returns; of one without RETURNING, that it writes."""

    least: int
    """0, or 1 where a row certainly comes back."""
    most: int | None
    """1 or more; None where nothing is proven."""
    bounded: bool
    """The statement itself, its parameters or what they hold limit the number of rows."""
    reason: str
    """For people: why it is at most one row, or what is missing."""


def cardinality(
    queries: list[Node], keys: Keys, *, nullable_parameters: frozenset[int]
) -> Cardinality:
    """What is proven of the queries that a statement was rewritten to.

    `nullable_parameters` are the numbers of those that may be NULL, as `Proof` says them:
    LIMIT NULL is no limit.
    """
    if len(queries) != 1 or queries[0].number("commandType") not in _COUNTED:
        reason = "a rule rewrites the statement, or it is no query"
        return Cardinality(least=0, most=None, bounded=False, reason=reason)
    query = queries[0]
    given = Given(keys, nullable_parameters)
    found = _Counter(keys, given, loose=False).rows((query,))
    finite = found.rows is not None
    finite = finite or _Counter(keys, given, loose=True).rows((query,)).rows is not None
    # LIMIT 0 is a limit of one as well: nobody asks whether nothing is more than one.
    most = None if found.rows is None else max(1, found.rows)
    return Cardinality(
        least=least_rows((query,), keys), most=most, bounded=finite, reason=found.reason
    )


_COUNTED: Final = frozenset({SELECT, UPDATE, INSERT, DELETE, MERGE})

Scope = tuple[Node, ...]
"""A query and those around it, the innermost first."""


class _Counter:
    """Counts rows exactly; or, if `loose`, 1 stands for any number that is bounded."""

    def __init__(self, keys: Keys, given: Given, *, loose: bool) -> None:
        self._keys = keys
        self._given = given
        self._loose = loose

    def rows(self, scope: Scope, given: Sequence[Value] = ()) -> Inner:
        """At most how many rows a query returns, for one row of those around it.

        `given` says of the columns of the result, as those of relation 1, what all rows in
        question agree in.
        """
        query = scope[0]
        command = query.number("commandType")
        if command == SELECT:
            return self._select(scope, given)
        tree = JoinTree(query)
        if command == MERGE:
            return self._merge(scope, tree)
        if command == INSERT:
            found = self._fixed_rows(scope, tree)
            if query.flag("hasTargetSRFs") and not self._are_sized(query, found):
                return Inner(None, "a function of VALUES returns any number of rows")
            return self._joined(found, tree)
        return self._touched(scope, tree)

    def _fixed_rows(self, scope: Scope, tree: JoinTree, given: Sequence[Value] = ()) -> FixedRows:
        def members(subquery: Node) -> bool:
            # The executor may ask such a subquery again for each row: one that locks rows
            # or is volatile then says something else each time, and no limit holds.
            return (
                next(outer_columns(subquery), None) is None
                and self._is_steady(subquery)
                and self.rows((subquery, *scope)).rows is not None
            )

        return FixedRows(
            tree,
            self._keys,
            lambda entry, known: self._inner(entry, scope, known),
            given=given,
            members=members if self._loose else None,
        )

    def _inner(self, entry: Node, scope: Scope, given: Sequence[Value]) -> Inner:
        """A subquery or CTE that stands in FROM."""
        kind = entry.number("rtekind")
        if kind == SUBQUERY:
            subquery = entry.the("subquery")
            found = self.rows((subquery, *scope), given)
            return Inner(found.rows, found.reason, self._is_steady(subquery))
        if kind == CTE:
            around = scope[entry.number("ctelevelsup") :]
            for item in around[0].nodes("cteList"):
                if item.text("ctename") == entry.text("ctename"):
                    if item.flag("cterecursive"):
                        return Inner(None, "a recursive CTE may yield any number of rows")
                    return self.rows((item.the("ctequery"), *around), given)
        return Inner(None, "FROM has an item that may yield any number of rows")

    def _is_steady(self, subquery: Node) -> bool:
        return not is_volatile(subquery, self._keys) and not any(
            node.kind == "QUERY" and node.nodes("rowMarks") for node in walk(subquery)
        )

    def _joined(self, found: FixedRows, tree: JoinTree) -> Inner:
        size = found.size
        if size is not None:
            if size > 1:
                return Inner(size, f"FROM yields at most {size} rows")
            first = next(iter(tree.relations), 0)
            if found.impossible:
                return Inner(size, "no row passes WHERE")
            return Inner(size, found.fixed.get(first, "without FROM there is one row"))
        for position in tree.relations:
            if position not in found.fixed:
                return Inner(None, found.missing[position])
        return Inner(None, "a FULL JOIN may yield a row of either side")

    def _touched(self, scope: Scope, tree: JoinTree) -> Inner:
        """UPDATE and DELETE write each row of their table once, however often it is joined."""
        target = scope[0].number("resultRelation")
        found = self._fixed_rows(scope, tree)
        if target in found.fixed and tree.entry(target).number("rtekind") == RELATION:
            return Inner(1, found.fixed[target])
        joined = self._joined(found, tree)
        if joined.rows is not None:
            return joined
        return Inner(None, found.missing.get(target, joined.reason))

    def _merge(self, scope: Scope, tree: JoinTree) -> Inner:
        """MERGE writes a row of its table once, and adds at most one per row of the source."""
        query = scope[0]
        target = query.number("mergeTargetRelation")
        kinds = {action.number("matchKind") for action in query.nodes("mergeActionList")}
        condition = query.node("mergeJoinCondition")
        if _NOT_MATCHED_BY_SOURCE in kinds:
            return Inner(None, "WHEN NOT MATCHED BY SOURCE may write any number of rows")
        # The condition says nothing of source rows, which do without a partner.
        source = self._fixed_rows(scope, tree)
        matched = JoinTree(query)
        matched.relations[target] = frozenset()
        matched.add_qual(condition, frozenset())
        found = self._fixed_rows(scope, matched)
        if _NOT_MATCHED_BY_TARGET not in kinds:
            if target in found.fixed and tree.entry(target).number("rtekind") == RELATION:
                return Inner(1, found.fixed[target])
            return Inner(None, found.missing.get(target, "a view may be written repeatedly"))
        if not source.one:
            return Inner(None, self._joined(source, tree).reason)
        if found.one:
            return Inner(1, found.fixed.get(target, "no row matches"))
        return Inner(None, found.missing.get(target, "a source row may match many rows"))

    def _select(self, scope: Scope, given: Sequence[Value]) -> Inner:
        query = scope[0]
        operation = query.node("setOperations")
        if operation is not None:
            found = self._set_operation(operation, scope, given)
        else:
            found = self._plain(scope, given)
        limit = read_limit(query)
        if limit.rows is not None and (found.rows is None or limit.rows < found.rows):
            return Inner(1 if self._loose else limit.rows, f"LIMIT {limit.rows}")
        if found.rows is None and self._loose and limit.count is not None:
            if self._given.bounds(limit.count):
                return Inner(1, "LIMIT")
            return Inner(None, "LIMIT may be NULL, or as large as data have it")
        return found

    def _plain(self, scope: Scope, given: Sequence[Value]) -> Inner:
        """A SELECT without set operations, before its LIMIT."""
        query = scope[0]
        tree = JoinTree(query)
        outputs = {
            entry.number("resno"): stripped(tree.resolved(entry.the("expr")))
            for entry in query.nodes("targetList")
        }
        groups = self._compared(query, tree, "groupClause")
        inside = self._inside(query, outputs, groups, given)
        found = self._fixed_rows(scope, tree, inside)
        joined = self._grouped(query, found, self._joined(found, tree), groups)
        if query.flag("hasTargetSRFs") and not self._are_sized(query, found):
            joined = Inner(None, "a function in the select list returns any number of rows")
        distinct = self._compared(query, tree, "distinctClause")
        if joined.rows == 1 or not distinct or query.nodes("groupingSets"):
            return joined
        if self._agree(found, distinct):
            return Inner(1, "all rows agree in what is DISTINCT")
        return joined

    def _are_sized(self, query: Node, found: FixedRows) -> bool:
        """Whether the functions of the select list return a bounded number of rows."""
        if not self._loose or query.nodes("groupClause"):
            return False
        for entry in query.nodes("targetList"):
            for node in walk(entry):
                if node.fields.get("funcretset") != "true":
                    continue
                if node.number("funcid") not in self._keys.sized_functions:
                    return False
                if not all(found.constant(argument) for argument in node.nodes("args")):
                    return False
        return True

    def _inside(
        self,
        query: Node,
        outputs: dict[int, Node],
        groups: list[tuple[Node, frozenset[int]]],
        given: Sequence[Value],
    ) -> list[Value]:
        """What is known of the result's columns, said of the rows before grouping."""
        if query.nodes("groupingSets"):
            return []
        found: list[Value] = []
        for value in given:
            output = outputs.get(value.shape[2])
            if output is None or not is_repeatable(output, self._keys):
                continue
            expression, families = shape(output), value.families
            if groups:
                # The rows of a group agree by the equality that they are grouped by.
                grouping = [of for group, of in groups if shape(stripped(group)) == expression]
                if not grouping:
                    continue
                families = grouping[0] if families is None else families & grouping[0]
                if not families:
                    continue
            found.append(
                Value(
                    shape=expression,
                    families=families,
                    collation=value.collation,
                    strict=value.strict,
                    column=output if output.kind == "VAR" else None,
                )
            )
        return found

    def _grouped(
        self,
        query: Node,
        found: FixedRows,
        joined: Inner,
        groups: list[tuple[Node, frozenset[int]]],
    ) -> Inner:
        sets = query.nodes("groupingSets")
        if sets:
            if len(sets) == 1 and sets[0].number("kind") == 0:
                return Inner(1, "GROUP BY () yields one row")
            if self._loose:
                return joined
            return Inner(None, "grouping sets may yield a row each")
        if groups:
            if joined.rows != 1 and self._agree(found, groups):
                return Inner(1, "all rows are of one group")
            return joined
        if query.flag("hasAggs") or query.node("havingQual") is not None:
            return Inner(1, "an aggregate without GROUP BY yields one row")
        return joined

    def _agree(self, found: FixedRows, wanted: list[tuple[Node, frozenset[int]]]) -> bool:
        """Whether all rows agree in the expressions, by these equalities."""
        known = found.known()
        for node, families in wanted:
            if found.constant(node):
                continue
            expression = shape(stripped(node))
            oid = collation(node)
            if oid is None or not any(
                value.shape == expression and value.tells(families, self._keys.collation(oid))
                for value in known
            ):
                return False
        return True

    def _compared(
        self, query: Node, tree: JoinTree, clause: str
    ) -> list[tuple[Node, frozenset[int]]]:
        """What GROUP BY or DISTINCT compares, with the families of the equality."""
        entries = {
            entry.number("ressortgroupref"): entry.the("expr")
            for entry in query.nodes("targetList")
        }
        return [
            (
                tree.resolved(entries[item.number("tleSortGroupRef")]),
                self._keys.equalities.get(item.number("eqop"), frozenset()),
            )
            for item in query.nodes(clause)
        ]

    def _set_operation(self, node: Node, scope: Scope, given: Sequence[Value]) -> Inner:
        query = scope[0]
        if node.kind == "RANGETBLREF":
            entry = query.nodes("rtable")[node.number("rtindex") - 1]
            return self.rows((entry.the("subquery"), *scope), given)
        operation = node.number("op")
        inside = given if operation == _UNION else ()
        left = self._set_operation(node.the("larg"), scope, inside)
        right = self._set_operation(node.the("rarg"), scope, inside)
        if operation == _EXCEPT:
            return left
        if operation == _INTERSECT:
            known = [side for side in (left, right) if side.rows is not None]
            return min(known, key=lambda side: side.rows or 0) if known else left
        if not node.flag("all") and self._one_of_union(node, given):
            return Inner(1, "all rows of UNION are fixed by equality")
        for side in (left, right):
            if side.rows is None:
                return side
        total = 1 if self._loose else (left.rows or 0) + (right.rows or 0)
        return Inner(total, f"UNION of {total} rows")

    def _one_of_union(self, node: Node, given: Sequence[Value]) -> bool:
        """Whether all columns of UNION are known, which leaves no two different rows."""
        clauses = node.nodes("groupClauses")
        collations = node.numbers("colCollations")
        return bool(clauses) and all(
            any(
                value.shape[2] == place
                and value.tells(
                    self._keys.equalities.get(clause.number("eqop"), frozenset()),
                    self._keys.collation(collations[place - 1]),
                )
                for value in given
            )
            for place, clause in enumerate(clauses, start=1)
        )
