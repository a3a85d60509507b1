"""Rows and values as a person reads them: at 80 columns, without colour, in a pipe.

What a database holds is never handed raw to a terminal: control characters in it, which
could clear the screen or rewrite what was said before, are shown as escapes.
"""

import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

import msgspec
import typer

from typedsql.errors import Error

FALLBACK_WIDTH_COLUMNS = 80
_GAP = "  "

# Controls, and the marks that break a line or turn the direction of text around.
_MARKS = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE = re.compile(rf"[\x00-\x1f{_MARKS}]")
_UNSAFE_IN_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f{_MARKS}]")


class OutputLost(Error):
    """Standard output takes nothing more: a full disk, for example."""


def show(line: str) -> None:
    """Write a line to stdout, at once, with its control characters as escapes.

    Raises:
        OutputLost: it cannot be written; a reader that went away is BrokenPipeError.
    """
    _write(_fitting(readable(line), sys.stdout))


def show_document(document: bytes) -> None:
    """Write JSON to stdout as it is: UTF-8, whatever the locale says.

    Raises:
        OutputLost: see `show`.
    """
    _write(document)


def readable(text: str) -> str:
    """A text, of one line or several, that does nothing to a terminal but stand there."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _fitting(text: str, stream: TextIO | None) -> str:
    """With escapes for what the stream's encoding, of an old locale, does not have."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _write(line: str | bytes) -> None:
    try:
        typer.echo(line)
    except BrokenPipeError:
        raise
    except OSError as failure:
        discard(sys.stdout)
        raise OutputLost(
            f"the result cannot be written to standard output ({failure.strerror}): free what"
            " is in the way, then run it again"
        ) from failure


def discard(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere: Python would fail on it once more at its end."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def write_rows(rows: Sequence[Any]) -> None:
    """A table, or where that is too wide each row as a block of lines, never cut short."""
    if not rows:
        return
    names: tuple[str, ...] = rows[0].__struct_fields__
    cells = [[cell(getattr(row, name)) for name in names] for row in rows]
    widths = [
        max(len(name), *(columns(line[index]) for line in cells))
        for index, name in enumerate(names)
    ]
    if sum(widths) + len(_GAP) * (len(names) - 1) <= terminal_width():
        numeric = [any(_is_number(getattr(row, name)) for row in rows) for name in names]
        _write_table([list(names), ["-" * width for width in widths], *cells], widths, numeric)
    else:
        for number, line in enumerate(cells, start=1):
            if len(cells) > 1:
                show(f"-- {number} --")
            write_pairs(dict(zip(names, line, strict=True)))


def _write_table(
    lines: Sequence[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool]
) -> None:
    for line in lines:
        padded = (
            _padding(text, width) + text if right else text + _padding(text, width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        show(_GAP.join(padded).rstrip())


def _padding(text: str, width: int) -> str:
    return " " * (width - columns(text))


def write_pairs(pairs: Mapping[str, object]) -> None:
    """One name and value a line, the values in one column."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        show(f"{name:<{width}}{_GAP}{cell(value)}".rstrip())


def write_paragraph(text: str, *, indent: str = "", hanging: str = "") -> None:
    """A text broken into lines of the terminal's width, as by `wrapped`."""
    for line in wrapped(cell(text), columns=terminal_width(), indent=indent, hanging=hanging):
        show(line)


def wrapped(text: str, *, columns: int, indent: str = "", hanging: str = "") -> list[str]:
    """A text in lines of so many columns; a longer word stays whole, so that it can be copied.

    `hanging` is added to the indentation of the lines after the first.
    """
    return textwrap.wrap(
        text,
        columns,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def cell(value: object) -> str:
    """A value as text on one line: NULL for None, numbers without an exponent.

    Control characters stand as escapes, a line's end too.
    """
    return _UNSAFE.sub(_escape, _text(value))


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, dict | list | tuple | msgspec.Struct):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)


def terminal_width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((FALLBACK_WIDTH_COLUMNS, 24)).columns


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian characters are two wide."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(mark) in ("Mn", "Me", "Cf") else _character_columns(mark)
        for mark in text
    )


def _character_columns(mark: str) -> int:
    return 2 if unicodedata.east_asian_width(mark) in ("W", "F") else 1


def count(number: int, noun: str) -> str:
    """'1 row', '2 rows'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
