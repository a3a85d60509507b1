"""Columns with a dot in their names become rows within rows, None where nothing was joined."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.engine.typed_project import generated, write_project
from typedsql import codecs, decoding
from typedsql.decoding import row_builder
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement
from typedsql.tools.config import Declaration
from typedsql.tools.emit.module import Module
from typedsql.tools.emit.rows import decoders, rows_module
from typedsql.tools.generate import generate
from typedsql.tools.reading.findings import Refused
from typedsql.tools.rows.catalog import read_catalog
from typedsql.tools.rows.fields import ResultColumn, Row, ShapeRefused, agree, plain_name
from typedsql.tools.rows.shapes import Shapes

SCHEMA = """
CREATE TABLE public.users (id INTEGER PRIMARY KEY, name TEXT, settings JSONB NOT NULL);
CREATE TABLE public.alerts (
    id INTEGER PRIMARY KEY, user_id INTEGER, kind TEXT NOT NULL, span INT4RANGE
);
CREATE TABLE public.events (id INTEGER PRIMARY KEY, alert_id INTEGER, note TEXT);
INSERT INTO public.users VALUES (1, NULL, '{"a": 1}');
INSERT INTO public.alerts VALUES (10, 1, 'whale', '[1,5)'), (11, 9, 'shrimp', NULL);
INSERT INTO public.events VALUES (100, 10, 'first'), (101, 11, ''), (102, NULL, NULL);
"""
ALERT = ("a.id", "a.user_id", "a.kind", "a.span")
USER = ("u.id", "u.name", "u.settings")
FROM = (
    "FROM public.events AS e LEFT JOIN public.alerts AS a ON a.id = e.alert_id "
    "LEFT JOIN public.users AS u ON u.id = a.user_id LEFT JOIN LATERAL (SELECT v.id, v.note, "
    "w.kind FROM public.events AS v LEFT JOIN public.alerts AS w ON w.id = v.alert_id "
    "WHERE v.id = a.id * 10) AS f ON TRUE ORDER BY e.id"
)
JOINS = {"e": frozenset[int](), "a": frozenset({1}), "u": frozenset({2})}
TABLES = {"e": "public.events", "a": "public.alerts", "u": "public.users"}
# A subquery's own outer joins null some of its columns further.
WITHIN = {"f.id": frozenset({3}), "f.note": frozenset({3, 4}), "f.kind": frozenset({3, 5})}


class Lab:
    """Makes rows of the columns of one query, with what a proof would say of each."""

    def __init__(self, connection: Any, shapes: Shapes, catalog: Any) -> None:
        self.connection = connection
        self.shapes = shapes
        self.catalog = catalog

    async def shape(self, columns: dict[str, str], returns: str | None = "Joined") -> Row:
        return self.shapes.row(await self._described(columns), "events.list_all", returns)

    async def _described(self, columns: dict[str, str]) -> list[ResultColumn]:
        prepared = await self.connection.prepare(self.sql(columns))
        found: list[ResultColumn] = []
        for item, source in zip(prepared.get_attributes(), columns.values(), strict=True):
            alias, _, name = source.partition(".")
            origin = self.catalog.tables[TABLES[alias]].column(name) if alias in TABLES else None
            joins = WITHIN.get(source, JOINS.get(alias, frozenset()))
            inside = origin.not_null if origin is not None else source == "f.id" or alias == "5"
            found.append(
                ResultColumn(
                    name=item.name,
                    oid=item.type.oid,
                    nullable=bool(joins) or not inside,
                    origin=origin,
                    nulled_by=joins,
                    not_null_inside=inside,
                )
            )
        return found

    def sql(self, columns: dict[str, str]) -> str:
        listed = ", ".join(f'{source} AS "{name}"' for name, source in columns.items())
        return f"SELECT {listed} {FROM}"

    async def built(self, columns: dict[str, str]) -> list[Any]:
        """The rows as the generated code would build them."""
        row = await self.shape(columns)
        project = Project(
            name="p",
            package="p",
            migrations_table="",
            latest_migration="",
            queries_dir="",
            migrations_dir="",
            schema_file="",
            dbmate_env="",
        )
        names: dict[str, Any] = {**vars(decoding)}
        tables = list(self.shapes.tables.values())
        exec(rows_module([*tables, row], project), names)  # noqa: S102
        text = decoders(row.fields, Module())
        statement = Statement(
            name="events.list_all",
            sql="",
            suffix="",
            parameters=(),
            declared=(),
            prose="",
            location="",
        )
        made = eval(text or "{}", names)  # noqa: S307
        build = row_builder(names[row.name], made, statement)
        return [build(record) for record in await self.connection.fetch(self.sql(columns))]


@pytest_asyncio.fixture
async def lab(empty_database: ConnectionTarget) -> AsyncGenerator[Lab, None]:
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute(SCHEMA)
        await codecs.install(connection)
        catalog = await read_catalog(connection, ["public"])
        yield Lab(connection, Shapes(catalog, Declaration(package="p")), catalog)
    finally:
        await connection.close()


def named(prefix: str, sources: tuple[str, ...]) -> dict[str, str]:
    return {f"{prefix}.{source.partition('.')[2]}": source for source in sources}


async def test_a_whole_row_of_a_table_nests_as_its_struct_and_is_none_as_a_whole(lab: Lab) -> None:
    columns = {"id": "e.id", **named("alert", ALERT), "note": "e.note"}
    row = await lab.shape(columns)
    assert [(field.name, field.annotation) for field in row.fields] == [
        ("id", "int"),
        ("alert", "p.rows.Alerts | None"),
        ("note", "str | None"),
    ]
    first, second, third = await lab.built(columns)
    assert repr(first.alert) == (
        "Alerts(id=10, user_id=1, kind='whale', "
        "span=Range(lower=1, upper=5, lower_inc=True, upper_inc=False, empty=False))"
    )
    assert (second.alert.span, second.note) == (None, "")
    assert (third.id, third.alert, third.note) == (102, None, None)


async def test_some_columns_nest_as_a_struct_of_the_rows_own(lab: Lab) -> None:
    columns = {"alert.kind": "a.kind", "alert.number": "a.id", "id": "e.id"}
    row = await lab.shape(columns)
    nested = row.fields[0].nested
    assert nested is not None
    assert nested.row.name == "JoinedAlert"
    assert [field.annotation for field in nested.row.fields] == ["str", "int"]
    assert [built.alert and built.alert.kind for built in await lab.built(columns)] == [
        "whale",
        "shrimp",
        None,
    ]


async def test_two_levels_and_the_inner_one_can_be_missing_alone(lab: Lab) -> None:
    columns = {
        **named("alert.user", USER),
        "alert.kind": "a.kind",
        "alert.span": "a.span",
        "id": "e.id",
    }
    first, second, third = await lab.built(columns)
    assert first.alert.user.settings == {"a": 1}
    assert first.alert.span.upper == 5
    assert (second.alert.user, second.alert.kind) == (None, "shrimp")
    assert (third.alert, third.id) == (None, 102)


async def test_an_inner_row_of_the_same_join_is_there_whenever_the_outer_is(lab: Lab) -> None:
    columns = {"alert.id": "a.id", "alert.what.kind": "a.kind", "alert.what.span": "a.span"}
    row = await lab.shape(columns)
    nested = row.fields[0].nested
    assert nested is not None
    assert nested.row.fields[1].annotation == "p.rows.JoinedAlertWhat"
    first, _, third = await lab.built(columns)
    assert first.alert.what.kind == "whale"
    assert third.alert is None


async def test_without_an_outer_join_the_nested_row_is_never_none(lab: Lab) -> None:
    columns = {"event.id": "e.id", "event.note": "e.note"}
    row = await lab.shape(columns)
    assert row.fields[0].annotation == "p.rows.JoinedEvent"
    assert [built.event.note for built in await lab.built(columns)] == ["first", "", None]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"alert.span": "a.span", "alert.user_id": "a.user_id"},
            'add one that cannot, as in AS "alert.id"',
        ),
        (
            {"alert.id": "a.id", "alert.name": "u.name"},
            "alert.name and alert.id do not come from the same outer join, so that alert could",
        ),
        (
            {"alert.id": "a.id", "alert.event.id": "e.id"},
            "alert.event.id has its value also where the outer join of alert.id finds no row",
        ),
        ({"alert.user.id": "u.id", "alert.user.again": "u.id"}, 'as in AS "alert.id"'),
        (
            {"alert.id": "a.id", "alert.note": "e.note"},
            "alert.note has its value also where the outer join of alert.id finds no row, so that "
            'alert would be there in part; name it outside the prefix, as in AS "alert_note"',
        ),
        (
            {"alert.five": "5", "alert.kind": "a.kind"},
            "alert.five has its value also where the outer join of alert.kind finds no row",
        ),
        (
            {"alert.id": "a.id", "alert.first.deep": "f.note", "alert.name": "u.name"},
            "alert.name and alert.id do not come from the same outer join",
        ),
        ({"first.note": "f.note", "first.kind": "f.kind"}, 'as in AS "first.id"'),
        ({"first.note": "f.note", "first.kind": "u.name"}, "do not come from the same outer join"),
        (
            {".x": "e.id", "id": "e.id", "x.": "e.id", "a b.c": "e.id", "class.def": "e.id"},
            "columns '.x', 'x.', 'a b.c' and 'class.def' need names that Python can use",
        ),
        ({"alert.id": "a.id", "alert": "e.note"}, "alert is a column and a nested row as well"),
        ({"alert": "e.note", "alert.id": "a.id"}, "alert is a column and a nested row as well"),
        (
            {"alert.id": "a.id", "note": "e.note", "alert.kind": "a.kind"},
            "the columns of alert stand apart; put them one after another",
        ),
        ({"alert.id": "a.id", "alert.class": "a.kind"}, "needs a name that Python can use"),
        ({"alert.": "a.id"}, "needs a name that Python can use"),
        ({"id": "e.id", "id!": "e.note"}, "two columns are named id"),
    ],
)
async def test_what_makes_no_row_is_refused(lab: Lab, columns: dict[str, str], told: str) -> None:
    with pytest.raises(ShapeRefused) as caught:
        await lab.shape(columns)
    assert told in str(caught.value)
    assert caught.value.column is not None


async def test_a_table_whose_row_could_be_none_in_part_is_not_the_tables_struct(lab: Lab) -> None:
    # All columns of the table, from the outer side of a join, and not nested.
    plain = {source.partition(".")[2]: source for source in ALERT}
    row = await lab.shape(plain, None)
    assert (row.name, row.table) == ("EventsAll", None)
    whole = await lab.shape({"id": "e.id", "alert_id": "e.alert_id", "note": "e.note"}, None)
    assert whole.table == "public.events"
    renamed = await lab.shape({"id": "e.id", "alert": "e.alert_id", "note": "e.note"}, None)
    assert renamed.table is None


async def test_overrides_leave_no_trace_in_the_names_of_fields(lab: Lab) -> None:
    row = await lab.shape({"id!": "e.id", "note?": "e.note", "alert.id!": "a.id"})
    assert [field.name for field in row.fields] == ["id", "note", "alert"]
    assert plain_name("odd!?") == "odd!"
    assert plain_name("?column?") == "?column?"


async def test_rows_of_one_name_are_told_apart_by_the_first_difference(lab: Lab) -> None:
    base = {"id": "e.id", "note": "e.note", **named("alert", ALERT[:3])}
    known: dict[str, Row] = {}
    agree(known, await lab.shape(base))
    assert list(known) == ["JoinedAlert", "Joined"]
    agree(known, await lab.shape(base))
    for other, told in [
        ({"id": "e.id"}, "no column note"),
        ({**base, "further": "e.id"}, "a further column further"),
        ({"id": "e.id", "text": "e.note"}, "column text where it has note"),
        ({"id": "e.note"}, "column id as str | None where it is int"),
        ({"id": "a.id"}, "a column id that can be NULL"),
        ({**base, "alert.again": "a.id"}, "JoinedAlert with a further column again"),
    ]:
        with pytest.raises(ShapeRefused) as caught:
            agree(dict(known), await lab.shape(other))
        assert told in str(caught.value)


async def test_what_joins_within_it_null_is_nullable_in_a_nested_row(lab: Lab) -> None:
    row = await lab.shape({"first.kind": "f.kind", "first.note": "f.note", "first.id": "f.id"})
    (field,) = row.fields
    assert field.annotation == "p.rows.JoinedFirst | None"
    assert field.nested is not None
    assert field.nested.present == 2
    assert [(item.name, item.annotation) for item in field.nested.row.fields] == [
        ("kind", "str | None"),
        ("note", "str | None"),
        ("id", "int"),
    ]


QUERIES = """
-- name: list_pairs()
SELECT
    e.id, e.alert_id AS "alert.id", e.note AS "alert.note", e.id AS "alert.deep.id"
