"""Which of the sources of settings counts, and the embedded server."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import PostgresDsn

import whaledb
from tests.engine.resolving import CANARY, SUPABASE, password, refusal, resolve
from typedsql.errors import ConfigurationError
from typedsql.settings import masked, resolve_gateway, resolve_target

# Precedence


POSTGRES = {"POSTGRES_HOST": "pg.example.com"}
DATABASE_URL = {"DATABASE_URL": "postgresql://u@url.example.com/d"}


def test_an_argument_goes_before_every_variable() -> None:
    target = resolve("postgresql://u@argument.example.com/d", **DATABASE_URL, **POSTGRES)
    assert (target.host, target.source) == ("argument.example.com", "argument")


def test_database_url_goes_before_postgres_variables() -> None:
    target = resolve(**DATABASE_URL, **POSTGRES, **SUPABASE)
    assert (target.host, target.source) == ("url.example.com", "DATABASE_URL")


def test_postgres_variables_go_before_supabase() -> None:
    target = resolve(**POSTGRES, **SUPABASE)
    assert (target.host, target.source) == ("pg.example.com", "POSTGRES_*")


def test_supabase_comes_last() -> None:
    assert resolve(**SUPABASE).source == "SUPABASE_*"


def test_the_process_environment_is_read_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "SUPABASE_URL", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@process.example.com/d")
    assert resolve_target(project="shop").host == "process.example.com"
    assert resolve(POSTGRES_HOST="given.example.com").host == "given.example.com"


def test_a_dotenv_file_in_the_current_folder_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://u@dotenv.example.com/d\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("POSTGRES_HOST", "process.example.com")
    assert resolve_target(project="shop").host == "process.example.com"


def test_with_nothing_set_the_error_names_the_variables() -> None:
    message = refusal()
    for name in ("DATABASE_URL", "POSTGRES_HOST", "SUPABASE_URL", "SUPABASE_DB_PASSWORD"):
        assert name in message


def test_an_empty_variable_counts_as_unset() -> None:
    assert resolve(DATABASE_URL="", **POSTGRES).source == "POSTGRES_*"
    assert "Nothing says" in refusal(DATABASE_URL="", POSTGRES_HOST="")


@pytest.mark.parametrize(
    "url", [f"postgresql://u:{CANARY}@h/d".encode(), PostgresDsn(f"postgresql://u:{CANARY}@h/d")]
)
async def test_what_is_no_text_is_refused_by_its_type_alone(url: Any) -> None:
    for refuse in (
        lambda: resolve(url),
        lambda: resolve_gateway(url, project="shop", environ={}),
        lambda: masked(url),
    ):
        with pytest.raises(ConfigurationError, match=f"and this is a {type(url).__name__}") as told:
            refuse()
        assert CANARY not in str(told.value)
    with pytest.raises(ConfigurationError):
        async with whaledb.connect(url):
            pass


def test_an_empty_argument_is_refused_rather_than_skipped() -> None:
    assert refusal("", **POSTGRES).startswith("The given URL is empty. Write postgresql://")


# POSTGRES_*


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_HOST", "db.example.com"),
        ("POSTGRES_PORT", "6000"),
        ("POSTGRES_DB", "app"),
        ("POSTGRES_USER", "worker"),
        ("POSTGRES_PASSWORD", CANARY),
    ],
)
def test_any_postgres_variable_brings_the_defaults_of_the_others(name: str, value: str) -> None:
    expected = {
        "POSTGRES_HOST": "localhost",
        "POSTGRES_PORT": "5432",
        "POSTGRES_DB": "postgres",
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": "postgres",
    } | {name: value}
    target = resolve(**{name: value})
    assert {
        "POSTGRES_HOST": target.host,
        "POSTGRES_PORT": str(target.port),
        "POSTGRES_DB": target.database,
        "POSTGRES_USER": target.user,
        "POSTGRES_PASSWORD": password(target),
    } == expected


@pytest.mark.parametrize("port", ["0", "65536", "5432x", "-1", "٥٤٣٢", CANARY])
def test_a_port_that_is_none_is_refused_by_its_name(port: str) -> None:
    assert refusal(POSTGRES_PORT=port) == "POSTGRES_PORT is not a number from 1 to 65535."


def test_a_url_in_postgres_host_is_refused_without_being_repeated() -> None:
    message = refusal(POSTGRES_HOST=f"postgres://u:{CANARY}@h/d")
    assert "DATABASE_URL" in message
    assert CANARY not in message


def test_postgres_host_may_be_a_socket_folder() -> None:
    assert resolve(POSTGRES_HOST="/var/run/postgresql").is_local()


# Sources that disagree


def warnings_of(caplog: pytest.LogCaptureFixture, **environ: str) -> str:
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="typedsql"):
        resolve(**environ)
    return caplog.text


def test_sources_that_disagree_are_logged_by_their_names_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = warnings_of(
        caplog,
        DATABASE_URL=f"postgresql://worker:{CANARY}@db.example.com/app",
        POSTGRES_HOST="other.example.com",
        POSTGRES_DB="app",
        POSTGRES_PASSWORD="another-" + CANARY,
        SUPABASE_URL="https://abcdefgh.supabase.co",
        SUPABASE_DB_PASSWORD=CANARY,
    )
    assert "DATABASE_URL decides" in text
    for name in ("POSTGRES_HOST", "POSTGRES_PASSWORD", "SUPABASE_URL"):
        assert name in text
    assert "POSTGRES_DB" not in text
    for secret in (CANARY, "other.example.com", "db.example.com", "abcdefgh"):
        assert secret not in text


def test_a_local_supabase_disagrees_without_a_password(caplog: pytest.LogCaptureFixture) -> None:
    text = warnings_of(caplog, **DATABASE_URL, SUPABASE_URL="http://localhost:54321")
    assert "SUPABASE_URL would lead elsewhere" in text


def test_sources_that_agree_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert not warnings_of(
        caplog,
        DATABASE_URL="postgresql://postgres:pw@localhost/app",
        POSTGRES_HOST="127.0.0.1",
        POSTGRES_PASSWORD="pw",
        POSTGRES_DB="app",
    )
    pooled = "postgresql://postgres.abcdefgh:pw@aws-0-eu.pooler.supabase.com:5432/postgres"
    assert not warnings_of(caplog, DATABASE_URL=f"{pooled}?sslrootcert=system", **SUPABASE)


def test_keys_modes_and_gateways_argue_with_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """They name no database to connect to, and so none other than the one that was decided."""
    assert not warnings_of(
        caplog,
        **DATABASE_URL,
        DATABASE_MODE="session",
        GATEWAY_DATABASE_URL=f"postgresql://gateway:{CANARY}@other.example.com/d",
        SUPABASE_URL="https://abcdefgh.supabase.co",
        SUPABASE_ANON_KEY=CANARY,
        SUPABASE_SERVICE_ROLE_KEY=CANARY,
    )
    # The control: with its password the same SUPABASE_URL names a database.
    assert "SUPABASE_URL" in warnings_of(
        caplog,
        **DATABASE_URL,
        SUPABASE_URL="https://abcdefgh.supabase.co",
        SUPABASE_DB_PASSWORD=CANARY,
    )


def test_an_explicit_argument_is_not_argued_with(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="typedsql"):
        resolve("postgresql://u@argument.example.com/d", **DATABASE_URL)
    assert not caplog.text


# The embedded server


def test_the_embedded_server_is_named_and_never_guessed() -> None:
    assert resolve("embedded:/srv/data").embedded_dir == Path("/srv/data")
    assert resolve(DATABASE_URL="embedded:/srv/data").source == "DATABASE_URL"
    assert "Nothing says" in refusal()
    default = resolve(embedded_default=True)
    assert default.source == "embedded (default)"
    assert default.embedded_dir == resolve("embedded:").embedded_dir


def test_variables_that_are_half_set_do_not_lead_to_the_embedded_server() -> None:
    with pytest.raises(ConfigurationError, match="SUPABASE_DB_PASSWORD"):
        resolve(embedded_default=True, SUPABASE_URL="https://abcdefgh.supabase.co")


def test_an_embedded_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("embedded:data").embedded_dir == tmp_path / "data"
    assert resolve("embedded:~/data").embedded_dir == Path("/nonexistent/data")


def test_the_default_folder_is_below_the_user_data_or_for_root_below_var_lib(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert resolve("embedded:").embedded_dir == Path("/nonexistent/.local/share/shop/postgresql-18")
    assert resolve("embedded:", XDG_DATA_HOME="/data").embedded_dir == Path(
        "/data/shop/postgresql-18"
    )
    # The XDG specification says to ignore a relative one.
    assert resolve("embedded:", XDG_DATA_HOME="data").embedded_dir == Path(
        "/nonexistent/.local/share/shop/postgresql-18"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert resolve("embedded:").embedded_dir == Path("/var/lib/shop/postgresql-18")
    assert resolve("embedded:", XDG_DATA_HOME="/srv/data").embedded_dir == Path(
        "/srv/data/shop/postgresql-18"
    )


def test_a_user_without_a_home_needs_none_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under any number: no HOME, no name in /etc/passwd."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    url = "postgresql://u@127.0.0.1/d"
    assert resolve_target(url, project="shop", environ={}).host == "127.0.0.1"
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    for needing in (f"{url}?sslmode=verify-full", "embedded:", "embedded:~/data"):
        with pytest.raises(ConfigurationError, match="HOME is not set"):
            resolve_target(needing, project="shop", environ={})


def test_a_server_that_was_not_started_has_no_address() -> None:
    target = resolve("embedded:/srv/data")
    for call in (target.asyncpg_arguments, target.dbmate_url):
        with pytest.raises(ConfigurationError, match="was not started"):
            call()
