"""That the suite itself runs in a container where an engine answers, without being told."""

import os
import subprocess
import sys

import pytest

from tests.containers.conftest import REQUIRED
from tests.databases import ROOT

pytestmark = pytest.mark.containers

RUN_LIMIT_SECONDS = 180
SOME_TESTS = "tests/db/test_comments.py"


def run_of_the_suite(**changes: str) -> str:
    """What a run of a few tests says, with no server named by the environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("TEST_DATABASE_URL", REQUIRED)}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", SOME_TESTS],
        cwd=ROOT,
        env=environment | changes,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


def test_the_suite_takes_a_container_where_an_engine_answers(image: str) -> None:
    assert f"container of {image}" in run_of_the_suite()


def test_the_suite_takes_the_embedded_server_where_none_does(image: str) -> None:
    header = run_of_the_suite(DOCKER_HOST="tcp://127.0.0.1:1").split("collected", 1)[0]
    assert "container" not in header
    assert "embedded server" in header
