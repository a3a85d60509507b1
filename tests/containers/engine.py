"""Whether the Docker engine that was just started can be used: it answers and runs a program.

    python -m tests.containers.engine --pid PID --busybox PATH

waits for the engine that DOCKER_HOST names. The exit code is 0 where it can be used and 3
where it cannot, for the reason on standard output; none where the process PID has ended.
"""

import argparse
import io
import os
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

USABLE, UNUSABLE = 0, 3

START_LIMIT_SECONDS = 30.0
RUN_LIMIT_SECONDS = 30
POLL_SECONDS = 0.1

_PROBE = "whaledb-tests/probe:latest"


def problem(pid: int, busybox: str) -> str | None:
    """Why the engine of the process `pid` cannot be used, '' if it ended; None if it can."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while True:
        if not _is_alive(pid):
            return ""
        try:
            client = docker.from_env(timeout=RUN_LIMIT_SECONDS)
            break
        except DockerException:
            if time.monotonic() > deadline:
                return f"it does not answer within {START_LIMIT_SECONDS:g} s"
            time.sleep(POLL_SECONDS)
    try:
        # An engine that cannot run anything, as one inside of some containers, is none.
        root = io.BytesIO()
        with tarfile.open(fileobj=root, mode="w") as archive:
            archive.add(os.path.realpath(busybox), "bin/busybox")
        repository, _, tag = _PROBE.partition(":")
        client.api.import_image_from_data(root.getvalue(), repository=repository, tag=tag)
        client.containers.run(_PROBE, ["/bin/busybox", "true"], remove=True)
        client.images.remove(_PROBE)
    except (DockerException, RequestException) as error:
        return str(error)
    finally:
        client.close()
    return None


def _is_alive(pid: int) -> bool:
    """Whether it runs; ended and not waited for by its parent, it is a zombie, and does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.containers.engine", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--pid", type=int, required=True, help="the engine's process")
    parser.add_argument("--busybox", required=True, help="a static busybox")
    options = parser.parse_args(arguments)
    reason = problem(options.pid, options.busybox)
    if reason is None:
        return USABLE
    print(" ".join(reason.split()))
    return UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
