"""The server that is measured on: durable, with room in memory, and a processor of its own."""

import asyncio
import contextlib
import os
import platform
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import chosen_server, throwaway_server
from typedsql.settings import EMBEDDED_MAJOR, ConnectionTarget
from typedsql.testing.server import URL_VARIABLE, server_version

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    # The defaults of PostgreSQL: nothing is won by losing what was acknowledged.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
CORES_NEEDED = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where it was measured."""

    target: ConnectionTarget
    """The server's database for administration."""
    description: Sequence[str]


@contextlib.contextmanager
def measured_server(folder: Path | None) -> Generator[Place, None, None]:
    """The server that TEST_DATABASE_URL names, else one of its own in `folder`.

    Where this process may use two processors or more, a server of its own gets the first of
    them and this process the next, until the block ends.
    """
    if os.environ.get(URL_VARIABLE):
        with chosen_server() as named:
            told = f"{named.describe()}; its settings and its processors are its owner's"
            yield Place(named.target, [told])
        return
    cores = _cores()
    pinned = len(cores) >= CORES_NEEDED
    try:
        # What a process starts inherits the processors it may use.
        if pinned:
            _pin({cores[0]})
        with throwaway_server(EMBEDDED_MAJOR, settings=SETTINGS, parent=folder) as target:
            if pinned:
                _pin({cores[1]})
            version = asyncio.run(server_version(target))
            yield Place(target, _described(version, cores, folder))
    finally:
        if pinned:
            _pin(set(cores))


def _described(version: str, cores: Sequence[int], folder: Path | None) -> list[str]:
    settings = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    where = (
        f"server on processor {cores[0]}, client on processor {cores[1]}"
        if len(cores) >= CORES_NEEDED
        else "server and client share what processors there are: figures depend on it"
    )
    return [
        f"PostgreSQL {version} over TCP on this machine, its data on {_file_system(folder)}",
        settings,
        f"{where}; Python {platform.python_version()}",
    ]


def _file_system(folder: Path | None) -> str:
    """The kind of file system below a folder, as the kernel names it."""

    path = (folder or Path(tempfile.gettempdir())).resolve()
    best, kind = "", "an unknown file system"
    with contextlib.suppress(OSError):
        for line in Path("/proc/mounts").read_text("utf-8").splitlines():
            _, place, name, *_ = line.split(" ")
            if path.is_relative_to(place) and len(place) >= len(best):
                best, kind = place, name
    return kind


def _cores() -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def _pin(cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
