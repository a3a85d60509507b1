"""What fired: stored once, retracted and standing again with its row, read by its owner."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.accounts import ALICE, BOB, make_accounts
from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from tests.queries.transfers import BLOCK, CHAIN, hash_of, key, stored
from typedsql.database import Database, Transaction
from typedsql.errors import Error
from whaledb.queries import alert_events, alerts, whale_transactions
from whaledb.rows import AlertEvent

pytestmark = pytest.mark.versions

MANY: Final = 1000
BLOCK_HASH: Final = hash_of(0xB10C0000)
START: Final = datetime(2026, 11, 1, tzinfo=UTC)
CHART: Final[dict[str, Any]] = {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1h"}


@pytest.fixture(autouse=True)
async def accounts(db: Database) -> None:
    await make_accounts(db, ALICE, BOB)


async def alert(db: Database, owner: UUID = ALICE, *, enabled: bool = True) -> UUID:
    row = await alerts.insert(
        db,
        user_id=owner,
        alert_type="large_transfer",
        conditions={"min_value_eth": 1},
        enabled=enabled,
    )
    return row.id


async def fire(
    db: Database | Transaction, alert_id: UUID, *numbers: int, **changes: Any
) -> list[UUID]:
    """Ids of the events that are new."""
    arguments: dict[str, Any] = {
        "chain_id": CHAIN,
        "block_number": BLOCK,
        "block_hash": BLOCK_HASH.upper().replace("0X", "0x"),
        "alert_ids": [alert_id] * len(numbers),
        "transaction_hashes": [hash_of(n).upper().replace("0X", "0x") for n in numbers],
        "trace_paths": [""] * len(numbers),
    }
    made = await alert_events.merge_transfers(db, **(arguments | changes))
    return [row.id for row in made]


async def again(db: Database, event: UUID) -> AlertEvent:
    row = await alert_events.get(db, id=event)
    assert row is not None
    return row


async def settle(db: Database, *blocks: tuple[int, str], chain_id: int = CHAIN) -> int:
    return await alert_events.settle(
        db,
        chain_id=chain_id,
        block_numbers=[number for number, _ in blocks],
        block_hashes=[block_hash for _, block_hash in blocks],
    )


async def test_a_transfer_fires_once(db: Database) -> None:
    mine, other = await alert(db), await alert(db, BOB)
    [event] = await fire(db, mine, 0xAB)
    row = await again(db, event)
    assert (row.alert_id, row.user_id, row.chain_id, row.block_number) == (mine, ALICE, 1, BLOCK)
    assert (row.block_hash, row.transaction_hash, row.trace_path) == (BLOCK_HASH, hash_of(0xAB), "")
    assert (row.exchange, row.symbol, row.interval, row.open_time, row.pattern_id) == (None,) * 5
    assert (row.fired_at, row.retracted_at) == (row.created_at, None)
    assert row.updated_at == row.created_at
    await age(db, "alert_events")
    assert await fire(db, mine, 0xAB) == []
    assert (await again(db, event)).updated_at == LONG_AGO
    assert len(await fire(db, mine, 0xAB, 0xAC, 0xAC)) == 1
    for changes in (
        {"chain_id": 10},
        {"block_hash": hash_of(7)},
        {"trace_paths": ["0"]},
        {"alert_ids": [other]},
    ):
        assert len(await fire(db, mine, 0xAB, **changes)) == 1
    assert await fire(db, mine) == []


async def test_the_owner_of_an_event_is_that_of_its_alert(db: Database) -> None:
    [event] = await fire(db, await alert(db, BOB), 1)
    assert (await again(db, event)).user_id == BOB


async def test_an_alert_that_was_paused_or_deleted_meanwhile_is_left_out(db: Database) -> None:
    paused, gone, kept = await alert(db, enabled=False), await alert(db), await alert(db)
    await alerts.delete(db, id=gone)
    made = await fire(db, kept, 1, 1, 1, alert_ids=[paused, gone, kept])
    assert [(await again(db, each)).alert_id for each in made] == [kept]


async def test_a_candle_and_a_pattern_fire_once(db: Database) -> None:
    mine, other = await alert(db), await alert(db, BOB)
    paused = await alert(db, enabled=False)
    times = [START, START + timedelta(hours=1), START]
    found = CHART | {"alert_ids": [mine, mine, paused], "open_times": times}
    made = await alert_events.merge_candles(db, **found)
    rows = [await again(db, each.id) for each in made]
    assert {row.open_time for row in rows} == set(times)
    assert {(row.alert_id, row.user_id, row.chain_id) for row in rows} == {(mine, ALICE, None)}
    assert {(row.exchange, row.symbol, row.interval) for row in rows} == {tuple(CHART.values())}
    assert await alert_events.merge_candles(db, **found) == []
    for changes in ({"exchange": "okx"}, {"symbol": "ETH"}, {"interval": "4h"}):
        assert len(await alert_events.merge_candles(db, **(found | changes))) == 2
    assert len(await alert_events.merge_candles(db, **(found | {"alert_ids": [other] * 3}))) == 2

    patterns = {"alert_ids": [mine, other, paused], "pattern_ids": [UUID(int=1)] * 3}
    made = await alert_events.merge_patterns(db, **patterns)
    assert {(row.alert_id, row.user_id) for row in made} == {(mine, ALICE), (other, BOB)}
    assert {(await again(db, row.id)).pattern_id for row in made} == {UUID(int=1)}
    assert await alert_events.merge_patterns(db, **patterns) == []
    elsewhere = {"alert_ids": [mine], "pattern_ids": [UUID(int=2)]}
    assert len(await alert_events.merge_patterns(db, **elsewhere)) == 1


async def test_an_event_goes_with_its_alert(db: Database) -> None:
    mine = await alert(db)
    [event] = await fire(db, mine, 1)
    [other] = await fire(db, await alert(db), 1)
    await alerts.delete(db, id=mine)
    assert await alert_events.get(db, id=event) is None
    assert await alert_events.get(db, id=other) is not None


async def test_an_event_is_retracted_and_stands_again_with_its_block(db: Database) -> None:
    mine = await alert(db)
    await stored(db, 1)
    await stored(db, 1, chain_id=10)
    await stored(db, 2, block=1)
    [event] = await fire(db, mine, 1)
    second = {"block_number": BLOCK + 1, "block_hash": hash_of(0xB10C0001)}
    [neighbour] = await fire(db, mine, 2, **second)
    [other_chain] = await fire(db, mine, 1, chain_id=10)
    here = (BLOCK, BLOCK_HASH.upper().replace("0X", "0x"))
    there = (BLOCK + 1, hash_of(0xB10C0001))
    assert await settle(db, here, there) == 0

    block = {"chain_id": CHAIN, "block_numbers": [BLOCK], "block_hashes": [BLOCK_HASH]}
    await whale_transactions.orphan_blocks(db, **block)
    await age(db, "alert_events")
    assert await settle(db, there) == 0
    assert await settle(db, here, chain_id=10) == 0
    assert await settle(db, here, there, here) == 1
    retracted = await again(db, event)
    assert retracted.retracted_at == retracted.updated_at
    assert retracted.retracted_at is not None
    assert retracted.retracted_at > LONG_AGO
    for untouched in (neighbour, other_chain):
        row = await again(db, untouched)
        assert (row.retracted_at, row.updated_at) == (None, LONG_AGO)
    await age(db, "alert_events")
    assert await settle(db, here, there) == 0
    assert (await again(db, event)).retracted_at == retracted.retracted_at
    # Fired again while it is retracted, it stays so: the row says whether it stands.
    assert await fire(db, mine, 1) == []

    await whale_transactions.restore_blocks(db, **block)
    assert await settle(db, here) == 1
    standing = await again(db, event)
    assert standing.retracted_at is None
    assert standing.updated_at > LONG_AGO
    assert await settle(db) == 0


async def test_an_event_is_retracted_when_its_transaction_failed(db: Database) -> None:
    mine = await alert(db)
    row = await stored(db, 1)
    inner = await stored(db, 1, trace_path="0")
    [event] = await fire(db, mine, 1)
    [of_inner] = await fire(db, mine, 1, trace_paths=["0"])
    await whale_transactions.update_receipt(db, **key(row), gas_used=1, succeeded=False)
    await whale_transactions.update_receipt(db, **key(inner), gas_used=None, succeeded=True)
    assert await settle(db, (BLOCK, BLOCK_HASH)) == 1
    assert (await again(db, event)).retracted_at is not None
    assert (await again(db, of_inner)).retracted_at is None


async def test_an_event_outlives_its_row(db: Database) -> None:
    row = await stored(db, 1)
    [event] = await fire(db, await alert(db), 1)
    await whale_transactions.delete(db, **key(row))
    assert await settle(db, (BLOCK, BLOCK_HASH)) == 0
    assert (await again(db, event)).retracted_at is None


async def many(db: Database) -> tuple[UUID, list[AlertEvent]]:
    """Seven events of one alert, four of them of one moment, two retracted; newest first."""
    mine = await alert(db)
    async with db.transaction() as tx:
        ids = [(await fire(tx, mine, number))[0] for number in range(4)]
    for number in (4, 5, 6):
        ids += await fire(db, mine, number)
    for number in (1, 5):
        await stored(db, number, succeeded=False)
    assert await settle(db, (BLOCK, BLOCK_HASH)) == 2
    rows = [await again(db, each) for each in ids]
    return mine, sorted(rows, key=lambda row: (row.fired_at, row.id), reverse=True)


@pytest.mark.parametrize("standing", [None, True, False])
async def test_pages_of_a_user_and_of_an_alert(db: Database, standing: bool | None) -> None:
    mine, rows = await many(db)
    await fire(db, await alert(db, BOB), 1)
    if standing is not None:
        rows = [row for row in rows if (row.retracted_at is None) == standing]

    async def of_user(row: AlertEvent | None = None) -> list[AlertEvent]:
        return await alert_events.list_by_user(
            db,
            user_id=ALICE,
            standing=standing,
            before_fired_at=row.fired_at if row else None,
            before_id=row.id if row else None,
            max_rows=2,
        )

    async def of_alert(row: AlertEvent | None = None) -> list[AlertEvent]:
        return await alert_events.list_by_alert(
            db,
            alert_id=mine,
            standing=standing,
            before_fired_at=row.fired_at if row else None,
            before_id=row.id if row else None,
            max_rows=2,
        )

    assert await walk(of_user(), of_user) == rows
    assert await walk(of_alert(), of_alert) == rows
    assert await alert_events.count_by_alert(db, alert_id=mine) == 5


async def test_a_user_sees_the_own_events_only(db: Database) -> None:
    _, rows = await many(db)
    [foreign] = await fire(db, await alert(db, BOB), 1)
    async with db.as_user(ALICE) as tx:

        async def mine(row: AlertEvent | None = None) -> list[AlertEvent]:
            return await alert_events.list_mine(
                tx,
                before_fired_at=row.fired_at if row else None,
                before_id=row.id if row else None,
                max_rows=2,
            )

        assert await walk(mine(), mine) == rows
        assert len(await alert_events.list_mine(tx, standing=False, max_rows=MANY)) == 2
        assert await alert_events.get(tx, id=foreign) is None
        assert await alert_events.list_by_user(tx, user_id=BOB, max_rows=MANY) == []
    assert await alert_events.list_mine(db, max_rows=MANY) == []
    with pytest.raises(Error) as without_grant:
        async with db.as_user(None, role="anon") as tx:
            await alert_events.list_mine(tx, max_rows=MANY)
    assert without_grant.value.sqlstate == "42501"


async def test_pages_of_a_block(db: Database) -> None:
    first, second = sorted([await alert(db), await alert(db, BOB)])
    for number in (2, 1):
        await fire(db, second, number)
        await fire(db, first, number)
    await fire(db, first, 1, trace_paths=["0"])
    await fire(db, first, 1, chain_id=10)
    await fire(db, first, 1, block_hash=hash_of(7))

    async def page(row: AlertEvent | None = None) -> list[AlertEvent]:
        return await alert_events.list_by_block(
            db,
            chain_id=CHAIN,
            block_hash=BLOCK_HASH.upper().replace("0X", "0x"),
            after_transaction_hash=row.transaction_hash if row else None,
            after_trace_path=row.trace_path if row else None,
            after_alert_id=row.alert_id if row else None,
            max_rows=2,
        )

    found = await walk(page(), page)
    assert [(row.transaction_hash, row.trace_path, row.alert_id) for row in found] == [
        (hash_of(1), "", first),
        (hash_of(1), "", second),
        (hash_of(1), "0", first),
        (hash_of(2), "", first),
        (hash_of(2), "", second),
    ]


async def test_a_notifier_reads_each_change_in_its_order(db: Database) -> None:
    _, rows = await many(db)

    async def page(row: AlertEvent | None = None) -> list[AlertEvent]:
        return await alert_events.list_changed(
            db,
            after_updated_at=row.updated_at if row else None,
            after_id=row.id if row else None,
            max_rows=2,
        )

    found = await walk(page(), page)
    assert found == sorted(rows, key=lambda row: (row.updated_at, row.id))
    assert [row.retracted_at is not None for row in found] == [False] * 5 + [True] * 2
    await whale_transactions.delete(
        db, hash=hash_of(1), chain_id=CHAIN, block_hash=BLOCK_HASH, trace_path=""
    )
    await stored(db, 1, value_eth=Decimal(150), succeeded=True)
    assert await settle(db, (BLOCK, BLOCK_HASH)) == 1
    [standing] = await page(found[-1])
    assert (standing.transaction_hash, standing.retracted_at) == (hash_of(1), None)
    assert standing.fired_at < standing.updated_at


async def test_delete_takes_one_event(db: Database) -> None:
    mine = await alert(db)
    [event, other] = await fire(db, mine, 1, 2)
    assert await alert_events.delete(db, id=event) == 1
    assert await alert_events.delete(db, id=event) == 0
    assert await alert_events.get(db, id=event) is None
    assert (await again(db, other)).id == other
