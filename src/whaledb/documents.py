"""The JSON documents that JSONB columns hold.

Named in pyproject.toml under [tool.typedsql.documents]; the generator writes the
reference into the rows, the engine decodes each document with msgspec.
"""

import re
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct

MAX_CHAIN_ID: Final = 10**18 - 1
MAX_NUMBER_LENGTH: Final = 80
"""Characters of a number in a document, written without an exponent."""
MAX_TIME_ZONE_LENGTH: Final = 64

_CURRENCY: Final = re.compile("[A-Z0-9]{3,10}")
_TIME_ZONE: Final = re.compile("[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")

JSONObject = dict[str, Any]
"""A JSON object of any shape. Numbers with a fraction or exponent decode to Decimal."""

ALERT_TYPE: Final = "alert_type"
"""The member that tells which conditions a document holds. It is a column of alerts, and not
stored in their conditions again."""

TimeFrame = Literal[
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"
]  # fmt: skip


class LargeTransfer(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field=ALERT_TYPE,
    tag="large_transfer",
):
    """Conditions of an alert of type large_transfer: any transfer of at least a value."""

    min_value_eth: Decimal
    """Ether (the chain's native unit), above 0; a transfer of exactly this fires."""
    chain_id: int | None = None
    """EIP-155 number of the chain; None is every chain."""


class AddressActivity(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field=ALERT_TYPE,
    tag="address_activity",
):
    """Conditions of an alert of type address_activity: transfers of one address."""

    address: str
    """0x and 40 hexadecimal digits in any case, as of EIP-55; case does not count."""
    direction: Literal["from", "to", "any"] = "any"
    """Whether the address is to be the sender, the recipient, or either."""
    min_value_eth: Decimal | None = None
    """Ether (the chain's native unit), above 0; None is any amount, 0 included."""
    chain_id: int | None = None
    """EIP-155 number of the chain; None is every chain."""


class PriceLevel(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field=ALERT_TYPE,
    tag="price_level",
):
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


class Pattern(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field=ALERT_TYPE,
    tag="pattern",
):
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
"""What an alert asks for, told apart by alert_type. The database checks the same, and the limits
of each value."""

NotificationChannel = Literal["email", "push", "webhook"]


class Preferences(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an account chose; the default of a member stands for what it did not choose.

    The database checks the same.

    Raises:
        ValueError: a member is outside of what its own docstring says. The message names the
            member and not its value.
    """

    quote_currency: str = "USD"
    """Code of the currency to show values in: 3 to 10 upper-case letters or digits."""
    time_zone: str = "UTC"
    """Name of the IANA time zone to show times in, at most 64 characters, such as Europe/Zurich.
    Whether there is such a zone is for whoever shows times to say: zones come and go."""
    min_value_eth: Decimal | None = None
    """Ether (the chain's native unit), above 0, in at most 80 characters without an exponent: the
    transfers that lists show, as long as nothing else is asked for. None is every transfer."""
    chain_id: int | None = None
    """EIP-155 number of the chain to show, at most 18 digits; None is every chain."""
    notify_by: tuple[NotificationChannel, ...] = ()
    """Ways to be told of an alert that fires, each once, in order of preference; () is none."""

    def __post_init__(self) -> None:
        """Also what msgspec calls for a document that it reads."""
        for member, allowed in (
            ("quote_currency", _CURRENCY.fullmatch(self.quote_currency) is not None),
            ("time_zone", _is_time_zone(self.time_zone)),
            ("min_value_eth", self.min_value_eth is None or _is_amount(self.min_value_eth)),
            ("chain_id", self.chain_id is None or 0 < self.chain_id <= MAX_CHAIN_ID),
            ("notify_by", len(set(self.notify_by)) == len(self.notify_by)),
        ):
            if not allowed:
                raise ValueError(f"{member} is not what Preferences allows; see its docstring")


def _is_time_zone(name: str) -> bool:
    return len(name) <= MAX_TIME_ZONE_LENGTH and _TIME_ZONE.fullmatch(name) is not None


def _is_amount(value: Decimal) -> bool:
    """Whether an amount is above 0 and PostgreSQL writes it in so many characters."""
    if not value.is_finite() or value <= 0:
        return False
    # Looked at first: format would write out 10**999999.
    if not -MAX_NUMBER_LENGTH < value.adjusted() < MAX_NUMBER_LENGTH:
        return False
    return len(f"{value:f}") <= MAX_NUMBER_LENGTH
