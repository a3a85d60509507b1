"""What the server can still say of a transaction after it crashed."""

import asyncio
import os
import signal

import asyncpg

from tests.engine.embedded_servers import FAST, open_folder
from typedsql import embedded
from typedsql.outcome import look_up, mark
from typedsql.settings import ConnectionTarget

# Nobody else writes the log to disk before the crash.
QUIET = {"wal_writer_delay": "10s", "autovacuum": "off"}
RESTART_LIMIT_S = 60


async def test_a_crash_gives_the_number_of_a_lost_transaction_out_again() -> None:
    with (
        open_folder() as folder,
        embedded.start(folder / "server", settings=FAST | QUIET) as server,
    ):
        lost = await asyncpg.connect(**server.target().asyncpg_arguments())
        await lost.execute("CREATE TABLE public.notes (word TEXT)")
        await lost.execute("BEGIN; INSERT INTO public.notes VALUES ('lost')")
        marked = await mark(lost)
        assert marked is not None
        # When a backend dies so, the server ends all others and makes what they share anew.
        witness = await asyncpg.connect(**server.target().asyncpg_arguments())
        ended = asyncio.Event()
        witness.add_termination_listener(lambda _: ended.set())
        os.kill(lost.get_server_pid(), signal.SIGKILL)
        await asyncio.wait_for(ended.wait(), RESTART_LIMIT_S)

        after = await when_it_is_back(server.target())
        assert await look_up(after, marked) == "aborted"
        await after.execute("BEGIN; INSERT INTO public.notes VALUES ('another')")
        other = await mark(after)
        await after.execute("COMMIT")
        # The control: by its number alone, the lost transaction was stored.
        assert other is not None
        assert other.xid == marked.xid
        status = await after.fetchval("SELECT pg_xact_status($1::text::xid8)", marked.xid)
        assert status == "committed"
        assert await look_up(after, marked) == "unknown"
        assert await look_up(after, other) == "committed"
        await after.close()


async def when_it_is_back(target: ConnectionTarget) -> "asyncpg.Connection":
    async with asyncio.timeout(RESTART_LIMIT_S):
        while True:
            try:
                return await asyncpg.connect(**target.asyncpg_arguments())
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
