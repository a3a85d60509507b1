"""Which PostgreSQL tests run on: TEST_DATABASE_URL, else Docker, else the embedded server.

The server is chosen before the first test and started by the first test that asks for
one. In a run of several processes (pytest-xdist) each starts its own, so that roles and
other things that belong to a whole server do not meet; a server that is named by
TEST_DATABASE_URL is shared by all.
"""

import asyncio
import contextlib
import enum
import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from typedsql import embedded
from typedsql.connect_failure import connection_failed
from typedsql.embedded.folder import ServerFolder
from typedsql.embedded.locks import open_lock_file, try_lock
from typedsql.errors import ConfigurationError, Error
from typedsql.settings import EMBEDDED_MAJOR, ConnectionTarget, resolve_target

URL_VARIABLE = "TEST_DATABASE_URL"
IMAGE_VARIABLE = "TEST_POSTGRES_IMAGE"
DEFAULT_IMAGE = "postgres:18-alpine"
"""What the container runs unless TEST_POSTGRES_IMAGE names another image."""

DOCKER_PROBE_LIMIT_SECONDS = 3
START_LIMIT_SECONDS = 60.0
CONNECT_LIMIT_SECONDS = 10.0
NAME_LIMIT_CHARACTERS = 30
UNFINISHED_LIMIT_SECONDS = 3600.0
"""How long a folder in which no server was made yet counts as a living run's."""

_FOLDER_ENDING = re.compile(r"[0-9]+-[0-9a-f]{6}")

FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""What a throwaway server may lose in a power cut, in exchange for speed."""


class ServerKind(enum.Enum):
    """The three places a server for tests can come from."""

    NAMED = "named"
    CONTAINER = "container"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestServer:
    """A server on which databases may be created, and how it was chosen."""

    __test__ = False

    target: ConnectionTarget
    """Its database for administration."""
    version: str
    """What it says it is, such as 18.1."""
    choice: str

    def describe(self) -> str:
        """Release and place, for people; never the password."""
        return f"PostgreSQL {self.version}: {self.choice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChoice:
    """Where the server of a test run comes from; nothing is started yet.

    `project` is the name of the project that is tested.
    """

    project: str
    kind: ServerKind

    def check(self) -> str:
        """What will be used, in words, after a look at whether it can be.

        Raises:
            ConfigurationError: TEST_DATABASE_URL is malformed, or the embedded server is
                not installed.
            Error: the server that TEST_DATABASE_URL names does not let us in.
        """
        if self.kind is ServerKind.CONTAINER:
            return f"PostgreSQL in a container of {postgres_image()}"
        if self.kind is ServerKind.EMBEDDED:
            embedded.binaries(EMBEDDED_MAJOR)
            return f"PostgreSQL {EMBEDDED_MAJOR}: embedded server"
        target = self._named()
        if target.embedded_dir is not None:
            return f"PostgreSQL {EMBEDDED_MAJOR}: {target.describe()}"
        return f"PostgreSQL {_reached(target)}: {target.describe()}"

    @contextlib.contextmanager
    def started(self) -> Generator[TestServer, None, None]:
        """The server while the block runs; what was started for it is stopped afterwards.

        Raises:
            ConfigurationError: see `check`; or the container or server does not start.
            Error: the server does not let us in.
        """
        with contextlib.ExitStack() as stack:
            if self.kind is ServerKind.NAMED:
                target = self._named()
                if target.embedded_dir is not None:
                    server = stack.enter_context(embedded.start(target.embedded_dir))
                    target = replace(server.target(), source=URL_VARIABLE)
                choice = target.describe()
            elif self.kind is ServerKind.CONTAINER:
                target = stack.enter_context(_container())
                choice = f"container of {postgres_image()}"
            else:
                target = stack.enter_context(_embedded(self.project))
                choice = f"embedded server in {target.embedded_dir}"
            yield TestServer(target=target, version=_reached(target), choice=choice)

    def _named(self) -> ConnectionTarget:
        # DATABASE_MODE is about the database of the project, not about the one of its tests.
        environ = {name: value for name, value in os.environ.items() if name != "DATABASE_MODE"}
        named = resolve_target(environ.get(URL_VARIABLE, ""), project=self.project, environ=environ)
        return replace(named, source=URL_VARIABLE)


def choose_server(project: str) -> ServerChoice:
    """TEST_DATABASE_URL, else a container where a Docker engine answers, else embedded.

    Removes what killed runs of the same project left of their embedded servers.
    """
    if os.environ.get(URL_VARIABLE):
        kind = ServerKind.NAMED
    elif docker_answers():
        kind = ServerKind.CONTAINER
    else:
        kind = ServerKind.EMBEDDED
        remove_leftovers(project)
    return ServerChoice(project=project, kind=kind)


def identifier(project: str) -> str:
    """A project's name as it can stand in names of fixtures, folders and databases.

    Lower case letters, digits and underscores, and at most NAME_LIMIT_CHARACTERS of them.
    """
    word = re.sub(r"[^a-z0-9]+", "_", project.lower()).strip("_")[:NAME_LIMIT_CHARACTERS]
    return word if word and not word[0].isdigit() else f"project_{word}".rstrip("_")


def ask_version(target: ConnectionTarget) -> str:
    """`server_version` for callers that wait, with or without a running event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(server_version(target))).result()


async def server_version(target: ConnectionTarget) -> str:
    """What the server says it is, such as 18.1. Raises whatever the driver does."""
    connection = await asyncpg.connect(**target.asyncpg_arguments(), timeout=CONNECT_LIMIT_SECONDS)
    try:
        version: str = await connection.fetchval("SHOW server_version")
        return version.split(" ")[0]
    finally:
        await connection.close()


