"""What the catalogs say about unique keys, equality and repeatable functions."""

from typing import Any, Final

import msgspec

from typedsql.tools.proof.cardinality.shapes import Shape, column_shape, conjuncts, shape, stripped
from typedsql.tools.proof.node_tree import Node, read_node_tree

CTID: Final = -1
"""The attribute number of a row's physical place."""

# One round trip. Only B-tree indexes are keys: the unique index of a key WITHOUT OVERLAPS is
# none of equality alone. A deferrable one may be broken until the transaction's end. Equality
# of a time with and one without a zone is not transitive: in the night that the clocks go
# forward, 02:30 and 03:30 both equal one instant.
_READ: Final = """
WITH RECURSIVE descendants AS (
    SELECT i.inhparent AS ancestor, i.inhrelid AS child FROM pg_catalog.pg_inherits AS i
    UNION
    SELECT d.ancestor, i.inhrelid
    FROM descendants AS d INNER JOIN pg_catalog.pg_inherits AS i ON i.inhparent = d.child
), families AS (
    SELECT a.amopopr::bigint AS operator, a.amopfamily::bigint AS family, a.amopstrategy AS place
    FROM pg_catalog.pg_amop AS a
    INNER JOIN pg_catalog.pg_am AS m ON m.oid = a.amopmethod AND m.amname = 'btree'
    INNER JOIN pg_catalog.pg_operator AS o ON o.oid = a.amopopr
    INNER JOIN pg_catalog.pg_proc AS p ON p.oid = o.oprcode AND p.proisstrict
    WHERE
        a.amoppurpose = 's'
        AND (a.amoplefttype = 'timestamptz'::regtype) = (a.amoprighttype = 'timestamptz'::regtype)
)
SELECT json_build_object(
    'tables', (
        SELECT json_agg(json_build_object(
            'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
            'children', EXISTS (
                SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid
            ),
            'columns', (
                SELECT json_agg(json_build_array(a.attnum, a.attname))
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped
            ),
            'not_null', ARRAY(
                SELECT a.attnum FROM pg_catalog.pg_attribute AS a
                WHERE
                    a.attrelid = c.oid AND a.attnotnull
                    AND NOT EXISTS (
                        SELECT FROM pg_catalog.pg_constraint AS k
                        WHERE
                            k.conrelid = c.oid AND k.contype = 'n' AND NOT k.convalidated
                            AND a.attnum = ANY(k.conkey)
                    )
            ),
            'triggers', ARRAY(
                SELECT t.tgtype::int FROM pg_catalog.pg_trigger AS t
                WHERE
                    NOT t.tgisinternal
                    AND (
                        t.tgrelid = c.oid
                        OR t.tgrelid IN (
                            SELECT d.child FROM descendants AS d WHERE d.ancestor = c.oid
                        )
                    )
            ),
            'foreign', EXISTS (
                SELECT FROM descendants AS d
                INNER JOIN pg_catalog.pg_class AS f ON f.oid = d.child AND f.relkind = 'f'
                WHERE d.ancestor = c.oid
            )
        ))
        FROM pg_catalog.pg_class AS c
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f')
    ),
    'indexes', (
        SELECT json_agg(json_build_object(
            'table', x.indrelid::bigint, 'name', c.relname, 'nulls_equal', x.indnullsnotdistinct,
            'columns', (x.indkey::int2[])[0:x.indnkeyatts - 1],
            'families', ARRAY(
                SELECT o.opcfamily::bigint
                FROM unnest(x.indclass::oid[]) WITH ORDINALITY AS u (opclass, place)
                INNER JOIN pg_catalog.pg_opclass AS o ON o.oid = u.opclass
                ORDER BY u.place
            ),
            'collations', x.indcollation::oid[]::bigint[],
            'labels', ARRAY(
                SELECT pg_catalog.pg_get_indexdef(x.indexrelid, place, TRUE)
                FROM generate_series(1, x.indnkeyatts) AS place ORDER BY place
            ),
            'expressions', x.indexprs::text, 'predicate', x.indpred::text
        ) ORDER BY x.indisprimary DESC, c.relname)
        FROM pg_catalog.pg_index AS x
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
        INNER JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
        WHERE
            x.indisunique AND x.indisvalid AND x.indisready AND x.indislive AND x.indimmediate
            AND NOT x.indisexclusion
    ),
    'equalities', (
        SELECT json_agg(json_build_array(f.operator, f.family)) FROM families AS f
        WHERE f.place = 3
    ),
    'comparisons', (SELECT json_agg(DISTINCT f.operator) FROM families AS f),
    'tid_families', (
        SELECT json_agg(f.oid::bigint) FROM pg_catalog.pg_opfamily AS f
        WHERE f.opfname = 'tid_ops'
    ),
    'nondeterministic', (
        SELECT json_agg(l.oid::bigint) FROM pg_catalog.pg_collation AS l
        WHERE NOT l.collisdeterministic
    ),
    'volatile', (
        SELECT json_agg(p.oid::bigint) FROM pg_catalog.pg_proc AS p WHERE p.provolatile = 'v'
    ),
    'sized_functions', (
        SELECT json_agg(p.oid::bigint) FROM pg_catalog.pg_proc AS p
        WHERE
            p.pronamespace = 'pg_catalog'::regnamespace AND p.proretset
            AND p.proname = ANY($1::text[])
    ),
    'arithmetic', (
        SELECT json_agg(p.oid::bigint) FROM pg_catalog.pg_proc AS p
        WHERE
            p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ $2
            AND p.proisstrict AND NOT p.proretset AND p.provolatile = 'i'
            AND NOT EXISTS (
                SELECT FROM unnest(p.proargtypes) AS u (kind)
                INNER JOIN pg_catalog.pg_type AS t ON t.oid = u.kind
                WHERE t.typcategory <> 'N'
            )
    )
)::text
"""

