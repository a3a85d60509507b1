"""Whether the roles of an API, and the gateway's login, may do what they should and no more."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from typedsql.connect_failure import explain
from typedsql.errors import ConfigurationError
from typedsql.identities import API_ROLES, check_gateway, unsafe_api_roles
from typedsql.project import Project
from typedsql.settings import ConnectionTarget, resolve_gateway
from typedsql.tools.diagnosis import Diagnosis
from typedsql.tools.migration_session import open_connection

# A policy that lets a role do what no GRANT does is a GRANT that was forgotten. One for ALL
# is there at least to be read.
_FORGOTTEN_GRANTS = """
SELECT DISTINCT
    format('%I.%I', n.nspname, c.relname) AS relation,
    r.rolname AS role,
    k.privilege
FROM pg_catalog.pg_policy AS p
INNER JOIN pg_catalog.pg_class AS c ON p.polrelid = c.oid
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN pg_catalog.pg_roles AS r ON r.oid = ANY(p.polroles)
INNER JOIN
    (VALUES ('r', 'SELECT'), ('*', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE'))
        AS k (command, privilege)
    ON p.polcmd = k.command::"char"
WHERE
    r.rolname = ANY($1::text[]) AND p.polpermissive
    AND NOT has_table_privilege(r.oid, c.oid, k.privilege)
    AND (k.privilege = 'DELETE' OR NOT has_any_column_privilege(r.oid, c.oid, k.privilege))
ORDER BY relation, role, k.privilege
"""


async def look_at_roles(found: Diagnosis, connection: Any) -> None:
    """Find API roles that row level security does not limit, and grants that are missing."""
    for problem in await unsafe_api_roles(connection):
        message, _, action = problem.partition(": ")
        found.add("error", "api_role_power", message, action)
    rows = await connection.fetch(_FORGOTTEN_GRANTS, list(API_ROLES))
    for (relation, role), group in groupby(rows, lambda row: (row["relation"], row["role"])):
        rights = ", ".join(row["privilege"] for row in group)
        found.add(
            "warning",
            "api_grants",
            f"a policy of {relation} is for {role}, which may not {rights} there; Supabase grants"
            " nothing on new tables any more",
            f"run GRANT {rights} ON {relation} TO {role}, or drop the policy",
        )


async def look_at_gateway(
    found: Diagnosis,
    connection: Any,
    target: ConnectionTarget,
    project: Project,
    environ: Mapping[str, str] | None,
) -> None:
    """Connect as the gateway's login where one is set, and find what it may do beyond its task.

    `connection` is one to the main `target`.
    """
    try:
        gateway = resolve_gateway(project=project.name, environ=environ, beside=target)
    except ConfigurationError as failure:
        found.add("error", "gateway", failure.problem, failure.action)
        return
    if gateway is None:
        return
    found.gateway = gateway.describe()
    try:
        other, _ = await open_connection(gateway, application_name=f"{project.name} doctor")
    except Exception as failure:
        reason = explain(failure, gateway)
        if reason is None:
            raise
        found.add("error", "gateway", reason.message, reason.action)
        return
    try:
        for problem in await check_gateway(other, connection):
            message, _, action = problem.partition(": ")
            found.add("error", "gateway", f"the gateway's login: {message}", action)
    finally:
        await other.close()
