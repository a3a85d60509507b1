"""Does the database match what the code was generated from?"""

from collections.abc import Iterable
from typing import Any, Literal

import asyncpg

from typedsql.arguments import Guards, guards_of
from typedsql.errors import CodeError, ConfigurationError, MigrationMismatch, StatementDrift
from typedsql.project import Project
from typedsql.statements import Columns, Statement

MigrationCheck = Literal["exact", "at_least", "ignore"]
"""What `connect` demands of the database's migration version.

exact: the version the code was generated for. at_least: that or a newer one, for workers
that restart while a migration has run and their new release is not out yet; each
statement's columns are still compared at its first use. ignore: anything.
"""


async def check_migrations(connection: Any, project: Project, demand: MigrationCheck) -> None:
    """Raises MigrationMismatch, with what to do, unless `demand` is met."""
    if demand == "ignore":
        return
    if demand not in ("exact", "at_least"):
        raise ConfigurationError(f"migrations={demand!r}: expected 'exact', 'at_least' or 'ignore'")
    found = await applied_version(connection, project)
    lacking = behind(found, project)
    if lacking:
        raise MigrationMismatch(lacking)
    further = ahead(found, project)
    if further and demand == "exact":
        raise MigrationMismatch(
            f"{further}, or connect with migrations='at_least' while a release rolls out"
        )


def behind(version: str | None, project: Project) -> str | None:
    """What is wrong with a database at `version`, None if nothing is."""
    if version is not None and version >= project.latest_migration:
        return None
    state = "has no migrations" if version is None else f"is at migration {version}"
    return (
        f"the database {state}, this code expects {project.latest_migration}: "
        f"{project.migrate_advice}"
    )


def ahead(version: str | None, project: Project) -> str | None:
    """What to know of a database that is migrated further than the code, None if it is not."""
    if version is None or version <= project.latest_migration:
        return None
    return (
        f"the database is at migration {version}, newer than the {project.latest_migration} this "
        "code was generated for: deploy the newer code"
    )


async def applied_version(connection: Any, project: Project) -> str | None:
    """The highest migration version recorded in the database, None where there is none.

    Raises MigrationMismatch where the role may not read dbmate's table.
    """
    try:
        version: str | None = await connection.fetchval(
            f"SELECT max(version) FROM {project.quoted_migrations_table}"  # noqa: S608
        )
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    except asyncpg.InsufficientPrivilegeError as failure:
        raise MigrationMismatch(
            f"this role may not read {project.migrations_table}, so the migration version is "
            "unknown: grant it SELECT there, or connect with migrations='ignore'",
            sqlstate=failure.sqlstate,
        ) from None
    return version


async def check_statement(
    connection: Any, statement: Statement, project: Project, *, binary_numeric: bool
) -> Guards:
    """Compare a statement's columns with its analysis. Raises StatementDrift, CodeError for COPY.

    Returns what to look at in the arguments of each call. `binary_numeric`: whether the
    connection encodes numeric by the driver's own codec, which takes too much.
    """
    if statement.is_copy:
        # The driver sends no rows for one, and the server would wait for them.
        raise CodeError(
            f"{statement.name}: COPY is not run as a statement; call copy_records_to_table or "
            "another of its kind on a transaction's driver_connection",
            query=statement.name,
        )
    prepared = await connection.prepare(statement.sql, timeout=statement.timeout_s)
    found = columns_of(prepared)
    if statement.columns is not None and found != statement.columns:
        raise StatementDrift(
            f"{statement.name}: the database answers with {_difference(statement.columns, found)}"
            f"; migrate the database, or run `{project.command} generate` and deploy its result",
            query=statement.name,
        )
    if not binary_numeric:
        return guards_of(prepared)
    arrays = await numeric_arrays(connection, prepared.get_parameters())
    return guards_of(prepared, binary_numeric=True, numeric_arrays=arrays)


_NUMERIC_ARRAYS = """
WITH RECURSIVE elements AS (
    SELECT a.oid AS array_oid, a.typelem AS oid
    FROM pg_catalog.pg_type AS a
    WHERE a.oid = ANY($1::oid[])
    UNION ALL
    SELECT e.array_oid, d.typbasetype
    FROM elements AS e
    INNER JOIN pg_catalog.pg_type AS d ON e.oid = d.oid AND d.typtype = 'd'
)
SELECT e.array_oid FROM elements AS e WHERE e.oid = 'pg_catalog.numeric'::regtype
"""


async def numeric_arrays(connection: Any, kinds: Iterable[Any]) -> set[int]:
    """Which types are arrays of domains over numeric: the driver names the domain."""
    unnamed = [kind.oid for kind in kinds if kind.kind == "array" and kind.schema != "pg_catalog"]
    if not unnamed:
        return set()
    return {row["array_oid"] for row in await connection.fetch(_NUMERIC_ARRAYS, unnamed)}


def columns_of(prepared: Any) -> Columns:
    """Names and types of a prepared statement's result columns."""
    return tuple((item.name, item.type.name) for item in prepared.get_attributes())


def _difference(expected: Columns, found: Columns) -> str:
    if len(expected) != len(found):
        return f"{len(found)} columns where {len(expected)} were analysed"
    for (name, kind), (found_name, found_kind) in zip(expected, found, strict=True):
        if (name, kind) != (found_name, found_kind):
            return f"{found_name} {found_kind} where {name} {kind} was analysed"
    return "other columns than were analysed"
