"""`generate`: from the .sql files and a migrated database to rows, functions and schema."""

import difflib
import keyword
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from typedsql import codecs, embedded
from typedsql.errors import CodeError
from typedsql.query import Statement, load_statements
from typedsql.tools import emit
from typedsql.tools.analysis import Analysed, Analyser, Row
from typedsql.tools.catalog import read_catalog
from typedsql.tools.config import Checkout, read_checkout
from typedsql.tools.migration_session import applied_versions
from typedsql.tools.migrations import migrate
from typedsql.tools.schema import REFERENCE_MAJOR, dump_schema

DIFF_LINES = 12
"""Of each outdated file, so that a finding says what is different."""


class GenerationFailed(CodeError):
    """The SQL has findings, all of them listed; nothing was written."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


async def generate(root: Path, *, check: bool) -> list[str]:
    """Write everything that is generated; with `check`, write nothing and say what differs.

    Migrates a scratch database on a server of its own. Returns one line for each file
    written or found outdated. Raises GenerationFailed with all findings in the SQL at
    once, each with file and line.
    """
    checkout = read_checkout(root)
    with _scratch_server(checkout.project.name) as server:
        target = server.target("analysis")
        await migrate(target, checkout.project)
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            await codecs.install(connection)
            files = await _analyse(connection, checkout)
            applied = await applied_versions(connection, checkout.project)
        finally:
            await connection.close()
        schema = dump_schema(target, checkout.project, server.bin_dir, applied=applied)
    files[root / checkout.project.schema_file] = schema
    stale = _stale_modules(checkout, set(files))
    if check:
        return [
            _outdated(path, text, root) for path, text in files.items() if _differs(path, text)
        ] + [f"{path.relative_to(root)}: its .sql file is gone" for path in stale]
    written: list[str] = []
    for path, text in files.items():
        if _differs(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(f"{path.relative_to(root)} written")
    for path in stale:
        path.unlink()
        written.append(f"{path.relative_to(root)} removed")
    return written


@contextmanager
def _scratch_server(name: str) -> Generator[embedded.EmbeddedServer]:
    """A throwaway server of the reference release.

    A server of its own, because the release decides what is dumped, and because roles
    that migrations make belong to the whole server.
    """
    settings = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    with tempfile.TemporaryDirectory(prefix=f"{name}-generate-") as folder:
        # Root's server runs as another user, who must be able to get to its data.
        Path(folder).chmod(0o711)
        with embedded.start(
            Path(folder) / "server", major=REFERENCE_MAJOR, settings=settings
        ) as server:
            yield server


async def _analyse(
    connection: "asyncpg.Connection[asyncpg.Record]", checkout: Checkout
) -> dict[Path, str]:
    """The text of every generated Python file."""
    catalog = await read_catalog(connection, checkout.declaration.schemas)
    analyser = Analyser(connection, catalog, checkout.declaration)
    rows: dict[str, Row] = {row.name: row for row in analyser.table_rows}
    files: dict[Path, str] = {}
    findings: list[str] = []
    for path in sorted((checkout.root / checkout.project.queries_dir).glob("*.sql")):
        analysed: list[Analysed] = []
        try:
            statements = _load(path)
        except CodeError as failure:
            findings.append(str(failure))
            continue
        for statement in statements.values():
            try:
                found = await analyser.analyse(statement, path.stem)
                if found.row is not None:
                    _agree(rows.setdefault(found.row.name, found.row), found)
                analysed.append(found)
            except CodeError as failure:
                findings.append(str(failure))
        target = checkout.package_dir / "queries" / f"{path.stem}.py"
        try:
            files[target] = emit.queries_module(path.stem, analysed, checkout.project)
        except CodeError as failure:
            findings.append(str(failure))
    if findings:
        raise GenerationFailed(findings)
    files[checkout.package_dir / "queries" / "__init__.py"] = emit.queries_package(checkout.project)
    files[checkout.package_dir / "rows.py"] = emit.rows_module(rows.values(), checkout.project)
    files[checkout.package_dir / "project.py"] = emit.project_module(checkout.project)
    return files


def _load(path: Path) -> dict[str, Statement]:
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem) or path.stem.startswith("_"):
        raise CodeError(
            f"{path.parent.name}/{path.name}: the file's name becomes a module's, and Python "
            "cannot import that; choose another"
        )
    statements = load_statements(path)
    if not statements:
        raise CodeError(
            f"{path.parent.name}/{path.name}: no statement in it; begin one with "
            "`-- name: get_thing(id)^`, or remove the file"
        )
    return statements


def _agree(known: Row, found: Analysed) -> None:
    """Two statements share a row only if it is the same in both."""
    row = found.row
    if row is None or [(f.name, f.annotation) for f in known.fields] == [
        (f.name, f.annotation) for f in row.fields
    ]:
        return
    raise CodeError(
        f"{found.statement.location}: returns other columns than the statement that first "
        f"returned {row.name}; give one of them another name with @returns"
    )


def _stale_modules(checkout: Checkout, wanted: set[Path]) -> list[Path]:
    """Generated modules whose .sql file is gone."""
    folder = checkout.package_dir / "queries"
    return sorted(path for path in folder.glob("*.py") if path not in wanted)


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_text(encoding="utf-8") != text


def _outdated(path: Path, text: str, root: Path) -> str:
    relative = path.relative_to(root)
    if not path.is_file():
        return f"{relative}: missing"
    committed = path.read_text(encoding="utf-8").splitlines()
    changes = list(
        difflib.unified_diff(
            committed, text.splitlines(), "committed", "generated", lineterm="", n=0
        )
    )
    shown = "\n".join(f"    {line}" for line in changes[2 : 2 + DIFF_LINES])
    return f"{relative}: out of date\n{shown}"
