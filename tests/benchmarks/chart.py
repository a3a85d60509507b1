"""The chart: how many times as fast as the driver by itself, at a glance.

Needs matplotlib, which only this module imports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tests.benchmarks import memory
from tests.benchmarks.cases.coalesced import PLAIN
from tests.benchmarks.frame import OURS, Loop, Outcome
from tests.benchmarks.growth import CONTENDERS, Growth
from tests.benchmarks.peers import psqlpy, psycopg3, raw, sqlalchemy2, stock_aiosql
from tests.benchmarks.results import Results
from tests.measure.pairs import Spread

SIZE_INCHES: Final = (19.0, 10.5)
DOTS_PER_INCH: Final = 110
LEGEND_COLUMNS: Final = 6
OURS_COLOUR: Final = "#0b5fff"
CONTROL_COLOUR: Final = "#222222"
COLOURS: Final = {
    OURS: OURS_COLOUR,
    PLAIN: "#7fb0ff",
    raw.NAME: CONTROL_COLOUR,
    raw.WITH_NUMERIC_CODEC: "#8a8a8a",
    raw.WITH_ALL_CODECS: "#b5b5b5",
    stock_aiosql.NAME: "#a0522d",
    psycopg3.NAME: "#2e8b57",
    psycopg3.BY_NAME: "#8fcfa8",
    psqlpy.NAME: "#b8860b",
    sqlalchemy2.CORE_NAME: "#d2691e",
    sqlalchemy2.ORM_NAME: "#c22f2f",
}
OTHER_COLOUR: Final = "#9a9a9a"


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that differ in one number, by which they are set out."""

    prefix: str
    title: str
    number: str
    logarithmic: bool = False


GROUPS: Final = (
    Group("fetch/", "Fetch rows of 13 columns, one connection", "rows fetched at once"),
    Group("point_read/", "One row by key, pool of 8", "concurrent callers"),
    Group("coalesced_read/", "One row by key with @batch", "concurrent callers", True),
    Group("coalesced_insert/", "Insert one row with @batch", "concurrent callers", True),
)


