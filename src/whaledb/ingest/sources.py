"""Files, standard input and bytes in memory as streams of decompressed bytes."""

import io
import os
import stat
import sys
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, cast

import msgspec

from typedsql.errors import ConfigurationError, DataError

STANDARD_INPUT: Final = "-"
CHUNK_BYTES: Final = 256 * 1024
# Below what the CHECK on ingest_cursors.stream allows.
MAX_NAME_BYTES: Final = 1000

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 31


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class SourceUnavailable(ConfigurationError):
    """A path that cannot be read: missing, a folder, not permitted, or failing."""


class SourceRefused(DataError):
    """The content of a source is beyond what one run takes, or not what it is taken for."""


class Damaged(Exception):
    """Compressed data is cut off or corrupt; what came before it is good."""


class Content(msgspec.Struct, frozen=True):
    """What a file would hold, in memory; `name` identifies its stream from run to run."""

    name: str
    data: bytes


class Source:
    """One file, standard input for `-`, or content in memory.

    `name` identifies its stream for cursors and dead letters: `file:` and the absolute
    path, `stdin`, or the content's own name. `bytes_read` counts what was read of it,
    compressed if it is; `bytes_total` is None where the size is not known beforehand.

    Raises:
        SourceUnavailable: there is no such file, or it cannot be read.
    """

    def __init__(self, given: str | Path | Content) -> None:
        self.bytes_read = 0
        self.bytes_total: int | None = None
        self._content = given.data if isinstance(given, Content) else None
        if isinstance(given, Content):
            self.given = self.name = given.name
            self.bytes_total = len(given.data)
            self._check_name()
            return
        self.given = str(given)
        if self.given == STANDARD_INPUT:
            # A process started without one, a daemon for example.
            if cast(object, sys.stdin) is None:
                raise SourceUnavailable("standard input (-) is closed: name a file")
            self.name = "stdin"
            return
        if not self.given:
            # Path would take it for the current folder.
            raise SourceUnavailable("a path is empty: name a file, or - for standard input")
        self.path = Path(self.given)
        try:
            status = self.path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise SourceUnavailable(f"{self.given} is a folder: name the files in it")
            if stat.S_ISREG(status.st_mode):
                # A pipe can be opened just once, so only a file is tried beforehand.
                with self.path.open("rb"):
                    self.bytes_total = status.st_size
            resolved = self.path.resolve()
        except (OSError, ValueError) as error:
            raise SourceUnavailable(_unreadable(self.given, error)) from error
        # A file name need not be UTF-8, but the database's text is.
        self.name = "file:" + os.fsencode(resolved).decode(errors="backslashreplace")
        if len(self.name.encode()) > MAX_NAME_BYTES:
            raise SourceUnavailable(
                f"{self.given} has an absolute path of more than {MAX_NAME_BYTES} bytes:"
                " move it, or give it through standard input"
            )

    def _check_name(self) -> None:
        """A name in the form of another kind's would move that one's cursor."""
        if self.name == "stdin" or self.name.startswith("file:"):
            raise SourceUnavailable(
                f"content in memory is named {self.name}, as a file or standard input is:"
                " name it otherwise"
            )
        if not 1 <= len(self.name.encode()) <= MAX_NAME_BYTES:
            raise SourceUnavailable(
                f"the name of content in memory has to be 1 to {MAX_NAME_BYTES} bytes long"
            )

    def chunks(self) -> Iterator[bytes]:
        """The content, decompressed if it begins as gzip does.

        Raises:
            Damaged: the gzip data is cut off or corrupt, after all that could be read.
            SourceUnavailable: opening or reading fails.
        """
        with self._opened() as file:
            head = b""
            while len(head) < len(_GZIP_MAGIC) and (more := self._read(file)):
                head += more
            raw = _chain(head, iter(lambda: self._read(file), b""))
            yield from _gunzip(raw) if head.startswith(_GZIP_MAGIC) else raw

    @contextmanager
    def _opened(self) -> Generator[_Readable]:
        # Unbuffered, so that a pipe's content comes as it is written, and so that a thread
        # still waiting for it holds no lock that the end of the process would need.
        if self._content is not None:
            yield io.BytesIO(self._content)
            return
        if self.given == STANDARD_INPUT:
            buffered = sys.stdin.buffer
            yield cast(_Readable, getattr(buffered, "raw", buffered))
            return
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise SourceUnavailable(_unreadable(self.given, error)) from error
        with file:
            yield file

    def _read(self, file: _Readable) -> bytes:
        try:
            data = file.read(CHUNK_BYTES)
        except OSError as error:
            raise SourceUnavailable(_unreadable(self.given, error)) from error
        if data is None:
            raise SourceUnavailable(f"{self.given} cannot be read: it is in non-blocking mode")
        self.bytes_read += len(data)
        return data


def open_sources(given: Sequence[str | Path | Content]) -> list[Source]:
    """Sources for the given paths and contents, all of them checked before any is read.

    Raises:
        SourceUnavailable: one of them cannot be read.
    """
    paths = [str(path) for path in given if not isinstance(path, Content)]
    if paths.count(STANDARD_INPUT) > 1:
        raise SourceUnavailable("standard input (-) can be read once only, it is named twice")
    return [Source(path) for path in given]


def _unreadable(given: str, error: OSError | ValueError) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{given} cannot be read: {why}"


def _chain(head: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of gzip members, each piece bounded whatever its compression ratio.

    Raises:
        Damaged: after everything that stands before the damage.
    """
    decoder = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
    for chunk in chunks:
        data = chunk
        while data:
            if decoder.eof:
                # Members may follow one another, and zeros may pad the last.
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
            before = decoder.copy()
            try:
                content = decoder.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                yield from _up_to_damage(before, data)
                raise Damaged("the gzip data is corrupt") from error
            if content:
                yield content
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if content := decoder.flush():
        yield content
    if not decoder.eof:
        raise Damaged("the gzip data ends early: the file is cut off")


def _up_to_damage(decoder: _Decoder, data: bytes) -> Iterator[bytes]:
    # A failing call gives nothing of what it had decompressed, so one byte at a time.
    for position in range(len(data)):
        try:
            content = decoder.decompress(data[position : position + 1])
        except zlib.error:
            return
        if content:
            yield content
