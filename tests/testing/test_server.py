"""Which server the tests of a project run on."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from typedsql import embedded
from typedsql.embedded.accounts import account_for
from typedsql.embedded.folder import ServerFolder
from typedsql.errors import ConfigurationError, ConnectionFailed
from typedsql.testing import TestServer, choose_server
from typedsql.testing import server as choosing
from typedsql.testing.server import ServerKind, docker_answers, identifier, remove_leftovers

START_LIMIT_SECONDS = 120


def test_the_url_of_the_environment_goes_before_docker(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bool:
        raise AssertionError("nobody should ask Docker")

    monkeypatch.setenv("TEST_DATABASE_URL", server.target.dbmate_url())
    monkeypatch.setattr(choosing, "docker_answers", fail)
    choice = choose_server("toy")
    assert choice.check().startswith(f"PostgreSQL {server.version}: ")
    with choice.started() as chosen:
        assert chosen.target.source == "TEST_DATABASE_URL"
        assert chosen.version == server.version


def test_an_engine_that_does_not_answer_is_no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert not docker_answers()


@pytest.mark.parametrize(("answers", "kind"), [(True, "CONTAINER"), (False, "EMBEDDED")])
def test_docker_goes_before_the_embedded_server(
    monkeypatch: pytest.MonkeyPatch, answers: bool, kind: str
) -> None:
    # Set and empty counts as unset.
    monkeypatch.setenv("TEST_DATABASE_URL", "")
    monkeypatch.setattr(choosing, "docker_answers", lambda: answers)
    assert choose_server("toy").kind is ServerKind[kind]


def test_a_server_that_is_not_there_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://tester:canary-51@127.0.0.1:1/app")
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:1/app \(TEST_DATABASE_URL\)") as told:
        choose_server("toy").check()
    assert "canary" not in str(told.value)


def test_a_missing_embedded_server_is_told_before_any_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(major: int) -> Path:
        raise ConfigurationError(f"no PostgreSQL {major}")

    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.setattr(choosing, "docker_answers", lambda: False)
    choice = choose_server("toy")
    assert choice.check() == "PostgreSQL 18: embedded server"
    monkeypatch.setattr(embedded, "binaries", absent)
    with pytest.raises(ConfigurationError, match="no PostgreSQL 18"):
        choice.check()


@pytest.mark.parametrize(
    ("project", "word"),
    [
        ("whaledb", "whaledb"),
        ("Shop.Back-End", "shop_back_end"),
        ("2nd", "project_2nd"),
        ("--", "project"),
        ("naïve; DROP", "na_ve_drop"),
        ("a" * 100, "a" * 30),
    ],
)
def test_any_project_has_a_name_for_fixtures_folders_and_databases(project: str, word: str) -> None:
    assert identifier(project) == word
    assert word.isidentifier()


async def knock(host: str) -> None:
    connection = await asyncpg.connect(host=host, user="postgres", database="postgres")
    await connection.close()


def test_the_server_of_a_killed_run_is_stopped_and_that_of_a_living_one_kept() -> None:
    """A project's own name, so that no run but this one is concerned."""
    code = (
        "import sys\n"
        "from typedsql.testing.server import ServerChoice, ServerKind\n"
        f"choice = ServerChoice(project='toy{os.getpid()}', kind=ServerKind.EMBEDDED)\n"
        "with choice.started() as server:\n"
        "    print(server.target.embedded_dir, server.target.host, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    project = f"toy{os.getpid()}"
    running = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        folder, host = running.stdout.readline().split()
        # The control: its run lives, and the server answers.
        remove_leftovers(project)
        asyncio.run(knock(host))
        running.kill()
        # Nobody has asked for its end yet: it is dead all the same.
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
        assert Path(folder).is_dir()
        remove_leftovers(project)
    finally:
        running.kill()
        running.communicate(timeout=START_LIMIT_SECONDS)
    assert not Path(folder).exists()
    assert not list(Path(tempfile.gettempdir()).glob(f"{project}-tests-*"))
    with pytest.raises(OSError):
        asyncio.run(knock(host))


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Folders that look like those of runs of a project of the test's own."""

    project: str
    temporary: Path

    def path(self) -> Path:
        # No process has a number as high as this, as in another container with its own.
        prefix = choosing._folder_prefix(self.project)
        return self.temporary / f"{prefix}{2**22 + 1}-{secrets.token_hex(3)}"

    def make(self, *, with_server: bool = True) -> ServerFolder:
        folder = ServerFolder(self.path())
        folder.root.mkdir()
        if with_server:
            folder.data.mkdir()
            folder.users_lock.touch()
        return folder

    def remain(self, folder: ServerFolder) -> bool:
        remove_leftovers(self.project)
        return folder.root.exists()


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Leftovers]:
    with tempfile.TemporaryDirectory() as temporary:
        # Under root the server's user must get through.
        Path(temporary).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        yield Leftovers("toy", Path(temporary))


