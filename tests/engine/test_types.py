"""Types that have no Python form are refused with what to write; documents are declared."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.engine.typed_project import generated, write_project
from typedsql import codecs
from typedsql.errors import DataError
from typedsql.settings import ConnectionTarget
from typedsql.tools.config import Declaration
from typedsql.tools.rows.catalog import Catalog, read_catalog
from typedsql.tools.rows.documents import declared_type, refused_type
from typedsql.tools.rows.fields import ResultColumn, ShapeRefused
from typedsql.tools.rows.shapes import Shapes
from typedsql.tools.rows.types import refused_by_driver

SCHEMA = """
CREATE SCHEMA elsewhere;
CREATE DOMAIN public.amount AS NUMERIC;
CREATE DOMAIN public.count AS INTEGER;
CREATE TYPE public.price AS (amount NUMERIC, currency TEXT);
CREATE TYPE public.prices AS (all_of_them public.price[]);
CREATE TYPE public.machine AS (address MACADDR);
CREATE TYPE public.odd AS ("class" INTEGER);
CREATE TYPE elsewhere.mood AS ENUM ('sad');
CREATE TYPE elsewhere.pair AS (a INTEGER, b INTEGER);
CREATE TYPE public.float_range AS RANGE (subtype = float8);
CREATE TYPE public.tag;
CREATE FUNCTION public.tag_in(CSTRING) RETURNS public.tag LANGUAGE internal STRICT IMMUTABLE
    AS 'textin';
CREATE FUNCTION public.tag_out(public.tag) RETURNS CSTRING LANGUAGE internal STRICT IMMUTABLE
    AS 'textout';
