"""The views apply their rule, and show their reader nothing that the tables would not."""

from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from tests.db.rows import ADDRESS, TIME, insert, prepare

pytestmark = pytest.mark.versions


OTHER_ADDRESS = "0x" + "34" * 20
THIRD_ADDRESS = "0x" + "56" * 20


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


async def test_net_flows_are_what_changed_hands(connection: asyncpg.Connection) -> None:
    """250 ether to an exchange, of which it passes 249 on and pays 1 back: db/README.md."""
    moved = {"hash": transaction_hash("1"), "succeeded": True}
    for path, sender, receiver, value in (
        ("", ADDRESS, OTHER_ADDRESS, "250"),
        ("0", OTHER_ADDRESS, THIRD_ADDRESS, "249"),
        ("1", OTHER_ADDRESS, ADDRESS, "1"),
    ):
        await insert(
            connection,
            "whale_transactions",
            **moved,
            trace_path=path,
            from_address=sender,
            to_address=receiver,
            value_eth=value,
        )
    flows = await connection.fetch(
        "SELECT address, net_eth FROM public.whale_net_flows ORDER BY address"
    )
    assert [tuple(row) for row in flows] == [(ADDRESS, -249), (THIRD_ADDRESS, 249)]
    volumes = await connection.fetch(
        "SELECT transfer_count, volume_eth, hop_volume_eth, largest_eth"
        " FROM public.whale_transaction_volumes"
    )
    assert [tuple(row) for row in volumes] == [(3, 249, 500, 250)]
    hops = await connection.fetchval("SELECT count(*) FROM public.whale_transfers")
    assert hops == 3, "each hop stays a row"


async def test_what_failed_or_left_the_chain_flowed_nowhere(
    connection: asyncpg.Connection,
) -> None:
    table = "whale_transactions"
    await insert(
        connection, table, hash=transaction_hash("1"), to_address=OTHER_ADDRESS, succeeded=False
    )
    await insert(
        connection, table, hash=transaction_hash("2"), to_address=OTHER_ADDRESS, orphaned_at=TIME
    )
    for view in ("whale_net_flows", "whale_transaction_volumes", "whale_volume_by_hour"):
        assert await connection.fetchval(f"SELECT count(*) FROM public.{view}") == 0, view
    # The control: the same rows, canonical and not failed, flow.
    await connection.execute(
        "UPDATE public.whale_transactions SET succeeded = NULL, orphaned_at = NULL"
    )
    assert await connection.fetchval("SELECT count(*) FROM public.whale_net_flows") == 4


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
            to_address=OTHER_ADDRESS,
            value_eth="0.000000000000000001",
        )
    rows = await connection.fetch(
        "SELECT chain_id, hour, transaction_count, transfer_count, volume_eth, hop_volume_eth"
        " FROM public.whale_volume_by_hour"
        " ORDER BY chain_id, hour"
    )
    wei = Decimal("1E-18")
    assert [tuple(row) for row in rows] == [
        (1, datetime(2026, 11, 15, 12, tzinfo=UTC), 2, 2, 2 * wei, 2 * wei),
        (1, datetime(2026, 11, 15, 13, tzinfo=UTC), 1, 1, wei, wei),
        (137, datetime(2026, 11, 15, 12, tzinfo=UTC), 1, 1, wei, wei),
    ]


async def test_active_smc_patterns(connection: asyncpg.Connection) -> None:
    await prepare(connection)
    for price, status in enumerate(("active", "mitigated", "invalidated", "expired")):
        await insert(connection, "smc_patterns", price_level=str(price), status=status)
    rows = await connection.fetch("SELECT price_level FROM public.active_smc_patterns")
    assert [row["price_level"] for row in rows] == [0]


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