def draw(results: Results, path: Path) -> None:
    """Write the chart; a panel of which nothing was measured says so."""
    figure, axes = plt.subplots(2, 4, figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
    outcomes = {outcome.case.name: outcome for outcome in results.outcomes}
    for group, panel in zip(GROUPS, axes[0], strict=True):
        _lines(panel, group, outcomes)
    _bars(axes[1][0], outcomes.get("merge/new"))
    _bars(axes[1][1], outcomes.get("merge/half"))
    _memory(axes[1][2], results.peaks)
    _growth(axes[1][3], results.grown)
    figure.suptitle(
        f"{OURS} beside its peers: how many times as fast as raw asyncpg (more is better)",
        fontsize=17,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    handles, labels = _legend(axes[0])
    figure.legend(
        handles, labels, loc="lower center", ncols=LEGEND_COLUMNS, frameon=False, fontsize=10
    )
    figure.text(0.01, 0.945, "; ".join(results.place), fontsize=8.5, color="#555555", ha="left")
    figure.tight_layout(rect=(0, 0.06, 1, 0.935), h_pad=2.5, w_pad=1.2)
    figure.savefig(path)
    plt.close(figure)


def _points(
    group: Group, outcomes: Mapping[str, Outcome]
) -> dict[tuple[str, Loop], list[tuple[int, Spread]]]:
    """For each contender and loop the cases' numbers and how often as fast as the control."""
    found: dict[tuple[str, Loop], list[tuple[int, Spread]]] = {}
    for name, outcome in outcomes.items():
        if name.startswith(group.prefix):
            number = int(name.split("/")[1])
            for contender in outcome.seconds:
                spread = Spread.of(outcome.faster(contender))
                found.setdefault((contender, outcome.case.loop), []).append((number, spread))
    return found


def _lines(panel: Any, group: Group, outcomes: Mapping[str, Outcome]) -> None:
    panel.set_title(group.title, fontsize=12, fontweight="bold", loc="left")
    points = _points(group, outcomes)
    if not points:
        _nothing(panel)
        return
    numbers = sorted({number for each in points.values() for number, _ in each})
    places = {number: place for place, number in enumerate(numbers)}
    for (contender, loop), each in points.items():
        if loop is Loop.UVLOOP and contender != OURS:
            continue
        own = contender == OURS
        panel.plot(
            [places[number] for number, _ in each],
            [spread.median for _, spread in each],
            label=contender if loop is Loop.ASYNCIO else f"{OURS} on uvloop",
            color=COLOURS.get(contender, OTHER_COLOUR),
            linewidth=3.0 if own else 1.4,
            linestyle="-" if loop is Loop.ASYNCIO else ":",
            marker="o",
            markersize=7 if own else 4,
            zorder=5 if own else 2,
        )
        if own and loop is Loop.ASYNCIO:
            for number, spread in each:
                _say(panel, places[number], spread.median)
    panel.axhline(1.0, color=CONTROL_COLOUR, linewidth=0.8, zorder=1)
    highest = panel.get_ylim()[1]
    # Room for the figure above the highest point, which would stand in the title else.
    if group.logarithmic:
        panel.set_yscale("log", base=2)
        panel.set_ylim(top=highest * 1.3)
    else:
        panel.set_ylim(0, highest * 1.1)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    panel.set_xticks(range(len(numbers)), [f"{number:,}" for number in numbers])
    panel.set_xlim(-0.4, len(numbers) - 0.6)
    panel.set_xlabel(group.number)
    _plain(panel)


def _say(panel: Any, place: float, ratio: float) -> None:
    panel.annotate(
        f"{ratio:.1f}x" if ratio >= 3 else f"{ratio:.2f}x",
        (place, ratio),
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
        color=OURS_COLOUR,
        fontweight="bold",
        zorder=6,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def _bars(panel: Any, outcome: Outcome | None) -> None:
    if outcome is None:
        panel.set_title("Merge many rows", fontsize=12, fontweight="bold", loc="left")
        _nothing(panel)
        return
    names = sorted(outcome.seconds, key=outcome.rate)
    rates = [outcome.rate(name) for name in names]
    bars = panel.barh(
        [_on_lines(name) for name in names],
        rates,
        color=[OURS_COLOUR if name == OURS else "#c4c4c4" for name in names],
    )
    control = outcome.case.control
    labels = [
        f" {rate:,.0f}/s, {Spread.of(outcome.faster(name)).median:.2f}x"
        for name, rate in zip(names, rates, strict=True)
    ]
    panel.bar_label(bars, labels)
    panel.set_xlim(right=max(rates) * 1.45)
    panel.set_title(
        f"{outcome.case.title}\n({outcome.amount:,} rows; {control} = 1x)",
        fontsize=12,
        fontweight="bold",
        loc="left",
    )
    panel.set_xlabel("rows in a second")
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _plain(panel)


def _on_lines(name: str) -> str:
    """A label that leaves the bars their room."""
    for last in (" of ", " COPY", " executemany", " merge", " stream", " fetch"):
        name = name.replace(last, f"\n{last.lstrip()}", 1)
    return name


def _memory(panel: Any, peaks: Sequence[memory.Peak]) -> None:
    if not peaks:
        panel.set_title("Memory of a process", fontsize=12, fontweight="bold", loc="left")
        _nothing(panel)
        return
    told = {
        memory.MERGE: f"{OURS} merge",
        memory.STREAM: f"{OURS} stream",
        memory.FETCH: f"{raw.NAME} fetch",
    }
    names = [_on_lines(told[peak.way]) for peak in reversed(peaks)]
    bars = panel.barh(
        names,
        [peak.peak_mb for peak in reversed(peaks)],
        color=["#c4c4c4" if peak.way == memory.FETCH else OURS_COLOUR for peak in reversed(peaks)],
    )
    panel.bar_label(bars, [f" {peak.peak_mb:,.0f} MB" for peak in reversed(peaks)])
    panel.axvline(memory.LIMIT_MB, color="#c22f2f", linestyle="--", linewidth=1)
    panel.set_xlim(right=max(*(peak.peak_mb for peak in peaks), memory.LIMIT_MB) * 1.25)
    panel.set_title(
        f"Memory of {peaks[0].rows:,} rows\n(at most; line: {memory.LIMIT_MB:g} MB)",
        fontsize=12,
        fontweight="bold",
        loc="left",
    )
    panel.set_xlabel("MB resident (less is better)")
    _plain(panel)


def _growth(panel: Any, grown: Growth | None) -> None:
    panel.set_title("Rows/s as the table grows", fontsize=12, fontweight="bold",
                    loc="left")  # fmt: skip
    if grown is None:
        _nothing(panel)
        return
    colours = {OURS: OURS_COLOUR, CONTENDERS[1]: CONTROL_COLOUR}
    for name in CONTENDERS:
        panel.plot(
            [point.rows / 1e6 for point in grown.points],
            [grown.block_rows / point.seconds[name] for point in grown.points],
            label=name,
            color=colours.get(name, OTHER_COLOUR),
            linewidth=2.5 if name == OURS else 1.4,
        )
    panel.set_ylim(bottom=0)
    panel.set_xlabel("million rows in the table")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    panel.legend(frameon=False, loc="lower left", fontsize=9)
    _plain(panel)


def _nothing(panel: Any) -> None:
    panel.text(0.5, 0.5, "not measured in this run", ha="center", va="center", color="#888888")
    panel.set_axis_off()


def _plain(panel: Any) -> None:
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _legend(panels: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Each contender once, in the order of its colour."""
    found: dict[str, Any] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    order = [*COLOURS, f"{OURS} on uvloop"]
    labels = sorted(found, key=lambda name: order.index(name) if name in order else len(order))
    return [found[name] for name in labels], labels
