"""In whose name a transaction runs, and whether the roles of the database keep it to that.

The settings are those of PostgREST, which Supabase's auth.uid(), auth.role() and auth.jwt()
read: request.jwt.claims, and in older versions request.jwt.claim.sub and its siblings.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args
from uuid import UUID

from typedsql.codecs import encode_json
from typedsql.durations import milliseconds
from typedsql.errors import IdentityRefused, OperatorError
from typedsql.sqlstate import translate

Role = Literal["authenticated", "anon"]
"""The roles of an API's users; service_role and its like see every row, and nobody becomes them."""

API_ROLES: Final[tuple[Role, ...]] = get_args(Role)
OPENING: Final = "as_user"
"""By which name its own statement is known in errors."""

_OPEN = """/* typedsql.as_user */
SELECT
    set_config('statement_timeout', $1, TRUE),
    set_config('idle_in_transaction_session_timeout', $2, TRUE),
    set_config('request.jwt.claim', '', TRUE),
    set_config('request.jwt.claim.sub', '', TRUE),
    set_config('request.jwt.claim.role', '', TRUE),
    set_config('request.jwt.claim.email', '', TRUE),
    set_config('request.jwt.claims', $3, TRUE),
    set_config('role', $4, TRUE),
    (
        SELECT r.rolsuper OR r.rolbypassrls
        FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = $4
    ) AS sees_everything
"""

_API_ROLES = """
SELECT
    r.rolname AS name,
    r.rolsuper OR r.rolbypassrls AS sees_everything,
    (
        SELECT min(format('%I.%I', n.nspname, c.relname))
        FROM pg_catalog.pg_class AS c
        INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        WHERE
            c.relrowsecurity AND NOT c.relforcerowsecurity
            AND pg_has_role(r.oid, c.relowner, 'USAGE')
    ) AS owned
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = ANY($1::text[])
ORDER BY r.rolname
"""

# By this two connections lead to one database, whatever hosts and poolers are between.
_PLACE = """
SELECT
    (SELECT s.system_identifier FROM pg_catalog.pg_control_system() AS s) AS cluster,
    (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()) AS database
"""

_LOGIN = "SELECT session_user"

# USAGE is to have a role's rights without SET ROLE, which the login is not to have. Releases
# before 16 have no SET option of a membership. What PUBLIC may create or reach the login may;
# functions with their owner's rights that PUBLIC may call are told of by the rules of the catalog.
_GATEWAY = """
SELECT
    format('%I', r.rolname) AS name,
    r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
        AS has_power,
    ARRAY(
        SELECT format('%I', g.rolname)
        FROM pg_catalog.pg_roles AS g
        WHERE
            g.oid <> r.oid AND g.rolname <> ALL($1::text[])
            AND pg_has_role(r.oid, g.oid, 'MEMBER')
        ORDER BY g.rolname
    ) AS other_groups,
    ARRAY(
        SELECT g.rolname
        FROM pg_catalog.pg_roles AS g
        WHERE g.rolname = ANY($1::text[]) AND pg_has_role(r.oid, g.oid, 'USAGE')
        ORDER BY g.rolname
    ) AS inherited,
    ARRAY(
        SELECT g.rolname
        FROM pg_catalog.pg_auth_members AS m
        INNER JOIN pg_catalog.pg_roles AS g ON m.roleid = g.oid
        WHERE
            m.member = r.oid AND g.rolname = ANY($1::text[])
            AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, TRUE)
    ) AS groups,
    EXISTS (
        SELECT FROM pg_catalog.pg_roles AS g
        WHERE g.rolname = 'authenticated' AND pg_has_role(r.oid, g.oid, 'MEMBER')
    ) AS is_member,
    ARRAY(
        SELECT DISTINCT format('%I', g.rolname)
        FROM pg_catalog.pg_auth_members AS m
        INNER JOIN pg_catalog.pg_roles AS g ON m.roleid = g.oid
        WHERE m.member = r.oid AND m.admin_option
        ORDER BY 1
    ) AS given_on,
    (
        SELECT min(pg_describe_object(o.classid, o.objid, o.objsubid))
        FROM pg_catalog.pg_shdepend AS o
        WHERE
            o.refclassid = 'pg_catalog.pg_authid'::regclass AND o.refobjid = r.oid
            AND o.deptype = 'o'
            AND o.dbid IN (
                0,
                (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
            )
    ) AS owned,
    (
        SELECT min(format('%I', n.nspname))
        FROM pg_catalog.pg_namespace AS n
        WHERE
            NOT starts_with(n.nspname, 'pg_temp_')
            AND has_schema_privilege(r.oid, n.oid, 'CREATE')
    ) AS creates_in,
    has_database_privilege(r.oid, current_database(), 'CREATE') AS makes_schemas,
    (
        SELECT min(format('%I.%I', n.nspname, p.proname))
        FROM pg_catalog.pg_proc AS p
        INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
        WHERE
            p.prosecdef
            AND EXISTS (
                SELECT FROM pg_catalog.aclexplode(p.proacl) AS a WHERE a.grantee = r.oid
            )
    ) AS definer,
    (
        SELECT min(format('%I.%I', n.nspname, c.relname))
        FROM pg_catalog.pg_class AS c
        INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
        WHERE
            c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend AS d
                WHERE
                    d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e'
            )
            AND has_schema_privilege(r.oid, n.oid, 'USAGE')
            AND EXISTS (
                SELECT FROM pg_catalog.aclexplode(c.relacl) AS a WHERE a.grantee IN (0, r.oid)
                UNION ALL
                SELECT
                FROM pg_catalog.pg_attribute AS t, pg_catalog.aclexplode(t.attacl) AS a
                WHERE t.attrelid = c.oid AND a.grantee IN (0, r.oid)
            )
    ) AS reached
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = session_user
"""


