"""The pytest plugin, in suites of somebody else: other folders, other configurations."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tests.engine.toy_project import CREATE_THINGS, FIRST, make_project, second, things_and
from typedsql import testing
from typedsql.settings import ConnectionTarget
from typedsql.testing import TestServer, plugin

RUN_LIMIT_SECONDS = 180

PLUGIN = 'pytest_plugins = ["whaledb.testing"]\n'

# Each of them would fail if the other had run in the same database.
TWO_TESTS = """
    from uuid import UUID
    import pytest
    from whaledb.documents import Preferences
    from whaledb.queries import users

    pytestmark = pytest.mark.asyncio{marker}

    ADD = "INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-000000000001')"
    PERSON = UUID("00000000-0000-4000-8000-000000000001")
    COUNT = "SELECT count(*) FROM auth.users"

    @pytest.mark.parametrize("turn", ["first", "second"])
    async def test_own_rows(whaledb_db, whaledb_connection, turn):
        await whaledb_connection.execute(ADD)
        assert await whaledb_connection.fetchval(COUNT) == 1
        async with whaledb_db.transaction() as tx:
            await users.insert(tx, id=PERSON, preferences=Preferences())
            assert await users.count(tx) == 1

    @pytest.mark.parametrize("turn", ["first", "second"])
    async def test_own_transaction(whaledb_rolled_back, turn):
        await whaledb_rolled_back.execute(ADD)
        assert await whaledb_rolled_back.fetchval(COUNT) == 1
    """

LEAVES_THINGS_OPEN = """
    import asyncpg, pathlib

    async def test_leaves_a_transaction_and_a_connection_open(whaledb_target):
        connection = await asyncpg.connect(**whaledb_target.asyncpg_arguments())
        await connection.execute("BEGIN; LOCK TABLE public.whale_transactions")
        pathlib.Path("database").write_text(whaledb_target.database)
    """


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of pytest ended."""

    code: int
    out: str
    counts: dict[str, int]


Suite = Callable[..., Run]


@pytest.fixture
def suite(tmp_path: Path, server: TestServer) -> Suite:
    """Writes a suite into an empty folder and runs it on the server this test runs on."""

    def run(
        tests: str,
        *arguments: str,
        ini: str = "",
        conftest: str = PLUGIN,
        environment: dict[str, str] | None = None,
    ) -> Run:
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
        (tmp_path / "test_theirs.py").write_text(textwrap.dedent(tests))
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        variables["TEST_DATABASE_URL"] = server.target.dbmate_url()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env=variables | (environment or {}),
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_SECONDS,
            check=False,
        )
        found = re.findall(
            r"(\d+) (passed|failed|error|warning)", "".join(done.stdout.splitlines()[-1:])
        )
        counts = {word: int(number) for number, word in found}
        return Run(done.returncode, done.stdout + done.stderr, counts)

    return run


@pytest.mark.parametrize(
    ("ini", "marker"),
    [
        ("asyncio_mode = strict", ""),
        ("asyncio_mode = auto", ""),
        ("asyncio_default_test_loop_scope = session", ""),
        ("asyncio_default_fixture_loop_scope = session", ""),
        ("asyncio_default_fixture_loop_scope = function", "(loop_scope='module')"),
    ],
)
def test_each_test_has_its_own_database_in_any_event_loop(
    suite: Suite, ini: str, marker: str
) -> None:
    # All warnings are errors, but pytest-asyncio's own about a configuration without scopes.
    warnings = ("-W", "error", "-W", "ignore:The configuration option:DeprecationWarning")
    run = suite(TWO_TESTS.format(marker=marker), *warnings, ini=ini)
    assert (run.code, run.counts) == (0, {"passed": 4}), run.out


def test_without_a_database_for_each_test_the_second_sees_the_first_ones_row(suite: Suite) -> None:
    """The control: the same tests in one database."""
    shared = """
        import pytest
        pytest_plugins = ["whaledb.testing"]

        @pytest.fixture
        def whaledb_target(whaledb_shared_target):
            return whaledb_shared_target
        """
    run = suite(TWO_TESTS.format(marker=""), conftest=shared)
    assert (run.code, run.counts) == (1, {"passed": 1, "failed": 3}), run.out
    assert run.out.count("UniqueViolationError") >= 3


