"""Which functions can return NULL, and for what.

Operators count as the functions behind them. Only PostgreSQL's own are known: of what
others wrote nothing follows, also if it is declared STRICT.
"""

from typing import Final

from typedsql.tools.proof.nullability.facts import Facts
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.total_functions import EXCEPTED, TOTAL

# They take NULL for a value like any other, unless a whole array of arguments is NULL.
_NEVER_NULL: Final = frozenset(
    [
        "array_append",
        "array_prepend",
        "concat",
        "json_build_array",
        "json_build_object",
        "jsonb_build_array",
        "jsonb_build_object",
        "num_nonnulls",
        "num_nulls",
        "quote_nullable",
        "enum_first",
        "enum_last",
        "enum_range",
        "daterange",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "pg_typeof",
    ]
)
# NULL where the first argument is, whatever the others are.
_FIRST_DECIDES: Final = frozenset(
    ["array_positions", "array_remove", "array_replace", "concat_ws", "format", "string_to_array"]
)
# NULL only where both are.
_EITHER: Final = frozenset({"array_cat"})

# Of an infinite time these are infinite, and the others NULL (NonFiniteTimestampTzPart in
# src/backend/utils/adt/timestamp.c); for intervals NonFiniteIntervalPart.
_INFINITE_PARTS: Final = frozenset(
    ["epoch", "julian", "year", "isoyear", "decade", "century", "millennium"]
)
_INFINITE_INTERVAL_PARTS: Final = frozenset(
    ["epoch", "hour", "day", "year", "decade", "century", "millennium"]
)
_PARTS: Final = frozenset({"extract", "date_part"})

ALWAYS: Final = "always"
ALL: Final = "all"
FIRST: Final = "first"
ANY: Final = "any"
NOTHING: Final = "nothing"


@rule("function-listed")
def needs(facts: Facts, oid: int, *, spread: bool) -> str:
    """Which arguments must not be NULL for a function's result not to be.

    `spread` is the VARIADIC call of one array. NOTHING is known of a function not listed.
    """
    function = facts.function(oid)
    name = function.name
    if name is None:
        return NOTHING
    if spread and name in _NEVER_NULL:
        return ALL
    if name in _NEVER_NULL:
        return ALWAYS
    if name in _FIRST_DECIDES and not spread:
        return FIRST
    if name in _EITHER:
        return ANY
    if name in TOTAL:
        excepted = f"{name}(*)" in EXCEPTED or facts.signature(oid) in EXCEPTED
        return NOTHING if excepted else ALL
    return NOTHING


@rule("function-part-of-time")
def part_is_total(facts: Facts, oid: int, part: str | None) -> bool:
    """Whether extract() or date_part() of a known field is never NULL."""
    function = facts.function(oid)
    if function.name not in _PARTS:
        return False
    signature = facts.signature(oid)
    if signature.endswith((",time)", ",timetz)")):
        return True
    if part is None:
        return False
    parts = _INFINITE_INTERVAL_PARTS if signature.endswith(",interval)") else _INFINITE_PARTS
    return part in parts


# Functions that return sets: which of their columns are never NULL in any row.
_ROWS: Final = {
    "generate_series": (True,),
    "generate_subscripts": (True,),
    "regexp_split_to_table": (True,),
    "regexp_matches": (True,),
    "string_to_table(text,text)": (True,),
    "json_object_keys": (True,),
    "jsonb_object_keys": (True,),
    "json_array_elements": (True,),
    "jsonb_array_elements": (True,),
    "jsonb_path_query": (True,),
    "json_each": (True, True),
    "jsonb_each": (True, True),
    "json_each_text": (True, False),
    "jsonb_each_text": (True, False),
    "unnest(anymultirange)": (True,),
}


@rule("rows-of-function")
def row_columns(facts: Facts, oid: int) -> tuple[bool, ...]:
    """For each column of a set-returning function whether it is never NULL; () if unknown."""
    function = facts.function(oid)
    if function.name is None or not function.returns_set:
        return ()
    return _ROWS.get(function.name) or _ROWS.get(facts.signature(oid)) or ()


def is_unnest(facts: Facts, oid: int) -> bool:
    """Whether it is unnest() of an array."""
    return facts.signature(oid) == "unnest(anyarray)"


# Not NULL whatever the rows are, also where there are none.
AGGREGATES_ALWAYS: Final = frozenset({"count", "regr_count"})
# Of rows that are not none, whatever they hold.
AGGREGATES_OF_ROWS: Final = frozenset(
    ["array_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg"]
)
# Of values that are not none.
AGGREGATES_OF_VALUES: Final = frozenset(
    [
        "any_value",
        "avg",
        "bit_and",
        "bit_or",
        "bit_xor",
        "bool_and",
        "bool_or",
        "every",
        "max",
        "min",
        "stddev_pop",
        "string_agg",
        "sum",
        "var_pop",
        "range_agg",
        "range_intersect_agg",
        "covar_pop",
        "regr_avgx",
        "regr_avgy",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "percentile_cont",
        "percentile_disc",
        "mode",
    ]
)
# Where a row that is not there would stand.
HYPOTHETICAL: Final = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist"})

WINDOWS_ALWAYS: Final = frozenset({"row_number", "rank", "dense_rank", "percent_rank", "cume_dist"})
