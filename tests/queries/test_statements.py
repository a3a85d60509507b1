"""Rules that every statement keeps, read off the SQL by PostgreSQL's parser."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pglast
import pglast.ast
import pytest
from pglast.enums import OnConflictAction
from pglast.visitors import Visitor

from typedsql.statements import Statement, load_statements
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

QUERIES = PROJECT.root / PROJECT.queries_dir
TESTS = Path(__file__).parent
FILES = sorted(QUERIES.glob("*.sql"))
# dead_letters tells when an item was last seen; its rows have no other change.
STAMPS = {"dead_letters": "last_seen_at"}
# A claim is not history: expires_at says all that changes of it, by the clock.
WITHOUT_STAMP = {"ingest_claims"}
INDEX_NAME = re.compile(r"\b(?:idx_\w+|\w+_pkey|\w+_natural_key)\b")
NODES: Any = pglast.ast


def statements() -> Iterator[Statement]:
    for path in FILES:
        yield from load_statements(path).values()


class Changes(Visitor):  # type: ignore[misc]
    """Collects the UPDATE and ON CONFLICT DO UPDATE parts: table and assigned columns."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any], bool]] = []

    def visit_UpdateStmt(self, ancestors: Any, node: Any) -> None:  # noqa: N802
        self._collect(node.relation, node)

    def visit_InsertStmt(self, ancestors: Any, node: Any) -> None:  # noqa: N802
        conflict = node.onConflictClause
        if conflict is not None and conflict.action == OnConflictAction.ONCONFLICT_UPDATE:
            self._collect(node.relation, conflict)

    def _collect(self, relation: Any, change: Any) -> None:
        assigned = {target.name: target.val for target in change.targetList}
        self.found.append((relation.relname, assigned, change.whereClause is not None))


def changes(sql: str) -> list[tuple[str, dict[str, Any], bool]]:
    visitor = Changes()
    visitor(pglast.parse_sql(sql))
    return visitor.found


def unstamped(sql: str) -> list[str]:
    """Tables that the statement changes without setting their stamp to now()."""
    return [
        table
        for table, assigned, _ in changes(sql)
        if table not in WITHOUT_STAMP and not _is_now(assigned.get(STAMPS.get(table, "updated_at")))
    ]


def _is_now(value: Any) -> bool:
    return isinstance(value, NODES.FuncCall) and value.funcname[-1].sval == "now"


def test_every_change_sets_its_stamp() -> None:
    seen = [statement for statement in statements() if changes(statement.sql)]
    assert len(seen) > 15
    assert [s.name for s in seen if unstamped(s.sql)] == []


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("UPDATE public.blocks SET canonical = true", ["blocks"]),
        ("UPDATE public.blocks SET updated_at = created_at", ["blocks"]),
        ("UPDATE public.dead_letters SET updated_at = now()", ["dead_letters"]),
        ("UPDATE public.blocks AS t SET updated_at = now()", []),
        ("UPDATE public.ingest_claims SET expires_at = clock_timestamp()", []),
        ("INSERT INTO users (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", []),
        ("INSERT INTO users (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = $1", ["users"]),
        ("WITH c AS (UPDATE blocks SET number = 1 RETURNING 1) SELECT * FROM c", ["blocks"]),
    ],
)
def test_a_change_without_a_stamp_is_found(sql: str, tables: list[str]) -> None:
    """The control of the test above."""
    assert unstamped(sql) == tables


def test_every_change_leaves_what_is_equal() -> None:
    """Whether it does is tested for each; none may lack a condition altogether."""
    bare = [
        statement.name
        for statement in statements()
        for table, _, conditional in changes(statement.sql)
        if not conditional and table not in STAMPS
    ]
    assert bare == []


def test_every_list_is_ordered_and_bounded() -> None:
    loose: list[str] = []
    for statement in statements():
        query: Any = pglast.parse_sql(statement.sql)[0].stmt
        name = statement.name.partition(".")[2]
        ordered = getattr(query, "sortClause", None)
        if name.startswith("stream_") and not ordered:
            loose.append(statement.name)
        if name.startswith("list_") and not (ordered and query.limitCount is not None):
            loose.append(statement.name)
    assert loose == []


def test_every_statement_says_what_it_does_and_names_its_index() -> None:
    for statement in statements():
        assert statement.prose.strip().endswith("."), statement.name
        if not statement.name.endswith(".ensure_months"):
            assert "Index: " in statement.prose, statement.name


async def test_every_index_that_a_comment_names_exists(rolled_back: Any) -> None:
    existing = await rolled_back.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
    )
    named = {
        (statement.name, name)
        for statement in statements()
        for name in INDEX_NAME.findall(statement.prose)
    }
    assert len(named) > 100
    missing = {pair for pair in named if pair[1] not in {row["indexname"] for row in existing}}
    assert missing == set()


def called(source: str) -> set[str]:
    """``module.function`` of everything that a test module calls or passes on."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_every_statement_is_tested() -> None:
    seen: set[str] = set()
    for path in TESTS.glob("test_*.py"):
        seen |= called(path.read_text(encoding="utf-8"))
    assert {statement.name for statement in statements()} - seen == set()
    for path in FILES:
        assert (TESTS / f"test_{path.stem}.py").exists()


def test_a_statement_without_a_test_is_found() -> None:
    """The control of the test above: a comment or a text is no call."""
    assert called('"blocks.get"  # blocks.count\nawait_(blocks.merge(db))') == {"blocks.merge"}
