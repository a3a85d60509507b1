"""Whether the value of an expression can be NULL.

One rule for each kind of expression, entered in `EXPRESSIONS` under the kind's name.
"""

from typing import Final

import msgspec

from typedsql.tools.proof.node_tree import Node, walk
from typedsql.tools.proof.nullability import aggregates, constants, functions, relations
from typedsql.tools.proof.nullability.conditions import when_not_true, when_true
from typedsql.tools.proof.nullability.evaluation import EXPRESSIONS, value_of
from typedsql.tools.proof.nullability.facts import FIRST_NORMAL_OBJECT_ID
from typedsql.tools.proof.nullability.rows import always_has_row, columns_of
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import GROUP, Knowledge, Scope
from typedsql.tools.proof.nullability.values import (
    NOT_NULL,
    NULLABLE,
    Value,
    all_of,
    first_of,
    known_null,
    one_of,
)

_EXTERNAL, _, _SUBLINK, _MULTIPLE = "0", "1", "2", "3"
_EXISTS, _ALL, _ANY, _ROW_COMPARE, _EXPRESSION, _MULTIEXPR, _ARRAY = range(7)
_CURRENT_SCHEMA: Final = 14


def _all(expression: Node, scope: Scope, field: str = "args") -> Value:
    return all_of(value_of(item, scope) for item in expression.nodes(field))


@rule("constant")
def _constant(expression: Node, scope: Scope) -> Value:
    """NULL, or something that is not."""
    if expression.flag("constisnull"):
        return known_null("it is the constant NULL")
    array = constants.array(expression)
    return Value(inside=True, elements=array is not None and array[1])


@rule("parameter")
def _parameter(expression: Node, scope: Scope) -> Value:
    """What the caller is allowed to give, or a column of the subquery that is compared."""
    kind = expression.text("paramkind")
    if kind == _EXTERNAL:
        number = expression.number("paramid")
        if scope.session.is_required(number):
            return NOT_NULL
        return known_null(f"parameter ${number} may be NULL")
    if kind == _SUBLINK and scope.element is not None and scope.element.fields is not None:
        number = expression.number("paramid")
        if number <= len(scope.element.fields):
            return scope.element.fields[number - 1]
    return NULLABLE


@rule("same-value")
def _same(expression: Node, scope: Scope) -> Value:
    """Another type for the same value."""
    return value_of(expression.the("arg"), scope)


@rule("conversion")
def _conversion(expression: Node, scope: Scope) -> Value:
    """By way of text, or of array elements: PostgreSQL raises an error if that gives NULL."""
    value = value_of(expression.the("arg"), scope)
    return msgspec.structs.replace(value, origin=None, elements=False, fields=None)


@rule("array-conversion")
def _array_conversion(expression: Node, scope: Scope) -> Value:
    """Elements that were there are there afterwards."""
    value = value_of(expression.the("arg"), scope)
    converted = expression.the("elemexpr")
    plain = all(
        node.kind in ("RELABELTYPE", "COERCEVIAIO", "CASETESTEXPR") for node in walk(converted)
    )
    return msgspec.structs.replace(
        value, origin=None, elements=value.elements and plain, fields=None
    )


@rule("domain")
def _domain(expression: Node, scope: Scope) -> Value:
    """A cast to a domain that refuses NULL raises an error for it."""
    if scope.facts.domain_not_null(expression.number("resulttype")):
        return NOT_NULL
    return value_of(expression.the("arg"), scope)


@rule("never-null")
def _never(expression: Node, scope: Scope) -> Value:
    """IS NULL and the like, GROUPING(), nextval, merge_action()."""
    return NOT_NULL


@rule("is-distinct-from")
def _distinct(expression: Node, scope: Scope) -> Value:
    """PostgreSQL's own comparisons return something for all that is not NULL."""
    own = scope.facts.function(expression.number("opfuncid")).name is not None
    return NOT_NULL if own else NULLABLE


@rule("session-value")
def _session_value(expression: Node, scope: Scope) -> Value:
    """current_date, current_user and the like; current_schema may be none."""
    if expression.number("op") == _CURRENT_SCHEMA:
        return known_null("current_schema is NULL where search_path names no schema that exists")
    return NOT_NULL


@rule("coalesce")
def _coalesce(expression: Node, scope: Scope) -> Value:
    """The first that is not NULL."""
    return first_of(value_of(item, scope) for item in expression.nodes("args"))


@rule("greatest-least")
def _greatest(expression: Node, scope: Scope) -> Value:
    """They pass over NULL."""
    value = first_of(value_of(item, scope) for item in expression.nodes("args"))
    return msgspec.structs.replace(value, elements=False)


@rule("nullif")
def _nullif(expression: Node, scope: Scope) -> Value:
    """NULL where both are equal, and who knows when they are."""
    return known_null("NULLIF gives NULL where both are equal")


