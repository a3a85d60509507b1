"""Two people, of whom one tries to reach what is the other's, and what they own."""

from typing import Any, Final
from uuid import UUID

import asyncpg

ALICE: Final = UUID("a11ce000-0000-4000-8000-000000000001")
BOB: Final = UUID("b0b00000-0000-4000-8000-000000000002")
ALERT_OF_ALICE: Final = UUID("a1e57000-0000-4000-8000-000000000001")
ALERT_OF_BOB: Final = UUID("a1e57000-0000-4000-8000-000000000002")
PATTERN: Final = UUID("9a77e000-0000-4000-8000-000000000001")

ALERT: Final[dict[str, Any]] = {
    "alert_type": "large_transfer",
    "conditions": {"min_value_eth": 500},
    "enabled": True,
}
"""What an alert asks for, as the generated functions take it."""

OWNED: Final = {"users": "id", "alerts": "user_id", "alert_events": "user_id"}
"""The tables whose rows belong to somebody, and the column that says to whom."""

_SETTLE: Final = f"""
WITH people (id, alert_id) AS (
    VALUES
        ('{ALICE}'::UUID, '{ALERT_OF_ALICE}'::UUID),
        ('{BOB}'::UUID, '{ALERT_OF_BOB}'::UUID)
),
accounts AS (
    INSERT INTO auth.users (id) SELECT p.id FROM people AS p
),
profiles AS (
    INSERT INTO public.users (id) SELECT p.id FROM people AS p
),
alerts AS (
    INSERT INTO public.alerts (id, user_id, alert_type, conditions)
    SELECT p.alert_id, p.id, 'large_transfer', '{{"min_value_eth": 500}}' FROM people AS p
)
INSERT INTO public.alert_events (alert_id, user_id, pattern_id)
SELECT p.alert_id, p.id, '{PATTERN}'::UUID FROM people AS p
"""


async def settle(owner: asyncpg.Connection) -> None:
    """Each has an account, a profile, an alert and an event of it; nobody else has anything."""
    async with owner.transaction():
        await owner.execute("DELETE FROM auth.users")
        await owner.execute(_SETTLE)
