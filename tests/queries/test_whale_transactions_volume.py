"""What sums value up: net within a transaction, or hop by hop where a name says so."""

import random
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.queries.transfers import CHAIN, START, address_of, stored
from typedsql.database import Database
from whaledb.queries import whale_transactions

pytestmark = pytest.mark.versions

MANY: Final = 1000
WEI: Final = Decimal("0.000000000000000001")
A, B, C, D = (address_of(number) for number in (1, 2, 3, 4))
PERIOD: dict[str, Any] = {"chain_id": CHAIN, "since": START, "until": START + timedelta(hours=1)}

Hop = tuple[str, str | None, Decimal | int]


async def transaction(db: Database, number: int, *hops: Hop, **more: Any) -> None:
    """A transaction whose first transfer is its own, and the others internal ones."""
    for index, (sender, receiver, value) in enumerate(hops):
        await stored(
            db,
            number,
            trace_path=str(index - 1) if index else "",
            from_address=sender,
            to_address=receiver,
            value_eth=Decimal(value),
            **more,
        )


async def volume(db: Database, **period: Any) -> list[tuple[Any, ...]]:
    """(transactions, transfers, net volume, hop volume, largest) of each hour."""
    rows = await whale_transactions.list_volume_by_hour(db, **(PERIOD | period))
    return [
        (
            row.transaction_count,
            row.transfer_count,
            row.volume_eth,
            row.hop_volume_eth,
            row.largest_eth,
        )
        for row in rows
    ]


async def top(db: Database) -> list[tuple[Any, ...]]:
    rows = await whale_transactions.list_top_addresses(db, **PERIOD, max_rows=MANY)
    return [
        (row.address, row.transaction_count, row.sent_eth, row.received_eth, row.volume_eth)
        for row in rows
    ]


async def top_by_hops(db: Database) -> list[tuple[Any, ...]]:
    rows = await whale_transactions.list_top_addresses_by_hops(db, **PERIOD, max_rows=MANY)
    return [
        (
            row.address,
            row.transfer_count,
            row.hop_sent_eth,
            row.hop_received_eth,
            row.hop_volume_eth,
        )
        for row in rows
    ]


async def test_the_example_of_the_readme(db: Database) -> None:
    """250 ether to an exchange, of which it passes 249 on and pays 1 back."""
    await transaction(db, 1, (A, B, 250), (B, C, 249), (B, A, 1))
    assert await volume(db) == [(1, 3, 249, 500, 250)]
    assert await top(db) == [(A, 1, 249, 0, 249), (C, 1, 0, 249, 249)]
    assert await top_by_hops(db) == [
        (B, 3, 250, 250, 500),
        (A, 2, 250, 1, 251),
        (C, 1, 0, 249, 249),
    ]


async def test_each_transaction_is_netted_by_itself(db: Database) -> None:
    """Moved there in one and back in the next is two moves; the control is one with both."""
    await transaction(db, 1, (A, B, 100))
    await transaction(db, 2, (B, A, 100))
    assert await volume(db) == [(2, 2, 200, 200, 100)]
    assert await top(db) == [(A, 2, 100, 100, 200), (B, 2, 100, 100, 200)]
    later = START + timedelta(hours=2)
    await transaction(db, 3, (A, B, 100), (B, A, 100), block_timestamp=later)
    assert await volume(db, since=later, until=later + timedelta(hours=1)) == [(1, 2, 0, 200, 100)]


async def test_the_same_transaction_in_two_chains_is_two(db: Database) -> None:
    await transaction(db, 1, (A, B, 100))
    await transaction(db, 1, (B, A, 60), chain_id=10)
    assert await volume(db) == [(1, 1, 100, 100, 100)]
    assert await volume(db, chain_id=10) == [(1, 1, 60, 60, 60)]


async def test_to_oneself_nothing_changes_hands(db: Database) -> None:
    await transaction(db, 1, (A, A, 30))
    assert await volume(db) == [(1, 1, 0, 30, 30)]
    assert await top(db) == []
    assert await top_by_hops(db) == [(A, 1, 30, 30, 60)]


