"""Each statement's parameters and rows, as a migrated PostgreSQL describes and proves them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from typedsql.statements import STAGING_SUFFIX, Columns, Statement
from typedsql.tools.batches.statement import BatchStatement, array_elements
from typedsql.tools.config import Declaration
from typedsql.tools.proof import ColumnProof, Proof, Prover
from typedsql.tools.proof.access import Access, access
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.cardinality.counting import Cardinality, cardinality
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.node_tree import Node, walk
from typedsql.tools.reading.complaints import postgres_finding
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.rows.catalog import Catalog, read_catalog
from typedsql.tools.rows.fields import Field, ResultColumn, Row, ShapeRefused
from typedsql.tools.rows.shapes import Shapes
from typedsql.tools.rows.types import refused_by_driver
from typedsql.tools.staging import Merge, create_staging, read_merge, refuse_result
from typedsql.tools.statement_rules import (
    is_override,
    override_finding,
    refuse_names,
    refuse_rows,
    refuse_session_state,
    refuse_suffix,
)
from typedsql.tools.variants.complaints import findings_of_variants
from typedsql.tools.variants.expansion import VariantSet
from typedsql.verify import columns_of


class Analysed(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with everything the generated function says."""

    statement: Statement
    parameters: tuple[Field, ...]
    parameter_types: tuple[str, ...]
    """PostgreSQL's names of the parameters' types, in the order of their numbers."""
    columns: Columns
    nullable: tuple[bool, ...]
    """For each column, whether it can be NULL, overrides obeyed."""
    row: Row | None = None
    """None for statements that return a count or a single value."""
    value: Field | None = None
    """The value of a ``$`` statement, or of ``<!`` with one column."""
    cardinality: Cardinality
    access: Access
    variants: VariantSet | None = None
    """What it stands for besides itself, with @optional and @order_by."""
    array_elements: tuple[str, ...] = ()
    """Of a read with @batch, the parameters' types as they are written in SQL."""
    batch: BatchStatement | None = None
    """What concurrent calls of it become, with @batch."""
    merge: Merge | None = None
    """With @staging what it merges, else None; then `row` is what the function is given."""

    @property
    def always(self) -> bool:
        """Whether exactly one row is proven to come back, and of a single value that it is one."""
        sure = self.cardinality.least == 1 and self.cardinality.most == 1
        return sure and not (self.value is not None and self.nullable[0])


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


