"""migrate, rollback, migrations and reset."""

import asyncpg
import pytest

from tests.cli.commands import of_project, whaledb
from tests.engine.toy_project import CREATE_THINGS, FIRST, SECOND, make_project, second
from typedsql.settings import ConnectionTarget
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

CANARY = "canary-badc0de"


def test_migrate_then_nothing_to_do(empty_database: ConnectionTarget) -> None:
    first = whaledb("migrate", target=empty_database)
    assert first.code == 0
    assert first.out.startswith("Applied ")
    assert first.out.rstrip().endswith(f"is at {PROJECT.latest_migration}")
    assert f"Applied: {PROJECT.latest_migration}" in first.err
    again = whaledb("migrate", target=empty_database)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("Nothing to do")


def test_migrate_json_is_one_object(empty_database: ConnectionTarget) -> None:
    summary = whaledb("migrate", "--json", target=empty_database).json()
    assert summary["version"] == PROJECT.latest_migration
    assert summary["created_database"] is False
    assert summary["files"][-1].startswith(PROJECT.latest_migration)
    again = whaledb("migrate", "--json", target=empty_database).json()
    assert again == {**summary, "files": []}


def test_rollback_says_which_one_first_and_migrate_brings_it_back(
    target: ConnectionTarget,
) -> None:
    done = whaledb("rollback", target=target)
    assert done.code == 0
    assert f"Undoing {PROJECT.latest_migration}" in done.err
    assert done.out.startswith(f"Undid {PROJECT.latest_migration}")
    pending = whaledb("migrations", "--check", target=target)
    assert pending.code == 1
    assert f"pending  {PROJECT.latest_migration}" in pending.out
    assert whaledb("migrate", target=target).code == 0
    assert whaledb("migrations", "--check", target=target).code == 0


def test_migrations_lists_all(target: ConnectionTarget) -> None:
    listed = whaledb("migrations", target=target)
    assert listed.code == 0
    assert all(line.startswith("applied  ") for line in listed.out.splitlines())
    states = whaledb("migrations", "--json", target=target).json()
    assert [state["version"] for state in states] == sorted(s["version"] for s in states)
    assert all(state["applied"] and state["name"] for state in states)
    assert len(states) == len(listed.out.splitlines())


async def test_reset_empties_a_local_database_and_wants_it_said_in_a_pipe(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    insert = "INSERT INTO auth.users (id) VALUES (gen_random_uuid())"
    await connection.execute(insert)
    await connection.close()
    unsaid = whaledb("reset", target=target)
    assert (unsaid.code, unsaid.out) == (2, "")
    assert "nothing was done; say --force" in unsaid.err
    looking = await asyncpg.connect(**target.asyncpg_arguments())
    assert await looking.fetchval("SELECT count(*) FROM auth.users") == 1
    await looking.close()
    done = whaledb("reset", "--force", target=target)
    assert done.code == 0, done.err
    assert "Reset" in done.out
    looking = await asyncpg.connect(**target.asyncpg_arguments())
    assert await looking.fetchval("SELECT count(*) FROM auth.users") == 0
    await looking.close()


@pytest.mark.parametrize("words", [("reset",), ("reset", "--json")])
def test_reset_refuses_a_server_elsewhere_before_it_connects(words: tuple[str, ...]) -> None:
    # Reserved for documentation: an attempt to connect would only end at its time limit,
    # with other words.
    url = f"postgres://app:{CANARY}@192.0.2.1:5432/app"
    done = whaledb(*words, environment={"DATABASE_URL": url})
    assert done.code == 2
    assert bool(done.out) == ("--json" in words)
    assert done.err == (
        "Error: reset deletes all data and app@192.0.2.1:5432/app (DATABASE_URL) is not on this "
        "machine: nothing was done; use force (--force) if you mean it\n"
    )


def test_a_failed_migration_is_a_failed_job(
    empty_database: ConnectionTarget, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("toy")
    project = make_project(root, {FIRST: CREATE_THINGS, SECOND: second("SELECT nope;")})
    done = of_project(project, "migrate", target=empty_database)
    assert (done.code, done.out) == (1, "")
    *_, last = done.err.splitlines()
    assert last.startswith(f"Error: migration {SECOND}.sql, line 2: column")
    assert "Traceback" not in done.err
    debugged = of_project(project, "migrate", "--debug", target=empty_database)
    assert debugged.code == 1
    assert "Traceback (most recent call last)" in debugged.err


def test_migrations_new_makes_a_file(
    empty_database: ConnectionTarget, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("toy")
    project = make_project(root, {})
    done = of_project(project, "migrations", "new", "Add price source", target=empty_database)
    assert done.code == 0, done.err
    (made,) = (root / "db" / "migrations").iterdir()
    assert done.out == f"{made}\n"
    assert made.name[14:] == "_add_price_source.sql"
    text = made.read_text()
    for part in ("-- Why:", "-- Locks:", "-- Deploy:", "-- migrate:up", "-- migrate:down"):
        assert part in text
    # Applied as it is, what is written into it later would never be run.
    unwritten = of_project(project, "migrate", target=empty_database)
    assert (unwritten.code, unwritten.out) == (2, "")
    assert f"{made.name} has nothing under `-- migrate:up`" in unwritten.err
    made.write_text(text.replace("-- migrate:up\n", "-- migrate:up\nSELECT 1;\n"))
    assert of_project(project, "migrate", target=empty_database).code == 0
    assert of_project(project, "rollback", target=empty_database).code == 0
    wrong = of_project(project, "migrations", "new", "1", target=empty_database)
    assert (wrong.code, wrong.out) == (2, "")
    assert "letters, digits and _" in wrong.err


def test_two_at_once(empty_database: ConnectionTarget) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        both = list(
            pool.map(lambda _: whaledb("migrate", "--json", target=empty_database), range(2))
        )
    assert [done.code for done in both] == [0, 0]
    assert sorted(len(done.json()["files"]) > 0 for done in both) == [False, True]
