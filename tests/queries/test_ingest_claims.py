"""Claims: one holder of a stream, told by a token that never comes twice."""

import asyncio
from typing import Any, Final

import pytest

from tests.queries.locks import waits_for_lock
from tests.queries.paging import walk
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import ingest_claims
from whaledb.rows import IngestClaim

pytestmark = pytest.mark.versions

CHAIN: Final = 1
STREAM: Final = "rpc:mainnet"
LONG_S: Final = 600.0
OVER_S: Final = -1.0


def wanted(**changes: Any) -> dict[str, Any]:
    return {"stream": STREAM, "chain_id": CHAIN, "holder": "a:1", "lease_s": LONG_S} | changes


def held(token: int | None, **changes: Any) -> dict[str, Any]:
    return {"stream": STREAM, "chain_id": CHAIN, "fencing_token": token} | changes


async def test_one_holder_until_the_claim_expires(db: Database) -> None:
    first = await ingest_claims.claim(db, **wanted())
    assert first is not None
    assert await ingest_claims.claim(db, **wanted(holder="b:2")) is None
    row = await ingest_claims.get(db, stream=STREAM, chain_id=CHAIN)
    assert row is not None
    assert (row.holder, row.fencing_token) == ("a:1", first)
    assert LONG_S - 60 < row.remaining_s <= LONG_S
    assert await ingest_claims.renew(db, **held(first), lease_s=OVER_S) == 1
    expired = await ingest_claims.get(db, stream=STREAM, chain_id=CHAIN)
    assert expired is not None
    assert expired.remaining_s == 0
    # Nobody took it over, so it is still the holder's to renew.
    assert await ingest_claims.renew(db, **held(first), lease_s=OVER_S) == 1
    second = await ingest_claims.claim(db, **wanted(holder="b:2"))
    assert second is not None
    assert second > first
    assert await ingest_claims.renew(db, **held(first), lease_s=LONG_S) == 0
    assert await ingest_claims.release(db, **held(first)) == 0
    row = await ingest_claims.get(db, stream=STREAM, chain_id=CHAIN)
    assert row is not None
    assert (row.holder, row.fencing_token) == ("b:2", second)
    assert row.claimed_at > expired.claimed_at


async def test_a_released_stream_is_free_and_its_token_gone_for_good(db: Database) -> None:
    first = await ingest_claims.claim(db, **wanted())
    assert first is not None
    assert await ingest_claims.release(db, **held(first, chain_id=10)) == 0
    assert await ingest_claims.release(db, **held(first)) == 1
    assert await ingest_claims.get(db, stream=STREAM, chain_id=CHAIN) is None
    again = await ingest_claims.claim(db, **wanted())
    assert again is not None
    assert again > first
    assert await ingest_claims.renew(db, **held(first), lease_s=LONG_S) == 0


async def test_a_claim_waits_for_a_holder_who_writes(db: Database) -> None:
    """Expired meanwhile or not: what was renewed in the transaction counts when it ends."""
    token = await ingest_claims.claim(db, **wanted(lease_s=OVER_S))
    async with db.transaction() as tx:
        assert await ingest_claims.renew(tx, **held(token), lease_s=LONG_S) == 1
        other = asyncio.create_task(ingest_claims.claim(db, **wanted(holder="b:2")))
        await waits_for_lock(db, other)
    assert await other is None


async def test_without_the_row_lock_a_writer_is_overtaken(db: Database) -> None:
    """The control: one that only reads its token loses the stream before it commits."""
    token = await ingest_claims.claim(db, **wanted(lease_s=OVER_S))
    async with db.transaction() as tx:
        seen = await ingest_claims.get(tx, stream=STREAM, chain_id=CHAIN)
        assert seen is not None
        assert seen.fencing_token == token
        assert await ingest_claims.claim(db, **wanted(holder="b:2")) is not None


async def test_list_all_walks_every_row_once(db: Database) -> None:
    keys = [("a", 1), ("a", 10), ("b", 1), ("c", 1)]
    for stream, chain_id in reversed(keys):
        await ingest_claims.claim(db, **wanted(stream=stream, chain_id=chain_id))

    async def following(row: IngestClaim) -> list[IngestClaim]:
        return await ingest_claims.list_all(
            db, after_stream=row.stream, after_chain_id=row.chain_id, max_rows=2
        )

    rows = await walk(ingest_claims.list_all(db, max_rows=2), following)
    assert [(row.stream, row.chain_id) for row in rows] == keys
    assert len({row.fencing_token for row in rows}) == len(keys)


async def test_bounds_are_refused(db: Database) -> None:
    for changes in ({"stream": ""}, {"chain_id": 0}, {"holder": ""}, {"holder": "x" * 301}):
        with pytest.raises(DataError):
            await ingest_claims.claim(db, **wanted(**changes))