class Analyser:
    """Asks one migrated database about the statements of one project."""

    def __init__(
        self, connection: Any, catalog: Catalog, shapes: Shapes, prover: Prover, keys: Keys
    ) -> None:
        self._connection = connection
        self._prover = prover
        self._keys = keys
        self.catalog = catalog
        self.shapes = shapes

    @classmethod
    async def load(
        cls, connection: Any, declaration: Declaration, *, without: str = ""
    ) -> "Analyser":
        """Read what there is to know of the database. Raises ShapeRefused for names that clash.

        `without` is a table that is nobody's data: where the migrations are noted.
        """
        catalog = await read_catalog(connection, declaration.schemas)
        catalog.tables.pop(without, None)
        prover = await Prover.load(connection)
        keys = await Keys.load(connection)
        return cls(connection, catalog, Shapes(catalog, declaration), prover, keys)

    async def analyse(
        self,
        source: SourceFile,
        statement: Statement,
        variants: VariantSet | None = None,
        variants_source: SourceFile | None = None,
    ) -> Analysed:
        """A statement with its variants. Raises Refused with what cannot be run, typed or proven.

        `variants_source` is the text that the variants stand in.
        """
        refuse_names(source, statement)
        if statement.staging is not None:
            return await self._analyse_merge(source, statement)
        base = await self._facts(source, statement)
        facts = [base]
        own = list(self._findings(base, base))
        others: list[Finding] = []
        if variants is not None and variants_source is not None:
            for item in variants.others:
                try:
                    facts.append(await self._facts(variants_source, item.statement))
                except Refused as refused:
                    others += refused.findings
                    continue
                others += self._findings(facts[-1], base)
        others = findings_of_variants(source, statement, own, others)
        if statement.suffix != "!" and not base.columns:
            raise Refused([*own, *others])  # There is no row to look at.
        try:
            analysed = self._analysed(facts, variants)
        except Refused as refused:
            raise Refused([*own, *refused.findings, *others]) from None
        if own or others:
            raise Refused([*own, *others])
        return analysed

    async def _analyse_merge(self, source: SourceFile, statement: Statement) -> Analysed:
        """A statement of @staging, with its staging table there while PostgreSQL is asked."""
        merge = read_merge(source, statement, self.catalog)
        name = f"{statement.staging}{STAGING_SUFFIX}"
        await self._connection.execute(create_staging(merge.table, name))
        try:
            facts = await self._facts(source, statement)
        finally:
            await self._connection.execute(f"DROP TABLE pg_temp.{name}")
        nullable = tuple(not column.not_null for column in facts.proof.columns)
        findings = [
            *self._findings(facts, facts),
            *refuse_result(source, statement, facts.columns, nullable),
        ]
        row: Row | None = None
        try:
            row = self.shapes.given(merge.table, merge.columns)
        except ShapeRefused as refusal:
            findings.append(refusal_finding(refusal, source, statement))
        if findings:
            raise Refused(findings)
        return Analysed(
            statement=statement,
            parameters=(),
            parameter_types=(),
            columns=facts.columns,
            nullable=nullable,
            row=row,
            cardinality=facts.cardinality,
            # The catalog was read before there was a staging table: it has no name there.
            access=Access(
                reads=tuple(item for item in facts.access.reads if "." in item[0]),
                writes=facts.access.writes,
            ),
            merge=merge,
        )

    async def _facts(self, source: SourceFile, statement: Statement) -> Facts:
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
        )

    def _findings(self, facts: Facts, base: Facts) -> Iterator[Finding]:
        source, statement = facts.source, facts.statement
        yield from refuse_session_state(source, statement)
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

    def _analysed(self, facts: Sequence[Facts], variants: VariantSet | None) -> Analysed:
        base = facts[0]
        statement = base.statement
        findings: list[Finding] = []
        parameters: list[Field] = []
        for name in statement.parameters:
            try:
                parameters.append(self._parameter(name, facts))
            except Refused as refused:
                findings += refused.findings
        results, overrides = self._results(facts)
        findings += overrides
        single = statement.suffix == "$" or (statement.suffix == "<!" and len(results) == 1)
        row: Row | None = None
        value: Field | None = None
        try:
            if single:
                value = self.shapes.field(results[0], statement.name)
            elif statement.suffix != "!":
                row = self.shapes.row(results, statement.name, statement.returns)
        except ShapeRefused as refusal:
            findings.append(_at_column(refusal, base))
        if findings:
            raise Refused(findings)
        reads = {item for one in facts for item in one.access.reads}
        writes = {item for one in facts for item in one.access.writes}
        return Analysed(
            statement=statement,
            parameters=tuple(parameters),
            parameter_types=tuple(base.parameters[name].name for name in statement.parameters),
            columns=base.columns,
            nullable=tuple(item.nullable for item in results),
            row=row,
            value=value,
            cardinality=_loosest(facts),
            access=Access(reads=tuple(sorted(reads)), writes=tuple(sorted(writes))),
            variants=variants,
            array_elements=array_elements(base.source, statement, base.parameters),
        )

    async def check_derived(self, batch: BatchStatement, written: SourceFile) -> list[Finding]:
        """What PostgreSQL says against a statement that was derived from a read."""
        try:
            facts = await self._facts(written, batch.statement)
        except Refused as refused:
            return list(refused.findings)
        if facts.columns == batch.columns:
            return []
        message = "returns other columns than the read it is derived from"
        return [written.finding(batch.statement, rule="batch", message=message, advice="CAST them")]

    def _parameter(self, name: str, facts: Sequence[Facts]) -> Field:
        """With everything that any of the variants says of it."""
        base = facts[0]
        nullable = omissible = False
        origin: tuple[int, int] | None = None
        for item in facts:
            if name not in item.statement.parameters:
                continue
            number = item.statement.parameters.index(name) + 1
            nullable = nullable or number in item.proof.nullable_parameters
            omissible = omissible or number in item.proof.omissible_parameters
            origin = origin or item.proof.parameter_origins.get(number)
            if base.parameters[name].name in ("json", "jsonb"):
                # A cast does not change what the document is.
                origin = origin or item.proof.parameter_columns.get(number)
        try:
            return self.shapes.parameter(
                name,
                base.parameters[name].oid,
                nullable=nullable,
                omissible=omissible,
                column=self.catalog.column_at(*origin) if origin else None,
            )
        except ShapeRefused as refusal:
            number = base.statement.parameters.index(name) + 1
            location = min(
                (
                    node.number("location")
                    for node in walk(base.queries)
                    if node.kind == "PARAM"
                    and node.number("paramid") == number
                    and node.number("location") >= 0
                ),
                default=-1,
            )
            finding = refusal_finding(refusal, base.source, base.statement, location)
            raise Refused([finding]) from None

    def _results(self, facts: Sequence[Facts]) -> tuple[list[ResultColumn], list[Finding]]:
        """The columns with what holds for every variant, and what is wrong with overrides."""
        base = facts[0]
        found: list[ResultColumn] = []
        findings: list[Finding] = []
        for index, item in enumerate(base.attributes):
            proofs = [one.proof.columns[index] for one in facts]
            deciding = least_proven(proofs)
            loosest = proofs[deciding]
            told = override_finding(item.name, loosest)
            if told is not None:
                location = _column_location(base, index)
                in_variant = f" (in {facts[deciding].statement.name})" if deciding else ""
                findings.append(
                    base.source.finding_at_byte(
                        base.statement,
                        rule="override",
                        message=told[0] + in_variant,
                        advice=told[1],
                        location=location,
                    )
                )
            origins = {proof.origin for proof in proofs}
            origin = proofs[0].origin if len(origins) == 1 else None
            found.append(
                ResultColumn(
                    name=item.name,
                    oid=item.type.oid,
                    nullable=_nullable(item.name, proven=loosest.not_null),
                    origin=self.catalog.column_at(*origin) if origin else None,
                    nulled_by=frozenset(join for proof in proofs for join in proof.nulled_by),
                    not_null_inside=not item.name.endswith("?")
                    and all(proof.not_null_inside for proof in proofs),
                    elements_not_null=all(proof.elements_not_null for proof in proofs),
                )
            )
        return found, findings


