"""What came out, as a table for people and as JSON for programs."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.frame import OURS, Goal, Outcome
from tests.measure.pairs import Spread


def case_table(outcome: Outcome) -> str:
    """The contenders of one case, the fastest first, as a Markdown table."""
    case = outcome.case
    rows = [f"### {case.title}", ""]
    rows += [f"| | {case.unit}/s | half of the rounds | times {case.control} | spread |",
             "| --- | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for name in sorted(outcome.seconds, key=outcome.rate, reverse=True):
        spread = Spread.of(outcome.seconds[name])
        faster = Spread.of(outcome.faster(name))
        slow, fast = (outcome.amount / s for s in (spread.upper_quarter, spread.lower_quarter))
        shown = f"**{name}**" if name.startswith(OURS) else name
        rows.append(
            f"| {shown} | {outcome.rate(name):,.0f} | {slow:,.0f} to {fast:,.0f} |"
            f" {faster.median:.2f} | {faster.lower_quarter:.2f} to {faster.upper_quarter:.2f} |"
        )
    rows += [f"| {name} | not run: {why} | | | |" for name, why in outcome.missing.items()]
    rounds = len(next(iter(outcome.seconds.values())))
    notes = [f"{rounds} rounds of {outcome.amount:,} {case.unit}", *outcome.notes]
    return "\n".join([*rows, "", "; ".join(notes) + ".", ""])


def goal_table(outcomes: Sequence[Outcome]) -> str:
    """What was to be reached, and what was."""
    rows = [
        "| ratio | median of the rounds | half of them | to reach | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for outcome in outcomes:
        for goal in outcome.case.goals:
            ratios = outcome.ratios(goal)
            if not ratios:
                rows.append(f"| {goal_text(goal)} | not run | | {goal_limit(goal)} | |")
                continue
            spread = Spread.of(ratios)
            verdict = "reached" if goal.reached(spread.median) else "**missed**"
            rows.append(
                f"| {goal_text(goal)} | {spread.median:.3g} |"
                f" {spread.lower_quarter:.3g} to {spread.upper_quarter:.3g} |"
                f" {goal_limit(goal)} | {verdict} |"
            )
    return "\n".join([*rows, ""])


def goal_text(goal: Goal) -> str:
    what = "rate" if goal.kind == "rate" else "time"
    return f"`{goal.key}`: {what} of {goal.of} / {goal.versus}"


def goal_limit(goal: Goal) -> str:
    return f"{goal.bound} {goal.limit:g}"


def ratios_of(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The ratios by their keys; None for one that could not be measured here."""
    found: dict[str, float | None] = {}
    for outcome in outcomes:
        for goal in outcome.case.goals:
            ratio = outcome.ratio(goal)
            found[goal.key] = None if ratio is None else round(ratio, 3)
    return found


def as_document(outcomes: Sequence[Outcome], place: Sequence[str], seed: int) -> dict[str, Any]:
    """Everything that was measured, every round of it."""
    return {
        "place": list(place),
        "seed": seed,
        "ratios": ratios_of(outcomes),
        "cases": [
            {
                "name": outcome.case.name,
                "title": outcome.case.title,
                "unit": outcome.case.unit,
                "amount": outcome.amount,
                "control": outcome.case.control,
                "loop": outcome.case.loop.value,
                "notes": list(outcome.notes),
                "missing": dict(outcome.missing),
                "contenders": {
                    name: {
                        "per_s": outcome.rate(name),
                        "times_control": statistics.median(outcome.faster(name)),
                        "seconds": list(taken),
                    }
                    for name, taken in outcome.seconds.items()
                },
                "goals": [
                    {
                        "key": goal.key,
                        "of": goal.of,
                        "versus": goal.versus,
                        "kind": goal.kind,
                        "bound": goal.bound,
                        "limit": goal.limit,
                        "ratio": outcome.ratio(goal),
                    }
                    for goal in outcome.case.goals
                ],
            }
            for outcome in outcomes
        ],
    }


def as_json(outcomes: Sequence[Outcome], place: Sequence[str], seed: int) -> str:
    return json.dumps(as_document(outcomes, place, seed), indent=1) + "\n"