@rule("boolean")
def _boolean(expression: Node, scope: Scope) -> Value:
    """Three-valued logic: unknown only where something is."""
    return _all(expression, scope)


@rule("case")
def _case(expression: Node, scope: Scope) -> Value:
    """Each arm is computed only where its condition is true, and no earlier one was."""
    values: list[Value] = []
    here = scope
    conditions = scope.copy()
    conditions.subject = expression.node("arg")
    for arm in expression.nodes("args"):
        condition = arm.the("expr")
        known = when_true(condition, conditions)
        if known is not None:
            values.append(value_of(arm.the("result"), here.knowing(known)))
        not_true: Knowledge = when_not_true(condition, conditions)
        here = here.knowing(not_true)
    default = expression.node("defresult")
    if default is None or constants.is_null(default):
        return known_null("a CASE without ELSE gives NULL where no condition is true")
    values.append(value_of(default, here))
    return one_of(values)


@rule("array-constructor")
def _array(expression: Node, scope: Scope) -> Value:
    """ARRAY[] is an array whatever its elements are."""
    elements = _all(expression, scope, "elements")
    flat = not expression.flag("multidims")
    return Value(inside=True, elements=flat and elements.not_null)


@rule("row-constructor")
def _row(expression: Node, scope: Scope) -> Value:
    """ROW() is a row whatever its fields are."""
    return Value(
        inside=True, fields=tuple(value_of(item, scope) for item in expression.nodes("args"))
    )


@rule("field-of-row")
def _field(expression: Node, scope: Scope) -> Value:
    """A stored composite's fields may be NULL whatever the composite is."""
    row = value_of(expression.the("arg"), scope)
    number = expression.number("fieldnum")
    if row.fields is None or not 0 < number <= len(row.fields):
        return NULLABLE
    field = row.fields[number - 1]
    return Value(
        inside=row.inside and field.inside,
        nulled_by=row.nulled_by | field.nulled_by,
        origin=field.origin,
        because=row.because or field.because,
    )


@rule("subscript")
def _subscript(expression: Node, scope: Scope) -> Value:
    """An element may be out of range; a slice that is, is an empty array."""
    container = value_of(expression.the("refexpr"), scope)
    lower = expression.items("reflowerindexpr")
    if expression.node("refassgnexpr") is not None:
        return NULLABLE
    if not lower:
        return known_null("there may be no such element")
    bounds = [item for item in (*lower, *expression.items("refupperindexpr")) if item is not None]
    value = all_of((container, *(value_of(item, scope) for item in bounds)))
    return msgspec.structs.replace(value, elements=container.elements)


@rule("stored-row")
def _stored_row(expression: Node, scope: Scope) -> Value:
    """Setting a field of NULL makes a row of it."""
    return NOT_NULL


@rule("function")
def _function(expression: Node, scope: Scope) -> Value:
    """A function or operator, by the kept lists."""
    oid = expression.number("opfuncid" if expression.kind == "OPEXPR" else "funcid")
    facts = scope.facts
    if facts.function(oid).returns_set:
        return _set_in_select(expression, oid, scope)
    spread = expression.kind == "FUNCEXPR" and expression.flag("funcvariadic")
    arguments = expression.nodes("args")
    needed = functions.needs(facts, oid, spread=spread)
    if needed == functions.NOTHING and arguments:
        part = constants.text(arguments[0])
        if functions.part_is_total(facts, oid, part):
            needed = functions.ALL
    if needed == functions.ALWAYS:
        return NOT_NULL
    values = [value_of(argument, scope) for argument in arguments]
    if needed == functions.FIRST:
        return all_of(values[:1])
    if needed == functions.ANY:
        return msgspec.structs.replace(first_of(values), elements=False)
    value = all_of(values)
    if needed == functions.ALL:
        return value
    strict = facts.function(oid).strict
    return Value(because=value.because if strict else None)


@rule("set-in-select")
def _set_in_select(expression: Node, oid: int, scope: Scope) -> Value:
    """Of several functions of different lengths the shorter ones give NULL at the end."""
    query = scope.query
    places = [query.fields["targetList"]]
    places.extend(
        relation.fields["groupexprs"]
        for relation in scope.relations
        if relation.number("rtekind") == GROUP
    )
    sets = 0
    for node in walk(places):
        if node.kind in ("FUNCEXPR", "OPEXPR"):
            sets += node.flag("funcretset" if node.kind == "FUNCEXPR" else "opretset")
    if sets != 1 or expression.kind != "FUNCEXPR":
        return NULLABLE
    columns = relations.set_columns(expression, oid, scope)
    return columns[0] if len(columns) == 1 else NULLABLE


