"""A real PgBouncer in front of any server, for tests and for commands.

Debian's package `pgbouncer` puts it at /usr/sbin/pgbouncer; it is looked for in `PGBOUNCER`,
on the PATH, and there. Where there is none, the tests that need it are skipped, visibly; with
`REQUIRE_PGBOUNCER` set they fail.

It runs as users run it: no startup parameter is ignored, a database has a few server
connections for all its clients, taken in turn, and in transaction mode nothing is reset
between two clients.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import pytest
from pydantic import SecretStr

from typedsql.embedded.accounts import Account, account_for
from typedsql.settings import ConnectionTarget

PORT: Final = 6432
"""Only the name of the socket: it listens in its own folder, where no port is ever taken."""
POOL_SIZE: Final = 5
"""Server connections of a user to one database, unless a test wants another number."""
MAX_CLIENTS: Final = 1000
IDLE_LIMIT_S: Final = 5
QUERY_WAIT_LIMIT_S: Final = 60
ANSWER_LIMIT_S: Final = 20.0
STOP_LIMIT_S: Final = 20.0
POLL_INTERVAL_S: Final = 0.02

PoolMode = Literal["transaction", "session"]

# What PostgreSQL and PgBouncer say where a client counts on a session that it does not have:
# 26000, 42P05, 34000, 42P03 and 3B001.
NAME_ERRORS: Final = re.compile(
    r'(prepared statement|cursor|portal|savepoint) "[^"]*" (does not exist|already exists)'
)

COMPLAINTS: Final = re.compile(rf"unsupported|unexpected|not allowed|{NAME_ERRORS.pattern}")

# The length of the protocol's shortest question, and the number of SSLRequest.
_SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")

# It goes with the process that started it, however that ends, and its folder too: the shell
# reads from a pipe that nobody else holds. SIGTERM ends PgBouncer whoever is connected.
# It is started again where it dies, as a system does: 1.18 dies where a backend ends in the
# moment in which a statement on it is being cancelled (its issue 801, "bad client state").
_ATTENDED: Final = """
folder=$1; shift
while [ ! -e "$folder/stop" ]; do
    "$@" "$folder/pgbouncer.ini" >/dev/null &
    echo $! >"$folder/number.new"
    mv "$folder/number.new" "$folder/number"
    wait $!
    [ -e "$folder/stop" ] || sleep 0.1
done &
loop=$!
read -r _
touch "$folder/stop"
kill -TERM "$(cat "$folder/number")" 2>/dev/null
wait $loop
rm -rf "$folder"
"""
_READ_AGAIN: Final = "got SIGHUP, re-reading config"


def pgbouncer_program() -> Path | None:
    """The program; None where it is not installed.

    Raises:
        FileNotFoundError: `PGBOUNCER` names a file that is not there.
    """
    named = os.environ.get("PGBOUNCER")
    if named:
        program = Path(named)
        if not program.is_file():
            raise FileNotFoundError("PGBOUNCER names a file that is not there")
        return program
    # An ordinary user's PATH often lacks sbin.
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


class Pgbouncer:
    """A running PgBouncer; every database of the server behind it can be reached."""

    def __init__(self, server: ConnectionTarget, pool_mode: PoolMode, folder: Path) -> None:
        self.server = server
        """A database behind it, without PgBouncer."""
        self.pool_mode: PoolMode = pool_mode
        self.folder = folder
        self._logins: dict[str, str] = {}

    def target(self, direct: ConnectionTarget) -> ConnectionTarget:
        """The same database and login through PgBouncer, in the mode that it has.

        A login that it has not met is made known to it: give it a login's target once more
        where its password has changed.
        """
        place = (self.server.host, self.server.port)
        assert (direct.host, direct.port) == place, "a database of another server"
        # The embedded server asks for no password, and PgBouncer does.
        password = direct.password or SecretStr(self._logins.get(direct.user) or "no-password")
        if self._logins.get(direct.user) != password.get_secret_value():
            self._logins[direct.user] = password.get_secret_value()
            self._announce_logins()
        return replace(
            direct,
            host=str(self.folder),
            port=PORT,
            password=password,
            sslmode="disable",
            source="PgBouncer",
            embedded_dir=None,
            mode=self.pool_mode,
        )

    def number(self) -> int:
        """Of its process; another one after it has died."""
        return int((self.folder / "number").read_text())

    def deaths(self) -> int:
        """How often it has died of its own faults, and was started again."""
        return self.log().count(" FATAL @src/")

    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def complaints(self) -> list[str]:
        """Lines of its log about what a client must not ask of it, or takes for its own.

        Not of connections that end: tests end them, and drop databases under them.
        """
        return [line for line in self.log().splitlines() if COMPLAINTS.search(line)]

    def _announce_logins(self) -> None:
        lines = [f"{_quoted(user)} {_quoted(word)}" for user, word in self._logins.items()]
        (self.folder / "logins").write_text("\n".join(lines) + "\n", encoding="utf-8")
        before = self.log().count(_READ_AGAIN)
        os.kill(self.number(), signal.SIGHUP)
        _wait_until(lambda: self.log().count(_READ_AGAIN) > before, "does not read its logins")


def _wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"PgBouncer {otherwise} within {ANSWER_LIMIT_S:g} s")
        time.sleep(POLL_INTERVAL_S)


class ServerLog:
    """What a server writes from now on, where that can be read: of the embedded one."""

    def __init__(self, server: ConnectionTarget) -> None:
        folder = server.embedded_dir
        self._path = None if folder is None else folder / "server.log"
        self._begins_at = self._path.stat().st_size if self._path else 0

    def name_errors(self) -> list[str]:
        """Lines about names that a client takes for its own session's."""
        if self._path is None:
            return []
        text = self._path.read_bytes()[self._begins_at :].decode(errors="replace")
        return [line for line in text.splitlines() if NAME_ERRORS.search(line)]


