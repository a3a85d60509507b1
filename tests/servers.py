"""Which PostgreSQL the tests run on, and throwaway servers of any release.

The tests use TEST_DATABASE_URL, else a container where a Docker engine answers, else the
embedded server in a temporary folder. To run them, or anything else that reads
TEST_DATABASE_URL, on a certain release over TCP with a password:

    python -m tests.servers --major 15 -- python -m pytest tests/db
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from typedsql import embedded
from typedsql.embedded.accounts import Account, account_for
from typedsql.errors import ConfigurationError, Error
from typedsql.settings import EMBEDDED_MAJOR, ConnectionTarget, resolve_target

PROJECT = "whaledb"

DOCKER_PROBE_LIMIT_SECONDS = 3
START_LIMIT_SECONDS = 60.0
STOP_LIMIT_SECONDS = 60.0
INITDB_LIMIT_SECONDS = 180.0
CONNECT_LIMIT_SECONDS = 10.0

DEFAULT_IMAGE = "postgres:18-alpine"
"""What the container runs unless TEST_POSTGRES_IMAGE names another image."""

# What a throwaway database may lose in a power cut, in exchange for speed.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}

_FOLDER_PREFIX = f"{PROJECT}-tests-"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestServer:
    """A server on which databases may be created, and how it was chosen."""

    __test__ = False

    target: ConnectionTarget
    version: str
    choice: str

    def describe(self) -> str:
        return f"PostgreSQL {self.version}: {self.choice}"


@contextlib.contextmanager
def chosen_server() -> Generator[TestServer, None, None]:
    """The server of this test run: TEST_DATABASE_URL, else Docker, else embedded."""
    with contextlib.ExitStack() as stack:
        if os.environ.get("TEST_DATABASE_URL"):
            named = resolve_target(os.environ["TEST_DATABASE_URL"], project=PROJECT)
            target = replace(named, source="TEST_DATABASE_URL")
            if target.embedded_dir is not None:
                server = stack.enter_context(embedded.start(target.embedded_dir))
                target = replace(server.target(), source="TEST_DATABASE_URL")
            choice = target.describe()
        elif docker_answers():
            target = stack.enter_context(_container())
            choice = f"container of {_image()}"
        else:
            target = stack.enter_context(_embedded())
            choice = f"embedded server in {target.embedded_dir}"
        version = asyncio.run(server_version(target))
        yield TestServer(target=target, version=version, choice=choice)


async def server_version(target: ConnectionTarget) -> str:
    """What the server says it is, such as 18.1."""
    connection = await asyncpg.connect(**target.asyncpg_arguments(), timeout=CONNECT_LIMIT_SECONDS)
    try:
        version: str = await connection.fetchval("SHOW server_version")
        return version.split(" ")[0]
    finally:
        await connection.close()


def docker_answers() -> bool:
    """Whether testcontainers is installed and a Docker engine answers, asked briefly."""
    try:
        import docker
        import testcontainers.core.container  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    try:
        client = docker.from_env(timeout=DOCKER_PROBE_LIMIT_SECONDS)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # whatever the engine's client raises, it does not answer
        return False


def _image() -> str:
    return os.environ.get("TEST_POSTGRES_IMAGE") or DEFAULT_IMAGE


@contextlib.contextmanager
def _container() -> Generator[ConnectionTarget, None, None]:
    from docker.errors import DockerException
    from testcontainers.core.container import DockerContainer

    password = secrets.token_urlsafe(24)
    settings = (word for name, value in FAST_SETTINGS.items() for word in ("-c", f"{name}={value}"))
    container = DockerContainer(_image()).with_exposed_ports(5432)
    container.with_env("POSTGRES_PASSWORD", password).with_command(["postgres", *settings])
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(container)
        except DockerException as error:
            raise ConfigurationError(
                f"Docker answers but does not run {_image()} ({error}); set TEST_POSTGRES_IMAGE"
                " or TEST_DATABASE_URL"
            ) from error
        host = container.get_container_host_ip()
        target = _tcp_target(host, int(container.get_exposed_port(5432)), password, "container")
        if not _becomes_ready(target, lambda: True):
            raise ConfigurationError(
                f"PostgreSQL in a container of {_image()} is not ready after"
                f" {START_LIMIT_SECONDS:g} s"
            )
        yield target


@contextlib.contextmanager
def _embedded() -> Generator[ConnectionTarget, None, None]:
    # Not tempfile.mkdtemp: under root the server's user must get through the folder, which
    # embedded.start sees to when it makes the folder itself.
    base = Path(tempfile.gettempdir())
    _remove_leftovers(base)
    folder = base / f"{_FOLDER_PREFIX}{os.geteuid()}-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        with embedded.start(folder, settings=FAST_SETTINGS) as server:
            yield server.target()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(base: Path) -> None:
    """Stop and remove the servers of test runs that were killed."""
    for folder in base.glob(f"{_FOLDER_PREFIX}{os.geteuid()}-*"):
        pid = folder.name.removeprefix(_FOLDER_PREFIX).split("-")[1]
        if not pid.isdigit() or _is_alive(int(pid)):
            continue
        if (folder / "data" / "postmaster.pid").exists():
            # Joins it where it runs; the last one out stops it.
            with contextlib.suppress(Error):
                embedded.start(folder, major=EMBEDDED_MAJOR).stop()
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def program_folder(major: int, folder: Path | None = None) -> Path:
    """PostgreSQL's programs of a release: those given, the wheel's, or the system's."""
    system = Path(f"/usr/lib/postgresql/{major}/bin")
    if folder is not None:
        return folder
    try:
        return embedded.binaries(major)
    except ConfigurationError:
        if system.is_dir():
            return system
        raise


