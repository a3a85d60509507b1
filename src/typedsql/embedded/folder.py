"""The folder of an embedded server: what is in it, and how it comes to be.

<folder>/            ours, or given empty; a given folder keeps its mode and owner
    data/            PostgreSQL's data directory, 0700, the server's user's
    run/             the socket, 0700, the server's user's (elsewhere if the path is long)
    server.log       what the server wrote
    users.lock       held shared by every process that uses the server
    control.lock     held while somebody starts or stops it
    server.lock      held by the server itself for as long as it lives
"""

import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from typedsql.embedded.accounts import Account
from typedsql.embedded.locks import open_lock_file
from typedsql.errors import ConfigurationError

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MAX_BYTES = 103 if sys.platform == "darwin" else 107

INITDB_LIMIT_SECONDS = 180.0

_OWN_NAMES = frozenset(
    {"data", "data.new", "run", "server.log", "server.log.old"}
    | {"users.lock", "control.lock", "server.lock", "lost+found"}
)


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """The paths of one embedded server."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def users_lock(self) -> Path:
        return self.root / "users.lock"

    @property
    def control_lock(self) -> Path:
        return self.root / "control.lock"

    @property
    def server_lock(self) -> Path:
        return self.root / "server.lock"

    def prepare(self, account: Account) -> None:
        """Make the folder and its lock files; check that the server's user gets to it.

        Raises:
            ConfigurationError: the folder holds something else, or cannot be reached by
                `account`.
            OSError: it cannot be made or read.
        """
        _make_folder(self.root)
        self._check_contents()
        for path in (self.users_lock, self.control_lock, self.server_lock):
            if not path.exists():
                os.close(open_lock_file(path))
                self.claim(path, account)
        self._check_reachable(account)

    def claim(self, path: Path, account: Account) -> None:
        """Give a file that root just made to the folder's owner, if that is the server's user.

        So a folder that somebody once used under root stays usable without.
        """
        if self.root.stat().st_uid == account.uid:
            account.give(path)

    def require_usable(self, account: Account, major: int) -> None:
        """Raises ConfigurationError if the data is another user's, or of another release."""
        try:
            owner = self.data.stat().st_uid
            if owner != account.uid:
                raise ConfigurationError(
                    f"{self.data} belongs to the user number {owner} and the server would run"
                    f" as {account.name}, which PostgreSQL refuses. Change the folder's owner"
                    " back, or name another folder: DATABASE_URL=embedded:/path/to/a/folder."
                )
            found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise ConfigurationError(
                f"{self.data} is no PostgreSQL data directory that this user can read"
                f" ({error.strerror}: {error.filename})."
            ) from error
        if found != str(major):
            raise ConfigurationError(
                f"{self.data} is of PostgreSQL {found}, and the embedded server is"
                f" PostgreSQL {major}. Dump it with the old release and load it into another"
                " folder, or name another folder: DATABASE_URL=embedded:/path/to/a/folder."
            )

    def create_data(self, account: Account, tree: Path, major: int, *, durable: bool) -> None:
        """Run initdb, if there is no data directory yet; a broken off one leaves no trace."""
        if self.data.exists():
            return
        unfinished = self.root / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        account.give(unfinished)
        # Byte order, so that sorting does not depend on the machine's locales.
        locale = ["--locale=C"]
        if major >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # Trust is among those who may open the socket: its owner and root alone.
        command: list[str | Path] = [tree / "bin/initdb", "--pgdata", unfinished]
        command += [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--data-checksums",
            "--no-instructions",
        ]
        command += locale + ([] if durable else ["--no-sync"])
        result = account.run(command, limit_seconds=INITDB_LIMIT_SECONDS)
        if result.returncode != 0:
            shutil.rmtree(unfinished)
            raise ConfigurationError(
                f"initdb could not make {self.data}: {result.stderr.strip()[-500:]}"
            )
        unfinished.rename(self.data)

    def socket_folder(self, account: Account) -> Path:
        """A private folder for the socket whose path is short enough, made if need be.

        Raises:
            ConfigurationError: there is none, or somebody else's stands in its place.
        """
        own = self.root / "run"
        if _fits(own):
            return _private_folder(own, account)
        digest = sha256(os.fsencode(self.root)).hexdigest()[:16]
        candidates = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - private below
        if account.uid == os.geteuid() and os.environ.get("XDG_RUNTIME_DIR"):
            candidates.insert(0, Path(os.environ["XDG_RUNTIME_DIR"]))
        for base in candidates:
            short = base / f"pg-{account.uid}-{digest}"
            if base.is_dir() and _fits(short) and account.can_enter(base):
                return _private_folder(short, account)
        raise ConfigurationError(
            f"The path {own} is too long for a socket, and no folder for temporary files has"
            " a shorter one; name a folder with a shorter path."
        )

    def _check_contents(self) -> None:
        names = {entry.name for entry in self.root.iterdir()}
        if "PG_VERSION" in names:
            raise ConfigurationError(
                f"{self.root} is itself a PostgreSQL data directory; the embedded server"
                " keeps its own in a folder below. Name a new folder."
            )
        strangers = sorted(names - _OWN_NAMES)
        if strangers:
            raise ConfigurationError(
                f"{self.root} holds other things ({', '.join(strangers[:3])}); name an empty or"
                " new folder for the embedded server."
            )

    def _check_reachable(self, account: Account) -> None:
        if account.can_enter(self.root):
            return
        blocked = self.root
        for folder in reversed(self.root.parents):
            if not account.can_enter(folder):
                blocked = folder
                break
        raise ConfigurationError(
            f"The server's user {account.name} may not enter {blocked}, so it cannot serve"
            f" {self.root}, and the modes of existing folders are left alone. Name a folder"
            f" that it can reach: DATABASE_URL=embedded:/var/lib/{self.root.name}, or run as"
            " an ordinary user."
        )


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_MAX_BYTES


def _make_folder(folder: Path) -> None:
    """Create a folder and its missing parents; those that exist are not touched."""
    # Root's server runs as another user, who must get through; it lists nothing of ours.
    between, own = (0o755, 0o711) if os.geteuid() == 0 else (0o700, 0o700)
    for parent in reversed(folder.parents):
        _make_one(parent, between)
    _make_one(folder, own)


def _make_one(folder: Path, mode: int) -> None:
    if folder.exists():
        return
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        return
    # Whatever the umask is; only ever on a folder that was made here.
    folder.chmod(mode)


def _private_folder(folder: Path, account: Account) -> Path:
    try:
        folder.mkdir(mode=0o700)
        account.give(folder)
    except FileExistsError:
        pass
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise ConfigurationError(
            f"{folder} should be a folder that the user {account.name} alone can enter, and it"
            " is something else; remove it."
        )
    return folder
