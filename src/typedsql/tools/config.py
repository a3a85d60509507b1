"""A project as its checkout declares it: pyproject.toml, dbmate.env and the migrations."""

import tomllib
from pathlib import Path

import msgspec

from typedsql.errors import ConfigurationError
from typedsql.project import Project
from typedsql.tools.migration_files import list_migrations


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[tool.typedsql]``; an unknown key in it is an error."""

    package: str
    queries: str = "queries"
    dbmate_env: str = "dbmate.env"
    schemas: tuple[str, ...] = ("public",)
    """Whose tables become rows."""
    rows: dict[str, str] = {}
    """Table -> name of its Struct; others are named after the table in CamelCase."""
    documents: dict[str, str] = {}
    """``table.column`` of JSONB -> dotted path of the Python type it decodes to."""


class Checkout(msgspec.Struct, frozen=True):
    """A project's source tree with everything the generator is told."""

    root: Path
    package_dir: Path
    project: Project
    declaration: Declaration


def read_checkout(root: Path) -> Checkout:
    """Read a project's declaration. Raises ConfigurationError naming file and key."""
    pyproject = root / "pyproject.toml"
    if not pyproject.is_file():
        raise ConfigurationError(
            f"{root} has no pyproject.toml: run this in the checkout, or name its folder"
        )
    try:
        data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise ConfigurationError(f"pyproject.toml cannot be read: {failure}") from failure
    try:
        declaration = msgspec.convert(data["tool"]["typedsql"], Declaration)
        name = str(data["project"]["name"])
    except KeyError as failure:
        raise ConfigurationError(f"pyproject.toml lacks {failure.args[0]!r}") from failure
    except msgspec.ValidationError as failure:
        raise ConfigurationError(f"pyproject.toml, [tool.typedsql]: {failure}") from failure
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
        checkout=root,
    )
    files = list_migrations(project)
    project = msgspec.structs.replace(project, latest_migration=files[-1].version if files else "")
    return Checkout(root, _package_dir(root, declaration.package), project, declaration)


def _package_dir(root: Path, package: str) -> Path:
    relative = Path(*package.split("."))
    for candidate in (root / "src" / relative, root / relative):
        if candidate.is_dir():
            return candidate
    raise ConfigurationError(
        f"pyproject.toml, [tool.typedsql]: no folder src/{relative} or {relative} for the package"
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
