"""What the catalogs of one database say that nullability follows from, read at once."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

INSERT: Final = 4
UPDATE: Final = 16
"""Bits of pg_trigger.tgtype (src/include/catalog/pg_trigger.h)."""

FIRST_NORMAL_OBJECT_ID: Final = 16384
"""Objects with a lower oid come with the server (src/include/access/transam.h)."""

# A NOT NULL that was added NOT VALID sets attnotnull, while rows from before it may hold
# NULL. A foreign table's is a promise that nobody keeps.
_NOT_NULL: Final = """
SELECT a.attrelid::int8 AS relation, array_agg(a.attnum::int4) AS columns
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS n
        WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND NOT n.convalidated
            AND a.attnum = ANY (n.conkey)
    )
GROUP BY a.attrelid
"""
_RELATIONS: Final = """
SELECT c.oid::int8 AS relation, c.relkind::text AS kind, c.relname::text AS name,
    c.relnamespace::regnamespace::text AS schema,
    array_agg(a.attname::text ORDER BY a.attnum) AS names,
    array_agg(a.attnum::int4 ORDER BY a.attnum) AS numbers,
    array_agg(a.attnum::int4) FILTER (WHERE a.attgenerated <> '') AS generated,
    array_agg(a.attnum::int4) FILTER (WHERE EXISTS (
        SELECT FROM pg_catalog.pg_type AS d WHERE d.oid = a.atttypid AND d.typnotnull
    )) AS refusing,
    ARRAY(
        SELECT t.tgtype::int4 FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    ) AS triggers,
    ARRAY(
        SELECT i.inhrelid::int8 FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid
    ) AS children
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.oid >= $1::int8
GROUP BY c.oid, c.relkind, c.relname, c.relnamespace
"""
_FUNCTIONS: Final = """
SELECT oid::int8,
    CASE WHEN pronamespace = 'pg_catalog'::regnamespace AND oid < $1::int8 THEN proname::text END,
    proisstrict, proretset, provolatile::text, proargtypes::text
FROM pg_catalog.pg_proc
"""
_DOMAINS: Final = """
SELECT oid::int8, typbasetype::int8, typnotnull FROM pg_catalog.pg_type WHERE typtype = 'd'
"""
_EQUALITIES: Final = "SELECT oid::int8 FROM pg_catalog.pg_operator WHERE oprname = '='"
_TYPES: Final = "SELECT oid::int8, typname::text FROM pg_catalog.pg_type WHERE oid < $1::int8"

_ROW: Final = 1
_BEFORE: Final = 2
_INSTEAD: Final = 64


class Function(msgspec.Struct, frozen=True):
    """A function, or the function of an operator or aggregate."""

    name: str | None
    """None outside pg_catalog."""
    strict: bool
    returns_set: bool
    volatility: str
    arguments: str
    """Type oids, with blanks between them."""


class Relation(msgspec.Struct, frozen=True):
    """A table or view that is not PostgreSQL's own."""

    name: str
    """With its schema."""
    kind: str
    names: Mapping[int, str]
    generated: frozenset[int]
    refusing: frozenset[int]
    """Columns of a domain that is NOT NULL."""
    triggers: tuple[int, ...]
    children: tuple[int, ...]


_UNKNOWN: Final = Function(None, False, True, "v", "")


