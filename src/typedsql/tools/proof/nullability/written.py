"""What RETURNING sees of rows that a statement has written."""

from collections.abc import Callable, Mapping
from typing import Final

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability.conditions import when_true
from typedsql.tools.proof.nullability.evaluation import value_of
from typedsql.tools.proof.nullability.facts import INSERT, UPDATE
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import (
    ColumnKnown,
    ExpressionKnown,
    Known,
    Proven,
    Scope,
)
from typedsql.tools.proof.nullability.tables import table_column
from typedsql.tools.proof.nullability.values import Value, known_null

COMMAND_UPDATE, COMMAND_INSERT, COMMAND_DELETE, COMMAND_MERGE = 2, 3, 4, 5
_NOTHING: Final = 7
"""CmdType, src/include/nodes/nodes.h."""
_DEFAULT, _OLD, _NEW = range(3)
"""VarReturningType."""
_MATCHED, _NOT_IN_SOURCE, _NOT_IN_TARGET = range(3)
"""MergeMatchKind."""
_DO_UPDATE: Final = 2


class Written:
    """One way in which a row of the target may have been written, and what it was before."""

    def __init__(self, command: int, target: int, values: Mapping[int, Value], was: Scope) -> None:
        self._command = command
        self._target = target
        self._values = values
        self._was = was

    def has(self, *, old: bool) -> bool:
        """Whether there is an old row, or a new one."""
        return self._command != (COMMAND_INSERT if old else COMMAND_DELETE)

    def column(self, relation: Node, column: int, which: int) -> Value:
        """A column of the target's row in RETURNING."""
        old = which == _OLD or (which == _DEFAULT and self._command == COMMAND_DELETE)
        if not self.has(old=old):
            return known_null("there is no old row" if old else "there is no new row")
        return self._old(relation, column) if old else self._new(relation, column)

    @rule("returning-old")
    def _old(self, relation: Node, column: int) -> Value:
        """The row as it was found, of which the conditions were true."""
        value = table_column(relation, column, self._was)
        if column > 0 and not value.not_null:
            key = (self._was.serial, self._target, column, _DEFAULT)
            if key in self._was.proven.columns:
                return Value(inside=True, origin=value.origin)
        return value

    @rule("returning-new")
    def _new(self, relation: Node, column: int) -> Value:
        """The row as it was stored: what was set, and of an UPDATE the rest of the old one."""
        value = table_column(relation, column, self._was)
        if value.not_null or column <= 0:
            return value
        oid = relation.number("relid")
        facts = self._was.facts
        # Whoever routes a row to another partition inserts it there.
        events = (INSERT,) if self._command == COMMAND_INSERT else (INSERT, UPDATE)
        if may_change(self._was, oid, events) or facts.is_generated(oid, column):
            return value
        if column in self._values:
            stored = self._values[column]
            because = stored.because and f"{facts.name(oid, column)} is set to what may be NULL"
            return Value(inside=stored.not_null, origin=value.origin, because=because)
        return value if self._command == COMMAND_INSERT else self._old(relation, column)


@rule("trigger")
def may_change(scope: Scope, relation: int, events: tuple[int, ...]) -> bool:
    """A BEFORE trigger may store something else than the statement says."""
    return scope.facts.changes_rows(relation, events)


def returning(
    query: Node, scope: Scope, evaluate: Callable[[Node, Scope], Value]
) -> list[tuple[Value, ...]]:
    """For each way in which rows are written the columns of RETURNING."""
    entries = [entry for entry in query.nodes("returningList") if not entry.flag("resjunk")]
    return [
        tuple(evaluate(entry.the("expr"), place) for entry in entries)
        for place in _places(query, scope)
    ]


def _places(query: Node, scope: Scope) -> list[Scope]:
    command = query.number("commandType")
    if command == COMMAND_MERGE:
        return [
            place for action in query.nodes("mergeActionList") for place in _merge(action, scope)
        ]
    values = _stored(query.nodes("targetList"), scope)
    places = [_place(command, values, scope)]
    conflict = query.node("onConflict")
    if conflict is not None and conflict.number("action") == _DO_UPDATE:
        here = scope.copy()
        here.excluded = (conflict.number("exclRelIndex"), values)
        here = here.knowing(when_true(conflict.node("onConflictWhere"), here) or ())
        changed = _stored(conflict.nodes("onConflictSet"), here)
        places.append(_place(COMMAND_UPDATE, changed, here))
    return places


def _stored(entries: list[Node], scope: Scope) -> dict[int, Value]:
    return {
        entry.number("resno"): value_of(entry.the("expr"), scope)
        for entry in entries
        if not entry.flag("resjunk")
    }


@rule("returning")
def _place(command: int, values: Mapping[int, Value], scope: Scope) -> Scope:
    """RETURNING comes after the change: what WHERE knew of the target is of the old row."""
    target = scope.query.number("resultRelation")
    place = scope.copy()
    place.proven = Proven(item for item in scope.proven.known if not _of(item, scope, target))
    place.written = Written(command, target, values, scope)
    place.base = place
    return place


def _of(item: Known, scope: Scope, target: int) -> bool:
    if isinstance(item, ExpressionKnown):
        return True
    return isinstance(item, ColumnKnown) and item.key[:2] == (scope.serial, target)


@rule("merge-action")
def _merge(action: Node, scope: Scope) -> list[Scope]:
    """Where the source has no row its columns are NULL, which the tree does not say."""
    command = action.number("commandType")
    if command == _NOTHING:
        return []
    match = action.number("matchKind")
    here = scope.copy()
    if match == _NOT_IN_SOURCE:
        target = scope.query.number("mergeTargetRelation")
        others = frozenset(range(1, len(scope.relations) + 1))
        here.absent = others - {target, scope.query.number("resultRelation")}
        here.proven = Proven()
    elif match == _MATCHED:
        condition = scope.query.node("mergeJoinCondition")
        here = here.knowing(when_true(condition, here) or ())
    here = here.knowing(when_true(action.node("qual"), here) or ())
    return [_place(command, _stored(action.nodes("targetList"), here), here)]
