"""Starting and stopping one embedded server, whoever started it before."""

import contextlib
import fcntl
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typedsql.embedded.accounts import Account
from typedsql.embedded.folder import SOCKET_NAME, ServerFolder
from typedsql.embedded.locks import open_lock_file, try_lock
from typedsql.errors import ConfigurationError, ConnectionFailed

PORT = 5432

START_LIMIT_SECONDS = 120.0
STOP_LIMIT_SECONDS = 60.0
ANSWER_LIMIT_SECONDS = 5.0
LOG_LIMIT_BYTES = 10_000_000
LOG_TAIL_LINES = 12

_POLL_SECONDS = 0.02
# The protocol's shortest question: its length, then the number of SSLRequest.
_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
_SETTING_NAME = re.compile(r"[a-z_][a-z0-9_.]*")


@dataclass(frozen=True, slots=True)
class Controls:
    """What starts and stops the server of one folder; call under its control lock."""

    folder: ServerFolder
    account: Account
    tree: Path
    major: int

    def bring_up(self, settings: Mapping[str, str]) -> Path:
        """Start the server unless it runs already; returns the folder of its socket.

        Raises:
            ConfigurationError: the data cannot be used.
            ConnectionFailed: the server does not start; the message ends with its log.
        """
        deadline = time.monotonic() + START_LIMIT_SECONDS
        log_start: int | None = None
        while time.monotonic() < deadline:
            lock = open_lock_file(self.folder.server_lock)
            try:
                if try_lock(lock, fcntl.LOCK_EX):
                    if log_start is not None:
                        raise self._not_started("did not start", log_start)
                    durable = settings.get("fsync") != "off"
                    self.folder.create_data(self.account, self.tree, self.major, durable=durable)
                    self.folder.require_usable(self.account, self.major)
                    self._remove_stale_pid_file()
                    log_start = self._spawn(settings, lock)
            finally:
                os.close(lock)
            socket_folder = self._answering_socket_folder()
            if socket_folder is not None:
                self.folder.require_usable(self.account, self.major)
                return socket_folder
            # Until it is ready; or until the orphans of a killed server are gone.
            time.sleep(_POLL_SECONDS)
        raise self._not_started(f"is not ready after {START_LIMIT_SECONDS:g} s", log_start or 0)

    def bring_down(self) -> None:
        """Stop the server if it runs.

        Raises:
            ConnectionFailed: it does not stop.
        """
        if not self._is_running():
            return
        socket_folder = self._answering_socket_folder()
        self._stop()
        if socket_folder is not None and socket_folder.parent != self.folder.root:
            with contextlib.suppress(OSError):
                socket_folder.rmdir()

    def _stop(self) -> None:
        problem = ""
        for mode in ("fast", "immediate"):
            command: list[str | Path] = [self.tree / "bin/pg_ctl", "stop", "-m", mode]
            command += ["-D", self.folder.data, "-w", "-t", f"{STOP_LIMIT_SECONDS:.0f}"]
            result = self.account.run(command, limit_seconds=STOP_LIMIT_SECONDS + 10.0)
            problem = result.stderr.strip() or result.stdout.strip()
            deadline = time.monotonic() + (STOP_LIMIT_SECONDS if result.returncode == 0 else 1.0)
            while self._is_running() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            if not self._is_running():
                return
        raise ConnectionFailed(
            f"The embedded server in {self.folder.root} does not stop: {problem[-300:]}"
        )

    def _is_running(self) -> bool:
        # The server and its children hold this lock from birth to death: unlike a number
        # in a file, it cannot be stale, nor belong to another process.
        lock = open_lock_file(self.folder.server_lock)
        try:
            return not try_lock(lock, fcntl.LOCK_EX)
        finally:
            os.close(lock)

    def _remove_stale_pid_file(self) -> None:
        """Remove what a dead server left; call with the server's lock in hand.

        PostgreSQL sees through most of these by itself, but refuses to start where its old
        number is another process of the same user by now, or still a zombie's: both happen
        in containers. Where there is no /proc to ask, the decision stays PostgreSQL's.

        Raises:
            ConfigurationError: the server is not dead: somebody started it by other means.
        """
        path = self.folder.data / "postmaster.pid"
        if not path.exists():
            return
        if self._answering_socket_folder() is not None:
            raise ConfigurationError(
                f"A server that was started by other means runs in {self.folder.data}; stop it"
                " (pg_ctl stop), or connect to it by its host and port."
            )
        if Path("/proc/self/cwd").exists() and self._working_folder(path) != self.folder.data:
            path.unlink()
            # The lock of its socket is another file with the same number.
            socket_folder = self.folder.socket_folder(self.account)
            (socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _working_folder(self, pid_file: Path) -> Path | None:
        """Where the process works that a pid file names; a living server's is its data."""
        try:
            text = pid_file.read_text(encoding="utf-8", errors="replace")
            return Path(f"/proc/{abs(int(text.split()[0]))}/cwd").readlink()
        except (OSError, ValueError, IndexError):
            return None

    def _spawn(self, settings: Mapping[str, str], lock: int) -> int:
        """Start the server with our lock in its hands; returns where its log begins."""
        socket_folder = str(self.folder.socket_folder(self.account)).replace('"', '""')
        forced = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{socket_folder}"',
            "unix_socket_permissions": "0700",
            "external_pid_file": "",
        }
        command: list[str | Path] = [self.tree / "bin/postgres", "-D", self.folder.data]
        for name, value in {**settings, **forced}.items():
            if _SETTING_NAME.fullmatch(name) is None:
                raise ValueError(f"{name!r} is not the name of a PostgreSQL setting")
            command += ["-c", f"{name}={value}"]
        if self.folder.log.exists() and self.folder.log.stat().st_size > LOG_LIMIT_BYTES:
            self.folder.log.replace(self.folder.log.with_suffix(".log.old"))
        log = os.open(
            self.folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
        )
        try:
            self.folder.claim(self.folder.log, self.account)
            log_start = os.fstat(log).st_size
            # By way of a shell that ends at once: the server must outlive this process
            # without being its child, and gets a session that no Ctrl-C reaches.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                check=True,
                **self.account.process_arguments(),
            )
            return log_start
        except (OSError, subprocess.SubprocessError) as error:
            raise ConnectionFailed(
                f"The embedded server cannot be started as the user {self.account.name}: {error}"
            ) from error
        finally:
            os.close(log)

    def _answering_socket_folder(self) -> Path | None:
        """Where the server listens, once it takes connections; None before."""
        try:
            text = (self.folder.data / "postmaster.pid").read_text(encoding="utf-8")
        except OSError:
            return None
        lines = text.split("\n")
        if len(lines) < 8 or lines[7].strip() != "ready":
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(ANSWER_LIMIT_SECONDS)
            try:
                client.connect(f"{lines[4]}/{SOCKET_NAME}")
                # A server that is being killed still has its socket, but answers no more.
                client.sendall(_SSL_REQUEST)
                answered = client.recv(1) != b""
            except OSError:
                return None
        return Path(lines[4]) if answered else None

    def _not_started(self, what: str, log_start: int) -> ConnectionFailed:
        return ConnectionFailed(
            f"The embedded server in {self.folder.root} {what}. Its log ({self.folder.log})"
            f" ends:\n{self._log_tail(log_start)}"
        )

    def _log_tail(self, start: int) -> str:
        try:
            with self.folder.log.open("rb") as log:
                log.seek(start)
                lines = log.read().decode(errors="replace").splitlines()
        except OSError as error:
            return f"(unreadable: {error.strerror})"
        return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:]) or "    (nothing)"