class Facts(msgspec.Struct):
    """The catalogs' facts; `load` reads them."""

    functions: dict[int, Function]
    relations: dict[int, Relation]
    domains: dict[int, tuple[int, bool]]
    equalities: frozenset[int]
    types: dict[str, str]
    columns_not_null: dict[int, frozenset[int]]

    @classmethod
    async def load(cls, connection: Any) -> "Facts":
        """Read the facts of the connection's database."""
        functions = {
            row[0]: Function(row[1], row[2], row[3], row[4], row[5])
            for row in await connection.fetch(_FUNCTIONS, FIRST_NORMAL_OBJECT_ID)
        }
        relations = {
            row["relation"]: Relation(
                f"{row['schema']}.{row['name']}",
                row["kind"],
                dict(zip(row["numbers"], row["names"], strict=True)),
                frozenset(row["generated"] or ()),
                frozenset(row["refusing"] or ()),
                tuple(row["triggers"]),
                tuple(row["children"]),
            )
            for row in await connection.fetch(_RELATIONS, FIRST_NORMAL_OBJECT_ID)
        }
        return cls(
            functions,
            relations,
            {row[0]: (row[1], row[2]) for row in await connection.fetch(_DOMAINS)},
            frozenset(row[0] for row in await connection.fetch(_EQUALITIES)),
            {str(row[0]): row[1] for row in await connection.fetch(_TYPES, FIRST_NORMAL_OBJECT_ID)},
            {row[0]: frozenset(row[1]) for row in await connection.fetch(_NOT_NULL)},
        )

    def function(self, oid: int) -> Function:
        """A function made since counts as one of which nothing is known."""
        return self.functions.get(oid, _UNKNOWN)

    def signature(self, oid: int) -> str:
        """``name(type,type)`` of a function of pg_catalog, types by pg_type.typname."""
        function = self.function(oid)
        types = (self.types.get(word, "?") for word in function.arguments.split())
        return f"{function.name}({','.join(types)})"

    def name(self, relation: int, column: int) -> str:
        """A column's name for people."""
        known = self.relations.get(relation)
        if known is None:
            return "a column of the system"
        return f"{known.name}.{known.names.get(column, '?')}"

    def not_null(self, relation: int, column: int, *, with_children: bool) -> bool:
        """Whether no row of a table, and of what inherits from it, has NULL in a column."""
        if column not in self.columns_not_null.get(relation, frozenset()):
            return False
        if not with_children:
            return True
        known = self.relations.get(relation)
        for child in known.children if known else ():
            # A child keeps the name of a column, but not its number.
            number = self._number(child, known.names[column] if known else "")
            if number is None or not self.not_null(child, number, with_children=True):
                return False
        return True

    def _number(self, relation: int, name: str) -> int | None:
        known = self.relations.get(relation)
        names = known.names.items() if known else ()
        return next((number for number, own in names if own == name), None)

    def domain_not_null(self, oid: int) -> bool:
        """Whether a domain, or one that it is made of, refuses NULL."""
        seen = self.domains.get(oid)
        while seen is not None:
            if seen[1]:
                return True
            seen = self.domains.get(seen[0])
        return False

    def is_generated(self, relation: int, column: int) -> bool:
        """Whether a column's value is computed from others, here or in a child."""
        known = self.relations.get(relation)
        if known is None:
            return False
        if column in known.generated:
            return True
        numbers = ((child, self._number(child, known.names[column])) for child in known.children)
        return any(number and self.is_generated(child, number) for child, number in numbers)

    def refuses_null(self, relation: int, column: int) -> bool:
        """Whether a column's domain is NOT NULL, which keeps out most NULLs, but not all."""
        known = self.relations.get(relation)
        return known is not None and column in known.refusing

    def changes_rows(self, relation: int, events: Iterable[int]) -> bool:
        """Whether a trigger may change what is written, here or in a child or partition."""
        known = self.relations.get(relation)
        if known is None or known.kind not in ("r", "p"):
            return True
        wanted = 0
        for event in events:
            wanted |= event
        for kind in known.triggers:
            if kind & _ROW and kind & (_BEFORE | _INSTEAD) and kind & wanted:
                return True
        return any(self.changes_rows(child, events) for child in known.children)

    def has_system_columns(self, relation: int) -> bool:
        """Whether rows have a ctid and such; views and foreign tables have none to rely on."""
        known = self.relations.get(relation)
        if known is None:
            return relation < FIRST_NORMAL_OBJECT_ID
        return known.kind in ("r", "p", "m") and all(map(self.has_system_columns, known.children))
