"""Alerts that were there before their conditions had types."""

import asyncpg
import pytest

from tests.db.migration_runs import FILES, section
from tests.db.rows import ACCOUNT, ALERT, OTHER_ACCOUNT, insert, prepare

pytestmark = pytest.mark.versions

(TYPED,) = (path for path in FILES if path.name.endswith("_typed_alert_conditions.sql"))
OLD = "20200101"


@pytest.fixture
async def before(connection: asyncpg.Connection) -> asyncpg.Connection:
    """A database without the migration, with one alert of the earlier example type."""
    await connection.execute(section(TYPED, "down"))
    await prepare(connection)
    await connection.execute(
        "UPDATE public.alerts"
        " SET alert_type = 'whale_transfer', updated_at = $1::TEXT::TIMESTAMPTZ",
        OLD,
    )
    return connection


async def migrate(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute(section(TYPED, "up"))


async def kinds(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch("SELECT id::TEXT, alert_type FROM public.alerts")
    return {row[0]: row[1] for row in rows}


async def test_the_earlier_type_becomes_the_one_it_meant(before: asyncpg.Connection) -> None:
    await insert(
        before,
        "alerts",
        id=ACCOUNT,
        alert_type="pattern",
        conditions={"symbol": "ETH"},
        updated_at=OLD,
    )
    await migrate(before)
    assert await kinds(before) == {ALERT: "large_transfer", ACCOUNT: "pattern"}
    changed = await before.fetch(
        "SELECT id::TEXT FROM public.alerts WHERE updated_at > $1::TEXT::TIMESTAMPTZ", OLD
    )
    assert [row[0] for row in changed] == [ALERT]


@pytest.mark.parametrize(
    ("alert_type", "conditions"),
    [
        ("whale_transfer", {}),
        ("whale_transfer", {"min_value_eth": "500"}),
        ("depth", {"min_value_eth": 500}),
        ("large_transfer", {"min_value_eth": 500, "note": "secret"}),
        ("price_level", {}),
    ],
)
async def test_what_fits_no_type_stops_the_migration(
    before: asyncpg.Connection, alert_type: str, conditions: dict[str, object]
) -> None:
    await insert(before, "alerts", id=OTHER_ACCOUNT, alert_type=alert_type, conditions=conditions)
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await migrate(before)
    assert str(refusal.value) == (
        "Alerts with a type or conditions that are not allowed from now on: 1. Correct or delete"
        f" them in public.alerts and migrate again. Ids of at most 10 of them: {OTHER_ACCOUNT}"
    )
    assert await kinds(before) == {ALERT: "whale_transfer", OTHER_ACCOUNT: alert_type}
    await before.execute("DELETE FROM public.alerts WHERE id = $1", OTHER_ACCOUNT)
    await migrate(before)
    assert await kinds(before) == {ALERT: "large_transfer"}


async def test_ten_of_many_are_named(before: asyncpg.Connection) -> None:
    await before.execute(
        "INSERT INTO public.alerts (user_id, alert_type, conditions)"
        " SELECT $1, 'depth', '{}' FROM generate_series(1, 12)",
        ACCOUNT,
    )
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await migrate(before)
    assert "not allowed from now on: 12." in str(refusal.value)
    assert len(str(refusal.value).rpartition(": ")[2].split(", ")) == 10