@contextlib.contextmanager
def throwaway_server(
    major: int,
    folder: Path | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    files: Mapping[str, Path] | None = None,
) -> Generator[ConnectionTarget, None, None]:
    """A server of a release on 127.0.0.1 that asks for a password; gone afterwards.

    `files` are copied into its data directory, readable by its user alone.
    """
    programs = program_folder(major, folder)
    account = account_for(None)
    base = Path(tempfile.gettempdir()) / f"{PROJECT}-throwaway-{secrets.token_hex(6)}"
    base.mkdir(mode=0o700)
    account.give(base)
    password = secrets.token_urlsafe(24)
    try:
        _initdb(programs, base, account, password, major)
        for name, origin in (files or {}).items():
            copy = base / "data" / name
            copy.touch(mode=0o600)
            account.give(copy)
            copy.write_bytes(origin.read_bytes())
        with _running(programs, base, account, password, settings or {}) as target:
            yield target
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _initdb(programs: Path, base: Path, account: Account, password: str, major: int) -> None:
    password_file = base / "password"
    password_file.touch(mode=0o600)
    account.give(password_file)
    password_file.write_text(password, encoding="ascii")
    command: list[str | Path] = [programs / "initdb", "-D", base / "data", "-U", "postgres"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"]
    command += ["--locale=C", "--no-sync"]
    if major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    result = account.run(command, limit_seconds=INITDB_LIMIT_SECONDS)
    password_file.unlink()
    if result.returncode != 0:
        raise ConfigurationError(f"initdb failed: {result.stderr.strip()[-500:]}")


@contextlib.contextmanager
def _running(
    programs: Path, base: Path, account: Account, password: str, extra: Mapping[str, str]
) -> Generator[ConnectionTarget, None, None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {**FAST_SETTINGS, **extra} | {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
    }
    command: list[str | Path] = [programs / "postgres", "-D", base / "data"]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **account.process_arguments(),
        )
    try:
        target = _tcp_target("127.0.0.1", port, password, "throwaway")
        if not _becomes_ready(target, lambda: process.poll() is None):
            tail = (base / "log").read_text(errors="replace")[-1000:]
            raise ConfigurationError(f"PostgreSQL did not start:\n{tail}")
        yield target
    finally:
        # SIGINT is a fast shutdown: connections are closed, data is written.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _becomes_ready(target: ConnectionTarget, is_alive: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while is_alive() and time.monotonic() < deadline:
        try:
            asyncio.run(server_version(target))
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            time.sleep(0.05)
        else:
            return True
    return False


def _tcp_target(host: str, port: int, password: str, source: str) -> ConnectionTarget:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command with TEST_DATABASE_URL set to a throwaway server; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=main.__doc__)
    parser.add_argument("--major", type=int, required=True, help="release: 15, 16, 18")
    parser.add_argument("--bin", type=Path, help="folder of PostgreSQL's programs")
    parser.add_argument("command", nargs="+", help="what to run, after --")
    options = parser.parse_args(arguments)
    try:
        with throwaway_server(options.major, options.bin) as target:
            version = asyncio.run(server_version(target))
            if not version.startswith(f"{options.major}."):
                raise ConfigurationError(f"{options.bin} is PostgreSQL {version}")
            print(f"PostgreSQL {version} on {target.host}:{target.port}", file=sys.stderr)
            environment = os.environ | {"TEST_DATABASE_URL": target.dbmate_url()}
            result = subprocess.run(options.command, env=environment, check=False)
    except Error as error:
        print(error, file=sys.stderr)
        return 2
    return result.returncode if result.returncode >= 0 else 128 - result.returncode


if __name__ == "__main__":
    sys.exit(main())
