"""What the generator asks a migrated database: tables, columns, comments."""

from collections.abc import Sequence
from typing import Any

import msgspec

from typedsql.tools.rows.catalog_types import TypeCatalog, read_types
from typedsql.tools.rows.labels import labels_of_check

_TABLES = """
SELECT
    n.nspname AS schema,
    c.relname AS name,
    c.oid,
    pg_table_is_visible(c.oid) AS visible,
    obj_description(c.oid, 'pg_class') AS comment
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY n.nspname, c.relname
"""

# A NOT NULL constraint that was added NOT VALID (PostgreSQL 18) sets attnotnull while
# NULLs remain, so only a validated one counts; one that is NO INHERIT says nothing of the
# rows of inheriting tables, which a query over the table returns as well. Older releases
# have no such rows in pg_constraint, and attnotnull says it all. A table with rules can
# answer with anything. A column of a domain arrives as the domain's base type. The same
# holds for CHECK constraints, which releases from 18 on can leave unenforced (to_jsonb asks
# for that column where there is one); where equality is not that of the bytes, a list of
# texts says less than it seems to.
_COLUMNS = """
SELECT
    n.nspname AS schema,
    c.relname AS table_name,
    a.attname AS name,
    (
        WITH RECURSIVE bases AS (
            SELECT t.typname, t.typtype, t.typbasetype
            UNION ALL
            SELECT b.typname, b.typtype, b.typbasetype
            FROM bases AS d
            INNER JOIN pg_catalog.pg_type AS b ON d.typbasetype = b.oid
            WHERE d.typtype = 'd'
        )
        SELECT bases.typname FROM bases WHERE bases.typtype <> 'd'
    ) AS type_name,
    a.attnotnull AND NOT c.relhasrules AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
            AND (NOT k.convalidated OR (k.connoinherit AND c.relhassubclass))
    ) AS not_null,
    a.attnum,
    a.atttypid AS type_oid,
    ARRAY(
        SELECT pg_catalog.pg_get_expr(h.conbin, h.conrelid) FROM pg_catalog.pg_constraint AS h
        WHERE h.conrelid = c.oid AND h.contype = 'c' AND h.conkey = ARRAY[a.attnum]
            AND h.convalidated AND NOT c.relhasrules
            AND NOT (h.connoinherit AND c.relhassubclass)
            AND COALESCE((to_jsonb(h) ->> 'conenforced')::BOOLEAN, TRUE)
            AND COALESCE(y.collisdeterministic, TRUE)
        ORDER BY h.conname
    ) AS checks,
    col_description(c.oid, a.attnum) AS comment
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_catalog.pg_type AS t ON a.atttypid = t.oid
LEFT JOIN pg_catalog.pg_collation AS y ON a.attcollation = y.oid
WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY n.nspname, c.relname, a.attnum
"""


class Column(msgspec.Struct, frozen=True):
    """A table's column."""

    table: str
    """Qualified: ``schema.table``."""
    name: str
    type_name: str
    """pg_type.typname; an array's begins with an underscore."""
    not_null: bool
    comment: str | None
    attnum: int = 0
    """Its number in the table, with gaps where columns were dropped."""
    type_oid: int = 0
    """Of a domain the domain's own."""
    labels: tuple[str, ...] = ()
    """The texts that CHECK constraints on it alone leave, () where they are no such list."""


class Table(msgspec.Struct, frozen=True):
    """A table with its columns in order."""

    schema: str
    name: str
    comment: str | None
    columns: tuple[Column, ...]
    visible: bool = True
    """Whether its bare name finds it, rather than another relation of the search_path."""
    oid: int = 0

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Catalog(msgspec.Struct, frozen=True):
    """The tables of the schemas a project declares, and all types."""

    tables: dict[str, Table]
    types: TypeCatalog = TypeCatalog({})

    def find(self, schema: str | None, name: str) -> Table | None:
        """A table by name; without a schema the one that PostgreSQL finds."""
        if schema is not None:
            return self.tables.get(f"{schema}.{name}")
        found = (table for table in self.tables.values() if table.name == name and table.visible)
        return next(found, None)

    def column_at(self, relation: int, attnum: int) -> Column | None:
        """A column by pg_class.oid and pg_attribute.attnum; None for other relations' columns."""
        for table in self.tables.values():
            if table.oid == relation:
                return next((item for item in table.columns if item.attnum == attnum), None)
        return None


async def read_catalog(connection: Any, schemas: Sequence[str]) -> Catalog:
    """Read tables and columns of the given schemas, partitions left out, and all types."""
    columns: dict[str, list[Column]] = {}
    for row in await connection.fetch(_COLUMNS, list(schemas)):
        table = f"{row['schema']}.{row['table_name']}"
        columns.setdefault(table, []).append(
            Column(
                table,
                row["name"],
                row["type_name"],
                row["not_null"],
                row["comment"],
                row["attnum"],
                row["type_oid"],
                _labels(row),
            )
        )
    tables = [
        Table(
            row["schema"],
            row["name"],
            row["comment"],
            tuple(columns.get(f"{row['schema']}.{row['name']}", ())),
            row["visible"],
            row["oid"],
        )
        for row in await connection.fetch(_TABLES, list(schemas))
    ]
    return Catalog({table.qualified: table for table in tables}, await read_types(connection))


def _labels(row: Any) -> tuple[str, ...]:
    # A value of type bpchar comes with its blanks, which no list of a CHECK has.
    if row["type_name"] not in ("text", "varchar"):
        return ()
    return labels_of_check(row["checks"], row["name"]) or ()
