"""What aiosql reads otherwise than PostgreSQL is refused; what both read alike is not.

The generated files are made of pieces whose meaning is written down beside them, so that the
truth comes from no lexer: a file is refused, or its statement parses to the tree of the truth.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast.parser import ParseError

from typedsql.errors import CodeError
from typedsql.statements import parse_statements
from typedsql.tools.reading.lexer import PARAMETER, significant, tokenize
from typedsql.tools.reading.source import SourceFile


class Piece(NamedTuple):
    """A part of a statement, with {name} in its meaning where a parameter stands."""

    text: str
    meaning: str
    parameters: tuple[str, ...] = ()


def same(text: str) -> Piece:
    """A piece without parameters."""
    return Piece(text, text.replace("{", "{{").replace("}", "}}"))


HARMLESS = [
    Piece(":x", "{x}", ("x",)),
    Piece(":y::INT", "{y}::INT", ("y",)),
    Piece("(:x)+:y", "({x})+{y}", ("x", "y")),
    Piece("f(a:=:x, b := :y)", "f(a:={x}, b := {y})", ("x", "y")),
    Piece("a[:x]", "a[{x}]", ("x",)),
    Piece("a[1: :x]", "a[1: {x}]", ("x",)),
    Piece("ARRAY[:x,:y]", "ARRAY[{x},{y}]", ("x", "y")),
    same("a[1: 2]"),
    same("a[n : m]"),
    same("'a:b'"),
    same("'it''s :z'"),
    same("'-- not a comment'"),
    same("'/* nor this */'"),
    same("'two\nlines'"),
    same("'one'\n  'text'"),
    same("E'plain :z'"),
    same("U&'d\\0061t :z'"),
    same("b::TEXT::INT"),
    same("12::INT"),
    same('"a:b" AS "name!"'),
    same('"it\'s ""so"" :z"'),
    same("a ?| b"),
    same("a @> '{\"k\": [1]}'"),
    same("a->'b'->>'c:d'"),
    same("a #>> '{b,c}'"),
    same("a @? '$.b ? (@ > 1)'"),
    same("TIME '12:30:45'"),
    same("größe"),
    same("'日本 :z é'"),
    same("$$plain$$"),
    same("1.5e3"),
    same("x'1F'"),
    same("CASE WHEN a THEN 'x' END"),
]
"""Read alike by aiosql, PostgreSQL and a person."""

TRICKY = [
    same("a[1:n]"),
    same("a[1:2]"),
    same("a[b[1]:n]"),
    same("a[n:m]"),
    same("$$ :z $$"),
    same("$q$ it's :x $q$"),
    same("$$ -- $$"),
    same("$$\n-- lost\n$$"),
    same("E'it\\'s :z'"),
    same("E'it\\'s'"),
    same("'a\n-- lost\nb'"),
    same("'a\n  --b'"),
    same("'blanks  \nat the end'"),
    same("'a\u2028b'"),
    same("'a\x0cb'"),
    same("'a\x85b'"),
    same('"a\n--b"'),
    same('"a  \nb"'),
    same("b -- it's\n"),
    same('b -- a "word\n'),
    same("b -- as in :z\n"),
    same("b -- as in :x\n"),
    same("b -- odd\x0c c\n"),
    same("b -- odd\u2028 c\n"),
    same("b /* it's */"),
    same("b /* :x */"),
    same("b /*+ :z it's */"),
    same("b /* a /* nested */ comment */"),
    same("b/**/::INT"),
    same("1/**/AS c"),
    same("b -/* c */- 1"),
    same("'a'/**/ 'b'"),
    same("'/*'"),
    same("'*/'"),
    same("$$ /* $$"),
    same("$$ */ $$"),
    same("b -- /*\n"),
    same("b -- */\n"),
    same("b\xa0"),
    same("'-- name: z()'"),
    same("b -- -- name: z()\n"),
    same("b --\nname: c"),
    same("12:30"),
    same("b:c"),
    Piece("a[:x:y]", "a[{x}:y]", ("x",)),
    Piece("a[1::x]", "a[1::x]"),
    Piece("b:x", "b{x}", ("x",)),
    Piece("1:x", "1 {x}", ("x",)),
    Piece(":x:y", "{x} {y}", ("x", "y")),
    Piece("'a':x", "'a' {x}", ("x",)),
    Piece(":x.y", "{x}.y", ("x",)),
    Piece(":x$", "{x}$", ("x",)),
    Piece("E'\\'', :x, E'\\''", "E'\\'', {x}, E'\\''", ("x",)),
    Piece(":x/**/:y", "{x} {y}", ("x", "y")),
    Piece("(:x).y", "({x}).y", ("x",)),
    Piece("'a\n'\n  -- 'c'\n'b:'||:x", "'a\n'\n  -- 'c'\n'b:'||{x}", ("x",)),
    same("$1"),
]
"""Read otherwise by aiosql, or nearly so, alone or beside others."""

BETWEEN = [", ", ",\n    ", ",\n-- A full line; it's :z.\n", ", -- plain\n", ",\t/* plain */ "]


def numbered(pieces: Sequence[Piece], between: Sequence[str]) -> tuple[str, list[str]]:
    """What PostgreSQL is to get, and the names of its parameters."""
    names: list[str] = []
    parts: list[str] = []
    for piece, gap in zip(pieces, [*between, ""], strict=True):
        names += [name for name in piece.parameters if name not in names]
        places = {name: f"${names.index(name) + 1}" for name in piece.parameters}
        parts += [piece.meaning.format(**places), gap]
    return "SELECT " + "".join(parts) + "\nFROM t", names


def file_of(pieces: Sequence[Piece], between: Sequence[str], name: str = "a") -> str:
    body = "".join(p.text + gap for p, gap in zip(pieces, [*between, ""], strict=True))
    names = numbered(pieces, between)[1]
    return f"-- name: {name}({', '.join(names)})\n-- About it.\nSELECT {body}\nFROM t;\n"


def tree(sql: str) -> object:
    """What PostgreSQL's parser makes of it; nodes are compared without their places."""
    try:
        return pglast.parse_sql(sql)[0].stmt
    except ParseError:
        return None


