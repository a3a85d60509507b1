"""The package on a server that testcontainers started: from its URL to rows, and a restart."""

import asyncio
import socket
from collections.abc import Generator
from decimal import Decimal

import asyncpg
import pytest

import whaledb
from tests.containers.conftest import PASSWORD, PostgresContainer
from tests.databases import ROOT
from tests.queries.transfers import CHAIN, again, hash_of, stored, transfer
from typedsql.database import Database
from typedsql.errors import ConnectionFailed, ConnectionLost, MigrationMismatch
from typedsql.settings import resolve_target
from whaledb.ingest import ingest_blocks
from whaledb.queries import whale_transactions

pytestmark = pytest.mark.containers

BLOCKS = ROOT / "tests/ingest/data/blocks.ndjson"

PORT = 5432
POLL_SECONDS = 0.1
AWAKE_LIMIT_SECONDS = 60


@pytest.fixture(scope="session")
async def url(container: PostgresContainer) -> str:
    """The URL that testcontainers gives of a database that was migrated through it."""
    given: str = container.get_connection_url()
    with pytest.raises(MigrationMismatch):
        async with whaledb.connect(given):
            pass
    await whaledb.create_tables(given)
    return given


async def test_a_row_written_is_the_row_read(url: str) -> None:
    async with whaledb.connect(url) as db:
        row = await stored(db, 1, value_eth=Decimal("1250.500000000000000001"))
        assert await again(db, row) == row
        assert await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=row.hash) == row


async def test_blocks_are_ingested_once(url: str) -> None:
    async with whaledb.connect(url) as db:
        for written in (3, 0):
            summary = await ingest_blocks(db, [BLOCKS], min_value_eth=Decimal(100))
            assert (summary.blocks, summary.dead_letters) == (3, 0)
            assert summary.transactions_written == written


async def test_a_wrong_password_is_told_in_a_sentence_without_it(
    container: PostgresContainer, url: str
) -> None:
    assert url == container.get_connection_url()
    container.password = "mistaken"
    try:
        wrong: str = container.get_connection_url()
    finally:
        container.password = PASSWORD
    with pytest.raises(ConnectionFailed, match="the password or the user name is wrong") as told:
        async with whaledb.connect(wrong):
            pass
    assert "mistaken" not in str(told.value)


@pytest.fixture
def restartable(image: str) -> Generator[PostgresContainer, None, None]:
    """A server whose port outlives a restart: Docker would choose another one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = PostgresContainer(image, password=PASSWORD, driver=None).with_bind_ports(PORT, port)
    # What the official image says of itself and `docker import` cannot: a fast shutdown,
    # that does not wait for its clients to leave.
    with made.with_kwargs(stop_signal="SIGINT") as container:
        yield container


async def test_a_pool_lives_through_a_restart_of_its_server(
    restartable: PostgresContainer,
) -> None:
    url: str = restartable.get_connection_url()
    await whaledb.create_tables(url)
    plain = await asyncpg.connect(**resolve_target(url, project="whaledb").asyncpg_arguments())
    async with whaledb.connect(url, min_size=2, max_size=2) as db:
        kept = await stored(db, 1)
        with pytest.raises(ConnectionLost):
            async with db.transaction() as tx:
                await whale_transactions.insert(tx, **transfer(2))
                await asyncio.to_thread(restartable.get_wrapped_container().restart)
                await whale_transactions.insert(tx, **transfer(3))
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await plain.fetchval("SELECT 1")  # the control: a connection by itself stays lost
        await awake(db)
        assert await again(db, kept) == kept
        for lost in (2, 3):
            found = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(lost))
            assert found is None


async def awake(db: Database) -> None:
    """Wait until statements run again; until then each fails as a caller may expect."""
    async with asyncio.timeout(AWAKE_LIMIT_SECONDS):
        while True:
            try:
                await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(1))
            except (ConnectionFailed, ConnectionLost):
                await asyncio.sleep(POLL_SECONDS)
            else:
                return
