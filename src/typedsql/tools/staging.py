"""What a merge statement says that reads a staging table: ``-- @staging table``.

A bulk merge stores rows by COPY straight into the table, and by COPY into the staging table
and this statement where keys collide. Which way a row goes is chance, so the statement has to
store exactly what the straight COPY would; that is what is looked at here.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from pglast.enums import SortByDir
from pglast.parser import ParseError

from typedsql.identifiers import quoted, quoted_table
from typedsql.statements import STAGING_SUFFIX, Columns, Statement
from typedsql.tools.reading.complaints import parse_finding
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.parse_tree import ast, parse, walk
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.rows.catalog import Catalog, Table

RESULT: Final = (("inserted", "int8"), ("updated", "int8"))
_RESULT_ADVICE: Final = (
    "SELECT count(*) FILTER (WHERE m.inserted) AS inserted and "
    "count(*) FILTER (WHERE NOT m.inserted) AS updated FROM the INSERT in a WITH"
)
_SCHEMAS: Final = (None, "pg_temp")
# Those that Python compares. Its order need not be PostgreSQL's, only the same each time.
_ORDERED: Final = frozenset(
    {
        *("bool", "bytea", "date", "int2", "int4", "int8", "numeric", "oid", "text", "time"),
        *("timestamp", "timestamptz", "uuid", "varchar"),
    }
)


class Merge(msgspec.Struct, frozen=True):
    """The table that rows are merged into, and how they are told apart."""

    table: str
    """Qualified."""
    columns: tuple[str, ...]
    """Those that the rows give, in the order of the INSERT."""
    key: tuple[str, ...]
    """Of ON CONFLICT, in its order, which is also that in which rows are sent and locked."""


def create_staging(table: str, name: str) -> str:
    """The statement that makes a staging table for the analysis to see."""
    return (
        f"CREATE TEMPORARY TABLE {quoted(name)} (LIKE {quoted_table(table)} INCLUDING DEFAULTS "
        "INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING IDENTITY)"
    )


def read_merge(source: SourceFile, statement: Statement, catalog: Catalog) -> Merge:
    """What the statement merges. Raises Refused with all that would store something else."""
    return _Reader(source, statement, catalog).read()


def refuse_result(
    source: SourceFile, statement: Statement, columns: Columns, nullable: Sequence[bool]
) -> Iterator[Finding]:
    """Where the statement does not return the two counts of a merge."""
    if columns != RESULT or any(nullable):
        yield source.finding(
            statement,
            rule="staging",
            message="a merge returns how many rows it inserted and updated, as BIGINT, and "
            "nothing else",
            advice=_RESULT_ADVICE,
        )


class _Reader:
    def __init__(self, source: SourceFile, statement: Statement, catalog: Catalog) -> None:
        self._source = source
        self._statement = statement
        self._catalog = catalog
        self._name = f"{statement.staging}{STAGING_SUFFIX}"
        self._findings: list[Finding] = []

    def read(self) -> Merge:
        if self._statement.suffix != "^" or self._statement.parameters:
            self._refuse(
                "a merge has no parameters and the suffix ^",
                "write `-- name: merge_rows()^`; what differs between rows is a column of theirs",
            )
        statement = self._statement
        if statement.returns or statement.one or statement.optional or statement.orderings:
            self._refuse(
                "@staging says what comes back and what is given, so no other directive but "
                "@timeout has a meaning beside it",
                "remove it",
            )
        try:
            tree = parse(self._statement.sql)
        except ParseError as failure:
            raise Refused([parse_finding(failure, self._statement, self._source)]) from None
        inserts = [node for node in walk(tree) if isinstance(node, ast.InsertStmt)]
        if len(inserts) != 1:
            self._refuse(f"a merge is one INSERT, and {len(inserts)} stand here", _RESULT_ADVICE)
            raise Refused(self._findings)
        insert: Any = inserts[0]
        for node in walk(tree):
            if isinstance(node, (ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)):
                self._refuse(
                    "a straight COPY changes no other rows than those it stores",
                    "change them by a statement of its own",
                    node.relation.location,
                )
        table = self._table(insert)
        if table is None:
            raise Refused(self._findings)
        columns = tuple(target.name for target in insert.cols or ())
        self._check_select(insert.selectStmt, columns)
        key = self._key(insert, columns)
        if key and isinstance(insert.selectStmt, ast.SelectStmt):
            self._check_order(insert.selectStmt, key, table)
        if self._findings:
            raise Refused(self._findings)
        return Merge(table.qualified, columns, key)

    def _refuse(self, message: str, advice: str, location: int = -1) -> None:
        self._findings.append(
            self._source.finding_at_byte(
                self._statement, rule="staging", message=message, advice=advice, location=location
            )
        )

    def _table(self, insert: Any) -> Table | None:
        relation = insert.relation
        table = self._catalog.find(relation.schemaname, relation.relname)
        if relation.relname != self._statement.staging or table is None:
            self._refuse(
                f"@staging {self._statement.staging}, but the INSERT is into {relation.relname}",
                "name the table that is inserted into, of a schema that [tool.typedsql] declares",
                relation.location,
            )
            return None
        if not insert.cols:
            self._refuse(
                "the INSERT does not say which columns the rows give",
                "list them",
                relation.location,
            )
        return table

    def _check_select(self, select: Any, columns: Sequence[str]) -> None:
        """That what is inserted is what is in the staging table, all of it and unchanged."""
        sources: tuple[Any, ...] = getattr(select, "fromClause", None) or ()
        if (
            len(sources) != 1
            or not isinstance(sources[0], ast.RangeVar)
            or sources[0].schemaname not in _SCHEMAS
            or sources[0].relname != self._name
        ):
            self._refuse(
                f"the rows are those of {self._name} alone: a straight COPY asks no other table",
                f"SELECT FROM pg_temp.{self._name} AS s",
            )
            return
        for clause in (
            *("whereClause", "groupClause", "havingClause", "distinctClause", "limitCount"),
            *("limitOffset", "withClause", "windowClause", "lockingClause"),
        ):
            if getattr(select, clause, None):
                self._refuse(
                    "the SELECT leaves rows out or puts some together, as a straight COPY would "
                    "not",
                    "select every row; of those with one key each is merged by itself, in turn",
                    sources[0].location,
                )
                return
        found = [_column(target.val) for target in select.targetList or ()]
        for index, target in enumerate(select.targetList or ()):
            if index >= len(columns) or found[index] != columns[index]:
                self._refuse(
                    "the INSERT stores something else than the column as it was given, and a "
                    "straight COPY would store that",
                    "select the columns of the INSERT as they are, in their order",
                    target.location,
                )
                return
        if len(found) < len(columns):
            self._refuse("the SELECT has fewer columns than the INSERT", "select them all")

    def _key(self, insert: Any, columns: Sequence[str]) -> tuple[str, ...]:
        clause: Any = insert.onConflictClause
        infer: Any = clause.infer if clause is not None else None
        location: int = clause.location if clause is not None else -1
        names: tuple[Any, ...] = (
            tuple(element.name for element in infer.indexElems or ()) if infer else ()
        )
        if not names or None in names or infer.whereClause:
            self._refuse(
                "rows are told apart by a key of columns, which ON CONFLICT has to name",
                "write ON CONFLICT (columns of the key) DO UPDATE SET ...",
                location,
            )
            return ()
        lacking = next((name for name in names if name not in columns), None)
        if lacking is not None:
            self._refuse(
                f"the key has {lacking}, which the rows do not give",
                "add it to the columns of the INSERT",
                location,
            )
            return ()
        return names

    def _check_order(self, select: Any, key: Sequence[str], table: Table) -> None:
        """That rows are locked in the order in which they are sent, which is that of the key."""
        for name in key:
            column = table.column(name)
            if column is not None and column.type_name not in _ORDERED:
                self._refuse(
                    f"{name} has type {column.type_name}, whose order Python does not know",
                    "make the key of numbers, texts, times and uuids",
                )
                return
        items: tuple[Any, ...] = select.sortClause or ()
        if len(items) != 1 or not _is_ctid(items[0]):
            self._refuse(
                "two merges of the same rows have to lock them in one order: they are sent sorted "
                "by their keys, and ctid keeps that",
                "write ORDER BY s.ctid ASC",
                getattr(items[0].node, "location", -1) if items else -1,
            )


def _column(node: Any) -> str | None:
    """The name of a plain column."""
    if not isinstance(node, ast.ColumnRef):
        return None
    name: str | None = getattr(node.fields[-1], "sval", None)
    return name


def _is_ctid(item: Any) -> bool:
    ascending = item.sortby_dir in (SortByDir.SORTBY_DEFAULT, SortByDir.SORTBY_ASC)
    return ascending and _column(item.node) == "ctid"
