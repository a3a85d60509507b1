"""What PostgreSQL says of one statement, and what is proven of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from typedsql.statements import Columns, Statement
from typedsql.tools.proof import Proof, Prover
from typedsql.tools.proof.access import Access, access
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.cardinality.counting import Cardinality, cardinality
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.effects import Effects
from typedsql.tools.proof.node_tree import Node, walk
from typedsql.tools.reading.complaints import postgres_finding
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.rows.types import refused_by_driver
from typedsql.tools.statement_rules import (
    refuse_identity,
    refuse_rows,
    refuse_session_state,
    refuse_suffix,
    refuse_wildcards,
)
from typedsql.verify import columns_of


class Facts(msgspec.Struct, frozen=True):
    """What was found of one statement, or of one of its variants."""

    statement: Statement
    source: SourceFile
    attributes: Sequence[Any]
    """The driver's description of each result column."""
    columns: Columns
    parameters: Mapping[str, Any]
    """The driver's description of each parameter's type, by its name."""
    queries: list[Node]
    proof: Proof
    cardinality: Cardinality
    access: Access
    reads_only: bool


class FactReader:
    """Asks one migrated database about single statements."""

    def __init__(self, connection: Any, prover: Prover, keys: Keys, effects: Effects) -> None:
        self._connection = connection
        self._prover = prover
        self._keys = keys
        self._effects = effects

    @classmethod
    async def load(cls, connection: Any) -> "FactReader":
        """Read what the proofs have to know of the database."""
        return cls(
            connection,
            await Prover.load(connection),
            await Keys.load(connection),
            await Effects.load(connection),
        )

    async def read(self, source: SourceFile, statement: Statement) -> Facts:
        """Raises Refused with what cannot be run, or of which nothing is known."""
        try:
            prepared, queries = await capture(self._connection, statement.sql)
        except asyncpg.PostgresError as failure:
            raise Refused([postgres_finding(failure, statement, source)]) from None
        except asyncpg.UnsupportedClientFeatureError as failure:
            refusal = refused_by_driver(failure)
            finding = source.finding(
                statement, rule="type", message=refusal.message, advice=refusal.advice
            )
            raise Refused([finding]) from None
        # A command, such as SET LOCAL, has no tree: nothing is known of it but its name.
        queries = [query for query in queries if query.node("utilityStmt") is None]
        proof = self._prover.proof(queries)
        attributes = prepared.get_attributes()
        if not queries and attributes:
            finding = source.finding(
                statement,
                rule="command",
                message="a command whose rows PostgreSQL does not describe",
                advice="SELECT what it shows, as with current_setting()",
            )
            raise Refused([finding])
        if len(proof.columns) != len(attributes):
            finding = source.finding(
                statement,
                rule="rewritten",
                message="a rule of a table or view puts other columns in the place of its own, "
                "so nothing is known of them",
                advice="name the table that the rule stands for",
            )
            raise Refused([finding])
        return Facts(
            statement,
            source,
            attributes,
            columns_of(prepared),
            dict(zip(statement.parameters, prepared.get_parameters(), strict=True)),
            queries,
            proof,
            cardinality(queries, self._keys, nullable_parameters=proof.nullable_parameters),
            access(queries, self._keys),
            self._effects.reads_only(queries),
        )


def findings_of(facts: Facts, base: Facts) -> Iterator[Finding]:
    """What may not be as it is; `base` is the statement of which it is a variant, or itself."""
    source, statement = facts.source, facts.statement
    yield from refuse_session_state(source, statement)
    yield from refuse_identity(source, statement)
    yield from refuse_wildcards(source, statement)
    yield from refuse_suffix(source, statement, facts.columns)
    yield from refuse_rows(source, statement, facts.cardinality)
    if facts is not base and facts.columns != base.columns:
        yield source.finding(
            statement,
            rule="variants",
            message="returns other columns than the statement it is a variant of",
            advice="cast them, so that they do not depend on what is left out",
        )
    for name, kind in facts.parameters.items():
        if base.parameters[name].oid != kind.oid:
            yield source.finding(
                statement,
                rule="variants",
                message=f"parameter {name} has type {kind.name} here and "
                f"{base.parameters[name].name} where nothing is left out",
                advice="CAST it",
            )


def column_location(facts: Facts, index: int) -> int:
    """Where a result column's expression begins, in bytes of the statement; -1 if unknown."""
    main = next((query for query in facts.queries if query.flag("canSetTag")), facts.queries[0])
    entries = main.nodes("returningList") or main.nodes("targetList")
    shown = [entry for entry in entries if not entry.flag("resjunk")]
    if index >= len(shown):
        return -1
    places = [
        int(node.fields["location"])
        for node in walk(shown[index])
        if "location" in node.fields and int(node.fields["location"]) >= 0
    ]
    return min(places, default=-1)
