"""What is in a database: its tables and views, and of one of them all that rules it.

Read from the catalog of the server, not from files, so that it is what really is there.
"""

from collections.abc import Sequence, Set
from typing import Any

import asyncpg
import msgspec

from typedsql.connect_failure import connection_failed
from typedsql.embedded import reachable
from typedsql.errors import TransientError
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.sqlstate import translate
from typedsql.tools.describe_sql import (
    COLUMNS,
    CONSTRAINTS,
    INDEXES,
    LOCKED,
    POLICIES,
    REFERENCES,
    RELATIONS,
    SIZES,
    TRIGGERS,
    VIEW,
)
from typedsql.tools.migration_session import open_connection

LOCK_WAIT_LIMIT_S = 2.0
"""How long for a lock that another session holds, a migration for example."""
SIZE_ATTEMPTS = 3
"""How often sizes are asked for, each time without what was locked by then."""
LOCKED_NAMED_AT_MOST = 3


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """A table or view in a listing."""

    schema: str
    name: str
    kind: str
    """table, partitioned table, view, materialized view or foreign table."""
    rows_estimate: int | None
    """As of the last ANALYZE or VACUUM; None where there was none, and for a view."""
    size_bytes: int | None
    """With indexes and TOAST, all partitions together.

    None for a view, for a table without partitions to hold rows, and where `locked`.
    """
    locked: bool
    """Whether the size was not to be had, as another session locks it or a part of it."""
    partitions: int | None
    """How many hold rows; None unless it is partitioned."""
    comment: str | None
    on_path: bool
    """Whether its schema is one where a bare name is looked for."""
    is_partition: bool

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


class ColumnDetail(msgspec.Struct, frozen=True):
    """A column as the catalog has it."""

    name: str
    type: str
    nullable: bool
    default: str | None
    comment: str | None


class Part(msgspec.Struct, frozen=True):
    """Something named that belongs to a table, and what it says."""

    name: str
    definition: str


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """All that rules one table or view."""

    relation: Relation
    columns: tuple[ColumnDetail, ...]
    keys: tuple[Part, ...]
    """Primary, unique and foreign ones."""
    constraints: tuple[Part, ...]
    """Checks and exclusions."""
    referenced_by: tuple[Part, ...]
    """Foreign keys of other tables."""
    indexes: tuple[Part, ...]
    row_security: bool
    """Whether rows are only seen and written as the policies let them be."""
    policies: tuple[Part, ...]
    triggers: tuple[Part, ...]
    definition: str | None
    """The SELECT behind a view; None for a table."""


class Described(msgspec.Struct, frozen=True):
    """What was found: what there is, or the details of the one that was asked for."""

    relations: tuple[Relation, ...]
    """Those to list; where a name was given all there are, none with its size."""
    details: Details | None
    """None where no name was given, or nothing has it."""


class _Found(msgspec.Struct, frozen=True):
    """A relation as the catalog numbers it."""

    relation: Relation
    oid: int
    leaves: tuple[int, ...]
    """What holds its rows: itself, or its partitions; nothing for a view."""
    row_security: bool


async def describe(
    target: ConnectionTarget, project: Project, name: str | None, *, every: bool = False
) -> Described:
    """The tables and views by schema and name, or the details of the one called `name`.

    Listed are those that a bare name finds, and no partitions; `every` lists all. A bare
    name is looked for as PostgreSQL would, else in every schema. Reads only, and works
    whatever migrations the database has. No lock is waited for longer than
    LOCK_WAIT_LIMIT_S: what is locked is listed without its size.

    Raises:
        TransientError: what was asked for is locked, by a migration for example.
        Error: the server cannot be asked; see `typedsql.errors`.
    """
    async with reachable(target) as concrete:
        try:
            connection, _ = await open_connection(
                concrete, application_name=f"{project.name} describe"
            )
        except Exception as failure:
            raise connection_failed(failure, concrete) or failure from failure
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await _read(connection, name, every)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as failure:
            raise translate(failure, query="describe") or failure from failure
        finally:
            await connection.close()


