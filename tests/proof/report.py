"""What a campaign has found, and whether that is good."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.proof.coverage import REQUIRED

REFUSED_SHARE_LIMIT = 0.15
"""Of statements that PostgreSQL refuses, which say nothing about the prover."""
CLAIMED_SHARE_LEAST = 0.2
"""Of the columns: a prover that claims nothing is never wrong."""


@dataclass(frozen=True)
class Unsound:
    """A column claimed NOT NULL in which data hold NULL."""

    seed: int
    number: int
    sql: str
    column: int
    state: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, statement {self.number}: column {self.column + 1} is claimed "
            f"NOT NULL and is NULL in schema {self.state} with {self.arguments}:\n    {self.sql}"
        )


@dataclass
class Report:
    """What a campaign has found."""

    seed: int
    queries: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    """Statements that PostgreSQL does not understand, by its message."""
    failed: Counter[str] = field(default_factory=Counter[str])
    """Statements that fail when they run, on data of any kind."""
    unproved: Counter[str] = field(default_factory=Counter[str])
    """Statements that the prover gives up on, by its message."""
    crashes: list[str] = field(default_factory=list[str])
    """Statements at which the server itself crashed, which says nothing of the prover."""
    rows: int = 0
    columns: int = 0
    claimed: int = 0
    """Columns claimed NOT NULL."""
    seen_null: int = 0
    """Columns claimed nullable that were NULL."""
    never_null: int = 0
    """Columns claimed nullable that had rows, and were never NULL."""
    parameters: int = 0
    nullable_parameters: int = 0
    lengths: list[int] = field(default_factory=list[int])
    nodes: list[int] = field(default_factory=list[int])
    constructs: Counter[str] = field(default_factory=Counter[str])
    unsound: list[Unsound] = field(default_factory=list[Unsound])
    seconds: float = 0.0

    @property
    def uncovered(self) -> list[str]:
        return [name for name in REQUIRED if not self.constructs[name]]

    @property
    def complaints(self) -> list[str]:
        """What is wrong with a campaign that is large enough to meet all; none if it is good."""
        found = [str(claim) for claim in self.unsound[:3]]
        found += [f"not proved: {failure}" for failure in self.unproved]
        found += [f"not met: {name}" for name in self.uncovered]
        refused = self.refused.total() + self.failed.total()
        if refused >= REFUSED_SHARE_LIMIT * self.queries:
            found.append(f"{refused} of {self.queries} statements are refused or fail")
        if self.claimed <= CLAIMED_SHARE_LEAST * self.columns:
            found.append(f"{self.claimed} of {self.columns} columns are claimed NOT NULL")
        return found

    def add(self, other: "Report") -> None:
        """Take in what another part of the same campaign found."""
        for name, value in vars(other).items():
            if name == "seed":
                continue
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            elif isinstance(mine, list):
                mine.extend(value)
            else:
                setattr(self, name, mine + value)

    def as_json(self) -> dict[str, Any]:
        """For `from_json`, in another process."""
        return {name: value for name, value in vars(self).items() if name != "unsound"}

    @classmethod
    def from_json(cls, figures: dict[str, Any]) -> "Report":
        """All but the unsound claims."""
        report = cls(figures["seed"])
        for name, value in figures.items():
            setattr(report, name, Counter(value) if isinstance(value, dict) else value)
        return report

    def lines(self) -> list[str]:
        refused, failed = sum(self.refused.values()), sum(self.failed.values())
        total = max(self.queries, 1)
        return [
            f"seed {self.seed}: {self.queries} statements, {self.rows} rows, {self.seconds:.1f} s",
            f"refused by PostgreSQL {refused} ({refused / total:.1%}), failed when run {failed} "
            f"({failed / total:.1%}), not proved {sum(self.unproved.values())}",
            f"columns {self.columns}: claimed NOT NULL {self.claimed}, claimed nullable and "
            f"NULL {self.seen_null}, claimed nullable and never NULL {self.never_null}",
            f"parameters {self.parameters}: claimed nullable {self.nullable_parameters}",
            f"characters of a statement, min median max: {_spread(self.lengths)}; nodes of its "
            f"tree: {_spread(self.nodes)}",
            "constructs: "
            + ", ".join(f"{name} {n}" for name, n in sorted(self.constructs.items())),
            f"not met: {', '.join(self.uncovered) or 'none'}",
            *(f"not proved: {failure}" for failure in self.unproved),
            f"PostgreSQL crashed: {len(self.crashes)}",
            *self.crashes,
            f"unsound claims: {len(self.unsound)}",
            *(str(claim) for claim in self.unsound[:10]),
        ]


def _spread(figures: list[int]) -> str:
    if not figures:
        return "none"
    return f"{min(figures)} {statistics.median(figures):.0f} {max(figures)}"