def said(token: str) -> object:
    """What a token means: a text may be in pieces, with white space between them."""
    return (tree(f"SELECT {token}") if "'" in token else None) or token


Drawn = tuple[list[Piece], list[str]]


def statements(kinds: list[Piece], longest: int = 5) -> st.SearchStrategy[Drawn]:
    def with_gaps(pieces: list[Piece]) -> st.SearchStrategy[Drawn]:
        gaps = st.lists(
            st.sampled_from(BETWEEN), min_size=len(pieces) - 1, max_size=len(pieces) - 1
        )
        return st.tuples(st.just(pieces), gaps)

    return st.lists(st.sampled_from(kinds), min_size=1, max_size=longest).flatmap(with_gaps)


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    # aiosql warns of what it misreads.
    logging.getLogger("aiosql").disabled = True
    yield
    logging.getLogger("aiosql").disabled = False


@settings(max_examples=600, deadline=None)
@given(st.lists(statements(HARMLESS + TRICKY), min_size=1, max_size=3))
def test_a_file_is_refused_or_read_as_postgresql_does(drawn: list[Drawn]) -> None:
    text = "\n".join(file_of(*item, name=f"s{n}") for n, item in enumerate(drawn))
    source = SourceFile.of_text("queries/t.sql", text)
    if not source.findings:
        assert list(source.statements) == [f"s{n}" for n in range(len(drawn))]
    for n, item in enumerate(drawn):
        statement = source.statements.get(f"s{n}")
        if statement is None:
            assert source.findings
            continue
        truth, names = numbered(*item)
        assert list(statement.parameters) == names
        assert tree(statement.sql) == tree(truth)
    for finding in source.findings:
        assert 1 <= finding.line <= text.count("\n") + 1
        assert finding.advice or finding.rule == "postgresql"


@settings(max_examples=300, deadline=None)
@given(statements(HARMLESS, longest=8))
def test_what_is_harmless_is_not_refused(drawn: Drawn) -> None:
    source = SourceFile.of_text("queries/t.sql", file_of(*drawn))
    assert [str(finding) for finding in source.findings] == []
    truth, _ = numbered(*drawn)
    assert tree(source.statements["a"].sql) == tree(truth) is not None


