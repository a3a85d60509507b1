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

from tests.benchmarks import report
from tests.benchmarks.cases.everything import CASES
from tests.benchmarks.data import STORED_COLUMNS, make_stored_rows
from tests.benchmarks.frame import Bench, Case, Loop, Outcome, run_case
from tests.benchmarks.server import measured_server
from typedsql import testing
from whaledb.project import PROJECT

LOADED_ROWS = 100_000
LEAST_LOADED_ROWS = 1_000
DEFAULT_SEED = 20261123
STATEMENT_LIMIT_S = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    cases = _chosen(options)
    if not cases:
        print(f"no case is called {' or '.join(options.only)}; there are:")
        print("\n".join(case.name for case in CASES))
        return 2
    started = time.monotonic()
    with measured_server(options.data) as place:
        print("\n".join(place.description))
        print(f"seed {options.seed}\n", flush=True)
        with testing.Databases(place.target, PROJECT) as databases:
            template = databases.template()
            bench = Bench(
                loaded=databases.create(template),
                loaded_rows=max(LEAST_LOADED_ROWS, round(LOADED_ROWS * options.scale)),
                empty=databases.create(template),
                seed=options.seed,
                scale=options.scale,
            )
            asyncio.run(_load(bench))
            ran = [_run(case, bench, options) for case in cases]
    outcomes = [outcome for outcome in ran if outcome is not None]
    print("## To reach\n")
    print(report.goal_table(outcomes))
    if options.out is not None:
        _write(options.out, outcomes, place.description, options.seed)
    print(f"{time.monotonic() - started:.0f} s in all")
    if options.quick:
        print(json.dumps(report.ratios_of(outcomes)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures this layer beside its peers, in turn, in one run.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the headline cases, in about two minutes; the last line is one JSON object of ratios",
    )
    parser.add_argument("--only", action="append", metavar="CASE", help="such as 'fetch/*'")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="for results.json, table.md and chart.png"
    )
    parser.add_argument("--rounds", type=int, help="of each case, in place of its own number")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the usual work")
    parser.add_argument("--data", type=Path, metavar="DIR", help="for the server's data")
    return parser


def _chosen(options: argparse.Namespace) -> list[Case]:
    patterns = options.only or ["*"]
    return [
        case
        for case in CASES
        if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns)
        and not (options.quick and case.quick_rounds is None)
    ]


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


def _write(folder: Path, outcomes: Sequence[Outcome], place: Sequence[str], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(report.as_json(outcomes, place, seed), "utf-8")
    text = "\n".join([*place, "", report.goal_table(outcomes), *map(report.case_table, outcomes)])
    (folder / "table.md").write_text(text, "utf-8")
    if find_spec("matplotlib") is None:
        print("chart.png was not drawn: matplotlib is not installed")
        return
    chart: Any = import_module("tests.benchmarks.chart")
    chart.draw(outcomes, place, folder / "chart.png")
