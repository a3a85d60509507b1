"""What importing every module of whaledb.queries takes beyond what it is built on.

    python -m tests.measure.imports

Starts interpreters in turn: some import asyncpg, aiosql and msgspec, the others these and then
each generated module, which reads its .sql file. A difference is one of the second kind less
the one of the first kind beside it. Bytecode is cached by the rounds that warm up.
"""

import argparse
import asyncio
import subprocess
import sys
import time

from tests.databases import ROOT
from tests.measure.pairs import CONTROL, Sample, Spread, differences, in_turn
from whaledb.project import PROJECT

WARM_UP_ROUNDS = 2
IMPORT_LIMIT_S = 60.0
MS_PER_S = 1e3

BASE = "import asyncpg, aiosql, msgspec"


def modules() -> list[str]:
    folder = PROJECT.root / PROJECT.queries_dir
    return [f"{PROJECT.package}.queries.{path.stem}" for path in sorted(folder.glob("*.sql"))]


def imports(code: str) -> Sample:
    """Seconds of a whole interpreter that does no more than this."""

    async def sample() -> float:
        started = time.perf_counter()
        subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile, on purpose
            [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=IMPORT_LIMIT_S
        )
        return time.perf_counter() - started

    return sample


def within(code: str) -> Sample:
    """Seconds of what comes after the base, told by the interpreter itself."""
    program = (
        f"{BASE}\nimport time\nstarted = time.process_time()\n{code}\n"
        "print(time.process_time() - started)"
    )

    async def sample() -> float:
        finished = subprocess.run(  # noqa: ASYNC221 - as above
            [sys.executable, "-c", program],
            check=True,
            cwd=ROOT,
            timeout=IMPORT_LIMIT_S,
            capture_output=True,
            text=True,
        )
        return float(finished.stdout)

    return sample


async def measure(*, rounds: int, seed: int) -> None:
    names = modules()
    everything = "import " + ", ".join(names)
    cases = {
        CONTROL: imports(BASE),
        "queries": imports(f"{BASE}\n{everything}"),
        "within": within(everything),
    }
    taken = await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed)
    print(f"seed {seed}, {rounds} rounds after {WARM_UP_ROUNDS} to warm up, {len(names)} modules")
    print(f"  {BASE}: {Spread.of(taken[CONTROL]).text('ms', scale=MS_PER_S, digits=1)}")
    over = Spread.of(differences(taken, "queries"))
    print(f"  whaledb.queries adds {over.text('ms', scale=MS_PER_S, digits=1)}")
    alone = Spread.of(taken["within"])
    print(f"  of the processor, by its own clock: {alone.text('ms', scale=MS_PER_S, digits=1)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.imports")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    asyncio.run(measure(rounds=options.rounds, seed=options.seed))


if __name__ == "__main__":
    main()
