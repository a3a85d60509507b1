"""By which way the tests reach the database: chosen for a run, for each test that cares."""

import os
from typing import Final, Literal, cast, get_args

Route = Literal["direct", "pgbouncer", "gateway"]
"""direct: one login for everything. pgbouncer: that login, through a pooler of transactions.
gateway: a second login, which may only become an API role, for what is done in a user's name.
"""

ROUTES: Final[tuple[Route, ...]] = get_args(Route)
VARIABLE: Final = "SECURITY_ROUTES"


def chosen() -> list[Route]:
    """The routes of this run: those that SECURITY_ROUTES names, else `direct`."""
    named = os.environ.get(VARIABLE, "direct").split(",")
    unknown = sorted(set(named) - set(ROUTES))
    if unknown:
        raise ValueError(f"{VARIABLE}: {', '.join(unknown)}; known are {', '.join(ROUTES)}")
    return [cast(Route, name) for name in named]
