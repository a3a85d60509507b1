"""Cases 42, 43 and 44: what nobody is shown, whatever goes wrong and whoever reports it."""

import asyncio
import logging
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pydantic
import pytest
from pydantic import PostgresDsn, SecretStr

import whaledb
from tests.cli.commands import whaledb as command
from tests.engine.conftest import make, root, server_port_of_nobody
from tests.engine.doctoring import look
from tests.engine.refusing import refusing_server, silent_server
from tests.engine.resolving import password, refused, resolve
from tests.engine.toy_project import FIRST, Make
from tests.security.showing import (
    CANARY,
    PASSWORD,
    QUOTED,
    assert_told,
    assert_untold,
    everything_of,
    failure_of,
    failure_of_call,
    reports,
    representations,
)
from tests.servers import throwaway_server
from typedsql.connection_url import parse_url
from typedsql.database import Database
from typedsql.environment import Environment
from typedsql.errors import ConfigurationError, DataError, Error, TimeoutExpired
from typedsql.health import check_health, connect_and_check
from typedsql.settings import ConnectionTarget, resolve_gateway, resolve_target
from typedsql.tools import migrations
from typedsql.tools.doctor import diagnose
from whaledb.project import PROJECT
from whaledb.queries import liquidity_zones

__all__ = ["make", "root", "server_port_of_nobody"]


def url(host: str = "db.example.com", ending: str = "") -> str:
    return f"postgresql://worker:{QUOTED}@{host}/app{ending}"


ENVIRON = {
    "HOME": "/nonexistent",
    "DATABASE_URL": url(),
    "GATEWAY_DATABASE_URL": url(),
    "POSTGRES_PASSWORD": PASSWORD,
    "SUPABASE_URL": "https://abcdefgh.supabase.co",
    "SUPABASE_DB_PASSWORD": PASSWORD,
    "SUPABASE_ANON_KEY": f"sb_publishable_{CANARY}",
    "SUPABASE_SERVICE_ROLE_KEY": f"sb_secret_{CANARY}",
}


@pytest.fixture(scope="module")
def password_server() -> Iterator[ConnectionTarget]:
    with throwaway_server(18) as target:
        yield target


@pytest.fixture
def wrong(password_server: ConnectionTarget) -> ConnectionTarget:
    return replace(password_server, password=SecretStr(PASSWORD))


@pytest.fixture
async def right(password_server: ConnectionTarget) -> AsyncIterator[ConnectionTarget]:
    """A login that has this password."""
    admin = await asyncpg.connect(**password_server.asyncpg_arguments())
    name = f"secretive_{admin.get_server_pid()}"
    literal = PASSWORD.replace("'", "''")
    await admin.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{literal}'")
    await admin.close()
    yield replace(password_server, user=name, password=SecretStr(PASSWORD))


# What is at rest


@pytest.mark.case(42)
def test_no_representation_of_settings_tells_a_secret() -> None:
    environment = Environment.read(ENVIRON)
    target = resolve_target(project="shop", environ=ENVIRON)
    gateway = resolve_gateway(project="shop", environ=ENVIRON)
    parts = parse_url(SecretStr(url()), name="it")
    for shown in (environment, target, gateway, parts, replace(target, user="other")):
        assert_untold(representations(shown))
        assert_untold(iter([repr(vars(type(shown)))]))
    assert_untold(iter([target.describe()]))
    # The control: the secrets are there, for those to whom they are given.
    assert target.asyncpg_arguments()["password"] == password(target) == PASSWORD
    assert QUOTED in target.dbmate_url()
    key = environment.supabase_service_role_key
    assert key is not None
    assert CANARY in key.get_secret_value()


@pytest.mark.case(42)
async def test_the_plain_way_tells_it(right: ConnectionTarget) -> None:
    """The control: pydantic's own type for URLs, and the driver's connection."""
    assert_told(representations(PostgresDsn(url())))
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(PostgresDsn).validate_python(f"postgresql://u:{CANARY}@h:x/d")
    assert_told(iter([str(caught.value)]))
    connection: Any = await asyncpg.connect(**right.asyncpg_arguments())
    assert_told(iter([repr(connection._params)]))
    assert_told(everything_of(connection, "asyncpg"))
    await connection.close()


