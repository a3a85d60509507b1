"""What pending migrations do to queries: told before a database has them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.example_project import copy_example
from tests.engine.typed_project import write_project
from typedsql.errors import ConfigurationError, OperatorError
from typedsql.tools.impact import Impact, find_impact

FIRST = "20260101000000"
SCHEMA = """
CREATE TABLE public.items (
    id BIGINT PRIMARY KEY, code TEXT NOT NULL, note TEXT, cost INTEGER NOT NULL, spare TEXT
);
CREATE UNIQUE INDEX items_code_key ON public.items (code);
CREATE TABLE public.unused (id BIGINT);
"""
QUERIES = """
-- name: get_by_code(code)^
-- Relies on the unique index.
SELECT i.id, i.code FROM public.items AS i WHERE i.code = :code;

-- name: list_notes(note, max_rows)
-- @optional note
SELECT i.id, i.note FROM public.items AS i WHERE i.note = :note ORDER BY i.id LIMIT :max_rows;

-- name: list_costs(cost, max_rows)
SELECT i.id, i.cost FROM public.items AS i WHERE i.cost >= :cost ORDER BY i.id LIMIT :max_rows;

-- name: insert(id, code, note, cost)!
INSERT INTO public.items (id, code, note, cost) VALUES (:id, :code, :note, :cost);

-- name: get_by_note(note)^
-- Written for a unique index that is to come.
SELECT i.id, i.note FROM public.items AS i WHERE i.note = :note;

-- name: count_kinds()$
-- Written for a column that is to come.
SELECT count(DISTINCT i.kind) AS kinds FROM public.items AS i;
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path / "shop", "shop", SCHEMA, {"items": QUERIES})


def pend(root: Path, *steps: str, month: int = 1) -> None:
    """Migrations of the second of January, or of another month, and the days after it."""
    for day, up in enumerate(steps, start=2):
        path = root / "db/migrations" / f"2026{month:02}{day:02}000000_step.sql"
        path.write_text(f"-- migrate:up\n{up}\n-- migrate:down\nSELECT 1;\n")


def told(impact: Impact) -> list[Mapping[str, tuple[str, ...]]]:
    """For each migration what changes for which query."""
    return [{change.query: change.what for change in step.changes} for step in impact.steps]


@pytest.mark.parametrize(
    ("up", "changes", "broken"),
    [
        ("CREATE TABLE public.more (id BIGINT);", {}, ()),
        ("CREATE INDEX i ON public.items (cost);", {}, ()),
        (
            "ALTER TABLE public.items DROP COLUMN cost;",
            {
                "rows.py": ("Items no longer has cost",),
                "items.insert": (
                    'breaks: column "cost" of relation "items" does not exist '
                    "(queries/items.sql:13:43)",
                ),
                "items.list_costs": (
                    "breaks: column i.cost does not exist (queries/items.sql:10:14)",
                ),
            },
            ("items.insert", "items.list_costs"),
        ),
        (
            "ALTER TABLE public.items RENAME COLUMN cost TO price;",
            {
                "rows.py": ("Items no longer has cost", "Items has price as well: int"),
                "items.insert": (
                    'breaks: column "cost" of relation "items" does not exist '
                    "(queries/items.sql:13:43)",
                ),
                "items.list_costs": (
                    "breaks: column i.cost does not exist (queries/items.sql:10:14)",
                ),
            },
            ("items.insert", "items.list_costs"),
        ),
        (
            "UPDATE public.items SET note = ''; "
            "ALTER TABLE public.items ALTER COLUMN note SET NOT NULL;",
            {
                "rows.py": ("Items.note can no longer be NULL",),
                "items.insert": ("parameter note is str in Python, no longer str | None",),
                "items.list_notes": ("note can no longer be NULL",),
            },
            (),
        ),
        (
            "ALTER TABLE public.items ALTER COLUMN cost DROP NOT NULL;",
            {
                "rows.py": ("Items.cost can be NULL now",),
                "items.insert": ("parameter cost is int | None in Python, no longer int",),
            },
            (),
        ),
        (
            "ALTER TABLE public.items ALTER COLUMN code DROP NOT NULL;",
            {
                "rows.py": ("Items.code can be NULL now",),
                "items.insert": ("parameter code is str | None in Python, no longer str",),
            },
            (),
        ),
        (
            "ALTER TABLE public.items ALTER COLUMN cost TYPE NUMERIC(9, 2);",
            {
                "rows.py": ("Items.cost is decimal.Decimal, no longer int",),
                "items.insert": (
                    "parameter cost is numeric, no longer int4",
                    "parameter cost is decimal.Decimal in Python, no longer int",
                ),
                "items.list_costs": (
                    "cost is numeric, no longer int4",
                    "parameter cost is numeric, no longer int4",
                    "parameter cost is decimal.Decimal in Python, no longer int",
                ),
            },
            (),
        ),
        (
            "DROP INDEX public.items_code_key;",
            {
                "items.get_by_code": (
                    "breaks: more than one row may come back, and its suffix ^ takes one: no "
                    "unique key of public.items is fixed: items_pkey needs id "
                    "(queries/items.sql:1:10)",
                ),
            },
            ("items.get_by_code",),
        ),
        (
            "CREATE UNIQUE INDEX items_note_key ON public.items (note);",
            {"items.get_by_note": ("works from here on",)},
            (),
        ),
        (
            "ALTER TABLE public.items ADD COLUMN kind TEXT;",
            {
                "rows.py": ("Items has kind as well: str | None",),
                "items.count_kinds": ("works from here on",),
            },
            (),
        ),
    ],
)
async def test_one_migration(
    root: Path, up: str, changes: dict[str, tuple[str, ...]], broken: tuple[str, ...]
) -> None:
    pend(root, up)
    impact = await find_impact(root, [FIRST])
    assert impact.since == FIRST
    assert told(impact) == [changes]
    assert sorted(impact.broken) == sorted(broken)
    assert impact.breaks is bool(broken)


