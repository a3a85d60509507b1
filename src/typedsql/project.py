"""The one value through which the engine learns of a domain."""

from importlib.util import find_spec
from pathlib import Path

import msgspec

from typedsql.errors import ConfigurationError
from typedsql.identifiers import quoted_table

PACKAGED = "_project"
"""Folder inside an installed package that holds what a checkout has at its top level."""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """Where a project's SQL and generated modules are, and what they were generated for.

    Declared in ``[tool.typedsql]`` of pyproject.toml and dbmate.env, and generated into
    the package, since a wheel has no pyproject.toml.
    """

    name: str
    """Distribution and command name; also names the embedded server's data directory."""
    package: str
    """Import package that holds the generated ``rows`` and ``queries``."""
    migrations_table: str
    """Where dbmate records applied versions: ``schema.table``."""
    latest_migration: str
    """Version (14 digits) of the newest migration the code was generated for."""
    queries_dir: str
    """Relative to `root`, like the three paths below."""
    migrations_dir: str
    schema_file: str
    dbmate_env: str
    command: str = "typedsql"
    """What runs this project's commands: a program of its own, or the engine's."""
    schemas: tuple[str, ...] = ("public",)
    """The project's own, whose indexes are looked at."""
    exposed_schemas: tuple[str, ...] = ()
    """Those of the database that an API exposes."""
    checkout: Path | None = None
    """Set by the tools, which work on a source tree that need not be importable."""

    @property
    def quoted_migrations_table(self) -> str:
        """The same as it stands in SQL: an identifier cannot be a parameter."""
        return quoted_table(self.migrations_table)

    @property
    def migrate_advice(self) -> str:
        """What to do about a database that is behind, for messages.

        dbmate does not find its settings by itself: without them it records what it applied in
        another table.
        """
        return f"run `{self.command} migrate` (or `dbmate --env-file {self.dbmate_env} up`)"

    @property
    def package_dir(self) -> Path:
        """The package's own folder. Raises ConfigurationError if it is not importable."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(
                f"the package {self.package} is not installed: pip install it, or its checkout"
            )
        return Path(next(iter(spec.submodule_search_locations)))

    @property
    def root(self) -> Path:
        """The folder all other paths are relative to.

        In an installed wheel the copy inside the package, in a checkout its top level.
        """
        if self.checkout is not None:
            return self.checkout
        package_dir = self.package_dir
        packaged = package_dir / PACKAGED
        if packaged.is_dir():
            return packaged
        for parent in package_dir.parents:
            if (parent / self.queries_dir).is_dir() and (parent / "pyproject.toml").is_file():
                return parent
        raise ConfigurationError(
            f"no folder {self.queries_dir}/ was found above {self.package}: "
            "the installation is incomplete, install the package again"
        )

    @property
    def is_checkout(self) -> bool:
        """Whether the package is imported from a source tree that can be generated into."""
        return self.checkout is not None or self.root != self.package_dir / PACKAGED
