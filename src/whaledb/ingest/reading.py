"""Sources of JSON values, read in bounded memory: files or standard input, plain or gzip.

Three shapes are told apart by the first line that is not blank:

- it is a JSON value by itself: every line is read alone (NDJSON; a line that holds an
  array is taken apart into its items);
- it begins with `[` or `{` and is incomplete: the whole input is tried as one document
  (one object, or an array whose items are taken one by one), up to
  `MAX_DOCUMENT_BYTES`; if that fails and some line is a value by itself, the input is
  NDJSON with a broken first line;
- anything else: lines, the first of them bad.

Every item says where it stands: `line 7`, `line 7, item 3`, `item 3`; counted from 1.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from whaledb.ingest.sources import Damaged, Source
from whaledb.wire.quantities import Unreadable
from whaledb.wire.replies import decode

# A mainnet block with its transactions is 0.1 to 2 MB of JSON.
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
# Of a line over the limit, this much is kept for dead_letters.
MAX_KEPT_BYTES: Final = 1024 * 1024
# Only input that is one document, rather than lines, has to fit into memory.
MAX_DOCUMENT_BYTES: Final = 128 * 1024 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Item(msgspec.Struct, frozen=True, gc=False):
    """One JSON value of a source, as received."""

    where: str
    data: bytes | msgspec.Raw


class BadItem(msgspec.Struct, frozen=True, gc=False):
    """What cannot be used: where it stands, its bytes as received, and why."""

    where: str
    payload: bytes
    reason: str


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A line without its newline. `problem`: why it cannot be used, None if it may."""

    number: int
    data: bytes
    problem: str | None = None


def read_items(source: Source) -> Iterator[Item | BadItem]:
    """Every JSON value of a source, in order, with the unusable lines among them.

    Raises:
        SourceUnavailable: the source cannot be opened, or reading it fails.
    """
    lines = _lines(source.chunks())
    first = next((line for line in lines if line.problem or line.data.strip()), None)
    if first is None:
        return
    if first.problem is None and first.data.lstrip()[:1] in (b"[", b"{") and _fault(first.data):
        yield from _document_items(first, lines)
    else:
        yield from _line_items(itertools.chain((first,), lines))


def _document_items(first: _Line, lines: Iterator[_Line]) -> Iterator[Item | BadItem]:
    gathered = [first]
    size_bytes = len(first.data)
    for line in lines:
        gathered.append(line)
        size_bytes += len(line.data) + 1
        if line.problem or size_bytes > MAX_DOCUMENT_BYTES:
            break
    document = b"\n".join(line.data for line in gathered)
    if size_bytes > MAX_DOCUMENT_BYTES:
        fault: str | None = (
            f"it is larger than {MAX_DOCUMENT_BYTES} bytes and was read no further;"
            " write it as NDJSON, one value a line"
        )
    else:
        fault = gathered[-1].problem or _fault(document)
    if fault is None:
        gathered.clear()
        yield from list_values(document, where="")
    elif len(gathered) == 1 or any(_is_container(line) for line in gathered):
        del document
        yield from _line_items(itertools.chain(gathered, lines))
    else:
        # Line by line, a broken document of a thousand lines would be a thousand dead letters.
        yield BadItem(
            f"lines {first.number} to {gathered[-1].number}",
            document[:MAX_KEPT_BYTES],
            f"the input is not one JSON document ({fault}) and none of its lines is JSON by"
            f" itself; at most {MAX_KEPT_BYTES} bytes are kept here",
        )


def _is_container(line: _Line) -> bool:
    return (
        line.problem is None
        and line.data.lstrip()[:1] in (b"[", b"{")
        and _fault(line.data) is None
    )


def _line_items(lines: Iterable[_Line]) -> Iterator[Item | BadItem]:
    for line in lines:
        where = f"line {line.number}"
        if line.problem is not None:
            yield BadItem(where, line.data, line.problem)
        elif line.data.strip():
            yield from list_values(line.data, where=where)


def list_values(data: bytes, *, where: str) -> Iterator[Item | BadItem]:
    """The items of an array, or the one value that is none. `where` is "" for a document."""
    if data.lstrip()[:1] != b"[":
        yield Item(where or "item 1", data)
        return
    try:
        values = decode(data, list[msgspec.Raw])
    except Unreadable as error:
        yield BadItem(where or "item 1", data, str(error))
        return
    prefix = f"{where}, " if where else ""
    for number, value in enumerate(values, start=1):
        yield Item(f"{prefix}item {number}", value)


def _fault(data: bytes) -> str | None:
    """Why the bytes are not one JSON value; None if they are."""
    try:
        decode(data, msgspec.Raw)
    except Unreadable as error:
        return str(error).removeprefix("not valid JSON: ")
    return None


def _lines(chunks: Iterable[bytes]) -> Iterator[_Line]:
    """Numbered lines, none held beyond `MAX_LINE_BYTES`.

    Data damaged half-way gives the line it broke in, marked, and ends there.
    """
    number = 1
    kept = bytearray()
    size_bytes = 0
    try:
        for chunk in _without_mark(chunks):
            start = 0
            while start < len(chunk):
                newline = chunk.find(b"\n", start)
                end = len(chunk) if newline < 0 else newline
                size_bytes += end - start
                if size_bytes <= MAX_LINE_BYTES:
                    kept += chunk[start:end]
                elif len(kept) != MAX_KEPT_BYTES:
                    kept += chunk[start : start + max(MAX_KEPT_BYTES - len(kept), 0)]
                    del kept[MAX_KEPT_BYTES:]
                if newline >= 0:
                    yield _line(number, kept, size_bytes)
                    number += 1
                    kept.clear()
                    size_bytes = 0
                start = end + 1
    except Damaged as damage:
        yield _Line(
            number, bytes(kept), f"{damage}: the data breaks off in line {number} of the content"
        )
        return
    if size_bytes:
        yield _line(number, kept, size_bytes)


def _line(number: int, kept: bytearray, size_bytes: int) -> _Line:
    if size_bytes <= MAX_LINE_BYTES:
        return _Line(number, bytes(kept))
    return _Line(
        number,
        bytes(kept),
        f"the line has {size_bytes} bytes, the limit is {MAX_LINE_BYTES};"
        f" only its first {MAX_KEPT_BYTES} are kept here",
    )


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks without the UTF-8 byte order mark that some editors put first."""
    chunks = iter(chunks)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_BYTE_ORDER_MARK):
            break
    yield head.removeprefix(_BYTE_ORDER_MARK)
    yield from chunks
