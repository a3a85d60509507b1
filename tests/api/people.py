"""Two people and their rows, and rows that everybody may read."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

import asyncpg

from tests.db import rows
from typedsql.settings import ConnectionTarget

CANARY: Final = "somebody-elses-text"
"""In every text of the other person's rows. Whoever else sees it has seen those rows."""
SNAKE_CANARY: Final = "somebody_elses_text"
"""The same where only snake_case is allowed."""
WHALES: Final = 7
ALERTS: Final = 5


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and the ids of what belongs to it."""

    id: UUID = field(default_factory=uuid4)
    alerts: list[UUID] = field(default_factory=list)
    events: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class People:
    """The one who asks, and the other one, of whom that one must not hear."""

    asking: Person = field(default_factory=Person)
    other: Person = field(default_factory=Person)

    def marks(self) -> frozenset[str]:
        """What only rows of the other one have in them."""
        ids = (self.other.id, *self.other.alerts, *self.other.events)
        return frozenset({CANARY, SNAKE_CANARY, *map(str, ids)})


def _conditions(kind: str, text: str, snake: str) -> dict[str, object]:
    conditions: dict[str, dict[str, object]] = {
        "large_transfer": {"min_value_eth": 12345},
        "address_activity": {"address": rows.ADDRESS},
        "price_level": {
            "exchange": text,
            "symbol": text,
            "interval": "1h",
            "direction": "above",
            "price": 12345,
        },
        "pattern": {"symbol": text, "exchange": text, "pattern_type": snake},
    }
    return conditions[kind]


async def settle(connection: asyncpg.Connection) -> People:
    """Two people with a profile, alerts of each kind and events each."""
    people = People()
    await _furnish(connection, people.asking, text="Europe/Zurich", snake="order_block")
    await _furnish(connection, people.other, text=CANARY, snake=SNAKE_CANARY)
    return people


async def _furnish(
    connection: asyncpg.Connection, person: Person, *, text: str, snake: str
) -> None:
    await connection.execute("INSERT INTO auth.users (id) VALUES ($1)", person.id)
    await rows.insert(
        connection,
        "users",
        id=str(person.id),
        display_name=text,
        preferences={"time_zone": text},
    )
    kinds = ("large_transfer", "address_activity", "price_level", "pattern", "pattern")
    for kind in kinds[:ALERTS]:
        alert = await rows.insert(
            connection,
            "alerts",
            user_id=str(person.id),
            alert_type=kind,
            conditions=_conditions(kind, text, snake),
        )
        person.alerts.append(alert["id"])
        event = await rows.insert(
            connection,
            "alert_events",
            alert_id=str(alert["id"]),
            user_id=str(person.id),
            **(dict.fromkeys(_OF_A_TRANSFER) | _candle(text)),
        )
        person.events.append(event["id"])


_OF_A_TRANSFER: Final = (
    "chain_id",
    "block_number",
    "block_hash",
    "transaction_hash",
    "trace_path",
)


def _candle(text: str) -> dict[str, object]:
    return {"exchange": text, "symbol": text, "interval": "1h", "open_time": rows.TIME}


def transaction_hash(number: int) -> str:
    """The hash of a stored transfer, by its number from 0 to WHALES - 1."""
    return f"0x{0xABC0 + number:064x}"


async def trade(connection: asyncpg.Connection) -> None:
    """Transfers, levels, patterns and candles; half of them at the same time as another."""
    await connection.execute(
        "SELECT public.ensure_market_data_months($1::TEXT::TIMESTAMPTZ, $1::TEXT::TIMESTAMPTZ)",
        rows.TIME,
    )
    for number in range(WHALES):
        moment = f"2026-11-15T12:{number // 2:02}:00Z"
        await rows.insert(
            connection,
            "whale_transactions",
            hash=transaction_hash(number),
            block_timestamp=moment,
            value_eth=str(100 + number),
        )
        await rows.insert(
            connection,
            "smc_patterns",
            detected_at=moment,
            price_level=str(1900 + number),
        )
        await rows.insert(connection, "liquidity_zones", price_level=str(1900 + number))
        await rows.insert(connection, "market_data", open_time=f"2026-11-15T12:{number:02}:00Z")


async def prepare(target: ConnectionTarget) -> People:
    """Rows of two people and of the market."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await trade(connection)
        return await settle(connection)
    finally:
        await connection.close()
