"""Named statements: loaded by aiosql from .sql files, called through typed callables.

aiosql reads the files, checks the declared parameters and numbers them; the loader here
adds the static tag that names each statement in pg_stat_activity, pg_stat_statements and
the server's log, and refuses directives it does not know. Generated modules bind each
statement to the row it returns.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import aiosql
import asyncpg
import msgspec
from aiosql.adapters.asyncpg import AsyncPGAdapter
from aiosql.query_loader import QueryLoader
from aiosql.types import QueryDatum, SQLOperationType
from aiosql.utils import SQLLoadException, SQLParseException

from typedsql.errors import CodeError, DataError, NoRowFound, StatementDrift
from typedsql.project import Project

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Columns = tuple[tuple[str, str], ...]
"""Name and PostgreSQL type of each result column, in order."""

DIRECTIVES: Final = frozenset({"one", "returns"})
_DIRECTIVE = re.compile(r"^@(\S+)[ \t]*(.*)$", re.MULTILINE)

SUFFIXES: Final = {
    SQLOperationType.SELECT: "",
    SQLOperationType.SELECT_ONE: "^",
    SQLOperationType.SELECT_VALUE: "$",
    SQLOperationType.INSERT_UPDATE_DELETE: "!",
    SQLOperationType.INSERT_RETURNING: "<!",
}
DIGEST_LENGTH: Final = 16


class Executor(Protocol):
    """What a generated function takes first: a `Database` or a `Transaction`."""

    async def fetch_all(
        self, statement: "Statement", arguments: Sequence[object]
    ) -> list[asyncpg.Record]: ...

    async def fetch_one(
        self, statement: "Statement", arguments: Sequence[object]
    ) -> asyncpg.Record | None: ...

    async def execute(self, statement: "Statement", arguments: Sequence[object]) -> int: ...

    def iterate(
        self, statement: "Statement", arguments: Sequence[object]
    ) -> AsyncGenerator[asyncpg.Record, None]: ...


class Statement(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One named statement, ready for PostgreSQL.

    Compared and hashed by identity: a database remembers which it has verified.
    """

    name: str
    """``file.name``, as it stands in the tag."""
    sql: str
    """With the tag in front and numbered parameters."""
    suffix: str
    """aiosql's sign of what comes back: '', ^, $, ! or <!."""
    parameters: tuple[str, ...]
    """Parameter names in the order of their numbers."""
    declared: tuple[str, ...]
    """The same names in the order of the statement's header."""
    prose: str
    """The header comment without directives."""
    directives: Mapping[str, str]
    """Header comments of the form ``-- @key value``."""
    location: str
    """``queries/file.sql:line`` of the statement's name."""
    columns: Columns | None = None
    """What the analysis found, None until bound."""

    @property
    def digest(self) -> str:
        """Changes with anything that changes what the statement does or takes."""
        text = "\n".join((self.suffix, ",".join(self.parameters), self.sql))
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


class TaggingLoader(QueryLoader):
    """aiosql's loader; puts ``/* file.name */`` before each statement."""

    def load_query_data_from_file(
        self, path: Path, ns_parts: list[str] | None = None, encoding: str | None = "utf-8"
    ) -> list[QueryDatum]:
        loader: Any = super()
        data: list[QueryDatum] = loader.load_query_data_from_file(path, ns_parts or [], encoding)
        return [
            datum._replace(sql=f"/* {path.stem}.{datum.query_name} */ {datum.sql}")
            for datum in data
        ]


