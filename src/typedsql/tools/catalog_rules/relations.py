"""Tables without row level security, and views that read with the rights of their owner."""

from collections.abc import Sequence
from typing import Any, Final

from typedsql.tools.catalog_rules.finding import CatalogFinding

API_ROLES: Final = ("anon", "authenticated")
"""In whose name an API runs statements, as on Supabase."""

_RELATIONS: Final = """
SELECT
    format('%I.%I', n.nspname, c.relname) AS name,
    CAST(c.relkind AS TEXT) AS kind,
    c.relrowsecurity AS is_protected,
    coalesce(
        (
            SELECT CAST(o.option_value AS BOOLEAN)
            FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
            WHERE o.option_name = 'security_invoker'
        ),
        FALSE
    ) AS is_invoker,
    EXISTS (
        SELECT FROM pg_catalog.aclexplode(c.relacl) AS a
        WHERE a.grantee = 0 AND a.privilege_type = 'SELECT'
    ) OR EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = ANY ($2) AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
    ) AS is_readable
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE
    n.nspname = ANY ($1)
    AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::REGCLASS AND d.objid = c.oid AND d.deptype = 'e'
    )
"""

# What an invoker's view reads is read as its reader, up to a view that reads as its owner. The
# server's own are as they are.
_BENEATH: Final = """
WITH RECURSIVE views AS (
    SELECT
        c.oid,
        format('%I.%I', n.nspname, c.relname) AS name,
        n.nspname = ANY ($1) AS is_exposed,
        coalesce(
            (
                SELECT CAST(o.option_value AS BOOLEAN)
                FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
                WHERE o.option_name = 'security_invoker'
            ),
            FALSE
        ) AS is_invoker
    FROM pg_catalog.pg_class AS c
    INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE
        c.relkind = 'v'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE
                d.classid = 'pg_catalog.pg_class'::REGCLASS
                AND d.objid = c.oid
                AND d.deptype = 'e'
        )
),

reached AS (
    SELECT v.oid, v.name, v.is_exposed, v.is_invoker FROM views AS v WHERE v.is_exposed
    UNION
    SELECT v.oid, v.name, v.is_exposed, v.is_invoker
    FROM reached AS r
    INNER JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid
    INNER JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_catalog.pg_rewrite'::REGCLASS
        AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::REGCLASS
    INNER JOIN views AS v ON v.oid = d.refobjid
    WHERE r.is_invoker
)

SELECT r.name
FROM reached AS r
INNER JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
WHERE
    NOT r.is_exposed
    AND NOT r.is_invoker
    AND (
        EXISTS (
            SELECT FROM pg_catalog.aclexplode(c.relacl) AS a
            WHERE a.grantee = 0 AND a.privilege_type = 'SELECT'
        )
        OR EXISTS (
            SELECT FROM pg_catalog.pg_roles AS o
            WHERE o.rolname = ANY ($2) AND has_any_column_privilege(o.oid, c.oid, 'SELECT')
        )
    )
"""


async def relation_findings(connection: Any, exposed: Sequence[str]) -> list[CatalogFinding]:
    """Of tables, with their partitions, and views of exposed schemas and beneath those."""
    rows = await connection.fetch(_RELATIONS, exposed, API_ROLES)
    beneath = await connection.fetch(_BENEATH, exposed, API_ROLES)
    return [
        *(finding for row in rows for finding in [_finding(row)] if finding is not None),
        *(_definer_view(row["name"]) for row in beneath),
    ]


def _finding(row: Any) -> CatalogFinding | None:
    name: str = row["name"]
    kind: str = row["kind"]
    if kind in ("r", "p") and not row["is_protected"]:
        return CatalogFinding(
            rule="row-security",
            object=name,
            message=f"the table {name} is exposed without row level security",
            advice=f"in a migration: ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, and policies",
        )
    if kind == "f":
        return CatalogFinding(
            rule="row-security",
            object=name,
            message=f"the foreign table {name} is exposed, and cannot have row level security",
            advice="move it to a schema that is not exposed",
        )
    if kind == "v" and not row["is_invoker"]:
        return _definer_view(name)
    if kind == "m" and row["is_readable"]:
        return CatalogFinding(
            rule="definer-view",
            object=name,
            message=f"the materialized view {name} shows roles of the API what its owner saw",
            advice="move it to a schema that is not exposed, or revoke what PUBLIC, "
            f"{' and '.join(API_ROLES)} may do with it",
        )
    return None


def _definer_view(name: str) -> CatalogFinding:
    return CatalogFinding(
        rule="definer-view",
        object=name,
        message=f"the view {name} reads with the rights of its owner, past row level security",
        advice=f"in a migration: ALTER VIEW {name} SET (security_invoker = true)",
    )
