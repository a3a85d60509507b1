"""The shapes of input: lines, arrays, documents, gzip, standard input, and damage."""

import gzip
import io
import json
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ingest.chain import block, lines
from whaledb.ingest import reading
from whaledb.ingest.reading import BadItem, Item, read_items
from whaledb.ingest.sources import Source, SourceUnavailable, open_sources

Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes) -> Path:
        path = tmp_path / "input"
        path.write_bytes(content)
        return path

    return write_file


def items_of(path: Path | str) -> list[Item | BadItem]:
    return list(read_items(Source(path)))


def good(path: Path | str) -> list[tuple[str, object]]:
    """Where each item stands and its value; there must be no bad one."""
    found = items_of(path)
    assert not [item for item in found if isinstance(item, BadItem)]
    return [(i.where, json.loads(bytes(i.data))) for i in found if isinstance(i, Item)]


def places(path: Path | str) -> list[str]:
    """Where each item stands, the bad ones marked."""
    return [("bad " if isinstance(i, BadItem) else "") + i.where for i in items_of(path)]


def test_lines_are_numbered_and_blank_ones_skipped(write: Write) -> None:
    path = write(b'\n{"a":1}\r\n  \n{"b":2}')
    assert good(path) == [("line 2", {"a": 1}), ("line 4", {"b": 2})]


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\n"])
def test_an_empty_input_has_no_items(write: Write, content: bytes) -> None:
    assert items_of(write(content)) == []


def test_an_array_in_a_line_is_taken_apart(write: Write) -> None:
    path = write(b'[{"a":1},{"b":2}]\n{"c":3}\n[]\n')
    assert good(path) == [
        ("line 1, item 1", {"a": 1}),
        ("line 1, item 2", {"b": 2}),
        ("line 2", {"c": 3}),
    ]


def test_an_array_over_several_lines_is_one_document(write: Write) -> None:
    path = write(json.dumps([{"a": 1}, {"b": 2}], indent=2).encode())
    assert good(path) == [("item 1", {"a": 1}), ("item 2", {"b": 2})]


def test_an_array_of_a_value_a_line_is_one_document(write: Write) -> None:
    path = write(b'[\n{"a":1},\n{"b":2}\n]\n')
    assert good(path) == [("item 1", {"a": 1}), ("item 2", {"b": 2})]


def test_an_object_over_several_lines_is_one_item(write: Write) -> None:
    value = {"a": [1, 2], "b": {}}
    assert good(write(json.dumps(value, indent=2).encode())) == [("item 1", value)]


def test_items_keep_their_bytes(write: Write) -> None:
    found = items_of(write(b'[ {"a" : 1.50} , "x"]\n'))
    assert [bytes(i.data) for i in found if isinstance(i, Item)] == [b'{"a" : 1.50}', b'"x"']


def test_a_broken_first_line_does_not_hide_the_others(write: Write) -> None:
    path = write(b'{"a":\n{"b":2}\n{"c":3}\n')
    assert places(path) == ["line 1", "line 2", "line 3"]


def test_a_broken_document_is_one_bad_item(write: Write) -> None:
    cut = json.dumps(block(1), indent=1).encode()[:-20]
    (found,) = items_of(write(cut))
    assert isinstance(found, BadItem)
    assert found.where == f"lines 1 to {len(cut.splitlines())}"
    assert "not one JSON document (it ends early)" in found.reason
    assert found.payload == cut


def test_a_document_over_the_limit_says_what_to_do(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(json.dumps([block(n) for n in range(9)], indent=1).encode())
    assert len(items_of(path)) == 9
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 1000)
    (found,) = items_of(path)
    assert isinstance(found, BadItem)
    assert "larger than 1000 bytes" in found.reason
    assert "NDJSON" in found.reason


def test_lines_with_a_broken_first_one_are_not_held_in_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 1000)
    path = write(b"{\n" + lines(*[{"n": n} for n in range(500)]))
    assert places(path) == ["line 1", *[f"line {n + 2}" for n in range(500)]]


def test_a_broken_array_in_a_line_is_a_bad_item(write: Write) -> None:
    path = write(b'{"a":1}\n[{"b":2},\n')
    found = items_of(path)
    assert found[1] == BadItem("line 2", b'[{"b":2},', "not valid JSON: it ends early")


def test_a_value_nested_too_deeply_is_no_crash(write: Write) -> None:
    path = write(b'{"a":1}\n' + b"[" * 300_000 + b"\n")
    found = items_of(path)[1]
    assert isinstance(found, BadItem)
    assert found.reason == "not valid JSON: it is nested too deeply"


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_lines_are_streamed_in_bounded_memory(write: Write) -> None:
    line = b'{"a":"' + b"x" * 20_000 + b'"}\n'
    path = write(gzip.compress(line * 2_000))
    streamed = peak_bytes(lambda: sum(1 for _ in read_items(Source(path))))
    # The control: all of them at once.
    held = peak_bytes(lambda: list(read_items(Source(path))))
    assert held > len(line) * 2_000
    assert streamed < held / 10


