"""Accounts in auth.users, which profiles and alerts hang on, and acting as one of them."""

import json
from typing import Final
from uuid import UUID

from typedsql.database import Database, Transaction
from typedsql.query import Statement

ALICE: Final = UUID("a11ce000-0000-4000-8000-000000000001")
BOB: Final = UUID("b0b00000-0000-4000-8000-000000000002")

_ACT_AS: Final = Statement(
    name="tests.act_as",
    sql=(
        "SELECT set_config('request.jwt.claims', $1, true) AS claims,"
        " set_config('role', 'authenticated', true) AS role"
    ),
    suffix="^",
    parameters=("claims",),
    declared=("claims",),
    prose="",
    directives={},
    location="tests/queries/accounts.py",
    columns=(("claims", "text"), ("role", "text")),
)


async def make_accounts(db: Database, *ids: UUID) -> None:
    async with db.connection() as connection:
        await connection.executemany("INSERT INTO auth.users (id) VALUES ($1)", [(i,) for i in ids])


async def act_as(tx: Transaction, user_id: UUID | None) -> None:
    """Until the transaction ends, as the API does it; None is a request without a user."""
    claims = {"role": "authenticated"} | ({"sub": str(user_id)} if user_id else {})
    await tx.fetch_one(_ACT_AS, [json.dumps(claims)])
