"""The types of a migrated database: enums with their labels, composites with their members."""

from typing import Any

import msgspec

from typedsql.tools.rows.labels import labels_of_check

# Row types of the system's own relations are left out: there are hundreds, and no column
# has one. An extension's types are its own affair: nothing is generated for them.
_TYPES = """
SELECT
    t.oid,
    n.nspname AS schema,
    t.typname AS name,
    t.typtype::TEXT AS kind,
    CASE WHEN e.typarray = t.oid THEN e.oid ELSE 0 END AS element,
    t.typbasetype AS base,
    COALESCE(r.rngsubtype, m.rngsubtype, 0) AS subtype,
    COALESCE(c.relkind <> 'c', FALSE) AS of_relation,
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_type'::REGCLASS AND d.objid = t.oid AND d.deptype = 'e'
    ) AS of_extension,
    COALESCE(k.collisdeterministic, TRUE) AS deterministic,
    ARRAY(
        SELECT l.enumlabel::TEXT FROM pg_catalog.pg_enum AS l
        WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder
    ) AS labels,
    ARRAY(
        SELECT a.attname::TEXT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    ) AS member_names,
    ARRAY(
        SELECT a.atttypid::OID FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    ) AS member_types,
    ARRAY(
        SELECT pg_catalog.pg_get_expr(h.conbin, 0) FROM pg_catalog.pg_constraint AS h
        WHERE h.contypid = t.oid AND h.contype = 'c' AND h.convalidated ORDER BY h.conname
    ) AS checks,
    pg_catalog.obj_description(t.oid, 'pg_type') AS type_comment,
    pg_catalog.obj_description(c.oid, 'pg_class') AS relation_comment
FROM pg_catalog.pg_type AS t
INNER JOIN pg_catalog.pg_namespace AS n ON t.typnamespace = n.oid
LEFT JOIN pg_catalog.pg_type AS e ON t.typelem = e.oid
LEFT JOIN pg_catalog.pg_range AS r ON t.oid = r.rngtypid
LEFT JOIN pg_catalog.pg_range AS m ON t.oid = m.rngmultitypid
LEFT JOIN pg_catalog.pg_class AS c ON t.typtype = 'c' AND t.typrelid = c.oid
LEFT JOIN pg_catalog.pg_collation AS k ON t.typcollation = k.oid
WHERE n.nspname NOT IN ('information_schema', 'pg_toast')
    AND NOT (n.nspname = 'pg_catalog' AND t.typtype = 'c')
ORDER BY n.nspname, t.typname
"""
_TEXTUAL = ("text", "varchar")


class PgType(msgspec.Struct, frozen=True, kw_only=True):
    """A row of pg_type, with what other catalogs say of it."""

    oid: int
    schema: str
    name: str
    kind: str
    """pg_type.typtype: b base, c composite, d domain, e enum, m multirange, p pseudo, r range."""
    element: int
    """Of an array the type of its elements, else 0."""
    base: int
    """Of a domain the type below, which can be a domain as well; else 0."""
    subtype: int
    """Of a range or multirange the type of its bounds, else 0."""
    of_relation: bool
    """Whether it is the row type of a table or view."""
    of_extension: bool
    labels: tuple[str, ...]
    """Of an enum, in its order; of a domain over text the values its CHECKs leave, if they
    are a list."""
    members: tuple[tuple[str, int], ...]
    """Of a composite the name and type of each member."""
    comment: str | None

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


class TypeCatalog(msgspec.Struct, frozen=True):
    """The types of a database by their oid."""

    by_oid: dict[int, PgType]

    def without_domains(self, oid: int) -> PgType:
        """The type itself, or what a domain is made of."""
        found = self.by_oid[oid]
        while found.kind == "d":
            found = self.by_oid[found.base]
        return found

    def shown(self, oid: int) -> str:
        """The type as messages name it."""
        found = self.by_oid[oid]
        if found.element:
            return f"{self.shown(found.element)}[]"
        return found.name if found.schema == "pg_catalog" else found.qualified


async def read_types(connection: Any) -> TypeCatalog:
    """All types, those in schemas that no project declares as well."""
    rows = await connection.fetch(_TYPES)
    names = {row["oid"]: row["name"] for row in rows}
    bases = {row["oid"]: row["base"] for row in rows}
    found: dict[int, PgType] = {}
    for row in rows:
        labels = tuple(row["labels"])
        root = row["oid"]
        while bases[root]:
            root = bases[root]
        if row["kind"] == "d" and names[root] in _TEXTUAL and row["deterministic"]:
            labels = labels_of_check(row["checks"], "value") or ()
        found[row["oid"]] = PgType(
            oid=row["oid"],
            schema=row["schema"],
            name=row["name"],
            kind=row["kind"],
            element=row["element"],
            base=row["base"],
            subtype=row["subtype"],
            of_relation=row["of_relation"],
            of_extension=row["of_extension"],
            labels=labels,
            members=tuple(zip(row["member_names"], row["member_types"], strict=True)),
            comment=row["type_comment"] or row["relation_comment"],
        )
    return TypeCatalog(found)
