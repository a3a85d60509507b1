"""A server of one's own that dies of kill -9 with all its processes, and is started again."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.servers import make_cluster, program_folder
from typedsql.embedded.accounts import Account, account_for
from typedsql.errors import ConfigurationError
from typedsql.settings import EMBEDDED_MAJOR, ConnectionTarget
from typedsql.testing.server import becomes_ready, tcp_target

DURABLE: Final = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
DEATH_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 60.0
POLL_INTERVAL_S: Final = 0.005

_SOME_BACKEND: Final = """
SELECT a.pid
FROM pg_stat_activity AS a
WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
ORDER BY a.state = 'active' DESC, random()
LIMIT 1
"""


class KillableServer:
    """What it acknowledges is synced to the disk of its folder; see `open_killable`."""

    def __init__(
        self, base: Path, account: Account, password: str, settings: Mapping[str, str]
    ) -> None:
        self._base = base
        self._account = account
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        self.target: ConnectionTarget = tcp_target("127.0.0.1", port, password, "killable")
        own = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "100",
        }
        self._settings: dict[str, str] = {**DURABLE, **settings, **own}
        self._process: subprocess.Popen[Any] | None = None

    async def start(self) -> None:
        """Start it, and return once it answers.

        Raises ConfigurationError, with the end of its log, where it does not.
        """
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        programs = program_folder(EMBEDDED_MAJOR)
        command: list[str | Path] = [programs / "postgres", "-D", self._base / "data"]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._base / "log").open("ab") as log:
            process = self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._account.process_arguments(),
            )
        self._wait(process)

    def _wait(self, process: subprocess.Popen[Any]) -> None:
        if not becomes_ready(self.target, lambda: process.poll() is None):
            tail = (self._base / "log").read_text(errors="replace")[-1000:]
            raise ConfigurationError(f"PostgreSQL did not start:\n{tail}")

    async def crash(self) -> None:
        """SIGKILL to one process that serves a client, as when memory runs out.

        The server ends all others and recovers by itself; returns once it answers again.
        """
        process = self._process
        if process is None:
            raise ConfigurationError("the server does not run")
        connection = await asyncpg.connect(**self.target.asyncpg_arguments())
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        pid: int = await connection.fetchval(_SOME_BACKEND)
        os.kill(pid, signal.SIGKILL)
        await asyncio.wait_for(ended.wait(), DEATH_LIMIT_S)
        await asyncio.to_thread(self._wait, process)

    def kill(self) -> None:
        """SIGKILL to the server and every process of it; none is left when this returns."""
        process = self._process
        if process is None:
            raise ConfigurationError("the server does not run")
        # Each child has a process group of its own; a stopped parent starts no further ones.
        os.kill(process.pid, signal.SIGSTOP)
        children = list(_children(process.pid))
        for pid in (process.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(DEATH_LIMIT_S)
        self._process = None
        deadline = time.monotonic() + DEATH_LIMIT_S
        while any(_is_alive(pid) for pid in children):
            if time.monotonic() > deadline:
                raise ConfigurationError("a process of the killed server did not end")
            time.sleep(POLL_INTERVAL_S)

    def stop(self) -> None:
        """End it as its operator would; nothing happens where it is dead."""
        process, self._process = self._process, None
        if process is None:
            return
        # A fast shutdown: connections are closed, data is written.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def open_killable(
    parent: Path | None = None, *, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[KillableServer]:
    """A new server whose folder is made in `parent`; None is that of temporary files."""
    if not Path("/proc/self/stat").exists():
        raise ConfigurationError("only where there is /proc can all processes be found")
    account = account_for(None)
    base = (parent or Path(tempfile.gettempdir())) / f"killable-{secrets.token_hex(6)}"
    base.mkdir(mode=0o700)
    account.give(base)
    try:
        password = secrets.token_urlsafe(24)
        programs = program_folder(EMBEDDED_MAJOR)
        await asyncio.to_thread(make_cluster, programs, base, account, password, EMBEDDED_MAJOR)
        server = KillableServer(base, account, password, settings or {})
        await server.start()
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _children(parent: int) -> Generator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            fields = _fields(int(folder.name))
            if fields and int(fields[1]) == parent:
                yield int(folder.name)


def _is_alive(pid: int) -> bool:
    """A zombie has let go of everything, and goes when somebody asks for its exit code."""
    fields = _fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def _fields(pid: int) -> list[str]:
    """State, parent and what follows; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
