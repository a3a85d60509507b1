"""What a statement must keep to besides being SQL: each finding with its place and its words.

What is known of nullability, cardinality and access is proven in tests/proof; here is what
is made of it.
"""

import textwrap
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.engine.typed_project import write_project
from typedsql.tools.analysis import least_proven
from typedsql.tools.config import read_checkout
from typedsql.tools.project_analysis import analyse_project, read_queries
from typedsql.tools.proof import ColumnProof
from typedsql.tools.reading.findings import Finding
from typedsql.tools.schema import REFERENCE_MAJOR
from typedsql.tools.scratch import open_analysis

SCHEMA = """
CREATE TABLE public.t (
    id BIGINT PRIMARY KEY, kind TEXT NOT NULL, note TEXT, cost NUMERIC, at DATE NOT NULL
);
CREATE TABLE public.u (t_id BIGINT NOT NULL, word TEXT NOT NULL);
CREATE TABLE public.v (id BIGINT PRIMARY KEY);
"""

Check = Callable[..., Awaitable[list[Finding]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(databases: Databases) -> AsyncGenerator[Any]:
    async with databases.fresh() as target, open_analysis(target) as connection:
        if connection.get_server_version().major != REFERENCE_MAJOR:
            pytest.skip(f"trees are read as release {REFERENCE_MAJOR} prints them")
        await connection.execute(SCHEMA)
        yield connection


@pytest.fixture
def check(asked: Any, tmp_path: Path) -> Check:
    """Analyses the text of queries/t.sql."""

    async def run(text: str, declared: str = "") -> list[Finding]:
        root = write_project(tmp_path / "p", "rules", "", {}, declared)
        (root / "queries" / "t.sql").write_bytes(text.encode())
        checkout = read_checkout(root)
        return list((await analyse_project(asked, checkout, read_queries(checkout))).findings)

    return run


def under(name: str, sql: str) -> str:
    return f"-- name: {name}\n{sql}\n"


@pytest.mark.parametrize(
    ("name", "sql", "rule", "column", "told"),
    [
        ("get_it()^", "SELECT x.* FROM public.t AS x LIMIT 1;", "star", 8, "list the columns"),
        ("get_it()^", "SELECT * FROM public.t LIMIT 1;", "star", 8, "list the columns"),
        (
            "insert(id)<!",
            "INSERT INTO public.u (t_id, word) VALUES (:id, '') RETURNING *;",
            "star",
            62,
            "list the columns",
        ),
        (
            "get_it()",
            "SELECT x.id FROM public.t AS x UNION ALL (SELECT y.* FROM public.v AS y);",
            "star",
            50,
            "list the columns",
        ),
        (
            "get_it()",
            "(SELECT 1 AS a EXCEPT SELECT 2) UNION (SELECT 3 INTERSECT SELECT * FROM public.v);",
            "star",
            66,
            "list the columns",
        ),
        ("get_it()^", "SELECT (x).* FROM public.v AS x LIMIT 1;", "star", 8, "list the columns"),
        ("go()!", "DO $$ BEGIN SET work_mem = '1MB'; END $$;", "session-state", 0, "a DO block"),
        ("go()!", "COMMIT;", "session-state", 0, "db.transaction()"),
        ("go()!", "SET work_mem = '1MB';", "session-state", 0, "SET LOCAL"),
        ("go()!", "LISTEN news;", "session-state", 0, "SET LOCAL"),
        ("go()!", "DISCARD ALL;", "session-state", 0, "SET LOCAL"),
        ("get_it()$", "SHOW work_mem;", "command", 0, "current_setting()"),
        *(
            ("go()!", sql, "session-state", column, told)
            for sql, column, told in (
                ("DECLARE c CURSOR WITH HOLD FOR SELECT 1 AS a;", 0, "db.transaction()"),
                ("EXECUTE prepared;", 0, "changes the session"),
                ("LOAD 'auto_explain';", 0, "changes the session"),
                ("CREATE TEMPORARY TABLE x (a INT);", 24, "make a table ON COMMIT DROP"),
                ("CREATE TABLE pg_temp.x AS SELECT 1 AS a;", 14, "something temporary"),
                ("SELECT 1 AS a INTO TEMP x;", 25, "something temporary"),
                ("CREATE TEMP VIEW x AS SELECT 1 AS a;", 18, "something temporary"),
                ("CREATE TEMP SEQUENCE x;", 22, "something temporary"),
                ("UPDATE pg_settings SET setting = 'on' WHERE name = 'jit';", 8, "use SET LOCAL"),
            )
        ),
        *(
            ("get_it()$", f"SELECT {call} AS x;", "session-state", 8, told)
            for call, told in (
                ("pg_advisory_unlock(1)", "is of locks that outlive the transaction"),
                ("pg_advisory_unlock_all()::TEXT", "use pg_advisory_xact_*"),
                ("setseed(0.5)::TEXT", "order by a hash of the key and a parameter"),
                (
                    "query_to_xml('SELECT 1', TRUE, TRUE, '')::TEXT",
                    "query_to_xml runs a text, and nothing in it is looked at",
                ),
            )
        ),
        (
            "is_locked()$",
            "SELECT 1 = 1 AND pg_advisory_lock(1) IS NULL AS x;",
            "session-state",
            18,
            "pg_advisory_lock outlives the transaction; use pg_advisory_xact_*",
        ),
        (
            "is_locked()$",
            "SELECT pg_try_advisory_lock_shared(1) AS x;",
            "session-state",
            8,
            "use pg_advisory_xact_*",
        ),
        (
            "set_it()$",
            "SELECT set_config('work_mem', '1MB', false) AS x;",
            "session-state",
            8,
            "set_config outlives the transaction unless it ends in TRUE; pass TRUE",
        ),
        *(
            (name, sql, "identity", column, "leave that to db.as_user()")
            for name, sql, column in (
                ("act_as()!", "SET LOCAL ROLE authenticated;", 0),
                ("act_as()!", "SET LOCAL request.jwt.claims = '{}';", 0),
                ("act_as()$", "SELECT set_config('role', 'x', TRUE) AS x;", 8),
                ("act_as()$", "SELECT set_config('Request.JWT.claim.sub', 'x', TRUE) AS x;", 8),
                ("act_as(name)$", "SELECT set_config(:name, 'x', TRUE) AS x;", 8),
            )
        ),
        (
            "count_like(word)$",
            "SELECT count(*) AS n FROM public.u AS x WHERE x.word LIKE :word;",
            "wildcard",
            54,
            "% and _ in a parameter of LIKE stand for any characters; use starts_with()",
        ),
        (
            "count_like(word)$",
            "SELECT count(*) AS n FROM public.u AS x WHERE NOT x.word ILIKE '%' || lower(:word);",
            "wildcard",
            58,
            "% and _ in a parameter of ILIKE stand for any characters",
        ),
        ("get_it()$", "SELECT 1 AS a, 2 AS b;", "suffix", 0, "2 columns come back; use ^"),
        ("delete(id)", "DELETE FROM public.t WHERE id = :id;", "suffix", 0, "use the suffix !"),
        (
            "delete(id)!",
            "DELETE FROM public.t AS x WHERE x.id = :id RETURNING x.id;",
            "suffix",
            0,
            "its suffix ! asks for a count; use <! for one row",
        ),
        ("get_it()$", "-- @one\nSELECT 1 AS a;", "suffix", 0, "@one is for a statement with"),
        ("class()$", "SELECT 1 AS a;", "name", 0, "name 'class' cannot be one in Python"),
        (
            "get_it(kind)^",
            "SELECT x.id, x.kind FROM public.t AS x WHERE x.kind = :kind;",
            "cardinality",
            0,
            "more than one row may come back, and its suffix ^ takes one: no unique key of",
        ),
        (
            "update(kind)<!",
            "UPDATE public.t AS x SET kind = '' WHERE x.kind = :kind RETURNING x.id, x.kind;",
            "cardinality",
            0,
            "fix a unique key with =, add LIMIT 1, or remove the suffix",
        ),
        (
            "list_it()",
            "SELECT x.id, x.kind FROM public.t AS x ORDER BY x.id;",
            "unbounded-list",
            0,
            "add LIMIT :max_rows or a constant one, or name it stream_",
        ),
        (
            "get_it(id)^",
            'SELECT x.note, x.kind AS "kind!" FROM public.t AS x WHERE x.id = :id;',
            "override",
            16,
            '"kind!" repeats what is proven: kind cannot be NULL; remove the !',
        ),
        (
            "get_it(id)^",
            'SELECT x.note, x.kind AS "kind?" FROM public.t AS x WHERE x.id = :id;',
            "override",
            16,
            '"kind?" contradicts what is proven: kind cannot be NULL; remove the ?',
        ),
        ("get_it()^", "SELECT 1, 2 AS b;", "row", 8, "column '?column?' needs a name"),
        ("get_it()^", "SELECT 1 AS a, 2 AS a;", "row", 16, "two columns are named a"),
        (
            "get_it()^",
            "SELECT 1 AS b, CAST(1 AS MONEY) AS a;",
            "type",
            16,
            "column a has type money, which depends on a setting of the server",
        ),
    ],
)
async def test_a_finding(
    check: Check, name: str, sql: str, rule: str, column: int, told: str
) -> None:
    (finding,) = await check(under(name, sql))
    assert finding.rule == rule, str(finding)
    assert told in str(finding)
    # Where no place in the statement is known, it is the statement's name.
    place = (2, column) if column else (1, 10)
    assert (finding.line, finding.column) == place, str(finding)
    assert finding.statement == "t." + name.partition("(")[0]
    shown, caret = str(finding).splitlines()[1:]
    assert caret.index("^") == shown.index(finding.excerpt) + finding.column - 1


async def test_a_parameter_that_cannot_be_one(check: Check) -> None:
    (finding,) = await check(under("get_it(db)$", "SELECT CAST(:db AS INT) AS a;"))
    assert (finding.rule, finding.line, finding.column) == ("name", 1, 17), str(finding)
    assert "parameter 'db' cannot be one in Python" in finding.message


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("go()!", "SET LOCAL work_mem = '1MB';"),
        ("go()!", "CREATE TEMPORARY TABLE x ON COMMIT DROP AS SELECT 1 AS a;"),
        ("lock()$", "SELECT pg_advisory_xact_lock(1) AS x;"),
        ("set_it()$", "SELECT set_config('work_mem', '1MB', TRUE) AS x;"),
        ("count()$", "SELECT count(*) AS n FROM public.t;"),
        ("list_it(n)", "SELECT x.id, x.kind FROM public.t AS x ORDER BY x.id LIMIT :n;"),
        ("list_it()", "SELECT x.id, x.kind FROM public.t AS x ORDER BY x.id LIMIT 10;"),
        ("stream_it()", "SELECT x.id, x.kind FROM public.t AS x ORDER BY x.id;"),
        ("get_it(id)^", "SELECT x.id, x.kind FROM public.t AS x WHERE x.id = :id;"),
        ("get_it(kind)^", "SELECT x.id, x.kind FROM public.t AS x WHERE x.kind = :kind LIMIT 1;"),
        ("count_b()$", "SELECT count(*) AS n FROM public.t AS x WHERE x.kind LIKE 'b%';"),
        ("is_in(word)$", "SELECT count(*) AS n FROM public.t AS x WHERE :word LIKE x.kind;"),
        (
            "count_like(word)$",
            "SELECT count(*) AS n FROM public.t AS x"
            " WHERE x.kind ILIKE '%' || replace(:word, '%', '\\%') || '%';",
        ),
        ("count_like(word)$", "SELECT count(*) AS n FROM public.t AS x WHERE x.kind ~~ :word;"),
        (
            "get_it()^",
            "SELECT CAST(x.kind AS JSON) ->> 'a' AS \"note!\", x.id FROM public.t AS x LIMIT 1;",
        ),
    ],
)
async def test_what_is_in_order(check: Check, name: str, sql: str) -> None:
    """The control: what differs little from the above, and is right."""
    assert await check(under(name, sql)) == []


