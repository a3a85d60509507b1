"""What the tests of the embedded server share: folders, modes, processes of users."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path

import asyncpg
import pytest

from typedsql.embedded.accounts import Account, account_for
from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget

FAST = {"fsync": "off"}
CHILD_LIMIT_SECONDS = 120

_SOURCE = Path(__file__).resolve().parents[2] / "src"
_SCRIPT = Path(__file__).with_name("embedded_user.py")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may run it as others")


@contextlib.contextmanager
def open_folder() -> Generator[Path, None, None]:
    """A folder that everybody may go through; pytest's own are private to their user."""
    folder = Path(tempfile.gettempdir()) / f"embedded-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def modes(*roots: Path) -> dict[Path, tuple[str, int, int]]:
    """Mode, owner and group of the given paths and of everything above them."""
    paths = {path for root in roots for path in (root, *root.parents)}
    found = {path: path.lstat() for path in paths}
    return {p: (stat.filemode(s.st_mode), s.st_uid, s.st_gid) for p, s in found.items()}


def is_running(folder: Path) -> bool:
    """Whether a server lives in the folder: it holds this lock from birth to death."""
    return not is_free(folder / "server.lock")


def is_free(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def server_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split("\n")[0])


def ask(target: ConnectionTarget, statement: str) -> object:
    """The one value of a statement, for a test that is no coroutine."""
    return asyncio.run(value(target, statement))


async def value(target: ConnectionTarget, statement: str) -> object:
    """The one value of a statement, over a connection of its own."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


class UserProcess:
    """A process of its own that uses the server of a folder; see embedded_user.py."""

    def __init__(
        self,
        folder: Path,
        *arguments: Path,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
        python_path: str = "",
    ) -> None:
        path = os.pathsep.join(part for part in (python_path, str(_SOURCE), packages()) if part)
        identity = {} if account is None else account.process_arguments()
        identity["env"] = {"PATH": os.defpath, "PYTHONPATH": path, **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable if account is None else interpreter(account), _SCRIPT, folder]
            + [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **identity,
        )

    def ready(self) -> tuple[int, Path]:
        """Wait until it uses the server: the server's process number, its socket's folder."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        if not line:
            _, errors = self.process.communicate(timeout=CHILD_LIMIT_SECONDS)
            raise AssertionError(f"the process did not get a server: {errors}")
        pid, socket_folder = line.split(" ", 1)
        return int(pid), Path(socket_folder)

    def failure(self) -> str:
        """Wait for it to fail: what it wrote to its standard error."""
        _, errors = self.process.communicate(timeout=CHILD_LIMIT_SECONDS)
        assert self.process.returncode == 1, errors
        return errors

    def leave(self) -> None:
        """Let it stop using the server, and wait until it has."""
        _, errors = self.process.communicate(timeout=CHILD_LIMIT_SECONDS)
        assert self.process.returncode == 0, errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=CHILD_LIMIT_SECONDS)


def interpreter(account: Account) -> str:
    """A Python of this release that another user can run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(name, path="/usr/bin:/usr/local/bin")):
        with contextlib.suppress(ConfigurationError):
            command = (candidate or "/nonexistent", "-c", "import ssl")
            if account.run(command, limit_seconds=CHILD_LIMIT_SECONDS).returncode == 0:
                return command[0]
    pytest.skip(f"the user {account.name} can run no {name} here")


def packages() -> str:
    """Where the packages of this environment are, as a PYTHONPATH."""
    return os.pathsep.join(path for path in sys.path if path.endswith("-packages"))


def ordinary_account() -> Account:
    """A user that is not root: this one, or the one that root's servers run as."""
    return account_for(None)
