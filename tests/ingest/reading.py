"""Blocks as a node's follower holds them, made of made-up JSON."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.ingest.chain import JSON, block, transaction
from tests.ingest.inspection import fetch
from typedsql.database import Database
from whaledb.ingest.advancing import ChainWriter
from whaledb.ingest.claims import claimed
from whaledb.ingest.decoding import Block, decode_block
from whaledb.ingest.reading import Item
from whaledb.ingest.receipts import Receipts
from whaledb.ingest.traces import InternalTransfer, Traces, TransactionTrace
from whaledb.ingest.transfers import ReadBlock

CHAIN = 1
STREAM = "rpc:test"
MIN_VALUE_ETH = Decimal(100)


class KnownTraces(Traces):
    """Traces that a test tells, by transaction hash."""

    def __init__(self, told: dict[str, TransactionTrace]) -> None:
        super().__init__()
        self._told = told

    def find(self, block_hash: str, transaction_hash: str) -> TransactionTrace | None:
        return self._told.get(transaction_hash)

    def has_block(self, block: Block) -> bool:
        return all(t.hash in self._told for t in block.transactions)


def read(
    made: JSON,
    *receipts: JSON,
    traces: dict[str, TransactionTrace] | None = None,
    chain_id: int = CHAIN,
) -> ReadBlock:
    known = Receipts()
    for made_receipt in receipts:
        assert not list(known.add(Item("receipt", json.dumps(made_receipt).encode())))
    block = decode_block(
        Item(f"block {int(made['number'], 16)}", json.dumps(made).encode()), chain_id=chain_id
    )
    return ReadBlock(block, known, None if traces is None else KnownTraces(traces))


def branch(first: int, last: int, fork: str = "", *, of: str = "") -> list[ReadBlock]:
    """Blocks first to last of a fork, the first a child of fork `of`; a whale in each.

    The whale of a height is the same transaction on each fork, as a mempool has it.
    """
    return [
        read(
            block(
                n,
                [transaction(f"t{n}", ether=500)],
                fork=fork,
                parent_fork=of if n == first else fork,
            )
        )
        for n in range(first, last + 1)
    ]


def moved(trace_path: str, ether: int) -> InternalTransfer:
    return InternalTransfer(trace_path, "0x" + "a" * 40, "0x" + "b" * 40, Decimal(ether))


@asynccontextmanager
async def writing(db: Database, **options: bool) -> AsyncGenerator[ChainWriter, None]:
    async with claimed(db, stream=STREAM, chain_id=CHAIN) as claim:
        yield ChainWriter(db, claim=claim, min_value_eth=MIN_VALUE_ETH, **options)


async def canonical(db: Database) -> list[str]:
    """Hashes of the canonical blocks, lowest first."""
    rows = await fetch(db, "SELECT hash FROM blocks WHERE canonical ORDER BY number")
    return [row[0] for row in rows]


async def orphans(db: Database) -> set[str]:
    return {row[0] for row in await fetch(db, "SELECT hash FROM blocks WHERE NOT canonical")}


async def check_rows_agree(db: Database) -> None:
    """Rows are orphaned with their blocks, and canonical neighbours link."""
    assert not await fetch(
        db,
        "SELECT 1 FROM whale_transactions AS t"
        " LEFT JOIN blocks AS b ON b.hash = t.block_hash AND b.chain_id = t.chain_id"
        " WHERE (t.orphaned_at IS NULL) IS DISTINCT FROM b.canonical",
    )
    assert not await fetch(
        db,
        "SELECT 1 FROM blocks AS c JOIN blocks AS p"
        " ON p.chain_id = c.chain_id AND p.number = c.number - 1"
        " WHERE p.canonical AND c.canonical AND c.parent_hash <> p.hash",
    )


async def cursor(db: Database) -> tuple[int, str]:
    rows = await fetch(db, "SELECT number, hash FROM ingest_cursors WHERE stream = $1", STREAM)
    [row] = rows
    return row[0], row[1]


def hashes(branch: Sequence[ReadBlock]) -> list[str]:
    return [each.block.hash for each in branch]
