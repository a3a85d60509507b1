"""Constraints of alerts, of the conditions of each type, and of what fired."""

from typing import Any, Final

from tests.db.constraint_cases import NO_ACCOUNT, NO_HASHES, NO_TIMES, TIMES, Case, values
from tests.db.market_cases import (
    NAMES,
    NO_NAMES,
    NO_OBJECTS,
    NO_TIME_FRAMES,
    TIME_FRAMES,
)
from tests.db.rows import ACCOUNT, ALERT, HASH, OTHER_ACCOUNT, OTHER_HASH, TIME

EIP_55: Final = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
NO_NUMBERS: Final = [None, "1", True, [1], {"a": 1}, "NaN"]
NO_TEXTS: Final = [None, 1, True, ["ETH/USD"], {}]
AMOUNTS: Final = [1, 0.000000000000000001, 10**59]
NO_AMOUNTS: Final = [*NO_NUMBERS, 0, -1, 10**80]
CHAINS: Final = [1, 137, 10**18 - 1]
NO_CHAINS: Final = [*NO_NUMBERS, 0, -1, 1.5, 10**18]

Document = dict[str, Any]

VALID: Final[dict[str, Document]] = {
    "large_transfer": {"min_value_eth": 100},
    "address_activity": {"address": EIP_55},
    "price_level": {
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "interval": "1m",
        "direction": "above",
        "price": 2000,
    },
    "pattern": {"symbol": "ETH/USD"},
}


def conditions(alert_type: str, *documents: Any) -> list[dict[str, Any]]:
    return [{"alert_type": alert_type, "conditions": document} for document in documents]


def members(alert_type: str, member: str, *listed: Any) -> list[dict[str, Any]]:
    """Conditions of the type with each of the values as one member."""
    return conditions(alert_type, *(VALID[alert_type] | {member: value} for value in listed))


def without(alert_type: str) -> list[dict[str, Any]]:
    """Conditions of the type, each time without one member of the valid ones."""
    valid = VALID[alert_type]
    return conditions(
        alert_type, *({k: v for k, v in valid.items() if k != member} for member in valid)
    )


def case_of_type(
    alert_type: str, accepted: dict[str, list[Any]], refused: dict[str, list[Any]]
) -> Case:
    return Case(
        "alerts",
        f"alerts_{alert_type}_conditions",
        [
            *conditions(alert_type, VALID[alert_type]),
            *(each for name in accepted for each in members(alert_type, name, *accepted[name])),
        ],
        [
            *without(alert_type),
            *members(alert_type, "unknown", 1, None),
            *(each for name in refused for each in members(alert_type, name, *refused[name])),
        ],
    )


CANDLE: Final[dict[str, Any]] = {
    "exchange": "kraken",
    "symbol": "ETH/USD",
    "interval": "1m",
    "open_time": TIME,
}
PATTERN: Final[dict[str, Any]] = {"pattern_id": ACCOUNT}
NO_TRANSFER: Final[dict[str, Any]] = dict.fromkeys(
    ("chain_id", "block_number", "block_hash", "transaction_hash", "trace_path")
)


def candle(**changed: Any) -> dict[str, Any]:
    return NO_TRANSFER | CANDLE | changed


# The row that stands already where a key is not of the valid one.
PRESENT: Final[dict[str, dict[str, Any]]] = {
    "idx_alert_events_candle": candle(),
    "idx_alert_events_pattern": NO_TRANSFER | PATTERN,
}

