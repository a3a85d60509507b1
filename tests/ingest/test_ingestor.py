"""The worker kit: when groups commit, what bounds them, and what ends an ingestor."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.ingest.chain import JSON, block, block_hash, lines, receipt, reply, transaction
from tests.ingest.inspection import chain, contents, execute, fetch, letters, value
from typedsql.database import Database
from typedsql.errors import CodeError, ConfigurationError, ConnectionLost, OperatorError
from whaledb.ingest import DrainIncomplete, Ingestor, IngestorLimits, Outcome, attempts
from whaledb.queries import ingest_cursors

WAIT_LIMIT_S = 60.0
POLL_INTERVAL_S = 0.01
STREAM = "test"
NEVER_S = 600.0
GATE = 77_002


def made(number: int, **changes: Any) -> JSON:
    return block(number, [transaction(f"t{number}", ether=500)], **changes)


def payload(number: int, **changes: Any) -> bytes:
    return json.dumps(reply(made(number, **changes))).encode()


def opened(db: Database, **options: Any) -> Ingestor:
    """An ingestor whose groups are due when they are full, unless `options` say more."""
    limits = {"max_age_s": NEVER_S, **options.pop("limits", {})}
    return Ingestor(db, stream=STREAM, limits=IngestorLimits(**limits), **options)


async def until(reached: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_LIMIT_S):
        while not reached():  # noqa: ASYNC110 - what is waited for has no Event
            await asyncio.sleep(POLL_INTERVAL_S)


async def heights(db: Database) -> list[int]:
    return [row[0] for row in await fetch(db, "SELECT number FROM blocks ORDER BY 1")]


async def cursor(db: Database) -> int | None:
    found = await ingest_cursors.get(db, stream=STREAM, chain_id=1)
    return found and found.number


async def commits(db: Database) -> int:
    """In how many transactions the blocks were written."""
    return await value(db, "SELECT count(DISTINCT xmin::text) FROM blocks")


async def test_leaving_the_block_stores_everything_in_groups(db: Database) -> None:
    async with opened(db, limits={"max_flush_blocks": 4}) as ingestor:
        for number in range(1, 11):
            await ingestor.put(payload(number))
    assert await heights(db) == list(range(1, 11))
    assert await commits(db) == 3
    assert await cursor(db) == 10
    told = ingestor.statistics()
    assert (told.blocks, told.transactions_written, told.commits) == (10, 10, 3)
    assert (told.blocks_queued, told.bytes_queued, told.oldest_age_s) == (0, 0, 0.0)


async def test_a_group_is_due_by_its_rows(db: Database) -> None:
    many = [transaction(f"m{i}", ether=500) for i in range(5)]
    async with opened(db, limits={"max_flush_rows": 8}) as ingestor:
        for number in (1, 2, 3):
            await ingestor.put(json.dumps(block(number, many)))
    # Five rows each: two blocks would have been ten, and a block is never split.
    assert await commits(db) == 3


async def test_a_group_is_due_by_its_age(db: Database) -> None:
    async with opened(db, limits={"max_age_s": 0.05}) as ingestor:
        committed = await ingestor.put(payload(1))
        await asyncio.wait_for(committed, WAIT_LIMIT_S)
        assert await heights(db) == [1]


async def test_a_future_and_flush_tell_of_the_commit(db: Database) -> None:
    async with opened(db) as ingestor:
        committed = [await ingestor.put(payload(number)) for number in (1, 2)]
        assert await heights(db) == []
        assert not any(one.done() for one in committed)
        assert ingestor.statistics().blocks_queued == 2
        await ingestor.flush()
        assert all(one.done() for one in committed)
        assert await heights(db) == [1, 2]
        await ingestor.flush()


@pytest.mark.parametrize("bound", [{"max_queue_blocks": 3}, {"max_queue_bytes": 2_000}])
async def test_put_waits_while_the_queue_is_full(db: Database, bound: dict[str, int]) -> None:
    highest: list[tuple[int, int]] = []
    async with opened(db, limits={"max_flush_blocks": 2, **bound}) as ingestor:
        for number in range(1, 21):
            await ingestor.put(payload(number))
            told = ingestor.statistics()
            highest.append((told.blocks_queued, told.bytes_queued))
    blocks, size_bytes = (max(column) for column in zip(*highest, strict=True))
    assert blocks <= bound.get("max_queue_blocks", 20)
    assert size_bytes <= bound.get("max_queue_bytes", 1_000_000)
    assert await heights(db) == list(range(1, 21))


async def test_a_payload_larger_than_the_queue_is_let_in_alone(db: Database) -> None:
    async with opened(db, limits={"max_queue_bytes": 10}) as ingestor:
        await ingestor.put(payload(1))
        await ingestor.put(payload(2))
    assert await heights(db) == [1, 2]


async def test_payloads_of_every_form(db: Database) -> None:
    batch = json.dumps([reply(made(2)), reply(made(3))])
    async with opened(db) as ingestor:
        await ingestor.put(payload(1), receipts=json.dumps(reply([receipt("t1", 1, status="0x0")])))
        await ingestor.put(batch)
        await ingestor.put(b"[]")
        await ingestor.put(lines(made(4)))
    assert await heights(db) == [1, 2, 3, 4]
    assert await value(db, "SELECT succeeded FROM whale_transactions WHERE block_number = 1") is (
        False
    )


async def test_what_cannot_be_used_is_a_dead_letter_and_the_rest_lands(db: Database) -> None:
    outcomes: list[Outcome] = []
    bad_transaction = transaction("bad", ether=500, from_="0x12")
    async with opened(db, on_committed=outcomes.append) as ingestor:
        await ingestor.put(payload(1))
        await ingestor.put(b"garbage")
        await ingestor.put(json.dumps(made(2, timestamp="soon")))
        await ingestor.put(json.dumps(block(3, [bad_transaction, transaction("t3", ether=500)])))
        await ingestor.put(payload(4), receipts=b"garbage")
    assert await heights(db) == [1, 3, 4]
    assert await commits(db) == 1
    found = await letters(db)
    assert [item for item, _ in found] == [
        "block 2",
        "block 3, transaction 1",
        "block 4, receipts",
        "payload",
    ]
    assert [outcome.stored is not None for outcome in outcomes] == [True, False, False, True, True]
    assert ingestor.statistics().dead_letters == 4


async def refuse(db: Database, table: str, condition: str) -> None:
    """Has the database refuse rows: by a constraint of the test's own."""
    await execute(db, f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK (NOT ({condition}))")


async def test_a_row_that_is_refused_is_alone_in_dead_letters(db: Database) -> None:
    await refuse(db, "whale_transactions", "value_eth = 666")
    bad = block(5, [transaction("bad", ether=666), transaction("good", ether=500)])
    async with opened(db) as ingestor:
        for one in [*[made(n) for n in range(1, 5)], bad, *[made(n) for n in range(6, 10)]]:
            await ingestor.put(json.dumps(one))
    assert await heights(db) == list(range(1, 10))
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 9
    assert [item for item, _ in await letters(db)] == ["block 5, transaction 1"]
    assert await fetch(db, "SELECT number FROM blocks WHERE NOT complete") == [(5,)]
    assert await cursor(db) == 9


async def test_a_block_that_is_refused_does_not_take_its_group_along(db: Database) -> None:
    await refuse(db, "blocks", "number IN (3, 8)")
    async with opened(db) as ingestor:
        for number in range(1, 11):
            await ingestor.put(payload(number))
    assert await heights(db) == [1, 2, 4, 5, 6, 7, 9, 10]
    assert [item for item, _ in await letters(db)] == ["block 3", "block 8"]
    told = ingestor.statistics()
    assert (told.blocks, told.dead_letters) == (8, 2)
    assert told.splits > 0


async def test_putting_everything_again_changes_nothing(db: Database) -> None:
    async def run() -> Ingestor:
        async with opened(db) as ingestor:
            for number in (1, 2, 3):
                await ingestor.put(payload(number))
            await ingestor.put(b"garbage")
        return ingestor

    await run()
    before = await contents(db)
    told = (await run()).statistics()
    assert (told.transactions_written, told.already_present) == (0, 3)
    assert await contents(db) == before
    assert await value(db, "SELECT attempts FROM dead_letters") == 2


FORKS = [
    *[made(n) for n in (1, 2, 3)],
    made(3, fork="b"),
    made(4, parent_fork="b"),
    made(3, fork="c"),
    made(2),
    made(7),
    made(5),
]


@pytest.mark.parametrize("start", range(len(FORKS)))
async def test_a_group_leaves_what_one_block_at_a_time_leaves(db: Database, start: int) -> None:
    """Whatever order forks, gaps and repetitions come in."""
    order = [*FORKS[start:], *FORKS[:start]]
    if start % 2:
        order.reverse()

    async def run(stream: str, size: int, chain_id: int) -> tuple[object, ...]:
        limits = IngestorLimits(max_flush_blocks=size, max_age_s=NEVER_S)
        async with Ingestor(db, stream=stream, chain_id=chain_id, limits=limits) as ingestor:
            for one in order:
                await ingestor.put(json.dumps(one))
        at = await ingest_cursors.get(db, stream=stream, chain_id=chain_id)
        blocks = "SELECT number, hash, canonical FROM blocks WHERE chain_id = $1 ORDER BY 1, 2"
        rows = (
            "SELECT block_hash, hash, orphaned_at IS NULL FROM whale_transactions"
            " WHERE chain_id = $1 ORDER BY 1, 2"
        )
        return (
            at and (at.number, at.hash),
            await fetch(db, blocks, chain_id),
            await fetch(db, rows, chain_id),
        )

    assert await run("together", len(order), 1) == await run("alone", 1, 2)


async def test_known_and_new_blocks_are_written_together(db: Database) -> None:
    """What receipts tell of stored blocks, beside blocks that are new, as one by one."""
    told = [receipt(f"t{n}", n, status="0x0") for n in (2, 4)]

    async def run(size: int, chain_id: int) -> tuple[int, int, list[tuple[object, ...]]]:
        limits = IngestorLimits(max_flush_blocks=size, max_age_s=NEVER_S)
        async with Ingestor(db, stream=STREAM, chain_id=chain_id, limits=limits) as first:
            for number in (2, 3):
                await first.put(payload(number))
        async with Ingestor(db, stream=STREAM, chain_id=chain_id, limits=limits) as second:
            for number in (5, 2, 4, 3):
                await second.put(payload(number), receipts=json.dumps(told))
        sql = (
            "SELECT hash, succeeded, gas_used, whale_score, updated_at > created_at"
            " FROM whale_transactions WHERE chain_id = $1 ORDER BY block_number"
        )
        done = second.statistics()
        rows = await fetch(db, sql, chain_id)
        return done.transactions_written, done.already_present, rows

    together, alone = await run(10, 1), await run(1, 2)
    assert together == alone
    assert together[:2] == (3, 1)
    assert [row[1] for row in together[2]] == [False, None, False, None]


@pytest.fixture
def transactions_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left to the ingestor itself is what lasts longer than a transaction is tried."""
    monkeypatch.setattr(attempts, "MAX_STORE_ATTEMPTS", 1)


@pytest.mark.usefixtures("transactions_tried_once")
async def test_a_lost_connection_is_waited_out(db: Database) -> None:
    await execute(
        db,
        "CREATE SEQUENCE tries; CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF nextval('tries') <= 2 THEN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN new; END $$;"
        " CREATE TRIGGER lose BEFORE INSERT ON ingest_cursors"
        " FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    notices: list[str] = []
    async with opened(db, on_notice=notices.append) as ingestor:
        for number in (1, 2, 3):
            await ingestor.put(payload(number))
    assert await heights(db) == [1, 2, 3]
    told = ingestor.statistics()
    assert (told.retries, told.transactions_written, told.already_present) == (2, 3, 0)
    assert [notice[:5] for notice in notices] == ["waiti", "going"]


@pytest.mark.usefixtures("transactions_tried_once")
async def test_without_retries_a_lost_connection_ends_it(db: Database) -> None:
    """The control: the same loss, and no time to wait it out."""
    await break_cursors(db)
    with pytest.raises(ConnectionLost):
        async with opened(db, limits={"retry_limit_s": 0}) as ingestor:
            await ingestor.put(payload(1))
    assert await heights(db) == []


async def break_cursors(db: Database) -> None:
    await execute(
        db,
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$;"
        " CREATE TRIGGER lose BEFORE INSERT ON ingest_cursors FOR EACH ROW EXECUTE FUNCTION lose()",
    )


@pytest.mark.usefixtures("transactions_tried_once")
async def test_a_failure_ends_a_silent_worker_and_every_call(db: Database) -> None:
    await break_cursors(db)
    ingestor = opened(db, limits={"retry_limit_s": 0, "max_flush_blocks": 1})
    caught: list[BaseException] = []
    with pytest.raises(ConnectionLost):
        async with ingestor:
            committed = await ingestor.put(payload(1))
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                for call in (ingestor.put(payload(2)), ingestor.flush()):
                    with pytest.raises(ConnectionLost) as failed:
                        await call
                    caught.append(failed.value)
                raise
    assert len(caught) == 2
    assert committed.exception() is caught[0]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_wrong_schema_is_not_waited_out(db: Database) -> None:
    await execute(db, "ALTER TABLE blocks RENAME TO other")
    with pytest.raises(Exception, match="blocks") as failed:
        async with opened(db) as ingestor:
            await ingestor.put(payload(1))
    assert isinstance(failed.value, CodeError | OperatorError)


async def test_stop_ends_the_block_where_it_waits(db: Database) -> None:
    ended = asyncio.Event()
    async with opened(db) as ingestor:
        asyncio.get_running_loop().call_later(0.05, ingestor.stop)
        await ingestor.put(payload(1))
        try:
            await asyncio.wait_for(asyncio.Event().wait(), WAIT_LIMIT_S)
        finally:
            ended.set()
    assert ingestor.stopping
    assert ended.is_set()
    assert await heights(db) == [1]
    # Nothing of the cancellation is left for what comes next.
    await asyncio.sleep(0)


async def test_stop_from_within_the_block(db: Database) -> None:
    async with opened(db) as ingestor:
        await ingestor.put(payload(1))
        ingestor.stop()
    assert await heights(db) == [1]
    await asyncio.sleep(0)


async def test_an_error_of_the_worker_stores_what_was_put_and_goes_on(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with opened(db) as ingestor:
            await ingestor.put(payload(1))
            raise ZeroDivisionError
    assert await heights(db) == [1]


async def test_a_cancelled_worker_drops_what_is_queued(db: Database) -> None:
    queued = asyncio.Event()

    async def work() -> None:
        async with opened(db) as ingestor:
            committed.append(await ingestor.put(payload(1)))
            queued.set()
            await asyncio.Event().wait()

    committed: list[asyncio.Future[None]] = []
    task = asyncio.create_task(work())
    await queued.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(committed[0].exception(), CodeError)
    assert await heights(db) == []


async def test_the_time_to_stop_in_has_an_end(db: Database) -> None:
    await execute(
        db,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN new; END $$;"
        " CREATE TRIGGER wait BEFORE INSERT ON ingest_cursors FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    async with db.connection() as holder:
        await holder.execute(f"SELECT pg_advisory_lock({GATE})")
        with pytest.raises(DrainIncomplete, match="2 blocks"):
            async with opened(db, limits={"drain_limit_s": 0.1}) as ingestor:
                await ingestor.put(payload(1))
                await ingestor.put(payload(2))
                ingestor.stop()
        await holder.execute(f"SELECT pg_advisory_unlock({GATE})")
    assert await heights(db) == []


async def test_two_ingestors_of_one_process_share_a_chain(db: Database) -> None:
    limits = IngestorLimits(max_flush_blocks=5)

    async def run(stream: str, first: int) -> None:
        async with Ingestor(db, stream=stream, limits=limits) as ingestor:
            for number in range(first, first + 20):
                await ingestor.put(payload(number))

    await asyncio.gather(run("a", 1), run("b", 11), run("c", 1))
    assert [row[0] for row in await chain(db)] == list(range(1, 31))
    assert await value(db, "SELECT count(*) FROM whale_transactions") == 30


@pytest.mark.parametrize(
    "options",
    [
        {"stream": ""},
        {"stream": b"my-node"},
        {"chain_id": 0},
        {"chain_id": "1"},
        {"min_value_eth": Decimal("NaN")},
        {"min_value_eth": 100},
        {"limits": {"max_flush_rows": 1}},
        {"limits": IngestorLimits(max_queue_bytes=cast("Any", 1e6))},
        {"limits": IngestorLimits(drain_limit_s=cast("Any", "25"))},
        {"limits": IngestorLimits(max_flush_blocks=0)},
        {"limits": IngestorLimits(max_flush_blocks=10_000)},
        {"limits": IngestorLimits(max_age_s=float("nan"))},
        {"limits": IngestorLimits(retry_limit_s=-1)},
    ],
)
async def test_what_cannot_be_used_is_refused(db: Database, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Ingestor(db, **{"stream": STREAM, **options})


@pytest.mark.parametrize("given", [{"number": "0x1"}, [b"{}"], None, 5])
async def test_what_is_no_json_text_is_the_callers_mistake(db: Database, given: Any) -> None:
    async with opened(db) as ingestor:
        for call in (ingestor.put(given), ingestor.put(payload(1), receipts=given or {})):
            with pytest.raises(CodeError, match=rf"got {type(given).__name__}|got dict"):
                await call
    assert await letters(db) == []


async def test_it_takes_blocks_within_its_block_only(db: Database) -> None:
    ingestor = opened(db)
    with pytest.raises(CodeError):
        await ingestor.put(payload(1))
    async with ingestor:
        pass
    with pytest.raises(CodeError):
        await ingestor.flush()
    with pytest.raises(CodeError):
        async with ingestor:
            pass
    assert block_hash(1) not in [row[1] for row in await chain(db)]