class NumberingAdapter(AsyncPGAdapter):
    """aiosql's asyncpg adapter, which turns names into numbers; here it tells which is which.

    It keeps them by statement name alone, so each file needs an adapter of its own.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def parameters(self, name: str) -> tuple[str, ...]:
        """Parameter names of a statement in the order of their numbers."""
        untyped: Any = self
        names: list[str] = untyped.var_sorted[name]
        return tuple(names)


# aiosql's protocols do not describe its own asyncpg adapter, hence the Any.
_aiosql: Any = aiosql
_aiosql.register_adapter("typedsql", NumberingAdapter)


def load_statements(path: Path) -> dict[str, Statement]:
    """All statements of one file by name. Raises CodeError naming file and cause."""
    adapter = NumberingAdapter()
    try:
        queries = _aiosql.from_path(path, lambda: adapter, loader_cls=TaggingLoader)
    except (SQLParseException, SQLLoadException, ValueError) as failure:
        raise CodeError(f"{path.parent.name}/{path.name}: {failure}") from failure
    lines = _lines_of_names(path)
    # aiosql splits at the words anywhere; the line finder wants them at a line's start.
    missed = {
        name
        for name in queries.available_queries
        if name not in lines and name.removesuffix("_cursor") not in lines
    }
    if missed:
        raise CodeError(
            f"{path.parent.name}/{path.name}: put `-- name: {min(missed)}` at the start of a line"
        )
    statements: dict[str, Statement] = {}
    for name in lines:  # in the file's order; aiosql also made a cursor variant of each select
        function = getattr(queries, name)
        location = f"{path.parent.name}/{path.name}:{lines[name]}"
        suffix = SUFFIXES.get(function.operation)
        if suffix is None:
            raise CodeError(
                f"{location}: {name} has a suffix this package does not run; use {_suffix_list()}"
            )
        if function.parameters is None:
            raise CodeError(f"{location}: declare the parameters, as in {name}(a, b) or {name}()")
        prose, directives = _split_header(function.__doc__ or "", location)
        statements[name] = Statement(
            name=f"{path.stem}.{name}",
            sql=function.sql.rstrip().removesuffix(";"),
            suffix=suffix,
            parameters=adapter.parameters(name),
            declared=tuple(function.parameters),
            prose=prose,
            directives=directives,
            location=location,
        )
    return statements


def _suffix_list() -> str:
    return "none (many rows), ^ (one row), $ (one value), ! (count) or <! (returning)"


def _lines_of_names(path: Path) -> dict[str, int]:
    pattern = re.compile(r"^\s*--\s*name\s*:\s*([\w-]+)")
    found: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        match = pattern.match(line)
        if match:
            found[match.group(1).replace("-", "_")] = number
    return found


def _split_header(text: str, location: str) -> tuple[str, dict[str, str]]:
    directives: dict[str, str] = {}
    for key, value in _DIRECTIVE.findall(text):
        if key not in DIRECTIVES:
            known = ", ".join(f"@{name}" for name in sorted(DIRECTIVES))
            raise CodeError(f"{location}: unknown directive @{key}; known are {known}")
        if key in directives:
            raise CodeError(f"{location}: directive @{key} stands twice")
        directives[key] = value.strip()
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("@"))
    return prose.strip(), directives


class QueryFile:
    """The statements of one file, for a generated module to bind."""

    def __init__(self, project: Project, stem: str) -> None:
        self._project = project
        self._statements = load_statements(project.root / project.queries_dir / f"{stem}.sql")
        self._stem = stem

    def bind(self, name: str, *, digest: str, columns: Columns) -> Statement:
        """The statement, checked against what the module was generated from.

        Raises StatementDrift if the file has changed since.
        """
        statement = self._statements.get(name)
        advice = f"run `{self._project.name} generate`"
        if statement is None:
            raise StatementDrift(
                f"{self._project.queries_dir}/{self._stem}.sql no longer has {name}: {advice}",
                query=f"{self._stem}.{name}",
            )
        if statement.digest != digest:
            raise StatementDrift(
                f"{statement.location}: {name} has changed since the code was generated: {advice}",
                query=statement.name,
            )
        return msgspec.structs.replace(statement, columns=columns)


Documents = Mapping[int, Any]
"""Position of each JSON column and the Python type of its document."""


def _builder(
    row: Callable[..., R], documents: Documents, statement: Statement
) -> Callable[[asyncpg.Record], R]:
    """Builds a row positionally: its column types were proven when it was generated."""
    if not documents:
        return lambda record: row(*record)
    decoders = [(index, document_decoder(kind)) for index, kind in documents.items()]

    def build(record: asyncpg.Record) -> R:
        values: list[Any] = list(record.values())
        for index, decode in decoders:
            if values[index] is not None:
                values[index] = _decoded(decode, values[index], statement, index)
        return row(*values)

    return build


def _decoded(
    decode: Callable[[bytes], Any], document: bytes, statement: Statement, index: int
) -> Any:
    try:
        return decode(document)
    except (msgspec.DecodeError, RecursionError) as failure:
        column = statement.columns[index][0] if statement.columns else f"number {index + 1}"
        told = "nested too deeply" if isinstance(failure, RecursionError) else "not of its type"
        # Not chained: what msgspec says can quote the document.
        raise DataError(
            f"{statement.name}: the document in column {column} is {told}", query=statement.name
        ) from None


def document_decoder(kind: Any) -> Callable[[bytes], Any]:
    """Decodes JSON bytes to `kind`; numbers with a fraction become Decimal, never float."""
    return msgspec.json.Decoder(kind, float_hook=Decimal).decode


class _Rows(Generic[R]):
    """A statement whose rows are built as `row`; how many there are is the subclass's."""

    def __init__(
        self, statement: Statement, row: Callable[..., R], documents: Documents | None = None
    ) -> None:
        self._statement = statement
        self._build = _builder(row, documents or {}, statement)


class Many(_Rows[R]):
    """A statement that returns any number of rows."""

    async def __call__(self, db: Executor, *arguments: object) -> list[R]:
        build = self._build
        return [build(record) for record in await db.fetch_all(self._statement, arguments)]


class One(_Rows[R]):
    """A statement that returns at most one row."""

    async def __call__(self, db: Executor, *arguments: object) -> R | None:
        record = await db.fetch_one(self._statement, arguments)
        return None if record is None else self._build(record)


class ExactlyOne(_Rows[R]):
    """A statement marked ``@one``: it returns a row, or NoRowFound is raised."""

    async def __call__(self, db: Executor, *arguments: object) -> R:
        record = await db.fetch_one(self._statement, arguments)
        if record is None:
            name = self._statement.name
            raise NoRowFound(f"{name}: no row came back, and it promises one", query=name)
        return self._build(record)


class Value(Generic[R]):
    """A statement that returns the first column of at most one row."""

    def __init__(self, statement: Statement, document: Any = None) -> None:
        self._statement = statement
        self._decode = None if document is None else document_decoder(document)

    async def __call__(self, db: Executor, *arguments: object) -> R | None:
        record = await db.fetch_one(self._statement, arguments)
        if record is None:
            return None
        value = record[0]
        if self._decode is not None and value is not None:
            value = _decoded(self._decode, value, self._statement, 0)
        result: R | None = value
        return result


class Affected:
    """A statement that returns how many rows it inserted, changed or deleted."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    async def __call__(self, db: Executor, *arguments: object) -> int:
        return await db.execute(self._statement, arguments)


class Stream(_Rows[R]):
    """A statement whose rows come through a server cursor, in bounded memory."""

    async def __call__(self, db: Executor, *arguments: object) -> AsyncGenerator[R, None]:
        build = self._build
        records = db.iterate(self._statement, arguments)
        try:
            async for record in records:
                yield build(record)
        finally:
            # Closed here, not by the garbage collector: it holds a connection.
            await records.aclose()