CASES = [
    Case(
        "alerts",
        "alerts_alert_type_known",
        [each for name in VALID for each in conditions(name, VALID[name])],
        values("alert_type", "", "whale_transfer", "Pattern", "price_level "),
    ),
    Case(
        "alerts",
        "alerts_conditions_object",
        values("conditions", {"min_value_eth": 100}),
        values("conditions", *NO_OBJECTS),
    ),
    Case(
        "alerts",
        "alerts_updated_at_range",
        values("updated_at", *TIMES),
        values("updated_at", *NO_TIMES),
    ),
    case_of_type(
        "large_transfer",
        {"min_value_eth": AMOUNTS, "chain_id": CHAINS},
        {"min_value_eth": NO_AMOUNTS, "chain_id": NO_CHAINS, "address": [EIP_55]},
    ),
    case_of_type(
        "address_activity",
        {
            "address": [EIP_55.lower()],
            "direction": ["from", "to", "any"],
            "min_value_eth": AMOUNTS,
            "chain_id": CHAINS,
        },
        {
            "address": [*NO_TEXTS, "", EIP_55[:-1], EIP_55 + "a", EIP_55 + "\n", "0X" + EIP_55[2:]],
            "direction": [*NO_TEXTS, "", "both", "FROM"],
            "min_value_eth": NO_AMOUNTS,
            "chain_id": NO_CHAINS,
        },
    ),
    case_of_type(
        "price_level",
        {
            "exchange": ["x" * 50],
            "symbol": ["x" * 100],
            "interval": TIME_FRAMES,
            "direction": ["above", "below"],
            "price": [0, -13311.5, 0.00000001485, 99999999999999],
        },
        {
            "exchange": [*NO_TEXTS, "", "x" * 51],
            "symbol": [*NO_TEXTS, "", "x" * 101],
            "interval": [*NO_TEXTS, *NO_TIME_FRAMES],
            "direction": [*NO_TEXTS, "", "at", "ABOVE"],
            "price": [*NO_NUMBERS, 10**80],
        },
    ),
    case_of_type(
        "pattern",
        {
            "symbol": ["x" * 100],
            "exchange": ["x" * 50],
            "pattern_type": NAMES,
            "time_frame": TIME_FRAMES,
            "min_confidence": [0, 0.5, 1],
        },
        {
            "symbol": [*NO_TEXTS, "", "x" * 101],
            "exchange": [*NO_TEXTS, "", "x" * 51],
            "pattern_type": [*NO_TEXTS, *NO_NAMES],
            "time_frame": [*NO_TEXTS, *NO_TIME_FRAMES],
            "min_confidence": [*NO_NUMBERS, -0.1, 1.1],
        },
    ),
    Case("alerts", "alerts_pkey", [{"id": OTHER_ACCOUNT}], [{"id": ACCOUNT}]),
    Case(
        "alerts",
        "alerts_user_id_fkey",
        values("user_id", ACCOUNT, OTHER_ACCOUNT),
        values("user_id", NO_ACCOUNT),
    ),
    Case(
        "alert_events",
        "alert_events_transfer_complete",
        [{}, candle(), NO_TRANSFER | PATTERN],
        [
            candle(chain_id=None, **{name: value})
            for name, value in (
                ("block_number", 1),
                ("block_hash", HASH),
                ("transaction_hash", HASH),
                ("trace_path", ""),
            )
        ],
    ),
    Case(
        "alert_events",
        "alert_events_candle_complete",
        [candle()],
        [
            candle(open_time=None) | PATTERN,
            *(candle(**{name: None}) for name in ("exchange", "symbol", "interval")),
        ],
    ),
    Case(
        "alert_events",
        "alert_events_row_given",
        [candle(), NO_TRANSFER | PATTERN],
        [NO_TRANSFER, PATTERN, CANDLE, candle(**PATTERN), CANDLE | PATTERN],
    ),
    Case(
        "alert_events",
        "alert_events_chain_id_positive",
        values("chain_id", 1, 2**63 - 1),
        values("chain_id", 0, -1),
    ),
    Case(
        "alert_events",
        "alert_events_block_number_not_negative",
        values("block_number", 0),
        values("block_number", -1),
    ),
    Case(
        "alert_events",
        "alert_events_block_hash_format",
        values("block_hash", HASH),
        values("block_hash", *NO_HASHES),
    ),
    Case(
        "alert_events",
        "alert_events_transaction_hash_format",
        values("transaction_hash", HASH),
        values("transaction_hash", *NO_HASHES),
    ),
    Case(
        "alert_events",
        "alert_events_trace_path_format",
        values("trace_path", "", "0", "0_1_20"),
        values("trace_path", "_", "0_", "a", "0.1", "0\n"),
    ),
    Case(
        "alert_events",
        "alert_events_exchange_length",
        [candle(exchange="x" * 50)],
        [candle(exchange=""), candle(exchange="x" * 51)],
    ),
    Case(
        "alert_events",
        "alert_events_symbol_length",
        [candle(symbol="x" * 100)],
        [candle(symbol=""), candle(symbol="x" * 101)],
    ),
    Case(
        "alert_events",
        "alert_events_interval_known",
        [candle(interval=each) for each in TIME_FRAMES],
        [candle(interval=each) for each in NO_TIME_FRAMES],
    ),
    Case(
        "alert_events",
        "alert_events_pkey",
        [{"id": OTHER_ACCOUNT, "trace_path": "0"}],
        [{"id": ACCOUNT, "trace_path": "0"}],
    ),
    Case(
        "alert_events",
        "alert_events_alert_id_fkey",
        values("alert_id", ALERT),
        values("alert_id", NO_ACCOUNT),
    ),
    Case(
        "alert_events",
        "idx_alert_events_transfer",
        [
            {"chain_id": 10},
            {"block_hash": HASH},
            {"transaction_hash": OTHER_HASH},
            {"trace_path": "0"},
        ],
        [{}, {"block_number": 1}, {"retracted_at": TIME}],
    ),
    Case(
        "alert_events",
        "idx_alert_events_candle",
        [
            candle(exchange="bitmex"),
            candle(symbol="BTC/USD"),
            candle(interval="3m"),
            candle(open_time="2026-11-15T12:01:00Z"),
        ],
        [candle()],
    ),
    Case(
        "alert_events",
        "idx_alert_events_pattern",
        [NO_TRANSFER | {"pattern_id": OTHER_ACCOUNT}],
        [NO_TRANSFER | PATTERN],
    ),
]
