"""File locks between processes; the kernel releases them however a process ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

from typedsql.errors import ConfigurationError

_POLL_SECONDS = 0.02


def open_lock_file(path: Path) -> int:
    """A descriptor of the lock file, created private; children do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take LOCK_SH or LOCK_EX if nobody stands in the way; never waits."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked(path: Path, kind: int, *, limit_seconds: float) -> Generator[int, None, None]:
    """Hold a lock while the block runs.

    Raises:
        ConfigurationError: another process kept the lock for longer than the limit.
    """
    descriptor = open_lock_file(path)
    try:
        deadline = time.monotonic() + limit_seconds
        while not try_lock(descriptor, kind):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"Another process has held the lock {path} for {limit_seconds:g} s; see"
                    " what it is doing, end it if it hangs, and try again."
                )
            time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
