"""Constraints of the market tables and of profiles."""

from typing import Any

from tests.db import preference_cases
from tests.db.constraint_cases import (
    NO_ACCOUNT,
    NO_TIMES,
    NOT_FINITE,
    TIMES,
    WEI,
    Case,
    values,
)
from tests.db.rows import ACCOUNT, OTHER_ACCOUNT, TIME, VALID

MINUTES = ["1m", "3m", "5m", "15m", "30m"]
TIME_FRAMES = [*MINUTES, "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
NO_TIME_FRAMES = ["", "1s", "60", "1H", "2w", "1 m", "1mo"]
NO_OBJECTS = [[], [{}], "text", 1, True]
NAMES = ["order_block", "a", "x1_y2", "a" * 50]
NO_NAMES = ["", "Order_block", "1st", "_x", "order block", "a" * 51, "order-block", "a\n"]


def candle(open_: str, high: str, low: str, close: str) -> dict[str, Any]:
    return {"open": open_, "high": high, "low": low, "close": close}


CASES = [
    Case(
        "liquidity_zones",
        "liquidity_zones_price_level_finite",
        values("price_level", "-13311.5", "0", "0.00000001485", "99999999999999.000"),
        values("price_level", *NOT_FINITE),
    ),
    Case(
        "liquidity_zones",
        "liquidity_zones_size_range",
        values("size", WEI, "24999997500"),
        values("size", "0", "-1", *NOT_FINITE),
    ),
    Case(
        "liquidity_zones",
        "liquidity_zones_side_known",
        values("side", "bid", "ask"),
        values("side", "buy", "BID", "b", "", "bid "),
    ),
    Case(
        "liquidity_zones",
        "liquidity_zones_strength_range",
        values("strength", "0", "1", None),
        values("strength", "-0.0001", "1.0001", "NaN"),
    ),
    Case(
        "liquidity_zones",
        "liquidity_zones_exchange_length",
        values("exchange", "x", "é" * 50),
        values("exchange", "", "x" * 51),
    ),
    Case(
        "liquidity_zones",
        "liquidity_zones_symbol_length",
        values("symbol", "1000PEPE-USDT-PERPETUAL", "BTC-CS-19MAY26-70000_75000", "x" * 100),
        values("symbol", "", "x" * 101),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_exchange_length",
        values("exchange", "x" * 50),
        values("exchange", "", "x" * 51),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_symbol_length",
        values("symbol", "x" * 100),
        values("symbol", "", "x" * 101),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_pattern_type_format",
        values("pattern_type", *NAMES),
        values("pattern_type", *NO_NAMES),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_time_frame_known",
        values("time_frame", *TIME_FRAMES),
        values("time_frame", *NO_TIME_FRAMES),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_detected_at_finite",
        values("detected_at", TIME),
        values("detected_at", "infinity", "-infinity"),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_price_level_finite",
        values("price_level", "-13311.5", "0.0000026071"),
        values("price_level", *NOT_FINITE),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_confidence_score_range",
        values("confidence_score", "0", "1", None),
        values("confidence_score", "-0.0001", "1.0001", "NaN"),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_status_known",
        values("status", "active", "mitigated", "invalidated", "expired"),
        values("status", "", "ACTIVE", "closed"),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_metadata_object",
        values("metadata", {}, {"top": 1, "list": []}, None),
        values("metadata", *NO_OBJECTS),
    ),
    Case(
        "smc_patterns",
        "smc_patterns_natural_key",
        [
            {"symbol": "BTC/USD"},
            {"exchange": "bitmex"},
            {"time_frame": "4h"},
            {"pattern_type": "fair_value_gap"},
            {"detected_at": "2026-11-15T13:00:00Z"},
            {"price_level": "1900.51"},
        ],
        [{}, {"price_level": "1900.500"}, {"status": "expired", "confidence_score": "1"}],
    ),
    Case(
        "users",
        "users_display_name_length",
        values("display_name", "x", "é" * 200, None),
        values("display_name", "", "x" * 201),
    ),
    Case(
        "users",
        "users_preferences_object",
        values("preferences", {}),
        values("preferences", *NO_OBJECTS),
    ),
    Case(
        "users",
        "users_preferences_shape",
        values("preferences", *preference_cases.ACCEPTED),
        values("preferences", *preference_cases.REFUSED),
    ),
    Case(
        "users",
        "users_updated_at_range",
        values("updated_at", *TIMES),
        values("updated_at", *NO_TIMES),
    ),
    Case(
        "market_data",
        "market_data_exchange_length",
        values("exchange", "x" * 50),
        values("exchange", "", "x" * 51),
    ),
    Case(
        "market_data",
        "market_data_symbol_length",
        values("symbol", "x" * 100),
        values("symbol", "", "x" * 101),
    ),
    Case(
        "market_data",
        "market_data_interval_known",
        values("interval", *TIME_FRAMES),
        values("interval", *NO_TIME_FRAMES),
    ),
    *(
        Case(
            "market_data",
            f"market_data_{column}_finite",
            values(column, VALID["market_data"][column]),
            values(column, *NOT_FINITE),
        )
        for column in ("open", "high", "low", "close")
    ),
    Case(
        "market_data",
        "market_data_prices_ordered",
        [candle("-2", "-1", "-4", "-3"), candle("1", "1", "1", "1"), candle("1", "3", "1", "3")],
        [
            candle("10", "9", "8", "8"),
            candle("8", "9", "8", "10"),
            candle("8", "10", "9", "10"),
            candle("10", "10", "9", "8"),
            candle("1", "0", "2", "1"),
        ],
    ),
    Case(
        "market_data",
        "market_data_volume_range",
        values("volume", "0", WEI),
        values("volume", "-" + WEI, *NOT_FINITE),
    ),
    Case(
        "market_data",
        "market_data_trade_count_not_negative",
        values("trade_count", 0, 2**63 - 1, None),
        values("trade_count", -1),
    ),
    Case(
        "liquidity_zones",
        "idx_liquidity_zones_symbol",
        [{"symbol": "BTC/USD"}, {"exchange": "bitmex"}, {"side": "ask"}, {"price_level": "1"}],
        [{}, {"size": "1"}, {"price_level": "1900.5000"}],
    ),
    Case(
        "market_data",
        "market_data_pkey",
        [
            {"exchange": "bitmex"},
            {"symbol": "BTC/USD"},
            {"interval": "3m"},
            {"open_time": "2026-11-15T12:01:00Z"},
        ],
        [{}, {"volume": "0"}],
    ),
    Case("users", "users_pkey", [{"id": OTHER_ACCOUNT}], [{}, {"display_name": "x"}]),
    Case(
        "users",
        "users_id_fkey",
        values("id", OTHER_ACCOUNT),
        values("id", NO_ACCOUNT),
    ),
    *(
        Case(
            table,
            f"{table}_pkey",
            [{"id": OTHER_ACCOUNT} | different],
            [{"id": ACCOUNT} | different],
        )
        for table, different in (
            ("liquidity_zones", {"symbol": "BTC/USD"}),
            ("smc_patterns", {"symbol": "BTC/USD"}),
        )
    ),
]
