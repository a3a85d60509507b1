"""Tokens as PostgreSQL sees them, places in texts, and findings as a person sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typedsql.tools.reading.findings import EXCERPT_WIDTH, Finding, Refused, in_file_order
from typedsql.tools.reading.lexer import (
    PARAMETER,
    LexicalError,
    Lines,
    character_offset,
    significant,
    tokenize,
)


def parameters(text: str) -> list[str]:
    return [token.name for token in tokenize(text) if token.kind == PARAMETER]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT :a, :b + :a", ["a", "b", "a"]),
        ("SELECT x::int, y::text", []),
        ("SELECT :a::int", ["a"]),
        ("SELECT f(a := 1, b => :b)", ["b"]),
        ("SELECT ':a', \":b\", $$ :c $$, E'\\':d', U&':e'", []),
        ("SELECT 1 -- :a\n /* :b */ , :c", ["c"]),
        ("SELECT a[:n]", ["n"]),
        ("SELECT a[1:n], a[n:n], a[f(x):n], a[b[1]:n], a[NULL:n], a['1':n]", []),
        ("SELECT a[1: :n], a[:m: :n], a[ : :n]", ["n", "m", "n", "n"]),
        ("SELECT a[1 + :n], ARRAY[1, :m], a[f(:o)], a[CASE WHEN x THEN :p END]", list("nmop")),
        ("SELECT ARRAY[x AT TIME ZONE :n, y BETWEEN :o AND :p]", list("nop")),
        ("SELECT :größe, :select, :_x1", ["größe", "select", "_x1"]),
        ("SELECT : a, :1, :'a', :\"a\"", []),
        ("SELECT :a]:b", ["a", "b"]),
    ],
)
def test_parameters_are_found_where_postgresql_has_no_other_use_for_a_colon(
    text: str, expected: list[str]
) -> None:
    assert parameters(text) == expected


def test_offsets_count_characters_whatever_their_length_in_bytes() -> None:
    text = "SELECT 'é😀', :größe /* ü */ -- ß\n, \"日本\", x"
    for token in tokenize(text):
        assert text[token.start : token.end] == token.text
    assert [token.text for token in significant(tokenize(text))] == [
        "SELECT", "'é😀'", ",", ":größe", ",", '"日本"', ",", "x",
    ]  # fmt: skip


def test_comments_are_tokens_and_only_the_last_semicolons_go() -> None:
    tokens = tokenize("/* a */ SELECT 1; SELECT 2 -- b\n;;")
    assert [token.text for token in tokens if token.is_comment] == ["/* a */", "-- b"]
    assert [token.text for token in significant(tokens)] == ["SELECT", "1", ";", "SELECT", "2"]


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("SELECT é, 'abc", 10, "unterminated quoted string"),
        ('SELECT "abc', 7, "unterminated quoted identifier"),
        ("SELECT $é$abc$$", 7, "unterminated dollar-quoted string"),
        ("SELECT /* /* */", 7, "unterminated /* comment"),
        ("SELECT 12ab", 7, 'trailing junk after numeric literal at or near "12ab"'),
        ("SELECT 'a\0b'", 9, "a NUL character, which no SQL can hold"),
    ],
)
def test_what_cannot_be_read_names_its_place(text: str, offset: int, words: str) -> None:
    with pytest.raises(LexicalError) as caught:
        tokenize(text)
    assert (caught.value.offset, caught.value.message) == (offset, words)


@given(st.text(alphabet="aé€😀\n", max_size=12))
def test_bytes_are_turned_into_characters(text: str) -> None:
    for offset in range(len(text) + 1):
        assert character_offset(text, len(text[:offset].encode())) == offset


@given(st.lists(st.sampled_from(["a", "é", "\n", "\r", "\r\n", "\f", "\u2028"])))
def test_lines_end_as_in_an_editor(pieces: list[str]) -> None:
    text = "".join(pieces)
    lines = Lines(text)
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert [lines.text_of(number) for number in range(1, len(plain) + 1)] == plain
    assert lines.text_of(len(plain) + 1) == lines.text_of(0) == ""
    for offset, character in enumerate(text):
        line, column = lines.position(offset)
        assert lines.start_of(line) + column - 1 == offset
        if character not in "\r\n":
            assert plain[line - 1][column - 1] == character


def finding(excerpt: str, column: int, **changed: object) -> Finding:
    values: dict[str, object] = {
        "rule": "misread",
        "file": "queries/t.sql",
        "line": 3,
        "column": column,
        "statement": "t.a",
        "message": "wrong",
        "advice": "right",
        "excerpt": excerpt,
    }
    return Finding(**(values | changed))  # type: ignore[arg-type]


def test_a_finding_shows_its_line_with_a_caret() -> None:
    assert str(finding("SELECT x", 8)) == (
        "queries/t.sql:3:8: wrong; right\n    SELECT x\n           ^"
    )
    assert str(finding("SELECT x", 0, advice="")) == "queries/t.sql:3: wrong\n    SELECT x"
    assert str(finding("", 0)) == "queries/t.sql:3: wrong; right"
    # Beyond the last character, where PostgreSQL says "at end of input".
    assert str(finding("abc", 4)).endswith("\n    abc\n       ^")


def test_a_tab_and_a_wide_character_do_not_move_the_caret() -> None:
    assert str(finding("\ta\tx", 4)).endswith("\n    \ta\tx\n    \t \t^")
    assert str(finding("日本x", 3)).endswith("\n    日本x\n        ^")
    assert str(finding("e\u0301x", 3)).endswith("\n    e\u0301x\n     ^")


@pytest.mark.parametrize("column", [1, 49, 50, 51, 100, 101, 149, 150, 151, 249, 250, 251])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    line = "".join(chr(ord("A") + index % 26) for index in range(250))
    _, shown, caret = str(finding(line, column)).split("\n")
    shown, at = shown[4:], caret.index("^") - 4
    assert len(shown) == EXCERPT_WIDTH
    assert shown.strip(".") in line
    assert shown[at : at + 1] == line[column - 1 : column]
    assert shown.startswith("...") == (shown[:4] != line[:4])
    assert shown.endswith("...") == (shown[-4:] != line[-4:])


def test_a_terminal_does_not_obey_a_file() -> None:
    assert "\x1b" not in str(finding("SELECT '\x1b[2J', x", 15))
    assert str(finding("SELECT '\x1b', x", 13)).endswith(
        "\n    SELECT '\ufffd', x\n" + " " * 16 + "^"
    )


def test_refused_tells_all_findings() -> None:
    later, earlier = finding("b", 1, line=7), finding("a", 1, line=2)
    refused = Refused(in_file_order([later, earlier]))
    assert refused.findings == (earlier, later)
    assert str(refused) == f"{earlier}\n{later}"
