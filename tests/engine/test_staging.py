"""What is found in statements of @staging: whatever would store something else than COPY does."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.engine.typed_project import write_project
from typedsql.tools.config import read_checkout
from typedsql.tools.project_analysis import ProjectAnalysis, analyse_project, read_queries
from typedsql.tools.schema import REFERENCE_MAJOR
from typedsql.tools.scratch import open_analysis

SCHEMA = """
CREATE TABLE public.t (
    id BIGINT PRIMARY KEY, kind TEXT NOT NULL, note TEXT,
    doc JSONB UNIQUE, made_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
"""
RIGHT = """\
-- name: merge_rows()^
-- @staging t
WITH merged AS (
    INSERT INTO public.t AS t (id, kind, note)
    SELECT s.id, s.kind, s.note
    FROM pg_temp.t_staging AS s
    ORDER BY s.ctid ASC
    ON CONFLICT (id) DO UPDATE SET kind = excluded.kind
    RETURNING (t.xmax = 0) AS inserted
)

SELECT
    count(*) FILTER (WHERE m.inserted) AS inserted,
    count(*) FILTER (WHERE NOT m.inserted) AS updated
FROM merged AS m;
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(databases: Databases) -> AsyncGenerator[Any]:
    async with databases.fresh() as target, open_analysis(target) as connection:
        if connection.get_server_version().major != REFERENCE_MAJOR:
            pytest.skip(f"trees are read as release {REFERENCE_MAJOR} prints them")
        await connection.execute(SCHEMA)
        yield connection


async def analysed(asked: Any, folder: Path, text: str) -> ProjectAnalysis:
    root = write_project(folder / "p", "staged", "", {}, "")
    (root / "queries" / "t.sql").write_text(text)
    checkout = read_checkout(root)
    return await analyse_project(asked, checkout, read_queries(checkout))


async def test_the_rows_to_give_are_those_of_the_insert(asked: Any, tmp_path: Path) -> None:
    analysis = await analysed(asked, tmp_path, RIGHT)
    assert analysis.findings == ()
    (found,) = analysis.files["t"]
    assert found.row is not None
    assert found.merge is not None
    assert (found.merge.table, found.merge.key) == ("public.t", ("id",))
    assert [(field.name, field.annotation, field.omissible) for field in found.row.fields] == [
        ("id", "int", False),
        ("kind", "str", False),
        ("note", "str | None", True),
    ]
    assert found.row.name == "NewT"
    assert {table for table, _ in (*found.access.reads, *found.access.writes)} == {"public.t"}
    left = await asked.fetchval("SELECT to_regclass('pg_temp.t_staging')")
    assert left is None


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("merge_rows()^", "merge_rows()", 1, "no parameters and the suffix ^"),
        ("-- @staging t\n", "-- @staging t\n-- @one\n", 1, "no other directive but @timeout"),
        ("-- @staging t\n", "-- @staging\n", 2, "write `-- @staging table`"),
        ("-- @staging t\n", "-- @staging other\n", 4, "@staging other, but the INSERT is into t"),
        ("s.note\n", "upper(s.note)\n", 5, "select the columns of the INSERT as they are"),
        ("s.id, s.kind", "s.kind, s.id", 5, "select the columns of the INSERT as they are"),
        ("pg_temp.t_staging AS s", "public.t AS s", 1, "the rows are those of t_staging alone"),
        ("AS s\n", "AS s\n    WHERE s.id > 0\n", 6, "the SELECT leaves rows out"),
        ("s.ctid ASC", "s.id ASC", 7, "write ORDER BY s.ctid ASC"),
        ("s.ctid ASC", "s.ctid DESC", 7, "write ORDER BY s.ctid ASC"),
        ("    ORDER BY s.ctid ASC\n", "", 1, "write ORDER BY s.ctid ASC"),
        ("ON CONFLICT (id) DO UPDATE SET kind = excluded.kind", "", 1, "which ON CONFLICT has to"),
        ("CONFLICT (id)", "CONFLICT (doc)", 8, "the key has doc, which the rows do not give"),
        ("AS updated", "AS changed", 1, "how many rows it inserted and updated, as BIGINT"),
        (
            "SELECT\n",
            ", gone AS (DELETE FROM public.t AS d WHERE d.id < 0)\nSELECT\n",
            12,
            "changes no other rows",
        ),
        ("t.xmax = 0", "t.xmax =", 9, "syntax error"),
    ],
)
async def test_a_finding(
    asked: Any, tmp_path: Path, old: str, new: str, line: int, told: str
) -> None:
    assert old in RIGHT
    (finding,) = (await analysed(asked, tmp_path, RIGHT.replace(old, new, 1))).findings
    assert told in str(finding)
    assert finding.line == line, str(finding)
    assert finding.statement in ("t.merge_rows", "merge_rows")


async def test_a_key_has_an_order(asked: Any, tmp_path: Path) -> None:
    text = (
        RIGHT.replace("id, kind, note", "id, kind, doc")
        .replace("s.note", "s.doc")
        .replace("CONFLICT (id)", "CONFLICT (doc)")
    )
    (finding,) = (await analysed(asked, tmp_path, text)).findings
    assert "doc has type jsonb, whose order Python does not know" in str(finding)
