"""Every case with the tests that carry it and what became of them, for people and programs."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from tests.security.cases import CASES, GROUPS
from tests.security.recording import CaseTest, Record
from tests.security.routes import Route

Outcome = Literal["passed", "failed", "skipped", "missing"]

_PARAMETERS: Final = re.compile(r"\[.*\]$", re.DOTALL)
_FOLDER: Final = "tests/"


class Combination(msgspec.Struct, frozen=True, kw_only=True):
    """A release of PostgreSQL, reached by a route."""

    release: str
    route: Route

    def __str__(self) -> str:
        return f"{self.release} {self.route}"


class ListedCase(msgspec.Struct, kw_only=True):
    number: int
    words: str
    tests: list[str]
    """Their names without the parameters, as pytest takes them."""
    outcomes: dict[str, Outcome]
    """Of each combination; one test that did not pass decides."""


class Listing(msgspec.Struct, kw_only=True):
    combinations: list[str]
    cases: list[ListedCase]
    unknown: list[str]
    """Tests whose number is no case's."""
    counts: dict[Outcome, int]
    """How often a case had this outcome on a combination."""
    tests: int
    """Tests that ran, with each of their parameters, on each release."""

    @property
    def complete(self) -> bool:
        """Whether every case has a test and passed everywhere, and all numbers are known."""
        return not self.unknown and all(
            case.tests and set(case.outcomes.values()) <= {"passed"} for case in self.cases
        )


def listing(records: Mapping[str, Record], routes: Sequence[Route]) -> Listing:
    """What the runs, one for each release, say together."""
    combinations = [
        Combination(release=release, route=route) for release in records for route in routes
    ]
    everything = [test for record in records.values() for test in record.tests]
    cases = [
        ListedCase(
            number=number,
            words=words,
            tests=_names(test for test in everything if number in test.numbers),
            outcomes={
                str(each): _outcome(records[each.release], number, each.route)
                for each in combinations
            },
        )
        for number, words in CASES.items()
    ]
    return Listing(
        combinations=[str(each) for each in combinations],
        cases=cases,
        unknown=_names(test for test in everything if not CASES.keys() >= set(test.numbers)),
        counts=dict(Counter(outcome for case in cases for outcome in case.outcomes.values())),
        tests=len(everything),
    )


def _names(tests: Iterable[CaseTest]) -> list[str]:
    return list(dict.fromkeys(_PARAMETERS.sub("", test.name) for test in tests))


def _outcome(record: Record, number: int, route: Route) -> Outcome:
    found = {
        test.outcome or "missing"
        for test in record.tests
        if number in test.numbers and test.route in (route, None)
    }
    for outcome in ("failed", "missing", "skipped", "passed"):
        if outcome in found:
            return outcome
    return "missing"


_MARKS: Final[Mapping[Outcome, str]] = {
    "passed": "ok",
    "failed": "FAILED",
    "skipped": "SKIPPED",
    "missing": "MISSING",
}


def as_text(made: Listing) -> str:
    """One line for each case, those of its tests below it."""
    width = max(map(len, [*made.combinations, *_MARKS.values()]))
    lines = ["".join(f"{name:<{width + 2}}" for name in made.combinations) + "case"]
    for case in made.cases:
        if case.number in GROUPS:
            lines += ["", GROUPS[case.number]]
        marks = "".join(f"{_MARKS[outcome]:<{width + 2}}" for outcome in case.outcomes.values())
        lines.append(f"{marks}{case.number:>2}. {case.words}")
        indent = " " * (len(marks) + 4)
        lines += [f"{indent}{name.removeprefix(_FOLDER)}" for name in case.tests]
    lines += [f"{name} carries a number that no case has" for name in made.unknown]
    counts = ", ".join(
        f"{made.counts[outcome]:,} {outcome}" for outcome in _MARKS if outcome in made.counts
    )
    what = f"{len(made.cases)} cases"
    if made.combinations:
        what += f" on {len(made.combinations)} combinations: {counts}"
    untested = [str(case.number) for case in made.cases if not case.tests]
    if untested:
        what += f"; without a test: {', '.join(untested)}"
    return "\n".join([*lines, "", f"{what}; {made.tests:,} tests"])
