"""Named statements: loaded by aiosql from .sql files.

aiosql reads the files, checks the declared parameters and numbers them; the loader here
adds the static tag that names each statement in pg_stat_activity, pg_stat_statements and
the server's log, and reads the directives of its header. Generated modules bind each
statement to what it returns.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiosql
import msgspec
from aiosql.adapters.asyncpg import AsyncPGAdapter
from aiosql.query_loader import QueryLoader
from aiosql.types import QueryDatum, SQLOperationType
from aiosql.utils import SQLLoadException, SQLParseException

from typedsql.directives import (
    Batch,
    DirectivesRefused,
    Ordering,
    Refusal,
    prose_of,
    read_directives,
)
from typedsql.errors import CodeError, StatementDrift
from typedsql.project import Project

Columns = tuple[tuple[str, str], ...]
"""Name and PostgreSQL type of each result column, in order."""

VARIANTS_FOLDER: Final = "variants"
"""Within the folder of queries: the statements that were expanded from others."""

SUFFIXES: Final = {
    SQLOperationType.SELECT: "",
    SQLOperationType.SELECT_ONE: "^",
    SQLOperationType.SELECT_VALUE: "$",
    SQLOperationType.INSERT_UPDATE_DELETE: "!",
    SQLOperationType.INSERT_RETURNING: "<!",
}
DIGEST_LENGTH: Final = 16
STAGING_SUFFIX: Final = "_staging"
"""Behind a table's name: the temporary table that rows are in before they are merged into it."""

