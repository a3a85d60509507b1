"""Whether what is known of a table's columns fixes one of its unique keys."""

from collections.abc import Sequence
from typing import Final

import msgspec

from typedsql.tools.proof.cardinality.equalities import Value, columns_not_null
from typedsql.tools.proof.cardinality.keys import Key, KeyColumn, Keys, Table
from typedsql.tools.proof.cardinality.shapes import Shape, moved, shape, stripped
from typedsql.tools.proof.node_tree import Node

_PARTITIONED: Final = "p"
_IS_NOT_NULL: Final = 1


class Match(msgspec.Struct, frozen=True):
    """Whether a key is fixed, with the reason for people."""

    matches: bool
    reason: str


def match_key(
    position: int, entry: Node, keys: Keys, known: Sequence[Value], quals: Sequence[Node]
) -> Match:
    """Of the table at a position of the range table.

    `known` is what all rows agree in, `quals` are the conditions that all of them pass.
    """
    table = keys.tables.get(entry.number("relid"))
    if table is None:
        return Match(matches=False, reason="FROM has a table that is not known")
    if table.children and entry.flag("inh") and table.kind != _PARTITIONED:
        reason = f"no unique key of {table.name} covers the tables that inherit from it"
        return Match(matches=False, reason=reason)
    lacking: list[str] = []
    for key in table.keys:
        unmet = [
            column.label
            for column in key.columns
            if not _is_known(column, key, table, known, position)
        ]
        if not _in_index(key, position, keys, quals):
            unmet.append("its WHERE")
        if not unmet:
            reason = f"unique index {key.name} of {table.name} is fixed by equality"
            return Match(matches=True, reason=reason)
        if key.name != "ctid":
            lacking.append(f"{key.name} needs {', '.join(unmet)}")
    if not lacking:
        reason = f"{table.name} has no unique key that holds within a transaction"
        return Match(matches=False, reason=reason)
    reason = f"no unique key of {table.name} is fixed: {'; '.join(lacking)}"
    return Match(matches=False, reason=reason)


def _is_known(
    column: KeyColumn, key: Key, table: Table, known: Sequence[Value], position: int
) -> bool:
    wanted = moved(column.shape, position)
    return any(
        value.shape == wanted
        and value.tells(frozenset({column.family}), column.collation)
        and (value.strict or key.nulls_equal or column.attribute in table.not_null)
        for value in known
    )


def _in_index(key: Key, position: int, keys: Keys, quals: Sequence[Node]) -> bool:
    """Whether the rows in question are among those that a partial index holds."""
    if not key.predicate:
        return True
    stated = {shape(qual) for qual in quals}
    proven = {shape(column) for qual in quals for column in columns_not_null(qual, keys)}
    return all(
        moved(shape(wanted), position) in stated or _not_null_test(wanted, position) in proven
        for wanted in key.predicate
    )


def _not_null_test(wanted: Node, position: int) -> Shape | None:
    """The column that a condition of an index wants not to be NULL."""
    if wanted.kind != "NULLTEST" or wanted.number("nulltesttype") != _IS_NOT_NULL:
        return None
    if wanted.flag("argisrow"):
        return None
    found: Shape = moved(shape(stripped(wanted.the("arg"))), position)
    return found
