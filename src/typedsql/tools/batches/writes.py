"""A write of one row, and the statement that does so for many: whether they fit each other."""

from collections.abc import Iterator
from typing import Final

from pglast.parser import ParseError

from typedsql.statements import Columns, Statement
from typedsql.tools.analysis import Analysed
from typedsql.tools.batches.statement import AFFECTED_COLUMN, POSITION_COLUMN
from typedsql.tools.reading.parse_tree import ast, parse, walk

_DOCUMENTS: Final = frozenset({"json", "jsonb"})


def columns_of_many(single: Analysed) -> Columns:
    """What a statement for many calls of this one has to return."""
    own = (AFFECTED_COLUMN,) if single.statement.suffix == "!" else single.columns
    return (POSITION_COLUMN, *own)


def problems(single: Analysed, many: Analysed) -> Iterator[tuple[str, str]]:
    """Why `many` cannot stand for calls of `single`, and what to do."""
    statement, other = single.statement, many.statement
    name = other.name.partition(".")[2]
    if statement.suffix not in ("!", "<!"):
        yield (
            f"@batch names {name}, and that is for a write with the suffix ! or <!",
            "write `-- @batch` alone on a read",
        )
        return
    if other.suffix or other.optional or other.orderings or other.batch:
        yield (
            f"@batch names {name}, which is not a statement of many rows without other choices",
            "take its suffix and its @optional, @order_by and @batch from it",
        )
    types = dict(zip(statement.parameters, single.parameter_types, strict=True))
    found = dict(zip(other.parameters, many.parameter_types, strict=True))
    if types.keys() != found.keys():
        apart = ", ".join(sorted(types.keys() ^ found.keys()))
        yield (
            f"{name} does not have the same parameters: {apart}",
            "call each array as the parameter whose values it holds",
        )
        return
    for parameter, kind in types.items():
        if kind.endswith("[]"):
            yield (
                f"parameter {parameter} is an array, of which there are no arrays",
                "take @batch from it",
            )
        elif found[parameter] != f"{kind}[]":
            yield (
                f"parameter {parameter} of {name} has type {found[parameter]}, not {kind}[]",
                f"CAST it AS {kind}[]",
            )
        if parameter in _key(statement) and kind in _DOCUMENTS:
            yield f"@batch has the document {parameter} in its key", "leave it out of the key"
    expected = columns_of_many(single)
    if many.columns != expected:
        yield (
            f"{name} returns ({_told(many.columns)}), not ({_told(expected)})",
            "return which of the given rows it is, from 1, and then what the other returns",
        )
    if not _is_ordered(other):
        yield (
            f"{name} does not write its rows in an order, so two of them may deadlock",
            f"ORDER BY {', '.join(_key(statement))} in the SELECT that it inserts from, or in one "
            "that locks the rows FOR UPDATE",
        )


def _key(statement: Statement) -> tuple[str, ...]:
    return statement.batch.key if statement.batch else ()


def _told(columns: Columns) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns)


def _is_ordered(statement: Statement) -> bool:
    """Whether there is an order in which the rows are written or locked."""
    try:
        tree = parse(statement.sql)
    except ParseError:
        return True  # Told already.
    for node in walk(tree):
        if isinstance(node, ast.InsertStmt) and getattr(node.selectStmt, "sortClause", None):
            return True
        if isinstance(node, ast.SelectStmt) and node.lockingClause and node.sortClause:
            return True
    return False
