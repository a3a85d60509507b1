"""Requests sent by many callers at once, and what is done to them meanwhile.

Callers are cancelled, backends ended and their statements cancelled, at moments of a seed's
choosing.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.pgbouncer import NAME_ERRORS
from tests.security.ways import OBSERVER, Way, observer
from typedsql.errors import ConnectionFailed, ConnectionLost, Error, TimeoutExpired, TransientError

CALLERS: Final = 40
CONNECTIONS: Final = 12
"""Of the library: more than a pooler has to the server."""
HURRY_S: Final = 0.02
"""The limit of statements that are to exceed it."""
CANCELLED: Final = 0.15
"""Which part of the callers is cancelled, unless they were done before."""
MAX_MOMENT_S: Final = 0.03
"""Until then after its beginning a caller is cancelled."""
MAX_QUIET_S: Final = 0.06
"""Between two backends that are ended, or whose statement is cancelled."""
PATIENCE_S: Final = 60.0
"""Against a pool that hangs."""

INTERFERE: Final = """
SELECT CASE WHEN $2 THEN pg_terminate_backend(a.pid) ELSE pg_cancel_backend(a.pid) END
FROM pg_stat_activity AS a
WHERE
    a.datname = current_database()
    AND a.backend_type = 'client backend'
    AND a.application_name <> $1
ORDER BY random()
LIMIT 1
"""
NAMES: Final = frozenset({"26000", "42P05", "34000", "42P03", "3B001"})
# What is provoked: refused by a policy or a grant, in a read-only transaction, a duplicate,
# cancelled or ended from outside; and what a pooler says of a backend that has gone.
EXPECTED_STATES: Final = frozenset({"42501", "25006", "23505", "57014", "57P01", "08P01"})


class Stopped(Exception):
    """A caller's own error, which rolls its block back."""


EXPECTED: Final = (ConnectionLost, TimeoutExpired, TransientError, ConnectionFailed, Stopped)


@dataclass(slots=True)
class Traffic:
    """What became of the requests."""

    requests: int = 0
    done: int = 0
    cancelled: int = 0
    interfered: int = 0
    """Backends that were ended, or whose statement was cancelled."""
    failures: Counter[str] = field(default_factory=Counter[str])
    """By SQLSTATE, or by kind where there is none."""
    leaks: Counter[str] = field(default_factory=Counter[str])
    """Rows, writes and identities of somebody else, by kind."""
    wrong: Counter[str] = field(default_factory=Counter[str])
    """Whatever else ought not to be."""
    deaths: int = 0
    """How often the pooler died of its own faults, and nobody could connect for a moment."""

    @property
    def is_clean(self) -> bool:
        return not (self.leaks.total() or self.wrong.total() or self.name_errors)

    @property
    def name_errors(self) -> int:
        return sum(self.failures[state] for state in NAMES)

    def report(self) -> str:
        return (
            f"{self.requests} requests: {self.done} done, {self.cancelled} cancelled, "
            f"{self.failures.total()} failed ({_counts(self.failures)}), {self.interfered} "
            f"backends ended or interrupted, {self.deaths} poolers died; leaks: "
            f"{self.leaks.total()} ({_counts(self.leaks)}); errors of names: {self.name_errors}; "
            f"otherwise wrong: {_counts(self.wrong)}"
        )

    def fail(self, failure: Exception, *, ours: bool) -> None:
        """Count what a request raised; `ours` is whether it may only be one of our errors."""
        state = _sqlstate(failure)
        self.failures[state or type(failure).__name__] += 1
        if NAME_ERRORS.search(str(failure)) and state not in NAMES:
            self.failures["26000"] += 1
        expected = isinstance(failure, EXPECTED) or (
            isinstance(failure, Error) and state in EXPECTED_STATES
        )
        if ours and not expected:
            self.wrong[f"{type(failure).__name__}: {failure}"] += 1

    def close(self, *, deaths: int) -> None:
        """Count connections that were refused as wrong, unless a pooler had died."""
        self.deaths = deaths
        if not deaths:
            self.wrong += Counter({"refused connections": self.failures["ConnectionFailed"]})


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in found.most_common()) or "none"


def _sqlstate(failure: BaseException | None) -> str | None:
    while failure is not None:
        state: str | None = getattr(failure, "sqlstate", None)
        if state is not None:
            return state
        failure = failure.__cause__
    return None


async def send(
    request: Callable[[random.Random], Awaitable[None]],
    way: Way,
    traffic: Traffic,
    *,
    seed: int,
    requests: int,
    ours: bool = True,
) -> None:
    """Have CALLERS send that many requests, and interfere with them."""
    numbers = iter(range(requests))

    async def caller() -> None:
        for number in numbers:
            chance = random.Random(f"{seed}/{number}")
            traffic.requests += 1
            task = asyncio.ensure_future(request(chance))
            if chance.random() < CANCELLED:
                await asyncio.sleep(chance.random() * MAX_MOMENT_S)
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                traffic.cancelled += 1
            except Exception as failure:
                traffic.fail(failure, ours=ours)
            else:
                traffic.done += 1

    interference = asyncio.create_task(_interfere(way, traffic, random.Random(seed)))
    try:
        async with asyncio.timeout(PATIENCE_S + requests * PATIENCE_S / 1000):
            await asyncio.gather(*(caller() for _ in range(CALLERS)))
    finally:
        interference.cancel()
        with suppress(asyncio.CancelledError):
            await interference


async def _interfere(way: Way, traffic: Traffic, chance: random.Random) -> None:
    async with observer(way.direct) as connection:
        while True:
            await asyncio.sleep(chance.random() * MAX_QUIET_S)
            end_it = chance.random() < 0.5
            traffic.interfered += await connection.fetchval(INTERFERE, OBSERVER, end_it) or 0
