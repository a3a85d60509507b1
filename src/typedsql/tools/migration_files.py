"""The files in the migrations folder: read strictly, and made."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from typedsql.errors import ConfigurationError
from typedsql.project import Project

VERSION_DIGITS = 14
NAME_LIMIT_CHARACTERS = 100
NEW_VERSION_ATTEMPTS = 100
NEW_VERSION_PAUSE_S = 0.02

_FILE_NAME = re.compile(r"([0-9]{14})_([A-Za-z0-9_]+)\.sql")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SECTION = re.compile(r"^--\s*migrate:(up|down)(.*)$", re.MULTILINE)
_OPTION = re.compile(r"(?:[ \t]+transaction:(true|false))?[ \t]*")

TEMPLATE = """\
-- Why:    say what needs this change, in one or two lines.
-- Locks:  which tables, how strong, for how long; whether anything is rewritten.
-- Deploy: before or after the code that relies on it.
-- migrate:up


-- migrate:down

"""


class MigrationFile(msgspec.Struct, frozen=True):
    """One migration; `transactional` tells whether its up section runs in a transaction."""

    version: str
    name: str
    path: Path
    transactional: bool
    empty: bool = False
    """Nothing but comments stands in its up section: to apply it would be to lose it."""


def list_migrations(project: Project) -> list[MigrationFile]:
    """All migrations, by version.

    Raises ConfigurationError, naming the file, for what dbmate would silently skip or
    misread: a version that is not 14 digits or not unique, a mistyped option, several
    sections of a kind.
    """
    directory = migrations_directory(project)
    found: dict[str, MigrationFile] = {}
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ConfigurationError(
                f"{_shown(project, path)}: a migration is named <14-digit version>_<words>.sql; "
                f"rename it, or make one with `{project.command} migrations new`"
            )
        version, name = match.groups()
        if version in found:
            raise ConfigurationError(
                f"{_shown(project, path)} has the version of {found[version].path.name}, so only "
                "one of them would ever run: give it a later version"
            )
        text = path.read_text(encoding="utf-8")
        transactional = _is_transactional(project, path, text)
        found[version] = MigrationFile(version, name, path, transactional, _is_empty(text))
    return list(found.values())


def migrations_directory(project: Project) -> Path:
    """The folder of migrations. Raises ConfigurationError if it does not exist."""
    directory = project.root / project.migrations_dir
    if not directory.is_dir():
        raise ConfigurationError(f"{directory} does not exist: it holds the migrations")
    return directory


def _shown(project: Project, path: Path) -> str:
    return f"{project.migrations_dir}/{path.name}"


def _is_empty(text: str) -> bool:
    """Whether the up section of a well-formed file holds no statement."""
    up = _SECTION.split(text)[3]
    return not re.sub(r"--.*$", "", up, flags=re.MULTILINE).strip()


def _is_transactional(project: Project, path: Path, text: str) -> bool:
    sections = _SECTION.findall(text)
    if [kind for kind, _ in sections] != ["up", "down"]:
        raise ConfigurationError(
            f"{_shown(project, path)}: a migration has one `-- migrate:up` and after it one "
            "`-- migrate:down`; split it into several files if it needs more"
        )
    options: list[str | None] = []
    for kind, rest in sections:
        match = _OPTION.fullmatch(rest)
        if match is None:
            raise ConfigurationError(
                f"{_shown(project, path)}: dbmate would ignore what follows `-- migrate:{kind}`; "
                "write nothing there, or exactly transaction:false"
            )
        options.append(match.group(1))
    return options[0] != "false"


def new_migration(project: Project, name: str) -> Path:
    """Make an empty migration with a version of its own, later than all others.

    The version is the time in UTC. `name` becomes snake_case.
    Raises ConfigurationError for a name that cannot, and outside a checkout.
    """
    slug = re.sub(r"[\s-]+", "_", name.strip().lower())
    if _NAME.fullmatch(slug) is None or len(slug) > NAME_LIMIT_CHARACTERS:
        raise ConfigurationError(
            "a migration's name is words of letters, digits and _ beginning with a letter, "
            f"at most {NAME_LIMIT_CHARACTERS} characters: for example add_price_source"
        )
    if not project.is_checkout:
        raise ConfigurationError(
            f"{project.name} is an installed package here: make migrations in its checkout"
        )
    directory = migrations_directory(project)
    for _ in range(NEW_VERSION_ATTEMPTS):
        made = _try_new(directory, slug)
        if made is not None:
            return made
        time.sleep(NEW_VERSION_PAUSE_S)
    raise ConfigurationError(
        f"{project.migrations_dir}: others are making migrations there without end; try again"
    )


def _try_new(directory: Path, slug: str) -> Path | None:
    """Claim the next version under an exclusive name, so that two callers never share it."""
    version = _next_version(directory)
    claim = directory / f".{version}.claim"
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return None
    try:
        # Another caller may have used this version and let go of its claim meanwhile.
        if _next_version(directory) > version:
            return None
        claim.write_text(TEMPLATE, encoding="utf-8")
        # Renamed, not written in place: nobody ever sees half a migration.
        return claim.rename(directory / f"{version}_{slug}.sql")
    finally:
        claim.unlink(missing_ok=True)


def _next_version(directory: Path) -> str:
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    names = (_FILE_NAME.fullmatch(path.name) for path in directory.glob("*.sql"))
    newest = max((match[1] for match in names if match), default="")
    if now > newest:
        return now
    return str(int(newest) + 1).rjust(VERSION_DIGITS, "0")
