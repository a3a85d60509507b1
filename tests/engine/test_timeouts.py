"""@timeout: the limit of one statement, on top of the limits that a connection has."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import whaledb
from tests.engine.query_folder import QueryFolder
from typedsql.database import Database
from typedsql.errors import CodeError, OutcomeUnknown, TimeoutExpired
from typedsql.settings import ConnectionTarget
from typedsql.statements import parse_statements

pytestmark = pytest.mark.versions

QUERIES = """\
-- name: list_late(pause_s)
-- @timeout 200ms
SELECT pg_sleep(:pause_s) AS slept, 'late_list' AS word;

-- name: get_late(pause_s)^
-- @timeout 0.2s
SELECT pg_sleep(:pause_s) AS slept, 'late_get' AS word;

-- name: late_value(pause_s)$
-- @timeout 200ms
SELECT pg_sleep(:pause_s) AS slept;

-- name: change_late(pause_s)!
-- @timeout 200ms
CALL public.rest(:pause_s);

-- name: change_without_parameters()!
-- @timeout 200ms
CALL public.rest(30);

-- name: unlimited(pause_s)$
SELECT CAST(pg_sleep(:pause_s) AS TEXT) AS slept;

-- name: patient(pause_s)$
-- @timeout 1min
SELECT CAST(pg_sleep(:pause_s) AS TEXT) AS slept;
"""

LATE = {
    "list_late": (30,),
    "get_late": (30,),
    "late_value": (30,),
    "change_late": (30,),
    "change_without_parameters": (),
}

CANCELLED_WITHIN_S = 15.0
"""Half of what the statements would take."""

MAY_BE_STORED = (
    ", perhaps after it was stored: look before running it again, unless it may be stored twice"
)

PROCEDURE = (
    "CREATE PROCEDURE public.rest(pause_s FLOAT8) LANGUAGE plpgsql AS "
    "$$ BEGIN PERFORM pg_sleep(pause_s); END $$"
)


@pytest.fixture
async def folder(tmp_path: Path, connection: asyncpg.Connection) -> QueryFolder:
    await connection.execute(PROCEDURE)
    made = QueryFolder(tmp_path, QUERIES)
    assert made.told == []
    return made


async def at_work(connection: asyncpg.Connection) -> int:
    """How many of these statements the server is still running."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
        "AND query LIKE '/* things.%' AND pid <> pg_backend_pid()"
    )
    return found


async def until_nothing_works(connection: asyncpg.Connection) -> None:
    """Where the server was slow to cancel, the pool has opened another connection meanwhile."""
    async with asyncio.timeout(CANCELLED_WITHIN_S):
        while await at_work(connection):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", LATE)
async def test_a_late_statement_is_cancelled_and_its_connection_usable(
    folder: QueryFolder, target: ConnectionTarget, connection: asyncpg.Connection, name: str
) -> None:
    changes = name.startswith("change_")
    async with whaledb.connect(target, max_size=1, acquire_timeout_s=5) as db:
        for _ in range(2):  # at its first use it is prepared as well
            with pytest.raises(TimeoutExpired) as caught:
                await folder.bound(name, reads_only=not changes)(db, *LATE[name])
            assert str(caught.value) == (
                f"things.{name}: no answer within its @timeout of 0.2 s; "
                f"the statement was cancelled{MAY_BE_STORED if changes else ''}"
            )
            assert isinstance(caught.value, OutcomeUnknown) == changes
            assert caught.value.query == f"things.{name}"
            assert await folder.bound("unlimited")(db, 0) == ""
            await until_nothing_works(connection)


async def test_without_a_limit_the_server_works_on(
    folder: QueryFolder, db: Database, connection: asyncpg.Connection
) -> None:
    """The control: what is given up without being cancelled goes on."""
    task = asyncio.create_task(folder.bound("unlimited")(db, 1.5))
    await asyncio.sleep(0.5)
    assert not task.done()
    assert await at_work(connection) == 1
    assert await task == ""


@pytest.mark.parametrize("name", LATE)
async def test_in_a_transaction_it_ends_the_block_or_its_savepoint(
    folder: QueryFolder, target: ConnectionTarget, name: str
) -> None:
    async with whaledb.connect(target, max_size=1, acquire_timeout_s=5) as db:
        async with db.transaction() as tx:
            with pytest.raises(TimeoutExpired, match=rf"things\.{name}"):
                async with tx.transaction() as savepoint:
                    await folder.bound(name)(savepoint, *LATE[name])
            assert await folder.bound("unlimited")(tx, 0) == ""
        with pytest.raises(TimeoutExpired):
            async with db.transaction() as tx:
                await folder.bound(name)(tx, *LATE[name])
        with pytest.raises(CodeError, match="the block went on"):
            async with db.transaction() as tx:
                with pytest.raises(TimeoutExpired):
                    await folder.bound(name)(tx, *LATE[name])
        assert await folder.bound("unlimited")(db, 0) == ""


