"""Cursors: forward by merge, anywhere by move, and never for another stream."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import blocks, ingest_claims, ingest_cursors
from whaledb.rows import IngestCursor

pytestmark = pytest.mark.versions

CHAIN: Final = 1
FILE: Final = "file:/data/blocks.ndjson"


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


def at(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "stream": FILE,
        "chain_id": CHAIN,
        "number": number,
        "hash": hash_of(number),
    } | changes


async def cursor(db: Database, stream: str = FILE, chain_id: int = CHAIN) -> IngestCursor:
    row = await ingest_cursors.get(db, stream=stream, chain_id=chain_id)
    assert row is not None
    return row


async def test_merge_starts_and_moves_forward(db: Database) -> None:
    assert await ingest_cursors.get(db, stream=FILE, chain_id=CHAIN) is None
    assert await ingest_cursors.merge(db, **at(10)) is True
    row = await cursor(db)
    assert {name: getattr(row, name) for name in at(10)} == at(10)
    assert row.created_at == row.updated_at
    await age(db, "ingest_cursors")
    assert await ingest_cursors.merge(db, **at(11, hash="0x" + "AB" * 32)) is False
    moved = await cursor(db)
    assert (moved.number, moved.hash) == (11, "0x" + "ab" * 32)
    assert moved.updated_at > LONG_AGO
    assert moved.created_at == row.created_at


async def test_merge_never_moves_back_or_stays_in_place(db: Database) -> None:
    await ingest_cursors.merge(db, **at(10))
    await age(db, "ingest_cursors")
    row = await cursor(db)
    for number in (10, 9):
        assert await ingest_cursors.merge(db, **at(number, hash=hash_of(99))) is None
    assert await cursor(db) == row


async def test_move_goes_anywhere_and_writes_only_a_change(db: Database) -> None:
    assert await ingest_cursors.move(db, **at(10)) is True
    await age(db, "ingest_cursors")
    assert (
        await ingest_cursors.move(db, **at(10, hash=hash_of(10).upper().replace("X", "x"))) is None
    )
    assert (await cursor(db)).updated_at == LONG_AGO
    for place in (at(8), at(8, hash="0x" + "AB" * 32), at(12)):
        await age(db, "ingest_cursors")
        assert await ingest_cursors.move(db, **place) is False
        row = await cursor(db)
        assert (row.number, row.hash) == (place["number"], place["hash"].lower())
        assert row.updated_at > LONG_AGO


async def test_streams_and_chains_do_not_move_each_other(db: Database) -> None:
    await ingest_cursors.merge(db, **at(10))
    row = await cursor(db)
    assert await ingest_cursors.merge(db, **at(5, stream="file:/other")) is True
    assert await ingest_cursors.merge(db, **at(6, chain_id=10)) is True
    assert await ingest_cursors.move(db, **at(5, chain_id=10)) is False
    assert await ingest_cursors.delete(db, stream="file:/other", chain_id=CHAIN) == 1
    assert await cursor(db) == row


async def test_list_all_walks_every_row_once(db: Database) -> None:
    keys = [("a", 1), ("a", 10), ("a", 137), ("b", 1), ("c", 1)]
    for stream, chain_id in reversed(keys):
        await ingest_cursors.merge(db, **at(1, stream=stream, chain_id=chain_id))

    async def following(row: IngestCursor) -> list[IngestCursor]:
        return await ingest_cursors.list_all(
            db, after_stream=row.stream, after_chain_id=row.chain_id, max_rows=2
        )

    rows = await walk(ingest_cursors.list_all(db, max_rows=2), following)
    assert [(row.stream, row.chain_id) for row in rows] == keys
    assert await ingest_cursors.count(db) == len(keys)


async def test_delete_forgets_one_stream(db: Database) -> None:
    await ingest_cursors.merge(db, **at(10))
    assert await ingest_cursors.delete(db, stream=FILE, chain_id=10) == 0
    assert await ingest_cursors.delete(db, stream=FILE, chain_id=CHAIN) == 1
    assert await ingest_cursors.count(db) == 0
    assert await ingest_cursors.merge(db, **at(1)) is True


async def test_bounds_are_refused(db: Database) -> None:
    for changes in ({"stream": ""}, {"number": -1}, {"hash": "0x12"}):
        with pytest.raises(DataError):
            await ingest_cursors.merge(db, **(at(1) | changes))
        with pytest.raises(DataError):
            await ingest_cursors.move(db, **(at(1) | changes))
    assert await ingest_cursors.count(db) == 0


async def test_status_tells_how_far_behind_a_stream_is_and_who_writes_it(db: Database) -> None:
    live = at(10, stream="live")
    await ingest_cursors.merge(db, **live)
    await ingest_cursors.merge(db, **at(11))
    stamp = datetime.now(UTC) - timedelta(minutes=5)
    await blocks.merge(
        db,
        hash=live["hash"],
        chain_id=CHAIN,
        number=10,
        parent_hash=hash_of(9),
        block_timestamp=stamp,
        canonical=True,
        min_value_eth=Decimal(100),
        complete=True,
        traced=False,
    )
    claim = {"stream": "live", "chain_id": CHAIN, "holder": "host:7", "lease_s": 60.0}
    assert await ingest_claims.claim(db, **claim) is not None
    of_file, of_live = await ingest_cursors.list_status(db, max_rows=5)
    assert (of_live.stream, of_live.number, of_live.hash) == ("live", 10, live["hash"])
    assert (of_live.block_timestamp, of_live.holder) == (stamp, "host:7")
    assert of_live.age_s is not None and 300 <= of_live.age_s < 600
    assert of_live.lease_s is not None and 0 < of_live.lease_s <= 60
    assert (of_file.stream, of_file.number) == (FILE, 11)
    assert (of_file.block_timestamp, of_file.age_s) == (None, None)
    assert (of_file.holder, of_file.lease_s) == (None, None)
    assert len(await ingest_cursors.list_status(db, max_rows=1)) == 1
