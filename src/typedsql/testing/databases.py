"""Databases for tests: a migrated template, copies of it, empty ones, and their removal."""

import asyncio
import contextlib
import os
import re
import secrets
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from typedsql.errors import ConfigurationError, OperatorError, TimeoutExpired
from typedsql.identifiers import quoted
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.testing.server import identifier
from typedsql.tools.dbmate import find_dbmate, run_dbmate

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

EMPTY = "template0"
"""The template of a database without anything in it."""

CONNECT_LIMIT_SECONDS = 10.0
STATEMENT_LIMIT_SECONDS = 60.0
MIGRATE_LIMIT_SECONDS = 120.0
CREATE_QUEUE_LIMIT_SECONDS = 300.0
"""Longest wait for other runs on the same server that create databases."""
MIGRATE_QUEUE_LIMIT_SECONDS = 600.0
"""Longest wait for other runs on the same server that make their templates."""
RENEWAL_LIMIT_SECONDS = 60.0
"""How long a lost connection is tried again at once; later, when it is needed."""
RENEWAL_PAUSE_SECONDS = 0.1

# The first number marks our advisory locks, whatever the project; the second is the run's,
# from 1 to 2**31 - 1, or one of these.
_LOCK_SPACE = 0x7E57
_CREATE_LOCK = 0
_MIGRATE_LOCK = -1

_CONNECTION_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

_TAKE = "SELECT pg_advisory_lock($1, $2)"
_TRY_TO_TAKE = "SELECT pg_try_advisory_lock($1, $2)"
_GIVE_BACK = "SELECT pg_advisory_unlock($1, $2)"
# pg_locks shows those of all databases: two runs may administer from different ones.
_IS_HELD_BY_OTHERS = """
SELECT count(*) > 0 FROM pg_catalog.pg_locks AS l
WHERE
    l.locktype = 'advisory' AND l.classid = $1::BIGINT::OID AND l.objid = $2::BIGINT::OID
    AND l.objsubid = 2 AND l.granted AND l.pid <> pg_backend_pid()
"""


