"""What every command shares: where to connect, how to fail, what goes to which stream."""

import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, TextIO, TypeVar, cast

import msgspec
import typer

from typedsql.cli.output import discard, readable, show_document
from typedsql.errors import (
    ConfigurationError,
    ConnectionFailed,
    Error,
    MigrationMismatch,
    StatementDrift,
)
from typedsql.project import Project

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from typedsql.settings import ConnectionTarget

T = TypeVar("T")

FINDINGS = 1
"""Exit code: the command ran, and what it looked at or did is not in order."""
UNABLE = 2
"""Exit code: wrong usage, or the command could not begin."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
SIGNALLED = 128
"""Added to the number of a signal that ended the command, as shells do."""

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Connect here. Others on this machine can see it: prefer DATABASE_URL.",
        show_default=False,
    ),
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", show_default=False)
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json", help='Write one JSON document; of a failure, {"error": ...}.', show_default=False
    ),
]


class WrongUsage(ConfigurationError):
    """The command line asks for something that does not exist or cannot be."""


class Terminated(BaseException):
    """A signal asked the process to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Failure(msgspec.Struct, frozen=True):
    """Why a command ended without a result; with --json, the document ``{"error": ...}``."""

    kind: str
    """Our error's class, by what to do next (see `typedsql.errors`), or Interrupted,
    PackageMissing, Unexpected."""
    message: str
    exit_code: int
    sqlstate: str | None = None
    """PostgreSQL's five characters, None where the server said nothing."""
    query: str | None = None
    """Name of the statement, None outside of one."""


class Globals(msgspec.Struct, frozen=True):
    """Options given before the command."""

    url: str | None
    debug: bool


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One command on its way."""

    project: Project
    url: str | None
    debug: bool
    json: bool

    @classmethod
    def of(
        cls,
        context: typer.Context,
        project: Project,
        url: str | None,
        debug: bool,
        json: bool = False,
    ) -> "Invocation":
        """Options after the command win over those before it."""
        before: Globals = context.find_root().obj
        # An empty URL, of an unset variable, is refused later: it must not mean another one.
        chosen = before.url if url is None else url
        return cls(project=project, url=chosen, debug=debug or before.debug, json=json)

    def target(self) -> "ConnectionTarget":
        """Where to connect. Says so on stderr where it is the embedded server by default."""
        from typedsql.settings import resolve_target

        target = resolve_target(self.url, project=self.project.name, embedded_default=True)
        if target.source.startswith("embedded"):
            say(
                "Nothing says where the database is (DATABASE_URL, POSTGRES_*, SUPABASE_*): "
                f"using the embedded server in {target.embedded_dir}"
            )
        announce_new_server(target)
        return target

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a command's work to its end, or end the process with a sentence and a code.

        With --json the sentence is also on stdout, as the command's one document.
        """
        try:
            return _run_in_loop(work)
        except typer.Exit:
            raise
        except BrokenPipeError:
            # The reader has seen enough. Not 1, which would be a failed job.
            discard(sys.stdout)
            raise typer.Exit(SIGNALLED + signal.SIGPIPE) from None
        except (Exception, KeyboardInterrupt, Terminated) as failure:
            told = self._failure(failure)
            if self.debug:
                say("".join(traceback.format_exception(failure)).rstrip())
        say(f"Error: {told.message}")
        if self.json:
            write_failure(told)
        raise typer.Exit(told.exit_code)

    def _failure(self, failure: BaseException) -> "Failure":
        """What to tell of an exception; the text of one that is not ours may hold anything."""
        if isinstance(failure, Error):
            kind, code = type(failure).__name__, exit_code(failure)
            return Failure(kind, _encodable(str(failure)), code, failure.sqlstate, failure.query)
        if isinstance(failure, KeyboardInterrupt):
            return Failure("Interrupted", "interrupted", INTERRUPTED)
        if isinstance(failure, Terminated):
            name = signal.Signals(failure.number).name
            return Failure("Interrupted", f"ended by {name}", SIGNALLED + failure.number)
        if isinstance(failure, ModuleNotFoundError):
            install = f"pip install '{_engine_distribution() or self.project.name}[tools]'"
            message = f"this command needs the package {failure.name}: {install}"
            return Failure("PackageMissing", message, UNABLE)
        name = type(failure).__name__
        return Failure(
            "Unexpected", f"unexpected {name}: run it with --debug and report that", UNABLE
        )

    def write_json(self, value: object) -> None:
        """The command's one JSON document: decimals as strings, times in ISO 8601."""
        _write_json(value)


