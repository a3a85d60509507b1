"""What a statement does with its parameters: which of them may be NULL, and what they are.

A parameter that is stored in a NOT NULL column, or that nothing but strict functions and
conditions ever see, has no use for NULL. One that is stored in a nullable column, tested by
IS NULL, or may become a result or an argument of a function that takes NULL, has.
"""

from typing import Any, Final

import msgspec

from typedsql.tools.proof.node_tree import Node, is_list
from typedsql.tools.proof.nullability.facts import Facts
from typedsql.tools.proof.nullability.relations import column
from typedsql.tools.proof.nullability.rows import opened
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import CTE, FUNCTION, SUBQUERY, VALUES, Scope, Session
from typedsql.tools.proof.nullability.values import Origin
from typedsql.tools.proof.nullability.written import COMMAND_INSERT

_SELECT: Final = 1
_EXTERNAL: Final = "0"
_EXISTS: Final = 0

# Strict functions through which a value remains what it is.
_TRANSPARENT: Final = frozenset({"lower", "upper", "btrim", "round", "trim_scale"})
_CASTS: Final = frozenset({1, 2})
"""CoercionForm: COERCE_EXPLICIT_CAST and COERCE_IMPLICIT_CAST."""


class Place(msgspec.Struct, frozen=True):
    """What becomes of a value."""

    null_matters: bool
    stored: Origin | None = None
    exact: bool = True
    """It is stored as it is, through no function or cast."""

    def converted(self) -> "Place":
        return msgspec.structs.replace(self, exact=False)


STRICT: Final = Place(null_matters=False)
MEANT: Final = Place(null_matters=True)


class Use(msgspec.Struct, frozen=True):
    """One place where a parameter stands."""

    number: int
    place: Place
    compared: Origin | None = None
    inserted: bool = False


class Parameters(msgspec.Struct, frozen=True):
    """What the uses of all parameters come to."""

    nullable: frozenset[int]
    omissible: frozenset[int]
    origins: dict[int, Origin]
    columns: dict[int, Origin]


def read_parameters(queries: list[Node], facts: Facts) -> Parameters:
    """Look at every use of every parameter."""
    uses: list[Use] = []
    for query in queries:
        if query.node("utilityStmt") is not None:
            continue  # A command such as SET: it has no parameters.
        session = Session(facts, lambda _: False)
        _Reader(facts, uses).query(query, Scope(session, query, None), None, top=True)
    nullable: set[int] = set()
    required: set[int] = set()
    for use in uses:
        if may_be_null(use, facts):
            nullable.add(use.number)
        elif use.place.stored is not None:
            required.add(use.number)
    nullable -= required
    stored = [use for use in uses if use.place.stored is not None]
    # One parameter may go to several columns: the strictest decides.
    stored.sort(key=lambda use: use.place.stored is None or not _stores_not_null(use, facts))
    exact = [use for use in stored if use.place.exact]
    origins: dict[int, Origin] = {}
    columns: dict[int, Origin] = {}
    for use in exact:
        _note(origins, use.number, use.place.stored)
    for use in stored:
        _note(columns, use.number, use.place.stored)
    for use in uses:
        _note(origins, use.number, use.compared)
        _note(columns, use.number, use.compared)
    omissible = nullable & {use.number for use in stored if use.inserted}
    return Parameters(frozenset(nullable), frozenset(omissible), origins, columns)


def _note(found: dict[int, Origin], number: int, origin: Origin | None) -> None:
    if origin is not None:
        found.setdefault(number, origin)


def _stores_not_null(use: Use, facts: Facts) -> bool:
    stored = use.place.stored
    if stored is None:
        return False
    return facts.not_null(*stored, with_children=False) or facts.refuses_null(*stored)


@rule("parameter-null")
def may_be_null(use: Use, facts: Facts) -> bool:
    """Whether NULL has a meaning in one place where a parameter stands."""
    if use.place.stored is not None:
        return not _stores_not_null(use, facts)
    return use.place.null_matters


Sinks = dict[int, Place]
"""What becomes of a relation's columns, by their numbers."""


