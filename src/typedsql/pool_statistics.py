"""What a pool counts, so that its size can be chosen by figures."""

import msgspec


class PoolStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a pool. Counts and times are sums since it was opened."""

    max_size: int
    """Connections at most."""
    size: int
    """Connections that are open: idle, in use, or being cleaned after use."""
    idle: int
    """Open connections that nobody uses."""
    in_use: int
    """Open connections that a caller has, or that are being cleaned after use."""
    opening: int
    """Connections that are being opened."""
    waiting: int
    """Callers that wait for a connection."""
    acquired: int
    """Times a caller got a connection."""
    acquired_after_wait: int
    """How many of these had to wait, as none was idle."""
    acquire_wait_s: float
    """Seconds these waited in all."""
    acquires_timed_out: int
    """Callers that got none within the limit."""
    acquires_canceled: int
    """Callers that were cancelled while they waited."""
    acquires_failed: int
    """Callers for whom no connection could be opened."""
    opened: int
    """Connections opened."""
    closed_lifetime: int
    """Connections closed for their age, or as all were to be replaced."""
    closed_idle: int
    """Connections closed as nobody had needed them for long."""
    closed_broken: int
    """Connections that ended by themselves, or could not be cleaned after use."""
    closed_silent: int
    """Idle connections given up as they did not answer before they were handed out."""
    cleaned: int
    """Connections whose session was reset after use."""
    asked: int
    """Connections asked whether they still answer, before they were handed out."""


class DatabaseStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the pools of a database."""

    queries: PoolStatistics
    """The pool that statements, transactions and raw connections come from."""
    bulk: PoolStatistics
    """The pool of bulk transactions."""
    gateway: PoolStatistics | None = None
    """The pool of transactions in a user's name; None where they share that of queries."""


class Counters:
    """The running sums; see `PoolStatistics`."""

    def __init__(self) -> None:
        self.acquired = 0
        self.acquired_after_wait = 0
        self.acquire_wait_s = 0.0
        self.acquires_timed_out = 0
        self.acquires_canceled = 0
        self.acquires_failed = 0
        self.opened = 0
        self.closed_lifetime = 0
        self.closed_idle = 0
        self.closed_broken = 0
        self.closed_silent = 0
        self.cleaned = 0
        self.asked = 0
