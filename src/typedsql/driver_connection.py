"""The driver's connection as the pool needs it, and the one place of what is not its public API.

asyncpg has no public way to tell whether a cancelled command still runs, to reach the socket,
to lend a connection so that later use of it is an error, and to keep it from running a
statement again by itself. tests/engine/test_driver_connection.py fails where that changes.
"""

import asyncio
import select
import socket
import sys
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from typedsql.durations import milliseconds
from typedsql.errors import CodeError
from typedsql.secrecy import forget_frames
from typedsql.settings import ConnectionTarget
from typedsql.statements import copies_from_client

if TYPE_CHECKING:
    Driver = asyncpg.Connection[asyncpg.Record]
else:
    Driver = asyncpg.Connection

KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES = 3
"""Unanswered probes after which the system gives a connection up."""

# What waits for COMMIT to be checked is checked before, in the name that it was done in.
_LEAVE_NOTHING = """/* typedsql.leave_nothing */
SET CONSTRAINTS ALL IMMEDIATE;
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
DISCARD TEMP;
SELECT pg_catalog.pg_advisory_unlock_all()
"""

Install = Callable[["Connection"], Awaitable[None]]
"""Sets the codecs of a new connection."""


class Connection(Driver):
    """A connection that a pool owns."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pooled_with: Collection[Connection] = ()
        """All connections of the pool, this one among them."""
        self.altered = False
        """Whether a user has set what no reset of the session undoes: codecs, query loggers."""
        self._poll: Callable[[int], list[tuple[int, int]]] | None = None

    application_name: str = ""
    """Under which it was opened."""

    idle_in_transaction_timeout_s: float | None = None
    """What the session is told of it once it is open, and after each reset; None where it was
    told at connecting."""

    def get_reset_query(self) -> str:
        # RESET ALL, which the driver's query ends with, leaves the role as it was set, and
        # nothing of it drops temporary tables: the next CREATE of the same name would fail.
        return f"RESET SESSION AUTHORIZATION;\nDISCARD TEMP;\n{super().get_reset_query()}"

    async def set_type_codec(self, *arguments: Any, **options: Any) -> None:
        self.altered = True
        await super().set_type_codec(*arguments, **options)

    async def reset_type_codec(self, *arguments: Any, **options: Any) -> None:
        self.altered = True
        await super().reset_type_codec(*arguments, **options)

    async def set_builtin_type_codec(self, *arguments: Any, **options: Any) -> None:
        self.altered = True
        await super().set_builtin_type_codec(*arguments, **options)

    def add_query_logger(self, callback: Any) -> None:
        self.altered = True
        super().add_query_logger(callback)

    def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        """As the driver's; refuses the COPY that it would wait for without end.

        It sends no rows for one, and the server waits for them.
        """
        if not arguments and copies_from_client(query):
            raise CodeError(
                "COPY ... FROM STDIN is not run by execute(), which sends no rows: call "
                "copy_records_to_table or copy_to_table"
            )
        return super().execute(query, *arguments, timeout=timeout)

    async def clean(self, *, timeout_s: float) -> None:
        """Undo whatever its last user has left: a running statement, a transaction, settings.

        Raises whatever the driver does where that is not done within `timeout_s`; the
        connection cannot be used any more then.
        """
        driver: Any = self
        if self.is_closed():
            raise asyncpg.InterfaceError("connection is closed")
        async with asyncio.timeout(timeout_s):
            # Before that it is not known whether it is in a transaction.
            await driver._protocol._wait_for_cancellation()
            await self.reset()
            await self.limit_idle_transactions()

    async def leave_nothing(self) -> None:
        """Undo, before a COMMIT, what was done to the session, where nobody could do it later.

        A session of the pool's own is reset when it comes back.
        """

    async def limit_idle_transactions(self) -> None:
        """Tell the session what it was not told at connecting, as poolers refuse it there."""
        if self.idle_in_transaction_timeout_s is not None:
            await set_idle_limit(self, self.idle_in_transaction_timeout_s, local=False)

    def heard_something(self) -> bool:
        """Whether something has arrived that nobody asked for: on an idle connection, its end.

        Asks the system, not the server, and so before the event loop has read it.
        """
        return bool(self._poll and self._poll(0))

    def watch_socket(self, keepalive_idle_s: int) -> None:
        """Have the system probe an idle peer; be able to tell when it has sent something."""
        driver: Any = self
        found: socket.socket = driver._transport.get_extra_info("socket")
        if hasattr(select, "poll"):  # not on Windows
            poll = select.poll()
            poll.register(found.fileno(), select.POLLIN)
            self._poll = poll.poll
        if found.family not in (socket.AF_INET, socket.AF_INET6):
            return
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", keepalive_idle_s),
            ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
            ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ):
            # Not every system lets a program choose them.
            if hasattr(socket, name):
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def lend(self) -> Any:
        """The connection for a user who may keep it: after `take_back` it refuses all use."""
        return PoolConnectionProxy(self, self)  # type: ignore[arg-type]

    def take_back(self, lent: Any) -> None:
        """End the use of what `lend` gave, and of the cursors and statements made on it."""
        driver: Any = self
        lent._detach()
        driver._on_release()

    def forget_schema(self) -> None:
        """Have the pool's connections prepare their statements and read their types anew."""
        driver: Any
        for driver in {self, *self.pooled_with}:
            driver._drop_local_statement_cache()
            driver._drop_local_type_cache()

    def _drop_global_statement_cache(self) -> None:
        # The driver calls it where a prepared statement no longer fits, and would then prepare
        # and run it again, whatever it returns now. A named statement's columns are to be
        # compared first, which its session does; who uses a lent connection, asked for the driver.
        driver: Any
        for driver in {self, *self.pooled_with}:
            driver._drop_local_statement_cache()
        failure = sys.exc_info()[1]
        own: Any = self
        if own._proxy is None and isinstance(failure, asyncpg.InvalidCachedStatementError):
            raise failure

    def _drop_global_type_cache(self) -> None:
        driver: Any
        for driver in {self, *self.pooled_with}:
            driver._drop_local_type_cache()


