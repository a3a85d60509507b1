"""Whom the embedded server runs as: PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typedsql.errors import ConfigurationError

CREATED_ACCOUNT = "pgserver"
"""The system user that is created where root has no other to run the server as."""

USERADD_LIMIT_SECONDS = 30.0
PROBE_LIMIT_SECONDS = 30.0

# Nothing of the caller's environment: it may hold passwords, and a server's environment
# can be read by whoever may run functions on it. UTC, because initdb copies the time zone.
_CHILD_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """A system user; the process's own unless it is root."""

    name: str
    uid: int
    gid: int

    def process_arguments(self) -> dict[str, Any]:
        """How `subprocess` starts a child of this user: its folder, environment, identity."""
        arguments: dict[str, Any] = {"cwd": "/", "env": _CHILD_ENVIRONMENT}
        if self.uid != os.geteuid():
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": ()}
        return arguments

    def run(
        self, command: Sequence[str | Path], *, limit_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user and wait for it.

        Raises:
            ConfigurationError: the command cannot be started as this user, or took longer
                than the limit.
        """
        try:
            return subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_seconds,
                check=False,
                **self.process_arguments(),
            )
        except subprocess.TimeoutExpired:
            problem = f"did not end within {limit_seconds:g} s"
        except (OSError, subprocess.SubprocessError) as error:
            problem = f"cannot be started: {error}"
        raise ConfigurationError(f"{command[0]}, run as the user {self.name}, {problem}.")

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can make `folder` its current one (asked of the system)."""
        command = ("/bin/sh", "-c", 'cd -- "$1" && test -x .', "sh", folder)
        return self.run(command, limit_seconds=PROBE_LIMIT_SECONDS).returncode == 0

    def give(self, path: Path) -> None:
        """Make a file or folder that was just created this user's."""
        if self.uid == os.geteuid():
            return
        # Through a descriptor: a name could have been replaced by a link meanwhile.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.fchown(descriptor, self.uid, self.gid)
        finally:
            os.close(descriptor)


def own_account() -> Account:
    """The user of this process.

    Raises:
        ConfigurationError: the system's user list does not have it.
    """
    return _named(os.geteuid())


def account_for(folder: Path | None) -> Account:
    """The user that serves `folder`: this process's, or an unprivileged one under root.

    Under root, the owner of what is there already goes first, so that a folder stays with
    one user; then `postgres` if the system has it; then `pgserver`, which is created.

    Raises:
        ConfigurationError: no such user exists or can be created.
    """
    if os.geteuid() != 0:
        return own_account()
    for existing in (folder / "data", folder) if folder is not None else ():
        owner = existing.stat().st_uid if existing.exists() else 0
        if owner != 0:
            return _named(owner)
    for name in ("postgres", CREATED_ACCOUNT):
        account = _find(name)
        if account is not None:
            return account
    return _create()


def _named(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(
            f"The user with the number {uid} has no entry in the system's user list, without"
            " which PostgreSQL does not run; add one, or run as another user."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    privileged = entry.pw_uid == 0 or entry.pw_gid == 0
    return None if privileged else Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create() -> Account:
    useradd = shutil.which("useradd", path=_CHILD_ENVIRONMENT["PATH"])
    problem = "the system has no useradd"
    if useradd is not None:
        command = [useradd, "--system", "--user-group", "--no-create-home"]
        command += ["--shell", "/usr/sbin/nologin", CREATED_ACCOUNT]
        result = own_account().run(command, limit_seconds=USERADD_LIMIT_SECONDS)
        problem = "useradd said: " + (result.stderr.strip() or f"exit code {result.returncode}")
    account = _find(CREATED_ACCOUNT)
    if account is None:
        # Another process may be creating it at this moment.
        time.sleep(1.0)
        account = _find(CREATED_ACCOUNT)
    if account is None:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and the user {CREATED_ACCOUNT} cannot be"
            f" created to run it ({problem}). Create a system user of this name, or run as"
            " an ordinary user."
        )
    return account
