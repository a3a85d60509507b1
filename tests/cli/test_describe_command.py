"""describe: what is in the database, from its catalog."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from tests.cli.commands import whaledb
from tests.engine.toy_project import until
from typedsql.settings import ConnectionTarget

pytestmark = pytest.mark.versions

SIZE_LIMIT_COLUMNS = 80


def test_all_tables_and_views_with_what_they_are_for(target: ConnectionTarget) -> None:
    done = whaledb("describe", target=target)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert "whale_transfers: view" in lines
    assert "market_data: partitioned table (0 partitions)" in lines
    (alerts,) = (line for line in lines if line.startswith("alerts: "))
    assert alerts.startswith("alerts: table, rows not counted yet, ")
    assert (
        "    Conditions under which an account wants to be told, one row for each alert." in lines
    )
    assert max(len(line) for line in lines) <= SIZE_LIMIT_COLUMNS
    assert "auth.users" not in done.out
    assert whaledb("describe", "--all", target=target).out.startswith("auth.users: table")


async def test_rows_and_sizes_count_partitions_with_their_table(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE TABLE public.parts (id INTEGER) PARTITION BY RANGE (id);"
        "CREATE TABLE public.parts_low PARTITION OF public.parts FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE public.parts_high PARTITION OF public.parts FOR VALUES FROM (10) TO (20);"
        "INSERT INTO public.parts SELECT n FROM generate_series(5, 14) AS n;"
        "ANALYZE public.parts"
    )
    listed = {item["name"]: item for item in whaledb("describe", "--json", target=target).json()}
    assert "parts_low" not in listed
    parts = listed["parts"]
    assert (parts["kind"], parts["partitions"]) == ("partitioned table", 2)
    assert (parts["rows_estimate"], parts["size_bytes"]) == (10, 2 * 8192)
    shown = whaledb("describe", "parts", target=target).out
    assert shown.startswith(
        "public.parts: partitioned table (2 partitions), about 10 rows, 16 KiB\n"
    )
    every = whaledb("describe", "--all", "--json", target=target).json()
    assert {"parts_low", "parts_high"} <= {item["name"] for item in every}
    assert whaledb("describe", "parts_low", target=target).code == 0


def test_a_table_with_all_that_rules_it(target: ConnectionTarget) -> None:
    shown = whaledb("describe", "alerts", target=target)
    assert (shown.code, shown.err) == (0, "")
    for part in (
        "  user_id  uuid, not null, default auth.uid()\n",
        "\nKeys\n  alerts_pkey\n      PRIMARY KEY (id)\n",
        "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE",
        "\nConstraints\n",
        "\nIndexes\n  alerts_pkey\n      UNIQUE btree (id)\n",
        "\nPolicies (row level security is on)\n",
        "  Users can view their own alerts\n      SELECT to authenticated USING (",
    ):
        assert part in shown.out
    found = whaledb("describe", "public.alerts", "--json", target=target).json()
    assert found["row_security"] is True
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["id"]["nullable"] is False
    assert columns["conditions"]["type"] == "jsonb"
    assert all(column["comment"] for column in found["columns"])
    view = whaledb("describe", "whale_transfers", target=target).out
    assert "\nDefinition\n" in view
    assert "FROM whale_transactions" in view


async def test_what_is_out_of_order_is_said(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute("CREATE TABLE public.twice AS SELECT 1 AS id UNION ALL SELECT 1")
    await connection.execute("ALTER TABLE public.twice ENABLE ROW LEVEL SECURITY")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY twice_id ON public.twice (id)")
    shown = whaledb("describe", "twice", target=target).out
    assert "UNIQUE btree (id) (INVALID: no query uses it)" in shown
    assert "Row level security is on without a policy" in shown


async def test_names_are_told_apart_by_schema_and_quoted_by_nobody(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.alerts (only_here INTEGER);"
        'CREATE TABLE elsewhere."Odd Name" (id INTEGER)'
    )
    assert "only_here" not in whaledb("describe", "alerts", target=target).out
    assert "only_here  integer\n" in whaledb("describe", "elsewhere.alerts", target=target).out
    assert whaledb("describe", "Odd Name", target=target).out.startswith("elsewhere.Odd Name: ")


ODD = """
CREATE TABLE public.odd (id INTEGER, note TEXT);
CREATE INDEX odd_index ON public.odd (id) WHERE note <> ' USING gin';
CREATE UNIQUE INDEX "odd USING name" ON public.odd (lower(note));
CREATE TABLE public.odd_parts (id INTEGER) PARTITION BY RANGE (id);
CREATE INDEX odd_parts_index ON public.odd_parts (id);
CREATE FUNCTION public.odd_trigger() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "my ""odd"" trig" BEFORE INSERT ON public.odd
    FOR EACH ROW EXECUTE FUNCTION public.odd_trigger();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.odd
    DEFERRABLE FOR EACH ROW EXECUTE FUNCTION public.odd_trigger();
