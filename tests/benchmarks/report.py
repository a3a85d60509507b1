"""What came out, as a table for people and as JSON for programs."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.benchmarks import growth
from tests.benchmarks.frame import OURS, Outcome
from tests.benchmarks.memory import FETCH, MERGE, STREAM, Peak
from tests.benchmarks.peers import raw
from tests.benchmarks.results import Results
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


def goal_table(results: Results) -> str:
    """What was to be reached, and what was."""
    rows = ["| | median | half of the rounds | to reach | |", "| --- | ---: | ---: | ---: | --- |"]
    for each in results.reached():
        figure = "" if each.figure is None else f"{each.figure:.3g}"
        half = "" if each.half is None else f"{each.half[0]:.3g} to {each.half[1]:.3g}"
        verdict = f"**{each.verdict}**" if each.verdict == "missed" else each.verdict
        rows.append(
            f"| `{each.key}`: {each.meaning} | {figure} | {half} | {each.bound} {each.limit:g} |"
            f" {verdict} |"
        )
    return "\n".join([*rows, ""])


def memory_table(peaks: Sequence[Peak]) -> str:
    told = {
        MERGE: f"{OURS}, merge",
        STREAM: f"{OURS}, stream",
        FETCH: f"{raw.NAME}, fetch of all at once",
    }
    rows = [
        "### Memory of a process",
        "",
        "| | rows | MB resident at most |",
        "| --- | ---: | ---: |",
    ]
    rows += [f"| {told[peak.way]} | {peak.rows:,} | {peak.peak_mb:,.0f} |" for peak in peaks]
    return "\n".join([*rows, ""])


def growth_table(grown: growth.Growth) -> str:
    """The curve, and what is left at its end."""
    lines = [growth.heading(), *(growth.line_of(each, grown.block_rows) for each in grown.points)]
    text = "\n".join([*lines, growth.conclusion(grown)])
    return f"### Growth\n\n```\n{text}\n```\n"


def as_text(results: Results) -> str:
    """All tables."""
    parts = [*results.place, "", "## To reach", "", goal_table(results), "## Cases", ""]
    parts += map(case_table, results.outcomes)
    if results.peaks:
        parts.append(memory_table(results.peaks))
    if results.grown is not None:
        parts.append(growth_table(results.grown))
    return "\n".join(parts)


def as_json(results: Results) -> str:
    """Everything that was measured, every round of it."""
    document = {
        "place": list(results.place),
        "seed": results.seed,
        "ratios": results.ratios(),
        "goals": [
            {"key": each.key, "meaning": each.meaning, "figure": each.figure,
             "bound": each.bound, "limit": each.limit, "verdict": each.verdict}
            for each in results.reached()
        ],
        "cases": [_case_document(outcome) for outcome in results.outcomes],
        "memory": [
            {"way": peak.way, "rows": peak.rows, "peak_mb": peak.peak_mb}
            for peak in results.peaks
        ],
        "growth": None if results.grown is None else msgspec.to_builtins(results.grown),
    }  # fmt: skip
    return json.dumps(document, indent=1) + "\n"


def _case_document(outcome: Outcome) -> dict[str, Any]:
    return {
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
    }
