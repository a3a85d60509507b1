"""Several migration runs at once, and cancelled ones; beside each, what bare dbmate does."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from tests.engine.toy_project import (
    CREATE_THINGS,
    FIRST,
    SECOND,
    Make,
    add_migration,
    bare_dbmate,
    second,
    start_bare_dbmate,
    things_and,
    until,
    versions,
)
from typedsql.errors import (
    TimeoutExpired,
)
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.tools import migration_session, migrations

pytestmark = pytest.mark.versions

Connection = asyncpg.Connection


SLOW_INSERT = second(
    "INSERT INTO public.things SELECT 1 FROM pg_sleep(1);", option=" transaction:false"
)


async def test_two_runs_at_once_apply_a_data_migration_once(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make(things_and(SLOW_INSERT))
    told: list[str] = []
    runs = await asyncio.gather(
        *(migrations.migrate(empty_database, project, announce=told.append) for _ in range(2))
    )
    assert sorted(len(run.files) for run in runs) == [0, 2]
    assert await looking.fetchval("SELECT count(*) FROM public.things") == 1
    assert any("Another migration run is at work" in line for line in told)


async def test_control_two_bare_dbmates_collide(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    assert await bare_dbmate(empty_database, project) == 0
    add_migration(project, root, SECOND, SLOW_INSERT)
    codes = await asyncio.gather(*(bare_dbmate(empty_database, project) for _ in range(2)))
    assert sorted(codes) != [0, 0]
    assert await looking.fetchval("SELECT count(*) FROM public.things") == 2


@contextlib.asynccontextmanager
async def lock_held(target: ConnectionTarget, project: Project) -> AsyncGenerator[Connection, None]:
    """Another run at work, as far as anybody can see."""
    holder = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await holder.execute("SELECT pg_advisory_lock($1)", migration_session.lock_key(project))
        yield holder
    finally:
        await holder.close()


async def test_a_run_waits_for_the_lock_within_its_limit(
    empty_database: ConnectionTarget, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    async with lock_held(empty_database, project):
        with pytest.raises(TimeoutExpired, match=r"still at work after 0\.3 s"):
            await migrations.migrate(empty_database, project, lock_wait_limit_s=0.3)
    assert (await migrations.migrate(empty_database, project)).files


async def test_a_waiting_run_does_not_stop_a_concurrent_index_build(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await looking.execute("CREATE TABLE public.big (id INTEGER)")
    waits = asyncio.Event()
    async with lock_held(empty_database, project):
        run = asyncio.create_task(
            migrations.migrate(empty_database, project, announce=lambda _: waits.set())
        )
        await waits.wait()
        await looking.execute("SET lock_timeout = '30s'")
        await looking.execute("CREATE INDEX CONCURRENTLY big_id ON public.big (id)")
    assert (await run).files


WAITING_FOR_THE_LOCK = """
SELECT count(*) FROM pg_locks AS l INNER JOIN pg_database AS d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()
"""


async def test_control_a_blocking_lock_stops_a_concurrent_index_build(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await looking.execute("CREATE TABLE public.big (id INTEGER)")
    waiter = await asyncpg.connect(**empty_database.asyncpg_arguments())
    async with lock_held(empty_database, project):
        wait = asyncio.create_task(
            waiter.execute("SELECT pg_advisory_lock($1)", migration_session.lock_key(project))
        )
        await until(looking, WAITING_FOR_THE_LOCK, 1)
        await looking.execute("SET lock_timeout = '500ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await looking.execute("CREATE INDEX CONCURRENTLY big_id ON public.big (id)")
    await wait
    await waiter.close()


async def test_the_child_of_a_killed_runner_still_counts(
    empty_database: ConnectionTarget, make: Make
) -> None:
    """A killed runner frees the lock, while its dbmate goes on."""
    project = make({FIRST: CREATE_THINGS})
    name = migration_session.child_name(migration_session.lock_key(project))
    orphan = await asyncpg.connect(
        **empty_database.asyncpg_arguments(), server_settings={"application_name": name}
    )
    with pytest.raises(TimeoutExpired, match=name):
        await migrations.migrate(empty_database, project, lock_wait_limit_s=0.3)
    await orphan.close()
    assert (await migrations.migrate(empty_database, project)).files


SLEEP = second("SELECT pg_sleep(300);")
SLEEPERS = """
SELECT count(*) FROM pg_stat_activity
WHERE query LIKE '%pg_sleep(300)%' AND state = 'active'
AND pid <> pg_backend_pid() AND datname = current_database()
"""


async def test_a_cancelled_run_stops_on_the_server_as_well(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({SECOND: SLEEP})
    run = asyncio.create_task(migrations.migrate(empty_database, project))
    await until(looking, SLEEPERS, 1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await until(looking, SLEEPERS, 0)
    assert await versions(looking) == []


async def test_control_a_killed_dbmate_leaves_its_statement_running(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({SECOND: SLEEP})
    child = await start_bare_dbmate(empty_database, project)
    await until(looking, SLEEPERS, 1)
    child.terminate()
    await child.wait()
    assert await looking.fetchval(SLEEPERS) == 1