ALTER TABLE public.odd ENABLE ROW LEVEL SECURITY;
CREATE POLICY owned ON public.odd
    USING (EXISTS (SELECT 1 FROM public.odd_parts AS p WHERE p.id = odd.id));
COMMENT ON TABLE public.odd IS E'First line,\r\n\n    second\tline.\n';
COMMENT ON COLUMN public.odd.note IS E'One\ntwo.';
"""


async def test_definitions_are_whole_whatever_words_are_in_names_and_literals(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(ODD)
    found = whaledb("describe", "odd", "--json", target=target).json()
    assert {part["name"]: part["definition"] for part in found["indexes"]} == {
        "odd_index": "btree (id) WHERE (note <> ' USING gin'::text)",
        "odd USING name": "UNIQUE btree (lower(note))",
    }
    triggers = {part["name"]: part["definition"] for part in found["triggers"]}
    assert triggers['my "odd" trig'].startswith("BEFORE INSERT ON public.odd FOR EACH ROW")
    assert triggers["late"].startswith("AFTER INSERT ON public.odd DEFERRABLE ")
    (index,) = whaledb("describe", "odd_parts", "--json", target=target).json()["indexes"]
    assert index["definition"] == "btree (id)"
    # The control: these have line ends, which JSON keeps.
    (policy,) = found["policies"]
    assert "\n" in policy["definition"]
    assert found["relation"]["comment"].endswith("\n")


async def test_what_has_several_lines_is_wrapped_as_one(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(ODD)
    shown = whaledb("describe", "odd", target=target).out
    lines = shown.splitlines()
    assert "\\n" not in shown
    assert lines[1] == r"First line, second\tline."
    assert "      One two." in lines
    assert "(EXISTS ( SELECT 1 FROM odd_parts p" in " ".join(shown.split())
    assert max(len(line) for line in lines) <= SIZE_LIMIT_COLUMNS
    assert r"    First line, second\tline." in whaledb("describe", target=target).out.splitlines()


WAITING = (
    "SELECT count(*) FROM pg_locks"
    " WHERE relation = 'public.alerts'::regclass AND NOT granted AND mode = 'AccessExclusiveLock'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextlib.asynccontextmanager
async def locked(connection: asyncpg.Connection, statement: str) -> AsyncGenerator[None]:
    """What a migration does that has not come to its end."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
        yield
    finally:
        await transaction.rollback()


HOLD = "LOCK TABLE public.alerts IN ACCESS EXCLUSIVE MODE"


