"""health and doctor: one JSON document, or lines for a person; never a secret."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.cli.commands import whaledb
from tests.servers import throwaway_server
from typedsql.settings import ConnectionTarget
from whaledb.project import PROJECT

CANARY = "canary-fee1"


@pytest.fixture(scope="module")
def password_server() -> Iterator[ConnectionTarget]:
    with throwaway_server(18) as target:
        yield target


def test_health_of_a_sound_database(target: ConnectionTarget) -> None:
    done = whaledb("health", "--json", target=target)
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert found["status"] == "healthy"
    assert found["migration_version"] == PROJECT.latest_migration
    assert "status              healthy\n" in whaledb("health", target=target).out


def test_health_of_an_empty_database(empty_database: ConnectionTarget) -> None:
    done = whaledb("health", "--json", target=empty_database)
    assert done.code == 1
    assert "`whaledb migrate`" in done.json()["reason"]


def test_doctor_of_a_sound_database(target: ConnectionTarget) -> None:
    done = whaledb("doctor", target=target)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Connects to  ")
    assert "Decided by   DATABASE_URL\n" in done.out
    assert f"Migrations   at {PROJECT.latest_migration}, as expected\n" in done.out
    assert done.out.endswith("\nNothing is wrong\n")
    assert whaledb("doctor", "--json", target=target).json()["findings"] == []


def test_doctor_of_an_empty_database(empty_database: ConnectionTarget) -> None:
    done = whaledb("doctor", target=empty_database)
    assert done.code == 1
    assert "Error: the database has no migrations\n" in done.out
    assert "  What to do: run `whaledb migrate`\n" in done.out


@pytest.mark.parametrize("command", ["health", "doctor"])
def test_a_wrong_password(password_server: ConnectionTarget, command: str) -> None:
    wrong = replace(password_server, password=SecretStr(CANARY))
    for words in ([command], [command, "--json"], [command, "--debug"]):
        done = whaledb(*words, target=wrong)
        assert done.code == 1
        assert "password or the user name is wrong" in done.out
        assert "correct them in DATABASE_URL" in done.out
        assert CANARY not in done.out + done.err


@pytest.mark.parametrize("command", ["migrate", "rollback", "migrations", "reset --force"])
def test_other_commands_cannot_begin_with_a_wrong_password(
    password_server: ConnectionTarget, command: str
) -> None:
    wrong = replace(password_server, password=SecretStr(CANARY))
    name = command.split()
    for words in (name, [*name, "--debug"], ["--debug", *name, "--json"]):
        done = whaledb(*words, target=wrong)
        assert done.code == 2
        assert bool(done.out) == ("--json" in words)
        assert "password or the user name is wrong" in done.err
        assert CANARY not in done.out
        assert CANARY not in done.err
        assert ("Traceback" in done.err) == ("--debug" in words)


@pytest.mark.parametrize(
    "command",
    [("migrate",), ("migrations",), ("reset", "--force"), ("query", "alerts.stream_enabled")],
    ids=lambda words: words[0],
)
def test_no_server_there(command: tuple[str, ...]) -> None:
    # Port 1 (tcpmux) is nobody's, and only root could take it.
    url = f"postgres://app:{CANARY}@127.0.0.1:1/app"
    done = whaledb(*command, environment={"DATABASE_URL": url})
    assert (done.code, done.out) == (2, "")
    assert "no server answers there (connection refused)" in done.err.splitlines()[-1]
    assert CANARY not in done.err


def test_doctor_without_a_server() -> None:
    url = f"postgres://app:{CANARY}@127.0.0.1:1/app"
    done = whaledb("doctor", environment={"DATABASE_URL": url, "POSTGRES_HOST": "elsewhere"})
    assert done.code == 1
    assert "Decided by   DATABASE_URL; overruled: POSTGRES_HOST\n" in done.out
    assert "What to do: start it, or check host and port" in done.out
    assert "POSTGRES_HOST would lead elsewhere" in done.err
    assert CANARY not in done.out + done.err


def test_a_malformed_url() -> None:
    environment = {"DATABASE_URL": f"postgres://app:{CANARY}%zz@127.0.0.1/app"}
    for words in (["migrate"], ["doctor"], ["health"], ["migrate", "--debug"]):
        done = whaledb(*words, environment=environment)
        assert done.code in (1, 2)
        assert "percent-encoded" in done.out + done.err
        assert CANARY not in done.out + done.err
