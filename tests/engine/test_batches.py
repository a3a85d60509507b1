"""Statements with @batch: what is derived from a read, and what is refused of a write."""

from pathlib import Path
from typing import Final

import pytest

from tests.engine.query_folder import QueryFolder
from tests.engine.typed_project import write_project
from typedsql.statements import parse_statements
from typedsql.tools.batches.reads import is_same, problems, section
from typedsql.tools.batches.statement import quoted
from typedsql.tools.generate import generate
from typedsql.tools.reading.findings import Refused
from typedsql.tools.reading.source import SourceFile

READ: Final = """\
-- name: get_item(kind, user)^
-- @batch
-- @timeout 1.5s
-- An item.
SELECT
    i.id,
    i.note || '
:x is no parameter' AS "text!"

FROM public.items AS i
WHERE
    i.kind = :kind -- by its kind
    AND i."user" = :user;
"""

DERIVED: Final = """\
-- name: get_item__batch(kind, user)
-- get_item for each of many keys, given as arrays of equal length: what calls of it become
-- that are made at the same time. ordinal is the position of a row's key, from 1. OFFSET 0
-- keeps it a look-up for each key, whatever their number.
-- @timeout 1.5s
SELECT
    given.ordinal,
    found.id,
    found."text!"
FROM
    unnest(
        CAST(:kind AS public.kind[]),
        CAST(:user AS TEXT[])
    ) WITH ORDINALITY AS given (kind, "user", ordinal),
    LATERAL (
        SELECT
            i.id,
            i.note || '
:x is no parameter' AS "text!"

        FROM public.items AS i
        WHERE
            i.kind = given.kind -- by its kind
            AND i."user" = given."user"
        ORDER BY given.ordinal ASC
        OFFSET 0
    ) AS found;
"""


def test_a_read_is_derived_for_many_keys(tmp_path: Path) -> None:
    statement = QueryFolder(tmp_path, READ).statement("get_item")
    types = {"kind": "public.kind", "user": "TEXT"}
    text = section(
        statement,
        [types[name] for name in statement.parameters],
        (("id", "int4"), ("text!", "text")),
    )
    assert text == DERIVED
    [derived] = parse_statements(text, "things", "things.sql").values()
    assert is_same(derived, statement)
    # The controls: whatever else it would do is seen.
    for old, new in (
        ("given.kind", "given.user"),
        ('= given."user"', '<> given."user"'),
        ("i.id,\n            i.note", "i.id + 1,\n            i.note"),
        ("LATERAL (", "LATERAL (SELECT 1) AS x, LATERAL ("),
    ):
        assert old in text
        [other] = parse_statements(text.replace(old, new), "things", "things.sql").values()
        assert not is_same(other, statement)


def test_what_limits_itself_is_left_as_it_is(tmp_path: Path) -> None:
    text = "-- name: get_item(id)^\n-- @batch\nSELECT i.id FROM i WHERE i.id > :id LIMIT 1;\n"
    statement = QueryFolder(tmp_path, text).statement("get_item")
    derived = section(statement, ["BIGINT"], (("id", "int8"),))
    assert "OFFSET" not in derived
    [found] = parse_statements(derived, "things", "things.sql").values()
    assert is_same(found, statement)


@pytest.mark.parametrize(
    ("name", "written"), [("id", "id"), ("user", '"user"'), ("Id", '"Id"'), ('a"b', '"a""b"')]
)
def test_names_are_quoted_where_they_have_to_be(name: str, written: str) -> None:
    assert quoted(name) == written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("get_a(id)\n-- @batch\nSELECT 1 WHERE :id = 1", "for a SELECT with the suffix ^ or $"),
        ("do(id)!\n-- @batch\nDELETE FROM a WHERE id = :id", "for a SELECT with the suffix"),
        ("get_a(id)^\n-- @batch\nSELECT id FROM a WHERE id = :id FOR UPDATE", "or locks rows"),
        ("get_a()^\n-- @batch\nSELECT 1", "without parameters"),
        ("get_a(ordinal)^\n-- @batch\nSELECT :ordinal", "needs the name ordinal"),
        ("get_a(id)^\n-- @batch\nSELECT :id FROM a AS given", "needs the name given"),
    ],
)
def test_a_statement_that_nothing_is_derived_from(text: str, told: str) -> None:
    [statement] = parse_statements(f"-- name: {text};\n", "things", "things.sql").values()
    assert told in " ".join(message for message, _ in problems(statement))


@pytest.mark.parametrize(
    ("directive", "told"),
    [
        ("@batch many", "takes nothing, or a statement and the key"),
        ("@batch many by", "takes nothing, or a statement and the key"),
        ("@batch many by a-b", "takes nothing, or a statement and the key"),
        ("@batch many by other", "other in its key, which is no parameter"),
        ("@batch many by id, id", "names id twice"),
    ],
)
def test_a_directive_that_means_nothing(directive: str, told: str) -> None:
    source = SourceFile.of_text(
        "queries/a.sql", f"-- name: do(id)!\n-- {directive}\nDELETE FROM a WHERE id = :id;\n"
    )
    [finding] = source.findings
    assert (finding.rule, finding.line) == ("directive", 2)
    assert told in finding.message