async def test_a_lock_holds_up_nothing_but_the_size_of_what_is_locked(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with locked(connection, HOLD):
        other = whaledb("describe", "liquidity_zones", target=target)
        assert (other.code, other.err) == (0, "")
        assert "KiB" in other.out.splitlines()[0]
        listed = whaledb("describe", target=target)
        assert listed.code == 0, listed.err
        assert "alerts: table, rows not counted yet, size unknown: locked" in (
            listed.out.splitlines()
        )
        assert "perhaps a migration under way: alerts; sizes are known when" in listed.err
        sizes = whaledb("describe", "--json", target=target).json()
        assert [item["name"] for item in sizes if item["locked"]] == ["alerts"]
        assert {item["name"] for item in sizes if item["size_bytes"] is None} == {
            *(item["name"] for item in sizes if item["kind"] == "view" or item["partitions"] == 0),
            "alerts",
        }
    # The control: without the lock the same words tell the size.
    free = whaledb("describe", target=target)
    assert "locked" not in free.out + free.err.lower()


async def test_what_is_locked_itself_is_said_to_be(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute("CREATE VIEW public.seen AS SELECT id FROM public.alerts")
    async with locked(connection, HOLD):
        done = whaledb("describe", "alerts", target=target)
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            "Error: public.alerts cannot be described: another session, perhaps a migration under"
            " way, has locked it; try again when that has ended\n"
        )
        view = whaledb("describe", "seen", "--json", target=target)
        assert "public.seen cannot be described: " in view.json()["error"]["message"]
        assert "has locked public.alerts; try again" in view.json()["error"]["message"]
        assert view.json()["error"]["sqlstate"] == "55P03"
    # The control: without the lock both are described.
    assert whaledb("describe", "alerts", target=target).code == 0
    assert whaledb("describe", "seen", target=target).code == 0


async def test_a_lock_that_is_waited_for_holds_up_no_more_than_one_that_is_held(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    migration = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        async with locked(connection, "LOCK TABLE public.alerts IN ACCESS SHARE MODE"):
            # The control: a reader alone keeps nobody from the size.
            assert "locked" not in whaledb("describe", target=target).out
            waiting = asyncio.create_task(migration.execute("DROP TABLE public.alerts"))
            await until(connection, WAITING, 1)
            assert "alerts: table, rows not counted yet, size unknown: locked\n" in (
                whaledb("describe", target=target).out
            )
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    finally:
        await migration.close()


async def test_a_locked_partition_or_index_leaves_only_the_size_unknown(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE TABLE public.parts (id INTEGER) PARTITION BY RANGE (id);"
        "CREATE TABLE public.parts_low PARTITION OF public.parts FOR VALUES FROM (0) TO (10);"
        "CREATE INDEX low_index ON public.parts_low (id)"
    )
    async with locked(connection, "LOCK TABLE ONLY public.parts_low IN ACCESS EXCLUSIVE MODE"):
        parts = whaledb("describe", "parts", target=target)
        assert parts.code == 0, parts.err
        head = " ".join(parts.out.partition("\n\n")[0].split())
        assert head.endswith(
            "partitioned table (1 partition), rows not counted yet, size unknown: locked"
        )
        assert "Locked by another session" in parts.err
    async with locked(connection, "REINDEX INDEX public.low_index"):
        found = whaledb("describe", "parts_low", "--json", target=target).json()
        assert (found["relation"]["locked"], found["relation"]["size_bytes"]) == (True, None)
    free = whaledb("describe", "parts_low", "--json", target=target).json()["relation"]
    assert (free["locked"], free["size_bytes"]) == (False, 8192)


def test_a_wrong_name_gets_suggestions(target: ConnectionTarget) -> None:
    done = whaledb("describe", "whale_transaction", target=target)
    assert (done.code, done.out) == (2, "")
    assert "did you mean whale_transactions or " in done.err
    qualified = whaledb("describe", "auth.user", target=target)
    assert "did you mean auth.users?" in qualified.err
    nothing = whaledb("describe", "x", target=target)
    assert "see them all with `whaledb describe --all`" in nothing.err


async def test_a_comment_does_nothing_to_the_terminal(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute("COMMENT ON TABLE public.alerts IS E'\\x1b[2Jgone'")
    assert "\x1b" not in whaledb("describe", target=target).out
    assert r"\x1b[2Jgone" in whaledb("describe", "alerts", target=target).out


def test_an_empty_database_has_nothing(empty_database: ConnectionTarget) -> None:
    assert whaledb("describe", "--json", target=empty_database).json() == []
    told = whaledb("describe", target=empty_database)
    assert (told.code, told.out) == (0, "")
    assert told.err.startswith("0 listed")
