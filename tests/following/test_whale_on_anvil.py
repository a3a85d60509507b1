"""A whale on a running node: seen, alerted, reorganised away, retracted, and back again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import UUID

import pytest

from tests.anvil import Anvil, running
from tests.ingest.inspection import execute, fetch
from typedsql.database import Database
from whaledb.live import FollowOptions, FollowSummary, follow
from whaledb.queries import alerts
from whaledb.rpc import open_node

ANVIL_CHAIN = 31337
WHALE_ETHER = 777
WAIT_LIMIT_S = 30.0
POLL_INTERVAL_S = 0.02
USER = UUID("00000000-0000-4000-8000-000000000777")
FROM_THE_START = FollowOptions(first_number=0)


@asynccontextmanager
async def followed(
    db: Database, url: str, options: FollowOptions = FROM_THE_START
) -> AsyncGenerator[Callable[[], Awaitable[FollowSummary]]]:
    """Follows a node while the block runs; calling what it gives ends that."""
    stop = asyncio.Event()
    async with open_node(url, poll_interval_s=POLL_INTERVAL_S) as node:
        running_task = asyncio.create_task(follow(db, node, options, stop=stop))

        async def end() -> FollowSummary:
            stop.set()
            return await running_task

        try:
            yield end
        finally:
            stop.set()
            await running_task


async def feed(db: Database) -> list[tuple[str, int, Decimal]]:
    """Hash, block and value of what a reader sees, newest first."""
    async with db.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE whaledb_reader")
        found = await connection.fetch(
            "SELECT hash, block_number, value_eth FROM public.whale_transfers"
            " ORDER BY block_number DESC"
        )
    return [(row["hash"], row["block_number"], row["value_eth"]) for row in found]


async def fired(db: Database) -> list[tuple[str, int, bool]]:
    """Transaction, block and whether it stands, of each event, in the order they fired."""
    rows = await fetch(
        db,
        "SELECT transaction_hash, block_number, retracted_at IS NULL FROM alert_events"
        " ORDER BY block_number, fired_at",
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def is_stored(db: Database, head: str) -> bool:
    return [(head,)] == await fetch(db, "SELECT hash FROM ingest_cursors")


async def until_stored(db: Database, node: Anvil) -> None:
    """Until the stream stands at the node's head."""
    async with asyncio.timeout(WAIT_LIMIT_S):
        while not await is_stored(db, node.head()["hash"]):  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_INTERVAL_S)


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_a_whale_comes_goes_and_comes_back(db: Database, scheme: str) -> None:
    await execute(db, f"INSERT INTO auth.users (id) VALUES ('{USER}')")
    await alerts.insert(
        db,
        user_id=USER,
        alert_type="large_transfer",
        conditions={"min_value_eth": Decimal(500)},
        enabled=True,
    )
    with running("--no-mining") as node:
        sender, recipient, small_fish = node.accounts()[:3]
        async with followed(db, node.http_url if scheme == "http" else node.ws_url) as end:
            node.mine(3)
            await until_stored(db, node)
            assert (await feed(db), await fired(db)) == ([], [])

            fish = node.send(small_fish, recipient, ether=99)
            whale = node.send(sender, recipient, ether=WHALE_ETHER)
            seen_in = node.mine()
            node.mine(2)
            await until_stored(db, node)
            assert await feed(db) == [(whale, seen_in, Decimal(WHALE_ETHER))]
            assert await fired(db) == [(whale, seen_in, True)]

            node.reorganise(4)
            await until_stored(db, node)
            assert await feed(db) == []
            assert await fired(db) == [(whale, seen_in, False)]
            assert fish != whale

            node.mine(1)
            again = node.send(sender, recipient, ether=WHALE_ETHER)
            included_in = node.mine()
            await until_stored(db, node)
            # The same transaction, in another block.
            assert (again, included_in > seen_in) == (whale, True)
            assert await feed(db) == [(whale, included_in, Decimal(WHALE_ETHER))]
            assert await fired(db) == [(whale, seen_in, False), (whale, included_in, True)]
            summary = await end()
    assert (summary.chain_id, summary.alerts_fired) == (ANVIL_CHAIN, 2)
    assert (summary.reorganisations, summary.blocks_orphaned) == (1, 4)
    standing = await fetch(db, "SELECT succeeded, gas_used FROM whale_transfers")
    assert standing == [(True, 21_000)]
