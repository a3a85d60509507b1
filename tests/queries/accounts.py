"""Accounts in auth.users, which profiles and alerts hang on."""

from typing import Final
from uuid import UUID

from typedsql.database import Database
from whaledb.queries import users

ALICE: Final = UUID("a11ce000-0000-4000-8000-000000000001")
BOB: Final = UUID("b0b00000-0000-4000-8000-000000000002")


async def make_accounts(db: Database, *ids: UUID) -> None:
    for account in ids:
        assert await users.merge_account(db, id=account) == 1
