"""What the generator asks a migrated database: tables, columns, comments."""

from collections.abc import Sequence
from typing import Any

import msgspec

_TABLES = """
SELECT
    n.nspname AS schema,
    c.relname AS name,
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
# answer with anything. A column of a domain arrives as the domain's base type.
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
    col_description(c.oid, a.attnum) AS comment
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_class AS c ON a.attrelid = c.oid
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_catalog.pg_type AS t ON a.atttypid = t.oid
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


class Table(msgspec.Struct, frozen=True):
    """A table with its columns in order."""

    schema: str
    name: str
    comment: str | None
    columns: tuple[Column, ...]
    visible: bool = True
    """Whether its bare name finds it, rather than another relation of the search_path."""

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Catalog(msgspec.Struct, frozen=True):
    """The tables of the schemas a project declares."""

    tables: dict[str, Table]

    def find(self, schema: str | None, name: str) -> Table | None:
        """A table by name; without a schema the one that PostgreSQL finds."""
        if schema is not None:
            return self.tables.get(f"{schema}.{name}")
        found = (table for table in self.tables.values() if table.name == name and table.visible)
        return next(found, None)


async def read_catalog(connection: Any, schemas: Sequence[str]) -> Catalog:
    """Read tables and columns of the given schemas, partitions left out."""
    columns: dict[str, list[Column]] = {}
    for row in await connection.fetch(_COLUMNS, list(schemas)):
        table = f"{row['schema']}.{row['table_name']}"
        columns.setdefault(table, []).append(
            Column(table, row["name"], row["type_name"], row["not_null"], row["comment"])
        )
    tables = [
        Table(
            row["schema"],
            row["name"],
            row["comment"],
            tuple(columns.get(f"{row['schema']}.{row['name']}", ())),
            row["visible"],
        )
        for row in await connection.fetch(_TABLES, list(schemas))
    ]
    return Catalog({table.qualified: table for table in tables})
