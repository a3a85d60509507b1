"""What an analysis was made from, as digests: nothing of it changed, nothing to ask again."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

import typedsql
from typedsql.tools.config import Checkout
from typedsql.tools.migration_files import list_migrations
from typedsql.tools.schema import REFERENCE_MAJOR

DIGEST_LENGTH: Final = 32
# Whose result an analysis file holds; what is emitted from it is made anew each time.
_ANALYSING: Final = (
    "arguments.py",
    "codecs.py",
    "digits.py",
    "directives.py",
    "fitting.py",
    "identifiers.py",
    "statements.py",
    "tools/analysis.py",
    "tools/batches/*.py",
    "tools/catalog_rules/*.py",
    "tools/config.py",
    "tools/declaration_findings.py",
    "tools/facts.py",
    "tools/inputs.py",
    "tools/migration_files.py",
    "tools/offline.py",
    "tools/project_analysis.py",
    "tools/proof/**/*.py",
    "tools/reading/*.py",
    "tools/rows/*.py",
    "tools/schema.py",
    "tools/scratch.py",
    "tools/staging.py",
    "tools/statement_rules.py",
    "tools/variants/*.py",
    "values.py",
    "verify.py",
)
# What these import besides, and why neither it nor what it imports decides anything.
NOT_DIGESTED: Final = {
    "__init__.py": "empty",
    "tools/__init__.py": "a docstring",
    "errors.py": "how a failure is told",
    "project.py": "its values are digested as the declaration",
    "settings.py": "where the server is",
    "sqlstate.py": "how a failure is told",
    "unfit.py": "why a value was refused, after it was",
}


def digest_of(parts: Iterable[bytes]) -> str:
    """One digest of several parts; where one ends and the next begins matters."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.hexdigest()[:DIGEST_LENGTH]


def query_files(checkout: Checkout) -> list[Path]:
    """The project's .sql files by name, those that are generated left out."""
    return sorted((checkout.root / checkout.project.queries_dir).glob("*.sql"))


def inputs_of(checkout: Checkout) -> dict[str, str]:
    """Digest of each input by what it is: the tools, the declaration, the schema, each file.

    The order in which files are read does not matter, their line ends do.
    """
    migrations = list_migrations(checkout.project)
    declaration = json.dumps(
        [
            checkout.project.name,
            checkout.project.command,
            checkout.project.migrations_table,
            checkout.project.schema_file,
            msgspec.to_builtins(checkout.declaration),
        ],
        sort_keys=True,
    )
    found = {
        "tools": _tools(),
        "declaration": digest_of([declaration.encode()]),
        "migrations": digest_of(
            part
            for file in migrations
            for part in (file.path.name.encode(), file.path.read_bytes())
        ),
    }
    for path in query_files(checkout):
        found[f"{checkout.project.queries_dir}/{path.name}"] = digest_of([path.read_bytes()])
    return found


def sources_of(root: Path) -> list[Path]:
    """The analysis's own source files below the folder of the engine."""
    return sorted(path for pattern in _ANALYSING for path in root.glob(pattern))


@cache
def _tools() -> str:
    """The analysis's own source: another rule may come to another result.

    Of what it stands on, the releases that decide how SQL is read: the server's, and pglast's
    major version, which carries the parser of one release of PostgreSQL. Other versions are
    left out on purpose, those of asyncpg and of pglast's fixes: they differ from machine to
    machine, and the committed files would go back and forth with whoever generated last.
    """
    root = Path(next(iter(typedsql.__path__)))
    sources = sources_of(root)
    pglast_major = version("pglast").partition(".")[0]
    return digest_of(
        [
            f"PostgreSQL {REFERENCE_MAJOR}".encode(),
            f"pglast {pglast_major}".encode(),
            *(
                part
                for path in sources
                for part in (path.relative_to(root).as_posix().encode(), path.read_bytes())
            ),
        ]
    )
