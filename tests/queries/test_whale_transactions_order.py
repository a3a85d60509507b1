"""Merged rows lie in the table block by block, as statements read them."""

import itertools
from operator import attrgetter
from typing import Any

from tests.benchmarks.growing_rows import Transfers
from typedsql.database import Database
from whaledb.queries import whale_transactions

ROWS = 400
WHERE_THEY_LIE = "SELECT t.block_hash FROM public.whale_transactions AS t ORDER BY t.ctid"


def runs(block_hashes: list[str]) -> int:
    """How often the block changes from one row to the next."""
    return sum(one != next_one for one, next_one in itertools.pairwise(block_hashes))


async def test_rows_of_one_block_are_stored_beside_each_other(
    db: Database, connection: Any
) -> None:
    rows = Transfers(1).next(ROWS)
    blocks = len({row.block_hash for row in rows})
    report = await whale_transactions.merge_rows(db, rows, lanes=1)
    assert report.inserted == ROWS
    lying = [row["block_hash"] for row in await connection.fetch(WHERE_THEY_LIE)]
    assert runs(lying) == blocks - 1
    # The control: sorted by hash, neighbours are of different blocks.
    by_hash = [row.block_hash for row in sorted(rows, key=attrgetter("hash"))]
    assert runs(by_hash) > ROWS // 2
