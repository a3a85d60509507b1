"""Enums and CHECK constraints that list texts become Literals; others never do."""

from typing import get_args

import asyncpg
import pytest

from tests.engine.typed_project import generated, write_project
from typedsql.settings import ConnectionTarget
from typedsql.tools.config import Declaration
from typedsql.tools.rows.catalog import read_catalog
from typedsql.tools.rows.fields import ShapeRefused
from typedsql.tools.rows.labels import labels_of_check
from typedsql.tools.rows.shapes import Shapes

COLUMNS = [
    ("TEXT CHECK ({c} IN ('x', 'y'))", ("x", "y")),
    ("VARCHAR(5) CHECK ({c} = ANY (ARRAY['p', 'q']))", ("p", "q")),
    ("TEXT CHECK ({c} = 'one' OR {c} = 'two')", ("one", "two")),
    ("TEXT CHECK ({c} = 'only')", ("only",)),
    ("TEXT CHECK ({c} IN ('a', 'b') OR {c} IS NULL)", ("a", "b")),
    ("TEXT CHECK ({c} IN ('a', 'b') AND length({c}) = 1)", ("a", "b")),
    ("TEXT CHECK ({c} IN ('a', 'b')) CHECK ({c} IN ('b', 'c'))", ("b",)),
    ("TEXT CHECK ({c} IN ('', 'it''s', 'q\"', E'tab\\t', 'ü'))", ("", "it's", 'q"', "tab\t", "ü")),
    ("public.side", ()),
    # Each of these lets other texts in, or is about something else.
    ("TEXT CHECK ({c} IN ('a', NULL))", ()),
    ("TEXT CHECK ({c} IN ('a', 'b') OR length({c}) = 1)", ()),
    ("TEXT CHECK (lower({c}) IN ('a', 'b'))", ()),
    ("TEXT CHECK ({c} NOT IN ('a', 'b'))", ()),
    ("TEXT CHECK ({c} <> 'a')", ()),
    ("TEXT CHECK ({c} > 'a')", ()),
    ("TEXT CHECK ({c} = ALL (ARRAY['a', 'b']))", ()),
    ("TEXT CHECK (left({c}, 1) = 'a')", ()),
    ("TEXT CHECK (CAST({c} AS VARCHAR(1)) = 'a')", ()),
    ("TEXT CHECK ({c} IS NULL)", ()),
    ("CHAR(3) CHECK ({c} IN ('abc', 'b'))", ()),
    ("INTEGER CHECK ({c} IN (1, 2))", ()),
    ("TEXT COLLATE public.any_case CHECK ({c} IN ('a', 'b'))", ()),
    ("TEXT CHECK ({c} OPERATOR(public.=) 'a')", ()),
]


async def columns_of(target: ConnectionTarget, setup: str = "") -> list[tuple[str, ...]]:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        listed = ", ".join(
            f"c{number} {text.format(c=f'c{number}')}" for number, (text, _) in enumerate(COLUMNS)
        )
        await connection.execute(
            "CREATE DOMAIN public.side AS TEXT CHECK (VALUE IN ('bid', 'ask'));"
            # Made by hand: where the server has no ICU it makes none that is not deterministic.
            'CREATE COLLATION public.any_case FROM "C";'
            "UPDATE pg_catalog.pg_collation SET collisdeterministic = FALSE "
            "WHERE collname = 'any_case';"
            "CREATE FUNCTION public.alike(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql "
            "RETURN lower($1) OPERATOR(pg_catalog.=) lower($2);"
            "CREATE OPERATOR public.= (leftarg = TEXT, rightarg = TEXT, function = public.alike);"
            f"CREATE TABLE public.listed ({listed}, other TEXT CHECK (c0 IN ('a') OR other = 'b'));"
            + setup
        )
        catalog = await read_catalog(connection, ["public"])
    finally:
        await connection.close()
    return [column.labels for column in catalog.tables["public.listed"].columns]


async def test_only_a_list_of_texts_for_one_column_counts(empty_database: ConnectionTarget) -> None:
    found = await columns_of(empty_database)
    assert found == [*(labels for _, labels in COLUMNS), ()]


@pytest.mark.parametrize("how", ["NOT VALID", "NOT ENFORCED", "NO INHERIT", "rules"])
async def test_a_constraint_that_not_all_rows_keep_says_nothing(
    empty_database: ConnectionTarget, how: str
) -> None:
    text = "" if how == "rules" else "ALTER TABLE public.listed DROP CONSTRAINT listed_c0_check; "
    if how == "rules":
        text = "CREATE RULE odd AS ON INSERT TO public.listed DO INSTEAD SELECT 'z'::TEXT AS c0;"
    else:
        text += f"ALTER TABLE public.listed ADD CHECK (c0 IN ('x', 'y')) {how};"
        text += "CREATE TABLE public.child () INHERITS (public.listed);"
    assert (await columns_of(empty_database, text))[0] == ()