async def _read(connection: Any, name: str | None, every: bool) -> Described:
    limit = f"{LOCK_WAIT_LIMIT_S * 1000:.0f}ms"
    await connection.execute("SELECT set_config('lock_timeout', $1, true)", limit)
    known = [_found(record) for record in await connection.fetch(RELATIONS)]
    if name is None:
        shown = [
            item
            for item in known
            if every or (item.relation.on_path and not item.relation.is_partition)
        ]
        return Described(await _measured(connection, shown), None)
    relations = tuple(item.relation for item in known)
    chosen = _named(name, known)
    if chosen is None:
        return Described(relations, None)
    try:
        async with connection.transaction():
            details = await _details(connection, chosen)
    except asyncpg.LockNotAvailableError as failure:
        blockers = _locked_names(await _locked(connection), chosen, known)
        raise TransientError(
            f"{chosen.relation.qualified} cannot be described: another session, perhaps a"
            f" migration under way, has locked {blockers}; try again when that has ended",
            sqlstate=failure.sqlstate,
        ) from None
    (relation,) = await _measured(connection, [chosen])
    return Described(relations, msgspec.structs.replace(details, relation=relation))


def _found(record: Any) -> _Found:
    unasked = ("size_bytes", "locked")
    told = {name: record[name] for name in Relation.__struct_fields__ if name not in unasked}
    return _Found(
        Relation(**told, size_bytes=None, locked=False),
        record["oid"],
        tuple(record["leaves"]),
        record["row_security"],
    )


async def _details(connection: Any, found: _Found) -> Details:
    oid = found.oid
    constraints = await connection.fetch(CONSTRAINTS, oid)
    is_view = found.relation.kind in ("view", "materialized view")
    return Details(
        relation=found.relation,
        columns=tuple(ColumnDetail(**row) for row in await connection.fetch(COLUMNS, oid)),
        keys=tuple(_part(row) for row in constraints if row["is_key"]),
        constraints=tuple(_part(row) for row in constraints if not row["is_key"]),
        referenced_by=await _parts(connection, REFERENCES, oid),
        indexes=await _parts(connection, INDEXES, oid),
        row_security=found.row_security,
        policies=await _parts(connection, POLICIES, oid),
        triggers=await _parts(connection, TRIGGERS, oid),
        definition=await connection.fetchval(VIEW, oid) if is_view else None,
    )


async def _measured(connection: Any, found: Sequence[_Found]) -> tuple[Relation, ...]:
    """The relations with their sizes, as far as those are to be had."""
    leaves = {leaf for item in found for leaf in item.leaves}
    sizes, locked = await _sizes(connection, leaves)
    return tuple(
        msgspec.structs.replace(
            item.relation,
            size_bytes=_total([sizes.get(leaf) for leaf in item.leaves]),
            locked=not locked.isdisjoint(item.leaves),
        )
        for item in found
    )


def _total(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


async def _sizes(connection: Any, leaves: Set[int]) -> tuple[dict[int, int | None], Set[int]]:
    """Bytes of each, and which are locked; asking for them takes a lock on each itself."""
    locked: Set[int] = frozenset()
    for _ in range(SIZE_ATTEMPTS):
        try:
            async with connection.transaction():
                rows = await connection.fetch(SIZES, list(leaves - locked))
        except asyncpg.LockNotAvailableError:
            locked = leaves & await _locked(connection)
        else:
            return {row[0]: row[1] for row in rows}, locked
    return {}, leaves


async def _locked(connection: Any) -> Set[int]:
    """Tables that are locked against being read, or are about to be."""
    return {row["relation"] for row in await connection.fetch(LOCKED)}


def _locked_names(locked: Set[int], chosen: _Found, known: Sequence[_Found]) -> str:
    """The one that was asked for where it is locked, else whatever is: it may read of it."""
    if chosen.oid in locked:
        return "it"
    names = [item.relation.qualified for item in known if item.oid in locked]
    more = len(names) - LOCKED_NAMED_AT_MOST
    listed = ", ".join(names[:LOCKED_NAMED_AT_MOST]) or "what it reads"
    return f"{listed} and {more} more" if more > 0 else listed


def _named(name: str, known: Sequence[_Found]) -> _Found | None:
    exact = [item for item in known if item.relation.qualified == name]
    bare = [item for item in known if item.relation.name == name]
    bare.sort(key=lambda item: not item.relation.on_path)
    return next(iter(exact + bare), None)


async def _parts(connection: Any, statement: str, oid: int) -> tuple[Part, ...]:
    return tuple(_part(row) for row in await connection.fetch(statement, oid))


def _part(row: Any) -> Part:
    return Part(row["name"], row["definition"])