EXAMPLE_FIRST = "20260301090000"
SHELF = "no longer Book (the table has a column it does not select: shelf)"
PLAIN = "is str in Python, no longer lending.rows.BookHall"
NESTED = """
-- name: list_loans(max_rows)
SELECT
    l.id,
    b.id AS "book.id",
    b.isbn AS "book.isbn",
    b.title AS "book.title",
    b.tags AS "book.tags",
    b.hall AS "book.hall",
    b.price_eur AS "book.price_eur"
FROM public.loans AS l
INNER JOIN public.books AS b ON l.book_id = b.id
ORDER BY l.id ASC
LIMIT :max_rows;
"""


@pytest.mark.parametrize(
    ("ups", "changes"),
    [
        pytest.param(
            ["ALTER TABLE public.books ADD COLUMN shelf TEXT;"],
            {
                "rows.py": ("Book has shelf as well: str | None",),
                "books.insert": (f"returns BookInsert, {SHELF}",),
                "books.search": (f"returns BookSearch, {SHELF}",),
                "books.stream_all": (f"returns BookAll, {SHELF}",),
                "nested.list_loans": (f"book is NestedLoansBook, {SHELF}",),
            },
            id="a column more",
        ),
        pytest.param(
            [
                "ALTER TABLE public.books ADD COLUMN shelf TEXT, ADD COLUMN rack TEXT;",
                "ALTER TABLE public.books DROP COLUMN shelf, DROP COLUMN rack;",
            ],
            {
                "rows.py": ("Book no longer has shelf", "Book no longer has rack"),
                **{
                    f"books.{name}": (
                        f"returns Book, no longer {was} (it selects every column of the table now)",
                    )
                    for name, was in (
                        ("insert", "BookInsert"),
                        ("search", "BookSearch"),
                        ("stream_all", "BookAll"),
                    )
                },
                "nested.list_loans": (
                    "book is Book, no longer NestedLoansBook (it selects every column of the "
                    "table now)",
                ),
            },
            id="columns fewer",
        ),
        pytest.param(
            [
                "ALTER TABLE public.books DROP CONSTRAINT books_hall_check, "
                "ADD CONSTRAINT books_hall_check CHECK (hall IN ('north', 'east'));"
            ],
            {"rows.py": ("BookHall may be 'east' as well", "BookHall is never 'south' now")},
            id="other texts",
        ),
        pytest.param(
            ["ALTER TABLE public.books DROP CONSTRAINT books_hall_check;"],
            {
                "rows.py": (
                    "Book.hall is str, no longer lending.rows.BookHall",
                    "BookHall is gone",
                ),
                "books.insert": (f"hall {PLAIN}", f"parameter hall {PLAIN}"),
                "books.search": (f"hall {PLAIN}", f"parameter hall {PLAIN}"),
                "books.stream_all": (f"hall {PLAIN}",),
                "nested.list_loans": (f"book.hall {PLAIN}",),
            },
            id="any text",
        ),
        pytest.param(
            ["ALTER TYPE public.postal_address ADD ATTRIBUTE town TEXT;"],
            {"rows.py": ("PostalAddress has town as well: str | None",)},
            id="an attribute more",
        ),
        pytest.param(
            ["CREATE TABLE public.halls (name TEXT PRIMARY KEY);"], {}, id="a Struct that is new"
        ),
    ],
)
async def test_rows_that_queries_share(
    tmp_path: Path, ups: list[str], changes: dict[str, tuple[str, ...]]
) -> None:
    root = copy_example(tmp_path / "lending")
    (root / "queries/nested.sql").write_text(NESTED)
    pend(root, *ups, month=4)
    impact = await find_impact(root, [EXAMPLE_FIRST])
    last = told(impact)[-1]
    assert last == changes
    assert not impact.breaks