def test_a_plain_test_gets_a_url(suite: Suite) -> None:
    tests = """
        import asyncio, asyncpg, os, unittest
        import pytest, whaledb

        def test_url(whaledb_url):
            async def count():
                connection = await asyncpg.connect(whaledb_url)
                found = await connection.fetchval("SELECT count(*) FROM public.alerts")
                await connection.close()
                return found
            assert asyncio.run(count()) == 0

        def test_code_that_reads_the_environment(whaledb_url, monkeypatch):
            monkeypatch.setenv("DATABASE_URL", whaledb_url)
            async def schema():
                async with whaledb.connect() as db:
                    return db.target.database
            assert asyncio.run(schema()).startswith("whaledb_test_")

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def database(self, whaledb_url):
                self.url = whaledb_url

            def test_url(self):
                assert self.url.startswith("postgres://")
        """
    run = suite(tests, "-p", "no:asyncio")
    assert (run.code, run.counts) == (0, {"passed": 3}), run.out


def test_a_database_can_be_asked_for_within_a_running_loop(suite: Suite) -> None:
    tests = """
        async def test_late(request):
            assert "whaledb_test_" in request.getfixturevalue("whaledb_url")
        """
    run = suite(tests, ini="asyncio_mode = auto")
    assert (run.code, run.counts) == (0, {"passed": 1}), run.out


def test_several_processes(suite: Suite) -> None:
    run = suite(TWO_TESTS.format(marker=""), "-n", "2")
    assert (run.code, run.counts) == (0, {"passed": 4}), run.out
    assert run.out.count("whaledb tests: PostgreSQL") == 1
    assert "(TEST_DATABASE_URL)" in run.out


def test_what_is_left_open_does_not_keep_a_database(
    suite: Suite, server: TestServer, tmp_path: Path, target: ConnectionTarget
) -> None:
    run = suite(LEAVES_THINGS_OPEN, ini="asyncio_mode = auto")
    assert run.code == 0, run.out
    # Its own and its template, by the run's number in their names; others may run as well.
    prefix = (tmp_path / "database").read_text().rpartition("_")[0]
    found = asyncio.run(databases_of_tests(server))
    assert not [name for name in found if name.startswith(f"{prefix}_")]
    # The control: those of a run that goes on are seen, the outer one's.
    assert target.database in found


async def databases_of_tests(server: TestServer) -> list[str]:
    connection = await asyncpg.connect(**server.target.asyncpg_arguments())
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname ~ '^whaledb_test'")
    await connection.close()
    return [row[0] for row in rows]


NO_SERVER = {"TEST_DATABASE_URL": "postgresql://tester:canary-53@127.0.0.1:1/app"}


@pytest.mark.parametrize("processes", [(), ("-n", "2")])
def test_no_server_ends_the_run_with_a_sentence(suite: Suite, processes: tuple[str, ...]) -> None:
    run = suite(
        "def test_nothing(): pass",
        *processes,
        environment=NO_SERVER,
    )
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "whaledb tests: no PostgreSQL to test on: tester@127.0.0.1:1/app" in run.out
    # What was said is not advised.
    assert "TEST_DATABASE_URL can name" not in run.out
    assert "Traceback" not in run.out
    assert "canary" not in run.out


@pytest.mark.parametrize(
    "option", ["--fixtures", "--fixtures-per-test", "--collect-only", "--setup-plan"]
)
def test_what_runs_no_test_needs_no_server(suite: Suite, option: str) -> None:
    run = suite("def test_url(whaledb_url): pass", option, environment=NO_SERVER)
    assert run.code == pytest.ExitCode.OK, run.out
    assert "test" in run.out


def test_where_nothing_is_installed_the_variable_is_advised_in_a_sentence(suite: Suite) -> None:
    absent = """
        from typedsql import embedded
        from typedsql.errors import ConfigurationError

        def pytest_configure():
            def binaries(major):
                raise ConfigurationError("no embedded server")
            embedded.binaries = binaries
        """
    run = suite(
        "def test_nothing(): pass",
        conftest=PLUGIN + textwrap.dedent(absent),
        environment={"TEST_DATABASE_URL": "", "DOCKER_HOST": "tcp://127.0.0.1:1"},
    )
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "no embedded server. TEST_DATABASE_URL can name a server." in run.out


@pytest.mark.parametrize(
    ("fixtures", "is_started"),
    # The control: a server is started once a test asks for it.
    [("", False), ("whaledb_server", True)],
)
def test_nothing_is_started_for_tests_that_need_no_database(
    suite: Suite, fixtures: str, is_started: bool
) -> None:
    tests = f"""
        import os

        def test_nothing({fixtures}):
            assert bool(os.listdir(os.environ["TMPDIR"])) is {is_started}
        """
    with tempfile.TemporaryDirectory() as folder:
        # Under root the server's user must get through.
        Path(folder).chmod(0o711)
        run = suite(
            tests,
            environment={
                "TEST_DATABASE_URL": "",
                "DOCKER_HOST": "tcp://127.0.0.1:1",
                "TMPDIR": folder,
            },
        )
        assert not list(Path(folder).iterdir())
    assert (run.code, run.counts) == (0, {"passed": 1}), run.out
    assert "whaledb tests: PostgreSQL 18: embedded server" in run.out


