"""The databases that tests run in: made, told apart, dropped."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import msgspec
import pytest
from pydantic import SecretStr

from tests.engine.toy_project import (
    CREATE_THINGS,
    FIRST,
    TABLE,
    make_project,
    second,
    things_and,
)
from typedsql.errors import ConfigurationError, OperatorError, TimeoutExpired
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.testing import Databases, TestServer
from typedsql.testing import databases as module
from whaledb.project import PROJECT

NAME_LIMIT_BYTES = 63
END_LIMIT_SECONDS = 30


@asynccontextmanager
async def connected(target: ConnectionTarget) -> AsyncGenerator["asyncpg.Connection", None]:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        yield connection
    finally:
        await connection.close()


async def names(server: TestServer) -> set[str]:
    async with connected(server.target) as connection:
        return {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}


async def test_each_test_has_its_own_migrated_database(
    target: ConnectionTarget, whaledb_databases: Databases
) -> None:
    with whaledb_databases.fresh(whaledb_databases.template()) as other:
        assert other.database != target.database
        async with connected(target) as first, connected(other) as second_one:
            await first.execute("CREATE TABLE public.only_here ()")
            assert await second_one.fetchval("SELECT to_regclass('public.only_here')") is None
            count = await second_one.fetchval("SELECT count(*) FROM dbmate.schema_migrations")
            assert count > 0


async def test_a_database_is_dropped_though_somebody_is_connected(
    server: TestServer, whaledb_databases: Databases
) -> None:
    with whaledb_databases.fresh() as fresh:
        left_open = await asyncpg.connect(**fresh.asyncpg_arguments())
        await left_open.execute("BEGIN; CREATE TABLE public.not_committed ()")
        assert fresh.database in await names(server)
    assert fresh.database not in await names(server)
    left_open.terminate()


async def test_runs_at_the_same_time_leave_each_other_alone(server: TestServer) -> None:
    with Databases(server.target, PROJECT) as one, one.fresh() as first:
        with Databases(server.target, PROJECT) as two, two.fresh() as other:
            assert {first.database, other.database} <= await names(server)
        assert first.database in await names(server)
    assert first.database not in await names(server)


async def test_a_run_that_administers_from_another_database_is_left_alone_too(
    server: TestServer, empty_database: ConnectionTarget
) -> None:
    """Advisory locks belong to a database, and two URLs may name different ones."""
    with (
        Databases(empty_database, PROJECT) as elsewhere,
        elsewhere.fresh() as made,
        Databases(server.target, PROJECT),
    ):
        assert made.database in await names(server)


async def holder(admin: "asyncpg.Connection", databases: Databases) -> int | None:
    """The number of the server process that holds a run's lock."""
    pid: int | None = await admin.fetchval(
        "SELECT l.pid FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.classid = $1::BIGINT::OID AND l.objid = $2::BIGINT::OID",
        module._LOCK_SPACE,
        databases._run_number,
    )
    return pid


async def end_connection(admin: "asyncpg.Connection", databases: Databases) -> int:
    pid = await holder(admin, databases)
    assert pid is not None
    assert await admin.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
    return pid


def own_project(folder: Path) -> Project:
    """A project whose databases no other run looks for."""
    return msgspec.structs.replace(
        make_project(folder, {FIRST: CREATE_THINGS}), name=f"toy{secrets.token_hex(4)}"
    )


async def test_a_run_that_lost_its_connection_is_left_alone_by_the_next(
    server: TestServer, tmp_path: Path
) -> None:
    project = own_project(tmp_path)
    with Databases(server.target, project) as databases:
        first = databases.create()
        async with connected(server.target) as admin:
            before = await end_connection(admin, databases)
            # At once, though nobody asks for a database.
            async with asyncio.timeout(END_LIMIT_SECONDS):
                while await holder(admin, databases) in (None, before):  # noqa: ASYNC110 - another's
                    await asyncio.sleep(0.01)
        with Databases(server.target, project):
            assert first.database in await names(server)
        other = databases.create()
        assert {first.database, other.database} <= await names(server)
    assert not {first.database, other.database} & await names(server)


async def test_a_run_that_was_taken_for_dead_makes_its_template_anew(
    server: TestServer, tmp_path: Path
) -> None:
    project = own_project(tmp_path)
    with Databases(server.target, project) as databases:
        template = databases.template()
        databases._loop.run(databases._turn.acquire())
        try:
            async with connected(server.target) as admin:
                await end_connection(admin, databases)
            with Databases(server.target, project):
                # The control: between the connections the next run could drop it.
                assert template not in await names(server)
        finally:
            databases._loop._loop.call_soon_threadsafe(databases._turn.release)
        with databases.fresh(databases.template()) as fresh:
            async with connected(fresh) as connection:
                assert await connection.fetchval("SELECT count(*) FROM public.things") == 0
        # And its lock is held again: the next run leaves it alone.
        with Databases(server.target, project):
            assert databases.template() in await names(server)


async def test_an_idle_run_is_not_disconnected(
    server: TestServer, empty_database: ConnectionTarget
) -> None:
    setting = f'ALTER DATABASE "{empty_database.database}" SET idle_session_timeout'
    async with connected(server.target) as admin:
        await admin.execute(f"{setting} = '100ms'")
        with Databases(empty_database, PROJECT) as databases:
            pid = await holder(admin, databases)
            # The control: another connection is ended.
            ended = asyncio.Event()
            idle = await asyncpg.connect(**empty_database.asyncpg_arguments())
            idle.add_termination_listener(lambda _: ended.set())
            await asyncio.wait_for(ended.wait(), END_LIMIT_SECONDS)
            assert await holder(admin, databases) == pid


