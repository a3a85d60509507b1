"""Broken rules about the value of an expression."""

from tests.proof import broken_places as places
from tests.proof.broken import (
    NEVER_NULL,
    all_not_null,
    answers,
    changed,
    of_part,
    of_parts,
    seeing,
    with_elements,
    with_fields,
)
from tests.proof.mutation import Mutation
from typedsql.tools.proof.nullability import functions
from typedsql.tools.proof.nullability.evaluation import EXPRESSIONS

MUTATIONS = (
    Mutation("NULL is no NULL", "constant", NEVER_NULL, ("null-constant",)),
    Mutation(
        "the elements of a constant are not NULL", "constant", changed(with_elements), ("any",)
    ),
    Mutation("parameters are never NULL", "parameter", NEVER_NULL, ("param", "lax")),
    Mutation("another type, another value", "same-value", NEVER_NULL, ("cast", "operator")),
    Mutation("a conversion has a value", "conversion", NEVER_NULL, ("cast",)),
    Mutation("a converted array is not NULL", "array-conversion", NEVER_NULL, ("cast",)),
    Mutation("domains refuse NULL", "domain", NEVER_NULL, ("cast", "domain")),
    Mutation(
        "columns of a domain that refuses NULL hold none",
        "VAR",
        places.domains_hold,
        ("domain",),
        EXPRESSIONS,
    ),
    Mutation("own operators have an answer", "is-distinct-from", NEVER_NULL, ("test",)),
    Mutation("there is a current_schema", "session-value", NEVER_NULL, ("setting",)),
    Mutation("COALESCE never ends", "coalesce", NEVER_NULL, ("coalesce",)),
    Mutation("GREATEST always finds one", "greatest-least", NEVER_NULL, ("minmax",)),
    Mutation(
        "NULLIF is never NULL, as IS NULL is",
        "NULLIFEXPR",
        lambda _: EXPRESSIONS["NULLTEST"],
        ("nullif",),
        EXPRESSIONS,
    ),
    Mutation(
        "SQL/JSON paths are never NULL, as IS NULL is",
        "JSONEXPR",
        lambda _: EXPRESSIONS["NULLTEST"],
        ("json",),
        EXPRESSIONS,
    ),
    Mutation("NULLIF is its first argument", "nullif", of_parts(count=1), ("nullif",)),
    Mutation("AND, OR and NOT decide", "boolean", NEVER_NULL, ("logic",)),
    Mutation(
        "one argument of AND, OR and NOT decides", "boolean", places.first_or_second, ("logic",)
    ),
    Mutation("CASE has an ELSE", "case", seeing("CASEEXPR", places.default_like_first), ("case",)),
    Mutation("CASE takes its first arm", "case", places.one_arm, ("case",)),
    Mutation(
        "ARRAY[] holds no NULL", "array-constructor", changed(with_elements), ("any", "unnest")
    ),
    Mutation("ROW() holds no NULL", "row-constructor", changed(with_fields), ("composite",)),
    Mutation("fields of a row are not NULL", "field-of-row", NEVER_NULL, ("composite",)),
    Mutation("subscripts are in range", "subscript", of_part("refexpr"), ("subscript",)),
    Mutation(
        "strict functions are total",
        "function-listed",
        places.strict_is_total,
        ("array", "json", "partial"),
    ),
    Mutation("own strict functions are total", "function", of_parts(), ("partial",)),
    Mutation(
        "no overload is excepted",
        "EXCEPTED",
        lambda _: frozenset[str](),
        ("time", "array", "range", "numeric"),
        functions,
    ),
    Mutation("infinity has all parts of a time", "function-part-of-time", answers(True), ("time",)),
    Mutation(
        "set-returning functions have no NULL",
        "rows-of-function",
        changed(all_not_null),
        ("function-from",),
    ),
    Mutation("sets in a list are of the same length", "set-in-select", places.sets_alike, ("srf",)),
    Mutation(
        "x = ANY (array) disregards its elements", "array-comparison", of_parts(count=1), ("any",)
    ),
    Mutation("rows compare", "row-comparison", NEVER_NULL, ("row-compare",)),
    Mutation("IN decides", "subquery", places.membership_decides, ("sublink",)),
    Mutation("ARRAY() holds no NULL", "subquery", changed(with_elements), ("unnest", "any")),
    Mutation("a subquery finds a row", "at-least-one-row", answers(True), ("subquery", "scalar")),
    Mutation(
        "a scalar subquery finds a row", "scalar-subquery", places.row_found, ("subquery", "scalar")
    ),
    Mutation(
        "SQL/JSON constructors have a value", "json-constructor", NEVER_NULL, ("json", "aggregate")
    ),
    Mutation("IS JSON has an answer", "json-test", NEVER_NULL, ("json",)),
    Mutation("what JSON is made from has a value", "json-value", NEVER_NULL, ("json",)),
)