def _reached(target: ConnectionTarget) -> str:
    """The server's version. Raises Error where it cannot be asked."""
    try:
        return ask_version(target)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        raise connection_failed(failure, target) or failure from failure


# A container


def docker_answers() -> bool:
    """Whether testcontainers is installed and a Docker engine answers, asked briefly."""
    if find_spec("testcontainers") is None:
        return False
    try:
        # Where testcontainers will look: at its own settings and Docker's contexts as well.
        found = import_module("testcontainers.core.docker_client").get_docker_host()
        environment = {**os.environ, "DOCKER_HOST": found} if found else {**os.environ}
        client: Any = import_module("docker").from_env(
            timeout=DOCKER_PROBE_LIMIT_SECONDS, environment=environment
        )
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # whatever the engine's client raises, it does not answer
        return False


def postgres_image() -> str:
    """The image that a container runs."""
    return os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE


@contextlib.contextmanager
def _container() -> Generator[ConnectionTarget, None, None]:
    from testcontainers.core.container import DockerContainer

    # By name: docker has no types of its own, and need not be installed.
    refused: type[Exception] = import_module("docker.errors").DockerException
    image = postgres_image()
    password = secrets.token_urlsafe(24)
    settings = [word for name, value in FAST_SETTINGS.items() for word in ("-c", f"{name}={value}")]
    container = DockerContainer(image).with_exposed_ports(5432)
    container.with_env("POSTGRES_PASSWORD", password).with_command(["postgres", *settings])
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(container)
        except refused as error:
            raise ConfigurationError(
                f"Docker answers but does not run {image} ({error}); set {IMAGE_VARIABLE}"
                f" or {URL_VARIABLE}"
            ) from error
        host = container.get_container_host_ip()
        if host == "localhost":
            # Some engines publish another port on ::1, which localhost may mean first.
            host = "127.0.0.1"
        target = tcp_target(host, int(container.get_exposed_port(5432)), password, "container")
        if not becomes_ready(target, lambda: True):
            raise ConfigurationError(
                f"PostgreSQL in a container of {image} is not ready after"
                f" {START_LIMIT_SECONDS:g} s; set {IMAGE_VARIABLE} or {URL_VARIABLE}"
            )
        yield target


def becomes_ready(target: ConnectionTarget, is_alive: Callable[[], bool]) -> bool:
    """Whether a server that was just started answers before START_LIMIT_SECONDS are over."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while is_alive() and time.monotonic() < deadline:
        try:
            ask_version(target)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            time.sleep(0.05)
        else:
            return True
    return False


def tcp_target(host: str, port: int, password: str, source: str) -> ConnectionTarget:
    """The administration database of a server that was started here, without TLS."""
    return ConnectionTarget(
        host=host,
        port=port,
        database="postgres",
        user="postgres",
        password=SecretStr(password),
        sslmode="disable",
        sslrootcert=None,
        source=source,
        embedded_dir=None,
    )


# The embedded server


def _folder_prefix(project: str) -> str:
    return f"{identifier(project)}-tests-{os.geteuid()}-"


@contextlib.contextmanager
def _embedded(project: str) -> Generator[ConnectionTarget, None, None]:
    # Not tempfile.mkdtemp: under root the server's user must get through the folder, which
    # embedded.start sees to when it makes the folder itself. The process's number is for
    # people: in another container it is another process, or none.
    name = f"{_folder_prefix(project)}{os.getpid()}-{secrets.token_hex(3)}"
    folder = Path(tempfile.gettempdir()) / name
    try:
        with embedded.start(folder, settings=FAST_SETTINGS) as server:
            yield server.target()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(project: str) -> None:
    """Stop and remove the embedded servers of this user's test runs that were killed.

    Whether a run lives is seen by the locks in its folder, which the kernel releases when
    the run ends, whichever container it is in. What never became a server is removed once
    it is UNFINISHED_LIMIT_SECONDS old.
    """
    prefix = _folder_prefix(project)
    for path in Path(os.path.realpath(tempfile.gettempdir())).glob(f"{prefix}*"):
        if _FOLDER_ENDING.fullmatch(path.name.removeprefix(prefix)):
            # Another run may remove the same one at this moment.
            with contextlib.suppress(OSError):
                _remove_leftover(path)


def _remove_leftover(path: Path) -> None:
    found = path.lstat()
    # Anybody may write to the folder of temporary files: what is a link, or somebody
    # else's, is none that a run of ours made.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    folder = ServerFolder(path)
    if not (folder.users_lock.exists() and folder.data.exists()):
        # A run takes the lock shortly after it made the folder, and before it makes data.
        if time.time() - found.st_mtime > UNFINISHED_LIMIT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
        return
    lock = open_lock_file(folder.users_lock)
    try:
        if not try_lock(lock, fcntl.LOCK_EX):
            return
        if _is_running(folder):
            if not _can_be_stopped(folder):
                return
            # To join it and to be the last one out takes the same lock.
            fcntl.flock(lock, fcntl.LOCK_UN)
            with contextlib.suppress(Error):
                embedded.start(path, major=EMBEDDED_MAJOR).stop()
            if not try_lock(lock, fcntl.LOCK_EX) or _is_running(folder):
                return
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _is_running(folder: ServerFolder) -> bool:
    """Whether the server of a folder that nobody uses lives, in whichever container."""
    lock = open_lock_file(folder.server_lock)
    try:
        return not try_lock(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def _can_be_stopped(folder: ServerFolder) -> bool:
    """Whether its number is its own here: another container's would be somebody else's."""
    if not Path("/proc/self/cmdline").exists():
        return True
    try:
        number = int((folder.data / "postmaster.pid").read_text("utf-8").split()[0])
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return False
    return os.fsencode(folder.data) in command.split(b"\0")