# As many rows as their arguments say: who passes the arguments bounds the rows.
_SIZED_FUNCTIONS: Final = [
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "json_populate_recordset",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_populate_recordset",
    "jsonb_to_recordset",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "unnest",
]

# They return a number for all numbers, or raise an error: casts, operators, rounding.
_ARITHMETIC: Final = (
    "^(int[248]+|int[248]+(pl|mi|mul|div|mod|um|up|abs)|float8|float8(pl|mi|mul|div|um|up|abs)|"
    "numeric|numeric_(add|sub|mul|div|mod|uminus|uplus|abs)|abs|mod|div|round|trunc|ceil|"
    "ceiling|floor|sign)$"
)

# Bits of pg_trigger.tgtype, src/include/catalog/pg_trigger.h.
_ROW, _BEFORE, _INSTEAD = 1, 2, 64


class KeyColumn(msgspec.Struct, frozen=True):
    """A column or expression of a unique index."""

    label: str
    shape: Shape
    attribute: int
    """0 for an expression."""
    family: int
    """The oid of the B-tree operator family whose equality the index keeps unique."""
    collation: int
    """As `Keys.collation` says it."""


class Key(msgspec.Struct, frozen=True):
    """A unique index: no two rows agree in all its columns."""

    name: str
    columns: tuple[KeyColumn, ...]
    predicate: tuple[Node, ...]
    """What all must hold for a row to be in the index; empty for all rows."""
    nulls_equal: bool
    """NULLS NOT DISTINCT: there is at most one row with NULL, too."""


class Table(msgspec.Struct, frozen=True):
    """A table or view with what is known of it."""

    name: str
    """``schema.name``."""
    kind: str
    """pg_class.relkind."""
    children: bool
    columns: dict[int, str]
    not_null: frozenset[int]
    drops_rows: bool
    """A trigger or a foreign server may leave a row out that a statement writes."""
    keys: tuple[Key, ...]


