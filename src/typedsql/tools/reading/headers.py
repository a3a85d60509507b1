"""The sections of a .sql file: which statement begins where, and what is wrong with its header.

A section is lexed by itself, so that an unclosed quote spoils one statement, not the file.
"""

import keyword
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from typedsql.statements import SUFFIXES
from typedsql.tools.reading.lexer import (
    PARAMETER,
    LexicalError,
    Lines,
    Token,
    significant,
    tokenize,
)

_NAME_LINE: Final = re.compile(r"(?:\A|(?<=[\r\n]))[ \t\f\v]*(?P<comment>--[ \t]*name[ \t]*:)")
"""Where a statement begins: aiosql's sign for it, at the beginning of a line."""

_NAME_SIGN: Final = re.compile(r"--\s*name\s*:")
"""The sign wherever aiosql takes it for one, also in the middle of a line or of a text."""

_HEADER: Final = re.compile(
    r"[ \t]*(?P<name>[\w-]+)[ \t]*"
    r"(?P<list>\((?P<parameters>[\w\s,-]*)\))?[ \t]*(?P<suffix>[^\w\s(),-]*)[ \t]*"
)
_LIST: Final = re.compile(r"\s*([^\W\d]\w*\s*(,\s*[^\W\d]\w*\s*)*)?")
_WORD: Final = re.compile(r"[^\s,]+")
_LINE: Final = re.compile(r"[^\r\n]*")
_OUR_ARGUMENTS: Final = frozenset({"db", "self"})
"""The first argument of a generated function, and that of aiosql's."""
_FORM: Final = "write `-- name: get_thing(id, since)^`"


