"""What is measured: this layer, and what else one reads PostgreSQL with from Python.

All run the text of the same statements, on a connection without a transaction around it,
and hand over what is usual with each: typed rows here, records, tuples or objects there.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tests.benchmarks import PROJECT_FOLDER
from typedsql.settings import ConnectionTarget
from typedsql.statements import Statement, load_statements
from whaledb.project import PROJECT

QUERY_FILE = PROJECT_FOLDER / "queries" / "transfers.sql"


@dataclass(frozen=True, slots=True)
class Reads:
    """How a peer reads."""

    get_by_hash: Callable[[str], Awaitable[Any]]
    """One row, by its key."""
    list_since_block: Callable[[int, int], Awaitable[Sequence[Any]]]
    """So many rows from a block on."""
    run_one: Callable[[Statement, Sequence[Any]], Awaitable[Any]] | None = None
    """The row that any statement of a project returns; None where that has no measure."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to read, and how it is opened."""

    name: str
    hands_over: str
    """What a row is with it, in words."""
    needs: tuple[str, ...]
    """Import packages."""
    connection: Callable[[ConnectionTarget], AbstractAsyncContextManager[Reads]]
    """Reads on one connection."""
    pool: Callable[[ConnectionTarget, int], AbstractAsyncContextManager[Reads]] | None
    """Reads on a pool of so many connections; None where it has none of its own."""

    def lacks(self) -> str | None:
        """Why it cannot be run here, None where it can."""
        missing = [name for name in self.needs if find_spec(name) is None]
        return f"{', '.join(missing)} is not installed" if missing else None


def statements_of_project(file: str) -> dict[str, Statement]:
    """Those of one file of the project around this one."""
    return load_statements(PROJECT.root / PROJECT.queries_dir / f"{file}.sql")


def statements() -> dict[str, Statement]:
    """The measured statements as the driver gets them."""
    return load_statements(QUERY_FILE)
