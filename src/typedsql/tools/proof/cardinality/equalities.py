"""What the conditions of a query say about the values of its expressions."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.cardinality.shapes import Shape, outer_columns, shape, stripped
from typedsql.tools.proof.node_tree import Node, is_list, walk

Families = frozenset[int] | None
"""B-tree operator families by whose equality a value is known; None: it is the same bits."""


class Equality(msgspec.Struct, frozen=True):
    """Two expressions are equal wherever the places in `path` have a row."""

    left: Node
    right: Node
    families: frozenset[int]
    collation: int
    strict: bool
    """Neither is NULL; otherwise (IS NOT DISTINCT FROM) both may be."""
    path: frozenset[object]


class Value(msgspec.Struct, frozen=True):
    """All rows agree in an expression, as far as the families and the collation tell."""

    shape: Shape
    families: Families
    collation: int | None
    """None: in any collation."""
    strict: bool
    """It is not NULL; otherwise it is NULL in all rows, or all agree."""
    path: frozenset[object] = frozenset()
    column: Node | None = None
    """The expression, where it is a plain column that is known from outside the query."""

    def tells(self, families: frozenset[int], collation: int) -> bool:
        """Whether all rows agree by the equality of one of these families."""
        if self.collation not in (None, collation):
            return False
        return self.families is None or bool(self.families & families)


# What is worked out from its parts alone, so that the same parts give the same value.
# Functions and operators among them are looked up besides.
_REPEATABLE: Final = frozenset(
    {
        "CONST",
        "PARAM",
        "VAR",
        "FUNCEXPR",
        "OPEXPR",
        "DISTINCTEXPR",
        "NULLIFEXPR",
        "SCALARARRAYOPEXPR",
        "BOOLEXPR",
        "RELABELTYPE",
        "COERCEVIAIO",
        "ARRAYCOERCEEXPR",
        "CASEEXPR",
        "CASEWHEN",
        "CASETESTEXPR",
        "ARRAYEXPR",
        "ROWEXPR",
        "ROWCOMPAREEXPR",
        "COALESCEEXPR",
        "MINMAXEXPR",
        "SQLVALUEFUNCTION",
        "NULLTEST",
        "BOOLEANTEST",
        "COERCETODOMAIN",
        "CONVERTROWTYPEEXPR",
        "FIELDSELECT",
        "COLLATEEXPR",
        "SUBSCRIPTINGREF",
    }
)
_EXTERNAL_PARAMETER: Final = 0
_FUNCTIONS: Final = ("funcid", "opfuncid")


def is_constant(node: Node, keys: Keys, is_fixed: Callable[[Node], bool]) -> bool:
    """Whether an expression has one value for the whole query.

    `is_fixed` says so of a column of the query; columns of outer queries always have.
    """
    pending = [node]
    while pending:
        item = pending.pop()
        if item.kind == "SUBLINK":
            if not _runs_once(item, keys):
                return False
            test = item.node("testexpr")
            if test is not None and any(part.kind == "VAR" for part in walk(test)):
                return False
            continue
        if item.kind not in _REPEATABLE or calls_volatile(item, keys):
            return False
        if item.kind == "PARAM" and item.number("paramkind") != _EXTERNAL_PARAMETER:
            return False
        if item.kind == "VAR":
            if item.number("varlevelsup") == 0 and not is_fixed(item):
                return False
            continue
        pending.extend(_parts(item))
    return True


def is_repeatable(node: Node, keys: Keys) -> bool:
    """Whether an expression has one value for one row, wherever it stands in the query."""
    return is_constant(node, keys, lambda _: True)


def _parts(node: Node) -> Iterable[Node]:
    for field in node.fields.values():
        if isinstance(field, Node):
            yield field
        elif is_list(field):
            yield from (part for part in field if isinstance(part, Node))


def calls_volatile(node: Node, keys: Keys) -> bool:
    """Whether this very node calls a function that may say something else each time."""
    if "true" in (node.fields.get("funcretset"), node.fields.get("opretset")):
        return True
    return any(name in node.fields and node.number(name) in keys.volatile for name in _FUNCTIONS)


def is_volatile(node: Node, keys: Keys) -> bool:
    """Whether anything in the node calls such a function."""
    if node.kind == "NEXTVALUEEXPR":
        return True
    return any(
        item.kind == "NEXTVALUEEXPR"
        or any(name in item.fields and item.number(name) in keys.volatile for name in _FUNCTIONS)
        for item in walk(node)
    )


def _runs_once(sublink: Node, keys: Keys) -> bool:
    """Whether a subquery of an expression is worked out once, before all rows.

    So it is where it mentions no column of an outer query: the executor's InitPlan.
    """
    subquery = sublink.the("subselect")
    return next(outer_columns(subquery), None) is None and not is_volatile(subquery, keys)


_IS_NULL, _IS_NOT_NULL = 0, 1


def equalities(qual: Node, path: frozenset[object], keys: Keys) -> list[Equality]:
    """The equality that a condition states, if it is one."""
    strict = True
    if qual.kind == "BOOLEXPR" and qual.fields["boolop"] == "not":
        qual = qual.nodes("args")[0]
        if qual.kind != "DISTINCTEXPR":
            return []
        strict = False
    elif qual.kind != "OPEXPR":
        return []
    families = keys.equalities.get(qual.number("opno"))
    arguments = qual.nodes("args")
    if families is None or not all(is_repeatable(argument, keys) for argument in arguments):
        return []
    return [
        Equality(
            left=stripped(arguments[0]),
            right=stripped(arguments[1]),
            families=families,
            collation=keys.collation(qual.number("inputcollid")),
            strict=strict,
            path=path,
        )
    ]


def values(qual: Node, path: frozenset[object], keys: Keys) -> list[Value]:
    """What a condition fixes by itself: boolean columns, and what IS NULL."""
    truth = qual
    if qual.kind == "BOOLEXPR" and qual.fields["boolop"] == "not":
        truth = stripped(qual.nodes("args")[0])
    if truth.kind == "VAR":
        return [Value(shape=shape(truth), families=None, collation=None, strict=True, path=path)]
    if qual.kind == "NULLTEST" and qual.number("nulltesttype") == _IS_NULL:
        if qual.flag("argisrow") or not is_repeatable(qual.the("arg"), keys):
            return []
        found = shape(stripped(qual.the("arg")))
        return [Value(shape=found, families=None, collation=None, strict=False, path=path)]
    return []


def columns_not_null(qual: Node, keys: Keys) -> list[Node]:
    """The plain columns that a true condition proves to be not NULL."""
    found: list[Node] = []
    if qual.kind == "OPEXPR" and qual.number("opno") in keys.comparisons:
        found = qual.nodes("args")
    elif qual.kind == "NULLTEST" and qual.number("nulltesttype") == _IS_NOT_NULL:
        found = [] if qual.flag("argisrow") else [qual.the("arg")]
    elif qual.kind == "BOOLEXPR" and qual.fields["boolop"] == "not":
        # Of other arguments than a column, NOT says nothing here.
        found = qual.nodes("args")
    elif qual.kind == "VAR":
        found = [qual]
    elif qual.kind == "SCALARARRAYOPEXPR" and qual.number("opno") in keys.comparisons:
        # An empty array makes ALL true of anything.
        found = qual.nodes("args")[:1] if qual.flag("useOr") else []
    return [item for item in (stripped(node) for node in found) if item.kind == "VAR"]
