"""Migration files: made, and read strictly."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import msgspec
import pytest

from tests.engine.toy_project import CREATE_THINGS, FIRST, SECOND, TABLE, Make, second
from typedsql.errors import (
    ConfigurationError,
)
from typedsql.settings import ConnectionTarget
from typedsql.tools import migrations
from typedsql.tools.migration_files import list_migrations, new_migration

pytestmark = pytest.mark.versions

Connection = asyncpg.Connection


def test_new_migrations_have_versions_of_their_own_later_than_all(make: Make) -> None:
    project = make({"29991231235959_future": CREATE_THINGS})
    names = [f"add_{number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        paths = list(pool.map(lambda name: new_migration(project, name), names))
    made = sorted(path.name[:14] for path in paths)
    assert len(set(made)) == len(names)
    assert made[0] == "29991231235960"
    text = paths[0].read_text()
    assert [line.split(":")[0] for line in text.splitlines()[:3]] == [
        "-- Why",
        "-- Locks",
        "-- Deploy",
    ]
    assert [item.version for item in list_migrations(project)][1:] == made
    assert all(item.transactional for item in list_migrations(project))
    assert not list(paths[0].parent.glob(".*"))


def test_a_new_migration_has_the_time_and_a_tidy_name(make: Make) -> None:
    path = new_migration(make({}), " Add price-source ")
    assert path.name[:2] == "20"
    assert path.name[14:] == "_add_price_source.sql"


@pytest.mark.parametrize("name", ["", "1st", "a/b", "../evil", "drop;table", "x" * 101])
def test_a_name_that_cannot_be_a_file_is_refused(make: Make, name: str) -> None:
    project = make({})
    with pytest.raises(ConfigurationError, match="letters, digits and _"):
        new_migration(project, name)


def test_an_installed_package_takes_no_new_migrations(make: Make, root: Path) -> None:
    project = msgspec.structs.replace(make({}), checkout=None)
    packaged = root / project.package / "_project" / "db" / "migrations"
    packaged.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="make migrations in its checkout"):
        new_migration(project, "anything")
    assert not list(packaged.iterdir())


BAD_FILES = {
    "option with a space": (SECOND, second("SELECT 1;", option=" transaction: false"), "ignore"),
    "two up sections": (SECOND, second("SELECT 1;\n-- migrate:up\nSELECT 2;"), "split it"),
    "no down section": (SECOND, "-- migrate:up\nSELECT 1;\n", "migrate:down"),
    "short version": ("2024_x", CREATE_THINGS, "14-digit"),
    "same version": (f"{FIRST[:14]}_twin", CREATE_THINGS, "only one of them"),
}


@pytest.mark.parametrize(("name", "text", "expected"), BAD_FILES.values(), ids=BAD_FILES)
async def test_files_that_dbmate_would_misread_are_refused(
    empty_database: ConnectionTarget,
    looking: Connection,
    make: Make,
    name: str,
    text: str,
    expected: str,
) -> None:
    project = make({FIRST: CREATE_THINGS, name: text})
    with pytest.raises(ConfigurationError, match=expected) as caught:
        await migrations.migrate(empty_database, project)
    assert name in str(caught.value)
    assert await looking.fetchval("SELECT to_regclass('public.things')::text") is None


async def test_settings_that_contradict_the_generated_code_are_refused(
    empty_database: ConnectionTarget, make: Make, root: Path
) -> None:
    project = make({FIRST: CREATE_THINGS})
    env = root / "dbmate.env"
    env.write_text(env.read_text().replace(TABLE, "public.schema_migrations"))
    with pytest.raises(ConfigurationError, match="DBMATE_MIGRATIONS_TABLE"):
        await migrations.migrate(empty_database, project)
    env.unlink()
    with pytest.raises(ConfigurationError, match=r"dbmate\.env is missing"):
        await migrations.migrate(empty_database, project)


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    yield


async def test_a_missing_dbmate_says_how_to_get_it(
    empty_database: ConnectionTarget, make: Make, no_programs: None
) -> None:
    with pytest.raises(ConfigurationError, match=r"pip install --upgrade 'toy\[tools\]'"):
        await migrations.migrate(empty_database, make({FIRST: CREATE_THINGS}))


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("dbmate version 2.28.0", r"is dbmate 2\.28\.0; 2\.37 or newer"),
        ("", "does not tell its version"),
    ],
)
async def test_an_older_dbmate_is_refused(
    empty_database: ConnectionTarget,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    says: str,
    expected: str,
) -> None:
    """dbmate 2.28 prints of a migration that failed that it was applied."""
    old = tmp_path / "dbmate"
    old.write_text(f"#!/bin/sh\necho '{says}'\n")
    old.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(ConfigurationError, match=expected):
        await migrations.migrate(empty_database, make({FIRST: CREATE_THINGS}))
