"""What the fuzzer writes over groups and windows; the holes are those of templates.py."""

from typing import Final

AGGREGATES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "int": (
        ("count", "count(*)<F>::int"),
        ("count", "count(<text>)<F>::int"),
        ("count", "count(DISTINCT <int>)<F>::int"),
        ("aggregate", "max(<int>)<F>"),
        ("aggregate", "min(<int>)<F>"),
        ("aggregate", "sum(<int>)<F>::int"),
        ("aggregate", "any_value(<int>)<F>"),
        ("aggregate", "bit_or(<int>)<F>"),
        ("aggregate", "latest(<int>)<F>"),
        ("aggregate", "regr_count(<f8>, <f8>)<F>::int"),
        ("ordered-set", "percentile_disc(0.5) WITHIN GROUP (ORDER BY <int>)<F>"),
        ("ordered-set", "mode() WITHIN GROUP (ORDER BY <int>)<F>"),
        ("ordered-set", "rank(1) WITHIN GROUP (ORDER BY <int>)<F>::int"),
    ),
    "num": (
        ("aggregate", "sum(<num>)<F>"),
        ("aggregate", "avg(<int>)<F>"),
        ("aggregate", "max(<num>)<F>"),
        ("spread", "stddev(<int>)<F>"),
        ("spread", "var_pop(<int>)<F>"),
        ("spread", "variance(<num>)<F>"),
    ),
    "f8": (
        ("aggregate", "avg(<f8>)<F>"),
        ("spread", "corr(<f8>, <f8>)<F>"),
        ("spread", "covar_pop(<f8>, <f8>)<F>"),
        ("spread", "stddev_samp(<f8>)<F>"),
        ("ordered-set", "percentile_cont(0.5) WITHIN GROUP (ORDER BY <f8>)<F>"),
        ("ordered-set", "cume_dist(1) WITHIN GROUP (ORDER BY <int>)<F>"),
    ),
    "text": (
        ("aggregate", "max(<text>)<F>"),
        ("aggregate", "string_agg(<text>, ',')<F>"),
        ("aggregate", "string_agg(<text>, <text> ORDER BY <int>)<F>"),
        ("ordered-set", "mode() WITHIN GROUP (ORDER BY <text>)<F>"),
    ),
    "bool": (
        ("aggregate", "bool_and(<bool>)<F>"),
        ("aggregate", "every(<bool>)<F>"),
        ("aggregate", "bool_or(<bool>)<F>"),
    ),
    "ints": (
        ("aggregate", "array_agg(<int>)<F>"),
        ("aggregate", "array_agg(DISTINCT <int>)<F>"),
        ("ordered-set", "percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY <int>)<F>"),
    ),
    "texts": (("aggregate", "array_agg(<text> ORDER BY <int>)<F>"),),
    "json": (
        ("aggregate", "jsonb_agg(<int>)<F>"),
        ("aggregate", "jsonb_object_agg('k', <int>)<F>"),
        ("aggregate", "jsonb_agg_strict(<int>)<F>"),
        ("aggregate", "json_arrayagg(<int> RETURNING jsonb)<F>"),
    ),
    "ts": (("aggregate", "max(<ts>)<F>"), ("aggregate", "min(<ts>)<F>")),
    "date": (("aggregate", "min(<date>)<F>"),),
    "iv": (("aggregate", "max(<iv>)<F>"),),
    "mood": (("aggregate", "max(<mood>)<F>"),),
    "range": (("aggregate", "range_intersect_agg(<range>)<F>"),),
}
"""`<F>` may become a FILTER."""

WINDOWS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "int": (
        ("rank", "(row_number() OVER <W>)::int"),
        ("rank", "(rank() OVER <W>)::int"),
        ("rank", "(dense_rank() OVER <W>)::int"),
        ("ntile", "ntile(2) OVER <W>"),
        ("ntile", "ntile(nullif(<int>, <int>)) OVER <W>"),
        ("count", "(count(*)<F> OVER <W>)::int"),
        ("count", "(count(<text>) OVER <W>)::int"),
    ),
    "f8": (("rank", "percent_rank() OVER <W>"), ("rank", "cume_dist() OVER <W>")),
}

WINDOWS_OF_ANY: Final = (
    ("lag", "lag(<K>) OVER <W>"),
    ("lag", "lead(<K>) OVER <W>"),
    ("lag", "lag(<K>, 1, <K>) OVER <W>"),
    ("lag", "lead(<K>, 2, <K=>) OVER <W>"),
    ("lag", "lag(<K>, <int>, <K=>) OVER <W>"),
    ("lag", "lag(<K>, 0) OVER <W>"),
    ("first", "first_value(<K>) OVER <W>"),
    ("first", "last_value(<K>) OVER <W>"),
    ("first", "nth_value(<K>, 1) OVER <W>"),
    ("first", "nth_value(<K>, 2) OVER <W>"),
)

FRAMES: Final = (
    "",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING",
    "ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
    "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
    "ROWS BETWEEN CURRENT ROW AND CURRENT ROW",
    "GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE GROUP",
    "GROUPS BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE TIES",
    "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES",
)
