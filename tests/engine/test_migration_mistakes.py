"""Mistakes around migrations that would pass in silence: an empty file, dbmate without settings."""

import re
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
    things_and,
    versions,
)
from typedsql.errors import ConfigurationError, OperatorError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.tools import migrations
from typedsql.tools.config import read_checkout
from typedsql.tools.doctor import diagnose
from typedsql.tools.migration_files import new_migration

pytestmark = pytest.mark.versions

Connection = asyncpg.Connection
SCHEMA = TABLE.partition(".")[0]
DEFAULT_TABLE = "public.schema_migrations"


@pytest.mark.parametrize("up", ["", "\n\n", "-- only a comment: CREATE TABLE public.t ();"])
async def test_a_migration_without_a_statement_is_not_applied(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path, up: str
) -> None:
    project = make({FIRST: CREATE_THINGS, SECOND: second(up)})
    with pytest.raises(ConfigurationError, match=f"{SECOND}.sql has nothing under `-- migrate:up`"):
        await migrations.migrate(empty_database, project)
    assert await looking.fetchval("SELECT to_regclass('public.things')::text") is None
    # The control: dbmate applies it, and what is written into it afterwards never runs.
    assert await bare_dbmate(empty_database, project) == 0
    assert await versions(looking) == [FIRST[:14], SECOND[:14]]


async def test_a_new_migration_can_be_listed_and_written(
    empty_database: ConnectionTarget, looking: Connection, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    path = new_migration(project, "more")
    assert [state.applied for state in await migrations.status(empty_database, project)] == [
        False,
        False,
    ]
    add_migration(project, root, path.stem, second("SELECT 1;"))
    await migrations.migrate(empty_database, project)
    assert await versions(looking) == [FIRST[:14], path.name[:14]]


async def test_dbmate_without_its_settings_is_recognised(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make(things_and(second("SELECT 1;")))
    # As a Rails application's, of the same name: it is none of ours.
    await looking.execute(f"CREATE TABLE {DEFAULT_TABLE} (version VARCHAR(128) PRIMARY KEY)")
    await looking.execute(f"INSERT INTO {DEFAULT_TABLE} VALUES ('20200101000000')")
    assert "recorded_elsewhere" not in await findings(empty_database, project)
    await looking.execute(f"DROP TABLE {DEFAULT_TABLE}")
    assert await bare_dbmate(empty_database, project, DBMATE_MIGRATIONS_TABLE=DEFAULT_TABLE) == 0
    assert "recorded_elsewhere" in await findings(empty_database, project)
    with pytest.raises(OperatorError, match=r"without --env-file dbmate\.env") as caught:
        await migrations.migrate(empty_database, project)
    steps = re.findall(r"(?:CREATE SCHEMA|ALTER TABLE) [^;]+;", str(caught.value))
    assert len(steps) == 3
    for step in steps:
        await looking.execute(step)
    assert (await migrations.migrate(empty_database, project)).files == ()
    assert await versions(looking) == [FIRST[:14], SECOND[:14]]


async def findings(target: ConnectionTarget, project: Project) -> list[str]:
    return [item.code for item in (await diagnose(project, target.dbmate_url())).findings]


def test_a_declaration_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.typedsql]\n[tool.typedsql]\n")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml cannot be read: .*line 2"):
        read_checkout(tmp_path)
