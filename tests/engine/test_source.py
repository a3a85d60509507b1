"""Where a place in a statement stands in its file, and what a file alone shows to be wrong."""

from pathlib import Path

import asyncpg
import pglast
import pytest
from pglast.parser import ParseError

from typedsql.tools.reading.complaints import parse_finding, postgres_finding
from typedsql.tools.reading.findings import Finding
from typedsql.tools.reading.source import SourceFile

PROJECT = Path(__file__).parents[2]


def check(text: str) -> SourceFile:
    return SourceFile.of_text("queries/t.sql", text)


def only(text: str) -> Finding:
    (finding,) = check(text).findings
    return finding


@pytest.mark.parametrize("path", sorted((PROJECT / "queries").glob("*.sql")), ids=lambda p: p.stem)
def test_the_files_of_this_project_are_read_alike(path: Path) -> None:
    source = SourceFile.read(path, PROJECT)
    assert source.findings == ()
    assert len(source.statements) == path.read_text().count("-- name: ")
    for statement in source.statements.values():
        line, column = source.position(statement, None)
        named = source.text.splitlines()[line - 1][column - 1 :]
        assert named.startswith(statement.name.partition(".")[2])


TEXT = """\
-- Things. Owner: nobody.

-- name: get_thing(id, größe)^
-- One thing; it's :quoted.
SELECT
\tt.id AS "id!", 'é😀' AS e, /* it's */
    -- A line that :moves to the docstring.
    t.größe
FROM things AS t
WHERE t.id = :id AND t.größe = :größe AND t.id <> :id;

-- name: other()
SELECT 1
"""


def test_each_token_of_a_statement_is_found_in_the_file() -> None:
    source = check(TEXT)
    assert source.findings == ()
    statement = source.statements["get_thing"]
    lines = TEXT.splitlines()
    for piece, expected, column in [
        ("SELECT", 5, 1),
        ("t.id AS", 6, 2),
        ('"id!"', 6, 10),
        ("'é😀'", 6, 17),
        ("t.größe\n", 8, 5),
        ("$1 AND", 10, 14),
        ("$2", 10, 32),
    ]:
        offset = statement.sql.index(piece)
        assert source.position(statement, offset) == (expected, column)
        shown = lines[expected - 1][column - 1 :]
        assert shown.startswith(piece.strip() if piece[0] != "$" else ":")
    second = statement.sql.rindex("$1")
    assert source.position(statement, second) == (10, 51)
    # Within a token, before the first and behind the last one.
    assert source.position(statement, statement.sql.index("ELECT")) == (5, 2)
    assert source.position(statement, 0) == (5, 1)
    assert source.position(statement, len(statement.sql)) == (10, 54)
    assert source.position(statement, None) == (3, 10)
    assert source.section(source.statements["other"]).line == 12


def test_findings_of_other_checks_stand_where_they_say() -> None:
    source = check(TEXT)
    statement = source.statements["get_thing"]
    there = source.finding(
        statement, rule="type", message="m", advice="a", offset=statement.sql.index("'é")
    )
    assert (there.line, there.column, there.statement) == (6, 17, "t.get_thing")
    assert there.excerpt == TEXT.splitlines()[5]
    in_bytes = len(statement.sql[: statement.sql.index("t.größe\n")].encode())
    byte = source.finding_at_byte(statement, rule="type", message="m", location=in_bytes)
    assert (byte.line, byte.column) == (8, 5)
    unknown = source.finding_at_byte(statement, rule="type", message="m", location=-1)
    assert (unknown.line, unknown.column) == (3, 10)
    nowhere = source.finding(None, rule="type", message="m")
    assert (nowhere.line, nowhere.column, nowhere.statement) == (1, 1, None)


@pytest.mark.parametrize(
    ("sql", "place", "words"),
    [
        ("SELECT\n\t1,\n\tt.nope\nFROM (SELECT :x::INT AS i) AS t", (4, 2), "column t.nope does"),
        ("SELECT 'ü', :x FROM nowhere", (2, 21), 'relation "nowhere" does not exist'),
        ("SELECT /* a */ :x::INT,\n  -- é\n  1 +", (4, 6), "syntax error at end of input"),
        ("SELECT :x::INT,, 1", (2, 16), 'syntax error at or near ","'),
        ("SELECT :x::INT + 'a'::TEXT", (2, 16), "operator does not exist: integer + text"),
        ("SELECT 1 FROM nowhere(:x)", (2, 15), "function nowhere(unknown) does not exist"),
    ],
)
async def test_postgresql_points_into_the_file(
    rolled_back: "asyncpg.Connection", sql: str, place: tuple[int, int], words: str
) -> None:
    source = check(f"-- name: a(x)\n{sql};\n")
    statement = source.statements["a"]
    with pytest.raises(asyncpg.PostgresError) as caught:
        await rolled_back.prepare(statement.sql)
    finding = postgres_finding(caught.value, statement, source)
    assert (finding.line, finding.column) == place
    assert finding.message.startswith(words)
    assert finding.rule == "postgresql"


