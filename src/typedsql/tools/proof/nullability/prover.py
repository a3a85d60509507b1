"""Prove what PostgreSQL's analysed tree says of a statement's columns and parameters."""

from typing import Any

import msgspec

from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.node_tree import Node
from typedsql.tools.proof.nullability import expressions
from typedsql.tools.proof.nullability.facts import Facts
from typedsql.tools.proof.nullability.parameters import read_parameters
from typedsql.tools.proof.nullability.rows import columns, opened
from typedsql.tools.proof.nullability.scopes import Scope, Session
from typedsql.tools.proof.nullability.values import Join, Origin, Value

# Importing it enters its rules.
_RULES = expressions.__name__


class ColumnProof(msgspec.Struct, frozen=True):
    """What is proven of one result column."""

    not_null: bool
    """Never NULL, in any row that comes back."""
    origin: Origin | None
    """pg_class.oid and attnum of the table column whose value it is, unchanged."""
    nulled_by: frozenset[Join]
    """The outer joins that may null it; the same join is equal, also within a subquery."""
    not_null_inside: bool
    """Never NULL where those joins found a row."""
    elements_not_null: bool
    """Of an array: none of its elements is NULL."""
    nullable_because: str | None
    """For people, why NULL is known to be possible; None where it is not, or only may be."""


class Proof(msgspec.Struct, frozen=True):
    """What is proven of a statement."""

    columns: tuple[ColumnProof, ...]
    nullable_parameters: frozenset[int]
    """Numbers of the parameters for which NULL has a meaning."""
    omissible_parameters: frozenset[int]
    """Those that a plain INSERT stores in a nullable column: left out, they are NULL."""
    parameter_origins: dict[int, Origin]
    """The column in which a parameter is stored as it is, or with which it is compared by
    ``=``, ``IN`` or ``= ANY``; a NOT NULL one first, and one stored in before one compared."""
    parameter_columns: dict[int, Origin]
    """Likewise, but seen also through casts and lower(): for comments, not for types."""
    queries: list[Node]
    """The captured tree: one query, unless rules add others."""


class Prover:
    """Proves statements from the facts of one database."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @classmethod
    async def load(cls, connection: Any) -> "Prover":
        """Read the catalogs once; objects made later are unknown to it, and so nullable."""
        return cls(await Facts.load(connection))

    async def prove(self, connection: Any, sql: str) -> Proof:
        """Prepare a statement and prove what can be. Raises asyncpg.PostgresError."""
        prepared, queries = await capture(connection, sql)
        proof = self.proof(queries)
        if len(proof.columns) == len(prepared.get_attributes()):
            return proof
        # A rule has put other columns in the place of the statement's own.
        unknown = tuple(_column(Value()) for _ in prepared.get_attributes())
        return msgspec.structs.replace(proof, columns=unknown)

    def proof(self, queries: list[Node]) -> Proof:
        """What is proven of a statement whose tree is at hand."""
        parameters = read_parameters(queries, self.facts)
        # An unconditional INSTEAD rule may leave no query at all.
        shown = next((query for query in queries if query.flag("canSetTag")), None)
        found: tuple[Value, ...] = ()
        if shown is not None and shown.node("utilityStmt") is None:
            session = Session(self.facts, lambda number: number not in parameters.nullable)
            found = columns(opened(shown, Scope(session, shown, None)))
        return Proof(
            tuple(_column(value) for value in found),
            parameters.nullable,
            parameters.omissible,
            parameters.origins,
            parameters.columns,
            queries,
        )


def _column(value: Value) -> ColumnProof:
    origin = value.origin if value.origin is not None and value.origin[1] > 0 else None
    return ColumnProof(
        not_null=value.not_null,
        origin=origin,
        nulled_by=value.nulled_by,
        not_null_inside=value.inside,
        elements_not_null=value.elements,
        nullable_because=None if value.not_null else value.because,
    )