def test_a_server_in_use_is_kept_whatever_its_folder_is_named(leftovers: Leftovers) -> None:
    """A run in another container shares the folder of temporary files, not the numbers."""
    with embedded.start(leftovers.path(), settings=choosing.FAST_SETTINGS) as server:
        folder = ServerFolder(server.folder)
        assert leftovers.remain(folder)
        asyncio.run(knock(server.target().host))
    # The control: nobody uses it any more.
    assert not leftovers.remain(folder)


def test_a_server_whose_process_is_another_container_s_is_kept(leftovers: Leftovers) -> None:
    """pg_ctl would send its signal to whatever process has the same number here."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from typedsql import embedded\n"
        "embedded.start(Path(sys.argv[1]))\n"
        # As if it was killed: the server goes on.
        "os._exit(0)\n"
    )
    folder = ServerFolder(leftovers.path())
    subprocess.run([sys.executable, "-c", code, folder.root], check=True)
    account = account_for(folder.root)
    bystander = subprocess.Popen(["/bin/sleep", "1000"], **account.process_arguments())
    number = folder.data / "postmaster.pid"
    own = number.read_text()
    try:
        number.write_text(f"{bystander.pid}\n{own.partition(chr(10))[2]}")
        assert leftovers.remain(folder)
        assert bystander.poll() is None
    finally:
        number.write_text(own)
        bystander.kill()
        bystander.wait(START_LIMIT_SECONDS)
    # The control: by its own number it is stopped.
    assert not leftovers.remain(folder)


@pytest.mark.parametrize("unfinished", ["nothing in it", "locks", "broken off"])
def test_what_another_run_just_begins_is_kept(leftovers: Leftovers, unfinished: str) -> None:
    folder = leftovers.make(with_server=False)
    if unfinished != "nothing in it":
        folder.users_lock.touch()
    if unfinished == "broken off":
        (folder.root / "data.new").mkdir()
    assert leftovers.remain(folder)
    # The control: nobody needs so long.
    before = folder.root.stat().st_mtime - choosing.UNFINISHED_LIMIT_SECONDS - 1
    os.utime(folder.root, (before, before))
    assert not leftovers.remain(folder)


def test_links_and_what_other_programs_made_are_kept(
    leftovers: Leftovers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ServerFolder(tmp_path / "kept")
    kept.data.mkdir(parents=True)
    (kept.data / "postmaster.pid").touch()
    link, plain = leftovers.path(), leftovers.path()
    link.symlink_to(kept.root, target_is_directory=True)
    plain.touch()
    named = leftovers.temporary / f"{choosing._folder_prefix('toy')}1-notes"
    named.mkdir()
    monkeypatch.setattr(choosing, "UNFINISHED_LIMIT_SECONDS", -1.0)
    # The control: a folder of ours goes.
    assert not leftovers.remain(leftovers.make(with_server=False))
    assert link.is_symlink()
    # Nor was a server started where it leads.
    assert [*kept.root.iterdir()] == [kept.data]
    assert plain.exists()
    assert named.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_folders_of_other_users_are_kept(leftovers: Leftovers) -> None:
    folder = leftovers.make()
    os.chown(folder.root, 12345, 12345)
    assert leftovers.remain(folder)
    # The control: one of our own.
    os.chown(folder.root, 0, 0)
    assert not leftovers.remain(folder)
