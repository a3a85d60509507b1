"""Every function that is said never to return NULL is called with values that may make it."""

import itertools
import random

import asyncpg
import pytest
import pytest_asyncio

from tests.proof.nasty_values import STANDING_FOR, VALUES
from typedsql.tools.proof.nullability import functions
from typedsql.tools.proof.nullability.facts import Facts

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_CALLS = 80
"""Of one function, chosen at random from all combinations of values."""

# They change the session or the database, or need what is not there.
_NOT_CALLED = {"nextval", "setval", "currval", "lastval", "set_config", "pg_typeof"}
_TRY = """
CREATE FUNCTION pg_temp.outcome(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE missing boolean;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text IS NULL' INTO missing;
    RETURN CASE WHEN missing THEN 'null' ELSE 'value' END;
EXCEPTION WHEN OTHERS THEN RETURN 'error';
END $$;
CREATE TYPE pg_temp.level AS ENUM ('low', 'high');
CREATE TYPE pg_temp.two AS (a int, b int);
SET search_path = pg_temp, pg_catalog;
SET client_min_messages = error;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calling(bare: "asyncpg.Connection") -> "asyncpg.Connection":
    await bare.execute(_TRY)
    return bare


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def facts(calling: "asyncpg.Connection") -> Facts:
    return await Facts.load(calling)


def _literal(kind: str, value: str | None) -> str:
    written = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
    return f"CAST({written} AS {STANDING_FOR.get(kind, kind)})"


def _calls(facts: Facts, oid: int, *, null_from: int | None = None) -> list[str]:
    """Calls of a function; arguments from `null_from` on may be NULL."""
    function = facts.function(oid)
    kinds = [facts.types.get(word, "?") for word in function.arguments.split()]
    if any(kind not in VALUES for kind in kinds):
        return []
    choices = [
        [_literal(kind, value) for value in VALUES[kind]]
        + ([_literal(kind, None)] if null_from is not None and index >= null_from else [])
        for index, kind in enumerate(kinds)
    ]
    every = list(itertools.islice(itertools.product(*choices), 20_000))
    chosen = random.Random(oid).sample(every, min(MOST_CALLS, len(every)))
    return [f'pg_catalog."{function.name}"({", ".join(call)})' for call in chosen]


async def _null_calls(connection: "asyncpg.Connection", calls: list[str]) -> tuple[list[str], int]:
    rows = await connection.fetch(
        "SELECT e, pg_temp.outcome(e) AS outcome FROM unnest($1::text[]) AS e", calls
    )
    nulls = [row["e"] for row in rows if row["outcome"] == "null"]
    return nulls, sum(row["outcome"] == "value" for row in rows)


def _listed(facts: Facts, needed: str) -> list[int]:
    return [
        oid
        for oid, function in facts.functions.items()
        if function.name is not None
        and not function.returns_set
        and function.name not in _NOT_CALLED
        and functions.needs(facts, oid, spread=False) == needed
    ]


@pytest.mark.parametrize("part", range(4))
async def test_listed_functions_return_no_null(
    calling: "asyncpg.Connection", facts: Facts, part: int
) -> None:
    wrong: list[str] = []
    tried = 0
    listed = _listed(facts, functions.ALL)[part::4]
    for oid in listed:
        nulls, values = await _null_calls(calling, _calls(facts, oid))
        wrong.extend(nulls[:1])
        tried += values > 0

    assert wrong == []
    # Aggregates of these names, and functions of types that no value is known of, are not.
    assert tried > 0.8 * len(listed)


async def test_the_others_take_null(calling: "asyncpg.Connection", facts: Facts) -> None:
    wrong: list[str] = []
    for needed, null_from in ((functions.ALWAYS, 0), (functions.FIRST, 1)):
        for oid in _listed(facts, needed):
            nulls, _ = await _null_calls(calling, _calls(facts, oid, null_from=null_from))
            wrong.extend(nulls[:1])
    calls = [
        "concat(NULL, NULL)",
        "concat_ws(',', NULL, 1)",
        "format('%s', NULL)",
        "num_nulls(NULL)",
        "jsonb_build_object('a', NULL)",
        "json_build_array(NULL, 1)",
        "enum_range(NULL::level)",
        "enum_range(NULL, 'low'::level)",
        "array_cat('{1}'::int[], NULL)",
        "array_cat(NULL, '{1}'::int[])",
        "quote_nullable(NULL)",
    ]
    nulls, values = await _null_calls(calling, calls)

    assert wrong == []
    assert nulls == []
    assert values == len(calls)


async def test_parts_of_infinite_times(calling: "asyncpg.Connection", facts: Facts) -> None:
    wrong: list[str] = []
    parts = [
        "epoch",
        "julian",
        "year",
        "isoyear",
        "decade",
        "century",
        "millennium",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "dow",
        "isodow",
        "doy",
        "minute",
        "second",
        "milliseconds",
        "microseconds",
        "timezone",
        "timezone_hour",
    ]
    believed = 0
    for oid, function in facts.functions.items():
        if function.name not in ("extract", "date_part"):
            continue
        kind = facts.types[function.arguments.split()[1]]
        for part in parts:
            if not functions.part_is_total(facts, oid, part):
                continue
            calls = [
                f"pg_catalog.\"{function.name}\"('{part}', {_literal(kind, value)})"
                for value in VALUES[kind]
            ]
            nulls, values = await _null_calls(calling, calls)
            wrong.extend(nulls[:1])
            believed += values > 0

    assert wrong == []
    assert believed > 30


async def test_a_function_that_does_not_belong_is_found(
    calling: "asyncpg.Connection", facts: Facts
) -> None:
    # The control: of functions that are excepted, the calls above do find a NULL.
    found = set()
    for oid, function in facts.functions.items():
        if function.name in ("scale", "array_length", "to_char", "path_distance", "lower"):
            nulls, _ = await _null_calls(calling, _calls(facts, oid))
            if nulls:
                found.add(facts.signature(oid))

    assert {
        "scale(numeric)",
        "array_length(anyarray,int4)",
        "to_char(timestamptz,text)",
        "path_distance(path,path)",
        "lower(anyrange)",
    } <= found


async def test_every_name_is_one_of_postgresql(facts: Facts) -> None:
    known = {function.name for function in facts.functions.values()}

    assert functions.TOTAL - known == set()