SCRAPS = [
    "'", "'", '"', "--", "/*", "*/", "$$", "$q$", ":", ":x", ":y", "::", ":=", "[", "]", "(", ")",
    "\n", "\n", " ", "  ", "E'", "\\", ";", "name:", "\x0c", "\xa0", "\r", "\t", "1", "$", ".",
    ",", "x", "+", "-", "\n-- name: b()\n", "\n-- name: c(x)^\n", "SELECT", "@one", "U&'", "é",
]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(SCRAPS), max_size=14), st.sampled_from(["", "x", "y", "x, y"]))
def test_whatever_is_accepted_is_what_postgresql_reads(scraps: list[str], names: str) -> None:
    source = SourceFile.of_text("t.sql", f"-- name: a({names})\nSELECT 1 " + "".join(scraps))
    for name, statement in source.statements.items():
        tokens = significant(source.tokens(statement))
        assert name in "abc"
        order: list[str] = []
        for token in tokens:
            if token.kind == PARAMETER and token.name not in order:
                order.append(token.name)
        expected = [
            f"${order.index(token.name) + 1}" if token.kind == PARAMETER else token.text
            for token in tokens
        ]
        sent = [token.text for token in significant(tokenize(statement.sql))]
        assert [said(text) for text in sent] == [said(text) for text in expected]
        assert list(statement.parameters) == order


def test_without_the_check_some_would_slip_through() -> None:
    """The control: aiosql alone accepts these, and sends something else."""
    slipped: list[str] = []
    for piece in TRICKY:
        text = file_of([piece], [])
        try:
            statement = parse_statements(text, "t", "t.sql")["a"]
        except (CodeError, KeyError, AttributeError):
            continue
        truth, names = numbered([piece], [])
        if list(statement.parameters) != names or tree(statement.sql) != tree(truth):
            slipped.append(piece.text)
            assert SourceFile.of_text("queries/t.sql", text).findings, piece.text
    assert {"a[1:2]", "'a\n-- lost\nb'", "'a\u2028b'", "$$\n-- lost\n$$"} <= set(slipped)
    assert len(slipped) >= 10


@pytest.mark.parametrize(
    ("code", "place", "advice"),
    [
        ("a[1:n], :x", (3, 4), "a[1: 2]"),
        ("a[1:2], :x", (3, 4), "a[1: 2]"),
        ("12:30, :x", (3, 3), "TIME '12:30'"),
        ("1, $$ it's :y $$, :x", (3, 4), "plain '...'"),
        ("1, E'it\\'s :y', :x", (3, 4), "plain '...'"),
        ("'a\n  -- b', :x", (4, 1), "chr(10)"),
        ("'a  \nb', :x", (3, 1), "chr(10)"),
        ("'a\u2028b', :x", (3, 3), "U&"),
        ("1, -- it's\n  :x, -- isn't\n 2", (3, 9), "line of its own"),
        ("1, -- as :y\n :x", (3, 10), "line of its own"),
        ("1 -- b\x0cc\n, :x", (3, 7), "delete it"),
        ("1 /* a /* b */ c */, :x", (3, 3), "-- lines"),
        ("a/* */b, :x", (3, 2), "spaces around"),
        ("1, /*+ it's */ :x /*+ it's */", (3, 4), "-- lines"),
        ("a:x", (3, 2), "space before"),
        (":x.y", (3, 1), "(:x).field"),
        (":x$y", (3, 1), "letters, digits"),
        ("$1, :x", (3, 1), ":name"),
        ("b\xa0\n, :x", (3, 2), "delete it"),
    ],
)
def test_each_misreading_has_its_place_and_its_advice(
    code: str, place: tuple[int, int], advice: str
) -> None:
    source = SourceFile.of_text("queries/t.sql", f"-- name: a(x)\nSELECT\n{code}\nFROM t\n")
    (finding,) = source.findings
    assert (finding.rule, finding.line, finding.column) == ("misread", *place)
    assert advice in finding.advice
    assert finding.statement == "t.a"


def test_what_one_statement_opens_and_another_closes_is_told() -> None:
    """Each statement is read alike by itself, but aiosql loses all between the two signs."""
    text = (
        "-- name: a()\nSELECT $$ /* $$;\n-- name: b()\nSELECT 2;\n-- name: c()\nSELECT $$ */ $$\n"
    )
    source = SourceFile.of_text("queries/t.sql", text)
    (finding,) = source.findings
    assert (finding.rule, finding.line, finding.column) == ("misread", 2, 8)