_BLANK: Final = re.compile(r"(?:[\s;]|--[^\r\n]*)*+")
_COMMENT_ENDS: Final = re.compile(r"/\*|\*/")
_PROCEDURE: Final = re.compile(r"(?:CALL|DO)\b", re.I)
_COPY: Final = re.compile(r"COPY\b(?P<rest>.*)", re.I | re.S)
_FROM_CLIENT: Final = re.compile(r"\bFROM\s+STDIN\b", re.I)
_CHAIN: Final = re.compile(r"(?:COMMIT|END|ROLLBACK|ABORT)\b.*\bCHAIN\b", re.I | re.S)


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
    location: str
    """``queries/file.sql:line`` of the statement's name."""
    returns: str | None = None
    """``@returns``: the name of the rows' Struct, None where it follows from the columns."""
    one: bool = False
    """``@one``: a row always comes back."""
    optional: tuple[tuple[str, ...], ...] = ()
    """``@optional``: parameters that may be left out, those that belong together in one group."""
    orderings: tuple[Ordering, ...] = ()
    """``@order_by``: the orders a caller may choose from; the first is the statement's own."""
    timeout_s: float | None = None
    """``@timeout``: how long the server may take, in seconds; None is the connection's limit."""
    batch: Batch | None = None
    """``@batch``: concurrent calls of it become one statement; None where they do not."""
    staging: str | None = None
    """``@staging``: the table that the rows of `staging_table` are merged into."""
    columns: Columns | None = None
    """What the analysis found, None until bound."""
    nullable: frozenset[str] | None = None
    """Parameters for which NULL has a meaning; None until bound, and then none is refused."""
    reads_only: bool = False
    """Whether the analysis proved that running it twice changes no more than running it once."""

    @property
    def calls_procedure(self) -> bool:
        """Whether it is a CALL or DO, which may commit what it did so far."""
        return _PROCEDURE.match(self.sql, _first_word(self.sql)) is not None

    @property
    def is_copy(self) -> bool:
        """Whether it is a COPY, whose rows no statement takes or gives."""
        return _COPY.match(self.sql, _first_word(self.sql)) is not None

    @property
    def chains_transactions(self) -> bool:
        """Whether it ends the transaction and begins another, as COMMIT AND CHAIN does."""
        return _CHAIN.match(self.sql, _first_word(self.sql)) is not None

    @property
    def digest(self) -> str:
        """Changes with anything that changes what the statement does, takes or returns."""
        parts = [self.suffix, ",".join(self.parameters), self.sql]
        if self.one:
            parts.append("@one")
        parts.extend(f"@optional {','.join(group)}" for group in self.optional)
        parts.extend(f"@order_by {item.name} {item.expressions}" for item in self.orderings)
        if self.timeout_s is not None:
            parts.append(f"@timeout {self.timeout_s!r}")
        if self.batch is not None:
            parts.append(f"@batch {self.batch.into or ''} {','.join(self.batch.key)}")
        if self.staging is not None:
            parts.append(f"@staging {self.staging}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:DIGEST_LENGTH]


def copies_from_client(sql: str) -> bool:
    """Whether it is a COPY ... FROM STDIN, after which the server waits for rows."""
    copy = _COPY.match(sql, _first_word(sql))
    return copy is not None and _FROM_CLIENT.search(copy["rest"]) is not None


def _first_word(sql: str) -> int:
    """Where a statement begins, after what PostgreSQL skips; in one pass, however long that is."""
    blank = _BLANK.match(sql)
    at = blank.end() if blank else 0
    while sql.startswith("/*", at):
        depth = 0
        for end in _COMMENT_ENDS.finditer(sql, at):
            depth += 1 if end[0] == "/*" else -1
            if depth == 0:
                break
        else:
            return len(sql)
        blank = _BLANK.match(sql, end.end())
        at = blank.end() if blank else end.end()
    return at


class TaggingLoader(QueryLoader):
    """aiosql's loader; puts ``/* file.name */`` before each statement."""

    def __init__(self, stem: str, label: str, *arguments: Any, **options: Any) -> None:
        loader: Any = super()
        loader.__init__(*arguments, **options)
        self._stem = stem
        self._label = label

    def load_query_data_from_sql(
        self, sql: str, ns_parts: list[str], fname: Path | str = "<unknown>"
    ) -> list[QueryDatum]:
        loader: Any = super()
        data: list[QueryDatum] = loader.load_query_data_from_sql(sql, ns_parts, self._label)
        return [
            datum._replace(sql=f"/* {self._stem}.{datum.query_name} */ {datum.sql}")
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
    return parse_statements(
        path.read_text(encoding="utf-8-sig"), path.stem, f"{path.parent.name}/{path.name}"
    )


def parse_statements(text: str, stem: str, label: str) -> dict[str, Statement]:
    """The statements of a file's text by name, in its order.

    `stem` is the first part of each statement's full name, `label` how messages call the file.
    Raises CodeError naming file and cause; DirectivesRefused with every directive of the file
    that cannot be followed.
    """
    adapter = NumberingAdapter()
    try:
        loader = partial(TaggingLoader, stem, label)
        queries = _aiosql.from_str(text, lambda: adapter, loader_cls=loader)
    except (SQLParseException, SQLLoadException, ValueError) as failure:
        raise CodeError(f"{label}: {failure}") from failure
    lines = text.splitlines()
    numbers = _lines_of_names(lines)
    # aiosql splits at the words anywhere; the line finder wants them at a line's start.
    missed = {
        name
        for name in queries.available_queries
        if name not in numbers and name.removesuffix("_cursor") not in numbers
    }
    if missed:
        raise CodeError(f"{label}: put `-- name: {min(missed)}` at the start of a line")
    refusals: list[Refusal] = []
    statements: dict[str, Statement] = {}
    for name, number in numbers.items():
        # aiosql also made a cursor variant of each select, which is left alone.
        function = getattr(queries, name)
        where = _Header(label, number, lines)
        statements[name] = _statement(f"{stem}.{name}", function, adapter, where, refusals)
    if refusals:
        raise DirectivesRefused(refusals)
    return statements


class _Header:
    """Where the header of one statement stands."""

    def __init__(self, label: str, line: int, lines: list[str]) -> None:
        self._label = label
        self._line = line
        self._lines = lines
        self.location = f"{label}:{line}"

    def locate(self, comment: str) -> tuple[str, int]:
        """The place of a comment of this statement, by its text."""
        for number in range(self._line, len(self._lines)):
            line = self._lines[number].strip()
            if line.startswith("--") and line[2:].strip() == comment.strip():
                return f"{self._label}:{number + 1}", number + 1
        return self.location, self._line


def _statement(
    full_name: str,
    function: Any,
    adapter: NumberingAdapter,
    header: _Header,
    refusals: list[Refusal],
) -> Statement:
    name = full_name.partition(".")[2]
    suffix = SUFFIXES.get(function.operation)
    if suffix is None:
        raise CodeError(
            f"{header.location}: {name} has a suffix this package does not run; "
            f"use {_suffix_list()}"
        )
    if function.parameters is None:
        raise CodeError(
            f"{header.location}: declare the parameters, as in {name}(a, b) or {name}()"
        )
    comment: str = function.__doc__ or ""
    read = read_directives(comment, function.parameters, header.locate, refusals)
    return Statement(
        name=full_name,
        sql=function.sql.rstrip().removesuffix(";"),
        suffix=suffix,
        parameters=adapter.parameters(name),
        declared=tuple(function.parameters),
        prose=prose_of(comment),
        location=header.location,
        returns=read.returns,
        one=read.one,
        optional=read.optional,
        orderings=read.orderings,
        timeout_s=read.timeout_s,
        batch=read.batch,
        staging=read.staging,
    )


def _suffix_list() -> str:
    return "none (many rows), ^ (one row), $ (one value), ! (count) or <! (returning)"


def _lines_of_names(lines: list[str]) -> dict[str, int]:
    pattern = re.compile(r"^\s*--\s*name\s*:\s*([\w-]+)")
    found: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        match = pattern.match(line)
        if match:
            found[match.group(1).replace("-", "_")] = number
    return found


class QueryFile:
    """The statements of one file, for a generated module to bind.

    With `variants` the file is the one of the same name that was expanded from it.
    """

    def __init__(self, project: Project, stem: str, *, variants: bool = False) -> None:
        folder = project.queries_dir + (f"/{VARIANTS_FOLDER}" if variants else "")
        self._project = project
        self._label = f"{folder}/{stem}.sql"
        self._stem = stem
        text = (project.root / self._label).read_text(encoding="utf-8-sig")
        self._statements = parse_statements(text, stem, self._label)

    def bind(
        self,
        name: str,
        *,
        digest: str,
        columns: Columns,
        nullable: Iterable[str] | None = None,
        reads_only: bool = False,
    ) -> Statement:
        """The statement, checked against what the module was generated from.

        `nullable` are the parameters that may be None; where it is given, None for any other
        is refused before anything is sent. `reads_only` says that it may be run again where the
        connection broke under it. Raises StatementDrift if the file has changed since.
        """
        statement = self._statements.get(name)
        advice = f"run `{self._project.command} generate`"
        if statement is None:
            raise StatementDrift(
                f"{self._label} no longer has {name}: {advice}", query=f"{self._stem}.{name}"
            )
        if statement.digest != digest:
            raise StatementDrift(
                f"{statement.location}: {name} has changed since the code was generated: {advice}",
                query=statement.name,
            )
        return msgspec.structs.replace(
            statement,
            columns=columns,
            nullable=None if nullable is None else frozenset(nullable),
            reads_only=reads_only,
        )