async def test_an_override_that_is_known_to_be_wrong(check: Check) -> None:
    text = under(
        "get_it(id)^",
        "SELECT\n    x.id,\n    CAST(NULL AS TEXT)\n"
        '        AS "nothing!"\nFROM public.t AS x\nWHERE x.id = :id;',
    )
    (finding,) = await check(text)
    assert (finding.rule, finding.line, finding.column) == ("override", 4, 10), str(finding)
    assert "contradicts what is known" in finding.message


SCALES = """\
-- name: list_it(min_cost, kind, n)
-- @optional min_cost
-- @optional kind
SELECT
    x.id,
    min_scale(x.cost) AS "scale!"
FROM public.t AS x
WHERE x.cost > :min_cost AND x.kind = :kind
LIMIT :n;
"""


async def test_an_override_that_only_a_variant_shows_to_be_wrong(check: Check) -> None:
    """With the condition, scale is NULL for NaN alone; without it, for a NULL that is allowed."""
    (finding,) = await check(SCALES)
    assert (finding.rule, finding.line, finding.column) == ("override", 6, 5), str(finding)
    assert "contradicts what is known" in finding.message
    assert "(in t.list_it__kind)" in finding.message


async def test_an_override_that_no_variant_shows_to_be_wrong(check: Check) -> None:
    """The control: the condition is always there."""
    assert await check(SCALES.replace("-- @optional min_cost\n", "")) == []


