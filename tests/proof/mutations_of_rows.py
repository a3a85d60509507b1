"""Broken rules about conditions and the relations they are on."""

from tests.proof import broken_places as places
from tests.proof.broken import (
    NEVER_NULL,
    all_not_null,
    answers,
    changed,
    seeing,
    where,
    with_fields,
)
from tests.proof.mutation import Mutation
from typedsql.tools.proof.nullability import canonical, facts, scopes
from typedsql.tools.proof.nullability.values import NO_JOINS, NOT_NULL

MUTATIONS = (
    Mutation(
        "OR proves what AND does",
        "qual-true",
        where("BOOLEXPR", "boolop", "or", "and"),
        ("loose-qual",),
    ),
    Mutation(
        "IS NOT FALSE proves what IS TRUE does",
        "qual-true",
        where("BOOLEANTEST", "booltesttype", "3", "0"),
        ("qual-test",),
    ),
    Mutation(
        "IS NULL proves what IS NOT NULL does",
        "qual-true",
        where("NULLTEST", "nulltesttype", "0", "1"),
        ("loose-qual",),
    ),
    Mutation(
        "COALESCE proves what its first argument does",
        "qual-true",
        seeing("COALESCEEXPR", lambda node: {"args": node.nodes("args")[:1]}),
        ("qual-coalesce",),
    ),
    Mutation(
        "CASE proves what its first arm does",
        "qual-true",
        seeing("CASEEXPR", lambda node: {"args": node.nodes("args")[:1], "defresult": None}),
        ("qual-case",),
    ),
    Mutation(
        "NOT (x AND y) proves what NOT (x OR y) does",
        "qual-false",
        where("BOOLEXPR", "boolop", "and", "or"),
        ("loose-qual",),
    ),
    Mutation(
        "IS TRUE that is false proves what IS FALSE does",
        "qual-false",
        where("BOOLEANTEST", "booltesttype", "0", "3"),
        ("qual-test",),
    ),
    Mutation(
        "arrays have elements",
        "qual-array-comparison",
        places.arrays_have_elements,
        ("loose-qual",),
    ),
    Mutation(
        "NOT IN and NOT EXISTS found a row",
        "qual-subquery",
        places.not_true_is_true,
        ("qual-none-found",),
    ),
    Mutation(
        "an aggregate's row says that WHERE was true",
        "qual-subquery",
        seeing("SUBLINK", places.without_aggregates),
        ("qual-aggregate",),
    ),
    Mutation(
        "COALESCE that is not NULL has no NULL",
        "qual-not-null",
        seeing("COALESCEEXPR", lambda node: {"args": node.nodes("args")[:1]}),
        ("qual-coalesce",),
    ),
    Mutation(
        "functions that returned something got no NULL",
        "qual-strict",
        places.nothing_is_lax,
        ("qual-lax",),
    ),
    Mutation(
        "a column that is there says that all joins found a row",
        "qual-column",
        places.all_joins_found,
        ("outer-join", "strict-qual"),
    ),
    Mutation(
        "a condition that is not true is false",
        "case-not-true",
        places.any_condition_true,
        ("case",),
    ),
    Mutation(
        "ON of an outer join is a WHERE",
        "join-condition",
        places.on_is_where,
        ("outer-join", "strict-qual"),
    ),
    Mutation(
        "outer joins find a row for their ON",
        "join-always-found",
        answers(True),
        ("outer-join", "strict-qual"),
    ),
    Mutation(
        "volatile functions return the same again",
        "_is_steady",
        answers(True),
        ("volatile",),
        canonical,
    ),
    Mutation("outer joins find a row", "outer-join", answers(NO_JOINS), ("outer-join",)),
    Mutation(
        "a FULL JOIN finds both or none",
        "nulling",
        places.full_join_is_one,
        ("outer-join", "strict-qual"),
        scopes.Scope,
    ),
    Mutation(
        "grouping sets keep all columns",
        "nulling",
        places.groups_keep_columns,
        ("grouping-sets", "group"),
        scopes.Scope,
    ),
    Mutation(
        "subqueries yield no NULL", "subquery-columns", changed(all_not_null), ("subquery-from",)
    ),
    Mutation(
        "VALUES are as in their first row",
        "values",
        seeing("RANGETBLENTRY", lambda node: {"values_lists": node.items("values_lists")[:1]}),
        ("values",),
    ),
    Mutation(
        "JSON_TABLE finds its paths",
        "table-function",
        answers((NOT_NULL,) * 3),
        ("table-function", "function-from"),
    ),
    Mutation(
        "functions of ROWS FROM are of the same length",
        "function-in-from",
        places.shorter_functions,
        ("rows-from", "unnest", "function-from"),
    ),
    Mutation(
        "functions of anybody return no NULL",
        "set-columns",
        places.functions_of_anybody,
        ("function-from",),
    ),
    Mutation(
        "arrays have no NULL in them", "unnest", answers((NOT_NULL,)), ("unnest", "function-from")
    ),
    Mutation(
        "USING shows the left column", "merged-column", places.merged_from_the_left, ("using",)
    ),
    Mutation(
        "a recursive query is as its first rows",
        "recursive-query",
        places.first_rows_only,
        ("recursive",),
    ),
    Mutation("UNION is as its left part", "set-operation", places.left_part_only(1), ("setop",)),
    Mutation("EXCEPT is as either part", "set-operation", places.either_part(3), ("setop",)),
    Mutation("UNION is as either part", "set-operation", places.either_part(1), ("setop",)),
    Mutation("tables have no NULL", "table-column", NEVER_NULL),
    Mutation(
        "constraints that are not validated hold",
        "_NOT_NULL",
        places.without_validation,
        ("loose",),
        facts,
    ),
    Mutation(
        "children have their parent's constraints",
        "not_null",
        places.children_alike,
        ("inherit",),
        facts.Facts,
    ),
    Mutation(
        "rows have no NULL in them",
        "whole-row",
        changed(with_fields),
        ("whole-row", "function-from"),
    ),
)
