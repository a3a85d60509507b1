"""What is wrong with a project's SQL: one finding for each place, with what to write instead."""

import unicodedata
from collections.abc import Iterable

import msgspec

from typedsql.errors import CodeError

EXCERPT_WIDTH = 100
"""Characters of a line that are shown; a longer line is cut around the caret."""

_CUT = "..."
_INDENT = "    "


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and where. Its text is two or three lines with a caret."""

    rule: str
    """Kebab-case name of the rule: postgresql, misread, duplicate-name, header, ..."""
    file: str
    """Relative to the project's root, with slashes: ``queries/alerts.sql``."""
    line: int
    """Counted from 1."""
    column: int
    """Characters counted from 1; 0 where only the line is known."""
    statement: str | None
    """``file.name``, None where the place is in no statement."""
    message: str
    """What is wrong."""
    advice: str
    """What to write or do instead; may be empty."""
    excerpt: str
    """The line of the file, whole; empty if there is none."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        if self.column:
            place += f":{self.column}"
        text = f"{place}: {self.message}"
        if self.advice:
            text += f"; {self.advice}"
        if not self.excerpt.strip():
            return text
        shown, before = _cut(_printable(self.excerpt), self.column)
        text += f"\n{_INDENT}{shown}"
        if self.column:
            text += f"\n{_INDENT}{_blank(shown[:before])}^"
        return text


class Refused(CodeError):
    """The SQL has findings, all of them listed. Its text is all their texts."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def in_file_order(findings: Iterable[Finding]) -> list[Finding]:
    """By file, line and column, as a person goes through them."""
    return sorted(findings, key=lambda item: (item.file, item.line, item.column))


def _cut(line: str, column: int) -> tuple[str, int]:
    """What is shown of a line, and how many of its characters stand before the caret."""
    before = max(column - 1, 0)
    if len(line) <= EXCERPT_WIDTH:
        return line, before
    start = min(max(before - EXCERPT_WIDTH // 2, 0), max(len(line) - EXCERPT_WIDTH, 0))
    end = start + EXCERPT_WIDTH
    shown = line[start:end]
    if start:
        shown = _CUT + shown[len(_CUT) :]
    if end < len(line):
        shown = shown[: -len(_CUT)] + _CUT
    return shown, before - start


def _printable(line: str) -> str:
    # One character for one, so that the caret stays; a terminal must not obey a file.
    return "".join(c if c == "\t" or c.isprintable() else "\ufffd" for c in line)


def _blank(text: str) -> str:
    """Blanks as wide as the text on a terminal; a tab stays one, whatever its width."""
    return "".join(_blank_for(character) for character in text)


def _blank_for(character: str) -> str:
    if character == "\t":
        return character
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
