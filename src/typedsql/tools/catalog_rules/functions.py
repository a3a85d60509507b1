"""Functions that look names up where their caller says, and those that lend all their rights."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from typedsql.tools.catalog_rules.finding import CatalogFinding

# The names in a parsed body were settled when it was made. What returns event_trigger nobody calls
# who is no superuser; a trigger's function is called by whoever puts it on a temporary table, and
# is in need of no grant where it belongs.
_FUNCTIONS: Final = """
SELECT
    format(
        '%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)
    ) AS name,
    CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind,
    p.prosqlbody IS NOT NULL AS is_parsed,
    p.prosecdef AS is_definer,
    p.prorettype = 'pg_catalog.event_trigger'::REGTYPE AS is_event_trigger,
    p.proacl IS NULL OR EXISTS (
        SELECT FROM pg_catalog.aclexplode(p.proacl) AS a
        WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'
    ) AS is_public,
    (
        SELECT substr(s.setting, 1 + length('search_path='))
        FROM unnest(p.proconfig) AS s (setting)
        WHERE starts_with(s.setting, 'search_path=')
    ) AS search_path
FROM pg_catalog.pg_proc AS p
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE
    n.nspname = ANY ($1)
    AND p.prokind IN ('f', 'p')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_proc'::REGCLASS AND d.objid = p.oid AND d.deptype = 'e'
    )
"""


async def function_findings(connection: Any, exposed: Sequence[str]) -> list[CatalogFinding]:
    """Of functions and procedures of exposed schemas."""
    rows = await connection.fetch(_FUNCTIONS, exposed)
    return [finding for row in rows for finding in _of_function(row)]


def _of_function(row: Any) -> Iterator[CatalogFinding]:
    name: str = row["name"]
    called = f"the {row['kind']} {name}"
    path: str | None = row["search_path"]
    if not row["is_parsed"] and not is_safe_path(path):
        told = "takes its caller's search_path" if path is None else f"has search_path {path}"
        yield CatalogFinding(
            rule="search-path",
            object=name,
            message=f"{called} {told}, so others can decide what its names mean",
            advice=f"in a migration: ALTER ROUTINE {name} SET search_path = '', and name every "
            "schema in it",
        )
    if row["is_definer"] and row["is_public"] and not row["is_event_trigger"]:
        yield CatalogFinding(
            rule="public-definer",
            object=name,
            message=f"{called} runs with its owner's rights for whoever calls it",
            advice=f"in a migration: REVOKE ALL ON ROUTINE {name} FROM PUBLIC, and grant it to "
            "the roles meant",
        )


def is_safe_path(path: str | None) -> bool:
    """Whether a function's search_path, as pg_proc has it, lets nobody else decide.

    The empty one does, and one that begins with pg_catalog and ends with pg_temp: where it is not
    named, pg_temp comes first for tables and types, and anybody may create those in it.
    """
    if path is None:
        return False
    words = [word.strip().strip('"') for word in path.split(",")]
    return words == [""] or (words[0] == "pg_catalog" and words[-1] == "pg_temp")