FROM public.events AS e ORDER BY e.id LIMIT 10;
"""


async def test_generated_code_builds_them(tmp_path: Any, empty_database: ConnectionTarget) -> None:
    root = write_project(tmp_path / "nested", "nested_rows", SCHEMA, {"events": QUERIES})
    async with generated(root, "nested_rows", empty_database) as made:
        rows = await made.queries("events").list_pairs(made.db)
        types = made.rows
        assert rows[0] == types.EventsPairs(
            100,
            types.EventsPairsAlert(10, "first", types.EventsPairsAlertDeep(100)),
        )


INNER = """
CREATE TABLE public.customers (id INTEGER PRIMARY KEY, nick TEXT NOT NULL);
CREATE TABLE public.tickets (
    id INTEGER PRIMARY KEY, event_id INTEGER NOT NULL, customer_id INTEGER, price INTEGER NOT NULL
);
CREATE TABLE public.shows (id INTEGER PRIMARY KEY);
CREATE VIEW public.sold AS
SELECT t.id, t.event_id, c.nick
FROM public.tickets AS t LEFT JOIN public.customers AS c ON c.id = t.customer_id;
INSERT INTO public.customers VALUES (1, 'ann');
INSERT INTO public.shows VALUES (10), (20), (30);
INSERT INTO public.tickets VALUES (100, 10, 1, 5), (101, 10, NULL, 7), (200, 20, NULL, 1);
"""
INNER_QUERIES = """
-- name: list_cheapest()
SELECT e.id, x.id AS "cheapest.id", x.nick AS "cheapest.nick"
FROM public.shows AS e
LEFT JOIN LATERAL (
    SELECT t.id, c.nick
    FROM public.tickets AS t
    LEFT JOIN public.customers AS c ON c.id = t.customer_id
    WHERE t.event_id = e.id
    ORDER BY t.price, t.id
    LIMIT 1
) AS x ON TRUE
ORDER BY e.id
LIMIT 10;

