"""One unit of work in one transaction, tried again where another try can do better."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec

from typedsql.database import Database, Transaction
from typedsql.errors import DataError, Error, TransientError
from whaledb.queries import blocks

# Two writers of one block meet briefly; one that still fails after this has another cause.
MAX_STORE_ATTEMPTS: Final = 8

_CANONICAL_KEY: Final = "idx_blocks_canonical_number"

_T = TypeVar("_T")


class Attempt(msgspec.Struct, frozen=True):
    """How a unit of work is tried.

    `may_orphan`: the chain is locked against every other writer, so that blocks may be
    orphaned and restored; else beside those who add blocks. `row_by_row`: the database
    refused a row, so that rows are written such that each is refused alone.
    """

    may_orphan: bool = False
    row_by_row: bool = False

    async def lock(
        self, tx: Transaction, *, chain_id: int, first_number: int, last_number: int
    ) -> None:
        """Takes the chain's lock for blocks of these numbers, both included."""
        if self.may_orphan:
            await blocks.lock_exclusive(tx, chain_id=chain_id)
        else:
            await blocks.lock_shared(
                tx, chain_id=chain_id, first_number=first_number, last_number=last_number
            )


class ExclusiveNeeded(Exception):
    """Blocks have to be orphaned or restored: the work is to be tried with `may_orphan`."""


class LookAgain(Error):
    """What the work was decided on is not as it was: only the caller can decide again.

    No TransientError, as the same work again would come to the same. Nothing was stored.
    """


async def attempt(db: Database, work: Callable[[Transaction, Attempt], Awaitable[_T]]) -> _T:
    """Does `work` in a transaction of its own.

    Raises:
        DataError: the database refuses something that cannot be left out; nothing was
            stored.
        TransientError: other writers got in the way too often.
        LookAgain: what the work was decided on is not as it was.
        ConnectionLost: again and again; OutcomeUnknown where it is not known what is stored.
    """
    how = Attempt()
    while True:
        try:
            # Read committed: what is read after a lock was waited for is what its holder left.
            return await db.run_transaction(
                partial(_once, work, how),
                isolation="read_committed",
                attempts=MAX_STORE_ATTEMPTS,
            )
        except ExclusiveNeeded:
            # The shared lock cannot be raised: two that hold it would wait for each other.
            how = msgspec.structs.replace(how, may_orphan=True)
        except DataError:
            if how.row_by_row:
                raise
            how = msgspec.structs.replace(how, row_by_row=True)


async def _once(
    work: Callable[[Transaction, Attempt], Awaitable[_T]], how: Attempt, tx: Transaction
) -> _T:
    try:
        return await work(tx, how)
    except DataError as refusal:
        if refusal.constraint != _CANONICAL_KEY:
            raise
        raise TransientError(
            "another writer has just made a block canonical at this height: look again",
            query=refusal.query,
            sqlstate=refusal.sqlstate,
        ) from refusal