_ANOTHER: Final = (
    "name a login made for it alone, by CREATE ROLE ... LOGIN NOINHERIT and GRANT authenticated, "
    "anon TO it"
)
_WHY_NOT: Final = {
    "22023": "the server has no role {role}: is the database migrated?",
    "42501": "this login may not become {role}: GRANT {role} TO it, from PostgreSQL 16 on WITH SET "
    "TRUE",
}
"""By SQLSTATE, why the role was refused."""


def claims_of(user: UUID | None, role: Role, more: Mapping[str, object] | None) -> str:
    """The claims as JSON: those of a token that `user` was given.

    Raises IdentityRefused for a role that is no API user's, for what is no UUID, and where
    `more` says again who the user is.
    """
    if role not in API_ROLES:
        raise IdentityRefused(
            f"{OPENING}: role must be {' or '.join(API_ROLES)}; other roles are not limited by "
            "row level security, and have `db.transaction()`"
        )
    if role == "anon":
        if user is not None:
            raise IdentityRefused(f"{OPENING}: role anon has no user: give None")
    elif not isinstance(user, UUID):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise IdentityRefused(f"{OPENING}: expected a uuid.UUID, got {type(user).__name__}")
    given = dict(more or {})
    if given.keys() & {"sub", "role"}:
        raise IdentityRefused(f"{OPENING}: claims must not say sub or role again")
    told = {"role": role} if user is None else {"sub": str(user), "role": role}
    try:
        return encode_json(given | told).decode()
    except (TypeError, ValueError, RecursionError, OverflowError):
        refused = IdentityRefused(f"{OPENING}: claims must be what JSON can hold")
    raise refused


async def take_on(
    connection: Any, claims: str, role: Role, *, statement_timeout_s: float, idle_timeout_s: float
) -> None:
    """Run the rest of the open transaction in a user's name: one statement, all of it local.

    Raises OperatorError where the login may not become the role, and where the role would see
    every row; what the server says otherwise, translated.
    """
    try:
        row = await connection.fetchrow(
            _OPEN, milliseconds(statement_timeout_s), milliseconds(idle_timeout_s), claims, role
        )
    except Exception as failure:
        error = translate(failure, query=OPENING)
        if error is None or error is failure:
            raise
        told = _WHY_NOT.get(error.sqlstate or "")
        if told is not None:
            error = OperatorError(
                f"{OPENING}: {told.format(role=role)} (SQLSTATE {error.sqlstate})",
                query=OPENING,
                sqlstate=error.sqlstate,
            )
        raise error from failure
    if row["sees_everything"]:
        raise OperatorError(f"{OPENING}: {_too_much(role)}", query=OPENING)


