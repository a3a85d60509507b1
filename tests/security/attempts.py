"""What somebody tries: statements that no file holds, and the protection taken away for a while."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg

from tests.engine.raw_statements import statement
from tests.security.people import ALERT_OF_BOB, BOB
from typedsql.database import Database, Transaction
from typedsql.query import Affected, Executor, as_fetched
from whaledb.queries import alerts


def _numbered(arguments: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(f"p{number}" for number in range(1, len(arguments) + 1))


async def fetch(db: Executor, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """The rows of a statement made by hand, past the generator, which refuses much of this."""
    return await db.fetch_all(statement(sql, *_numbered(arguments)), arguments, as_fetched)


async def value(db: Executor, sql: str, *arguments: object) -> Any:
    """The first column of the first row of a statement made by hand."""
    rows = await fetch(db, sql, *arguments)
    return rows[0][0] if rows else None


async def execute(db: Executor, sql: str, *arguments: object) -> int:
    """How many rows a statement made by hand has affected."""
    return await Affected(statement(sql, *_numbered(arguments))).run(db, *arguments)


async def reach_for_bobs(db: Executor) -> tuple[int, int, int]:
    """How many of Bob's alerts can be read, updated and deleted; what is done stays done."""
    listed = await alerts.list_by_user(db, user_id=BOB, max_rows=10)
    found = await alerts.get(db, id=ALERT_OF_BOB)
    assert (found is not None) == bool(listed), "both read the same table"
    updated = await alerts.update_enabled(db, id=ALERT_OF_BOB, enabled=False)
    return len(listed), updated, await alerts.delete(db, id=ALERT_OF_BOB)


async def take_on_by_hand(db: Executor, user: UUID | None, role: str = "authenticated") -> None:
    """What as_user does at least, without its rules: for claims and roles that it refuses."""
    await claim(db, f'{{"sub": "{user}", "role": "{role}"}}' if user else "{}", role=role)


async def claim(db: Executor, claims: str | None, *, role: str = "authenticated") -> None:
    """Run the rest of a transaction under `role`, with any text as its claims; None is unset."""
    if claims is not None:
        await fetch(db, "SELECT set_config('request.jwt.claims', $1, TRUE)", claims)
    await fetch(db, "SELECT set_config('role', $1, TRUE)", role)


class _Undone(Exception):
    """Ends a transaction that leaves nothing behind."""


@asynccontextmanager
async def undone(app: Database) -> AsyncGenerator[Transaction]:
    """A transaction of the application's own login that is rolled back at its end.

    For controls that set something for the session, which a pooler's next client would find.
    """
    with suppress(_Undone):
        async with app.transaction() as tx:
            yield tx
            raise _Undone


@asynccontextmanager
async def changed(owner: asyncpg.Connection, change: str, undo: str) -> AsyncGenerator[None]:
    """The database with `change` in it, for the control of a case; `undo` takes it out again."""
    await owner.execute(change)
    try:
        yield
    finally:
        await owner.execute(undo)


def unprotected(owner: asyncpg.Connection, table: str) -> Any:
    """The database with no row level security on one table."""
    return changed(
        owner,
        f"ALTER TABLE public.{table} DISABLE ROW LEVEL SECURITY",
        f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY",
    )
