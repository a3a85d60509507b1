"""Dead letters: one for each item and content, counted when it comes back."""

import hashlib
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import dead_letters
from whaledb.rows import DeadLetter

pytestmark = pytest.mark.versions

MANY = 1000
FILE: Final = "file:/data/blocks.ndjson"
NOT_TEXT: Final = b"\xff\x00{not json"


def letter(line: int, **changes: Any) -> dict[str, Any]:
    return {
        "source": FILE,
        "item": f"line {line}",
        "payload": NOT_TEXT,
        "reason": "not JSON",
        "sqlstate": None,
    } | changes


def items(rows: list[DeadLetter]) -> list[str]:
    return [row.item for row in rows]


async def test_merge_keeps_the_payload_byte_for_byte(db: Database) -> None:
    given = letter(7, sqlstate="22003")
    row = await dead_letters.merge(db, **given)
    assert {name: getattr(row, name) for name in given} == given
    assert row.payload_sha256 == hashlib.sha256(NOT_TEXT).digest()
    assert (row.attempts, row.first_seen_at) == (1, row.last_seen_at)
    assert await dead_letters.get(db, id=row.id) == row


async def test_an_item_that_comes_back_is_counted(db: Database) -> None:
    first = await dead_letters.merge(db, **letter(7, sqlstate="22003"))
    other = await dead_letters.merge(db, **letter(8))
    await age(db, "dead_letters", "last_seen_at")
    second = await dead_letters.merge(db, **letter(7, reason="still not JSON"))
    assert (second.id, second.attempts, second.first_seen_at) == (first.id, 2, first.first_seen_at)
    assert (second.reason, second.sqlstate) == ("still not JSON", None)
    assert second.last_seen_at > LONG_AGO
    untouched = await dead_letters.get(db, id=other.id)
    assert untouched is not None
    assert (untouched.attempts, untouched.last_seen_at) == (1, LONG_AGO)


async def test_another_content_is_another_letter(db: Database) -> None:
    for changes in ({}, {"payload": b""}, {"item": "line 8"}, {"source": "file:/other"}):
        row = await dead_letters.merge(db, **(letter(7) | changes))
        assert row.attempts == 1
    assert await dead_letters.count(db, source=FILE) == 3


async def test_bounds_are_refused(db: Database) -> None:
    for changes in ({"source": ""}, {"item": ""}, {"sqlstate": "bad"}):
        with pytest.raises(DataError):
            await dead_letters.merge(db, **(letter(7) | changes))
    assert await dead_letters.count(db, source=FILE) == 0


async def test_pages_of_list_recent_walk_every_row_once(db: Database) -> None:
    async with db.transaction() as tx:
        for line in range(4):
            await dead_letters.merge(tx, **letter(line))
    for line in range(4, 7):
        await dead_letters.merge(db, **letter(line))

    async def following(row: DeadLetter) -> list[DeadLetter]:
        return await dead_letters.list_recent(
            db, before_first_seen_at=row.first_seen_at, before_id=row.id, max_rows=2
        )

    whole = await dead_letters.list_recent(db, max_rows=MANY)
    assert items(whole[:3]) == ["line 6", "line 5", "line 4"]
    ties = [row.id for row in whole[3:]]
    assert ties == sorted(ties, reverse=True)
    assert await walk(dead_letters.list_recent(db, max_rows=2), following) == whole


async def test_a_repeated_attempt_does_not_move_the_letter(db: Database) -> None:
    for line in (1, 2, 1):
        await dead_letters.merge(db, **letter(line))
    assert items(await dead_letters.list_recent(db, max_rows=MANY)) == ["line 2", "line 1"]


async def test_lists_of_a_source_are_by_item(db: Database) -> None:
    for line in (3, 1, 2):
        await dead_letters.merge(db, **letter(line))
    await dead_letters.merge(db, **letter(2, payload=b"other"))
    await dead_letters.merge(db, **letter(1, source="file:/other"))

    async def after(item: str, payload_sha256: bytes) -> list[DeadLetter]:
        return await dead_letters.list_by_source(
            db, source=FILE, after_item=item, after_payload_sha256=payload_sha256, max_rows=2
        )

    rows = await walk(after("", b""), lambda row: after(row.item, row.payload_sha256))
    assert items(rows) == ["line 1", "line 2", "line 2", "line 3"]
    assert rows[1].payload_sha256 < rows[2].payload_sha256
    async with aclosing(dead_letters.stream_by_source(db, source=FILE)) as stream:
        assert [row async for row in stream] == rows


async def test_count_by_source_puts_the_worst_first(db: Database) -> None:
    for source, line in (("a", 1), ("b", 1), ("b", 2), ("b", 2), ("c", 1)):
        last = await dead_letters.merge(db, **letter(line, source=source))
    rows = await dead_letters.count_by_source(db, max_rows=MANY)
    assert [(row.source, row.letter_count, row.attempts) for row in rows] == [
        ("b", 2, 3),
        ("a", 1, 1),
        ("c", 1, 1),
    ]
    assert rows[2].last_seen_at == last.last_seen_at
    assert await dead_letters.count_by_source(db, max_rows=1) == rows[:1]


async def test_delete_takes_one_letter(db: Database) -> None:
    row = await dead_letters.merge(db, **letter(7))
    await dead_letters.merge(db, **letter(8))
    assert await dead_letters.delete(db, id=row.id) == 1
    assert await dead_letters.delete(db, id=row.id) == 0
    assert await dead_letters.get(db, id=row.id) is None
    assert await dead_letters.get(db, id=UUID(int=0)) is None
    assert await dead_letters.count(db, source=FILE) == 1
