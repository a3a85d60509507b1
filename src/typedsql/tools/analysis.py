"""Each statement's parameters and rows, as a migrated PostgreSQL describes and proves them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from typedsql.identifiers import quoted
from typedsql.statements import STAGING_SUFFIX, Columns, Statement
from typedsql.tools.batches.statement import BatchStatement, array_elements
from typedsql.tools.config import Declaration
from typedsql.tools.facts import FactReader, Facts, column_location, findings_of
from typedsql.tools.proof import ColumnProof
from typedsql.tools.proof.access import Access
from typedsql.tools.proof.cardinality.counting import Cardinality
from typedsql.tools.proof.node_tree import walk
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.rows.catalog import Catalog, read_catalog
from typedsql.tools.rows.fields import Field, ResultColumn, Row, ShapeRefused
from typedsql.tools.rows.shapes import Shapes
from typedsql.tools.staging import Merge, create_staging, read_merge, refuse_result
from typedsql.tools.statement_rules import is_override, override_finding, refuse_names
from typedsql.tools.variants.complaints import findings_of_variants
from typedsql.tools.variants.expansion import VariantSet


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
    reads_only: bool
    """Whether running it, or any of its variants, twice changes no more than running it once."""
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


class Analyser:
    """Asks one migrated database about the statements of one project."""

    def __init__(
        self, connection: Any, catalog: Catalog, shapes: Shapes, facts: FactReader
    ) -> None:
        self._connection = connection
        self._facts = facts
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
        facts = await FactReader.load(connection)
        return cls(connection, catalog, Shapes(catalog, declaration), facts)

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
        base = await self._facts.read(source, statement)
        facts = [base]
        own = list(findings_of(base, base))
        others: list[Finding] = []
        if variants is not None and variants_source is not None:
            for item in variants.others:
                try:
                    facts.append(await self._facts.read(variants_source, item.statement))
                except Refused as refused:
                    others += refused.findings
                    continue
                others += findings_of(facts[-1], base)
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
            facts = await self._facts.read(source, statement)
        finally:
            await self._connection.execute(f"DROP TABLE pg_temp.{quoted(name)}")
        nullable = tuple(not column.not_null for column in facts.proof.columns)
        findings = [
            *findings_of(facts, facts),
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
            reads_only=facts.reads_only,
            merge=merge,
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
            reads_only=all(item.reads_only for item in facts),
            variants=variants,
            array_elements=array_elements(base.source, statement, base.parameters),
        )

    async def check_derived(self, batch: BatchStatement, written: SourceFile) -> list[Finding]:
        """What PostgreSQL says against a statement that was derived from a read."""
        try:
            facts = await self._facts.read(written, batch.statement)
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
                location = column_location(base, index)
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
    location = -1 if refusal.column is None else column_location(facts, refusal.column)
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