class _Reader:
    def __init__(self, facts: Facts, uses: list[Use]) -> None:
        self._facts = facts
        self._uses = uses
        self._inserting = False
        self._tables: dict[int, Sinks] = {}

    def query(
        self, query: Node, scope: Scope, results: list[Place] | None, *, top: bool = False
    ) -> None:
        """Read a query, of whose columns `results` says what becomes."""
        opened(query, scope)
        sinks: dict[int, Sinks] = {}
        entries = query.nodes("targetList")
        command = query.number("commandType")
        if query.node("setOperations") is not None:
            for number, relation in enumerate(scope.relations, start=1):
                if relation.number("rtekind") == SUBQUERY and results is not None:
                    sinks[number] = dict(enumerate(results, start=1))
        elif command == _SELECT:
            position = 0
            for entry in entries:
                junk = entry.flag("resjunk")
                place = MEANT if junk or results is None else results[position]
                position += not junk
                self._stored(entry.the("expr"), place, scope, sinks)
        else:
            plain = top and command == COMMAND_INSERT and query.node("onConflict") is None
            self._inserting = plain
            self._targets(entries, scope, sinks)
            self._relations(scope, sinks)
            sinks = {}
            self._inserting = False
            self._modification(query, scope, sinks)
        if command == _SELECT or sinks:
            self._relations(scope, sinks)
        for field in ("havingQual", "limitOffset", "limitCount", "mergeJoinCondition"):
            self._maybe(query.node(field), STRICT, scope)
        for entry in query.nodes("returningList"):
            self.expression(entry.the("expr"), MEANT, scope)
        for window in query.nodes("windowClause"):
            for field in ("startOffset", "endOffset"):
                self._maybe(window.node(field), STRICT, scope)
        self._joins(query.node("jointree"), scope)
        for table in query.nodes("cteList"):
            inner = table.the("ctequery")
            self.query(inner, scope.child(inner), self._of_table(table))

    def _of_table(self, table: Node) -> list[Place] | None:
        sinks = self._tables.get(id(table))
        if sinks is None:
            return None
        columns = [item for item in _outputs(table.the("ctequery")) if not item.flag("resjunk")]
        return [sinks.get(number, MEANT) for number in range(1, len(columns) + 1)]

    def _targets(self, entries: list[Node], scope: Scope, sinks: dict[int, Sinks]) -> None:
        target = scope.relations[scope.query.number("resultRelation") - 1].number("relid")
        for entry in entries:
            place = MEANT
            if not entry.flag("resjunk"):
                place = Place(null_matters=True, stored=(target, entry.number("resno")))
            self._stored(entry.the("expr"), place, scope, sinks)

    def _modification(self, query: Node, scope: Scope, sinks: dict[int, Sinks]) -> None:
        conflict = query.node("onConflict")
        if conflict is not None:
            self._targets(conflict.nodes("onConflictSet"), scope, sinks)
            for field in ("onConflictWhere", "arbiterWhere"):
                self._maybe(conflict.node(field), STRICT, scope)
        for action in query.nodes("mergeActionList"):
            self._maybe(action.node("qual"), STRICT, scope)
            self._targets(action.nodes("targetList"), scope, sinks)

    def _stored(
        self, expression: Node, place: Place, scope: Scope, sinks: dict[int, Sinks]
    ) -> None:
        """A value that goes on, and where it comes from a relation, that relation's column."""
        inner, inexact = expression, False
        while inner.kind in ("RELABELTYPE", "COERCEVIAIO"):
            inexact = inexact or inner.kind == "COERCEVIAIO"
            inner = inner.the("arg")
        if inner.kind == "VAR" and inner.number("varlevelsup") == 0:
            place = place.converted() if inexact else place
            sinks.setdefault(inner.number("varno"), {})[inner.number("varattno")] = place
        self.expression(expression, place, scope)

    def _relations(self, scope: Scope, sinks: dict[int, Sinks]) -> None:
        for number, relation in enumerate(scope.relations, start=1):
            kind = relation.number("rtekind")
            sink = sinks.get(number, {})
            if kind == SUBQUERY:
                query = relation.the("subquery")
                count = len([item for item in _outputs(query) if not item.flag("resjunk")])
                places = [sink.get(item, MEANT) for item in range(1, count + 1)]
                self.query(query, scope.child(query), places)
            elif kind == VALUES:
                rows: list[list[Node]] = relation.items("values_lists")
                for row in rows:
                    for item, expression in enumerate(row, start=1):
                        self.expression(expression, sink.get(item, MEANT), scope)
            elif kind == FUNCTION:
                for call in relation.nodes("functions"):
                    self.expression(call.the("funcexpr"), MEANT, scope)
            elif kind == CTE:
                self._note_table(relation, sink, scope)
            for field in ("groupexprs", "tablesample", "tablefunc"):
                self._children(relation.fields.get(field), MEANT, scope)

    def _note_table(self, relation: Node, sink: Sinks, scope: Scope) -> None:
        owner = scope.up(relation.number("ctelevelsup"))
        for table in owner.query.nodes("cteList"):
            if table.text("ctename") == relation.text("ctename"):
                self._tables.setdefault(id(table), {}).update(sink)

    def _joins(self, tree: Node | None, scope: Scope) -> None:
        if tree is None or tree.kind == "RANGETBLREF":
            return
        self._maybe(tree.node("quals"), STRICT, scope)
        parts = tree.nodes("fromlist") if tree.kind == "FROMEXPR" else None
        for part in parts if parts is not None else (tree.the("larg"), tree.the("rarg")):
            self._joins(part, scope)

    def _maybe(self, expression: Node | None, place: Place, scope: Scope) -> None:
        if expression is not None:
            self.expression(expression, place, scope)

    def expression(self, node: Node, place: Place, scope: Scope) -> None:
        """Read an expression, of whose value `place` says what becomes."""
        kind = node.kind
        if kind == "PARAM":
            self._parameter(node, place)
        elif kind in ("RELABELTYPE", "COLLATEEXPR", "NAMEDARGEXPR"):
            self.expression(node.the("arg"), place, scope)
        elif kind in ("COERCEVIAIO", "ARRAYCOERCEEXPR"):
            self.expression(node.the("arg"), place.converted(), scope)
        elif kind == "COERCETODOMAIN":
            refuses = self._facts.domain_not_null(node.number("resulttype"))
            self.expression(node.the("arg"), STRICT if refuses else place, scope)
        elif kind in ("FUNCEXPR", "OPEXPR"):
            self._call(node, place, scope)
        elif kind == "SCALARARRAYOPEXPR":
            self._array_comparison(node, scope)
        elif kind in ("BOOLEXPR", "ROWCOMPAREEXPR"):
            self._children(node, STRICT, scope)
        elif kind == "CASEEXPR":
            self._maybe(node.node("arg"), STRICT, scope)
            for arm in node.nodes("args"):
                self.expression(arm.the("expr"), STRICT, scope)
                self.expression(arm.the("result"), MEANT, scope)
            self._maybe(node.node("defresult"), MEANT, scope)
        elif kind == "SUBLINK":
            self._maybe(node.node("testexpr"), STRICT, scope)
            query = node.the("subselect")
            exists = node.number("subLinkType") == _EXISTS
            count = len([item for item in _outputs(query) if not item.flag("resjunk")])
            inner = scope.child(query)
            self.query(query, inner, [STRICT if exists else MEANT] * count)
        elif kind == "SUBSCRIPTINGREF":
            self._maybe(node.node("refexpr"), STRICT, scope)
            self._children(node.fields["refupperindexpr"], STRICT, scope)
            self._children(node.fields["reflowerindexpr"], STRICT, scope)
            self._maybe(node.node("refassgnexpr"), MEANT, scope)
        elif kind in ("AGGREF", "WINDOWFUNC"):
            self._aggregate(node, scope)
        else:
            self._children(node, MEANT, scope)

    def _aggregate(self, node: Node, scope: Scope) -> None:
        self._maybe(node.node("aggfilter"), STRICT, scope)
        self._children(node.fields["args"], MEANT, scope)
        self._children(node.fields.get("aggdirectargs"), STRICT, scope)

    def _children(self, value: Any, place: Place, scope: Scope) -> None:
        items: list[Any] = []
        if isinstance(value, Node):
            items = list(value.fields.values())
        elif is_list(value):
            items = value
        for item in items:
            if isinstance(item, Node):
                self.expression(item, place, scope)
            else:
                self._children(item, place, scope)

    def _call(self, node: Node, place: Place, scope: Scope) -> None:
        arguments = node.nodes("args")
        operator = node.kind == "OPEXPR"
        function = self._facts.function(node.number("opfuncid" if operator else "funcid"))
        if operator and node.number("opno") in self._facts.equalities and len(arguments) == 2:
            for one, other in (arguments, reversed(arguments)):
                self._compared(one, other, scope)
        cast = not operator and node.number("funcformat") in _CASTS
        if arguments and (cast or function.name in _TRANSPARENT):
            self.expression(arguments[0], place.converted(), scope)
            arguments = arguments[1:]
        for argument in arguments:
            self.expression(argument, STRICT if function.strict else MEANT, scope)

    def _array_comparison(self, node: Node, scope: Scope) -> None:
        value, array = node.nodes("args")
        elements = array.nodes("elements") if array.kind == "ARRAYEXPR" else [array]
        if node.number("opno") in self._facts.equalities and node.flag("useOr"):
            for element in elements:
                self._compared(element, value, scope)
        for argument in (value, *elements):
            self.expression(argument, STRICT, scope)

    def _compared(self, one: Node, other: Node, scope: Scope) -> None:
        """A parameter that equals a column is of what the column is of."""
        while one.kind == "RELABELTYPE":
            one = one.the("arg")
        while other.kind == "RELABELTYPE":
            other = other.the("arg")
        if one.kind != "PARAM" or other.kind != "VAR" or one.text("paramkind") != _EXTERNAL:
            return
        origin = column(other, scope).origin
        if origin is not None and origin[1] > 0:
            self._uses.append(Use(one.number("paramid"), STRICT, origin))

    def _parameter(self, node: Node, place: Place) -> None:
        if node.text("paramkind") != _EXTERNAL:
            return
        if self._facts.domain_not_null(node.number("paramtype")) and place.stored is None:
            place = STRICT
        inserted = self._inserting and place.stored is not None
        self._uses.append(Use(node.number("paramid"), place, None, inserted))


def _outputs(query: Node) -> list[Node]:
    modifies = query.number("commandType") != _SELECT
    return query.nodes("returningList" if modifies else "targetList")
