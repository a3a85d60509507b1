"""How long `generate` takes for this project, and for a hundred queries.

    python -m tests.measure.generation

Each round generates everything with a server of its own (`generate --full`), checks it without
one, and, as the control, starts that server and migrates it and does nothing else. What is left
for the analysis is the difference; for a hundred queries it is scaled by the number of
statements, the control is not. It works on a copy of the project, which it generates first.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.databases import ROOT
from tests.measure.pairs import CONTROL, Sample, Spread, differences, in_turn
from typedsql.tools.config import read_checkout
from typedsql.tools.generate import generate
from typedsql.tools.migrations import migrate
from typedsql.tools.project_analysis import read_queries
from typedsql.tools.scratch import scratch_server

WARM_UP_ROUNDS = 1
SCALED_TO = 100


INPUTS = ("pyproject.toml", "dbmate.env", "db", "queries", "src/whaledb")


def copy_project(folder: Path) -> None:
    for name in INPUTS:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, folder / name)


async def start_and_migrate(root: Path) -> None:
    project = read_checkout(root).project
    with scratch_server(project) as server:
        await migrate(server.target("analysis"), project)


async def with_server(root: Path) -> None:
    outcome = await generate(root, check=True, full=True)
    if not outcome.asked or outcome.lines:
        raise RuntimeError(f"a server is asked and agrees, but: {outcome.lines}")


async def without_server(root: Path) -> None:
    outcome = await generate(root, check=True)
    if outcome.asked or outcome.lines:
        raise RuntimeError(f"nothing has changed, but: {outcome.lines}")


def timed(work: Callable[[Path], Awaitable[None]], root: Path) -> Sample:
    async def sample() -> float:
        started = time.perf_counter()
        await work(root)
        return time.perf_counter() - started

    return sample


async def measure(root: Path, *, rounds: int, seed: int) -> None:
    copy_project(root)
    await generate(root, check=False)
    readings = read_queries(read_checkout(root))
    written = sum(len(reading.source.sections) for reading in readings)
    expanded = sum(len(reading.variants.sections) for reading in readings)
    cases = {
        CONTROL: timed(start_and_migrate, root),
        "with a server": timed(with_server, root),
        "without": timed(without_server, root),
    }
    taken = await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed)
    analysis = differences(taken, "with a server")
    scaled = [
        control + own * SCALED_TO / written
        for control, own in zip(taken[CONTROL], analysis, strict=True)
    ]
    print(
        f"seed {seed}, {rounds} rounds after {WARM_UP_ROUNDS} to warm up,"
        f" {written} statements in {len(readings)} files and {expanded} variants of them"
    )
    print(f"  generate, with a server: {Spread.of(taken['with a server']).text('s')}")
    print(f"  server and migrations alone: {Spread.of(taken[CONTROL]).text('s')}")
    print(f"  the difference: {Spread.of(analysis).text('s')}")
    print(f"  generate of {SCALED_TO} queries at this rate: {Spread.of(scaled).text('s')}")
    print(f"  generate --check where nothing changed: {Spread.of(taken['without']).text('s')}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.generation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="generation-") as folder:
        asyncio.run(measure(Path(folder), rounds=options.rounds, seed=options.seed))


if __name__ == "__main__":
    main()
