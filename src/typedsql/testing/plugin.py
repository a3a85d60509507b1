"""The pytest plugin: fixtures of a project, and what the report's header says."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import asyncpg
import pytest
import pytest_asyncio

from typedsql.database import Database
from typedsql.errors import Error
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.testing.databases import (
    CONNECT_LIMIT_SECONDS,
    STATEMENT_LIMIT_SECONDS,
    Databases,
)
from typedsql.testing.server import (
    URL_VARIABLE,
    ServerChoice,
    ServerKind,
    TestServer,
    choose_server,
    identifier,
)

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

LoopScope = Literal["function", "class", "module", "package", "session"]
Opener = Callable[[ConnectionTarget], AbstractAsyncContextManager[Any]]

# The options, by pytest's names for them, with which it runs no test and sets up no fixture.
_RUNS_NOTHING = ("collectonly", "showfixtures", "show_fixtures_per_test", "setupplan", "cacheshow")

_LOOP_SCOPES: tuple[LoopScope, ...] = ("function", "class", "module", "package", "session")


def register(config: pytest.Config, project: Project, *, prefix: str | None = None) -> None:
    """Give a test run the fixtures of a project; call it from `pytest_configure`.

    `prefix` begins the fixtures' names; None takes the project's name, in lower case and
    with underscores. A second call for the same project does nothing. Several projects may
    be registered in one run.

    Raises pytest.UsageError where another project has the same prefix.
    """
    word = prefix or identifier(project.name)
    name = f"typedsql.testing: {word}"
    registered = config.pluginmanager.get_plugin(f"{name} run")
    if isinstance(registered, _TestRun):
        if registered.project == project:
            return
        raise pytest.UsageError(
            f"typedsql.testing: the fixtures of two projects, {registered.project.name} (package"
            f" {registered.project.package}) and {project.name} (package {project.package}),"
            f" would begin with {word}_: give one of them a prefix of its own,"
            ' register(config, PROJECT, prefix="...")'
        )
    run = _TestRun(config, project, word)
    config.pluginmanager.register(run, f"{name} run")
    config.pluginmanager.register(_fixtures(run), name)


class _TestRun:
    """What one run of pytest knows about a project's server; its methods are pytest's hooks."""

    def __init__(self, config: pytest.Config, project: Project, prefix: str) -> None:
        self.project = project
        self.prefix = prefix
        self._config = config
        self._choice: ServerChoice | None = None
        self._header = ""

    def choice(self) -> ServerChoice:
        """Made once, by the first process: the others are told."""
        if self._choice is None:
            told = getattr(self._config, "workerinput", {}).get(self._key)
            self._choice = (
                ServerChoice(project=self.project.name, kind=ServerKind(told))
                if told
                else choose_server(self.project.name)
            )
        return self._choice

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if self._is_worker or any(session.config.getoption(name, False) for name in _RUNS_NOTHING):
            return
        try:
            self._header = f"{self.project.name} tests: {self.choice().check()}"
        except Error as error:
            raise pytest.UsageError(self._no_server(error)) from None

    def pytest_report_header(self) -> str | None:
        if not self._header:
            return None
        shared = self.choice().kind is ServerKind.NAMED
        if shared or self._config.getoption("dist", "no") == "no":
            return self._header
        return f"{self._header}, one for each worker"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Called by pytest-xdist, where it is used, for each of its processes."""
        node.workerinput[self._key] = self.choice().kind.value

    @property
    def _key(self) -> str:
        return f"typedsql.testing {self.prefix}"

    def _no_server(self, error: Error) -> str:
        text = f"{self.project.name} tests: no PostgreSQL to test on: {error}"
        if self.choice().kind is ServerKind.NAMED:
            return text
        return f"{text.removesuffix('.')}. {URL_VARIABLE} can name a server."

    @property
    def _is_worker(self) -> bool:
        return hasattr(self._config, "workerinput")


