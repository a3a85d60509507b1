"""What an image must do to stand in for the official one: names, words, rights, signals."""

from collections.abc import Generator
from contextlib import contextmanager

import asyncpg
import docker
import pytest
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from tests.containers.conftest import DATABASE, PASSWORD, USER, PostgresContainer

pytestmark = pytest.mark.containers

PORT = 5432
END_LIMIT_SECONDS = 60


@contextmanager
def bare(image: str, *words: str, **environment: str) -> Generator[Container, None, None]:
    """A container whose readiness nobody waits for; its volume goes with it."""
    client = docker.from_env()
    try:
        made = client.containers.run(image, list(words), environment=environment, detach=True)
        try:
            yield made
        finally:
            made.remove(force=True, v=True)
    finally:
        client.close()


async def connected(container: PostgresContainer, **changes: str) -> "asyncpg.Connection":
    named = {"user": USER, "password": PASSWORD, "database": DATABASE} | changes
    return await asyncpg.connect(
        host=container.get_container_host_ip(),
        port=container.get_exposed_port(container.port),
        **named,
    )


async def test_user_password_and_database_are_those_that_were_named(
    container: PostgresContainer,
) -> None:
    connection = await connected(container)
    try:
        row = await connection.fetchrow(
            "SELECT current_user, rolsuper, current_database()"
            " FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    assert tuple(row) == (USER, True, DATABASE)


@pytest.mark.parametrize("wrong", [{"password": PASSWORD + "x"}, {"user": "postgres"}])
async def test_anybody_else_is_refused(container: PostgresContainer, wrong: dict[str, str]) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connected(container, **wrong)


async def test_words_after_the_image_reach_the_server(container: PostgresContainer) -> None:
    connection = await connected(container)
    try:
        assert await connection.fetchval("SHOW fsync") == "off"
        assert await connection.fetchval("SHOW work_mem") == "5MB"
        assert await connection.fetchval("SHOW full_page_writes") == "on", "the control"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    finally:
        await connection.close()


def test_the_first_process_is_the_server_and_not_as_root(container: PostgresContainer) -> None:
    code, output = container.exec(["cat", "/proc/1/status"])
    assert code == 0
    status = dict(line.split(":\t", 1) for line in output.decode().splitlines() if ":\t" in line)
    assert status["Name"] == "postgres"
    assert "0" not in status["Uid"].split()


def test_without_a_password_it_refuses_to_start(image: str) -> None:
    with bare(image) as container:
        assert container.wait(timeout=END_LIMIT_SECONDS)["StatusCode"] == 1
        log = container.logs().decode()
        assert "POSTGRES_PASSWORD" in log
        assert "ready to accept connections" not in log


async def test_a_user_alone_names_the_database_too_and_trust_needs_no_password(image: str) -> None:
    made = DockerContainer(image).with_exposed_ports(PORT)
    made.with_envs(POSTGRES_USER="ann", POSTGRES_HOST_AUTH_METHOD="trust")
    # Over TCP, on which the server that only sets things up must not listen.
    made.waiting_for(ExecWaitStrategy(["psql", "-h", "127.0.0.1", "-U", "ann", "-c", "SELECT 1"]))
    with made as container:
        connection = await asyncpg.connect(
            host=container.get_container_host_ip(),
            port=container.get_exposed_port(PORT),
            user="ann",
            ssl=False,
        )
        try:
            assert await connection.fetchval("SELECT current_database()") == "ann"
        finally:
            await connection.close()


def test_another_command_runs_in_place_of_the_server(image: str) -> None:
    with bare(image, "sh", "-c", "exit 7") as container:
        assert container.wait(timeout=END_LIMIT_SECONDS)["StatusCode"] == 7