def _encodable(text: str) -> str:
    """A word of the command line that is not UTF-8 comes as half surrogate pairs."""
    return text.encode(errors="backslashreplace").decode()


def _engine_distribution() -> str | None:
    """What was installed to have this package; None for a checkout, which does not say so."""
    from importlib.metadata import packages_distributions

    return next(iter(packages_distributions().get("typedsql", ())), None)


def write_failure(failure: Failure) -> None:
    """The JSON document of a failure; lost output may be what it is to tell of."""
    try:
        _write_json({"error": failure})
    except (Error, OSError):
        discard(sys.stdout)


def _write_json(value: object) -> None:
    show_document(msgspec.json.encode(value, enc_hook=str))


def announce_new_server(target: "ConnectionTarget") -> None:
    """Say on stderr where using the target makes a new server: its folder may be misspelt."""
    if target.embedded_dir is None:
        return
    from typedsql.embedded.folder import ServerFolder

    try:
        absent = not ServerFolder(target.embedded_dir).data.exists()
    except OSError:
        return  # Not this user's to look into; using it says why.
    if absent:
        say(f"Making a new, empty server in {target.embedded_dir}: there is none yet")


def exit_code(failure: Error) -> int:
    """Whether the job failed, or could not even begin."""
    unable = (ConfigurationError, ConnectionFailed, MigrationMismatch, StatementDrift)
    return UNABLE if isinstance(failure, unable) else FINDINGS


def agree(what: str, *, otherwise: str) -> None:
    """Have the person at the terminal agree to `what`, a sentence without its full stop.

    Raises:
        ConfigurationError: nobody can be asked; `otherwise` tells what to do then.
        typer.Exit: the person does not agree.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise ConfigurationError(f"{what}: nothing was done; {otherwise}")
    if not typer.confirm(f"{what}. Go on?", err=True):
        say("Nothing was done")
        raise typer.Exit(FINDINGS)


def say(line: str) -> None:
    """Tell the person at the terminal; stdout is for what was asked for.

    Where stderr is closed, full or no longer read, the work goes on untold.
    """
    try:
        typer.echo(readable(line), err=True)
    except OSError:
        discard(sys.stderr)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is at this end; a stream that was closed beforehand is None."""
    return cast("TextIO | None", stream) is not None and stream.isatty()


def _run_in_loop(work: Callable[[], Awaitable[T]]) -> T:
    import asyncio

    async def main() -> T:
        with _ended_by_signals():
            return await work()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """Let the work clean up on SIGTERM and SIGHUP, as it does on Ctrl-C.

    Unhandled they would end the process at once, and leave an embedded server running. A
    second one still does; one that is ignored, by nohup for example, stays ignored.

    Raises:
        Terminated: one of them came.
    """
    import asyncio

    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        came.append(number)
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    handled = [
        number
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None))
        if number is not None and signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    except asyncio.CancelledError:
        if came:
            raise Terminated(came[0]) from None
        raise
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def _loop_factory() -> "Callable[[], AbstractEventLoop] | None":
    """uvloop's where it is installed."""
    if sys.platform == "win32":
        return None
    try:
        uvloop = import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], AbstractEventLoop] = uvloop.new_event_loop
    return factory