def proven(because: str | None, *, not_null: bool = False) -> ColumnProof:
    return ColumnProof(
        not_null=not_null,
        origin=None,
        nulled_by=frozenset(),
        not_null_inside=not_null,
        elements_not_null=False,
        nullable_because=because,
    )


@pytest.mark.parametrize(
    ("proofs", "deciding"),
    [
        ([proven(None), proven("u.a can be NULL")], 1),
        ([proven("u.a can be NULL"), proven(None)], 0),
        ([proven(None, not_null=True), proven(None), proven("u.a can be NULL")], 2),
        ([proven(None, not_null=True), proven("u.a can be NULL"), proven(None)], 1),
        ([proven(None, not_null=True), proven(None)], 1),
        ([proven(None, not_null=True), proven(None, not_null=True)], 0),
    ],
)
def test_the_variant_that_decides_of_a_column(proofs: list[ColumnProof], deciding: int) -> None:
    assert least_proven(proofs) == deciding


async def test_findings_of_all_kinds_come_together(check: Check) -> None:
    text = under("get_it()$", 'SELECT x.kind AS "kind!", 1, x.* FROM public.t AS x;')
    text += under("get_it()^", "SELECT 'a;")
    text += under("get_this()^", "SELECT nothing;")
    found = await check(text)
    assert [(item.line, item.rule) for item in found] == [
        (1, "suffix"),
        (1, "cardinality"),
        (2, "override"),
        (2, "star"),
        (3, "duplicate-name"),
        (4, "postgresql"),
        (6, "postgresql"),
    ], "\n".join(map(str, found))


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
async def test_the_caret_is_at_the_word_that_postgresql_means(check: Check, ends: str) -> None:
    text = textwrap.dedent(
        """\
        -- Größen, 長さ und 🐋.

        -- name: get_it(id)^
        -- 長さ in a comment.
        SELECT
        \t'Größe 長さ 🐋' AS word, -- nothing
        \tlower('é🐋') AS a, x.lost AS b
        FROM public.t AS x
        WHERE x.id = :id;

        -- name: get_that(id)^
        SELECT x.id, x.note + '🐋' FROM public.t AS x WHERE x.id = :id;

        -- name: get_word(id)^
        SELECT 'é' AS "長!", 1 AS b FROM public.t AS x WHERE x.id = :id;
        """
    )
    first, second, third = await check(text.replace("\n", ends))
    assert (first.line, first.column, first.message) == (7, 20, "column x.lost does not exist")
    assert str(first).splitlines()[1:] == [
        "    \tlower('é🐋') AS a, x.lost AS b",
        "    \t                   ^",
    ]
    assert (second.line, second.rule) == (12, "postgresql")
    assert second.excerpt[second.column - 1] in "'+"
    assert (third.line, third.column, third.rule) == (15, 8, "override")


