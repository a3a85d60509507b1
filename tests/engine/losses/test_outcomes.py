"""What is said of a write whose connection was lost: whether it can have been stored."""

import asyncio
from pathlib import Path

import asyncpg
import msgspec
import pytest

import whaledb
from tests.engine.losses.notes import SLOW_COMMIT, Notes, stored
from tests.engine.proxy import Proxy
from tests.engine.query_folder import QueryFolder
from typedsql.database import Database
from typedsql.errors import ConnectionLost, OutcomeUnknown, TimeoutExpired, WriteTimedOut
from typedsql.outcome import look_up, mark
from typedsql.settings import ConnectionTarget

LOST = "the connection to the server broke before it told whether this was stored"


async def test_a_write_that_was_stored_unheard_of(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    proxy.cut_after(b"second")
    with pytest.raises(OutcomeUnknown, match=LOST) as caught:
        await notes.insert(db, "second")
    assert caught.value.query == "things.insert_note"
    assert "second" not in str(caught.value)
    assert await stored(connection) == ["first", "second"]


async def test_a_write_that_never_arrived_looks_the_same(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    proxy.cut_before(b"second")
    with pytest.raises(OutcomeUnknown, match=LOST):
        await notes.insert(db, "second")
    assert await stored(connection) == ["first"]


@pytest.mark.parametrize("words", [b"COMMIT", b"second"])
async def test_in_a_transaction_only_its_commit_is_in_doubt(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection, words: bytes
) -> None:
    proxy, db = lossy
    proxy.cut_after(words)
    with pytest.raises(ConnectionLost) as caught:
        async with db.transaction() as tx:
            await notes.insert(tx, "second")
    assert isinstance(caught.value, OutcomeUnknown) == (words == b"COMMIT")
    assert await stored(connection) == ["first", "second"][: 2 if words == b"COMMIT" else 1]


async def test_the_end_of_a_savepoint_is_not_in_doubt(
    lossy: tuple[Proxy, Database], notes: Notes, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    proxy.cut_after(b"RELEASE")
    with pytest.raises(ConnectionLost) as caught:
        async with db.transaction() as tx, tx.transaction() as savepoint:
            await notes.insert(savepoint, "second")
    assert not isinstance(caught.value, OutcomeUnknown)
    assert await stored(connection) == ["first"]


async def test_the_commit_of_a_read_only_transaction_is_not_in_doubt(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    proxy, db = lossy
    proxy.cut_after(b"COMMIT")
    with pytest.raises(ConnectionLost) as caught:
        async with db.transaction(readonly=True) as tx:
            await notes.find(tx, "first")
    assert not isinstance(caught.value, OutcomeUnknown)


async def test_a_backend_that_is_ended_while_it_commits(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(SLOW_COMMIT.format(seconds=30))
    with pytest.raises(OutcomeUnknown, match=rf"COMMIT: {LOST}"):
        async with db.transaction() as tx:
            await notes.insert(tx, "first")
            ending = asyncio.create_task(end_the_sleeper(connection))
    await ending
    assert await stored(connection) == []


async def end_the_sleeper(connection: asyncpg.Connection) -> None:
    ended = None
    while not ended:
        await asyncio.sleep(0.01)
        ended = await connection.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )


async def test_a_commit_that_takes_too_long(
    notes: Notes, target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(SLOW_COMMIT.format(seconds=30))
    async with whaledb.connect(target, command_timeout_s=1.0) as db:
        with pytest.raises(WriteTimedOut, match="perhaps after it was stored") as caught:
            async with db.transaction() as tx:
                await notes.insert(tx, "first")
        assert isinstance(caught.value, TimeoutExpired)


async def test_a_row_of_a_changed_type_comes_after_the_write(
    tmp_path: Path, db: Database, connection: asyncpg.Connection
) -> None:
    """The driver forgets its types and raises; running it again would store it twice."""
    await connection.execute(
        "CREATE TYPE public.pair AS (a INT, b INT);"
        "CREATE TABLE public.pairs (id BIGINT GENERATED ALWAYS AS IDENTITY, both_of public.pair)"
    )
    folder = QueryFolder(
        tmp_path,
        "-- name: insert_pair(a)<!\n"
        "INSERT INTO public.pairs (both_of) VALUES (ROW(:a, 0)) RETURNING both_of;\n",
    )
    insert = folder.bound("insert_pair")
    await insert(db, 1)
    await connection.execute("ALTER TYPE public.pair ADD ATTRIBUTE c INT")
    with pytest.raises(OutcomeUnknown, match="so this is probably stored"):
        await insert(db, 2)
    assert await connection.fetchval("SELECT count(*) FROM public.pairs") == 2


@pytest.mark.parametrize("ending", ["committed", "aborted", "in progress"])
async def test_the_server_knows_what_became_of_a_transaction(
    notes: Notes, target: ConnectionTarget, connection: asyncpg.Connection, ending: str
) -> None:
    other = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        transaction = other.transaction()
        await transaction.start()
        assert await mark(other) is None
        await other.execute("INSERT INTO public.notes (word) VALUES ('a')")
        marked = await mark(other)
        assert marked is not None
        if ending == "committed":
            await transaction.commit()
        elif ending == "aborted":
            await transaction.rollback()
        assert await look_up(connection, marked) == ending

        replace = msgspec.structs.replace
        promoted = replace(marked, timeline="0000002A")
        assert await look_up(connection, promoted) == "unknown"
        copied = replace(marked, system_identifier=marked.system_identifier + 1)
        assert await look_up(connection, copied) == "unknown"
        # After a crash the number may be another's, but not that of one that was stored.
        crashed = replace(marked, stats_reset=None)
        after_crash = "aborted" if ending == "aborted" else "unknown"
        assert await look_up(connection, crashed) == after_crash
        unborn = replace(marked, xid=str(int(marked.xid) + 1_000_000))
        assert await look_up(connection, unborn) == "aborted"
    finally:
        await other.close()
