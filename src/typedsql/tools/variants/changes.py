"""Conditions that decide what a statement changes, and of which a variant would have nothing."""

from collections.abc import Iterator
from typing import Any

from pglast.enums import CmdType, OnConflictAction

from typedsql.tools.reading.parse_tree import ast, walk
from typedsql.tools.variants.conditions import Reader

_CHANGES_ROWS = frozenset({CmdType.CMD_UPDATE, CmdType.CMD_DELETE})


def emptied(tree: Any, bare: Reader) -> Iterator[tuple[Any, Any]]:
    """Each node that loses all of its condition, with that condition, where rows are changed.

    Wherever in the change it is, what it selects decides which of the rows that are there are
    changed or deleted: in its own WHERE, in a join or subquery, or in a WITH query that stands
    beside it. A condition that only reads what a change returned is not among them. `bare`
    reads without everything that may be left out.
    """
    known: set[int] = set()
    for part in _deciding(tree):
        for node, condition in bare.emptied(part):
            if id(node) not in known:
                known.add(id(node))
                yield node, condition


def changes_rows(node: Any) -> bool:
    """Whether a node changes or deletes rows that are there; adding others does not."""
    if isinstance(node, ast.MergeStmt):
        return any(item.commandType in _CHANGES_ROWS for item in node.mergeWhenClauses)
    if isinstance(node, ast.InsertStmt):
        conflict = node.onConflictClause
        return conflict is not None and conflict.action == OnConflictAction.ONCONFLICT_UPDATE
    return isinstance(node, ast.UpdateStmt | ast.DeleteStmt)


def _deciding(tree: Any) -> Iterator[Any]:
    """The changes of a statement, and the WITH queries that they may read."""
    if changes_rows(tree):
        yield tree
        return
    for node in walk(tree):
        if isinstance(node, ast.WithClause) and any(map(changes_rows, walk(node.ctes))):
            yield node.ctes
