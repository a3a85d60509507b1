"""Broken rules about groups, windows and rows that are written."""

from tests.proof import broken_places as places
from tests.proof.broken import NEVER_NULL, answers, of_part, seeing_fields
from tests.proof.mutation import Mutation
from typedsql.tools.proof.nullability import aggregates, facts, written
from typedsql.tools.proof.nullability.evaluation import EXPRESSIONS
from typedsql.tools.proof.nullability.values import all_of

MUTATIONS = (
    Mutation(
        "aggregates disregard their arguments",
        "aggregate-of-values",
        NEVER_NULL,
        ("group", "aggregate"),
    ),
    Mutation(
        "there are rows without GROUP BY",
        "grouping",
        answers(True),
        ("ungrouped", "group", "aggregate"),
    ),
    Mutation(
        "grouping sets have rows",
        "grouping",
        places.sets_have_rows,
        ("grouping-sets", "group", "aggregate"),
    ),
    Mutation(
        "FILTER leaves rows",
        "AGGREF",
        seeing_fields("AGGREF", aggfilter=None),
        ("filter", "group", "aggregate"),
        EXPRESSIONS,
    ),
    Mutation(
        "one value has a deviation",
        "AGGREGATES_OF_VALUES",
        places.with_deviations,
        ("spread", "group"),
        aggregates,
    ),
    Mutation(
        "lag and lead find a row",
        "window-neighbour",
        lambda _: lambda values: all_of(values[:1]),
        ("window", "lag"),
    ),
    Mutation(
        "frames have a first row",
        "window-edge",
        lambda _: lambda node, values, scope: all_of(values),
        ("window", "frame", "first"),
    ),
    Mutation(
        "FILTER leaves rows in a frame",
        "window-aggregate",
        seeing_fields("WINDOWFUNC", aggfilter=None),
        ("window", "window-aggregate"),
    ),
    Mutation(
        "frames have rows",
        "window-frame",
        answers(True),
        ("window", "frame", "window-aggregate", "first"),
    ),
    Mutation(
        "EXCLUDE leaves the current row",
        "_EXCLUDED",
        lambda _: 0,
        ("window", "frame", "window-aggregate", "first"),
        aggregates,
    ),
    Mutation(
        "nth_value finds its row",
        "WINDOWFUNC",
        places.nth_is_there,
        ("window", "first"),
        EXPRESSIONS,
    ),
    Mutation(
        "there is an old row and a new one",
        "has",
        answers(True),
        ("dml", "insert", "delete"),
        written.Written,
    ),
    Mutation("old rows have no NULL", "returning-old", NEVER_NULL, ("dml", "update", "delete")),
    Mutation(
        "new rows are as the old ones",
        "returning-new",
        places.unchanged,
        ("dml", "update", "strict-qual"),
    ),
    Mutation("new rows have no NULL", "returning-new", NEVER_NULL, ("dml", "update", "insert")),
    Mutation(
        "triggers change nothing",
        "trigger",
        answers(False),
        ("dml", "trigger", "insert", "assigned"),
    ),
    Mutation(
        "partitions have no triggers of their own",
        "changes_rows",
        places.partitions_without_triggers,
        ("dml", "inherit", "insert", "assigned"),
        facts.Facts,
    ),
    Mutation(
        "WHERE holds after the change",
        "returning",
        places.where_holds_after,
        ("dml", "update", "strict-qual"),
    ),
    Mutation(
        "MERGE has a source row", "merge-action", places.source_always_there, ("dml", "merge")
    ),
    Mutation("MERGE has matched", "merge-action", places.always_matched, ("dml", "merge")),
    Mutation(
        "EXCLUDED has no NULL",
        "excluded",
        NEVER_NULL,
        ("dml", "insert", "conflict", "assigned"),
    ),
    Mutation(
        "views have an old row and a new one",
        "returning-expression",
        of_part("retexpr"),
        ("dml", "view", "insert", "old-new"),
    ),
)