-- name: list_sold()
SELECT e.id, v.nick AS "sold.nick", v.id AS "sold.id"
FROM public.shows AS e
LEFT JOIN public.sold AS v ON v.event_id = e.id
ORDER BY e.id, v.id
LIMIT 10;
"""


async def test_a_subquery_or_view_with_outer_joins_of_its_own_nests(
    tmp_path: Any, empty_database: ConnectionTarget
) -> None:
    root = write_project(tmp_path / "inner", "inner_joins", INNER, {"shows": INNER_QUERIES})
    async with generated(root, "inner_joins", empty_database) as made:
        queries = made.queries("shows")
        cheapest = [row.cheapest for row in await queries.list_cheapest(made.db)]
        types = made.rows
        assert cheapest == [
            types.ShowsCheapestCheapest(100, "ann"),
            types.ShowsCheapestCheapest(200, None),
            None,
        ]
        sold = [(row.id, row.sold) for row in await queries.list_sold(made.db)]
        assert sold == [
            (10, types.ShowsSoldSold("ann", 100)),
            (10, types.ShowsSoldSold(None, 101)),
            (20, types.ShowsSoldSold(None, 200)),
            (30, None),
        ]


EXPRESSIONS = """
-- name: list_tickets()
SELECT e.id, {columns}
FROM public.shows AS e
LEFT JOIN public.tickets AS t ON t.event_id = e.id
LIMIT 10;
"""


@pytest.mark.parametrize(
    ("columns", "name", "place"),
    [
        ('coalesce(t.id, 0) AS "t.id", t.price AS "t.price"', "t.id", 14),
        ('t.id AS "t.id", 5 AS "t.five"', "t.five", 30),
    ],
)
async def test_an_expression_that_is_never_null_belongs_outside_the_prefix(
    tmp_path: Any, columns: str, name: str, place: int
) -> None:
    root = write_project(
        tmp_path / "kept", "kept", INNER, {"shows": EXPRESSIONS.format(columns=columns)}
    )
    with pytest.raises(Refused) as caught:
        await generate(root, check=False)
    (finding,) = caught.value.findings
    assert finding.message.startswith(f"{name} has its value also where the outer join of t.")
    assert finding.advice == f'name it outside the prefix, as in AS "{name.replace(".", "_")}"'
    assert (finding.rule, finding.line) == ("nested-row", 2)
    assert finding.column == place


TOLD_BY_EXPRESSION = """
-- name: list_either()
SELECT
    e.id,
    coalesce(t.id, u.id) AS "t.id",
    t.price + 0 AS "t.price",
    CASE WHEN e.id > 10 THEN t.id ELSE 5 END AS "t.five"
