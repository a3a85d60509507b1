"""What the pool takes from the driver beyond its public API, each as it is relied on."""

import asyncio
import math
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from tests.engine.blocking import END_ALL, run_blocking
from tests.engine.proxy import proxied
from typedsql import codecs
from typedsql.connect_options import KEEPALIVE_IDLE_S
from typedsql.driver_connection import (
    KEEPALIVE_INTERVAL_S,
    KEEPALIVE_PROBES,
    Connection,
    open_connection,
)
from typedsql.settings import ConnectionTarget

SLOW = "SELECT pg_sleep(30)"
CHANGE = "ALTER TABLE public.things ALTER COLUMN size TYPE TEXT"
READ = "SELECT t.size FROM public.things AS t"


async def opened(target: ConnectionTarget) -> Connection:
    return await open_connection(
        target,
        codecs.install,
        connect_timeout_s=10,
        command_timeout_s=10,
        keepalive_idle_s=math.ceil(KEEPALIVE_IDLE_S),
        idle_in_transaction_timeout_s=60,
        application_name="test",
    )


@pytest.fixture
async def own(target: ConnectionTarget) -> AsyncGenerator[Connection, None]:
    made = await opened(target)
    try:
        yield made
    finally:
        made.terminate()


async def test_a_lent_connection_refuses_use_after_it_is_taken_back(own: Connection) -> None:
    lent = own.lend()
    prepared = await lent.prepare("SELECT 1")
    async with lent.transaction():
        cursor = await lent.cursor("SELECT 1")
    own.take_back(lent)
    uses: list[Callable[[], Awaitable[object]]] = [
        lambda: lent.fetch("SELECT 1"),
        lambda: prepared.fetch(),
        lambda: cursor.fetch(1),
    ]
    for use in uses:
        with pytest.raises(asyncpg.InterfaceError, match="released back to the pool"):
            await use()
    again = own.lend()
    assert isinstance(again, asyncpg.Connection)
    assert await again.fetchval("SELECT 2") == 2
    own.take_back(again)


async def cancel_within_a_transaction(own: Connection) -> None:
    # By hand: what the server has begun and the driver has not, only the server knows of.
    task = asyncio.create_task(own.execute(f"BEGIN; LOCK TABLE public.users; {SLOW}"))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not own.is_in_transaction()


async def test_cleaning_waits_for_what_is_cancelled_and_ends_what_is_open(
    own: Connection, connection: asyncpg.Connection
) -> None:
    await cancel_within_a_transaction(own)
    await own.clean(timeout_s=10)
    assert not own.is_in_transaction()
    assert await own.fetchval("SELECT 3") == 3
    async with connection.transaction():
        await connection.execute("LOCK TABLE public.users")


async def test_resetting_without_waiting_misses_the_transaction(own: Connection) -> None:
    """The control of the test before."""
    await cancel_within_a_transaction(own)
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await own.reset()


async def test_cleaning_undoes_a_session(own: Connection) -> None:
    user = await own.fetchval("SELECT current_user")
    lent = own.lend()
    await lent.execute("SET ROLE whaledb_reader; SET work_mem = '77MB'")
    await lent.execute("SELECT pg_advisory_lock(7); LISTEN word")
    await lent.execute("DECLARE c CURSOR WITH HOLD FOR SELECT 1")
    own.take_back(lent)
    left = """
        SELECT current_user, current_setting('work_mem'),
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
            (SELECT count(*) FROM pg_listening_channels()),
            (SELECT count(*) FROM pg_cursors WHERE name = 'c')
    """
    assert tuple(await own.fetchrow(left) or ()) == ("whaledb_reader", "77MB", 1, 1, 1)
    await own.clean(timeout_s=10)
    user_now, work_mem, *others = await own.fetchrow(left) or ()
    assert (user_now, others) == (user, [0, 0, 0])
    assert work_mem != "77MB"


async def test_cleaning_what_is_closed_or_too_slow_raises(own: Connection) -> None:
    with pytest.raises(TimeoutError):
        await own.clean(timeout_s=1e-9)
    own.terminate()
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await own.clean(timeout_s=10)


async def test_a_stale_plan_is_told_and_not_run_again(
    target: ConnectionTarget, connection: asyncpg.Connection, own: Connection
) -> None:
    await connection.execute("CREATE TABLE public.things (size INTEGER)")
    await connection.execute("INSERT INTO public.things VALUES (7)")
    other = await opened(target)
    own.pooled_with = other.pooled_with = [own, other]
    try:
        readers: list[Any] = [own, other]
        for reader in readers:
            assert await reader.fetchval(READ) == 7
        await connection.execute(CHANGE)
        with pytest.raises(asyncpg.InvalidCachedStatementError):
            await own.fetchval(READ)
        # All of the pool have forgotten it with the one that met it.
        assert await other.fetchval(READ) == "7"
        assert await own.fetchval(READ) == "7"
    finally:
        other.terminate()


async def test_the_driver_alone_runs_it_again(
    target: ConnectionTarget, connection: asyncpg.Connection, own: Connection
) -> None:
    """The control of the test before; who uses a raw connection gets what the driver does."""
    await connection.execute("CREATE TABLE public.things (size INTEGER)")
    await connection.execute("INSERT INTO public.things VALUES (7)")
    plain = await asyncpg.connect(**target.asyncpg_arguments())
    lent = own.lend()
    try:
        for reader in (plain, lent):
            assert await reader.fetchval(READ) == 7
        await connection.execute(CHANGE)
        for reader in (plain, lent):
            assert await reader.fetchval(READ) == "7"
    finally:
        own.take_back(lent)
        await plain.close()


async def test_the_end_of_a_connection_is_heard_before_the_event_loop_reads_it(
    target: ConnectionTarget, own: Connection
) -> None:
    assert not own.heard_something()
    assert run_blocking(target, END_ALL) == 1
    assert own.heard_something()
    # The control: the driver knows nothing of it yet.
    assert not own.is_closed()


async def test_the_system_probes_a_silent_peer(target: ConnectionTarget) -> None:
    async with proxied(target) as (_, through):
        made: Any = await opened(through)
        try:
            found = made._transport.get_extra_info("socket")
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for name, value in (
                ("TCP_KEEPIDLE", 30),
                ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
                ("TCP_KEEPCNT", KEEPALIVE_PROBES),
            ):
                option = getattr(socket, name, None)
                if option is not None:
                    assert found.getsockopt(socket.IPPROTO_TCP, option) == value
            plain: Any = await asyncpg.connect(**through.asyncpg_arguments())
            try:
                bare = plain._transport.get_extra_info("socket")
                # The control: the driver alone leaves it off.
                assert bare.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
            finally:
                await plain.close()
        finally:
            made.terminate()