async def test_a_longer_limit_than_the_connections_holds(
    folder: QueryFolder, target: ConnectionTarget
) -> None:
    async with whaledb.connect(target, command_timeout_s=0.3) as db:
        assert await folder.bound("patient")(db, 0.6) == ""
        with pytest.raises(TimeoutExpired, match=r"things\.unlimited: no answer within the time"):
            await folder.bound("unlimited")(db, 0.6)


async def test_a_lock_at_the_first_use_counts_as_well(
    target: ConnectionTarget, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    text = "-- name: list_things()\n-- @timeout 200ms\nSELECT t.id FROM public.things AS t;\n"
    await connection.execute("CREATE TABLE public.things (id INTEGER)")
    call = QueryFolder(tmp_path, text).bound("list_things")
    async with whaledb.connect(target, max_size=1) as db:
        async with connection.transaction():
            await connection.execute("LOCK TABLE public.things")
            with pytest.raises(TimeoutExpired, match=r"@timeout of 0\.2 s"):
                await call(db)
        assert await call(db) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("@timeout", "@timeout takes a time of more than 0, in ms, s or min; write `-- @timeout"),
        ("@timeout 2", "@timeout takes a time"),
        ("@timeout 2h", "@timeout takes a time"),
        ("@timeout 0s", "@timeout takes a time"),
        ("@timeout -1s", "@timeout takes a time"),
        ("@timeout 1s\n-- @timeout 2s", "directive @timeout stands twice"),
        ("@optional", "@optional names the parameters that may be left out; write"),
        ("@optional b", "@optional b is no parameter of the statement; its parameters are a"),
        ("@optional a, a", "@optional names a twice"),
        ("@optional a\n-- @optional a", "@optional names a twice"),
        ("@order_by newest", "@order_by takes a name and what stands after ORDER BY; write"),
        ("@order_by x 1\n-- @order_by x 2", "two orderings are named x"),
        ("@one yes", "@one takes no value; write `-- @one`"),
        ("@returns", "is no Python class name; write `-- @returns Name`"),
        ("@retruns X", "unknown directive @retruns; known are @batch, @one, @optional"),
    ],
)
def test_directives_that_say_nothing_are_refused_at_their_line(line: str, told: str) -> None:
    text = f"\n-- name: it(a)\n-- What it is.\n-- {line}\nSELECT 1 AS x WHERE 1 = :a;\n"
    with pytest.raises(CodeError) as caught:
        parse_statements(text, "things", "queries/things.sql")
    assert told in str(caught.value)
    number = 5 if "\n" in line and line.partition("\n")[0] != line.partition("-- ")[2] else 4
    assert str(caught.value).startswith(f"queries/things.sql:{number}: ")


def test_all_of_a_files_directives_are_told_at_once() -> None:
    text = "".join(f"-- name: it{n}()\n-- @timeout soon\nSELECT 1 AS x;\n" for n in range(3))
    with pytest.raises(CodeError) as caught:
        parse_statements(text, "things", "queries/things.sql")
    assert [line[:22] for line in str(caught.value).splitlines()] == [
        "queries/things.sql:2: ",
        "queries/things.sql:5: ",
        "queries/things.sql:8: ",
    ]


def digest(header: str) -> str:
    text = f"-- name: it(a, b)^\n{header}SELECT 1 AS x WHERE 1 = :a AND 2 = :b ORDER BY x;\n"
    return parse_statements(text, "things", "queries/things.sql")["it"].digest


def test_a_directive_that_changes_what_a_call_does_changes_the_digest() -> None:
    headers: list[Any] = [
        "",
        "-- @one\n",
        "-- @timeout 1s\n",
        "-- @timeout 2s\n",
        "-- @optional a\n",
        "-- @optional a, b\n",
        "-- @optional a\n-- @optional b\n",
        "-- @order_by x x\n-- @order_by y x DESC\n",
        "-- @order_by x x\n-- @order_by z x DESC\n",
    ]
    assert len({digest(header) for header in headers}) == len(headers)
    assert digest("-- Prose.\n-- @returns It\n") == digest("")
    assert digest("-- @timeout 1000ms\n") == digest("-- @timeout 1s\n")
