"""Migrations that fail, and what is said then; beside each, what bare dbmate does."""

import asyncio
import threading
from pathlib import Path

import asyncpg
import pytest

from tests.engine.toy_project import (
    CREATE_THINGS,
    FIRST,
    SECOND,
    TABLE,
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
    OperatorError,
    TransientError,
)
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.tools import migration_run, migrations

pytestmark = pytest.mark.versions

Connection = asyncpg.Connection


async def failure(target: ConnectionTarget, project: Project) -> str:
    with pytest.raises(OperatorError) as caught:
        await migrations.migrate(target, project)
    return str(caught.value)


async def test_a_failed_migration_is_named_with_line_message_and_advice(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make(things_and(second("CREATE TABLE public.kept (id INTEGER);\nSELECT nope;")))
    told = await failure(empty_database, project)
    assert f"{SECOND}.sql, line 3" in told
    assert 'column "nope" does not exist (SQLSTATE 42703)' in told
    assert "nothing of it was kept: correct the file" in told
    assert "\n" not in told
    assert await looking.fetchval("SELECT to_regclass('public.kept')::text") is None
    assert await versions(looking) == [FIRST[:14]]


async def test_a_failed_down_section_leaves_the_migration_applied(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make(things_and(second("SELECT 1;", down="DROP TABLE public.nope;")))
    await migrations.migrate(empty_database, project)
    for work in (migrations.rollback, migrations.reset_database):
        with pytest.raises(OperatorError, match="still applied: correct its down section"):
            await work(empty_database, project)
    assert await versions(looking) == [FIRST[:14], SECOND[:14]]


async def test_values_do_not_reach_the_message(
    empty_database: ConnectionTarget, make: Make
) -> None:
    project = make(
        things_and(
            second(
                "INSERT INTO public.things VALUES (1, 'canary-7f3a');\n"
                "ALTER TABLE public.things ALTER COLUMN word TYPE INTEGER USING word::integer;"
            )
        )
    )
    told = await failure(empty_database, project)
    assert 'invalid input syntax for type integer: "..." (SQLSTATE 22P02)' in told
    assert "canary" not in told


async def test_what_ran_outside_a_transaction_is_said_to_remain(
    empty_database: ConnectionTarget, make: Make
) -> None:
    project = make(things_and(second("SELECT nope;", option=" transaction:false")))
    assert "may have been kept: undo that by hand" in await failure(empty_database, project)


async def test_a_lower_version_than_an_applied_one_is_refused(
    empty_database: ConnectionTarget, make: Make, root: Path
) -> None:
    project = make({SECOND: second("SELECT 1;")})
    await migrations.migrate(empty_database, project)
    add_migration(project, root, FIRST, CREATE_THINGS)
    assert "out of order" in await failure(empty_database, project)


UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS things_id ON public.things (id);"


async def test_an_invalid_index_is_named_with_its_repair(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await migrations.migrate(empty_database, project)
    await looking.execute("INSERT INTO public.things VALUES (1), (1)")
    add_migration(project, root, SECOND, second(UNIQUE, option=" transaction:false"))

    told = await failure(empty_database, project)
    assert "invalid index public.things_id" in told
    assert "DROP INDEX CONCURRENTLY public.things_id" in told
    assert await versions(looking) == [FIRST[:14]]

    # Not repaired: IF NOT EXISTS takes the invalid index for the real one.
    told = await failure(empty_database, project)
    assert "REINDEX INDEX CONCURRENTLY public.things_id" in told

    await looking.execute("DELETE FROM public.things")
    await looking.execute("REINDEX INDEX CONCURRENTLY public.things_id")
    await migrations.migrate(empty_database, project)
    assert await looking.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.things_id'::regclass"
    )


async def test_control_bare_dbmate_records_an_invalid_index_as_applied(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await bare_dbmate(empty_database, project)
    await looking.execute("INSERT INTO public.things VALUES (1), (1)")
    add_migration(project, root, SECOND, second(UNIQUE, option=" transaction:false"))
    assert await bare_dbmate(empty_database, project) != 0
    assert await bare_dbmate(empty_database, project) == 0
    assert await versions(looking) == [FIRST[:14], SECOND[:14]]
    assert not await looking.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.things_id'::regclass"
    )


async def test_an_index_made_by_a_run_that_was_killed_is_recognised(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    build = "CREATE INDEX CONCURRENTLY things_id ON public.things (id);"
    project = make(things_and(second(build, option=" transaction:false")))
    await migrations.migrate(empty_database, project)
    await looking.execute(f"DELETE FROM {TABLE} WHERE version = $1", SECOND[:14])

    told = await failure(empty_database, project)
    assert 'relation "things_id" already exists' in told
    assert "an earlier run was probably killed" in told
    await looking.execute("DROP INDEX CONCURRENTLY public.things_id")
    assert (await migrations.migrate(empty_database, project)).files == (f"{SECOND}.sql",)


ADD_COLUMN = second("ALTER TABLE public.things ADD COLUMN size INTEGER;")


async def test_a_table_lock_is_not_waited_for_without_end(
    empty_database: ConnectionTarget,
    looking: Connection,
    make: Make,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migration_run, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(migration_run, "LOCK_BACKOFF_S", 0.01)
    project = make({FIRST: CREATE_THINGS})
    await migrations.migrate(empty_database, project)
    add_migration(project, root, SECOND, ADD_COLUMN)
    reader = looking.transaction()
    await reader.start()
    await looking.fetch("SELECT id FROM public.things")

    told: list[str] = []
    with pytest.raises(TransientError, match="end the transactions that use its tables") as caught:
        await migrations.migrate(empty_database, project, announce=told.append)
    assert caught.value.sqlstate == "55P03"
    assert len(told) == migration_run.LOCK_ATTEMPTS - 1

    free = threading.Event()

    def on_retry(line: str) -> None:
        free.set()

    run = asyncio.create_task(migrations.migrate(empty_database, project, announce=on_retry))
    await asyncio.to_thread(free.wait)
    await reader.rollback()
    assert (await run).files == (f"{SECOND}.sql",)


async def test_control_bare_dbmate_queues_everybody_behind_its_lock(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await bare_dbmate(empty_database, project)
    add_migration(project, root, SECOND, ADD_COLUMN)
    reader = looking.transaction()
    await reader.start()
    await looking.fetch("SELECT id FROM public.things")
    child = await start_bare_dbmate(empty_database, project)
    other = await asyncpg.connect(**empty_database.asyncpg_arguments())
    await until(
        other,
        "SELECT count(*) FROM pg_locks AS l INNER JOIN pg_database AS d ON l.database = d.oid"
        " WHERE d.datname = current_database() AND NOT l.granted AND l.relation IS NOT NULL",
        1,
    )
    await other.execute("SET lock_timeout = '200ms'")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await other.fetch("SELECT id FROM public.things")
    await reader.rollback()
    assert await child.wait() == 0
    await other.close()


async def test_a_newer_database_is_left_alone(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make(things_and(second("SELECT 1;")))
    await migrations.migrate(empty_database, project)
    (root / "db" / "migrations" / f"{SECOND}.sql").unlink()
    for work in (migrations.rollback, migrations.drop_tables, migrations.migrate):
        with pytest.raises(OperatorError, match=f"{SECOND[:14]}, which is not in db/migrations/"):
            await work(empty_database, project)
    assert await versions(looking) == [FIRST[:14], SECOND[:14]]

    # The control: dbmate undoes an older migration than the newest applied one.
    assert await bare_dbmate(empty_database, project, "rollback") == 0
    assert await versions(looking) == [SECOND[:14]]
