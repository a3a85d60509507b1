"""What a statement's syntax alone proves of its columns and parameters.

Cautious on purpose: a result column is traced to a table column only where nothing can
put a NULL in its way, that is in a query over one table without joins, set operations or
grouping sets, and in RETURNING of a plain INSERT, UPDATE or DELETE. Everything computed or
joined stays untraced, and so Optional.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
import pglast
import pglast.ast
from pglast.enums import A_Expr_Kind, SetOperation
from pglast.parser import ParseError

from typedsql.errors import CodeError
from typedsql.query import Statement
from typedsql.tools.catalog import Catalog, Column, Table

# The node classes are not typed well enough to be of help: all their members are Optional.
ast: Any = pglast.ast

# Strict functions through which a parameter keeps its nullability.
_TRANSPARENT = frozenset({"lower", "upper", "btrim", "round", "trim_scale"})


class Syntax(msgspec.Struct, frozen=True):
    """What could be read off one statement."""

    columns: tuple[Column | None, ...]
    """For each result column the table column it is, None where it was not traced."""
    targets: dict[int, Column]
    """For each parameter stored as it is, the column it is stored in; a NOT NULL one first."""
    nullable: frozenset[int]
    """Parameters for which the statement has a meaning for NULL."""
    omissible: frozenset[int]
    """Those that a plain INSERT stores in a nullable column: left out, they are NULL."""


def read_syntax(statement: Statement, catalog: Catalog) -> Syntax:
    """Parse one statement. Raises CodeError, with the file and line, where it cannot be run."""
    try:
        parsed = pglast.parse_sql(statement.sql)
    except ParseError as failure:
        raise CodeError(f"{statement.location}: {failure.args[0]}") from None
    if len(parsed) != 1:
        raise CodeError(
            f"{statement.location}: {len(parsed)} statements under one name; give each its own"
        )
    tree: Any = parsed[0].stmt
    numbers = {node.number for node in _walk(tree) if isinstance(node, ast.ParamRef)}
    if numbers != set(range(1, len(statement.parameters) + 1)):
        raise CodeError(
            f"{statement.location}: PostgreSQL sees other parameters than aiosql does; a colon "
            "in a string, a comment or an array slice may look like one: use CAST(...) for "
            "casts, and no slices, dollar quotes or E-strings"
        )
    _refuse_session_state(tree, statement.location)
    stored: list[tuple[int, Column]] = []
    nullable: set[int] = set()
    for node in _walk(tree):
        stored.extend(_stored(node, catalog))
        nullable.update(_tested_for_null(node))
    nullable.update(number for number, column in stored if not column.not_null)
    nullable.difference_update(number for number, column in stored if column.not_null)
    # One parameter may go to several columns: the strictest decides.
    targets = dict(sorted(stored, key=lambda item: item[1].not_null))
    omissible: set[int] = set()
    # An upsert may overwrite what is stored, so there NULL must be said, not implied.
    if isinstance(tree, ast.InsertStmt) and tree.onConflictClause is None:
        omissible = nullable & {number for number, _ in _stored(tree, catalog)}
    return Syntax(
        _trace(tree, catalog, statement.location),
        targets,
        frozenset(nullable),
        frozenset(omissible),
    )


_SESSION_STATEMENTS = (
    ast.TransactionStmt,
    ast.ListenStmt,
    ast.UnlistenStmt,
    ast.DiscardStmt,
    ast.PrepareStmt,
    ast.DeallocateStmt,
    ast.CopyStmt,
)
_SESSION_LOCK = re.compile(r"pg_(try_)?advisory_lock(_shared)?$")


def _refuse_session_state(tree: Any, location: str) -> None:
    """The pool hands a connection on as it is, so a statement must leave nothing behind."""
    if isinstance(tree, _SESSION_STATEMENTS) or (
        isinstance(tree, ast.VariableSetStmt) and not tree.is_local
    ):
        raise CodeError(
            f"{location}: changes the session or its transaction, which the next user of the "
            "connection would inherit; use SET LOCAL, db.transaction() or db.connection()"
        )
    for node in _walk(tree):
        if not isinstance(node, ast.FuncCall):
            continue
        name: str = node.funcname[-1].sval
        if _SESSION_LOCK.match(name):
            raise CodeError(f"{location}: {name} outlives the transaction; use pg_advisory_xact_*")
        if name == "set_config" and not _is_true(node.args[-1]):
            raise CodeError(
                f"{location}: set_config outlives the transaction unless it ends in TRUE"
            )


def _is_true(value: Any) -> bool:
    return isinstance(value, ast.A_Const) and bool(getattr(value.val, "boolval", False))


def _walk(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from _walk(getattr(node, name))
    elif isinstance(node, tuple):
        for item in cast("Iterable[Any]", node):
            yield from _walk(item)


def _trace(tree: Any, catalog: Catalog, location: str) -> tuple[Column | None, ...]:
    if isinstance(tree, ast.SelectStmt):
        return _trace_select(tree, catalog, location)
    returning = _returning(tree)
    if returning is None:
        return ()
    table = None
    alias = None
    sources = getattr(tree, "fromClause", None) or getattr(tree, "usingClause", None)
    if isinstance(tree, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt) and not sources:
        table = _base_table(tree.relation, catalog)
        alias = _alias(tree.relation)
    return tuple(_column(item, table, alias, location) for item in returning)


def _returning(tree: Any) -> Any:
    """The RETURNING list; PostgreSQL 18 wraps it in a clause of its own."""
    clause = getattr(tree, "returningClause", None)
    if clause is not None:
        return clause.exprs
    return getattr(tree, "returningList", None)


def _trace_select(tree: Any, catalog: Catalog, location: str) -> tuple[Column | None, ...]:
    if tree.op != SetOperation.SETOP_NONE or tree.valuesLists:
        leftmost: Any = tree
        while leftmost.larg is not None:
            leftmost = leftmost.larg
        return tuple(None for _ in leftmost.targetList or leftmost.valuesLists[0])
    table = None
    alias = None
    sources: Any = tree.fromClause or ()
    grouping_sets = any(isinstance(item, ast.GroupingSet) for item in tree.groupClause or ())
    if len(sources) == 1 and isinstance(sources[0], ast.RangeVar) and not grouping_sets:
        shadowed = [cte.ctename for cte in tree.withClause.ctes] if tree.withClause else []
        if sources[0].schemaname is not None or sources[0].relname not in shadowed:
            table = _base_table(sources[0], catalog)
            alias = _alias(sources[0])
    return tuple(_column(item, table, alias, location) for item in tree.targetList)


def _base_table(relation: Any, catalog: Catalog) -> Table | None:
    if relation.alias is not None and relation.alias.colnames:
        # t AS x (b, a) gives the columns other names.
        return None
    return catalog.find(relation.schemaname, relation.relname)


def _alias(relation: Any) -> str:
    name: str = relation.alias.aliasname if relation.alias else relation.relname
    return name


def _column(item: Any, table: Table | None, alias: str | None, location: str) -> Column | None:
    value = item.val
    if not isinstance(value, ast.ColumnRef):
        return None
    if any(isinstance(part, ast.A_Star) for part in value.fields):
        raise CodeError(
            f"{location}: list the columns instead of *: a migration would change the rows"
        )
    names = [part.sval for part in value.fields]
    if table is None or len(names) > 2 or (len(names) == 2 and names[0] != alias):
        return None
    return table.column(names[-1])


def _stored(node: Any, catalog: Catalog) -> Iterator[tuple[int, Column]]:
    """Parameters that an INSERT or UPDATE stores, with the columns they go to."""
    if isinstance(node, ast.InsertStmt):
        table = _base_table(node.relation, catalog)
        if table is None or node.selectStmt is None:
            return
        names = [item.name for item in node.cols or ()] or [c.name for c in table.columns]
        rows = node.selectStmt.valuesLists or [
            [item.val for item in node.selectStmt.targetList or ()]
        ]
        for row in rows:
            for name, value in zip(names, row, strict=False):
                yield from _store(table, name, value)
        if node.onConflictClause is not None:
            for item in node.onConflictClause.targetList or ():
                yield from _store(table, item.name, item.val)
    elif isinstance(node, ast.UpdateStmt):
        table = _base_table(node.relation, catalog)
        if table is not None:
            for item in node.targetList or ():
                yield from _store(table, item.name, item.val)


def _store(table: Table, name: str, value: Any) -> Iterator[tuple[int, Column]]:
    number = _parameter(_assigned(value))
    column = table.column(name)
    if number is not None and column is not None:
        yield number, column


def _assigned(value: Any) -> Any:
    """The value of one column, also where SET (a, b) = (1, 2) gives several at once."""
    if isinstance(value, ast.MultiAssignRef):
        row = getattr(value.source, "args", None)
        return row[value.colno - 1] if isinstance(value.source, ast.RowExpr) and row else None
    return value


def _parameter(value: Any) -> int | None:
    """The parameter's number where the expression is one, but for casts and the like."""
    while True:
        if isinstance(value, ast.ParamRef):
            number: int = value.number
            return number
        if isinstance(value, ast.TypeCast):
            value = value.arg
        elif isinstance(value, ast.FuncCall) and value.args:
            if value.funcname[-1].sval not in _TRANSPARENT:
                return None
            value = value.args[0]
        else:
            return None


def _tested_for_null(node: Any) -> Iterator[int]:
    """Parameters in IS NULL, COALESCE and IS NOT DISTINCT FROM: NULL is foreseen there."""
    candidates: list[Any] = []
    if isinstance(node, ast.NullTest):
        candidates = [node.arg]
    elif isinstance(node, ast.CoalesceExpr):
        candidates = list(node.args)
    elif isinstance(node, ast.A_Expr) and node.kind == A_Expr_Kind.AEXPR_NOT_DISTINCT:
        candidates = [node.lexpr, node.rexpr]
    for candidate in candidates:
        number = _parameter(candidate)
        if number is not None:
            yield number