class Section(msgspec.Struct, frozen=True):
    """One statement's part of the file. Offsets are characters of the file, from 0."""

    name: str
    """As Python will call it; empty where the line has none."""
    line: int
    """Of the name, from 1."""
    name_offset: int
    start: int
    """Where the name line's comment begins."""
    body: int
    """Behind the name line."""
    end: int
    """Where the next name line begins, or the file ends."""
    tokens: tuple[Token, ...]
    """Of the body, comments included; empty where it cannot be lexed."""


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with a header or a section, at an offset of the file."""

    offset: int
    rule: str
    message: str
    advice: str
    name: str | None


class Problems:
    """What is wrong, and which sections are not worth a further look."""

    def __init__(self) -> None:
        self.all: list[Problem] = []
        self.sections: set[int] = set()
        """Where the sections with a problem start."""

    def add(
        self, offset: int, rule: str, message: str, advice: str, section: Section | None
    ) -> None:
        """Note one."""
        name = section.name if section else None
        self.all.append(Problem(offset, rule, message, advice, name or None))
        if section:
            self.sections.add(section.start)


def split(text: str, lines: Lines, problems: Problems) -> tuple[Section, ...]:
    """The sections of a file in their order; what is wrong with them goes to `problems`."""
    starts = list(_NAME_LINE.finditer(text))
    first = starts[0].start("comment") if starts else len(text)
    _check_preamble(text, lines, first, problems)
    sections: list[Section] = []
    for index, match in enumerate(starts, start=1):
        end = starts[index].start("comment") if index < len(starts) else len(text)
        section = _read(text, lines, match, end, problems)
        sections.append(section)
        _check_signs(text, section, problems)
        if section.start not in problems.sections:
            _check_body(section, problems)
            _check_parameter_names(text, section, problems)
            _check_parameters(text, section, problems)
    _check_names(sections, text, problems)
    return tuple(sections)


def _check_preamble(whole: str, lines: Lines, end: int, problems: Problems) -> None:
    """aiosql skips what stands before the first name, so only comments may."""
    text = whole[:end]
    try:
        tokens = significant(tokenize(text))
    except LexicalError as failure:
        advice = _unclosed_advice(failure, lines, None if end == len(whole) else end)
        problems.add(failure.offset, "postgresql", failure.message, advice, None)
        return
    sign = _NAME_SIGN.search(text)
    if sign:
        _add_sign(sign.start(), problems, None)
    elif tokens:
        problems.add(
            tokens[0].start,
            "misread",
            "this stands before the first `-- name:` line, so it is never run",
            "give it a name, or delete it",
            None,
        )


def _read(text: str, lines: Lines, match: re.Match[str], end: int, problems: Problems) -> Section:
    start = match.start("comment")
    rest = _LINE.match(text, match.end())
    line_end = rest.end() if rest else match.end()
    header = _HEADER.match(text, match.end(), line_end)
    name = header["name"].replace("-", "_") if header else ""
    section = Section(
        name=name,
        line=lines.position(start)[0],
        name_offset=header.start("name") if header else start,
        start=start,
        body=line_end,
        end=end,
        tokens=(),
    )
    problem = _header_problem(text[match.end() : line_end], header, line_end)
    if problem:
        offset, message, advice = problem
        problems.add(offset, "header", message, advice, section)
    try:
        tokens = tokenize(text[line_end:end])
    except LexicalError as failure:
        advice = _unclosed_advice(failure, lines, None if end == len(text) else end)
        problems.add(line_end + failure.offset, "postgresql", failure.message, advice, section)
        return section
    return msgspec.structs.replace(section, tokens=tuple(_moved(tokens, line_end)))


def _header_problem(
    written: str, header: re.Match[str] | None, line_end: int
) -> tuple[int, str, str] | None:
    """What is wrong with the text behind ``-- name:``, and where."""
    if header is None:
        if not written.strip():
            return line_end, "this statement has no name", _FORM
        place = line_end - len(written.lstrip())
        return place, "this is no name of a statement", f"use letters, digits and _: {_FORM}"
    if header["name"][0].isdigit():
        return (
            header.start("name"),
            f"the name {header['name']} begins with a digit",
            "begin it with a verb, as in get_",
        )
    if header.end() < line_end:
        return (
            header.end(),
            "more than a name, its parameters and a suffix stands here",
            f"{_FORM}, and the comment on the lines below",
        )
    if header["list"] is None:
        return (
            header.end("name"),
            "the parameters are not declared",
            f"write {header['name']}(a, b) or {header['name']}()",
        )
    return _list_problem(header) or _suffix_problem(header)


def _list_problem(header: re.Match[str]) -> tuple[int, str, str] | None:
    words = _WORD.findall(header["parameters"])
    if not _LIST.fullmatch(header["parameters"]):
        advice = f"write {header['name']}({', '.join(words)}), with letters, digits and _"
        return header.start("list"), "this is no list of parameters", advice
    repeated = next((word for word in words if words.count(word) > 1), None)
    if repeated:
        return header.start("list"), f"{repeated} is declared twice", "declare it once"
    return None


def _suffix_problem(header: re.Match[str]) -> tuple[int, str, str] | None:
    if header["suffix"] in SUFFIXES.values():
        return None
    return (
        header.start("suffix"),
        f"the suffix {header['suffix']} is not one that this package runs",
        "use none (many rows), ^ (one row), $ (one value), ! (count) or <! (returning)",
    )


def _check_body(section: Section, problems: Problems) -> None:
    if not significant(section.tokens):
        problems.add(
            section.name_offset,
            "header",
            f"no SQL stands under the name {section.name}",
            "write the statement, or delete the name",
            section,
        )
    for token in section.tokens:
        if token.kind == "PARAM":
            problems.add(
                token.start,
                "misread",
                f"{token.text} would be mixed up with the numbers that names are given",
                "write :name",
                section,
            )


def _check_parameter_names(text: str, section: Section, problems: Problems) -> None:
    """aiosql, or Python, would refuse these without telling the place."""
    header = _HEADER.match(text, section.name_offset)
    if header is None or header["parameters"] is None:
        return
    for word in _WORD.finditer(text, header.start("parameters"), header.end("parameters")):
        name = word[0]
        if keyword.iskeyword(name) or name.startswith("_") or name in _OUR_ARGUMENTS:
            problems.add(
                word.start(),
                "name",
                f"parameter {name!r} cannot be one in Python",
                "choose another",
                section,
            )


def _check_parameters(text: str, section: Section, problems: Problems) -> None:
    """The header declares exactly what the statement mentions."""
    header = _HEADER.match(text, section.name_offset)
    if header is None or header["parameters"] is None:
        return
    begin = header.start("parameters")
    words = list(_WORD.finditer(text, begin, header.end("parameters")))
    declared = {word[0]: word for word in words}
    parameters = [token for token in reversed(section.tokens) if token.kind == PARAMETER]
    mentioned = {token.name: token for token in parameters}
    for name, token in mentioned.items():
        if not re.fullmatch(r"\w+", name):
            problems.add(
                token.start,
                "misread",
                f"for aiosql the name :{name} ends earlier than for PostgreSQL",
                "name a parameter with letters, digits and _ alone",
                section,
            )
            return
        if name not in declared:
            problems.add(
                token.start,
                "header",
                f":{name} is not declared",
                f"write {section.name}({', '.join([*declared, name])})",
                section,
            )
    for name, word in declared.items():
        if name not in mentioned:
            problems.add(
                word.start(),
                "header",
                f"the statement does not mention :{name}, which its header declares",
                "use it, or take it out of the header",
                section,
            )


def _check_signs(text: str, section: Section, problems: Problems) -> None:
    for sign in _NAME_SIGN.finditer(text, section.body, section.end):
        _add_sign(sign.start(), problems, section)


def _add_sign(offset: int, problems: Problems, section: Section | None) -> None:
    problems.add(
        offset,
        "misread",
        "aiosql begins a statement here, in the middle of a line, a text or a comment",
        "put `-- name:` at the beginning of a line, or reword what is no name",
        section,
    )


def _check_names(sections: Sequence[Section], text: str, problems: Problems) -> None:
    seen: dict[str, Section] = {}
    for section in sections:
        if not section.name:
            continue
        for name in _names_made(section, text):
            other = seen.setdefault(name, section)
            if other is section:
                continue
            # Whichever of the two came first, the later one is where a person looks.
            both = (
                f"is also the name of the statement in line {other.line}"
                if other.name == section.name
                else f"is what aiosql calls the cursor of a statement: see line {other.line}"
            )
            problems.add(
                section.name_offset,
                "duplicate-name",
                f"{name} {both}",
                "give one of them another name (- and _ are the same)",
                section,
            )
            break


def _names_made(section: Section, text: str) -> Iterator[str]:
    """The names that aiosql gives to a statement: a select's cursor has one of its own."""
    yield section.name
    header = _HEADER.match(text, section.name_offset)
    if header is not None and not header["suffix"]:
        yield f"{section.name}_cursor"


def _unclosed_advice(failure: LexicalError, lines: Lines, following: int | None) -> str:
    if not failure.message.startswith("unterminated"):
        return ""
    if following is None:
        return "close it"
    # A statement begins at its name line for aiosql, whatever is open there.
    return f"close it before line {lines.position(following)[0]}, where the next statement begins"


def _moved(tokens: Sequence[Token], by: int) -> Iterator[Token]:
    for token in tokens:
        yield msgspec.structs.replace(token, start=token.start + by, end=token.end + by)
