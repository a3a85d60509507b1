"""Tokens of SQL text, as PostgreSQL's own scanner sees them, and ``:name`` parameters.

The scanner is PostgreSQL's, through pglast. It knows no ``:name``: a colon followed at once
by an unquoted name is one here, except in an array slice, where PostgreSQL has a colon of its
own. psql and aiosql take that one for a parameter too, so `reading.source` refuses it.

Offsets are in characters, from 0; the end is the one after the last.
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from pglast import parser
from pglast.parser import ParseError

PARAMETER: Final = "PARAMETER"
"""Kind of a ``:name`` token. All other kinds are names of PostgreSQL's grammar."""

COMMENTS: Final = frozenset({"SQL_COMMENT", "C_COMMENT"})
STRINGS: Final = frozenset({"SCONST", "USCONST", "BCONST", "XCONST"})
_OPENING: Final = {"ASCII_40": "ASCII_41", "ASCII_91": "ASCII_93"}
_CLOSING: Final = frozenset(_OPENING.values())
COLON: Final = "ASCII_58"
SEMICOLON: Final = "ASCII_59"
_BRACKET: Final = "ASCII_93"
_NAME: Final = re.compile(r"[^\W\d]\w*")

# An expression can end with these, so that a colon after one is the colon of a slice.
_OPERANDS: Final = STRINGS | {"IDENT", "UIDENT", "ICONST", "FCONST", "PARAM", PARAMETER} | _CLOSING
_KEYWORD_OPERANDS: Final = frozenset({"NULL_P", "TRUE_P", "FALSE_P", "END_P", "DEFAULT"})
_KEYWORD_OPERATORS: Final = frozenset({"ZONE", "ESCAPE", "BETWEEN"})


class Token(msgspec.Struct, frozen=True, gc=False):
    """One token of a text."""

    kind: str
    """PostgreSQL's name for it: SELECT, IDENT, SCONST, ASCII_44, Op, ... or PARAMETER."""
    text: str
    """As it stands there, quotes included."""
    start: int
    end: int
    keyword: str = "NO_KEYWORD"
    """pglast's class of the keyword: RESERVED_KEYWORD, UNRESERVED_KEYWORD, ..."""
    slice_colon: bool = False
    """A colon between the bounds of an array slice."""

    @property
    def is_comment(self) -> bool:
        return self.kind in COMMENTS

    @property
    def name(self) -> str:
        """A parameter's name, without its colon."""
        return self.text.removeprefix(":")


class LexicalError(ValueError):
    """PostgreSQL's scanner cannot read a text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        """PostgreSQL's own."""
        self.offset = offset
        """Of the token that cannot be read."""


def tokenize(text: str) -> tuple[Token, ...]:
    """All tokens of a text, comments included.

    Raises LexicalError for an unterminated string or comment and the like, and for a NUL
    character, at which the scanner would stop without a word.
    """
    nul = text.find("\0")
    if nul >= 0:
        raise LexicalError("a NUL character, which no SQL can hold", nul)
    try:
        scanned: Any = parser.scan(text)
    except ParseError as failure:
        message, offset = parse_error(failure)
        if message.startswith("unterminated"):
            # What follows is the rest of the text, and the caret shows where it begins.
            message = message.partition(" at or near ")[0]
        raise LexicalError(message, offset or 0) from None
    return tuple(_with_parameters(text, scanned))


def significant(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """The tokens without comments and without the semicolons that end the last statement."""
    kept = [token for token in tokens if not token.is_comment]
    while kept and kept[-1].kind == SEMICOLON:
        kept.pop()
    return tuple(kept)


def parse_error(failure: ParseError) -> tuple[str, int | None]:
    """PostgreSQL's message and the offset of a failure of pglast, None where it has none."""
    # pglast writes the place behind the message once more in its text, not in its argument.
    message, *rest = failure.args
    offset = rest[0] if rest else None
    return str(message), offset if isinstance(offset, int) and offset >= 0 else None


def character_offset(text: str, byte_offset: int) -> int:
    """The character at a byte of the UTF-8 text, as locations in PostgreSQL's trees are given."""
    if text.isascii():
        return byte_offset
    return len(text.encode()[:byte_offset].decode(errors="ignore"))


class Lines:
    """Line and column of each character. A line ends with LF, CR LF or CR, as in editors."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both counted from 1."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def start_of(self, line: int) -> int:
        """The first character of a line."""
        return self._starts[min(max(line, 1), len(self._starts)) - 1]

    def text_of(self, line: int) -> str:
        """One line, without its end; empty beyond the last."""
        if not 1 <= line <= len(self._starts):
            return ""
        end = self._starts[line] if line < len(self._starts) else len(self._text)
        return self._text[self._starts[line - 1] : end].rstrip("\r\n")


def _with_parameters(text: str, scanned: Sequence[Any]) -> Iterator[Token]:
    """The scanner's tokens, a colon and the name at its end made one."""
    enclosing: list[str] = []
    previous: Token | None = None
    index = 0
    while index < len(scanned):
        item = scanned[index]
        start: int = item.start
        end: int = item.end + 1
        kind: str = item.name
        token = Token(kind, text[start:end], start, end, item.kind)
        index += 1
        if kind == COLON:
            # `a[:n]` is a parameter for psql, aiosql and here, though PostgreSQL slices so too.
            if enclosing and enclosing[-1] == _BRACKET and _ends_operand(previous):
                token = msgspec.structs.replace(token, slice_colon=True)
            elif index < len(scanned) and _is_name(text, scanned[index], end):
                end = scanned[index].end + 1
                token = Token(PARAMETER, text[start:end], start, end)
                index += 1
        elif kind in _OPENING:
            enclosing.append(_OPENING[kind])
        elif kind in _CLOSING and enclosing and enclosing[-1] == kind:
            enclosing.pop()
        if not token.is_comment:
            previous = token
        yield token


def _is_name(text: str, item: Any, expected_start: int) -> bool:
    if item.start != expected_start or (item.name != "IDENT" and item.kind == "NO_KEYWORD"):
        return False
    return _NAME.match(text, item.start, item.end + 1) is not None


def _ends_operand(token: Token | None) -> bool:
    if token is None or token.kind in _KEYWORD_OPERATORS:
        return False
    if token.kind in _OPERANDS or token.kind in _KEYWORD_OPERANDS:
        return True
    return token.keyword in ("UNRESERVED_KEYWORD", "COL_NAME_KEYWORD")
