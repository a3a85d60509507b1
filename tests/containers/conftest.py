"""The image and a server in a container; without an engine the tests are skipped.

The run then says so at its end, since pytest by itself only counts what it skips.
"""

import os
from collections.abc import Generator

import pytest

from typedsql.testing.server import docker_answers, postgres_image

try:
    from testcontainers.community.postgres import PostgresContainer
except ImportError:  # it came with testcontainers 4.15, which warns of the other name
    from testcontainers.postgres import PostgresContainer

__all__ = ["PostgresContainer"]

REQUIRED = "TEST_CONTAINERS_REQUIRED"
"""The variable under which a missing engine is a failure; set where one has been started."""

NO_ENGINE = "no Docker engine answers"

USER, DATABASE = "whale_watcher", "deep-sea"
PASSWORD = "pa'ss@w:o/rd?#%20$x"
"""One that only survives where everybody quotes it. No space: testcontainers' URL keeps it."""


@pytest.fixture(scope="session")
def image() -> str:
    """The image under test: TEST_POSTGRES_IMAGE, else the official one."""
    if not docker_answers():
        if os.environ.get(REQUIRED):
            pytest.fail(f"{NO_ENGINE}, and {REQUIRED} is set", pytrace=False)
        pytest.skip(NO_ENGINE)
    return postgres_image()


@pytest.fixture(scope="session")
def container(image: str) -> Generator[PostgresContainer, None, None]:
    """One server, for the tests that leave it running."""
    made = PostgresContainer(image, username=USER, password=PASSWORD, dbname=DATABASE, driver=None)
    with made.with_command(["-c", "fsync=off", "-c", "work_mem=5MB"]) as started:
        yield started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.getreports("skipped")
        if report.nodeid.startswith("tests/containers/")
    ]
    if skipped:
        terminalreporter.write_line(f"tests/containers: {len(skipped)} skipped, {NO_ENGINE}")
