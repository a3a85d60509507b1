"""Which statements outside a transaction are run again, and which are not."""

import asyncio
import dataclasses
import socket
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.engine.losses.notes import Notes, attempts, stored
from tests.engine.proxy import Proxy, proxied
from tests.engine.query_folder import QueryFolder
from typedsql import timestamps
from typedsql.connect_failure import may_pass
from typedsql.database import Database
from typedsql.errors import ConnectionFailed, Error, OperatorError, OutcomeUnknown, TransientError
from typedsql.retry import MAX_STATEMENT_RETRIES
from typedsql.settings import ConnectionTarget

RUN_AGAIN = ("40001", "40P01", "55P03")
RUN_ONCE = ("22012", "23505", "42P01", "26000", "57014", "53100", "08006")


async def test_what_the_server_rolled_back_is_run_again_and_nothing_else_is(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    before = 0
    for state in (*RUN_AGAIN, *RUN_ONCE):
        with pytest.raises(Error) as caught:
            await notes.fail_as(db, state)
        assert caught.value.sqlstate == state
        after = await attempts(connection)
        expected = MAX_STATEMENT_RETRIES + 1 if state in RUN_AGAIN else 1
        assert (state, after - before) == (state, expected)
        before = after


async def test_in_a_transaction_no_statement_is_run_again(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    with pytest.raises(TransientError):
        async with db.transaction() as tx:
            await notes.fail_as(tx, "40001")
    assert await attempts(connection) == 1


async def test_a_procedure_that_has_committed_a_part_is_not_run_again(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    with pytest.raises(TransientError):
        await notes.call_and_fail(db, "part", "40001")
    assert await stored(connection) == ["part"]


UPDATE_BOTH = """\
-- name: update_both(first_id, second_id)$
SELECT public.update_both(:first_id, :second_id) AS done;
"""
CROSSING = """
CREATE TABLE public.balances (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL);
INSERT INTO public.balances VALUES (1, 0), (2, 0);
CREATE OR REPLACE FUNCTION public.update_both(BIGINT, BIGINT) RETURNS BIGINT LANGUAGE plpgsql
SET deadlock_timeout = '10ms' AS $$
    BEGIN
        UPDATE public.balances SET amount = amount + 1 WHERE id = $1;
        PERFORM pg_sleep(0.1);
        UPDATE public.balances SET amount = amount + 1 WHERE id = $2;
        RETURN 1;
    END
$$;
"""


async def test_the_victim_of_a_deadlock_is_run_again(
    tmp_path: Path, db: Database, target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(CROSSING)
    update_both = QueryFolder(tmp_path, UPDATE_BOTH).bound("update_both")
    assert await asyncio.gather(update_both(db, 1, 2), update_both(db, 2, 1)) == [1, 1]
    amounts = await connection.fetch("SELECT amount FROM public.balances")
    assert [row[0] for row in amounts] == [2, 2]

    # The control: the driver alone has a victim.
    other = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        crossing = [
            connection.fetchval("SELECT public.update_both(1, 2)"),
            other.fetchval("SELECT public.update_both(2, 1)"),
        ]
        ended = await asyncio.gather(*crossing, return_exceptions=True)
    finally:
        await other.close()
    assert sum(isinstance(item, asyncpg.DeadlockDetectedError) for item in ended) == 1


async def test_a_read_is_run_again_where_its_connection_broke(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    proxy, db = lossy
    proxy.cut_after(b"first")
    assert await notes.find(db, "first") == "first"
    assert proxy.met.is_set()
    proxy.cut_before(b"first")
    assert await notes.find(db, "first") == "first"
    assert proxy.met.is_set()


async def test_what_is_not_proven_to_read_is_not(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    """The control of the test before: the same text, without its proof."""
    proxy, db = lossy
    proxy.cut_after(b"first")
    with pytest.raises(OutcomeUnknown):
        await notes.find_unproven(db, "first")


async def test_a_read_is_run_again_once_and_not_more(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    proxy, db = lossy
    proxy.cut_after(b"first")
    task = asyncio.create_task(notes.find(db, "first"))
    await asyncio.wait_for(proxy.met.wait(), 10)
    proxy.cut_after(b"first")
    with pytest.raises(Error) as caught:
        await task
    assert type(caught.value).__name__ == "ConnectionLost"


async def test_a_write_whose_preparation_was_lost_was_never_sent(
    lossy: tuple[Proxy, Database], folder: QueryFolder, connection: asyncpg.Connection
) -> None:
    proxy, db = lossy
    # Bound anew it is another statement, which this database has not seen.
    insert = folder.bound("insert_note")
    proxy.cut_after(b"INSERT INTO")
    await insert(db, "second")
    assert proxy.met.is_set()
    assert await stored(connection) == ["first", "second"]


async def test_a_stream_is_begun_again_but_not_taken_up_in_its_middle(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    proxy, db = lossy
    proxy.cut_after(b"ORDER BY")
    assert [row async for row in notes.stream(db)] == [("first",)]
    assert proxy.met.is_set()


MIGRATION = "ALTER TABLE public.notes ALTER COLUMN word TYPE VARCHAR({width})"


async def test_an_online_migration_under_a_prepared_statement(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(MIGRATION.format(width=50))
    await notes.insert(db, "first")
    assert await asyncio.gather(*(notes.find(db, "first") for _ in range(4))) == ["first"] * 4
    await connection.execute(MIGRATION.format(width=60))
    assert await asyncio.gather(*(notes.find(db, "first") for _ in range(4))) == ["first"] * 4
    await connection.execute(MIGRATION.format(width=70))
    assert [row async for row in notes.stream(db)] == [("first",)]


ENUM = """
ALTER TABLE public.notes ALTER COLUMN word TYPE TEXT;
DROP TYPE IF EXISTS public.label;
CREATE TYPE public.label AS ENUM ({labels});
ALTER TABLE public.notes ALTER COLUMN word TYPE public.label USING word::public.label;
"""


async def test_an_enum_that_was_made_anew_under_a_prepared_statement(
    notes: Notes, db: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(ENUM.format(labels="'first'"))
    prepared = await connection.prepare("SELECT 1 FROM public.notes WHERE word = $1")
    await prepared.fetch("first")
    await notes.insert(db, "first")
    await connection.execute(ENUM.format(labels="'first', 'second'"))
    await notes.insert(db, "second")
    assert await notes.count(db) == 2
    with pytest.raises(asyncpg.InternalServerError, match="cache lookup failed"):  # the control
        await prepared.fetch("first")


async def test_the_server_itself_refuses_the_prepared_statement(
    notes: Notes, connection: asyncpg.Connection, target: ConnectionTarget
) -> None:
    """The control of the test before."""
    await connection.execute(MIGRATION.format(width=50))
    other = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        prepared = await other.prepare("SELECT word FROM public.notes")
        await prepared.fetch()
        await connection.execute(MIGRATION.format(width=60))
        with pytest.raises(asyncpg.InvalidCachedStatementError):
            await prepared.fetch()
    finally:
        await other.close()


READ_ONLY = "ALTER DATABASE {name} SET default_transaction_read_only = {value}"


async def test_a_server_that_is_not_to_be_written_to_is_left_for_the_one_that_is(
    notes: Notes, target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    name = target.database
    await connection.execute(READ_ONLY.format(name=name, value="on"))
    async with whaledb.connect(target, min_size=1, max_size=2) as db:
        assert await notes.count(db) == 0
        with pytest.raises(OperatorError, match="write through the primary") as caught:
            await notes.insert(db, "first")
        assert caught.value.sqlstate == "25006"
    async with whaledb.connect(target, min_size=1, max_size=2) as db:
        assert await notes.count(db) == 0
        # From here on new connections are to a server that takes writes.
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(READ_ONLY.format(name=name, value="off"))
        async with db.connection() as old:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):  # the control
                await old.execute("INSERT INTO public.notes (word) VALUES ('none')")
        await notes.insert(db, "first")
    assert await stored(connection) == ["first"]


async def test_connections_are_opened_again_while_the_server_is_away(
    lossy: tuple[Proxy, Database], notes: Notes
) -> None:
    proxy, db = lossy
    proxy.turn_away(3)
    proxy.cut()
    assert await notes.find(db, "first") == "first"
    assert proxy.connections == 5


async def test_a_full_server_is_waited_for(
    notes: Notes, target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    role = f"few_{target.database}"
    await connection.execute(
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1 IN ROLE whaledb_reader;"
        f"GRANT SELECT ON public.notes TO {role}"
    )
    few = dataclasses.replace(target, user=role)
    try:
        async with whaledb.connect(few, max_size=2, migrations="ignore") as db:
            async with db.connection() as held:
                with pytest.raises(asyncpg.TooManyConnectionsError):  # the control
                    await asyncpg.connect(**few.asyncpg_arguments())
                waiting = asyncio.create_task(notes.count(db))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                assert await held.fetchval("SELECT 1") == 1
            assert await waiting == 0
    finally:
        await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(("said", "passes"), [("EAI_AGAIN", True), ("EAI_NONAME", False)])
async def test_a_name_service_that_does_not_answer_is_waited_for(
    target: ConnectionTarget, notes: Notes, monkeypatch: pytest.MonkeyPatch, said: str, passes: bool
) -> None:
    resolve, failures = socket.getaddrinfo, 0

    def resolves_later(*arguments: Any, **options: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise socket.gaierror(getattr(socket, said), "no")
        return resolve(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolves_later)
    async with proxied(target) as (_, through):
        named = dataclasses.replace(through, host="localhost")
        async with whaledb.connect(named, max_size=1) as db:
            db.expire_connections()
            failures = 3
            if passes:
                assert await notes.count(db) == 0
                assert failures == 0
            else:
                with pytest.raises(ConnectionFailed, match="cannot be resolved"):
                    await notes.count(db)
                assert failures == 2


async def test_a_connection_that_ends_as_it_is_opened_is_opened_again(
    target: ConnectionTarget,
    notes: Notes,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install, ended = timestamps.install, 0

    async def end_once(opened: Any) -> None:
        nonlocal ended
        if not ended:
            ended += 1
            await connection.execute("SELECT pg_terminate_backend($1)", opened.get_server_pid())
            while not opened.is_closed():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
        await install(opened)

    async with whaledb.connect(target, max_size=1) as db:
        db.expire_connections()
        monkeypatch.setattr(timestamps, "install", end_once)
        assert await notes.count(db) == 0
    assert ended == 1


def test_a_driver_that_finds_itself_in_another_state_is_asked_again() -> None:
    assert may_pass(asyncpg.InternalClientError("cannot switch to state 15; another operation"))
    assert may_pass(asyncpg.InterfaceError("connection is closed"))
    assert not may_pass(asyncpg.InterfaceError("no password"))


async def test_the_first_connection_is_not_waited_for(target: ConnectionTarget) -> None:
    async with proxied(target) as (proxy, through):
        proxy.turn_away(1)
        with pytest.raises(ConnectionFailed):
            async with whaledb.connect(through):
                pass
        assert proxy.connections == 1


async def test_a_server_that_stays_away_is_told_of_as_ever(
    notes: Notes, target: ConnectionTarget
) -> None:
    async with (
        proxied(target) as (proxy, through),
        whaledb.connect(through, max_size=1, acquire_timeout_s=0.3) as db,
    ):
        proxy.turn_away(1000)
        proxy.cut()
        with pytest.raises(ConnectionFailed, match="check host and port"):
            await notes.find(db, "first")
        assert proxy.connections > 2
        proxy.turn_away(0)
        await notes.insert(db, "first")