class Keys(msgspec.Struct, frozen=True):
    """Unique keys and what goes with them, of one database at one time."""

    tables: dict[int, Table]
    equalities: dict[int, frozenset[int]]
    """Equality operator to the B-tree operator families it belongs to."""
    comparisons: frozenset[int]
    """Operators of B-trees; each yields NULL for NULL."""
    nondeterministic: frozenset[int]
    volatile: frozenset[int]
    """Functions that may say something else at each call."""
    sized_functions: frozenset[int]
    """Functions that return as many rows as their arguments say."""
    arithmetic: frozenset[int]
    """Functions of numbers that return a number for all of them; NULL for NULL alone."""

    @classmethod
    async def load(cls, connection: Any) -> "Keys":
        """Read the catalogs in one query. The rows need no privilege."""
        read = msgspec.json.decode(await connection.fetchval(_READ, _SIZED_FUNCTIONS, _ARITHMETIC))
        nondeterministic = frozenset(read["nondeterministic"] or ())
        equalities: dict[int, set[int]] = {}
        for operator, family in read["equalities"]:
            equalities.setdefault(operator, set()).add(family)
        indexes: dict[int, list[Key]] = {}
        for index in read["indexes"] or ():
            indexes.setdefault(index["table"], []).append(_key(index, nondeterministic))
        place = KeyColumn(
            label="ctid",
            shape=column_shape(1, CTID),
            attribute=CTID,
            family=read["tid_families"][0],
            collation=0,
        )
        ctid = Key(name="ctid", columns=(place,), predicate=(), nulls_equal=False)
        tables: dict[int, Table] = {}
        for table in read["tables"]:
            found = tuple(indexes.get(table["oid"], ()))
            # Partitions have a place of their own each.
            keys = (*found, ctid) if table["kind"] in ("r", "m") else found
            tables[table["oid"]] = _table(table, keys)
        return cls(
            tables=tables,
            equalities={operator: frozenset(of) for operator, of in equalities.items()},
            comparisons=frozenset(read["comparisons"]),
            nondeterministic=nondeterministic,
            volatile=frozenset(read["volatile"]),
            sized_functions=frozenset(read["sized_functions"]),
            arithmetic=frozenset(read["arithmetic"]),
        )

    def collation(self, oid: int) -> int:
        """0 for all collations in which only equal bytes are equal, else the oid."""
        return oid if oid in self.nondeterministic else 0


def _table(read: dict[str, Any], keys: tuple[Key, ...]) -> Table:
    suppressing = [kind for kind in read["triggers"] if kind & _ROW and kind & (_BEFORE | _INSTEAD)]
    return Table(
        name=f"{read['schema']}.{read['name']}",
        kind=read["kind"],
        children=read["children"],
        columns=dict(read["columns"] or ()),
        not_null=frozenset(read["not_null"]),
        drops_rows=bool(suppressing) or read["foreign"] or read["kind"] not in ("r", "p"),
        keys=keys,
    )


def _key(index: dict[str, Any], nondeterministic: frozenset[int]) -> Key:
    expressions = iter(read_node_tree(index["expressions"]) if index["expressions"] else ())
    columns: list[KeyColumn] = []
    for place, attribute in enumerate(index["columns"]):
        collation = index["collations"][place]
        columns.append(
            KeyColumn(
                label=index["labels"][place],
                shape=(
                    column_shape(1, attribute) if attribute else shape(stripped(next(expressions)))
                ),
                attribute=attribute,
                family=index["families"][place],
                collation=collation if collation in nondeterministic else 0,
            )
        )
    predicate = read_node_tree(index["predicate"]) if index["predicate"] else None
    return Key(
        name=index["name"],
        columns=tuple(columns),
        predicate=tuple(conjuncts(predicate)),
        nulls_equal=index["nulls_equal"],
    )