async def test_a_contract_that_is_created_is_a_recipient(db: Database) -> None:
    await transaction(db, 1, (A, None, 100))
    assert await volume(db) == [(1, 1, 100, 100, 100)]
    assert await top(db) == [(A, 1, 100, 0, 100)]


async def test_an_endowment_that_a_constructor_forwards_counts_twice(db: Database) -> None:
    """The one case in which the volume is too large: nothing tells that D is the contract."""
    await transaction(db, 1, (A, None, 100), (D, C, 100))
    assert await volume(db) == [(1, 2, 200, 200, 100)]


async def test_what_did_not_move_is_in_no_sum(db: Database) -> None:
    await transaction(db, 1, (A, B, 100), (B, C, 100))
    await transaction(db, 2, (A, B, 900), succeeded=False)
    await transaction(db, 3, (A, B, 900), block=1)
    await whale_transactions.orphan_blocks(
        db,
        chain_id=CHAIN,
        block_numbers=[16_000_001],
        block_hashes=[f"0x{0xB10C0001:064x}"],
    )
    await transaction(db, 4, (A, B, 0))
    await transaction(db, 5, (A, B, 900), chain_id=10)
    await transaction(db, 6, (A, B, 900), block_timestamp=PERIOD["until"])
    await transaction(db, 7, (A, B, 900), block_timestamp=START - timedelta(microseconds=1))
    assert await volume(db) == [(1, 2, 100, 200, 100)]
    assert await top(db) == [(A, 1, 100, 0, 100), (C, 1, 0, 100, 100)]
    assert await top_by_hops(db) == [
        (B, 2, 100, 100, 200),
        (A, 1, 100, 0, 100),
        (C, 1, 0, 100, 100),
    ]


async def test_hours_without_a_transfer_are_left_out(db: Database) -> None:
    until = START + timedelta(hours=3)
    await transaction(db, 1, (A, B, 100))
    await transaction(db, 2, (A, B, WEI), block_timestamp=START + timedelta(minutes=59))
    await transaction(db, 3, (A, B, 7), block_timestamp=until - timedelta(microseconds=1))
    rows = await whale_transactions.list_volume_by_hour(db, **(PERIOD | {"until": until}))
    assert [(row.hour, row.transaction_count, row.volume_eth) for row in rows] == [
        (START, 2, 100 + WEI),
        (START + timedelta(hours=2), 1, Decimal(7)),
    ]
    assert await volume(db, until=START) == []


async def test_addresses_of_the_same_volume_come_by_address(db: Database) -> None:
    for number in (5, 3, 4):
        await transaction(db, number, (address_of(number), None, 150))
    expected = [address_of(number) for number in (3, 4, 5)]
    assert [row[0] for row in await top(db)] == expected
    assert [row[0] for row in await top_by_hops(db)] == expected
    [first] = await whale_transactions.list_top_addresses(db, **PERIOD, max_rows=1)
    [by_hops] = await whale_transactions.list_top_addresses_by_hops(db, **PERIOD, max_rows=1)
    assert (first.address, by_hops.address) == (expected[0], expected[0])


async def test_volumes_are_those_of_the_flows_counted_by_hand(db: Database) -> None:
    """Random transactions, netted in Python: the views agree with it and with each other."""
    draw = random.Random(20261123)
    net = hops = Decimal(0)
    for number in range(40):
        flows: dict[str | None, Decimal] = defaultdict(Decimal)
        path: list[Hop] = []
        for _ in range(draw.randint(1, 6)):
            value = Decimal(draw.randint(1, 10**21)).scaleb(-18)
            hop = (address_of(draw.randint(1, 5)), address_of(draw.randint(1, 5)), value)
            path.append(hop)
            flows[hop[0]] -= value
            flows[hop[1]] += value
            hops += value
        await transaction(db, number, *path)
        net += sum(flow for flow in flows.values() if flow > 0)
    [hour] = await whale_transactions.list_volume_by_hour(db, **PERIOD)
    assert (hour.volume_eth, hour.hop_volume_eth) == (net, hops)
    assert 0 < net < hops, "a sample in which nothing is netted would prove nothing"
    rows = await top(db)
    assert sum(row[2] for row in rows) == sum(row[3] for row in rows) == net