def test_a_line_over_the_limit_is_cut_and_the_next_is_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 1_000_000)
    monkeypatch.setattr(reading, "MAX_KEPT_BYTES", 1_000)
    long = b'{"a":"' + b"x" * 3_000_000 + b'"}'
    found = items_of(write(b'{"a":1}\n' + long + b'\n{"b":2}\n'))
    assert [item.where for item in found] == ["line 1", "line 2", "line 3"]
    assert isinstance(found[1], BadItem)
    assert found[1].payload == long[:1_000]
    assert found[1].reason.startswith(f"the line has {len(long)} bytes, the limit is 1000000")
    assert isinstance(found[2], Item)


def test_a_line_at_the_limit_is_whole(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    line = b'{"a":"' + b"x" * 500_000 + b'"}'
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", len(line))
    assert items_of(write(line + b"\n" + line)) == [Item("line 1", line), Item("line 2", line)]


def test_a_byte_order_mark_is_skipped(write: Write) -> None:
    assert good(write(b'\xef\xbb\xbf{"a":1}\n')) == [("line 1", {"a": 1})]


def test_gzip_is_told_by_its_content(write: Write) -> None:
    path = write(gzip.compress(b'{"a":1}\n{"b":2}\n'))
    assert good(path) == [("line 1", {"a": 1}), ("line 2", {"b": 2})]


def test_gzip_members_follow_one_another(write: Write) -> None:
    path = write(gzip.compress(b'{"a":1}\n{"b"') + gzip.compress(b":2}\n") + b"\0" * 512)
    assert good(path) == [("line 1", {"a": 1}), ("line 2", {"b": 2})]


def test_gzip_of_large_ratio_comes_in_bounded_pieces(write: Write) -> None:
    source = Source(write(gzip.compress(b"x" * 50_000_000)))
    pieces = list(source.chunks())
    assert sum(map(len, pieces)) == 50_000_000
    assert max(map(len, pieces)) <= 256 * 1024


def test_gzip_cut_off_gives_what_was_read_and_names_the_line(write: Write) -> None:
    values = [{"n": n, "noise": os.urandom(300).hex()} for n in range(50)]
    content = lines(*values)
    found = items_of(write(gzip.compress(content)[:8_000]))
    *read, last = found
    assert [json.loads(bytes(i.data)) for i in read if isinstance(i, Item)] == values[: len(read)]
    assert len(read) > 5
    assert isinstance(last, BadItem)
    assert last.where == f"line {len(read) + 1}"
    assert last.reason.startswith("the gzip data ends early: the file is cut off")
    assert last.payload
    assert content.splitlines()[len(read)].startswith(last.payload)


def test_gzip_cut_at_its_checksum_is_not_taken_for_whole(write: Write) -> None:
    found = items_of(write(gzip.compress(b'{"a":1}\n')[:-4]))
    assert [item.where for item in found] == ["line 1", "line 2"]
    assert isinstance(found[1], BadItem)
    assert found[1].payload == b""


def test_corrupt_gzip_gives_what_was_read(write: Write) -> None:
    content = bytearray(gzip.compress(lines(*[{"n": n} for n in range(10)])))
    content[-6] ^= 0xFF
    found = items_of(write(bytes(content)))
    assert len([item for item in found if isinstance(item, Item)]) == 10
    assert isinstance(found[-1], BadItem)
    assert found[-1].reason.startswith("the gzip data is corrupt")


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    content = lines({"a": 1}, {"b": 2})
    given = io.TextIOWrapper(io.BytesIO(gzip.compress(content) if packed else content))
    monkeypatch.setattr(sys, "stdin", given)
    assert Source("-").name == "stdin"
    assert good("-") == [("line 1", {"a": 1}), ("line 2", {"b": 2})]


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    """The first item is there before the writer sends the second."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    got_first = threading.Event()

    def feed() -> None:
        with fifo.open("wb", buffering=0) as out:
            out.write(b'{"a":1}\n')
            if got_first.wait(timeout=30):
                out.write(b'{"b":2}\n')

    writer = threading.Thread(target=feed)
    writer.start()
    source = Source(fifo)
    found = read_items(source)
    assert next(found) == Item("line 1", b'{"a":1}')
    got_first.set()
    assert list(found) == [Item("line 2", b'{"b":2}')]
    writer.join()
    assert source.bytes_total is None


def test_a_missing_file_and_a_folder_are_told_before_anything_is_read(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"{}")
    with pytest.raises(SourceUnavailable, match="absent cannot be read: No such file"):
        open_sources([there, tmp_path / "absent"])
    with pytest.raises(SourceUnavailable, match="is a folder"):
        open_sources([tmp_path])
    with pytest.raises(SourceUnavailable, match="named twice"):
        open_sources(["-", there, "-"])
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        open_sources(["bad\0name"])


def test_a_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceUnavailable, match="is closed"):
        Source("-")


def test_a_stream_is_named_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocks").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    assert Source("../blocks").name == f"file:{tmp_path.resolve()}/blocks"
    assert Source(tmp_path / "blocks").name == Source("../blocks").name


def test_a_name_that_is_not_utf8_can_be_stored(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bl\xffck"))
    path.write_bytes(b"{}")
    assert Source(path).name.encode().endswith(rb"bl\xffck")


def test_progress_counts_the_bytes_as_they_are_in_the_file(write: Write) -> None:
    packed = gzip.compress(lines(*[{"n": n} for n in range(1000)]))
    source = Source(write(packed))
    assert len(list(read_items(source))) == 1000
    assert source.bytes_read == source.bytes_total == len(packed)
