"""Accounts in auth.users, which profiles and alerts hang on, and acting as one of them."""

from typing import Final
from uuid import UUID

from typedsql.database import Database, Transaction
from whaledb.queries import users

ALICE: Final = UUID("a11ce000-0000-4000-8000-000000000001")
BOB: Final = UUID("b0b00000-0000-4000-8000-000000000002")


async def make_accounts(db: Database, *ids: UUID) -> None:
    for account in ids:
        assert await users.merge_account(db, id=account) == 1


async def act_as(tx: Transaction, user_id: UUID | None) -> None:
    """Until the transaction ends, as the API does it; None is a request without a user."""
    await users.act_as(tx, user_id=user_id)
