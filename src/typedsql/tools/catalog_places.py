"""Where a reviewer reads of what breaks a rule: in the schema file."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from typedsql.tools.catalog_rules.finding import CatalogFinding
from typedsql.tools.reading.findings import Finding

_MADE: Final = re.compile(r"\s*(?:CREATE|ALTER TABLE|ADD CONSTRAINT)\b")


def at_schema_file(
    root: Path, schema_file: str, findings: Iterable[CatalogFinding]
) -> list[Finding]:
    """Each at the line that makes its object; at the first where the file has none yet."""
    path = root / schema_file
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    made = [(number, line) for number, line in enumerate(lines, start=1) if _MADE.match(line)]
    placed: list[Finding] = []
    for finding in findings:
        # A function's name goes up to its parameters: pg_dump writes the modes of those as well.
        name = re.compile(rf"(?<![\w.]){re.escape(finding.object.partition('(')[0])}(?!\w)")
        number, line = next((found for found in made if name.search(found[1])), (1, ""))
        placed.append(
            Finding(
                rule=finding.rule,
                file=schema_file,
                line=number,
                column=0,
                statement=None,
                message=finding.message,
                advice=finding.advice,
                excerpt=line,
            )
        )
    return placed