@contextmanager
def standing_before(
    server: ConnectionTarget,
    *,
    pool_mode: PoolMode = "transaction",
    pool_size: int = POOL_SIZE,
    program: Path | None = None,
) -> Iterator[Pgbouncer]:
    """A PgBouncer of one's own before a server, for the length of the block.

    `server` may be any of its databases; `program` None takes the installed one. Where that
    is missing the test is skipped, or fails under `REQUIRE_PGBOUNCER`.
    """
    program = program or _program_or_skip()
    account = account_for(None)
    folder = Path(tempfile.gettempdir()) / f"whaledb-pgbouncer-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        account.give(folder)
        for name, text in (
            ("pgbouncer.ini", _configuration(server, folder, pool_mode, pool_size)),
            ("logins", ""),
            ("log", ""),
        ):
            path = folder / name
            path.touch(mode=0o600)
            account.give(path)
            path.write_text(text, encoding="utf-8")
        with _running(program, account, folder):
            yield Pgbouncer(server, pool_mode, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program_or_skip() -> Path:
    program = pgbouncer_program()
    if program is None:
        why = "PgBouncer is not installed: apt-get install pgbouncer, or name it in PGBOUNCER"
        if os.environ.get("REQUIRE_PGBOUNCER"):
            pytest.fail(f"{why} (REQUIRE_PGBOUNCER is set)")
        pytest.skip(why)
    return program


def _configuration(
    server: ConnectionTarget, folder: Path, pool_mode: PoolMode, pool_size: int
) -> str:
    settings = {
        "listen_addr": "",
        "listen_port": PORT,
        "unix_socket_dir": folder,
        "logfile": folder / "log",
        "pool_mode": pool_mode,
        # Takes what PostgreSQL's SCRAM takes too, at a hundredth of what that costs a client.
        "auth_type": "md5",
        "auth_file": folder / "logins",
        "ignore_startup_parameters": "",
        "default_pool_size": pool_size,
        "max_client_conn": MAX_CLIENTS,
        "server_round_robin": 1,
        "server_idle_timeout": IDLE_LIMIT_S,
        "query_wait_timeout": QUERY_WAIT_LIMIT_S,
        # For so long it opens no other connection where one was refused.
        "server_login_retry": 1,
        "server_tls_sslmode": "disable" if server.is_local() else server.sslmode or "prefer",
    }
    if server.sslrootcert is not None:
        settings["server_tls_ca_file"] = server.sslrootcert
    lines = ["[databases]", f"* = host='{server.host}' port={server.port}", "[pgbouncer]"]
    return "\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]) + "\n"


@contextmanager
def _running(program: Path, account: Account, folder: Path) -> Iterator[None]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", _ATTENDED, "sh", str(folder), str(program), "-q"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        **account.process_arguments(),
    )
    assert process.stdin is not None
    try:
        try:
            _wait_until(lambda: _answers(folder / f".s.PGSQL.{PORT}"), "does not answer")
        except RuntimeError as error:
            said = (folder / "log").read_text(errors="replace")[-1000:]
            raise RuntimeError(f"{error}:\n{said}") from None
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
            client.sendall(_SSL_REQUEST)
            return client.recv(1) != b""
        except OSError:
            return False


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'
