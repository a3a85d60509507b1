"""The views apply their rule, and show their reader nothing that the tables would not."""

from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from tests.db.rows import TIME, insert, prepare

pytestmark = pytest.mark.versions


def transaction_hash(digit: str) -> str:
    return "0x" + digit * 64


async def test_whale_transfers_are_what_moved_value(connection: asyncpg.Connection) -> None:
    table = "whale_transactions"
    moved = transaction_hash("1")
    confirmed = transaction_hash("2")
    await insert(connection, table, hash=moved)
    await insert(connection, table, hash=confirmed, succeeded=True)
    await insert(connection, table, hash=transaction_hash("3"), succeeded=False)
    await insert(connection, table, hash=transaction_hash("4"), orphaned_at=TIME)
    await insert(connection, table, hash=transaction_hash("5"), value_eth="0")
    rows = await connection.fetch("SELECT hash FROM public.whale_transfers ORDER BY hash")
    assert [row["hash"] for row in rows] == [moved, confirmed]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Pacific/Kiritimati"])
async def test_hours_are_those_of_utc(connection: asyncpg.Connection, zone: str) -> None:
    """Kathmandu is 5:45 ahead: an hour of the session's zone would begin at a quarter."""
    await connection.execute("SELECT set_config('TimeZone', $1, FALSE)", zone)
    table = "whale_transactions"
    for digit, time, chain_id in (
        ("1", "2026-11-15T12:00:00Z", 1),
        ("2", "2026-11-15T12:59:59.999999Z", 1),
        ("3", "2026-11-15T13:00:00Z", 1),
        ("4", "2026-11-15T12:30:00Z", 137),
    ):
        await insert(
            connection,
            table,
            hash=transaction_hash(digit),
            block_timestamp=time,
            chain_id=chain_id,
            value_eth="0.000000000000000001",
        )
    rows = await connection.fetch(
        "SELECT chain_id, hour, transfer_count, volume_eth FROM public.whale_volume_by_hour"
        " ORDER BY chain_id, hour"
    )
    wei = Decimal("1E-18")
    assert [tuple(row) for row in rows] == [
        (1, datetime(2026, 11, 15, 12, tzinfo=UTC), 2, 2 * wei),
        (1, datetime(2026, 11, 15, 13, tzinfo=UTC), 1, wei),
        (137, datetime(2026, 11, 15, 12, tzinfo=UTC), 1, wei),
    ]


async def test_active_smc_patterns(connection: asyncpg.Connection) -> None:
    await prepare(connection)
    for price, status in enumerate(("active", "mitigated", "invalidated", "expired")):
        await insert(connection, "smc_patterns", price_level=str(price), status=status)
    rows = await connection.fetch("SELECT price_level FROM public.active_smc_patterns")
    assert [row["price_level"] for row in rows] == [0]


async def test_every_view_runs_with_the_rights_of_its_reader(
    connection: asyncpg.Connection,
) -> None:
    rows = await connection.fetch(
        "SELECT relname, reloptions FROM pg_class"
        " WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('v', 'm')"
    )
    assert len(rows) == 3
    assert {tuple(row["reloptions"] or ()) for row in rows} == {("security_invoker=true",)}


async def test_a_view_is_no_way_around_the_grants_of_its_table(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("REVOKE SELECT ON public.whale_transactions FROM whaledb_reader")
    # The control runs with its owner's rights, and shows what the table would not.
    await connection.execute(
        "CREATE VIEW public.control AS SELECT count(*) FROM public.whale_transactions;"
        "GRANT SELECT ON public.control TO whaledb_reader"
    )
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE whaledb_reader")
        assert await connection.fetchval("SELECT count FROM public.control") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT count(*) FROM public.whale_transfers")
