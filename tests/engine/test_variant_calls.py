"""Calling a statement that has variants: which one runs, and what is refused before any does."""

import importlib
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.engine.query_folder import QueryFolder
from typedsql.database import Database
from typedsql.errors import DataError, NoRowFound, StatementDrift
from typedsql.statements import Columns, Statement
from typedsql.tools.analysis import Analysed
from typedsql.tools.emit.functions import queries_module
from typedsql.tools.proof.access import Access
from typedsql.tools.proof.cardinality.counting import Cardinality
from typedsql.tools.rows.fields import Field, Row

TABLE = """
CREATE TABLE public.items (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    price INTEGER NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);
INSERT INTO public.items
SELECT n, CASE WHEN n % 3 = 0 THEN 'a' ELSE 'b' END, (n * 37) % 101,
    '2024-01-01 00:00Z'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 60) AS g (n);
"""

QUERIES = """\
-- name: list_items(kind, min_price, since, until, max_rows)
-- @optional kind
-- @optional min_price
-- @optional since, until
-- @order_by oldest i.made_at ASC
-- @order_by dearest i.price DESC
SELECT i.id
FROM public.items AS i
WHERE
    i.made_at >= :since
    AND i.made_at < :until
    AND i.kind = :kind
    AND i.price >= :min_price
ORDER BY i.made_at ASC
LIMIT :max_rows;

-- name: stream_items(kind)
-- @optional kind
SELECT i.id FROM public.items AS i WHERE i.kind = :kind ORDER BY i.id ASC;

-- name: get_item(id, kind)^
-- @optional kind
SELECT i.id FROM public.items AS i WHERE i.id = :id AND i.kind = :kind;

-- name: count_items(kind)$
-- @optional kind
-- @one
SELECT count(*) AS items FROM public.items AS i WHERE i.kind = :kind;

-- name: highest_price(kind)$
-- @optional kind
SELECT max(i.price) AS price FROM public.items AS i WHERE i.kind = :kind;

-- name: delete_item(id, kind)!
-- @optional kind
DELETE FROM public.items AS i WHERE i.id = :id AND i.kind = :kind;

-- name: update_item(id, kind)<!
-- @optional kind
UPDATE public.items AS i SET price = 0 WHERE i.id = :id AND i.kind = :kind RETURNING i.id;

-- name: none_at_all()$
-- @one
SELECT i.id FROM public.items AS i WHERE i.id < 0;
"""

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
async def items(connection: asyncpg.Connection, tmp_path: Path) -> QueryFolder:
    await connection.execute(TABLE)
    folder = QueryFolder(tmp_path, QUERIES)
    assert folder.told == []
    return folder