CREATE TYPE public.tag (input = public.tag_in, output = public.tag_out, like = TEXT);
CREATE TYPE public.tagged AS (tag public.tag);
CREATE TABLE public.things (id INTEGER PRIMARY KEY, place POINT);
"""


class Lab:
    def __init__(self, connection: Any, catalog: Catalog) -> None:
        self.connection = connection
        self.catalog = catalog
        self.shapes = Shapes(catalog, Declaration(package="p"))

    async def result(self, expression: str) -> str:
        prepared = await self.connection.prepare(f"SELECT {expression} AS it")
        (item,) = prepared.get_attributes()
        column = ResultColumn(name="it", oid=item.type.oid, nullable=False)
        return self.shapes.field(column, "a.b").annotation

    async def parameter(self, kind: str) -> str:
        prepared = await self.connection.prepare(f"SELECT CAST($1 AS {kind}) AS it")
        (item,) = prepared.get_parameters()
        return self.shapes.parameter("given", item.oid, nullable=False).annotation


@pytest_asyncio.fixture
async def lab(empty_database: ConnectionTarget) -> AsyncGenerator[Lab, None]:
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute(SCHEMA)
        yield Lab(connection, await read_catalog(connection, ["public"]))
    finally:
        await connection.close()


REFUSED = {
    "CAST(1 AS MONEY)": "cast it to numeric",
    "CAST('1:00' AS TIMETZ)": "cast it to text",
    "B'1'": "cast it to text",
    "point(1, 2)": "p[0] and p[1]",
    "box(point(1, 2), point(3, 4))": "cast it to text",
    "row(1, 2)": "cast the row to a composite type",
    "numrange(1, 2)": "select lower(value) and upper(value)",
    "nummultirange()": "select lower(value) and upper(value)",
    "ARRAY[numrange(1, 2)]": "bounds are of a type that is numeric",
    "CAST(row(1, '') AS public.price)": "whose member amount is numeric",
    "CAST(row(NULL) AS public.prices)": "whose member all_of_them has type public.price",
    "CAST(row(1) AS public.odd)": "ones that Python can use",
    "CAST(row(1, 2) AS elsewhere.pair)": "add elsewhere to schemas",
    "CAST(NULL AS public.things)": 'nested by their names: AS "things.column"',
    "ARRAY[int4multirange()]": "cannot tell from an array of two dimensions",
    "pg_current_snapshot()": "cast it to text",
}


@pytest.mark.parametrize("expression", REFUSED)
async def test_what_cannot_be_typed_says_what_to_write(lab: Lab, expression: str) -> None:
    with pytest.raises(ShapeRefused) as caught:
        await lab.result(expression)
    assert str(caught.value).startswith("column it has type ")
    assert REFUSED[expression] in str(caught.value)
    assert (caught.value.rule, caught.value.column) == ("type", 0)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("NUMRANGE", "numrange(:lower, :upper)"),
        ("public.float_range", "float_range(:lower, :upper)"),
        ("public.price", "CAST(ROW(:a, :b) AS public.price)"),
        ("public.count[]", "take an array of int4 and cast it to public.count[]"),
        ("INT4MULTIRANGE[]", "use single multiranges"),
        ("MONEY", "cast it to numeric"),
    ],
)
async def test_parameters_as_well(lab: Lab, kind: str, told: str) -> None:
    with pytest.raises(ShapeRefused, match="parameter given has type") as caught:
        await lab.parameter(kind)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "annotation"),
    [
        ("CAST('sad' AS elsewhere.mood)", "str"),
        ("CAST('a' AS public.tag)", "str"),
        ("ARRAY[CAST('a' AS public.tag)]", "list[str | None]"),
        ("CAST(1 AS public.amount)", "decimal.Decimal"),
        ("CAST('{1}' AS public.count[])", "list[int | None]"),
        ("CAST('[1,2]' AS public.float_range)", "typedsql.values.Range[float]"),
        ("CAST('<a/>' AS TEXT)", "str"),
    ],
)
async def test_what_is_made_of_others(lab: Lab, expression: str, annotation: str) -> None:
    assert await lab.result(expression) == annotation


async def test_the_driver_itself_refuses_what_the_analysis_does(lab: Lab) -> None:
    # What a statement that was not analysed would do: never a wrong value.
    await codecs.install(lab.connection)
    for expression in ("numrange(1, 2)", "CAST(row(1, '') AS public.price)"):
        with pytest.raises(asyncpg.UnsupportedClientFeatureError):
            await lab.connection.fetchval(f"SELECT {expression}")
    for expression in ("row(1, 1.5)", "row(0.0)", "row(-1.0, 100000000000.1)"):
        with pytest.raises((ArithmeticError, ValueError)):
            await lab.connection.fetchval(f"SELECT {expression}")
    assert await lab.connection.fetchval("SELECT CAST('a' AS public.tag)") == "a"


@pytest.mark.parametrize("kind", ["machine", "tagged"])
async def test_what_the_driver_does_not_prepare_is_told_by_its_type(lab: Lab, kind: str) -> None:
    with pytest.raises(asyncpg.UnsupportedClientFeatureError) as caught:
        await lab.connection.prepare(f"SELECT CAST(row(NULL) AS public.{kind})")
    told = str(refused_by_driver(caught.value))
    assert told.startswith(f"a parameter or column has type public.{kind}, of which")


def test_a_table_that_cannot_be_a_struct_is_left_out(lab: Lab) -> None:
    assert lab.shapes.tables == {}
    assert [row.name for row in lab.shapes.composites] == []


DOCUMENT_SCHEMA = """
CREATE TABLE public.alerts (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, extra JSONB NOT NULL);
CREATE TABLE public.events (
    id INTEGER PRIMARY KEY,
    alert_id INTEGER NOT NULL,
    price NUMERIC,
    at TIMESTAMPTZ NOT NULL,
    tags TEXT[] NOT NULL
);
INSERT INTO public.alerts VALUES (1, 'a', '{"depth": 1.50}'), (2, 'b', '{"depth": 2}');
INSERT INTO public.events VALUES
    (10, 1, 0.1000000000000000055511151231257827, '2024-01-01 00:00+00', '{a,NULL}'),
    (11, 1, NULL, '2024-01-01 00:00:00.000001+00', '{}');
"""
DOCUMENT_QUERIES = """
-- name: list_with_events()
SELECT
    a.id,
    (SELECT json_agg(e ORDER BY e.id) FROM public.events AS e WHERE e.alert_id = a.id) AS events,
    jsonb_build_object('id', a.id, 'kind', a.kind) AS summary,
    ARRAY[a.extra, NULL] AS extras
FROM public.alerts AS a
ORDER BY a.id
LIMIT 10;

