"""Everything one run gave, and what of it was to be reached."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks import memory
from tests.benchmarks.frame import Bound, Outcome
from tests.benchmarks.growth import LEAST_OF_EMPTY, LEAST_OF_STRAIGHT, Growth
from tests.measure.pairs import Spread


@dataclass(frozen=True, slots=True)
class Reached:
    """A figure that was to be reached."""

    key: str
    meaning: str
    figure: float | None
    """The median where there are rounds; None where it was not measured here."""
    half: tuple[float, float] | None
    """Between these is the middle half of its rounds."""
    bound: Bound
    limit: float

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not run"
        good = self.figure >= self.limit if self.bound == "at least" else self.figure <= self.limit
        return "reached" if good else "missed"


@dataclass(frozen=True, slots=True)
class Results:
    """What the cases gave, and with what seed and where."""

    place: Sequence[str]
    seed: int
    outcomes: Sequence[Outcome]
    peaks: Sequence[memory.Peak] = ()
    grown: Growth | None = None

    def reached(self) -> list[Reached]:
        found = [each for outcome in self.outcomes for each in _of_outcome(outcome)]
        found += [
            Reached(
                f"memory_{peak.way}_mb",
                f"MB resident at most, {peak.rows:,} rows",
                peak.peak_mb,
                None,
                "at most",
                memory.LIMIT_MB,
            )
            for peak in self.peaks
            if peak.way in (memory.MERGE, memory.STREAM)
        ]
        if self.grown is not None:
            rows = f"{self.grown.points[-1].rows:,} rows"
            found += [
                Reached(
                    "growth_rate_vs_straight_copy",
                    f"rate of merges / straight COPY into the same table of {rows}",
                    self.grown.of_straight,
                    None,
                    "at least",
                    LEAST_OF_STRAIGHT,
                ),
                Reached(
                    "growth_rate_vs_empty",
                    f"rate of merges into {rows} / into an empty table",
                    self.grown.of_empty,
                    None,
                    "at least",
                    LEAST_OF_EMPTY,
                ),
            ]
        return found

    def ratios(self) -> dict[str, float | None]:
        """The figures by their keys."""
        return {
            each.key: None if each.figure is None else round(each.figure, 3)
            for each in self.reached()
        }


def _of_outcome(outcome: Outcome) -> list[Reached]:
    found: list[Reached] = []
    for goal in outcome.case.goals:
        ratios = outcome.ratios(goal)
        spread = Spread.of(ratios) if len(ratios) > 1 else None
        found.append(
            Reached(
                goal.key,
                f"{goal.kind} of {goal.of} / {goal.versus}",
                outcome.ratio(goal),
                None if spread is None else (spread.lower_quarter, spread.upper_quarter),
                goal.bound,
                goal.limit,
            )
        )
    return found