@contextlib.contextmanager
def _told_in_a_sentence(what: str) -> Generator[None, None, None]:
    """Nobody needs a traceback through this file to see why there is no database."""
    problem = ""
    try:
        yield
    except TimeoutError:  # before OSError, of which it is a subclass; it has no text
        problem = (
            f"{what}: the server did not answer within {CONNECT_LIMIT_SECONDS:g} s (connection)"
            f" or {STATEMENT_LIMIT_SECONDS:g} s (statement); see what it is busy with, and"
            " whether other runs wait for each other there"
        )
    except (Error, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        problem = f"{what}: {error}"
    if problem:
        pytest.fail(problem, pytrace=False)


def _fixtures(run: _TestRun) -> ModuleType:
    """A plugin whose attributes are the fixtures.

    A module, because pytest looks for fixtures in the attributes of modules and classes.
    """
    plugin = ModuleType(f"typedsql.testing.{run.prefix}", "Fixtures made by typedsql.testing.")
    made = _server_fixtures(run) | _target_fixtures(run.prefix)
    for name, source, opener, doc in (
        ("connection", "target", _connection, "A plain asyncpg connection to {p}_target."),
        ("db", "target", _database(run.project), "The library, connected to {p}_target."),
        (
            "rolled_back",
            "shared_target",
            _rolled_back,
            "A connection to {p}_shared_target in a transaction that is rolled back; cheaper.",
        ),
    ):
        made |= _opened_fixtures(run.prefix, name, source, opener, doc)
    vars(plugin).update(made)
    return plugin


def _server_fixtures(run: _TestRun) -> dict[str, Any]:
    prefix = run.prefix

    @pytest.fixture(scope="session", name=f"{prefix}_server")
    def server() -> Generator[TestServer, None, None]:
        """The server of this run (`typedsql.testing.TestServer`), started when first asked for."""
        with contextlib.ExitStack() as stack:
            with _told_in_a_sentence("no PostgreSQL to test on"):
                started = stack.enter_context(run.choice().started())
            yield started

    @pytest.fixture(scope="session", name=f"{prefix}_databases")
    def databases(request: pytest.FixtureRequest) -> Generator[Databases, None, None]:
        """Makes databases of any kind and lifetime (`typedsql.testing.Databases`)."""
        chosen: TestServer = request.getfixturevalue(f"{prefix}_server")
        with contextlib.ExitStack() as stack:
            with _told_in_a_sentence("the server for tests cannot be used"):
                opened = stack.enter_context(Databases(chosen.target, run.project))
            yield opened

    return {f"{prefix}_server": server, f"{prefix}_databases": databases}


def _target_fixtures(prefix: str) -> dict[str, Any]:
    @contextlib.contextmanager
    def migrated(request: pytest.FixtureRequest) -> Generator[ConnectionTarget, None, None]:
        databases: Databases = request.getfixturevalue(f"{prefix}_databases")
        with contextlib.ExitStack() as stack:
            with _told_in_a_sentence("no database for this test"):
                target = stack.enter_context(databases.fresh(databases.template()))
            yield target

    @pytest.fixture(name=f"{prefix}_target")
    def target(request: pytest.FixtureRequest) -> Generator[ConnectionTarget, None, None]:
        """A migrated database of the test's own, as a ConnectionTarget."""
        with migrated(request) as made:
            yield made

    @pytest.fixture(scope="session", name=f"{prefix}_shared_target")
    def shared_target(request: pytest.FixtureRequest) -> Generator[ConnectionTarget, None, None]:
        """One migrated database for all tests that leave nothing behind."""
        with migrated(request) as made:
            yield made

    @pytest.fixture(name=f"{prefix}_url")
    def url(request: pytest.FixtureRequest) -> str:
        """The postgres:// URL of the test's own migrated database, its password included."""
        own: ConnectionTarget = request.getfixturevalue(f"{prefix}_target")
        return own.dbmate_url()

    return {
        f"{prefix}_target": target,
        f"{prefix}_shared_target": shared_target,
        f"{prefix}_url": url,
    }


def _opened_fixtures(
    prefix: str, name: str, source: str, opener: Opener, doc: str
) -> dict[str, Any]:
    """A fixture that is opened in the loop the test runs in, whatever its scope.

    An asynchronous fixture has a loop of one scope, fixed by its author or by the user's
    configuration, and a test may have another: then nothing that it opened can be used.
    So there is one for each scope, and the public one takes that of the test.
    """

    def inner(scope: str) -> str:
        return f"_{prefix}_{name}_in_{scope}_loop"

    def for_loop(scope: LoopScope) -> Any:
        @pytest_asyncio.fixture(loop_scope=scope, name=inner(scope))
        async def opened(request: pytest.FixtureRequest) -> AsyncGenerator[Any, None]:
            async with opener(request.getfixturevalue(f"{prefix}_{source}")) as value:
                yield value

        return opened

    def following(request: pytest.FixtureRequest) -> Any:
        # First, and outside of any loop: it waits for the server.
        request.getfixturevalue(f"{prefix}_{source}")
        return request.getfixturevalue(inner(_loop_scope(request)))

    following.__doc__ = doc.format(p=prefix)
    made = {inner(scope): for_loop(scope) for scope in _LOOP_SCOPES}
    return made | {f"{prefix}_{name}": pytest.fixture(name=f"{prefix}_{name}")(following)}


def _loop_scope(request: pytest.FixtureRequest) -> str:
    """The scope of the test's event loop, decided as pytest-asyncio does."""
    marker = request.node.get_closest_marker("asyncio")
    said = marker.kwargs.get("loop_scope") or marker.kwargs.get("scope") if marker else None
    return str(said or request.config.getini("asyncio_default_test_loop_scope") or "function")


@asynccontextmanager
async def _connection(target: ConnectionTarget) -> AsyncGenerator["Connection", None]:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _rolled_back(target: ConnectionTarget) -> AsyncGenerator["Connection", None]:
    async with _connection(target) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection
        finally:
            if not connection.is_closed():
                await transaction.rollback()


def _database(project: Project) -> Opener:
    return lambda target: Database.connect(target, project=project)
