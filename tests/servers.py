"""Throwaway servers of any release; typedsql.testing chooses the one the tests run on.

To run the tests, or anything else that reads TEST_DATABASE_URL, on a certain release over
TCP with a password:

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
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from typedsql import embedded
from typedsql.embedded.accounts import Account, account_for
from typedsql.errors import ConfigurationError, Error
from typedsql.settings import ConnectionTarget
from typedsql.testing.server import (
    FAST_SETTINGS,
    TestServer,
    becomes_ready,
    choose_server,
    server_version,
    tcp_target,
)

PROJECT = "whaledb"

STOP_LIMIT_SECONDS = 60.0
INITDB_LIMIT_SECONDS = 180.0


def chosen_server() -> contextlib.AbstractContextManager[TestServer]:
    """The server the tests would run on, for commands that are not pytest."""
    return choose_server(PROJECT).started()


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
    parent: Path | None = None,
) -> Generator[ConnectionTarget, None, None]:
    """A server of a release on 127.0.0.1 that asks for a password; gone afterwards.

    `files` are copied into its data directory, readable by its user alone, which is made in
    `parent`; None is the folder for temporary files.
    """
    programs = program_folder(major, folder)
    account = account_for(None)
    base = (parent or Path(tempfile.gettempdir())) / f"{PROJECT}-throwaway-{secrets.token_hex(6)}"
    base.mkdir(mode=0o700)
    account.give(base)
    password = secrets.token_urlsafe(24)
    try:
        make_cluster(programs, base, account, password, major)
        for name, origin in (files or {}).items():
            copy = base / "data" / name
            copy.touch(mode=0o600)
            account.give(copy)
            copy.write_bytes(origin.read_bytes())
        with _running(programs, base, account, password, settings or {}) as target:
            yield target
    finally:
        shutil.rmtree(base, ignore_errors=True)


def make_cluster(programs: Path, base: Path, account: Account, password: str, major: int) -> None:
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
        target = tcp_target("127.0.0.1", port, password, "throwaway")
        if not becomes_ready(target, lambda: process.poll() is None):
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