-- name: get_broken()^
SELECT a.id, jsonb_build_object('id', a.kind) AS summary
FROM public.alerts AS a ORDER BY a.id LIMIT 1;
"""
DOCUMENTS = """
from decimal import Decimal
from msgspec import Struct

class Extra(Struct):
    depth: Decimal

class Summary(Struct):
    id: int
    kind: str = ""
"""
DECLARED = """
[tool.typedsql.rows]
events = "Event"
[tool.typedsql.documents]
"alerts.extra" = "documented.documents.Extra"
"alerts.list_with_events.events" = "list[Event]"
"alerts.list_with_events.summary" = "documented.documents.Summary"
"alerts.list_with_events.extras" = "documented.documents.Extra"
"alerts.get_broken.summary" = "documented.documents.Summary"
"""


async def test_computed_documents_are_decoded_to_what_is_declared(
    tmp_path: Path, empty_database: ConnectionTarget
) -> None:
    root = write_project(
        tmp_path / "x", "documented", DOCUMENT_SCHEMA, {"alerts": DOCUMENT_QUERIES}, DECLARED
    )
    (root / "src/documented/documents.py").write_text(DOCUMENTS)
    async with generated(root, "documented", empty_database) as made:
        alerts, rows = made.queries("alerts"), made.rows
        first, second = await alerts.list_with_events(made.db)
        assert [event.price for event in first.events] == [
            Decimal("0.1000000000000000055511151231257827"),
            None,
        ]
        assert isinstance(first.events[0], rows.Event)
        assert first.events[0].tags == ["a", None]
        assert first.events[1].at.microsecond == 1
        assert second.events is None
        assert (first.summary.id, first.summary.kind) == (1, "a")
        assert (first.extras[0].depth, first.extras[1]) == (Decimal("1.50"), None)
        with pytest.raises(DataError, match="the document in column summary is not of its type"):
            await alerts.get_broken(made.db)


async def test_a_declared_type_that_does_not_exist_is_told(lab: Lab, tmp_path: Path) -> None:
    package = tmp_path / "own"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "documents.py").write_text(
        "raise SystemExit\nfrom a import b as Taken\nif 1:\n    class Here: ...\nThere: int = 1\n"
        "def f():\n    Hidden = 1\n"
    )
    for declared, told in [
        ("own.documents.Here", None),
        ("own.documents.There", None),
        ("own.documents.Taken", None),
        ("list[own.documents.Here | None]", None),
        ("dict[str, decimal.Decimal]", None),
        ("object", None),
        ("own.documents.Her", "own/documents.py does not define"),
        ("own.documents.Hidden", "own/documents.py does not define"),
        ("own.documenst.Here", "the module own.documenst, which does not exist"),
        ("owm.documents.Here", "the module owm.documents, which cannot be imported"),
        ("decimal.Decimla", "decimal does not have"),
        ("list[own.documents.Here", "is no Python type"),
        ("__import__('os')", "is no Python type"),
        ("1 + 1", "is no Python type"),
    ]:
        found = refused_type(declared, tmp_path)
        assert found is None if told is None else told in (found or "nothing"), declared
    assert declared_type("dict[str, Event | None]", "p.rows.") == "dict[str, p.rows.Event | None]"
    declaration = Declaration(
        package="p",
        documents={"a.b": "list[Nobody]", "things.nothing": "object", "things.id": "own.Here"},
    )
    shapes = Shapes(lab.catalog, declaration)
    told_all = "\n".join(map(str, shapes.check_documents(tmp_path)))
    assert "names Nobody, which is no table's Struct" in told_all
    assert "names Here, which own/__init__.py does not define" in told_all
    assert len(shapes.unused_documents()) == 3


async def test_rows_that_json_writes_in_another_form_are_refused(lab: Lab, tmp_path: Path) -> None:
    await lab.connection.execute("CREATE TABLE public.blobs (data BYTEA, id INTEGER)")
    catalog = await read_catalog(lab.connection, ["public"])
    declaration = Declaration(package="p", documents={"a.b.c": "list[Blobs]"})
    (refused,) = Shapes(catalog, declaration).check_documents(tmp_path)
    assert "has the field data, which PostgreSQL writes to JSON in another form" in str(refused)