async def test_what_is_wrong_with_variants_names_their_base_once(check: Check) -> None:
    text = """\
-- name: get_it(id, kind, note)^
-- @optional id
-- @optional kind
-- @optional note
SELECT
    x.id,
    x.kind
FROM public.t AS x
WHERE x.id = :id AND x.kind = :kind AND x.note = :note;
"""
    (finding,) = await check(text)
    assert finding.rule == "cardinality"
    assert finding.statement == "t.get_it"
    # The file of variants is only written once nothing is wrong.
    assert (finding.file, finding.line) == ("queries/t.sql", 1)
    assert "(in 4 variants: t.get_it__kind_and_note, " in finding.message
    assert finding.advice.endswith("or have it always given, without @optional")


async def test_what_is_wrong_with_a_base_is_not_told_of_its_variants(check: Check) -> None:
    text = """\
-- name: list_it(kind, note)
-- @optional kind
-- @optional note
SELECT
    x.id,
    x.kind
FROM public.t AS x
WHERE x.kind = :kind AND x.note = :note;
"""
    (finding,) = await check(text)
    assert (finding.rule, finding.file) == ("unbounded-list", "queries/t.sql")


@pytest.mark.parametrize(
    ("declared", "line", "told"),
    [
        (
            '[tool.typedsql.rows]\nt = "Thing"\nlost = "Loss"\n',
            8,
            'no table, column or type is named "lost"',
        ),
        ('schemas = ["public", "lost"]\n', 6, "names lost, which is no schema"),
        ('[tool.typedsql.documents]\n"t.lost" = "rules.D"\n', 7, 'the type of "t.lost", rules.D'),
        ('[tool.typedsql.rows]\nt = "Same"\nu = "Same"\n', 6, "would both be Same"),
    ],
)
async def test_the_declaration_is_told_with_its_line(
    check: Check, declared: str, line: int, told: str
) -> None:
    found = await check(under("get_it()$", "SELECT 1 AS a;"), declared)
    assert [(item.file, item.line, told in item.message) for item in found] == [
        ("pyproject.toml", line, True)
    ], "\n".join(map(str, found))
