"""Each migration is written as the house wants it, and reverses."""

import re
import shutil
from pathlib import Path

import asyncpg
import pytest

from tests.db.migration_runs import FILES, MIGRATIONS, NOTHING, dump, run_dbmate, section, sections
from typedsql.settings import ConnectionTarget

NOT_REVERSING = """\
-- migrate:up
CREATE TABLE public.left_behind (id BIGINT);
CREATE INDEX left_behind_id ON public.left_behind (id);

-- migrate:down
DROP INDEX public.left_behind_id;
"""


def unreversed(target: ConnectionTarget, files: list[Path], folder: Path) -> dict[str, list[str]]:
    """For each migration that does not reverse, the lines by which before and after differ.

    The schema *before up* is compared with that *after down*: comparing two schemas after
    up would pass a migration whose down does nothing and whose up says IF NOT EXISTS.
    """
    # One that changes nothing makes dbmate's own table before the first dump is taken.
    (folder / "20000101000000_nothing.sql").write_text(NOTHING, encoding="utf-8")
    run_dbmate(target, "migrate", migrations=folder)
    differing: dict[str, list[str]] = {}
    for path in files:
        shutil.copy(path, folder)
        before = dump(target)
        run_dbmate(target, "migrate", migrations=folder)
        after_up = dump(target)
        run_dbmate(target, "rollback", migrations=folder)
        after_down = dump(target)
        if before != after_down:
            differing[path.name] = sorted(set(before) ^ set(after_down))
            continue
        run_dbmate(target, "migrate", migrations=folder)
        if dump(target) != after_up:
            differing[path.name] = sorted(set(after_up) ^ set(dump(target)))
    return differing


@pytest.mark.versions
async def test_each_migration_reverses(empty_database: ConnectionTarget, tmp_path: Path) -> None:
    assert unreversed(empty_database, FILES, tmp_path) == {}


@pytest.mark.versions
async def test_a_migration_that_does_not_reverse_is_detected(
    empty_database: ConnectionTarget, tmp_path: Path
) -> None:
    control = tmp_path / "control" / "20990101000000_control.sql"
    control.parent.mkdir()
    control.write_text(NOT_REVERSING, encoding="utf-8")
    folder = tmp_path / "migrations"
    folder.mkdir()
    differing = unreversed(empty_database, [*FILES[:2], control], folder)
    assert list(differing) == [control.name]
    assert "CREATE TABLE public.left_behind (" in differing[control.name]


@pytest.mark.versions
async def test_all_down_and_all_up_again(empty_database: ConnectionTarget) -> None:
    run_dbmate(empty_database, "up")
    migrated = dump(empty_database)
    for _ in FILES:
        run_dbmate(empty_database, "rollback")
    schemas = [line for line in dump(empty_database) if line.startswith("CREATE SCHEMA")]
    tables = [line for line in dump(empty_database) if line.startswith("CREATE TABLE")]
    assert schemas == ["CREATE SCHEMA dbmate;"]
    assert tables == ["CREATE TABLE dbmate.schema_migrations ("]
    run_dbmate(empty_database, "up")
    assert dump(empty_database) == migrated


@pytest.mark.versions
async def test_down_works_with_rows_and_partitions(empty_database: ConnectionTarget) -> None:
    run_dbmate(empty_database, "up")
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute("SELECT public.ensure_market_data_months(now(), now())")
        await connection.execute(
            "INSERT INTO public.market_data"
            " (exchange, symbol, interval, open_time, open, high, low, close, volume)"
            " VALUES ('x', 'y', '1m', now(), 1, 1, 1, 1, 0)"
        )
        await connection.execute(
            "WITH account AS (INSERT INTO auth.users (id) VALUES (gen_random_uuid()) RETURNING id)"
            " INSERT INTO public.alerts (user_id, alert_type, conditions)"
            " SELECT id, 'large_transfer', '{\"min_value_eth\": 1}' FROM account"
        )
    finally:
        await connection.close()
    for _ in FILES:
        run_dbmate(empty_database, "rollback")
    assert not [line for line in dump(empty_database) if "market_data" in line]


@pytest.mark.versions
async def test_down_in_one_database_leaves_another_as_it_was(
    empty_database: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    run_dbmate(empty_database, "up")
    for _ in FILES:
        run_dbmate(empty_database, "rollback")
    roles = await connection.fetchval(
        "SELECT count(*) FROM pg_roles WHERE rolname = ANY($1)",
        ["anon", "authenticated", "service_role", "whaledb_worker", "whaledb_reader"],
    )
    assert roles == 5
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE whaledb_worker")
        assert await connection.fetchval("SELECT count(*) FROM public.whale_transactions") == 0


@pytest.mark.versions
@pytest.mark.parametrize("part", ["up", "down"])
async def test_sign_ins_do_not_queue_for_long_behind_a_migration(
    target: ConnectionTarget, part: str
) -> None:
    """auth.users is in use when this arrives; whoever waits for its lock stops all after it."""
    (path,) = (file for file in FILES if file.name.endswith("_users_and_alerts.sql"))
    sql = section(path, part)
    assert "lock_timeout = '5s'" in sql
    signing_in = await asyncpg.connect(**target.asyncpg_arguments())
    migrating = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await migrating.execute("DROP TABLE public.alert_events")
        if part == "up":
            await migrating.execute("DROP TABLE public.alerts, public.users")
        async with signing_in.transaction():
            await signing_in.execute("INSERT INTO auth.users (id) VALUES (gen_random_uuid())")
            # Without a limit in the file, this one ends what would be a wait for ever.
            await migrating.execute("SET statement_timeout = '20s'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await migrating.execute(sql.replace("'5s'", "'100ms'"))
    finally:
        await signing_in.close()
        await migrating.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_form(path: Path) -> None:
    assert re.fullmatch(r"[0-9]{14}_[a-z0-9_]+\.sql", path.name)
    text = path.read_text(encoding="utf-8")
    for part in ("up", "down"):
        assert len(re.findall(rf"^-- migrate:{part}( transaction:false)?$", text, re.M)) == 1
    header, _, down = sections(path)
    for label in ("-- Why:    ", "-- Locks:  ", "-- Deploy: "):
        assert header.count(label) == 1, f"{label} is missing above -- migrate:up"
    assert down.lstrip().startswith("-- "), "down begins with what is lost"
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    without_bodies = re.sub(r"\$(\w*)\$.*?\$\1\$", "", code, flags=re.DOTALL)
    statements = [part.split() for part in without_bodies.split(";") if part.strip()]
    if "transaction:false" in text:
        # Where the second of two fails, the first has happened.
        assert len(statements) == 2, "more than one statement without a transaction"
    verbs = {words[0].upper() for words in statements if words[:2] != ["SET", "LOCAL"]}
    assert not verbs & {"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "SET", "RESET"}


def test_versions_are_unique() -> None:
    versions = [path.name.split("_")[0] for path in MIGRATIONS.glob("*.sql")]
    assert len(versions) == len(set(versions))
