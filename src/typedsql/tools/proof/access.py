"""The tables and columns that a statement reads and writes, as PostgreSQL checks privileges."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from typedsql.tools.proof.cardinality.joins import GROUP, JOIN, SUBQUERY
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.node_tree import Node, is_list

ROWS: Final = "*"
"""In place of a column: the rows themselves, counted or deleted, but none of their columns."""

# src/include/nodes/parsenodes.h and access/sysattr.h of PostgreSQL 18: attribute numbers in
# sets are shifted, so that those of system columns are not negative.
_INSERT, _SELECT, _DELETE = 1, 2, 8
_SHIFT: Final = -7
_WHOLE_ROW: Final = 0
_SYSTEM: Final = {-1: "ctid", -2: "xmin", -3: "cmin", -4: "xmax", -5: "cmax", -6: "tableoid"}
_EXCLUDED: Final = "c"  # relkind of a composite type: the row of ON CONFLICT, in no table

Column = tuple[str, str]
"""``schema.table`` and the column's name, or `ROWS`."""


class Access(msgspec.Struct, frozen=True):
    """What a statement reads and writes, views and what is below them alike, sorted."""

    reads: tuple[Column, ...]
    """Columns mentioned anywhere. Of a table that only lends its rows: `ROWS`."""
    writes: tuple[Column, ...]
    """Columns stored into. Of rows deleted, or inserted with no column named: `ROWS`.

    A row lock (FOR UPDATE) writes nothing here, and a view does not count as written where
    its table is.
    """


def access(queries: list[Node], keys: Keys) -> Access:
    """Of all queries that a statement was rewritten to.

    Of a view, only what the statement uses of it counts as read below it. What triggers,
    functions, defaults and generated columns read or write is not in it.
    """
    collector = _Collector(keys)
    for query in queries:
        collector.query(query)
    return Access(reads=tuple(sorted(collector.reads)), writes=tuple(sorted(collector.writes)))


class _Collector:
    def __init__(self, keys: Keys) -> None:
        self.reads: set[Column] = set()
        self.writes: set[Column] = set()
        self._keys = keys

    def query(self, query: Node) -> None:
        """A query with all within it, of which everything counts."""
        for permission in _permissions(query):
            self._permission(permission)
        for entry in query.nodes("rtable"):
            if _is_view(entry):
                permission = query.nodes("rteperminfos")[entry.number("perminfoindex") - 1]
                wanted = {member + _SHIFT for member in permission.numbers("selectedCols")}
                self._view(entry.the("subquery"), wanted)
        for inner in _inner_queries(query):
            self.query(inner)

    def _permission(self, permission: Node) -> None:
        required = permission.number("requiredPerms")
        selected = set(self._columns(permission, "selectedCols"))
        stored = {
            *self._columns(permission, "insertedCols"),
            *self._columns(permission, "updatedCols"),
        }
        table = self._table(permission.number("relid"))
        if required & _SELECT:
            self.reads |= selected or {(table, ROWS)}
        if required & _DELETE or (required & _INSERT and not stored):
            stored.add((table, ROWS))
        self.writes |= stored

    def _view(self, body: Node, wanted: set[int]) -> None:
        """What a view reads to yield the wanted columns; all of them for a whole row."""
        used = _used(body, wanted)
        for position, entry in enumerate(body.nodes("rtable"), start=1):
            if "perminfoindex" not in entry.fields or not entry.number("perminfoindex"):
                continue
            columns = used.get(position, set())
            table = self._table(entry.number("relid"))
            if entry.flag("inFromCl"):
                names = {name for each in columns for name in self._names(entry, each)}
                self.reads |= {(table, name) for name in names} or {(table, ROWS)}
            if _is_view(entry):
                self._view(entry.the("subquery"), columns)
        for inner in _inner_queries(body):
            self.query(inner)

    def _table(self, oid: int) -> str:
        found = self._keys.tables.get(oid)
        return found.name if found is not None else str(oid)

    def _columns(self, permission: Node, field: str) -> Iterator[Column]:
        for member in permission.numbers(field):
            for name in self._names(permission, member + _SHIFT):
                yield self._table(permission.number("relid")), name

    def _names(self, of: Node, attribute: int) -> list[str]:
        table = self._keys.tables.get(of.number("relid"))
        columns = table.columns if table is not None else {}
        if attribute == _WHOLE_ROW:
            return [name for number, name in columns.items() if number > 0]
        return [columns.get(attribute) or _SYSTEM.get(attribute, str(attribute))]


def _is_view(entry: Node) -> bool:
    return entry.number("rtekind") == SUBQUERY and entry.number("relid") != 0


def _inner_queries(query: Node) -> Iterator[Node]:
    """The queries next within a query, but for the bodies of its views."""
    pending: list[Any] = [field for name, field in query.fields.items() if name != "rtable"]
    pending.extend(entry for entry in query.nodes("rtable") if not _is_view(entry))
    while pending:
        item = pending.pop()
        if is_list(item):
            pending.extend(item)
        elif isinstance(item, Node):
            if item.kind == "QUERY":
                yield item
            else:
                pending.extend(item.fields.values())


def _used(body: Node, wanted: set[int]) -> dict[int, set[int]]:
    """The columns of each range table entry that a view's body uses for the wanted columns."""
    outputs = [
        entry
        for entry in body.nodes("targetList")
        if _WHOLE_ROW in wanted
        or body.node("setOperations") is not None
        or entry.flag("resjunk")
        or entry.number("ressortgroupref")
        or entry.number("resno") in wanted
    ]
    entries = body.nodes("rtable")
    # What joins and groups stand for counts where it is mentioned, not where it is listed.
    pending: list[tuple[Any, int]] = [(outputs, 0)]
    pending.extend(
        (field, 0) for name, field in body.fields.items() if name not in ("targetList", "rtable")
    )
    pending.extend((entry, 0) for entry in entries if entry.number("rtekind") not in _STANDS_FOR)
    used: dict[int, set[int]] = {}
    while pending:
        item, depth = pending.pop()
        if is_list(item):
            pending.extend((part, depth) for part in item)
        elif isinstance(item, Node) and item.kind == "VAR":
            position, attribute = item.number("varno"), item.number("varattno")
            if item.number("varlevelsup") != depth or attribute in used.get(position, ()):
                continue
            used.setdefault(position, set()).add(attribute)
            field = _STANDS_FOR.get(entries[position - 1].number("rtekind"))
            if field is not None:
                meant = entries[position - 1].nodes(field)
                pending.append((meant[attribute - 1] if attribute else meant, 0))
        elif isinstance(item, Node):
            inner = depth + 1 if item.kind == "QUERY" else depth
            pending.extend((part, inner) for part in item.fields.values())
    return used


_STANDS_FOR: Final = {JOIN: "joinaliasvars", GROUP: "groupexprs"}


def _permissions(query: Node) -> Iterator[Node]:
    excluded = {
        entry.number("perminfoindex")
        for entry in query.nodes("rtable")
        if "perminfoindex" in entry.fields and entry.text("relkind") == _EXCLUDED
    }
    for position, permission in enumerate(query.nodes("rteperminfos"), start=1):
        if position not in excluded:
            yield permission
