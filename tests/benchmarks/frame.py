"""Cases, what takes part in them, and how they are timed: in turn, in one run.

A case is something to do, such as fetching 1,000 rows; its contenders do it each in their
way. In every round each contender has one sample, in an order that the seed shuffles, so
that whatever slows the machine down for a while slows all of them.
"""

import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from typedsql.settings import ConnectionTarget

OURS = "typedsql"
"""The contender whose ratios are told."""

Sample = Callable[[], Awaitable[float]]
"""Does a case once and returns the seconds that it took; what it prepares is not counted."""


class Loop(Enum):
    """The event loop that a case runs on."""

    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case gets."""

    loaded: ConnectionTarget
    """A migrated database with `loaded_rows` rows of the seed, which cases only read."""
    loaded_rows: int
    empty: ConnectionTarget
    """A migrated database into which cases write; each empties the table first."""
    seed: int
    scale: float = 1.0
    """Part of the usual work: less than 1 to see that everything runs."""

    def scaled(self, amount: int, *, least: int = 1) -> int:
        return max(least, round(amount * self.scale))


@dataclass(frozen=True, slots=True)
class Contenders:
    """What is timed: a sample for each contender that can be run here."""

    samples: Mapping[str, Sample]
    amount: int
    """How much one sample does, in the case's unit."""
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why others cannot be run here, by name."""
    notes: Sequence[str] = ()


Bound = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio to tell, and what it has to be.

    `rate` is how many times as fast `of` is as `versus`, `time` how many times as long it takes.
    """

    key: str
    """Its name in the last line that `--quick` prints."""
    of: str
    versus: str
    kind: Literal["rate", "time"]
    bound: Bound
    limit: float


@dataclass(frozen=True, slots=True)
class Case:
    """Something to do, which all contenders do."""

    name: str
    title: str
    unit: str
    """Of the amount that a sample does, in the plural."""
    control: str
    """The contender that all are compared with."""
    open: Callable[[Bench], AbstractAsyncContextManager[Contenders]]
    goals: tuple[Goal, ...] = ()
    loop: Loop = Loop.ASYNCIO
    rounds: int = 15
    quick_rounds: int | None = None
    """None leaves the case out of `--quick`."""
    quick_scale: float = 1.0
    """Part of the usual work that `--quick` does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case gave."""

    case: Case
    seconds: Mapping[str, Sequence[float]]
    """Of each contender in each round."""
    amount: int
    missing: Mapping[str, str]
    notes: Sequence[str]

    def rate(self, name: str) -> float:
        """Units a second, by the median of its rounds."""
        return self.amount / statistics.median(self.seconds[name])

    def ratio(self, goal: Goal) -> float | None:
        """The median over the rounds; None where one of the two was not run."""
        pairs = self.ratios(goal)
        return statistics.median(pairs) if pairs else None

    def ratios(self, goal: Goal) -> list[float]:
        """That of each round, in which both met the same machine."""
        if goal.of not in self.seconds or goal.versus not in self.seconds:
            return []
        pairs = zip(self.seconds[goal.of], self.seconds[goal.versus], strict=True)
        if goal.kind == "time":
            return [ours / theirs for ours, theirs in pairs]
        return [theirs / ours for ours, theirs in pairs]

    def faster(self, name: str) -> list[float]:
        """How many times as fast as the control a contender was, by round."""
        control = self.seconds[self.case.control]
        return [theirs / own for own, theirs in zip(self.seconds[name], control, strict=True)]


async def time_in_turn(
    samples: Mapping[str, Sample], *, rounds: int, seed: int
) -> dict[str, list[float]]:
    """Seconds of each contender in each round; one round before them is not counted.

    Garbage is collected as in any program, and each contender pays for its own: what others
    left is collected before it begins, and what was there before all of them is left alone.
    """
    order = list(samples)
    shuffle = random.Random(seed).shuffle
    taken: dict[str, list[float]] = {name: [] for name in samples}
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds + 1):
            shuffle(order)
            for name in order:
                gc.collect()
                seconds = await samples[name]()
                if number > 0:
                    taken[name].append(seconds)
    finally:
        gc.unfreeze()
    return taken


async def run_case(case: Case, bench: Bench, *, rounds: int) -> Outcome:
    """One case on the running event loop."""
    async with case.open(bench) as contenders:
        seconds = await time_in_turn(contenders.samples, rounds=rounds, seed=bench.seed)
    return Outcome(case, seconds, contenders.amount, contenders.missing, contenders.notes)


def repeated(call: Callable[[], Awaitable[object]], times: int) -> Sample:
    """One caller that awaits `call` so many times."""

    async def sample() -> float:
        started = time.perf_counter()
        for _ in range(times):
            await call()
        return time.perf_counter() - started

    return sample