@pytest.mark.case(42)
async def test_no_pool_and_no_look_at_a_database_tells_it(right: ConnectionTarget) -> None:
    async with whaledb.connect(right, migrations="ignore") as db:
        await db.checking_connection().__aenter__()
        for shown in (db, db.target, db.statistics(), await check_health(db)):
            assert_untold(representations(shown) if shown is not db else iter([repr(db)]))
        found = list(everything_of(db, "typedsql"))
        assert any("ConnectionTarget(" in text for text in found)
        assert_untold(iter(found))
        # The control: who goes on into the driver's connections comes to it.
        assert_told(everything_of(db, "typedsql", "asyncpg"))
    assert_untold(representations(await connect_and_check(right, PROJECT)))
    diagnosis = await diagnose(PROJECT, environ={"DATABASE_URL": right.dbmate_url()})
    assert diagnosis.answers
    assert_untold(representations(diagnosis))


# What goes wrong


async def plainly(target: ConnectionTarget) -> None:
    """The control: what the driver says to the same."""
    await asyncpg.connect(**target.asyncpg_arguments(), timeout=5)


async def ours(target: ConnectionTarget, **options: Any) -> None:
    async with whaledb.connect(target, migrations="ignore", **options) as db:
        await liquidity_zones.count(db, exchange="kraken", symbol="ETH-USD")
        raise AssertionError("it connected")


async def named(hidden: SecretStr) -> None:
    async with whaledb.connect(hidden.get_secret_value()):
        raise AssertionError("it connected")


