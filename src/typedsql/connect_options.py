"""How to pool, how long to wait, and what is refused of that."""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import msgspec

from typedsql.errors import ConfigurationError
from typedsql.verify import MigrationCheck

DEFAULT_MIN_SIZE = 1
DEFAULT_MAX_SIZE = 10
DEFAULT_BULK_MAX_SIZE = 2
DEFAULT_GATEWAY_MAX_SIZE = 10
MAX_LIFETIME_S = 1800.0
MAX_IDLE_S = 300.0
LIVENESS_IDLE_S = 30.0
KEEPALIVE_IDLE_S = 30.0
CONNECT_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 60.0


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections a pool has, and how long each wait and each life may be."""

    min_size: int
    max_size: int
    acquire_timeout_s: float
    max_lifetime_s: float
    max_idle_s: float
    liveness_idle_s: float


class ConnectOptions(TypedDict, total=False):
    """How to pool and how long to wait. Times are in seconds, and no wait is endless."""

    min_size: int
    """Connections kept open; default 1."""
    max_size: int
    """Connections at most; default 10."""
    bulk_max_size: int
    """Connections of bulk transactions at most, beside the others; default 2."""
    gateway_max_size: int
    """Connections of a gateway at most, where there is one, beside the others; default 10."""
    connect_timeout_s: float
    """For one connection to open; default 10."""
    acquire_timeout_s: float
    """For a pooled connection to come free; default 30."""
    command_timeout_s: float
    """For one statement; default 60."""
    idle_in_transaction_timeout_s: float
    """After which the server ends a transaction in which nothing happens; default 60."""
    max_lifetime_s: float
    """After which a connection is replaced, up to a tenth earlier; default 1800."""
    max_idle_s: float
    """After which a connection beyond `min_size` that nobody needed is closed; default 300."""
    liveness_idle_s: float
    """After which an idle connection has to answer before it is handed out; default 30."""
    keepalive_idle_s: float
    """After which the system probes a silent peer, in whole seconds; default 30."""
    application_name: str
    """Shown in pg_stat_activity; default: the project's name."""
    migrations: MigrationCheck
    """What to demand of the database's migration version; see `MigrationCheck`."""


def pool_limits(options: ConnectOptions) -> PoolLimits:
    """Those of the pool for queries."""
    max_size = options.get("max_size", DEFAULT_MAX_SIZE)
    return PoolLimits(
        min_size=min(options.get("min_size", DEFAULT_MIN_SIZE), max_size),
        max_size=max_size,
        acquire_timeout_s=options.get("acquire_timeout_s", ACQUIRE_TIMEOUT_S),
        max_lifetime_s=options.get("max_lifetime_s", MAX_LIFETIME_S),
        max_idle_s=options.get("max_idle_s", MAX_IDLE_S),
        liveness_idle_s=options.get("liveness_idle_s", LIVENESS_IDLE_S),
    )


def bulk_limits(options: ConnectOptions) -> PoolLimits:
    """Those of the pool for bulk transactions, which keeps nothing open."""
    max_size = options.get("bulk_max_size", DEFAULT_BULK_MAX_SIZE)
    return msgspec.structs.replace(pool_limits(options), min_size=0, max_size=max_size)


def gateway_limits(options: ConnectOptions) -> PoolLimits:
    """Those of the pool for transactions in a user's name."""
    max_size = options.get("gateway_max_size", DEFAULT_GATEWAY_MAX_SIZE)
    limits = pool_limits(options)
    return msgspec.structs.replace(
        limits, min_size=min(limits.min_size, max_size), max_size=max_size
    )


def check_follow_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for what would be ignored, or would wait for ever."""
    unknown = sorted(options.keys() - ConnectOptions.__annotations__.keys())
    if unknown:
        known = ", ".join(sorted(ConnectOptions.__annotations__))
        raise ConfigurationError(f"unknown option {', '.join(unknown)}: known are {known}")
    for name, value in options.items():
        if name.endswith("_s") and not (
            isinstance(value, int | float) and math.isfinite(value) and value > 0
        ):
            raise ConfigurationError(f"{name}: expected seconds, more than 0, as every wait ends")
    for name, least in (
        ("min_size", 0),
        ("max_size", 1),
        ("bulk_max_size", 1),
        ("gateway_max_size", 1),
    ):
        value = options.get(name, least)
        if not isinstance(value, int) or value < least:
            raise ConfigurationError(f"{name}: expected a whole number of at least {least}")
