"""The setting that older gateways put the user into, left behind in every session.

A module of its own: the sessions behind PgBouncer begin after the setting is there.
"""

import asyncpg
import pytest

from tests.security import attempts
from tests.security.attempts import changed
from tests.security.conftest import Opener
from tests.security.people import ALERT_OF_ALICE, ALERT_OF_BOB, ALICE, BOB
from whaledb.queries import alerts

SETTING = '"request.jwt.claim.sub"'


@pytest.mark.case(8)
async def test_a_legacy_claim_is_ignored(connect_app: Opener, owner: asyncpg.Connection) -> None:
    database = await owner.fetchval("SELECT quote_ident(current_database())")
    async with (
        changed(
            owner,
            f"ALTER DATABASE {database} SET {SETTING} = '{BOB}'",
            f"ALTER DATABASE {database} RESET {SETTING}",
        ),
        connect_app() as app,
    ):
        async with app.as_user(ALICE) as tx:
            assert await attempts.value(tx, "SELECT auth.uid()") == ALICE
            assert [row.id for row in await alerts.list_mine(tx, max_rows=10)] == [ALERT_OF_ALICE]
        async with app.as_user(None, role="anon") as tx:
            assert await attempts.value(tx, "SELECT auth.uid()") is None
        # The control: without that it decides, whatever the claims say.
        async with app.transaction() as tx:
            await attempts.take_on_by_hand(tx, ALICE)
            assert await attempts.value(tx, "SELECT auth.uid()") == BOB
            assert [row.id for row in await alerts.list_mine(tx, max_rows=10)] == [ALERT_OF_BOB]