async def test_hint_detail_and_names_of_parameters_are_told(
    rolled_back: "asyncpg.Connection",
) -> None:
    async def refused(text: str) -> Finding:
        source = check(text)
        statement = source.statements["a"]
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with rolled_back.transaction():
                await rolled_back.prepare(statement.sql)
        return postgres_finding(caught.value, statement, source)

    finding = await refused("-- name: a(x)\nSELECT t.xx FROM (SELECT :x::INT AS xxx) AS t\n")
    assert finding.advice == 'Perhaps you meant to reference the column "t.xxx"'
    finding = await refused("-- name: a(p, q)\nSELECT :p::INT\nWHERE :q IS NULL\n")
    assert "parameter :q" in finding.message
    assert (finding.line, finding.column) == (3, 7)
    finding = await refused("-- name: a()\nSELECT\n    '{1'::INT[]\n")
    assert finding.message == 'malformed array literal: "{1" (Unexpected end of input)'
    assert (finding.line, finding.column) == (3, 5)


async def test_an_error_in_a_function_stays_with_the_name(
    rolled_back: "asyncpg.Connection",
) -> None:
    await rolled_back.execute("SET LOCAL check_function_bodies = off")
    await rolled_back.execute(
        "CREATE FUNCTION public.broken() RETURNS INT LANGUAGE sql AS 'SELECT nope'"
    )
    source = check("-- name: a()\nSELECT 1,\n    public.broken()\n")
    statement = source.statements["a"]
    with pytest.raises(asyncpg.PostgresError) as caught:
        await rolled_back.fetch(statement.sql)
    finding = postgres_finding(caught.value, statement, source)
    assert (finding.line, finding.column) == (1, 10)
    assert finding.message == 'column "nope" does not exist'


def test_pglast_points_into_the_file() -> None:
    source = check("-- name: a(x)\nSELECT 'é' /* b */ AS e\nFROM FROM :x\n")
    statement = source.statements["a"]
    with pytest.raises(ParseError) as caught:
        pglast.parse_sql(statement.sql)
    finding = parse_finding(caught.value, statement, source)
    assert (finding.line, finding.column) == (3, 6)
    assert finding.message == 'syntax error at or near "FROM"'


@pytest.mark.parametrize(
    ("text", "place", "words", "advice"),
    [
        ("SELECT 1;\n-- name: a()\nSELECT 1", (1, 1), "never run", "give it a name"),
        ("-- name: a()\nSELECT 1\n-- name: a()\nSELECT 2", (3, 10), "line 1", "another name"),
        ("-- name: a-b()\nSELECT 1\n-- name: a_b()\nSELECT 2", (3, 10), "line 1", "- and _"),
        ("-- name: a()\nSELECT 1\n-- name: a_cursor()^\nSELECT 2", (3, 10), "cursor", "another"),
        ("-- name: a_cursor()^\nSELECT 1\n-- name: a()\nSELECT 2", (3, 10), "cursor", "another"),
        ("-- name: 1st()\nSELECT 1", (1, 10), "begins with a digit", "get_"),
        ("-- name:\na()\nSELECT 1", (1, 9), "has no name", "-- name: get_thing"),
        ("-- name: a\nSELECT 1", (1, 11), "not declared", "a()"),
        ("-- name: a() all of it\nSELECT 1", (1, 14), "more than a name", "lines below"),
        ("-- name: a(b)\nSELECT 1, :c, :b", (2, 11), ":c is not declared", "a(b, c)"),
        ("-- name: a(b, c)\nSELECT 1, :b", (1, 15), ":c", "take it out"),
        ("-- name: a()\n-- words\n\n", (1, 10), "no SQL", "delete"),
        ("-- name: a()\nSELECT 1;\nSELECT 2;\n", (3, 1), "second statement", "`-- name:` line"),
        ("-- name: a()\n-- @nope x\nSELECT 1", (2, 1), "@nope", "@one"),
        ("-- name: a()*!\nSELECT 1", (1, 13), "suffix *!", "<! (returning)"),
        ("-- name: a()??\nSELECT 1", (1, 13), "suffix ??", "^ (one row)"),
        ("-- name: a(x, x)\nSELECT :x", (1, 11), "x is declared twice", "once"),
        ("-- name: a(x y)\nSELECT :x", (1, 11), "no list of parameters", "a(x, y)"),
        ("-- name: a(x,)\nSELECT :x", (1, 11), "no list of parameters", "a(x)"),
        ("-- name: a(x\nSELECT :x", (1, 11), "more than a name", "lines below"),
        ("-- name: a(x, self)\nSELECT :x, :self", (1, 15), "'self' cannot be", "another"),
        ("-- name: a(db)\nSELECT :db", (1, 12), "'db' cannot be", "another"),
        ("-- name: a(_x)\nSELECT :_x", (1, 12), "parameter '_x' cannot be", "another"),
        ("-- name: a(\n  class)\nSELECT :class", (1, 11), "more than a name", "lines below"),
        ("-- name: a(x,class)\nSELECT :x, :class", (1, 14), "'class' cannot be", "another"),
        ("-- name: add_query()\nSELECT 1", (1, 10), "add_query", ""),
        ("-- name: a()\nSELECT 'b\n\n-- name: c()\nSELECT 1", (2, 8), "quoted string", "line 4"),
        ("-- name: a()\nSELECT /* b", (2, 8), "unterminated /* comment", "close it"),
        ("/*\n-- name: a()\nSELECT 1 */", (1, 1), "unterminated /* comment", "line 2"),
        ("-- name: a()\nSELECT 1 -- then -- name: b()\n", (2, 18), "statement here", "reword"),
        ("-- name: a()\nSELECT 1\n--\nname: b()\n", (3, 1), "statement here", "reword"),
        ("-- see -- name: a()\nSELECT 1", (1, 8), "statement here", "beginning of a line"),
        ("-- name: a()\nSELECT 'x\0'", (2, 10), "NUL", ""),
    ],
)
def test_headers(text: str, place: tuple[int, int], words: str, advice: str) -> None:
    finding = only(text)
    assert (finding.line, finding.column) == place
    assert words in finding.message
    assert advice in finding.advice


