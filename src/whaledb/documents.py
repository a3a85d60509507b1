"""The JSON documents that JSONB columns hold.

Named in pyproject.toml under [tool.typedsql.documents]; the generator writes the
reference into the rows, the engine decodes each document with msgspec.
"""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

JSONObject = dict[str, Any]
"""A JSON object of any shape. Numbers with a fraction or exponent decode to Decimal."""

TimeFrame = Literal[
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"
]  # fmt: skip


class LargeTransfer(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Conditions of an alert of type large_transfer: any transfer of at least a value."""

    min_value_eth: Decimal
    """Ether (the chain's native unit), above 0; a transfer of exactly this fires."""
    chain_id: int | None = None
    """EIP-155 number of the chain; None is every chain."""


class AddressActivity(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Conditions of an alert of type address_activity: transfers of one address."""

    address: str
    """0x and 40 hexadecimal digits in any case, as of EIP-55; case does not count."""
    direction: Literal["from", "to", "any"] = "any"
    """Whether the address is to be the sender, the recipient, or either."""
    min_value_eth: Decimal | None = None
    """Ether (the chain's native unit), above 0; None is any amount, 0 included."""
    chain_id: int | None = None
    """EIP-155 number of the chain; None is every chain."""


class PriceLevel(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Conditions of an alert of type price_level: a price that crosses a level of a chart."""

    exchange: str
    """Name of the exchange, 1 to 50 characters."""
    symbol: str
    """Name of the instrument as the exchange writes it, 1 to 100 characters."""
    interval: TimeFrame
    """Length of the chart's candles."""
    direction: Literal["above", "below"]
    """Where the price goes: above fires when it reaches the level from below it."""
    price: Decimal
    """Quote currency of the symbol; negative for some spreads."""


class Pattern(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Conditions of an alert of type pattern: a new active pattern of an instrument."""

    symbol: str
    """Name of the instrument as the exchange writes it, 1 to 100 characters."""
    exchange: str | None = None
    """Name of the exchange, 1 to 50 characters; None is every exchange."""
    pattern_type: str | None = None
    """Kind of pattern in snake_case; None is every kind."""
    time_frame: TimeFrame | None = None
    """Length of the bars; None is every length."""
    min_confidence: Decimal | None = None
    """0 to 1; None is any, also a pattern of which the detector gave no confidence."""


AlertConditions = LargeTransfer | AddressActivity | PriceLevel | Pattern
"""What an alert asks for. The database checks the same, and the limits of each value."""