SCHEMA: Final = """
CREATE TYPE public.point AS (x INTEGER, y INTEGER);
CREATE TABLE public.items (
    id INTEGER PRIMARY KEY, price NUMERIC NOT NULL, tags TEXT[], at public.point, doc JSONB
);
"""
MANY: Final = """
-- name: {name}(id, price)
-- @returns {row}
{text};
"""
GIVEN: Final = "unnest(CAST(:id AS INTEGER[]), CAST(:price AS {kind}[])) WITH ORDINALITY"
WRITE: Final = (
    """
WITH given AS (SELECT g.id, g.price, g.ordinal FROM """
    + GIVEN
    + """ AS g (id, price, ordinal)),
written AS (
    INSERT INTO public.items AS t (id, price)
    SELECT g.id, g.price FROM given AS g {order}
    RETURNING t.id
)
SELECT {columns} FROM written AS w INNER JOIN given AS g ON w.id = g.id
"""
)


def many(name: str, row: str, *, kind: str = "NUMERIC", order: str = "", columns: str) -> str:
    text = WRITE.format(kind=kind, order=order, columns=columns)
    return MANY.format(name=name, row=row, text=text)


ORDER: Final = "ORDER BY g.id ASC"
SINGLE: Final = "INSERT INTO public.items AS t (id, price) VALUES (:id, :price)"
QUERIES: Final = (
    f"""\
-- name: insert(id, price)!
-- @batch insert_unordered by id
{SINGLE};

-- name: insert_it(id, price)<!
-- @batch insert_other by id
{SINGLE} RETURNING t.price;

-- name: insert_wrong(id, price)!
-- @batch insert_wrong_type by id
{SINGLE};

-- name: insert_none(id, price)!
-- @batch nothing by id
{SINGLE};

-- name: insert_few(id)!
-- @batch insert_unordered by id
DELETE FROM public.items AS t WHERE t.id = :id;

-- name: get_many(id, price)^
-- @batch insert_unordered by id
SELECT t.id FROM public.items AS t WHERE t.id = :id AND t.price = :price;

-- name: get_tagged(id, tags)^
-- @batch
SELECT t.id FROM public.items AS t WHERE t.id = :id AND t.tags = :tags;

-- name: get_at(id, place)^
-- @batch
SELECT t.id FROM public.items AS t WHERE t.id = :id AND t.at = CAST(:place AS public.point);

-- name: get_optional(id, price)^
-- @batch
-- @optional price
SELECT t.id FROM public.items AS t WHERE t.id = :id AND t.price = :price;

-- name: get_locked(id)^
-- @batch
SELECT pg_advisory_xact_lock(t.id) AS locked FROM public.items AS t WHERE t.id = :id;
"""
    + many("insert_unordered", "A", columns="g.ordinal, CAST(1 AS BIGINT) AS affected")
    + many("insert_other", "B", order=ORDER, columns="g.ordinal, g.id")
    + many("insert_wrong_type", "C", kind="REAL", order=ORDER, columns="g.id AS ordinal, g.price")
)


async def test_everything_that_is_refused_is_told_at_once(tmp_path: Path) -> None:
    root = write_project(tmp_path, "batched", SCHEMA, {"items": QUERIES})
    with pytest.raises(Refused) as refused:
        await generate(root, check=False)
    told = [f"{item.line}:{item.column} {item.message}" for item in refused.value.findings]
    assert {item.rule for item in refused.value.findings} == {"batch"}
    unordered = "insert_unordered does not write its rows in an order, so two of them may deadlock"
    assert told == [
        f"2:4 {unordered}",
        "6:4 insert_other returns (ordinal int8, id int4), not (ordinal int8, price numeric)",
        "10:4 parameter price of insert_wrong_type has type float4[], not numeric[]",
        "10:4 insert_wrong_type returns (ordinal int4, price float4), "
        "not (ordinal int8, affected int8)",
        "14:4 @batch names nothing, and there is no such statement in this file",
        "18:4 insert_unordered does not have the same parameters: price",
        "22:4 @batch names insert_unordered, and that is for a write with the suffix ! or <!",
        "26:4 parameter tags has type text[], of which unnest makes no column",
        "30:4 parameter place has type point, of which unnest makes no column",
        "34:4 @batch stands beside @optional or @order_by",
        "39:4 @batch on a read that calls what may write or lock",
    ]
    shown = str(refused.value.findings[0])
    assert shown.endswith("\n    -- @batch insert_unordered by id\n       ^")