def least_proven(proofs: Sequence[ColumnProof]) -> int:
    """Which variant decides of a column: one in which it is NULL for a known reason, if any.

    Else one in which it may be NULL, or the first where none is. `proofs` has each one's.
    """
    return min(
        range(len(proofs)),
        key=lambda index: (proofs[index].not_null, not proofs[index].nullable_because),
    )


def _nullable(name: str, *, proven: bool) -> bool:
    if is_override(name):
        return name.endswith("?")
    return not proven


def _loosest(facts: Sequence[Facts]) -> Cardinality:
    """What holds whichever variant runs."""
    found = [item.cardinality for item in facts]
    base = found[0]
    most = [item.most for item in found]
    known = [item for item in most if item is not None]
    return Cardinality(
        least=min(item.least for item in found),
        most=max(known) if len(known) == len(most) else None,
        bounded=all(item.bounded for item in found),
        reason=base.reason,
    )


def _at_column(refusal: ShapeRefused, facts: Facts) -> Finding:
    location = -1 if refusal.column is None else _column_location(facts, refusal.column)
    return refusal_finding(refusal, facts.source, facts.statement, location)


def refusal_finding(
    refusal: ShapeRefused, source: SourceFile, statement: Statement, location: int = -1
) -> Finding:
    """What has no Python form, at a place in bytes of the statement; -1 is its name."""
    return source.finding_at_byte(
        statement,
        rule=refusal.rule,
        message=refusal.message,
        advice=refusal.advice,
        location=location,
    )


def _column_location(facts: Facts, index: int) -> int:
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
