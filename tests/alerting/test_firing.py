"""Firing and settling in the caller's transaction: once, whoever else writes meanwhile."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.accounts import ALICE, BOB, make_accounts
from tests.queries.locks import waits_for_lock
from tests.queries.transfers import BLOCK, CHAIN, hash_of, stored
from typedsql.database import Database, Transaction
from typedsql.errors import DataError, TransientError
from typedsql.statements import load_statements
from whaledb import alerting
from whaledb.alerting import fire_transfers, settle_blocks
from whaledb.project import PROJECT
from whaledb.queries import alert_events, alerts, whale_transactions
from whaledb.rows import AlertEvent

pytestmark = pytest.mark.versions

MANY: Final = 1000
BLOCK_HASH: Final = hash_of(0xB10C0000)


@pytest.fixture(autouse=True)
async def accounts(db: Database) -> None:
    await make_accounts(db, ALICE, BOB)
    await stored(db, 1)


async def alert(db: Database, owner: UUID = ALICE) -> UUID:
    row = await alerts.insert(
        db,
        user_id=owner,
        alert_type="large_transfer",
        conditions={"min_value_eth": Decimal("0.5")},
        enabled=True,
    )
    return row.id


async def fire(tx: Transaction, *numbers: int) -> int:
    return await fire_transfers(
        tx,
        chain_id=CHAIN,
        block_hash=BLOCK_HASH,
        block_number=BLOCK,
        keys=[(hash_of(number), "") for number in numbers],
    )


async def fire_alone(db: Database, *numbers: int) -> int:
    async with db.transaction() as tx:
        return await fire(tx, *numbers)


async def events(db: Database) -> list[AlertEvent]:
    return await alert_events.list_by_block(
        db, chain_id=CHAIN, block_hash=BLOCK_HASH, max_rows=MANY
    )


async def test_a_second_run_writes_nothing(db: Database) -> None:
    mine, other = await alert(db), await alert(db, BOB)
    await stored(db, 2, succeeded=False)
    assert await fire_alone(db, 1, 2, 3) == 2
    before = await events(db)
    assert {(row.alert_id, row.user_id) for row in before} == {(mine, ALICE), (other, BOB)}
    assert await fire_alone(db, 1, 2, 3) == 0
    assert await fire_alone(db) == 0
    assert await events(db) == before


async def test_what_fired_is_undone_with_the_rows(db: Database) -> None:
    await alert(db)
    with pytest.raises(RuntimeError):
        async with db.transaction() as tx:
            assert await fire(tx, 1) == 1
            raise RuntimeError
    assert await events(db) == []
    assert await fire_alone(db, 1) == 1


async def test_more_matches_than_one_page(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {await alert(db) for _ in range(3)}
    await stored(db, 2)
    for page in (1, 2, 3, 6):
        monkeypatch.setattr(alerting, "MAX_MATCHES_PER_STATEMENT", page)
        with pytest.raises(RuntimeError):
            async with db.transaction() as tx:
                assert await fire(tx, 1, 2) == 6
                raise RuntimeError
    assert await fire_alone(db, 1, 2) == 6
    assert {row.alert_id for row in await events(db)} == ids


async def test_two_writers_of_a_row_fire_it_once(db: Database) -> None:
    await alert(db)
    async with db.transaction() as tx:
        assert await fire(tx, 1) == 1
        other = asyncio.create_task(fire_alone(db, 1))
        await waits_for_lock(db, other)
    assert await other == 0
    assert len(await events(db)) == 1


async def test_without_the_key_two_writers_fire_a_row_twice(db: Database) -> None:
    """The control of the test above: the same statement, with neither key nor ON CONFLICT."""
    mine = await alert(db)
    path = PROJECT.root / PROJECT.queries_dir / "alert_events.sql"
    sql = load_statements(path)["merge_transfers"].sql
    bare, removed = re.subn(r"ON CONFLICT .*?DO NOTHING", "", sql, flags=re.DOTALL)
    assert removed == 1
    found = (CHAIN, BLOCK, BLOCK_HASH, [mine], [hash_of(1)], [""])
    async with db.connection() as first, db.connection() as second:
        await first.execute("DROP INDEX public.idx_alert_events_transfer")
        async with first.transaction(), second.transaction():
            assert len(await first.fetch(bare, *found)) == 1
            assert len(await second.fetch(bare, *found)) == 1
    assert len(await alert_events.list_by_alert(db, alert_id=mine, max_rows=MANY)) == 2


@asynccontextmanager
async def open_deletion(db: Database, alert_id: UUID) -> AsyncGenerator[None, None]:
    """Within it the alert is deleted, and nobody sees that yet."""
    async with db.transaction() as tx:
        assert await alerts.delete(tx, id=alert_id) == 1
        yield


async def test_an_alert_that_is_deleted_meanwhile_costs_nothing_else(db: Database) -> None:
    kept, gone = await alert(db), await alert(db)

    async def work() -> int:
        async with db.transaction() as tx:
            await whale_transactions.update_receipt(
                tx,
                hash=hash_of(1),
                chain_id=CHAIN,
                block_hash=BLOCK_HASH,
                trace_path="",
                gas_used=7,
                succeeded=True,
            )
            return await fire(tx, 1)

    async with open_deletion(db, gone):
        other = asyncio.create_task(work())
        await waits_for_lock(db, other)
    assert await other == 1
    assert [row.alert_id for row in await events(db)] == [kept]
    row = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(1))
    assert row is not None
    assert row.gas_used == 7


async def test_without_the_second_look_a_deleted_alert_is_an_error(db: Database) -> None:
    """The control of the test above."""
    gone = await alert(db)

    async def write() -> Sequence[Any]:
        return await alert_events.merge_transfers(
            db,
            chain_id=CHAIN,
            block_number=BLOCK,
            block_hash=BLOCK_HASH,
            alert_ids=[gone],
            transaction_hashes=[hash_of(1)],
            trace_paths=[""],
        )

    async with open_deletion(db, gone):
        other = asyncio.create_task(write())
        await waits_for_lock(db, other)
    with pytest.raises(DataError) as refusal:
        await other
    assert refusal.value.constraint == "alert_events_alert_id_fkey"


async def test_alerts_deleted_again_and_again_are_a_reason_to_run_it_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alert(db)
    tries = 0

    async def deleted(*_: object, **__: object) -> Sequence[Any]:
        nonlocal tries
        tries += 1
        raise DataError("refused", constraint="alert_events_alert_id_fkey")

    monkeypatch.setattr(alert_events, "merge_transfers", deleted)
    with pytest.raises(TransientError):
        await fire_alone(db, 1)
    assert tries == alerting.MAX_FIRE_RETRIES + 1


async def test_another_refusal_is_not_tried_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alert(db)

    async def refused(*_: object, **__: object) -> Sequence[Any]:
        raise DataError("refused", constraint="alert_events_chain_id_positive")

    monkeypatch.setattr(alert_events, "merge_transfers", refused)
    with pytest.raises(DataError) as refusal:
        await fire_alone(db, 1)
    assert refusal.value.constraint == "alert_events_chain_id_positive"


async def test_an_alert_being_paused_does_not_hold_up_the_writer(db: Database) -> None:
    """Until the pause commits the alert is on; what is written afterwards does not fire it."""
    mine = await alert(db)
    await stored(db, 2)
    async with db.transaction() as tx:
        assert await alerts.update_enabled(tx, id=mine, enabled=False) == 1
        assert await fire_alone(db, 1) == 1
    assert await fire_alone(db, 2) == 0


async def test_blocks_are_settled_after_their_rows_were_marked(db: Database) -> None:
    await alert(db)
    assert await fire_alone(db, 1) == 1
    block: dict[str, Any] = {
        "chain_id": CHAIN,
        "block_numbers": [BLOCK],
        "block_hashes": [BLOCK_HASH],
    }

    async def settled(tx: Transaction) -> int:
        return await settle_blocks(tx, **block)

    for change, standing in (
        (whale_transactions.orphan_blocks, False),
        (whale_transactions.restore_blocks, True),
    ):
        async with db.transaction() as tx:
            assert await settled(tx) == 0
            assert await change(tx, **block) == 1
            assert await settled(tx) == 1
            assert await settled(tx) == 0
        [event] = await events(db)
        assert (event.retracted_at is None) == standing
    async with db.transaction() as tx:
        assert await settle_blocks(tx, chain_id=CHAIN, block_numbers=[], block_hashes=[]) == 0


async def orphan_rows(tx: Transaction) -> None:
    await whale_transactions.orphan_blocks(
        tx, chain_id=CHAIN, block_numbers=[BLOCK], block_hashes=[BLOCK_HASH]
    )


async def fail(tx: Transaction, number: int) -> None:
    await whale_transactions.update_receipt(
        tx,
        hash=hash_of(number),
        chain_id=CHAIN,
        block_hash=BLOCK_HASH,
        trace_path="",
        gas_used=21_000,
        succeeded=False,
    )


async def settle(tx: Transaction) -> int:
    return await settle_blocks(tx, chain_id=CHAIN, block_numbers=[BLOCK], block_hashes=[BLOCK_HASH])


async def test_deleting_an_alert_waits_for_a_writer_that_settles_last(db: Database) -> None:
    mine = await alert(db)
    assert await fire_alone(db, 1) == 1
    await stored(db, 2)
    async with db.transaction() as tx:
        await fail(tx, 1)
        assert await fire(tx, 2) == 1
        assert await settle(tx) == 1
        deleting = asyncio.create_task(alerts.delete(db, id=mine))
        await waits_for_lock(db, deleting)
    assert await deleting == 1


async def test_a_writer_that_settles_first_deadlocks_with_it(db: Database) -> None:
    """The control: what is settled is locked, and the alert that fires next is being deleted."""
    mine = await alert(db)
    assert await fire_alone(db, 1) == 1
    await stored(db, 2)

    async def write() -> None:
        async with db.transaction() as tx:
            await fail(tx, 1)
            assert await settle(tx) == 1
            deleting.append(asyncio.create_task(delete(mine)))
            await waits_for_lock(db, deleting[0])
            await fire(tx, 2)

    async def delete(id: UUID) -> int:
        # By itself it would be run again.
        async with db.transaction() as tx:
            return await alerts.delete(tx, id=id)

    deleting: list[asyncio.Task[int]] = []
    [failure] = await asyncio.gather(write(), return_exceptions=True)
    [refusal] = await asyncio.gather(*deleting, return_exceptions=True)
    assert isinstance(failure, TransientError) != isinstance(refusal, TransientError)


async def test_events_are_settled_in_the_order_in_which_deleting_their_alert_finds_them(
    db: Database,
) -> None:
    await alert(db)
    await stored(db, 2)
    # The later transaction fired first.
    assert [await fire_alone(db, 2), await fire_alone(db, 1)] == [1, 1]

    async def orphan_and_settle() -> int:
        async with db.transaction() as tx:
            await orphan_rows(tx)
            return await settle(tx)

    locking = "SELECT id FROM alert_events WHERE transaction_hash = $1 FOR UPDATE SKIP LOCKED"
    async with db.connection() as connection, connection.transaction():
        assert await connection.fetch(locking, hash_of(2))
        settling = asyncio.create_task(orphan_and_settle())
        await waits_for_lock(db, settling)
        assert await connection.fetch(locking, hash_of(1))
    assert await settling == 2
