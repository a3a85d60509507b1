"""Columns of tables."""

from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability.rules import rule
from typedsql.tools.proof.nullability.scopes import Scope
from typedsql.tools.proof.nullability.values import NULLABLE, Value

_TABLES = ("r", "p", "m")


@rule("table-column")
def table_column(relation: Node, column: int, scope: Scope) -> Value:
    """A column of a stored row; 0 is the whole row, and less than that a system column."""
    oid = relation.number("relid")
    facts = scope.facts
    kind = relation.text("relkind")
    if column == 0:
        return whole_row(relation, scope)
    if column < 0:
        return Value(inside=kind in _TABLES and facts.has_system_columns(oid))
    # An INSERT names the partitioned table alone, and stores in a partition of any kind.
    not_null = kind in _TABLES and facts.not_null(
        oid, column, with_children=relation.flag("inh") or kind == "p"
    )
    return Value(
        inside=not_null,
        origin=(oid, column),
        because=None if not_null else _because(relation, column, scope),
    )


def _because(relation: Node, column: int, scope: Scope) -> str | None:
    """Of what stands in no table nobody has said that it is nullable."""
    oid = relation.number("relid")
    if relation.text("relkind") not in ("r", "p") or scope.facts.refuses_null(oid, column):
        return None
    return f"{scope.facts.name(oid, column)} is nullable"


@rule("whole-row")
def whole_row(relation: Node, scope: Scope) -> Value:
    """A row is not NULL, whatever its fields are."""
    known = scope.facts.relations.get(relation.number("relid"))
    if known is None or relation.text("relkind") not in _TABLES:
        return NULLABLE
    # A dropped column keeps its place in a row.
    last = max(known.names, default=0)
    return Value(
        inside=True,
        fields=tuple(
            table_column(relation, number, scope) if number in known.names else NULLABLE
            for number in range(1, last + 1)
        ),
    )
