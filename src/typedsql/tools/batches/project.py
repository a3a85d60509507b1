"""The batches of one file: what is derived, what was found wrong, and the text to write down."""

from collections.abc import Iterator, Sequence

import msgspec

from typedsql.statements import Statement
from typedsql.tools.analysis import Analysed
from typedsql.tools.batches import reads, writes
from typedsql.tools.batches.statement import POSITION_COLUMN, BatchStatement, at_directive
from typedsql.tools.reading.findings import Finding
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.variants.expansion import Expansion, heading


class Batches(msgspec.Struct, frozen=True):
    """The statements of one file with what concurrent calls of them become."""

    statements: tuple[Analysed, ...]
    text: str
    """Of the file of variants, with the derived statements; empty where there is none."""
    source: SourceFile
    """That text, read."""
    findings: tuple[Finding, ...]


def with_batches(
    source: SourceFile, expansion: Expansion, found: Sequence[Analysed], *, command: str
) -> Batches:
    """Derive what can be, and check what is named. Asks no server.

    `found` are the statements of the file that were analysed, `command` is what generates.
    """
    findings: list[Finding] = []
    by_name = {_short(item.statement): item for item in found}
    derived: dict[str, str] = {}
    for name, single in by_name.items():
        batch = single.statement.batch
        if batch is None:
            continue
        refused = list(_refused(source, single, by_name))
        findings += refused
        if batch.into is None and not refused:
            derived[name] = reads.section(single.statement, single.array_elements, single.columns)
    text = expansion.text
    if derived:
        sections = "\n".join(derived.values())
        text = f"{text}\n{sections}" if text else heading(source.file, command) + sections
    written = SourceFile.of_text(expansion.file, text)
    findings += written.findings
    statements: list[Analysed] = []
    for single in found:
        own = _batch_statement(single, by_name, written)
        statement = single.statement
        if own is not None and own.is_derived and not reads.is_same(own.statement, statement):
            message = "its text for many keys would be another statement"
            findings.append(at_directive(source, statement, message, "take @batch from it"))
        statements.append(msgspec.structs.replace(single, batch=own))
    return Batches(tuple(statements), text, written, tuple(findings))


def _refused(
    source: SourceFile, single: Analysed, by_name: dict[str, Analysed]
) -> Iterator[Finding]:
    statement = single.statement
    batch = statement.batch
    if batch is None:
        return
    told: list[tuple[str, str]] = []
    if statement.optional or statement.orderings:
        told.append(
            (
                "@batch stands beside @optional or @order_by",
                "make a statement of its own of what is called at a high rate",
            )
        )
    if batch.into is None:
        problems = list(reads.problems(statement))
        if not problems and not single.reads_only:
            problems.append(
                (
                    "@batch on a read that calls what may write or lock",
                    "name the statement that does it for many and the key, or remove it",
                )
            )
        told += problems
        taken = f"{_short(statement)}{reads.SUFFIX}"
        if taken in source.statements:
            told.append((f"two statements would be named {taken}", "rename the other one"))
    elif batch.into not in source.statements:
        told.append(
            (
                f"@batch names {batch.into}, and there is no such statement in this file",
                "write it, or correct the name",
            )
        )
    elif batch.into in by_name:
        told += writes.problems(single, by_name[batch.into])
    for message, advice in told:
        yield at_directive(source, statement, message, advice)


def _batch_statement(
    single: Analysed, by_name: dict[str, Analysed], written: SourceFile
) -> BatchStatement | None:
    batch = single.statement.batch
    if batch is None:
        return None
    if batch.into is not None:
        many = by_name.get(batch.into)
        return None if many is None else BatchStatement(many.statement, many.columns, False)
    derived = written.statements.get(f"{_short(single.statement)}{reads.SUFFIX}")
    if derived is None:
        return None
    return BatchStatement(derived, (POSITION_COLUMN, *single.columns), True)


def _short(statement: Statement) -> str:
    return statement.name.partition(".")[2]
