"""The columns of what stands in FROM, and what becomes of them in joins."""

from typing import Final

import msgspec

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability import functions
from typedsql.tools.proof.nullability.evaluation import value_of
from typedsql.tools.proof.nullability.facts import INSERT
from typedsql.tools.proof.nullability.rows import arm_columns, columns_of
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import (
    CTE,
    FULL,
    FUNCTION,
    GROUP,
    JOIN,
    RELATION,
    SUBQUERY,
    TABLE_FUNCTION,
    VALUES,
    JoinKnown,
    Proven,
    Scope,
)
from typedsql.tools.proof.nullability.tables import table_column
from typedsql.tools.proof.nullability.values import (
    NO_JOINS,
    NOT_NULL,
    NULLABLE,
    Join,
    Value,
    known_null,
    one_of,
)
from typedsql.tools.proof.nullability.written import may_change

_ROUNDS: Final = 64
"""After so many a recursive query's columns count as nullable."""

_JOIN_FINDS_NONE: Final = "an outer join may find no row"


def column(var: Node, scope: Scope) -> Value:
    """The rule for VAR: the column, less what is proven of it, plus the joins that null it."""
    owner = scope.up(var.number("varlevelsup"))
    number, attribute = var.number("varno"), var.number("varattno")
    which = var.number("varreturningtype")
    if number in owner.absent:
        return known_null("the source of a MERGE may have no row")
    base = _base(owner, number, attribute, which)
    keys = owner.keys(var)
    nulling = nulled(base, keys[0][1], scope, owner)
    for place in _between(scope, owner):
        for key, after in keys:
            for before in place.proven.columns.get(key, ()):
                left = nulled(NULLABLE, after - before, scope, owner)
                if not base.inside or len(left) < len(nulling):
                    base = msgspec.structs.replace(base, inside=True, because=None)
                    nulling = left
    if any(_is_grouping(join) for join in nulling):
        return Value(origin=base.origin, because="a grouping set leaves it out")
    because = base.because or (_JOIN_FINDS_NONE if nulling else None)
    return msgspec.structs.replace(base, nulled_by=nulling, because=because)


def _is_grouping(join: Join) -> bool:
    """Whether it is no join, but a grouping set that has no place for one column."""
    return len(join) == 3 and isinstance(join[2], int)


def _between(scope: Scope, owner: Scope) -> list[Scope]:
    """The places from an expression out to the query that a column of it belongs to."""
    places = [scope]
    while places[-1].serial != owner.serial:
        parent = places[-1].parent
        if parent is None:
            break
        places.append(parent)
    return places


@rule("outer-join")
def nulled(base: Value, joins: frozenset[Join], scope: Scope, owner: Scope) -> frozenset[Join]:
    """The outer joins that may null a column, but for those that have found a row."""
    possible = base.nulled_by | joins
    if possible:
        possible -= NO_JOINS.union(*(_found(place) for place in _between(scope, owner)))
    return possible


def _found(place: Scope) -> frozenset[Join]:
    base = place.base
    if base.found is None:
        # What it takes to work that out does with less, or there would be no end to it.
        base.found = NO_JOINS
        base.found = _found_inside(base)
    return base.found.union(place.proven.joins)


def _found_inside(place: Scope) -> frozenset[Join]:
    """A subquery's column that is not NULL was not nulled by the joins within it either."""
    found: set[Join] = set()
    for serial, number, column_number, _ in place.proven.columns:
        if serial != place.serial or column_number <= 0:
            continue
        if place.relations[number - 1].number("rtekind") in (SUBQUERY, CTE):
            found |= relation_column(number, column_number, place).nulled_by
    return frozenset(found)


def _base(owner: Scope, number: int, attribute: int, which: int) -> Value:
    query = owner.query
    relation = owner.relations[number - 1]
    is_target = number in (query.number("resultRelation"), query.number("mergeTargetRelation"))
    if owner.written is not None and is_target and relation.number("rtekind") == RELATION:
        written: Value = owner.written.column(relation, attribute, which)
        return written
    if owner.excluded is not None and owner.excluded[0] == number:
        return _excluded(owner, relation, attribute)
    # What is in FROM is computed for all rows, also those that a CASE then passes by.
    return relation_column(number, attribute, owner.base)


@rule("excluded")
def _excluded(owner: Scope, relation: Node, attribute: int) -> Value:
    """EXCLUDED is what was to be inserted, constraints and triggers passed."""
    oid = relation.number("relid")
    facts = owner.facts
    if attribute <= 0:
        return NULLABLE
    if facts.not_null(oid, attribute, with_children=False):
        return NOT_NULL
    stored: Value = NULLABLE
    if owner.excluded is not None:
        stored = owner.excluded[1].get(attribute, known_null("nothing was to be inserted"))
    if may_change(owner, oid, (INSERT,)) or facts.is_generated(oid, attribute):
        return NULLABLE
    return Value(inside=stored.not_null, because=stored.because)


def relation_column(number: int, attribute: int, scope: Scope) -> Value:
    """A column of a relation of a query, before any join."""
    relation = scope.relations[number - 1]
    kind = relation.number("rtekind")
    if kind == RELATION:
        return table_column(relation, attribute, scope)
    if kind == JOIN:
        return _join_column(relation, number, attribute, scope)
    if kind == GROUP:
        return value_of(relation.nodes("groupexprs")[attribute - 1], scope)
    columns = scope.cache.get(number)
    if columns is None:
        columns = _columns(relation, kind, scope)
        scope.cache[number] = columns
    if attribute == 0:
        known = kind in (SUBQUERY, VALUES, CTE)
        return Value(inside=known, fields=columns) if known else NULLABLE
    if not 0 < attribute <= len(columns):
        return NULLABLE
    value = columns[attribute - 1]
    # The same subquery may stand twice in FROM, and its joins find rows in one of them.
    inner = NO_JOINS.union((scope.serial, number, "in", join) for join in value.nulled_by)
    return msgspec.structs.replace(value, nulled_by=inner)


