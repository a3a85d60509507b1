"""What migration runs do on a database of their own."""

import asyncio
import secrets
from dataclasses import replace
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
    second,
    things_and,
    versions,
)
from tests.servers import TestServer
from typedsql.errors import (
    ConnectionFailed,
)
from typedsql.settings import ConnectionTarget
from typedsql.tools import migrations

pytestmark = pytest.mark.versions

Connection = asyncpg.Connection


async def test_migrate_applies_what_is_pending_and_then_nothing(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    told: list[str] = []
    summary = await migrations.migrate(empty_database, project, announce=told.append)
    assert summary.files == (f"{FIRST}.sql",)
    assert summary.version == FIRST[:14]
    assert not summary.created_database
    assert told == [f"Applied: {FIRST}.sql"]

    assert (await migrations.migrate(empty_database, project)).files == ()
    add_migration(project, root, SECOND, second("INSERT INTO public.things VALUES (1);"))
    assert (await migrations.migrate(empty_database, project)).files == (f"{SECOND}.sql",)
    assert await looking.fetchval("SELECT count(*) FROM public.things") == 1
    assert await versions(looking) == [FIRST[:14], SECOND[:14]]
    assert not (root / "db" / "schema.sql").exists()


async def test_status_lists_pending_applied_and_unknown_versions_and_makes_nothing(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make(things_and(second("SELECT 1;")))
    states = await migrations.status(empty_database, project)
    assert [(s.version, s.name, s.applied) for s in states] == [
        (FIRST[:14], "things", False),
        (SECOND[:14], "more", False),
    ]
    assert await looking.fetchval("SELECT to_regclass($1)::text", TABLE) is None

    await migrations.migrate(empty_database, project)
    (root / "db" / "migrations" / f"{SECOND}.sql").unlink()
    states = await migrations.status(empty_database, project)
    assert [(s.name, s.applied) for s in states] == [("things", True), (None, True)]


async def test_rollback_tells_its_target_before_it_touches_anything(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await migrations.migrate(empty_database, project)
    told: list[str] = []

    summary = await migrations.rollback(empty_database, project, announce=told.append)
    assert told[0] == f"Undoing {FIRST}.sql"
    assert (summary.files, summary.version) == ((f"{FIRST}.sql",), None)
    assert await looking.fetchval("SELECT to_regclass('public.things')::text") is None
    assert (await migrations.rollback(empty_database, project)).files == ()


async def test_drop_create_and_reset(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make(
        things_and(second("CREATE TABLE public.more (id INTEGER);", down="DROP TABLE public.more;"))
    )
    await migrations.create_tables(empty_database, project)
    await looking.execute("INSERT INTO public.things VALUES (1)")
    summary = await migrations.reset_database(empty_database, project)
    assert summary.version == SECOND[:14]
    assert await looking.fetchval("SELECT count(*) FROM public.things") == 0

    dropped = await migrations.drop_tables(empty_database, project)
    assert dropped.files == (f"{SECOND}.sql", f"{FIRST}.sql")
    assert dropped.version is None
    assert await looking.fetchval("SELECT to_regclass('public.things')::text") is None
    assert await versions(looking) == []


async def test_a_missing_database_is_made_once_by_whoever_comes_first(
    server: TestServer, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    absent = replace(server.target, database=f'odd "{secrets.token_hex(4)}" name')
    try:
        with pytest.raises(ConnectionFailed, match="has no database"):
            await migrations.rollback(absent, project)
        runs = await asyncio.gather(*(migrations.migrate(absent, project) for _ in range(4)))
        assert sum(run.created_database for run in runs) == 1
        assert sorted(len(run.files) for run in runs) == [0, 0, 0, 1]
    finally:
        admin = await asyncpg.connect(**server.target.asyncpg_arguments())
        quoted = absent.database.replace('"', '""')
        await admin.execute(f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE)')
        await admin.close()
