"""Where migrations may run, and what the child process gets to know."""

import asyncio
import contextlib
import secrets
import shlex
import stat
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from tests.databases import dbmate_program
from tests.engine.toy_project import (
    CREATE_THINGS,
    FIRST,
    Make,
    bare_dbmate,
    versions,
)
from typedsql.errors import (
    ConfigurationError,
    OperatorError,
)
from typedsql.settings import ConnectionTarget
from typedsql.tools import dbmate, migrations

pytestmark = pytest.mark.versions

Connection = asyncpg.Connection


@pytest.mark.parametrize("work", [migrations.drop_tables, migrations.reset_database])
async def test_a_server_elsewhere_is_refused_before_anything_is_sent(
    make: Make, monkeypatch: pytest.MonkeyPatch, work: Callable[..., object]
) -> None:
    async def must_not_connect(*arguments: object, **options: object) -> None:
        raise AssertionError("it connected")

    monkeypatch.setattr(asyncpg, "connect", must_not_connect)
    project = make({FIRST: CREATE_THINGS})
    with pytest.raises(ConfigurationError, match="not on this machine: nothing was done") as caught:
        await work(elsewhere(), project)  # type: ignore[misc]
    assert "canary" not in str(caught.value)
    with pytest.raises(AssertionError, match="it connected"):
        await work(elsewhere(), project, force=True)  # type: ignore[misc]


def elsewhere() -> ConnectionTarget:
    """A server on a network that is reserved for documentation."""
    return ConnectionTarget(
        host="192.0.2.1",
        port=5432,
        database="app",
        user="app",
        password=SecretStr("canary-5d1c"),
        sslmode=None,
        sslrootcert=None,
        source="DATABASE_URL",
        embedded_dir=None,
    )


async def test_a_transaction_pooler_is_refused(make: Make) -> None:
    project = make({FIRST: CREATE_THINGS})
    with pytest.raises(ConfigurationError, match="lose their lock"):
        await migrations.migrate(replace(elsewhere(), mode="transaction"), project)


async def test_a_read_only_database_is_refused(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    await looking.execute(
        f'ALTER DATABASE "{empty_database.database}" SET default_transaction_read_only = on'
    )
    with pytest.raises(OperatorError, match="read-only"):
        await migrations.migrate(empty_database, project)


async def test_the_environment_does_not_change_what_the_child_does(
    empty_database: ConnectionTarget,
    looking: Connection,
    make: Make,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    foreign = {
        "DATABASE_URL": "postgres://nobody@192.0.2.1:1/nowhere",
        "DBMATE_MIGRATIONS_TABLE": "public.elsewhere",
        "DBMATE_MIGRATIONS_DIR": "/nowhere",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGSERVICE": "nowhere",
        "PGSSLMODE": "verify-full",
    }
    for key, value in foreign.items():
        monkeypatch.setenv(key, value)
    (root / ".env").write_text("DBMATE_MIGRATION_LOCK=true\n")
    monkeypatch.chdir(root)
    project = make({FIRST: CREATE_THINGS})
    assert (await migrations.migrate(empty_database, project)).files
    assert await versions(looking) == [FIRST[:14]]

    # The control: dbmate obeys the environment against its own file.
    table = foreign["DBMATE_MIGRATIONS_TABLE"]
    await bare_dbmate(empty_database, project, "status", DBMATE_MIGRATIONS_TABLE=table)
    await looking.execute("DROP TABLE public.things")
    assert await bare_dbmate(empty_database, project, DBMATE_MIGRATIONS_TABLE=table) == 0
    assert await looking.fetchval("SELECT count(*) FROM public.elsewhere") == 1


async def test_the_url_is_no_argument_of_the_child(
    empty_database: ConnectionTarget,
    looking: Connection,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = tmp_path / "arguments"
    wrapper = tmp_path / "dbmate"
    log, real = shlex.quote(str(seen)), shlex.quote(str(dbmate_program()))
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    password, role = "canary-p@ss/w#r%d:", f"odd_{secrets.token_hex(4)}"
    await looking.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{password}'")
    try:
        project = make({FIRST: CREATE_THINGS})
        odd = replace(empty_database, user=role, password=SecretStr(password))
        assert (await migrations.migrate(odd, project)).files
    finally:
        await looking.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        await looking.execute(f"DROP ROLE {role}")
    assert "migrate" in seen.read_text()
    assert "canary" not in seen.read_text()
    assert "postgres:" not in seen.read_text()


def test_the_secret_is_masked_wherever_dbmate_repeats_it() -> None:
    text = 'Error: parse "postgres://u:canary%231@h/d": canary#1 is an invalid URL escape'
    masked = dbmate._masked(text, SecretStr("canary#1"))
    assert dbmate._read_result(2, None, (), masked).message == (
        'parse "postgres://u:********@h/d": ******** is an invalid URL escape'
    )
    assert dbmate._masked("nothing", None) == dbmate._masked("nothing", SecretStr("")) == "nothing"


async def test_a_pooler_that_takes_no_options_gets_none(
    empty_database: ConnectionTarget, looking: Connection, make: Make
) -> None:
    project = make({FIRST: CREATE_THINGS})
    async with refusing_options(empty_database) as (proxied, refused):
        assert (await migrations.migrate(proxied, project)).files == (f"{FIRST}.sql",)
    assert refused
    assert await versions(looking) == [FIRST[:14]]


@contextlib.asynccontextmanager
async def refusing_options(
    target: ConnectionTarget,
) -> AsyncGenerator[tuple[ConnectionTarget, list[bytes]], None]:
    """In front of a real server, what PgBouncer does with a startup parameter it does not know."""
    refused: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = await reader.readexactly(4)
        startup = await reader.readexactly(int.from_bytes(length) - 4)
        if startup == (80877103).to_bytes(4):  # SSLRequest
            writer.write(b"N")
            length = await reader.readexactly(4)
            startup = await reader.readexactly(int.from_bytes(length) - 4)
        if b"\0options\0" in startup:
            refused.append(startup)
            fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            writer.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
            await writer.drain()
            writer.close()
            return
        if target.host.startswith("/"):
            path = f"{target.host}/.s.PGSQL.{target.port}"
            inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        else:
            inner_reader, inner_writer = await asyncio.open_connection(target.host, target.port)
        inner_writer.write(length + startup)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        port = proxy.sockets[0].getsockname()[1]
        yield (
            replace(target, host="127.0.0.1", port=port, sslmode=None, embedded_dir=None),
            refused,
        )