@pytest.mark.parametrize(
    ("query", "up", "change"),
    [
        (
            "-- name: stream_codes(code)\n"
            "SELECT i.id FROM public.items AS i WHERE i.code = :code;\n",
            "DROP INDEX public.items_code_key;",
            "may return more than one row now",
        ),
        (
            "-- name: update_code(code)!\nUPDATE public.items SET note = 'x' WHERE code = :code;\n",
            "DROP INDEX public.items_code_key;",
            "may write more than one row now",
        ),
        (
            "-- name: stream_notes(note)\n"
            "SELECT i.id FROM public.items AS i WHERE i.note = :note;\n",
            "CREATE UNIQUE INDEX n ON public.items (note);",
            "returns at most one row now",
        ),
    ],
)
async def test_how_many_rows_there_can_be(root: Path, query: str, up: str, change: str) -> None:
    (root / "queries/more.sql").write_text(query)
    pend(root, up)
    (changes,) = told(await find_impact(root, [FIRST]))
    (name,) = (name for name in changes if name.startswith("more."))
    assert changes[name][0] == change


async def test_what_one_migration_breaks_a_later_one_may_mend(root: Path) -> None:
    pend(
        root,
        "DROP INDEX public.items_code_key;",
        "ALTER TABLE public.items RENAME COLUMN note TO remark;",
        "CREATE UNIQUE INDEX items_code ON public.items (code);",
        "ALTER TABLE public.items RENAME COLUMN remark TO note;",
    )
    impact = await find_impact(root, [FIRST])
    first, second, third, fourth = told(impact)
    assert list(first) == ["items.get_by_code"]
    # That get_by_note is wrong in another way now is no change for whoever calls it.
    assert list(second) == ["rows.py", "items.insert", "items.list_notes"]
    assert third == {"items.get_by_code": ("works from here on",)}
    assert fourth == {
        "rows.py": ("Items no longer has remark", "Items has note as well: str | None"),
        "items.insert": ("works from here on",),
        "items.list_notes": ("works from here on",),
    }
    assert (impact.broken, impact.breaks) == ((), False)


async def test_from_nothing_the_first_migration_makes_queries_work(root: Path) -> None:
    impact = await find_impact(root, [])
    assert impact.since is None
    (changes,) = told(impact)
    assert set(changes.values()) == {("works from here on",)}
    assert "items.count_kinds" not in changes
    assert "rows.py" not in changes
    assert not impact.breaks


async def test_nothing_pending_still_tells_what_no_query_reads(root: Path) -> None:
    impact = await find_impact(root, [FIRST])
    assert impact.steps == ()
    assert impact.unread == ("public.items.spare", "public.unused.*")
    assert not impact.breaks


async def test_the_unread_columns_are_those_after_the_last_migration(root: Path) -> None:
    pend(root, "ALTER TABLE public.items ADD COLUMN kind TEXT, ADD COLUMN idle TEXT;")
    impact = await find_impact(root, [FIRST])
    # count_kinds reads kind.
    assert impact.unread == ("public.items.spare", "public.items.idle", "public.unused.*")


async def test_what_a_broken_query_reads_is_not_unread(root: Path) -> None:
    pend(root, "ALTER TABLE public.items RENAME COLUMN id TO number;")
    impact = await find_impact(root, [FIRST])
    assert impact.breaks
    kept = {"public.items.spare", "public.items.number", "public.unused.*"}
    assert set(impact.unread) == kept


async def test_the_declaration_is_looked_at_too(root: Path) -> None:
    with (root / "pyproject.toml").open("a") as file:
        file.write('[tool.typedsql.rows]\nitems = "Item"\n')
    pend(
        root,
        "ALTER TABLE public.items RENAME TO things;",
        "ALTER TABLE public.things RENAME TO items;",
    )
    impact = await find_impact(root, [FIRST])
    first, second = told(impact)
    assert first["pyproject.toml"] == (
        'breaks: [tool.typedsql.rows]: no table, column or type is named "items"',
    )
    assert second["pyproject.toml"] == ("is right from here on",)
    assert not impact.breaks


async def test_a_migration_that_fails_is_named(root: Path) -> None:
    pend(root, "ALTER TABLE public.items DROP COLUMN lost;")
    with pytest.raises(OperatorError) as caught:
        await find_impact(root, [FIRST])
    assert "20260102000000_step" in str(caught.value)
    assert 'column "lost"' in str(caught.value)


@pytest.mark.parametrize(
    ("applied", "told"),
    [
        ([FIRST, "20250101000000"], "has the migration 20250101000000, which db/migrations lacks"),
        (["20260102000000"], f"lacks the migration {FIRST}, though it has a newer one"),
    ],
)
async def test_a_database_that_went_another_way_is_refused(
    root: Path, applied: list[str], told: str
) -> None:
    pend(root, "SELECT 1;")
    with pytest.raises(ConfigurationError, match=told):
        await find_impact(root, applied)