class Databases:
    """Creates and drops the databases of one test run; use it in a `with` block.

    Its methods wait, and may be called from any thread, with or without a running event
    loop: the work is done in a loop of its own, because a connection belongs to the loop
    it was opened in, and each test may have its own. Leaving the block drops what is left.

    A run holds an advisory lock under its number for as long as its connection lives, so
    whoever can take a number's lock knows that its run is gone, and drops its databases.
    A connection that is lost is therefore opened again at once, not when it is needed.
    """

    def __init__(self, server: ConnectionTarget, project: Project) -> None:
        self._server = server
        self._project = project
        self._prefix = f"{identifier(project.name)}_test_"
        self._run_number = secrets.randbelow(2**31 - 2) + 1
        self._made = 0
        self._template: str | None = None
        self._admin: Connection | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._closing = False
        self._loop = _LoopThread()
        # One connection, and asyncpg refuses a second statement while one runs.
        self._turn = asyncio.Lock()

    def __enter__(self) -> "Databases":
        self._loop.start()
        try:
            self._loop.run(self._in_turn(self._drop_leftovers()))
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._loop.run(self._in_turn(self._close()))
        finally:
            self._loop.stop()

    def template(self) -> str:
        """The name of a database with all migrations applied, made at the first call.

        Made again, under another name, where it is gone by then. Raises OperatorError naming
        the migration that failed, ConfigurationError where dbmate or dbmate.env is missing,
        TimeoutExpired where other runs migrate for too long.
        """
        return self._loop.run(self._in_turn(self._migrated()))

    def create(self, template: str = EMPTY) -> ConnectionTarget:
        """A new database, a copy of `template`, to which nobody may be connected.

        Raises OperatorError where the role may not create databases, TimeoutExpired where
        other runs create theirs for too long.
        """
        return self._loop.run(self._in_turn(self._create(template)))

    def drop(self, target: ConnectionTarget) -> None:
        """Drop a database of this run, whoever is still connected; an absent one is fine.

        Raises ConfigurationError for a database that this run did not make.
        """
        place = (self._server.host, self._server.port)
        if (target.host, target.port) != place or not self._is_own(target.database):
            raise ConfigurationError(
                f"{target.describe()} is not a database that this test run made, and is not"
                " dropped: pass what `create` returned"
            )
        self._loop.run(self._in_turn(self._drop(target.database)))

    @contextlib.contextmanager
    def fresh(self, template: str = EMPTY) -> Generator[ConnectionTarget, None, None]:
        """A new database while the block runs."""
        target = self.create(template)
        try:
            yield target
        finally:
            self.drop(target)

    def drop_leftovers(self) -> None:
        """Drop the databases of runs whose lock nobody holds; `with` begins with it."""
        self._loop.run(self._in_turn(self._drop_leftovers()))

    async def _in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        async with self._turn:
            return await work

    async def _connection(self) -> "Connection":
        """The connection that holds this run's lock; another one where it was lost."""
        if self._admin is None or self._admin.is_closed():
            admin = await asyncpg.connect(
                **self._server.asyncpg_arguments(),
                timeout=CONNECT_LIMIT_SECONDS,
                command_timeout=STATEMENT_LIMIT_SECONDS,
            )
            try:
                # It is idle for as long as the longest test runs.
                await admin.execute("SET idle_session_timeout = 0")
                await admin.execute(_TAKE, _LOCK_SPACE, self._run_number)
            except BaseException:
                admin.terminate()
                raise
            admin.add_termination_listener(self._connection_was_lost)
            self._admin = admin
        return self._admin

    def _connection_was_lost(self, connection: object) -> None:
        del connection
        if not self._closing:
            self._renewal = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        """Open the connection again, before another run takes this one for dead."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENEWAL_LIMIT_SECONDS):
                while True:
                    with contextlib.suppress(*_CONNECTION_ERRORS):
                        async with self._turn:
                            await self._connection()
                        return
                    await asyncio.sleep(RENEWAL_PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _queued(
        self, admin: "Connection", lock: int, *, limit_seconds: float, others: str
    ) -> AsyncGenerator[None, None]:
        """Hold one of the locks that order the work of all runs on the same server."""
        try:
            await admin.execute(_TAKE, _LOCK_SPACE, lock, timeout=limit_seconds)
        except TimeoutError:
            # It may have been given at the last moment.
            with contextlib.suppress(*_CONNECTION_ERRORS):
                await admin.execute(_GIVE_BACK, _LOCK_SPACE, lock)
            raise TimeoutExpired(
                f"{self._server.describe()}: other test runs {others} for more than"
                f" {limit_seconds:g} s: see which process holds the advisory lock"
                f" {_LOCK_SPACE}, {lock} (pg_locks) and end it"
            ) from None
        try:
            yield
        finally:
            # With its connection the lock is gone too.
            if not admin.is_closed():
                await admin.execute(_GIVE_BACK, _LOCK_SPACE, lock)

    async def _create(self, template: str) -> ConnectionTarget:
        admin = await self._connection()
        self._made += 1
        name = f"{self._prefix}{self._run_number:08x}_{self._made}"
        # Two runs that copy the same template at the same moment would disturb each other.
        limit = CREATE_QUEUE_LIMIT_SECONDS
        async with self._queued(
            admin, _CREATE_LOCK, limit_seconds=limit, others="have been creating databases"
        ):
            try:
                # Cheaper than through the WAL, where nothing is ever synced to disk.
                await admin.execute(
                    f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(template)} STRATEGY FILE_COPY"
                )
            except asyncpg.InsufficientPrivilegeError as failure:
                raise OperatorError(
                    f"{self._server.describe()}: this role may not create databases, and each"
                    " test needs one: ALTER ROLE ... CREATEDB, or name another role",
                    sqlstate=failure.sqlstate,
                ) from None
        return replace(self._server, database=name)

    async def _drop(self, name: str) -> None:
        admin = await self._connection()
        await admin.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    async def _migrated(self) -> str:
        if self._template is not None and await self._exists(self._template):
            return self._template
        target = await self._create(EMPTY)
        try:
            # Roles belong to the whole server: migrations that make them would meet.
            limit = MIGRATE_QUEUE_LIMIT_SECONDS
            async with self._queued(
                await self._connection(),
                _MIGRATE_LOCK,
                limit_seconds=limit,
                others="have been migrating",
            ):
                await migrate(target, self._project)
        except BaseException:
            await self._drop(target.database)
            raise
        self._template = target.database
        return self._template

    async def _exists(self, name: str) -> bool:
        """A run that started while this one had no connection took it for dead."""
        admin = await self._connection()
        found: bool = await admin.fetchval(
            "SELECT count(*) > 0 FROM pg_catalog.pg_database AS d WHERE d.datname = $1", name
        )
        return found

    async def _drop_leftovers(self) -> None:
        admin = await self._connection()
        for name in await self._names():
            run = int(name.removeprefix(self._prefix).split("_")[0], 16)
            if run == self._run_number or not await admin.fetchval(_TRY_TO_TAKE, _LOCK_SPACE, run):
                continue
            try:
                if not await admin.fetchval(_IS_HELD_BY_OTHERS, _LOCK_SPACE, run):
                    await self._drop(name)
            finally:
                await admin.execute(_GIVE_BACK, _LOCK_SPACE, run)

    async def _names(self) -> list[str]:
        admin = await self._connection()
        rows = await admin.fetch(
            "SELECT d.datname FROM pg_catalog.pg_database AS d WHERE d.datname ~ $1 ORDER BY 1",
            f"^{self._prefix}[0-7][0-9a-f]{{7}}_[0-9]+$",
        )
        return [row["datname"] for row in rows]

    def _is_own(self, name: str) -> bool:
        return re.fullmatch(f"{self._prefix}{self._run_number:08x}_[0-9]+", name) is not None

    async def _close(self) -> None:
        self._closing = True
        if self._renewal is not None:
            self._renewal.cancel()
        admin = await self._connection()
        for name in await self._names():
            if self._is_own(name):
                await self._drop(name)
        await admin.close()


async def migrate(target: ConnectionTarget, project: Project) -> None:
    """Run all migrations as a deployment does: `dbmate --env-file dbmate.env up`.

    Nothing of ours stands between, so that a test fails where a deployment would. Nor of
    the environment: dbmate obeys every PG* variable. Raises OperatorError naming the
    migration that failed; ConfigurationError where there is no dbmate.
    """
    program = await find_dbmate(project)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        # A test run does not rewrite db/schema.sql.
        "DBMATE_NO_DUMP_SCHEMA": "true",
    }
    try:
        async with asyncio.timeout(MIGRATE_LIMIT_SECONDS):
            run = await run_dbmate(
                program, project, "up", environment=environment, target=target, announce=_silent
            )
    except TimeoutError:
        raise TimeoutExpired(
            f"dbmate up did not end within {MIGRATE_LIMIT_SECONDS:g} s: look for a migration that "
            "waits"
        ) from None
    if not run.succeeded:
        place = f"migration {run.failed}" if run.failed else "dbmate up"
        line = f", line {run.line}" if run.line else ""
        raise OperatorError(f"{place}{line}: {run.message}", sqlstate=run.sqlstate)


def _silent(line: str) -> None:
    del line


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="typedsql-test-databases", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises; the caller waits meanwhile."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
