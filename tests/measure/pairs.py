"""Differences between things that are timed in turn, and how far they spread."""

import gc
import random
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

CONTROL = "control"
"""The case that all others are compared with, round by round."""

Sample = Callable[[], Awaitable[float]]
"""Seconds that one case takes this time."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Some figures: the middle one, the middle half and the extremes."""

    median: float
    lower_quarter: float
    upper_quarter: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        lower, middle, upper = statistics.quantiles(figures, n=4, method="inclusive")
        return cls(middle, lower, upper, min(figures), max(figures))

    def text(self, unit: str, *, scale: float = 1.0, digits: int = 2) -> str:
        """As ``1.20 us (half from 1.15 to 1.31, all from 1.10 to 2.40)``."""
        middle, lower, upper, lowest, highest = (
            f"{figure * scale:.{digits}f}"
            for figure in (
                self.median,
                self.lower_quarter,
                self.upper_quarter,
                self.lowest,
                self.highest,
            )
        )
        return f"{middle} {unit} (half from {lower} to {upper}, all from {lowest} to {highest})"


async def in_turn(
    cases: Mapping[str, Sample], *, rounds: int, warm_up: int, seed: int
) -> dict[str, list[float]]:
    """Seconds of each case in each round; within a round they come in random order.

    The rounds of the warm-up are not counted. Garbage is collected between rounds, not
    within one, and only that which was made meanwhile: a walk through everything there is
    would empty the processor's caches before each round.
    """
    order = list(cases)
    shuffle = random.Random(seed).shuffle
    taken: dict[str, list[float]] = {name: [] for name in cases}
    collects = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds + warm_up):
            gc.collect()
            shuffle(order)
            for name in order:
                seconds = await cases[name]()
                if number >= warm_up:
                    taken[name].append(seconds)
    finally:
        gc.unfreeze()
        if collects:
            gc.enable()
    return taken


def differences(taken: Mapping[str, Sequence[float]], name: str) -> list[float]:
    """Seconds beyond the control of the same round."""
    return [seconds - control for seconds, control in zip(taken[name], taken[CONTROL], strict=True)]


def ratios(taken: Mapping[str, Sequence[float]], name: str) -> list[float]:
    """Times the control of the same round."""
    return [seconds / control for seconds, control in zip(taken[name], taken[CONTROL], strict=True)]
