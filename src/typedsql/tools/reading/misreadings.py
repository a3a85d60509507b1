"""Why aiosql reads a piece of SQL otherwise than PostgreSQL, and what to write instead.

aiosql finds strings, comments and parameters with regular expressions, and comments line by
line. The places here are those where they are known to differ from PostgreSQL's scanner.
They explain a difference that was found by comparing tokens; none of them is refused by itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from typedsql.tools.reading.lexer import COLON, PARAMETER, STRINGS, Token

_ODD_LINE_ENDS: Final = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Python's line ends, at which aiosql splits, and which are none in PostgreSQL."""
_PARAMETER_LIKE: Final = re.compile(r"[^:]:\w")
_QUOTED: Final = STRINGS | {"IDENT", "UIDENT"}

_TEXT_ADVICE: Final = "write it on one line, joining lines with || chr(10) ||"
_COMMENT_ADVICE: Final = "put the comment on a line of its own, before the code"
_PLAIN_ADVICE: Final = "write a plain '...' string with '' for an apostrophe, or pass a parameter"


class Misreading(msgspec.Struct, frozen=True):
    """A place that aiosql reads otherwise."""

    offset: int
    message: str
    advice: str


_Look = Callable[[str, Sequence[Token], int], Misreading | None]


def explain(
    text: str, tokens: Sequence[Token], near: int, *, mentions: str | None = None
) -> Misreading:
    """The likeliest cause of a difference that shows at an offset.

    `tokens` are those of one statement, comments included, with offsets into `text`;
    `mentions` is a parameter that only aiosql sees.
    """
    found = [item for index in range(len(tokens)) for item in _at(text, tokens, index)]
    if mentions is not None:
        marked = [
            item
            for item in found
            if any(
                token.start <= item.offset < token.end and f":{mentions}" in token.text
                for token in tokens
            )
        ]
        found = marked or found
    before = [item for item in found if item.offset <= near]
    if before:
        return before[-1]
    if found:
        return found[0]
    return Misreading(
        near,
        "aiosql would not send this as PostgreSQL reads it",
        "write it more plainly: '...' strings on one line, comments on lines of their own, "
        "parameters as :name with a space before",
    )


def _at(text: str, tokens: Sequence[Token], index: int) -> Iterator[Misreading]:
    for look in _LOOKS:
        found = look(text, tokens, index)
        if found is not None:
            yield found


def _colon(text: str, tokens: Sequence[Token], index: int) -> Misreading | None:
    token = tokens[index]
    if token.kind != COLON or not re.match(r"\w", text[token.end : token.end + 1]):
        return None
    if token.slice_colon:
        return Misreading(
            token.start,
            "aiosql and psql take what follows the colon of an array slice for a parameter",
            "put a space behind the colon, as in a[1: 2], or use trim_array(...)",
        )
    return Misreading(
        token.start,
        "aiosql takes this for a parameter, PostgreSQL does not",
        "begin a parameter's name with a letter; write a time as TIME '12:30'",
    )


def _parameter(text: str, tokens: Sequence[Token], index: int) -> Misreading | None:
    token = tokens[index]
    if token.kind != PARAMETER:
        return None
    if re.match(r"\.\w", text[token.end : token.end + 2]):
        return Misreading(
            token.start,
            f"aiosql takes what follows the dot for an attribute of {token.text}",
            f"write ({token.text}).field for a field of a composite, or a parameter for each value",
        )
    if index and tokens[index - 1].end == token.start and tokens[index - 1].text[-1] not in "(,[":
        return Misreading(
            token.start,
            f"aiosql does not see where {token.text} begins",
            "put a space before it",
        )
    return None


def _quoted(_text: str, tokens: Sequence[Token], index: int) -> Misreading | None:
    token = tokens[index]
    if token.kind not in _QUOTED:
        return None
    if token.kind == "SCONST" and token.text.startswith("$"):
        return Misreading(
            token.start, "aiosql reads what stands in dollar quotes as code", _PLAIN_ADVICE
        )
    if token.text[:2] in ("E'", "e'") and "\\" in token.text:
        return Misreading(
            token.start, "aiosql does not know the backslash in E'...'", _PLAIN_ADVICE
        )
    odd = _ODD_LINE_ENDS.search(token.text)
    if odd:
        return _invisible(token, odd)
    if "\n" in token.text or "\r" in token.text:
        return _several_lines(token)
    if token.kind == "IDENT" and not token.text.startswith('"'):
        strange = next((item for item in re.finditer(r"[^\w$]", token.text)), None)
        if strange and not strange[0].isprintable():
            return _invisible(token, strange)
    return None


def _several_lines(token: Token) -> Misreading:
    for line in re.finditer(r"[^\r\n]+", token.text):
        if line.start() and re.match(r"\s*--", line[0]):
            return Misreading(
                token.start + line.start(),
                "aiosql takes this line, which is inside a text, for a comment, and loses it",
                _TEXT_ADVICE,
            )
    return Misreading(
        token.start,
        "aiosql changes the white space at the ends of lines, and this text spans several",
        _TEXT_ADVICE,
    )


def _comment(text: str, tokens: Sequence[Token], index: int) -> Misreading | None:
    token = tokens[index]
    if token.kind != "SQL_COMMENT":
        return None
    odd = _ODD_LINE_ENDS.search(token.text)
    if odd:
        return _invisible(token, odd)
    line = max(text.rfind("\n", 0, token.start), text.rfind("\r", 0, token.start)) + 1
    if not text[line : token.start].strip():
        return None
    found = re.search(r"['\"]", token.text)
    what = "quote"
    if not found:
        found, what = _PARAMETER_LIKE.search(token.text), "colon"
    if not found:
        return None
    return Misreading(
        token.start + found.end() - (1 if what == "quote" else 2),
        f"aiosql reads the comment behind code as code, with this {what}",
        _COMMENT_ADVICE,
    )


def _block_comment(text: str, tokens: Sequence[Token], index: int) -> Misreading | None:
    token = tokens[index]
    if token.kind != "C_COMMENT":
        return None
    if "/*" in token.text[2:]:
        return Misreading(
            token.start,
            "aiosql ends a comment at the first */, PostgreSQL counts nested ones",
            "use -- lines",
        )
    around = text[max(token.start - 1, 0) : token.start], text[token.end : token.end + 1]
    if token.text.startswith("/*+") or "'" in token.text or '"' in token.text:
        return Misreading(token.start, "aiosql reads this comment as code", "use -- lines")
    if all(side and not side.isspace() for side in around):
        return Misreading(
            token.start,
            "aiosql removes this comment and joins what stands on both sides",
            "put spaces around it, or use -- lines",
        )
    if ":" in token.text:
        return Misreading(
            token.start,
            "aiosql may read this comment as code",
            "use -- lines",
        )
    return None


def _invisible(token: Token, found: re.Match[str]) -> Misreading:
    return Misreading(
        token.start + found.start(),
        f"the invisible character U+{ord(found[0]):04X} is white space or the end of a line "
        "for aiosql, not for PostgreSQL",
        "delete it, or make it with chr(...) or a U&'...' escape",
    )


_LOOKS: Final[tuple[_Look, ...]] = (_colon, _parameter, _quoted, _comment, _block_comment)