async def test_only_databases_of_the_run_are_dropped(
    server: TestServer, whaledb_databases: Databases
) -> None:
    with Databases(server.target, PROJECT) as others, others.fresh() as theirs:
        own = whaledb_databases.create()
        for foreign in (
            server.target,
            theirs,
            replace(own, host="elsewhere.invalid"),
            replace(own, port=own.port + 1),
            replace(own, database=f"{own.database}x"),
        ):
            with pytest.raises(ConfigurationError, match="not a database that this test run made"):
                whaledb_databases.drop(foreign)
        assert {own.database, theirs.database} <= await names(server)
        # The control: its own, and once more.
        whaledb_databases.drop(own)
        whaledb_databases.drop(own)
        assert own.database not in await names(server)


@pytest.mark.parametrize(
    ("lock", "limit", "said"),
    [
        ("_CREATE_LOCK", "CREATE_QUEUE_LIMIT_SECONDS", "have been creating databases for"),
        ("_MIGRATE_LOCK", "MIGRATE_QUEUE_LIMIT_SECONDS", "have been migrating for"),
    ],
)
async def test_a_wait_for_other_runs_ends_with_a_sentence(
    server: TestServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lock: str,
    limit: str,
    said: str,
) -> None:
    with Databases(server.target, own_project(tmp_path)) as databases:
        async with connected(server.target) as other:
            await other.execute(module._TAKE, module._LOCK_SPACE, getattr(module, lock))
            monkeypatch.setattr(module, limit, 0.1)
            with pytest.raises(TimeoutExpired, match=f"{said} more than 0.1 s"):
                databases.template()
            monkeypatch.undo()
        # The control: the other's lock is gone, and nothing of the wait is left.
        databases.drop(replace(server.target, database=databases.template()))


async def test_databases_of_killed_runs_are_dropped_and_those_of_living_ones_kept(
    server: TestServer, whaledb_databases: Databases
) -> None:
    number = secrets.randbelow(2**30) + 2**29
    dead, living = f"whaledb_test_{number:08x}_1", f"whaledb_test_{number + 1:08x}_1"
    async with connected(server.target) as admin, connected(server.target) as other:
        await other.execute(module._TAKE, module._LOCK_SPACE, number + 1)
        await admin.execute(module._TAKE, module._LOCK_SPACE, module._CREATE_LOCK)
        for name in (dead, living):
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        await admin.execute(module._GIVE_BACK, module._LOCK_SPACE, module._CREATE_LOCK)
        whaledb_databases.drop_leftovers()
        found = await names(server)
        assert dead not in found
        assert living in found
        # The control: once its run is gone, and its lock with it, it goes too.
        await other.execute("SELECT pg_advisory_unlock_all()")
        whaledb_databases.drop_leftovers()
        assert living not in await names(server)


async def test_names_fit_however_long_the_project_s_is(server: TestServer) -> None:
    project = msgspec.structs.replace(PROJECT, name="A very long name, " * 9)
    with Databases(server.target, project) as databases:
        databases._made = 10**15
        with databases.fresh() as fresh:
            assert fresh.database.startswith("a_very_long_name")
            assert len(fresh.database.encode()) < NAME_LIMIT_BYTES
            # The server cuts a longer one, silently.
            assert fresh.database in await names(server)
        assert fresh.database not in await names(server)


async def test_any_project_is_migrated_as_a_deployment_does_it(
    server: TestServer, tmp_path: Path
) -> None:
    project = make_project(tmp_path, things_and(second("CREATE TABLE public.more ();")))
    with Databases(server.target, project) as databases:
        template = databases.template()
        assert template == databases.template()
        with databases.fresh(template) as fresh:
            async with connected(fresh) as connection:
                assert await connection.fetchval(f"SELECT count(*) FROM {TABLE}") == 2
                assert await connection.fetchval("SELECT count(*) FROM public.more") == 0
    # dbmate.env does not forbid the dump; a test run writes nothing into a checkout.
    assert not (tmp_path / project.schema_file).exists()


def test_a_migration_that_fails_is_named_and_leaves_no_database(
    server: TestServer, tmp_path: Path
) -> None:
    project = make_project(tmp_path, {FIRST: second("CREATE TABLE public.things (id NONSENSE);")})
    with Databases(server.target, project) as databases:
        with pytest.raises(OperatorError, match=rf'{FIRST}.sql, line 2: type "nonsense" does not'):
            databases.template()
        assert asyncio.run(names(server)).isdisjoint(
            {f"{databases._prefix}{databases._run_number:08x}_1"}
        )


async def test_a_role_that_may_not_create_databases_is_told(server: TestServer) -> None:
    role, password = f"tester_{secrets.token_hex(4)}", "canary-52"
    async with connected(server.target) as admin:
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        try:
            tester = replace(server.target, user=role, password=SecretStr(password))
            with Databases(tester, PROJECT) as databases:
                with pytest.raises(OperatorError, match="may not create databases") as told:
                    databases.create()
                # The control: with the right that the message names it works.
                await admin.execute(f"ALTER ROLE {role} CREATEDB")
                databases.drop(databases.create())
            assert password not in str(told.value)
        finally:
            await admin.execute(f"DROP ROLE {role}")
