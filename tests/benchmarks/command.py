"""The command: chooses cases, prepares the databases, runs, and writes what came out."""

import argparse
import asyncio
import fnmatch
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

from tests.benchmarks import growth, memory, report
from tests.benchmarks.cases.everything import CASES
from tests.benchmarks.data import STORED_COLUMNS, make_stored_rows
from tests.benchmarks.frame import Bench, Case, Loop, Outcome, run_case
from tests.benchmarks.results import Results
from tests.benchmarks.server import measured_server
from typedsql import testing
from typedsql.settings import ConnectionTarget
from whaledb.project import PROJECT

MEMORY = "memory"
GROWTH = "growth"
LOADED_ROWS = 100_000
LEAST_LOADED_ROWS = 1_000
DEFAULT_SEED = 20261123
STATEMENT_LIMIT_S = 300.0
LEAST_ROUNDS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not _chosen(options):
        print(f"no case is called {' or '.join(options.only)}; there are:")
        print("\n".join([*(case.name for case in CASES), MEMORY, GROWTH]))
        return 2
    try:
        # Told before an hour of measuring, not after it.
        for folder in (options.out, options.data):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        print(f"{failure.filename} cannot be made: {failure.strerror}")
        return 2
    with (
        measured_server(options.data) as place,
        testing.Databases(place.target, PROJECT) as databases,
    ):
        run(databases, place.description, options)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures this layer beside its peers, in turn, in one run.",
    )
    made.add_argument(
        "--quick",
        action="store_true",
        help="the headline cases, in about two minutes; the last line is one JSON object",
    )
    made.add_argument("--only", action="append", metavar="CASE", help="such as 'fetch/*'")
    made.add_argument(
        "--out", type=Path, metavar="DIR", help="for results.json, table.md and chart.png"
    )
    made.add_argument(
        "--rounds", type=_rounds, help="of each case, in place of its own number; 2 or more"
    )
    made.add_argument("--seed", type=int, default=DEFAULT_SEED)
    made.add_argument("--scale", type=float, default=1.0, help="part of the usual work")
    made.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="for the server's data; by default the temporary folder",
    )
    return made


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < LEAST_ROUNDS:
        raise argparse.ArgumentTypeError(f"one round has no spread: {LEAST_ROUNDS} or more")
    return rounds


def run(databases: testing.Databases, place: Sequence[str], options: argparse.Namespace) -> Results:
    """Measure what the options choose, print it as it comes, and write it where they say."""
    started = time.monotonic()
    print("\n".join(place))
    print(f"seed {options.seed}\n", flush=True)
    results = _measure(databases, place, options)
    print("## To reach\n")
    print(report.goal_table(results))
    if options.out is not None:
        _write(options.out, results)
    print(f"{time.monotonic() - started:.0f} s in all")
    if options.quick:
        print(json.dumps(results.ratios()))
    return results


def _measure(
    databases: testing.Databases, place: Sequence[str], options: argparse.Namespace
) -> Results:
    chosen = _chosen(options)
    template = databases.template()
    with databases.fresh(template) as loaded, databases.fresh(template) as empty:
        bench = Bench(
            loaded=loaded,
            loaded_rows=max(LEAST_LOADED_ROWS, round(LOADED_ROWS * options.scale)),
            empty=empty,
            seed=options.seed,
            scale=options.scale,
        )
        asyncio.run(_load(bench))
        ran = [_run(case, bench, options) for case in CASES if case.name in chosen]
    peaks: Sequence[memory.Peak] = ()
    if MEMORY in chosen:
        with databases.fresh(template) as target:
            peaks = memory.measure(target, bench.scaled(memory.ROWS))
        print(report.memory_table(peaks), flush=True)
    grown: growth.Growth | None = None
    if GROWTH in chosen:
        with databases.fresh(template) as target:
            grown = asyncio.run(_grow(target, bench))
        print(report.growth_table(grown), flush=True)
    outcomes = [outcome for outcome in ran if outcome is not None]
    return Results(place, options.seed, outcomes, peaks, grown)


async def _grow(target: ConnectionTarget, bench: Bench) -> growth.Growth:
    return await growth.run(
        target,
        rows=bench.scaled(growth.ROWS),
        block_rows=bench.scaled(growth.BLOCK_ROWS),
        seed=bench.seed,
    )


def _chosen(options: argparse.Namespace) -> set[str]:
    """The names of the cases that are wanted."""
    names = [case.name for case in CASES if case.quick_rounds is not None or not options.quick]
    if not options.quick:
        names += [MEMORY, GROWTH]
    patterns = options.only or ["*"]
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


async def _load(bench: Bench) -> None:
    connection = await asyncpg.connect(
        **bench.loaded.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
    )
    try:
        await connection.copy_records_to_table(
            "whale_transactions",
            records=make_stored_rows(bench.seed, bench.loaded_rows),
            columns=STORED_COLUMNS,
        )
        await connection.execute("VACUUM (ANALYZE, FREEZE) public.whale_transactions")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _run(case: Case, bench: Bench, options: argparse.Namespace) -> Outcome | None:
    factory = _loop_factory(case.loop)
    if case.loop is Loop.UVLOOP and factory is None:
        print(f"### {case.title}\n\nnot run: uvloop is not installed\n", flush=True)
        return None
    rounds = options.rounds or (case.quick_rounds if options.quick else case.rounds) or case.rounds
    if options.quick:
        bench = replace(bench, scale=bench.scale * case.quick_scale)
    with asyncio.Runner(loop_factory=factory) as runner:
        outcome = runner.run(run_case(case, bench, rounds=rounds))
    print(report.case_table(outcome), flush=True)
    return outcome


def _loop_factory(loop: Loop) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """None is asyncio's own."""
    if loop is Loop.ASYNCIO or find_spec("uvloop") is None:
        return None
    uvloop: Any = import_module("uvloop")
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _write(folder: Path, results: Results) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(report.as_json(results), "utf-8")
    (folder / "table.md").write_text(report.as_text(results), "utf-8")
    if find_spec("matplotlib") is None:
        print("chart.png was not drawn: matplotlib is not installed")
        return
    chart: Any = import_module("tests.benchmarks.chart")
    chart.draw(results, folder / "chart.png")
