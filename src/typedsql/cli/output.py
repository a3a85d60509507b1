"""Rows and values as a person reads them: at 80 columns, without colour, in a pipe."""

import os
import shutil
import sys
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


class OutputLost(Error):
    """Standard output takes nothing more: a full disk, for example."""


def show(line: str) -> None:
    """Write a line to stdout, at once.

    Raises:
        OutputLost: it cannot be written; a reader that went away is BrokenPipeError.
    """
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
        max(len(name), *(len(line[index]) for line in cells)) for index, name in enumerate(names)
    ]
    fits = sum(widths) + len(_GAP) * (len(names) - 1) <= terminal_width()
    if fits and not any("\n" in text for line in cells for text in line):
        numeric = [_is_number(getattr(rows[0], name)) for name in names]
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
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        show(_GAP.join(padded).rstrip())


def write_pairs(pairs: Mapping[str, object]) -> None:
    """One name and value a line, the values in one column."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        show(f"{name:<{width}}{_GAP}{cell(value)}".rstrip())


def cell(value: object) -> str:
    """A value as text: NULL for None, numbers without an exponent."""
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
    if isinstance(value, dict | list | tuple):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)


def terminal_width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((FALLBACK_WIDTH_COLUMNS, 24)).columns


def count(number: int, noun: str) -> str:
    """'1 row', '2 rows'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
