"""What is wrong with variants, told of the statement they stand for."""

from collections.abc import Iterable, Sequence

from typedsql.statements import Statement
from typedsql.tools.reading.findings import Finding
from typedsql.tools.reading.source import SourceFile


def findings_of_variants(
    source: SourceFile, base: Statement, own: Sequence[Finding], others: Iterable[Finding]
) -> list[Finding]:
    """Each thing that is wrong with a variant and not with `base` itself, once.

    They stand at the base, which is what is to be changed: the file of variants is only written
    once nothing is wrong. The variant's name says what it leaves out.
    """
    known = {_what(item) for item in own}
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for item in others:
        if _what(item) not in known:
            alike.setdefault(_what(item), []).append(item)
    found: list[Finding] = []
    for first, *more in alike.values():
        names = ", ".join(str(item.statement) for item in (first, *more)[:_NAMED])
        where = f"in its variant {names}" if not more else f"in {len(more) + 1} variants: {names}"
        if len(more) >= _NAMED:
            where += ", ..."
        advice = first.advice
        if base.optional:
            advice = f"{advice}, or have it always given, without @optional".removeprefix(", or ")
        found.append(
            source.finding(
                base, rule=first.rule, message=f"{first.message} ({where})", advice=advice
            )
        )
    return found


_NAMED = 3
"""How many variants are named of those that have the same mistake."""


def _what(item: Finding) -> tuple[str, str, str]:
    return item.rule, item.message, item.advice