FROM public.shows AS e
LEFT JOIN public.tickets AS t ON t.event_id = e.id AND t.id = 100
LEFT JOIN public.customers AS u ON u.id * 20 = e.id
ORDER BY e.id
LIMIT 10;

-- name: list_stored()
SELECT e.id, coalesce(t.id, u.id) AS "t.either", t.price AS "t.price"
FROM public.shows AS e
LEFT JOIN public.tickets AS t ON t.event_id = e.id AND t.id = 100
LEFT JOIN public.customers AS u ON u.id * 20 = e.id
ORDER BY e.id
LIMIT 10;
"""


async def test_an_expression_that_tells_of_a_row_proves_nothing_of_its_other_columns(
    tmp_path: Any, empty_database: ConnectionTarget
) -> None:
    root = write_project(tmp_path / "told", "told", INNER, {"shows": TOLD_BY_EXPRESSION})
    async with generated(root, "told", empty_database) as made:
        queries = made.queries("shows")
        found = [row.t for row in await queries.list_either(made.db)]
        nested = made.rows.ShowsEitherT
        # The second has a value from the other join, and no ticket.
        assert found == [nested(100, 5, 5), nested(1, None, None), None]
        assert nested.__annotations__ == {"id": int, "price": int | None, "five": int | None}
        stored = [row.t for row in await queries.list_stored(made.db)]
        nested = made.rows.ShowsStoredT
        # A stored column tells, and then the joins have found their rows.
        assert stored == [nested(100, 5), None, None]
        assert nested.__annotations__ == {"either": int, "price": int}
