"""A project for the tests of types: generated, imported, and connected to its database."""

import importlib
import sys
import textwrap
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import msgspec

from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from typedsql.tools.config import read_checkout
from typedsql.tools.generate import generate
from typedsql.tools.migrations import migrate

_ENVIRONMENT = (
    "DBMATE_MIGRATIONS_DIR=db/migrations\nDBMATE_SCHEMA_FILE=db/schema.sql\n"
    "DBMATE_MIGRATIONS_TABLE=dbmate.schema_migrations\nDBMATE_STRICT=true\n"
)


def write_project(
    root: Path, package: str, schema: str, queries: Mapping[str, str], declared: str = ""
) -> Path:
    """A checkout with one migration; `declared` is further text of [tool.typedsql]."""
    for folder in (f"src/{package}", "db/migrations", "queries"):
        (root / folder).mkdir(parents=True)
    (root / "src" / package / "__init__.py").touch()
    (root / "src" / package / "py.typed").touch()
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "{package}"\n\n[tool.typedsql]\npackage = "{package}"\n'
        + textwrap.dedent(declared)
    )
    (root / "dbmate.env").write_text(_ENVIRONMENT)
    (root / "db/migrations/20260101000000_all.sql").write_text(
        f"-- migrate:up\n{textwrap.dedent(schema)}\n-- migrate:down\nSELECT 1;\n"
    )
    for stem, text in queries.items():
        (root / "queries" / f"{stem}.sql").write_text(textwrap.dedent(text).lstrip())
    return root


class Generated(msgspec.Struct):
    """A generated project that is connected to its migrated database."""

    root: Path
    package: str
    db: Database

    @property
    def rows(self) -> ModuleType:
        return importlib.import_module(f"{self.package}.rows")

    def queries(self, stem: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.queries.{stem}")


@asynccontextmanager
async def generated(
    root: Path, package: str, target: ConnectionTarget
) -> AsyncGenerator[Generated, None]:
    """Generate the project, migrate its database, and have both ready for use."""
    await generate(root, check=False)
    await migrate(target, read_checkout(root).project)
    sys.path.insert(0, str(root / "src"))
    importlib.invalidate_caches()
    try:
        project = importlib.import_module(f"{package}.project").PROJECT
        project = msgspec.structs.replace(project, checkout=root)
        async with Database.connect(target, project=project) as db:
            yield Generated(root, package, db)
    finally:
        sys.path.remove(str(root / "src"))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