def test_each_parameter_that_python_cannot_take_is_told_at_its_place() -> None:
    found = check("-- name: k(_db, self, match, self_id)\nSELECT :_db, :self, :match, :self_id\n")
    assert [(item.rule, item.line, item.column) for item in found.findings] == [
        ("name", 1, 12),
        ("name", 1, 17),
    ]
    # Python takes these, though it has a meaning for one of them.
    assert list(check("-- name: k(match, self_id)\nSELECT :match, :self_id\n").statements) == ["k"]


def test_everything_is_told_at_once_and_the_rest_can_be_used() -> None:
    source = check(
        "-- name: a()\n-- @nope\n-- @neither\nSELECT 1\n"
        "-- name: b(x)\nSELECT $$ :y $$, :x\n"
        "-- name: c()\nSELECT 'open\n"
        "-- name: d(x)\nSELECT :x, :y, :z\n"
        "-- name: e(x)\nSELECT :x::INT\n"
        "-- name: 1f()\nSELECT 1\n"
    )
    assert [finding.line for finding in source.findings] == [2, 3, 6, 8, 10, 10, 13]
    assert list(source.statements) == ["e"]
    statement = source.statements["e"]
    assert source.position(statement, statement.sql.index("$1")) == (12, 8)
    assert statement.location == "queries/t.sql:11"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_are_read(tmp_path: Path, end: str, mark: bytes) -> None:
    path = tmp_path / "queries" / "t.sql"
    path.parent.mkdir()
    lines = ["-- name: a(x)", "-- About a.", "SELECT 1,", "  -- é", "  :x::INT;", ""]
    path.write_bytes(mark + end.join(lines).encode())
    source = SourceFile.read(path, tmp_path)
    assert source.findings == ()
    assert source.file == "queries/t.sql"
    statement = source.statements["a"]
    assert source.position(statement, statement.sql.index("$1")) == (5, 3)


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "-- Only words: nothing here.\n"])
def test_a_file_without_statements_is_in_order(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.sql"
    path.write_text(text, encoding="utf-8")
    source = SourceFile.read(path, tmp_path)
    assert (source.findings, dict(source.statements)) == ((), {})


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_utf8_are_shown(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "t.sql"
    path.write_bytes(mark + "-- name: a()\nSELECT 'é".encode() + b"\xe9\xff', 1\n")
    source = SourceFile.read(path, tmp_path)
    (finding,) = source.findings
    assert (finding.rule, finding.line, finding.column) == ("encoding", 2, 10)
    assert "0xe9" in finding.message
    assert not source.statements


def test_a_line_break_in_a_text_is_not_read_alike_with_windows_line_ends() -> None:
    text = "-- name: a()\nSELECT 'one\ntwo'\n"
    assert check(text).findings == ()
    finding = only(text.replace("\n", "\r\n"))
    assert (finding.rule, finding.line, finding.column) == ("misread", 2, 8)
