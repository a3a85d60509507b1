"""Preferences that are allowed, and those that are not, as JSON documents."""

from typing import Any, Final

NO_NUMBERS: Final = [None, "1", True, [1], {"a": 1}]
NO_TEXTS: Final = [None, 1, True, ["USD"], {}, ""]


def members(member: str, *listed: Any) -> list[dict[str, Any]]:
    return [{member: value} for value in listed]


WHOLE: Final[dict[str, Any]] = {
    "quote_currency": "CHF",
    "time_zone": "America/Argentina/Buenos_Aires",
    "min_value_eth": 0.5,
    "chain_id": 137,
    "notify_by": ["webhook", "email", "push"],
}
ACCEPTED: Final[list[dict[str, Any]]] = [
    {},
    WHOLE,
    *members("quote_currency", "USD", "ETH", "1INCH", "A" * 10),
    *members("time_zone", "UTC", "Etc/GMT+12", "Etc/GMT-1", "EST5EDT", "A" + "b" * 63),
    *members("min_value_eth", 1, 0.000000000000000001, 10**79),
    *members("chain_id", 1, 10**18 - 1),
    *members("notify_by", [], ["email"], ["push"], ["webhook"], ["push", "email"]),
]
REFUSED: Final[list[dict[str, Any]]] = [
    *members("theme", "dark", None),
    WHOLE | {"": 1},
    *members("quote_currency", *NO_TEXTS, "US", "usd", "A" * 11, "USD\n", "US D", "ÄÖÜ"),
    *members("time_zone", *NO_TEXTS, "/UTC", "UTC/", "Europe//Zurich", "+01:00", "U\nTC", "UTC\n"),
    *members("time_zone", "Europe/Zürich", "A" + "b" * 64, "../etc/passwd"),
    *members("min_value_eth", *NO_NUMBERS, "NaN", 0, -1, 10**80),
    *members("chain_id", *NO_NUMBERS, 0, -1, 1.5, 10**18),
    *members("notify_by", *NO_NUMBERS, "email", {"email": 1}, [1], [None], [[]], [["email"]]),
    *members("notify_by", ["email", "email"], ["sms"], ["email", "sms"], ["EMAIL"], [{}]),
    *members("notify_by", ["push", "email", "push"], ["email", "push", "webhook", "sms"]),
]