class ConnectionForTransactions(Connection):
    """A connection to a pooler that lends a server's session for one transaction at a time.

    What one statement leaves in a session the next one does not find, and another client
    does: so nothing is left there, and nothing undone.
    """

    def get_reset_query(self) -> str:
        # Something has to be said: where the driver refused an argument after it had named the
        # statement, the server waits inside it, with its tables locked, until it hears more.
        return "/* typedsql.end_of_use */ SELECT 1"

    async def leave_nothing(self) -> None:
        await self.execute(_LEAVE_NOTHING)
        # The pooler takes over what the server says of it, for the rest of this connection.
        await self.fetchval(
            "/* typedsql.application_name */ SELECT set_config('application_name', $1, FALSE)",
            self.application_name,
        )

    async def _get_statement(self, *arguments: Any, **options: Any) -> Any:
        # Without a name the driver sends the statement again together with its arguments.
        if options.get("named"):
            options["named"] = ""
        driver: Any = super()
        return await driver._get_statement(*arguments, **options)


async def set_idle_limit(connection: Any, limit_s: float, *, local: bool) -> None:
    """After how long the server ends a transaction in which nothing happens.

    `local` is for the open transaction alone.
    """
    await connection.fetchval(
        "/* typedsql.idle_limit */ SELECT set_config("
        "'idle_in_transaction_session_timeout', $1, $2)",
        milliseconds(limit_s),
        local,
    )


async def open_connection(
    target: ConnectionTarget,
    install: Install,
    *,
    connect_timeout_s: float,
    command_timeout_s: float,
    keepalive_idle_s: int,
    idle_in_transaction_timeout_s: float,
    application_name: str,
) -> Connection:
    """A connection with its codecs, within `connect_timeout_s`. Raises what the driver does."""
    settings = {"application_name": application_name}
    how: dict[str, Any] = {"connection_class": Connection}
    if target.mode == "direct":
        settings["idle_in_transaction_session_timeout"] = milliseconds(
            idle_in_transaction_timeout_s
        )
    elif target.mode == "transaction":
        how = {"connection_class": ConnectionForTransactions, "statement_cache_size": 0}
    async with asyncio.timeout(connect_timeout_s):
        try:
            connection: Any = await asyncpg.connect(
                **target.asyncpg_arguments(),
                **how,
                timeout=connect_timeout_s,
                command_timeout=command_timeout_s,
                server_settings=settings,
            )
        except BaseException as failure:
            # A caller who is cancelled, or has a time limit of its own, gets these frames too.
            forget_frames(failure)
            raise
        opened: Connection = connection
        try:
            opened.application_name = application_name
            opened.watch_socket(keepalive_idle_s)
            await install(opened)
            opened.altered = False
            if target.mode == "session":
                opened.idle_in_transaction_timeout_s = idle_in_transaction_timeout_s
                await opened.limit_idle_transactions()
        except BaseException:
            opened.terminate()
            raise
    return opened
