"""Failures that pass by themselves are waited out, for so long."""

import math
import random
import time
from collections.abc import Callable
from typing import Final

FIRST_RETRY_DELAY_S: Final = 0.2
MAX_RETRY_DELAY_S: Final = 15.0
REMINDER_INTERVAL_S: Final = 60.0
BRIEF_S: Final = 1.0
"""How long something may last before even what often passes is told of."""


class Patience:
    """How long failures are waited out: growing delays, up to a limit since the last success.

    What often passes by itself is told of when it happens a second time, or took longer than
    `BRIEF_S`; anything that lasts is told of again each `REMINDER_INTERVAL_S`.
    """

    def __init__(self, limit_s: float, notice: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._notice = notice
        self._since_s: float | None = None
        self._delay_s = 0.0
        self._told: type[Exception] | None = None
        self._told_s = 0.0

    def after(
        self, failure: Exception, *, began_s: float | None = None, often_passes: bool = False
    ) -> float:
        """The seconds to wait after a failure; raises it once the limit is reached.

        `began_s` is when the try that failed began, by `time.monotonic`: what itself waits for
        a server has waited by then.
        """
        now_s = time.monotonic()
        is_first = self._since_s is None
        if self._since_s is None:
            self._since_s = now_s if began_s is None else began_s
        since_s = self._since_s
        if now_s - since_s >= self._limit_s:
            raise failure
        if not (is_first and often_passes and now_s - since_s < BRIEF_S):
            self._tell(failure, now_s, since_s)
        self._delay_s = min(MAX_RETRY_DELAY_S, max(FIRST_RETRY_DELAY_S, 2 * self._delay_s))
        left_s = since_s + self._limit_s - now_s
        return min(left_s, self._delay_s * random.uniform(0.5, 1.0))  # noqa: S311

    def _tell(self, failure: Exception, now_s: float, since_s: float) -> None:
        if self._told is type(failure) and now_s - self._told_s < REMINDER_INTERVAL_S:
            return
        self._told, self._told_s = type(failure), now_s
        waited_s = now_s - since_s
        since = f" since {waited_s:.0f} s" if waited_s >= 1 else ""
        left = f", for {self._limit_s - waited_s:.0f} s at most"
        self._notice(f"waiting{since}{left if math.isfinite(self._limit_s) else ''}: {failure}")

    def restore(self) -> None:
        """What was waited for is there again."""
        if self._since_s is not None and self._told is not None:
            self._notice(f"going on after {time.monotonic() - self._since_s:.1f} s")
        self._since_s, self._delay_s, self._told = None, 0.0, None