@rule("array-comparison")
def _array_comparison(expression: Node, scope: Scope) -> Value:
    """x = ANY (array) is NULL where an element is, unless another one decides."""
    value, array = (value_of(item, scope) for item in expression.nodes("args"))
    if functions.needs(scope.facts, expression.number("opfuncid"), spread=False) != functions.ALL:
        return NULLABLE
    if not array.elements:
        return Value(because=value.because or array.because)
    return all_of((value, array))


@rule("row-comparison")
def _row_comparison(expression: Node, scope: Scope) -> Value:
    """Unknown only where a field is."""
    operators = expression.numbers("opnos")
    if any(oid >= FIRST_NORMAL_OBJECT_ID for oid in operators):
        return NULLABLE
    return all_of((_all(expression, scope, "largs"), _all(expression, scope, "rargs")))


@rule("subquery")
def _subquery(expression: Node, scope: Scope) -> Value:
    """EXISTS and ARRAY() always have a value; IN and ANY as the comparison has."""
    kind = expression.number("subLinkType")
    query = expression.the("subselect")
    if kind in (_EXISTS, _ARRAY):
        elements = kind == _ARRAY and columns_of(query, scope)[0].not_null
        return Value(inside=True, elements=elements)
    if kind == _EXPRESSION:
        return _scalar(query, scope)
    if kind in (_ANY, _ALL):
        inner = scope.copy()
        inner.element = Value(fields=columns_of(query, scope))
        return value_of(expression.the("testexpr"), inner)
    return NULLABLE


@rule("scalar-subquery")
def _scalar(query: Node, scope: Scope) -> Value:
    """A scalar subquery that finds no row is NULL."""
    value = columns_of(query, scope)[0]
    if always_has_row(query, scope):
        return value
    return known_null("the subquery may find no row")


@rule("json-constructor")
def _json(expression: Node, scope: Scope) -> Value:
    """JSON_OBJECT and JSON_ARRAY have a value also of nothing."""
    if expression.number("type") in (1, 2):
        return NOT_NULL
    inner = expression.node("func")
    return NULLABLE if inner is None else value_of(inner, scope)


@rule("json-test")
def _json_test(expression: Node, scope: Scope) -> Value:
    """IS JSON of NULL is NULL."""
    return value_of(expression.the("expr"), scope)


@rule("json-value")
def _json_value(expression: Node, scope: Scope) -> Value:
    """The text or bytes that are read as JSON."""
    return value_of(expression.node("formatted_expr") or expression.the("raw_expr"), scope)


@rule("returning-expression")
def _returning(expression: Node, scope: Scope) -> Value:
    """A view's column in old or new, which is NULL where there is no such row."""
    owner = scope.up(expression.number("retlevelsup"))
    old = expression.flag("retold")
    if owner.written is None or not owner.written.has(old=old):
        return known_null("there is no such row")
    return value_of(expression.the("retexpr"), scope)


def _column(expression: Node, scope: Scope) -> Value:
    return relations.column(expression, scope)


def _target(expression: Node, scope: Scope) -> Value:
    return value_of(expression.the("expr"), scope)


EXPRESSIONS.update(
    {
        "VAR": _column,
        "CONST": _constant,
        "PARAM": _parameter,
        "TARGETENTRY": _target,
        "RELABELTYPE": _same,
        "COLLATEEXPR": _same,
        "NAMEDARGEXPR": _same,
        "CONVERTROWTYPEEXPR": _conversion,
        "COERCEVIAIO": _conversion,
        "ARRAYCOERCEEXPR": _array_conversion,
        "COERCETODOMAIN": _domain,
        "NULLTEST": _never,
        "BOOLEANTEST": _never,
        "GROUPINGFUNC": _never,
        "NEXTVALUEEXPR": _never,
        "MERGESUPPORTFUNC": _never,
        "DISTINCTEXPR": _distinct,
        "SQLVALUEFUNCTION": _session_value,
        "COALESCEEXPR": _coalesce,
        "MINMAXEXPR": _greatest,
        "NULLIFEXPR": _nullif,
        "BOOLEXPR": _boolean,
        "CASEEXPR": _case,
        "ARRAYEXPR": _array,
        "ROWEXPR": _row,
        "FIELDSELECT": _field,
        "FIELDSTORE": _stored_row,
        "SUBSCRIPTINGREF": _subscript,
        "OPEXPR": _function,
        "FUNCEXPR": _function,
        "SCALARARRAYOPEXPR": _array_comparison,
        "ROWCOMPAREEXPR": _row_comparison,
        "SUBLINK": _subquery,
        "AGGREF": aggregates.aggregate,
        "WINDOWFUNC": aggregates.window,
        "JSONCONSTRUCTOREXPR": _json,
        "JSONISPREDICATE": _json_test,
        "JSONVALUEEXPR": _json_value,
        "RETURNINGEXPR": _returning,
    }
)
