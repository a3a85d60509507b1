"""How to pool, how long to wait, and what is refused of that."""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

from typedsql.errors import ConfigurationError
from typedsql.verify import MigrationCheck

DEFAULT_MIN_SIZE = 1
DEFAULT_MAX_SIZE = 10
CONNECT_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 60.0


class ConnectOptions(TypedDict, total=False):
    """How to pool and how long to wait. Times are in seconds, and no wait is endless."""

    min_size: int
    """Connections kept open; default 1."""
    max_size: int
    """Connections at most; default 10."""
    connect_timeout_s: float
    """For one connection to open; default 10."""
    acquire_timeout_s: float
    """For a pooled connection to come free; default 30."""
    command_timeout_s: float
    """For one statement; default 60."""
    idle_in_transaction_timeout_s: float
    """After which the server ends a transaction in which nothing happens; default 60."""
    application_name: str
    """Shown in pg_stat_activity; default: the project's name."""
    migrations: MigrationCheck
    """What to demand of the database's migration version; see `MigrationCheck`."""


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
    for name, least in (("min_size", 0), ("max_size", 1)):
        value = options.get(name, least)
        if not isinstance(value, int) or value < least:
            raise ConfigurationError(f"{name}: expected a whole number of at least {least}")