@pytest.mark.case(42)
@pytest.mark.parametrize("sslmode", [None, "disable"])
async def test_a_wrong_password_is_not_repeated(
    wrong: ConnectionTarget, sslmode: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    asked = replace(wrong, sslmode=sslmode)
    with caplog.at_level(logging.DEBUG):
        for work in (
            ours(asked),
            ours(asked, min_size=0),
            migrations.migrate(asked, PROJECT),
            migrations.status(asked, PROJECT),
            named(SecretStr(asked.dbmate_url(sslmode="disable"))),
        ):
            failure = await failure_of(work)
            assert isinstance(failure, Error)
            assert "the password or the user name is wrong" in str(failure)
            assert_untold(reports(failure))
        assert_untold(representations(await connect_and_check(asked, PROJECT)))
        diagnosis = await diagnose(PROJECT, environ={"DATABASE_URL": asked.dbmate_url()})
        assert_untold(representations(diagnosis))
    assert_untold(iter([caplog.text, *(repr(vars(record)) for record in caplog.records)]))
    assert_told(reports(await failure_of(plainly(asked))))


@pytest.mark.case(42)
async def test_what_cannot_be_reached_tells_nobody_the_password(
    wrong: ConnectionTarget, server_port_of_nobody: int
) -> None:
    for asked in (
        replace(wrong, port=server_port_of_nobody),
        replace(wrong, host="nowhere.invalid"),
        replace(wrong, host="/nonexistent"),
        replace(wrong, sslmode="require"),
        replace(wrong, database="nowhere", user="nobody"),
    ):
        failure = await failure_of(ours(asked))
        assert isinstance(failure, Error)
        assert_untold(reports(failure))
        assert_told(reports(await failure_of(plainly(asked))))
    async with silent_server(wrong) as asked:
        failure = await failure_of(ours(asked, connect_timeout_s=0.1))
        assert isinstance(failure, Error)
        assert_untold(reports(failure))
        assert_untold(reports(await failure_of(asyncio.wait_for(ours(asked), 0.1))))
        assert_told(reports(await failure_of(asyncio.wait_for(plainly(asked), 0.1))))


@pytest.mark.case(42)
@pytest.mark.parametrize(
    "said",
    [("53300", "too many clients"), ("08P01", "no more connections allowed"), ("XX000", "odd")],
)
async def test_who_refuses_is_told_nothing_of_it(said: tuple[str, str]) -> None:
    for after_login in (False, True):
        async with refusing_server(*said, after_login=after_login) as (target, _):
            asked = replace(target, password=SecretStr(PASSWORD), sslmode="disable")
            failure = await failure_of(ours(asked, acquire_timeout_s=0.2))
            assert isinstance(failure, Error)
            assert_untold(reports(failure))
            assert_untold(representations(await look(asked)))


@pytest.mark.case(42)
@pytest.mark.parametrize(
    "broken",
    [
        {"DATABASE_URL": url(ending="#")},
        {"DATABASE_URL": url().replace(QUOTED, PASSWORD)},
        {"DATABASE_URL": url("db.abc.supabase.co")},
        {"DATABASE_URL": url(), "GATEWAY_DATABASE_URL": url(ending="#")},
        {"DATABASE_URL": "", "POSTGRES_HOST": url()},
        {"DATABASE_URL": "", "POSTGRES_PORT": PASSWORD},
        {"DATABASE_URL": "", "POSTGRES_PASSWORD": "", "SUPABASE_URL": url()},
        {"DATABASE_URL": f"postgresql://u:sb_secret_{CANARY}@h/d"},
        {"DATABASE_URL": [PASSWORD]},
    ],
    ids=lambda broken: "+".join(broken),
)
def test_settings_that_cannot_be_used_are_not_repeated(broken: dict[str, Any]) -> None:
    failure = failure_of_call(SecretEnviron(ENVIRON | broken).resolve)
    assert isinstance(failure, ConfigurationError)
    assert_untold(reports(failure))
    assert failure.__context__ is None


class SecretEnviron:
    """Variables of which no report shows more than that they are there."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def resolve(self) -> None:
        resolve_target(project="shop", environ=self._values)
        resolve_gateway(project="shop", environ=self._values)


@pytest.mark.case(42)
@pytest.mark.parametrize("ending", ["#", "/x@", "?a@", "%zz"])
async def test_a_url_that_is_given_is_not_repeated(ending: str) -> None:
    hidden = SecretStr(f"postgresql://worker:{CANARY}{ending}@db.example.com/app")
    for call in (
        whaledb.create_tables,
        whaledb.drop_tables,
        whaledb.reset_database,
        whaledb.check_database_health,
    ):
        failure = await failure_of(calling(call, hidden))
        assert isinstance(failure, ConfigurationError)
        assert_untold(reports(failure))
    assert_untold(reports(await failure_of(named(hidden))))
    for resolving in (resolve_target, resolve_gateway):
        failure = failure_of_call(Resolving(resolving, hidden).resolve)
        assert isinstance(failure, ConfigurationError)
        assert_untold(reports(failure))
    # The control: a frame that keeps it in a variable is shown with it.
    assert_told(reports(await failure_of(keeping(hidden.get_secret_value()))))


class Resolving:
    def __init__(self, resolving: Any, hidden: SecretStr) -> None:
        self._resolving, self._hidden = resolving, hidden

    def resolve(self) -> None:
        self._resolving(self._hidden.get_secret_value(), project="shop", environ={})


async def calling(call: Any, hidden: SecretStr) -> None:
    await call(hidden.get_secret_value())


async def keeping(plain: str) -> None:
    async with whaledb.connect(plain):
        raise AssertionError("it connected")


@pytest.mark.case(42)
async def test_a_migration_that_fails_does_not_tell_it(
    right: ConnectionTarget, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its child has the URL in its environment, and may repeat it."""
    broken = make({FIRST: "-- migrate:up\nSELECT 1 / 0;\n-- migrate:down\n"})
    failure = await failure_of(migrations.migrate(replace(right, database="secretive"), broken))
    assert isinstance(failure, Error)
    assert "division by zero" in str(failure)
    assert_untold(reports(failure))
    with monkeypatch.context() as patched:
        patched.setattr("typedsql.tools.dbmate.RUN_LIMIT_S", 0.001)
        failure = await failure_of(migrations.migrate(replace(right, database="secretive"), broken))
    assert isinstance(failure, TimeoutExpired)
    assert_untold(reports(failure))
    (broken.root / broken.dbmate_env).write_text("DBMATE_MIGRATIONS_TABLE=public.other\n")
    failure = await failure_of(migrations.migrate(replace(right, database="secretive"), broken))
    assert isinstance(failure, ConfigurationError)
    assert_untold(reports(failure))


@pytest.mark.case(42)
@pytest.mark.parametrize("words", ["health", "doctor", "migrate", "query liquidity_zones.list"])
def test_the_command_line_does_not_tell_it(wrong: ConnectionTarget, words: str) -> None:
    """Keys and a broken gateway stand beside it."""
    more = {name: value for name, value in ENVIRON.items() if name.startswith("SUPABASE_")}
    more["GATEWAY_DATABASE_URL"] = url(ending="#")
    done = command("--debug", *words.split(), target=wrong, environment=more)
    assert done.code != 0
    assert done.out + done.err
    assert CANARY not in done.out + done.err


# A URL whose password is not percent-encoded


@pytest.mark.case(43)
@pytest.mark.parametrize("character", ["#", "/", "@", "?", "%"])
def test_the_guidance_says_how_to_write_what_a_password_may_not_hold(character: str) -> None:
    secret = f"{CANARY}{character}{CANARY}"
    plain = f"postgresql://u:{secret}@h/d"
    for error in (refused(plain), refused(DATABASE_URL=plain)):
        assert error.code == "special_characters"
        assert f"{character} as %{ord(character):02X}" in error.action
        assert_untold(reports_without_the_test(error))
    encoded = plain.replace(secret, urllib.parse.quote(secret, safe=""))
    assert password(resolve(encoded)) == secret
    # The control: the standard library takes another part for the password, or repeats it.
    try:
        split = urllib.parse.urlsplit(plain)
        misread = (split.hostname, split.port, urllib.parse.unquote(split.password or ""))
        assert character in "@%" or misread != ("h", None, secret)
    except ValueError as error:
        assert CANARY in str(error)


def reports_without_the_test(error: ConfigurationError) -> Iterator[str]:
    """The URL is among the variables of the test, and of those it calls to resolve it."""
    yield str(error)
    yield repr(vars(error))


# The row that a violation is about

LEVEL: dict[str, Any] = {
    "price_level": Decimal("777.5"),
    "size": Decimal(1),
    "side": "bid",
    "strength": None,
    "exchange": "kraken",
    "symbol": "ETH-USD",
}
PLAIN_INSERT = (
    "INSERT INTO public.liquidity_zones (price_level, size, side, exchange, symbol)"
    " VALUES (777.5, 1, '{}', 'kraken', 'ETH-USD')"
)


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("side", "state", "constraint"),
    [
        ("bid", "23505", "idx_liquidity_zones_symbol"),
        ("left", "23514", "liquidity_zones_side_known"),
    ],
)
async def test_the_row_of_a_violation_is_not_told(
    db: Database, side: str, state: str, constraint: str
) -> None:
    await liquidity_zones.insert(db, **LEVEL)
    with pytest.raises(DataError) as caught:
        await liquidity_zones.insert(db, **LEVEL | {"side": side})
    assert (caught.value.sqlstate, caught.value.constraint) == (state, constraint)
    cause: Any = caught.value.__cause__
    for text in (str(caught.value), repr(caught.value), str(cause), repr(vars(cause))):
        assert "777.5" not in text
    # The control: the driver's own message ends with the row.
    async with db.connection() as connection:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as plain:
            await connection.execute(PLAIN_INSERT.format(side))
    assert "777.5" in str(plain.value)
    assert "DETAIL" in str(plain.value)
