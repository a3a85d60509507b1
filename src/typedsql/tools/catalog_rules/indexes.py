"""Foreign keys without an index, and indexes that another one makes superfluous."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from typedsql.tools.catalog_rules.finding import CatalogFinding
from typedsql.tools.proof.node_tree import Node, read_node_tree

# Rows are found by equality of all columns of the key, in whatever order an index has them. Nothing
# is looked for where a key is NOT ENFORCED, which a release before 18 has no column for.
_FOREIGN_KEYS: Final = """
SELECT
    format('%I', k.conname) AS name,
    format('%I.%I', n.nspname, c.relname) AS relation,
    (
        SELECT string_agg(format('%I', a.attname), ', ' ORDER BY u.position)
        FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, position)
        INNER JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = k.conrelid AND a.attnum = u.attnum
    ) AS columns,
    k.conkey AS key,
    ARRAY(
        SELECT CAST(i.indpred AS TEXT)
        FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
        INNER JOIN pg_catalog.pg_am AS m ON m.oid = ic.relam
        WHERE
            i.indrelid = k.conrelid
            AND i.indisvalid
            AND m.amname IN ('btree', 'hash')
            AND i.indnkeyatts >= cardinality(k.conkey)
            AND (CAST(i.indkey AS INT2[]))[0:cardinality(k.conkey) - 1] @> k.conkey
    ) AS predicates
FROM pg_catalog.pg_constraint AS k
INNER JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    k.contype = 'f'
    AND k.conparentid = 0
    AND n.nspname = ANY ($1)
    AND coalesce(CAST(to_jsonb(k) ->> 'conenforced' AS BOOLEAN), TRUE)
"""

# Of enum NullTestType in PostgreSQL's primnodes.h.
_IS_NOT_NULL: Final = 1

# One that an exclusion constraint needs replaces none and is replaced by none.
_INDEXES: Final = """
SELECT
    CAST(i.indexrelid AS BIGINT) AS id,
    format('%I', c.relname) AS name,
    format('%I.%I', n.nspname, c.relname) AS qualified,
    format('%I.%I', n.nspname, t.relname) AS relation,
    CAST(m.amname AS TEXT) AS method,
    ARRAY(
        SELECT format(
            '%s %s %s %s %s',
            pg_get_indexdef(i.indexrelid, k.position, FALSE),
            i.indclass[k.position - 1],
            i.indcollation[k.position - 1],
            i.indoption[k.position - 1],
            (
                SELECT CAST(a.attoptions AS TEXT) FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = i.indexrelid AND a.attnum = k.position
            )
        )
        FROM generate_series(1, i.indnkeyatts) AS k (position)
        ORDER BY k.position
    ) AS keys,
    ARRAY(
        SELECT pg_get_indexdef(i.indexrelid, k.position, FALSE)
        FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS k (position)
    ) AS included,
    pg_get_expr(i.indpred, i.indrelid) AS predicate,
    i.indisunique AS is_unique,
    i.indimmediate AS is_immediate,
    i.indnullsnotdistinct AS nulls_not_distinct,
    i.indisreplident OR EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid
    ) AS is_needed,
    c.relispartition AS is_part
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
INNER JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
WHERE
    n.nspname = ANY ($1)
    AND t.relkind IN ('r', 'p', 'm')
    AND i.indisvalid
    AND NOT i.indisexclusion
ORDER BY i.indexrelid
"""


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    qualified: str
    relation: str
    method: str
    keys: list[str]
    """Each key column with its operator class, collation, order and options."""
    included: list[str]
    predicate: str | None
    is_unique: bool
    is_immediate: bool
    nulls_not_distinct: bool
    is_needed: bool
    """Whether a constraint, a foreign key or a replica identity is by it."""
    is_part: bool
    """Whether it is a partition's part of an index, and goes with that alone."""

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Of two that are the same, the higher one is kept."""
        return self.is_needed, self.is_unique, -self.id


async def index_findings(connection: Any, schemas: Sequence[str]) -> list[CatalogFinding]:
    """Of the foreign keys and the valid indexes of tables and materialized views."""
    found = [
        CatalogFinding(
            rule="foreign-key-index",
            object=row["name"],
            message=f"the foreign key {row['name']} of {row['relation']} has no index, so each "
            "DELETE of what it refers to reads the whole table",
            advice=f"in a migration: CREATE INDEX ON {row['relation']} ({row['columns']})",
        )
        for row in await connection.fetch(_FOREIGN_KEYS, schemas)
        if not any(_has_whole_key(predicate, row["key"]) for predicate in row["predicates"])
    ]
    by_table: dict[tuple[str, str], list[_Index]] = {}
    for row in await connection.fetch(_INDEXES, schemas):
        index = _Index(**row)
        by_table.setdefault((index.relation, index.method), []).append(index)
    for indexes in by_table.values():
        found += _superfluous(indexes)
    return found


def _has_whole_key(predicate: str | None, key: Sequence[int]) -> bool:
    """Whether an index has every row whose key is not NULL in any column, as none is that refers.

    True for one without a predicate, and for one that leaves out NULLs of columns of the key.
    """
    return predicate is None or _leaves_out_nulls(read_node_tree(predicate), key)


def _leaves_out_nulls(condition: Any, key: Sequence[int]) -> bool:
    if not isinstance(condition, Node):
        return False
    if condition.kind == "BOOLEXPR" and condition.text("boolop") == "and":
        return all(_leaves_out_nulls(each, key) for each in condition.items("args"))
    if condition.kind != "NULLTEST" or condition.number("nulltesttype") != _IS_NOT_NULL:
        return False
    # Of a composite value it says that no field is NULL, which equality does not imply.
    column = condition.the("arg")
    return (
        not condition.flag("argisrow") and column.kind == "VAR" and column.number("varattno") in key
    )


def _superfluous(indexes: Sequence[_Index]) -> Iterator[CatalogFinding]:
    """At most one finding for each index, of those of one table and access method."""
    for index in indexes:
        if index.is_part:
            continue
        same = [each for each in indexes if _is_same(index, each)]
        wider = [each for each in indexes if _is_wider(index, each)]
        if same:
            yield CatalogFinding(
                rule="duplicate-index",
                object=index.name,
                message=f"the index {index.name} of {index.relation} is the same as "
                f"{same[0].name}, and every write pays for both",
                advice=f"in a migration: DROP INDEX {index.qualified}"
                if not index.is_needed
                else f"drop one of the two constraints, such as that of {index.name}",
            )
        elif wider:
            yield CatalogFinding(
                rule="redundant-index",
                object=index.name,
                message=f"whatever the index {index.name} of {index.relation} finds, "
                f"{wider[0].name} finds by its first columns",
                advice=f"in a migration: DROP INDEX {index.qualified}",
            )


def _is_same(index: _Index, other: _Index) -> bool:
    """Whether the other one is to be kept and does all that this one does."""
    return (
        other.rank > index.rank
        and (index.keys, index.included, index.predicate)
        == (other.keys, other.included, other.predicate)
        and (
            not index.is_unique
            or (
                other.is_unique
                and (index.is_immediate, index.nulls_not_distinct)
                == (other.is_immediate, other.nulls_not_distinct)
            )
        )
    )


def _is_wider(index: _Index, other: _Index) -> bool:
    """Whether the other one begins as this one, which orders by its columns and holds nothing."""
    return (
        index.method == "btree"
        and not index.is_unique
        and not index.is_needed
        and index.predicate == other.predicate
        and other.keys[: len(index.keys)] == index.keys
        and set(index.included) <= set(other.included)
        and (index.keys, index.included) != (other.keys, other.included)
    )
