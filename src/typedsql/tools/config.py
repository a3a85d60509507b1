"""A project as its checkout declares it: pyproject.toml, dbmate.env and the migrations."""

import keyword
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import msgspec

from typedsql.errors import ConfigurationError
from typedsql.project import Project
from typedsql.tools.migration_files import list_migrations


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[tool.typedsql]``; an unknown key in it is an error."""

    package: str
    queries: str = "queries"
    dbmate_env: str = "dbmate.env"
    command: str = "typedsql"
    """The program with this project's commands, where it has one of its own (`cli.make_app`)."""
    schemas: tuple[str, ...] = ("public",)
    """Whose tables become rows."""
    exposed_schemas: tuple[str, ...] = ()
    """Which an API exposes: their tables, views and functions must be safe from whoever has a
    token (`catalog_rules`)."""
    rows: dict[str, str] = {}
    """Table -> name of its Struct; others are named after the table in CamelCase."""
    documents: dict[str, str] = {}
    """``table.column`` of JSONB -> dotted path of the Python type it decodes to."""
    max_variants: int = 32
    """How many statements one with @optional and @order_by may stand for."""


class Checkout(msgspec.Struct, frozen=True):
    """A project's source tree with everything the generator is told."""

    root: Path
    package_dir: Path
    project: Project
    declaration: Declaration

    @property
    def source_root(self) -> Path:
        """The folder that the project's packages are imported from."""
        return self.package_dir.parents[self.declaration.package.count(".")]


def read_checkout(root: Path) -> Checkout:
    """Read a project's declaration. Raises ConfigurationError naming file and key."""
    pyproject = root / "pyproject.toml"
    if not pyproject.is_file():
        raise ConfigurationError(
            f"{root} has no pyproject.toml: run this in the checkout, or name its folder"
        )
    try:
        data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise ConfigurationError(f"pyproject.toml cannot be read: {failure}") from failure
    declaration = _declaration(data)
    name = _name(data)
    if not (root / declaration.queries).is_dir():
        raise ConfigurationError(
            f"{_TABLE}: there is no folder {declaration.queries}/ for the .sql files: make it, "
            "or name yours with the key queries"
        )
    env = read_dbmate_env(root / declaration.dbmate_env)
    project = Project(
        name=name,
        package=declaration.package,
        migrations_table=env["DBMATE_MIGRATIONS_TABLE"],
        latest_migration="",
        queries_dir=declaration.queries,
        migrations_dir=env["DBMATE_MIGRATIONS_DIR"],
        schema_file=env["DBMATE_SCHEMA_FILE"],
        dbmate_env=declaration.dbmate_env,
        command=declaration.command,
        schemas=declaration.schemas,
        exposed_schemas=declaration.exposed_schemas,
        checkout=root,
    )
    files = list_migrations(project)
    project = msgspec.structs.replace(project, latest_migration=files[-1].version if files else "")
    return Checkout(root, _package_dir(root, declaration.package), project, declaration)


_TABLE: Final = "pyproject.toml, [tool.typedsql]"
_COMMAND: Final = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)


def _declaration(data: Mapping[str, object]) -> Declaration:
    """Raises ConfigurationError naming the key that is wrong."""
    tools = data.get("tool")
    if not isinstance(tools, dict) or "typedsql" not in tools:
        raise ConfigurationError(
            'pyproject.toml lacks [tool.typedsql]: add the table, with package = "..." in it'
        )
    try:
        found = msgspec.convert(cast("dict[str, object]", tools)["typedsql"], Declaration)
    except msgspec.ValidationError as failure:
        raise ConfigurationError(f"{_TABLE}: {_in_words(str(failure))}") from failure
    words = found.package.split(".")
    if not all(word.isidentifier() and not keyword.iskeyword(word) for word in words):
        raise ConfigurationError(
            f'{_TABLE}: package = "{found.package}" is no name of a Python package: write what '
            'stands behind import, as in "shop" or "shop.storage"'
        )
    if _COMMAND.fullmatch(found.command) is None:
        raise ConfigurationError(
            f'{_TABLE}: command = "{found.command}" is no name of a program: write what is typed '
            'before generate, as in "shop"'
        )
    if found.max_variants < 1:
        raise ConfigurationError(f"{_TABLE}: max_variants must be 1 or more")
    return found


def _in_words(message: str) -> str:
    """msgspec's message with the words of TOML, and the keys that there are."""
    unknown = re.search(r"unknown field `(\w+)`", message)
    if unknown is not None:
        known = ", ".join(Declaration.__struct_fields__)
        return f"there is no key {unknown[1]}; there are {known}"
    missing = re.search(r"missing required field `(\w+)`", message)
    if missing is not None:
        return f"the key {missing[1]} is missing"
    return message.replace(" - at `$.", ", at `")


def _name(data: Mapping[str, object]) -> str:
    """The distribution's name."""
    project = data.get("project")
    table = cast("dict[str, object]", project) if isinstance(project, dict) else {}
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigurationError('pyproject.toml lacks name = "..." under [project]')
    return name


def _package_dir(root: Path, package: str) -> Path:
    relative = Path(*package.split("."))
    for candidate in (root / "src" / relative, root / relative):
        if candidate.is_dir():
            return candidate
    raise ConfigurationError(
        f"{_TABLE}: no folder src/{relative} or {relative} for the package: make it, or write "
        "the name of yours"
    )


def read_dbmate_env(path: Path) -> dict[str, str]:
    """The settings in dbmate.env. Raises ConfigurationError where one of ours is missing."""
    if not path.is_file():
        raise ConfigurationError(f"{path.name} is missing beside pyproject.toml")
    settings: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, separator, value = line.partition("=")
        if separator and not key.lstrip().startswith("#"):
            settings[key.strip()] = value.strip().strip("\"'")
    needed = ("DBMATE_MIGRATIONS_DIR", "DBMATE_SCHEMA_FILE", "DBMATE_MIGRATIONS_TABLE")
    missing = [key for key in needed if not settings.get(key)]
    if missing:
        raise ConfigurationError(f"{path.name} does not set {', '.join(missing)}")
    return settings