def test_without_the_plugin_nothing_changes(suite: Suite) -> None:
    """There is no entry point: to install the package is not to use its plugin."""
    run = suite("def test_url(whaledb_url): pass", conftest="")
    assert run.counts == {"error": 1}
    assert "fixture 'whaledb_url' not found" in run.out
    assert "whaledb tests:" not in run.out
    # The control: the same, asked for on the command line.
    run = suite("def test_url(whaledb_url): pass", "-p", "whaledb.testing", conftest="")
    assert (run.code, run.counts) == (0, {"passed": 1}), run.out


def their_conftest(root: Path, migrations: dict[str, str]) -> str:
    project = make_project(root, migrations)
    return (
        "from pathlib import PosixPath\n"
        "from typedsql.project import Project\n"
        "from typedsql.testing import register\n"
        f"PROJECT = {project!r}\n"
        "def pytest_configure(config):\n"
        "    register(config, PROJECT)\n"
    )


def test_a_project_of_another_team(suite: Suite, tmp_path: Path) -> None:
    tests = """
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.parametrize("turn", ["first", "second"])
        async def test_things(toy_connection, toy_db, toy_url, turn):
            await toy_connection.execute("INSERT INTO public.things VALUES (1)")
            assert await toy_connection.fetchval("SELECT count(*) FROM public.things") == 1
            assert toy_db.target.database in toy_url
        """
    both = their_conftest(tmp_path / "checkout", {FIRST: CREATE_THINGS}) + PLUGIN
    run = suite(tests, conftest=both)
    assert (run.code, run.counts) == (0, {"passed": 2}), run.out
    assert "toy tests: PostgreSQL" in run.out
    assert "whaledb tests: PostgreSQL" in run.out


def test_projects_whose_fixtures_would_have_the_same_names_are_refused(
    suite: Suite, tmp_path: Path
) -> None:
    conftest = their_conftest(tmp_path / "checkout", {FIRST: CREATE_THINGS})
    for second_call, code in (
        ("register(config, Project(**{**vars_of(PROJECT)}))", pytest.ExitCode.OK),
        ("register(config, Project(**{**vars_of(PROJECT), 'package': 'b'}))", 4),
        # The control: what the message advises.
        ("register(config, Project(**{**vars_of(PROJECT), 'package': 'b'}), prefix='other')", 0),
    ):
        both = f"{conftest}    {second_call}\nfrom msgspec.structs import asdict as vars_of\n"
        run = suite("def test_nothing(): pass", conftest=both)
        assert run.code == code, run.out
        assert ("a prefix of its own" in run.out) is (code == pytest.ExitCode.USAGE_ERROR)
        assert "Traceback" not in run.out


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError(), "no database for this test: the server did not answer within 10 s"),
        (asyncpg.InterfaceError("it is closed"), "no database for this test: it is closed"),
        (OSError("it is gone"), "no database for this test: it is gone"),
    ],
)
def test_why_there_is_no_database_is_told_in_a_sentence(error: Exception, sentence: str) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match=sentence),
        plugin._told_in_a_sentence("no database for this test"),
    ):
        raise error
    # The control: an error in the code is not about the server, and keeps its traceback.
    with pytest.raises(KeyError), plugin._told_in_a_sentence("no database for this test"):
        raise KeyError


def test_a_broken_migration_is_told_in_a_line(suite: Suite, tmp_path: Path) -> None:
    conftest = their_conftest(tmp_path / "checkout", things_and(second("NONSENSE;")))
    run = suite("def test_one(toy_url): pass\ndef test_two(toy_url): pass", conftest=conftest)
    assert run.counts == {"error": 2}, run.out
    assert 'line 2: syntax error at or near "NONSENSE"' in run.out
    assert "Traceback" not in run.out


README = Path(testing.__file__).with_name("README.md")


def test_the_readme_lists_the_fixtures_that_there_are(suite: Suite) -> None:
    run = suite("def test_nothing(): pass", "--fixtures")
    published = set(re.findall(r"^whaledb_(\w+)", run.out, re.M))
    listed = re.findall(r"^\| `shop_(\w+)` \|", README.read_text("utf-8"), re.M)
    assert published == set(listed)
    # Each says what it is; what is internal is not shown.
    assert "no docstring available" not in run.out.partition("typedsql")[2]