async def unsafe_api_roles(connection: Any) -> list[str]:
    """What is wrong with the API roles: those that row level security does not limit."""
    problems: list[str] = []
    for row in await connection.fetch(_API_ROLES, list(API_ROLES)):
        name, owned = row["name"], row["owned"]
        if row["sees_everything"]:
            # A superuser has the rights of every owner, which needs no further words.
            problems.append(_too_much(name))
        elif owned is not None:
            problems.append(
                f"{name} has the rights of the owner of {owned}, whom row level security does "
                f"not limit: REVOKE the owner's role from {name}, or give {owned} another owner"
            )
    return problems


async def check_gateway(connection: Any, beside: Any) -> list[str]:
    """What is wrong with a gateway: where it leads, and what its login may do beyond its task.

    `connection` is one of the gateway's login, `beside` one of the login that all else runs as.
    """
    if await connection.fetchrow(_PLACE) != await beside.fetchrow(_PLACE):
        return [
            "it leads to another database than the one it stands beside: name the same server and "
            "database in GATEWAY_DATABASE_URL and DATABASE_URL"
        ]
    row = await connection.fetchrow(_GATEWAY, list(API_ROLES))
    problems = _powers(row)
    if problems and await connection.fetchval(_LOGIN) == await beside.fetchval(_LOGIN):
        # What a gateway's login may not, the worker's has to.
        return [f"{row['name']} is the login that all else runs as: {_ANOTHER}"]
    return problems


def _powers(row: Any) -> list[str]:
    name = row["name"]
    if row["has_power"]:
        # A superuser is a member of everything, which needs no further words; and to take power
        # from a role that somebody needs is nothing to advise.
        return [f"{name} has an attribute of power: {_ANOTHER}"]
    problems = [
        f"{name} is a member of {group} too: REVOKE {group} FROM {name}"
        for group in row["other_groups"]
    ]
    problems += [
        f"{name} has the rights of {group} without becoming it: ALTER ROLE {name} NOINHERIT, then "
        f"REVOKE {group} FROM {name} and GRANT it again"
        for group in row["inherited"]
    ]
    if "authenticated" not in row["groups"]:
        how = " WITH SET TRUE" if row["is_member"] else ""
        problems.append(f"{name} cannot become authenticated: GRANT authenticated TO {name}{how}")
    problems += [
        f"{name} may give {group} to others: REVOKE ADMIN OPTION FOR {group} FROM {name}"
        for group in row["given_on"]
    ]
    if row["inherited"] or row["other_groups"]:
        return problems  # what it has by them needs no further words
    if row["owned"] is not None:
        problems.append(f"{name} owns {row['owned']}: give it another owner")
    elif row["reached"] is not None:
        problems.append(
            f"{name} may reach {row['reached']} in its own name: REVOKE ALL on it FROM {name} "
            "and FROM PUBLIC"
        )
    elif row["creates_in"] is not None:
        problems.append(
            f"{name} may create in the schema {row['creates_in']}: REVOKE CREATE on it FROM {name} "
            "and FROM PUBLIC"
        )
    if row["makes_schemas"]:
        problems.append(f"{name} may create schemas: REVOKE CREATE ON DATABASE FROM {name}")
    if row["definer"] is not None:
        problems.append(
            f"{name} may call {row['definer']} with its owner's rights: REVOKE ALL on it FROM "
            f"{name}"
        )
    return problems


def _too_much(role: str) -> str:
    return (
        f"row level security does not limit the role {role}: ALTER ROLE {role} NOSUPERUSER "
        "NOBYPASSRLS"
    )