class Nothing:
    """Stands in for a database, and fails if anything is sent."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


async def test_each_combination_finds_what_its_conditions_say(
    items: QueryFolder, db: Database, connection: asyncpg.Connection
) -> None:
    rows = await connection.fetch("SELECT * FROM public.items")
    call = items.variants("list_items")
    assert items.statement("list_items").parameters == (
        "since",
        "until",
        "kind",
        "min_price",
        "max_rows",
    )
    since, until = START + timedelta(hours=10), START + timedelta(hours=40)
    seen: set[tuple[int, ...]] = set()
    for with_kind, with_price, with_time, order in itertools.product(
        (False, True), (False, True), (False, True), ("oldest", "dearest")
    ):
        expected = [
            row["id"]
            for row in sorted(
                rows, key=lambda row: row["made_at"] if order == "oldest" else -row["price"]
            )
            if (not with_kind or row["kind"] == "a")
            and (not with_price or row["price"] >= 50)
            and (not with_time or since <= row["made_at"] < until)
        ]
        found = await call(
            db,
            (order, not with_kind, not with_price, not with_time, not with_time),
            since if with_time else None,
            until if with_time else None,
            "a" if with_kind else None,
            50 if with_price else None,
            100,
        )
        assert [row[0] for row in found] == expected
        seen.add(tuple(expected))
    # Every one of them is another result, so that none can have run for another.
    assert len(seen) == 16


async def test_every_kind_of_result(items: QueryFolder, db: Database) -> None:
    given, absent = (None, False), (None, True)
    assert await items.variants("count_items")(db, given, "a") == 20
    assert await items.variants("count_items")(db, absent, None) == 60
    assert await items.variants("highest_price")(db, given, "none") is None
    assert await items.variants("highest_price")(db, absent, None) == 100
    assert await items.variants("get_item")(db, given, 3, "b") is None
    assert await items.variants("get_item")(db, absent, 3, None) == (3,)
    assert await items.variants("update_item")(db, given, 3, "b") is None
    assert await items.variants("update_item")(db, absent, 3, None) == (3,)
    assert await items.variants("delete_item")(db, given, 3, "b") == 0
    assert await items.variants("delete_item")(db, absent, 3, None) == 1
    stream = items.variants("stream_items")
    assert len([row async for row in stream(db, given, "a")]) == 19
    assert len([row async for row in stream(db, absent, None)]) == 59


async def test_a_value_that_always_comes_back_is_missed_where_it_does_not(
    items: QueryFolder, db: Database
) -> None:
    with pytest.raises(NoRowFound, match=r"things\.none_at_all: no row came back"):
        await items.bound("none_at_all")(db)


async def test_the_statement_that_runs_bears_its_name(items: QueryFolder) -> None:
    class Listening(Nothing):
        async def fetch_all(
            self,
            statement: Statement,
            arguments: Sequence[object],
            read: Callable[[list[Any]], Any],
        ) -> Any:
            ran.append((statement.name, arguments))
            return read([])

    ran: list[tuple[str, Sequence[object]]] = []
    call = items.variants("list_items")
    await call(Listening(), ("oldest", False, False, False, False), 1, 2, "a", 3, 4)
    await call(Listening(), ("dearest", True, False, True, True), None, None, None, 3, 4)
    await call(Listening(), ("oldest", True, True, True, True), None, None, None, None, 4)
    assert ran == [
        ("things.list_items", (1, 2, "a", 3, 4)),
        ("things.list_items__min_price__dearest", (3, 4)),
        ("things.list_items__plain", (4,)),
    ]


@pytest.mark.parametrize("ordering", ["largest", "i.id; DROP TABLE items", None, 1, ["oldest"], {}])
async def test_another_ordering_is_refused_and_not_shown(
    items: QueryFolder, ordering: object
) -> None:
    with pytest.raises(ValueError, match="order_by must be one of 'oldest', 'dearest'") as caught:
        items.variants("list_items")(Nothing(), (ordering, True, True, True, True), *[None] * 4, 1)
    assert "DROP" not in str(caught.value)


async def test_half_a_group_is_refused(items: QueryFolder) -> None:
    with pytest.raises(ValueError, match=r"since and until belong together.*; until is missing"):
        items.variants("list_items")(
            Nothing(), ("oldest", True, True, False, True), START, None, None, None, 1
        )


async def test_none_is_refused_where_it_would_lift_a_limit(
    items: QueryFolder, db: Database, connection: asyncpg.Connection
) -> None:
    arguments = (START, START + timedelta(hours=99), "a", 0, None)
    # The control: what PostgreSQL makes of it.
    assert len(await items.bound("list_items")(db, *arguments)) == 20
    none = items.bound("list_items", nullable=frozenset())
    with pytest.raises(DataError, match=r"list_items: parameter max_rows .* must not be None"):
        await none(db, *arguments)
    some = items.bound("list_items", nullable=frozenset({"max_rows", "kind"}))
    assert len(await some(db, *arguments)) == 20
    with pytest.raises(DataError, match="parameter min_price"):
        await some(db, START, START, None, None, None)


async def test_a_refused_none_costs_a_transaction_nothing(items: QueryFolder, db: Database) -> None:
    delete = items.bound("delete_item", nullable=frozenset())
    async with db.transaction() as tx:
        assert await delete(tx, 1, "b") == 1
        with pytest.raises(DataError, match="parameter kind"):
            await delete(tx, 1, None)
    assert await items.bound("get_item")(db, 1, "b") is None


def field(name: str, annotation: str) -> Field:
    return Field(name=name, annotation=annotation)


def emitted(items: QueryFolder) -> str:
    """The generated module of two of the statements, their types as an analysis would find them."""
    kinds = {
        "since": "datetime.datetime",
        "until": "datetime.datetime",
        "kind": "str",
        "min_price": "int",
        "max_rows": "int",
        "id": "int",
    }
    columns: dict[str, Columns] = {"": (("id", "int4"),), "$": (("items", "int8"),), "!": ()}
    analysed: list[Analysed] = []
    for name in ("list_items", "stream_items", "count_items", "delete_item"):
        statement = items.statement(name)
        single = name == "count_items"
        row = None
        if not single and statement.suffix != "!":
            row = Row(name="Item", fields=(field("id", "int"),))
        analysed.append(
            Analysed(
                statement=statement,
                parameters=tuple(field(item, kinds[item]) for item in statement.parameters),
                parameter_types=tuple("text" for _ in statement.parameters),
                columns=columns[statement.suffix],
                nullable=tuple(False for _ in columns[statement.suffix]),
                cardinality=Cardinality(least=0, most=1, bounded=True, reason=""),
                access=Access(reads=(), writes=()),
                reads_only=True,
                row=row,
                value=field("items", "int") if single else None,
                variants=items.expansion.sets[name],
            )
        )
    return queries_module("things", analysed, items.project)


async def test_generated_functions(
    items: QueryFolder, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = emitted(items)
    assert 'order_by: Literal["oldest", "dearest"] = "oldest",' in source
    assert "    min_price: int | None = None,\n" in source
    assert "    max_rows: int,\n" in source
    assert ") -> RowStream[Item]:" in source
    assert "        nullable=(),\n" in source
    package = items.root / items.project.package
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "project.py").write_text(
        "from pathlib import Path\nfrom typedsql.project import Project\n"
        "PROJECT = Project(name='toy', package='toy', migrations_table='none.none', "
        "latest_migration='', queries_dir='queries', migrations_dir='none', schema_file='none', "
        f"dbmate_env='none', checkout=Path({str(items.root)!r}))\n"
    )
    (package / "rows.py").write_text(
        "from msgspec import Struct\n\n\nclass Item(Struct, frozen=True):\n    id: int\n"
    )
    (package / "things.py").write_text(source)
    monkeypatch.syspath_prepend(str(items.root))
    things = importlib.import_module(f"{items.project.package}.things")
    assert [item.id for item in await things.list_items(db, max_rows=2)] == [1, 2]
    dear = await things.list_items(db, kind="a", max_rows=1, order_by="dearest")
    assert [item.id for item in dear] == [30]
    with pytest.raises(ValueError, match="until is missing"):
        await things.list_items(db, since=START, max_rows=1)
    with pytest.raises(ValueError, match="order_by must be one of"):
        await things.list_items(db, max_rows=1, order_by="largest")
    with pytest.raises(DataError, match="parameter max_rows was refused: it must not be None"):
        await things.list_items(db, max_rows=None)
    assert await things.count_items(db) == 60
    assert len([item async for item in things.stream_items(db, kind="a")]) == 20
    assert await things.delete_item(db, id=1) == 1
    # Generated code is loaded together with the files it was made from, or not at all.
    path = items.root / items.expansion.file
    path.write_text(path.read_text().replace("i.price DESC", "i.price ASC"))
    with pytest.raises(StatementDrift, match=r"queries/variants/things\.sql:\d+: list_items__all"):
        importlib.reload(things)