@pytest.mark.parametrize(
    ("expressions", "labels"),
    [
        (["(VALUE = ANY (ARRAY['a'::text, 'b'::text]))"], ("a", "b")),
        (["(VALUE IS NOT NULL)", "(VALUE = 'a'::text)"], ("a",)),
        (["(VALUE ~ 'a'::text)"], None),
        ([], None),
        (["((VALUE = 'a'::text) OR (VALUE = 'b'::text)) AND (VALUE = 'b'::text)"], ("b",)),
        (["(VALUE = 'a'::text) AND (VALUE = 'b'::text)"], ()),
    ],
)
def test_domains_call_their_value_by_its_keyword(
    expressions: list[str], labels: tuple[str, ...] | None
) -> None:
    assert labels_of_check(expressions, "value") == labels


SCHEMA = """
CREATE TYPE public.order_side AS ENUM ('bid', 'ask');
ALTER TYPE public.order_side ADD VALUE 'none' BEFORE 'ask';
COMMENT ON TYPE public.order_side IS 'Which way.';
CREATE DOMAIN public.unit AS TEXT CHECK (VALUE IN ('eth', 'btc'));
CREATE TABLE public.zones (
    id INTEGER PRIMARY KEY,
    side public.order_side NOT NULL,
    sides public.order_side[] NOT NULL,
    kind TEXT CHECK (kind IN ('low', 'high')),
    state TEXT NOT NULL CHECK (state IN ('a very long label to wrap', 'another very long label',
        'and yet another very long label')),
    unit public.unit NOT NULL
);
"""
QUERIES = """
-- name: insert(id, side, sides, kind, state, unit)<!
-- @one
INSERT INTO public.zones AS z (id, side, sides, kind, state, unit)
VALUES (:id, :side, :sides, :kind, :state, :unit)
RETURNING z.id, z.side, z.sides, z.kind, z.state, z.unit;

-- name: list_kinds()
SELECT z.kind, z.unit, z.state AS other, lower(z.kind) AS computed FROM public.zones AS z LIMIT 9;
"""


async def test_columns_parameters_and_arrays_get_the_literal(
    tmp_path: "pytest.TempPathFactory", empty_database: ConnectionTarget
) -> None:
    root = write_project(
        tmp_path / "zones",  # type: ignore[operator]
        "literal_zones",
        SCHEMA,
        {"zones": QUERIES},
        '[tool.typedsql.rows]\nzones = "Zone"\n"public.zones.state" = "State"\n',
    )
    async with generated(root, "literal_zones", empty_database) as made:
        rows, zones = made.rows, made.queries("zones")
        assert get_args(rows.OrderSide) == ("bid", "none", "ask")
        assert get_args(rows.ZoneKind) == ("low", "high")
        assert get_args(rows.Unit) == ("eth", "btc")
        assert len(get_args(rows.State)) == 3
        assert rows.Zone.__annotations__ == {
            "id": int,
            "side": rows.OrderSide,
            "sides": list[rows.OrderSide | None],
            "kind": rows.ZoneKind | None,
            "state": rows.State,
            "unit": rows.Unit,
        }
        kinds = rows.ZoneKinds.__annotations__
        assert kinds["unit"] == rows.Unit
        assert kinds["computed"] == str | None
        parameters = zones.insert.__annotations__
        assert parameters["side"] == rows.OrderSide
        assert parameters["kind"] == rows.ZoneKind | None
        assert parameters["unit"] == rows.Unit
        given = {
            "id": 1,
            "side": "ask",
            "sides": ["bid", None],
            "kind": None,
            "state": "another very long label",
            "unit": "eth",
        }
        assert await zones.insert(made.db, **given) == rows.Zone(**given)


async def test_names_that_clash_are_refused(empty_database: ConnectionTarget) -> None:
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute(
            "CREATE TYPE public.zone_side AS ENUM ('a');"
            "CREATE TABLE public.zone (side TEXT CHECK (side IN ('a')));"
        )
        catalog = await read_catalog(connection, ["public"])
    finally:
        await connection.close()
    with pytest.raises(ShapeRefused, match=r"would both be ZoneSide; name one") as caught:
        Shapes(catalog, Declaration(package="p"))
    assert caught.value.rule == "name"
    Shapes(catalog, Declaration(package="p", rows={"public.zone.side": "Side"}))