def _columns(relation: Node, kind: int, scope: Scope) -> tuple[Value, ...]:
    if kind == SUBQUERY:
        return _subquery(relation, scope)
    if kind == FUNCTION:
        return _functions(relation, scope)
    if kind == VALUES:
        return _values(relation, scope)
    if kind == CTE:
        return _common_table(relation, scope)
    if kind == TABLE_FUNCTION:
        return _table_function(relation)
    return ()


@rule("subquery-columns")
def _subquery(relation: Node, scope: Scope) -> tuple[Value, ...]:
    """A subquery, or a view that has been expanded to one."""
    return columns_of(relation.the("subquery"), scope)


@rule("values")
def _values(relation: Node, scope: Scope) -> tuple[Value, ...]:
    """What holds for each of the rows."""
    rows: list[list[Node]] = relation.items("values_lists")
    values = [[value_of(item, scope) for item in row] for row in rows]
    return tuple(
        msgspec.structs.replace(one_of(items), origin=None) for items in zip(*values, strict=True)
    )


@rule("table-function")
def _table_function(relation: Node) -> tuple[Value, ...]:
    """Of XMLTABLE and JSON_TABLE nothing is known: a path may lead nowhere."""
    return ()


@rule("function-in-from")
def _functions(relation: Node, scope: Scope) -> tuple[Value, ...]:
    """With several functions the shorter ones are filled up with NULL."""
    calls = relation.nodes("functions")
    found: list[Value] = []
    for call in calls:
        count = call.number("funccolcount")
        columns = _call_columns(call.the("funcexpr"), count, scope)
        if len(columns) != count:
            columns = (NULLABLE,) * count
        if len(calls) > 1:
            columns = (known_null("another function may return more rows"),) * count
        found.extend(columns)
    if relation.flag("funcordinality"):
        found.append(NOT_NULL)
    return tuple(found)


def _call_columns(call: Node, count: int, scope: Scope) -> tuple[Value, ...]:
    if call.kind != "FUNCEXPR" or not call.flag("funcretset"):
        return (value_of(call, scope),) if count == 1 else ()
    return set_columns(call, call.number("funcid"), scope)


@rule("set-columns")
def set_columns(call: Node, oid: int, scope: Scope) -> tuple[Value, ...]:
    """The columns of a set-returning function; a NULL argument gives no row."""
    facts = scope.facts
    if functions.is_unnest(facts, oid):
        return _unnest(call, scope)
    if not facts.function(oid).strict:
        return ()
    return tuple(Value(inside=known) for known in functions.row_columns(facts, oid))


@rule("unnest")
def _unnest(call: Node, scope: Scope) -> tuple[Value, ...]:
    """Elements may be NULL, but those of ARRAY[] and ARRAY() of what is not."""
    value = value_of(call.nodes("args")[0], scope)
    return (NOT_NULL if value.elements else Value(because="array elements may be NULL"),)


@rule("merged-column")
def _join_column(relation: Node, number: int, attribute: int, scope: Scope) -> Value:
    """A column of a join itself: USING merges two, and a FULL JOIN has one of them."""
    if attribute <= 0:
        return NULLABLE
    shown: Node | None = relation.items("joinaliasvars")[attribute - 1]
    if shown is None:
        return NULLABLE
    merged = attribute <= relation.number("joinmergedcols")
    if relation.number("jointype") == FULL and merged and shown.kind == "COALESCEEXPR":
        inner = scope.knowing(
            JoinKnown(((scope.serial, number, side),)) for side in ("left", "right")
        )
        values = [value_of(item, inner) for item in shown.nodes("args")]
        return msgspec.structs.replace(one_of(values), origin=None)
    return value_of(shown, scope)


def _common_table(relation: Node, scope: Scope) -> tuple[Value, ...]:
    owner = scope.up(relation.number("ctelevelsup"))
    name = relation.text("ctename")
    table = next(
        (item for item in owner.query.nodes("cteList") if item.text("ctename") == name), None
    )
    if table is None:
        return ()
    assumed = owner.session.recursive.get(id(table))
    if assumed is not None:
        return assumed
    found = owner.cache.get(("cte", name))
    if found is None:
        # It is computed without regard to which rows of the query around are wanted.
        bare = owner.copy()
        bare.proven = Proven()
        bare.base = bare
        bare.cache = {}
        query = table.the("ctequery")
        recursive = table.flag("cterecursive")
        found = _recursive(table, query, bare) if recursive else columns_of(query, bare)
        owner.cache["cte", name] = found
    return found


@rule("recursive-query")
def _recursive(table: Node, query: Node, scope: Scope) -> tuple[Value, ...]:
    """What holds for the first rows and, if it holds for some, for those made from them."""
    operations = query.node("setOperations")
    if operations is None:
        return ()
    assumptions = scope.session.recursive
    assumed = _plain(arm_columns(operations.the("larg"), scope.child(query)))
    try:
        for _ in range(_ROUNDS):
            assumptions[id(table)] = assumed
            found = _plain(columns_of(query, scope))
            if found == assumed:
                return found
            assumed = found
    finally:
        assumptions.pop(id(table), None)
    return ()


def _plain(columns: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(Value(inside=value.not_null) for value in columns)
