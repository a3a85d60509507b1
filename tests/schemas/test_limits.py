"""Requests have the limits of the database: what it takes they take, what it refuses they refuse.

The values are those with which each CHECK is tested (tests/db), and where there is no CHECK the
ones at a type's end. What differs, because requests spell it otherwise or are stricter, is listed.
"""

import json
from typing import Any, Final

import asyncpg
import pytest
from pydantic import ValidationError

from tests.db import alert_cases, chain_cases, market_cases
from tests.db.alert_cases import EIP_55
from tests.db.constraint_cases import Case
from tests.db.rows import HASH, OTHER_ACCOUNT, insert, prepare
from tests.schemas.cases import CREATES, OWNED, Body, spelt, valid_body

# What is no part of a request: keys, owners, times of change, and what becomes of a row later.
NOT_IN_REQUESTS: Final = ("_pkey", "_fkey", "_key", "_updated_at_range")
CASES: Final = [
    case
    for case in [*chain_cases.CASES, *market_cases.CASES, *alert_cases.CASES]
    if case.table in CREATES
    and not case.constraint.endswith(NOT_IN_REQUESTS)
    and not case.constraint.startswith("idx_")
]
AMOUNTS: Final = ("min_value_eth", "price", "min_confidence")
OPTIONAL: Final = ("chain_id", "exchange", "pattern_type", "time_frame", *AMOUNTS)


def body_of(table: str, changed: Body) -> Body:
    body = valid_body(table) | changed
    body = {name: value for name, value in body.items() if name not in OWNED}
    # Columns of exact numbers hold no float; in documents numbers are JSON's.
    return {name: spelt(value) for name, value in body.items()}


def is_taken(table: str, body: Body) -> bool:
    model = CREATES[table]
    try:
        model.validate_python(body)
    except ValidationError:
        taken = False
    else:
        taken = True
    # The same as text, which pydantic reads in another way.
    text = json.dumps(body)
    try:
        model.validate_json(text)
    except ValidationError:
        assert not taken, text
    else:
        assert taken, text
    return taken


def spelt_otherwise(changed: Body) -> bool:
    """What the database refuses and a request may say, for it becomes something else."""
    document = changed.get("conditions", changed.get("preferences"))
    if isinstance(document, dict):
        valid = alert_cases.VALID.get(str(changed.get("alert_type")), {})
        different = [name for name in document if valid.get(name, ...) != document[name]]
        if len(different) != 1:
            return False
        (name,) = different
        # Null is a member that was left out; amounts are texts of digits.
        if document[name] is None:
            return name in OPTIONAL and name not in valid
        return name in AMOUNTS and document[name] == "1"
    if len(changed) > 1:
        return False
    ((name, value),) = changed.items()
    # Any case is taken, and stored as lower case.
    return name.endswith(("hash", "address")) and value in ("0x" + "AB" * 32, EIP_55)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.constraint)
def test_a_request_takes_what_a_check_takes(case: Case) -> None:
    assert case.accepted
    for changed in case.accepted:
        if case.constraint == "alerts_conditions_object":
            changed = {"alert_type": "large_transfer"} | changed
        assert is_taken(case.table, body_of(case.table, changed)), changed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.constraint)
def test_a_request_refuses_what_a_check_refuses(case: Case) -> None:
    assert case.refused
    for changed in case.refused:
        expected = spelt_otherwise(changed)
        assert is_taken(case.table, body_of(case.table, changed)) is expected, changed


def test_each_table_that_requests_write_has_cases() -> None:
    assert {case.table for case in CASES} == set(CREATES)
    assert len(CASES) > 40


INT64: Final = 2**63 - 1
LAST_MOMENT: Final = "9999-12-31T23:59:59.999999Z"
DIGITS: Final = "9" * 80
WHOLE_PRICE: Final = {"price_source": "x", "priced_at": "2026-11-15T12:00:00Z"}
# Where no CHECK ends: a value that both take, one that neither takes.
ENDS: Final[list[tuple[str, str, Any, Any]]] = [
    ("whale_transactions", "chain_id", INT64, INT64 + 1),
    ("whale_transactions", "block_number", INT64, INT64 + 1),
    ("whale_transactions", "gas_price", INT64, INT64 + 1),
    ("whale_transactions", "gas_used", INT64, INT64 + 1),
    ("whale_transactions", "value_usd", "9" * 18 + ".99", "1" + "0" * 18),
    ("whale_transactions", "price_source", "é" * 100, "a\0b"),
    (
        "whale_transactions",
        "block_timestamp",
        "9999-12-31T23:59:59.999999Z",
        "2026-02-30T00:00:00Z",
    ),
    ("whale_transactions", "block_timestamp", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
    ("market_data", "trade_count", INT64, INT64 + 1),
    ("market_data", "symbol", "\U0001f40b" * 100, "a\0b"),
    ("market_data", "exchange", "\U0001f40b" * 50, "a\0b"),
    ("smc_patterns", "metadata", {"a": DIGITS}, {"a": "\0"}),
    ("smc_patterns", "symbol", "'; drop table alerts; --", "\0"),
    ("liquidity_zones", "symbol", "%_\\'\"", "\0"),
    ("users", "display_name", "\U0001f40b" * 200, "a\0b"),
]
# What the database takes, or alters, and a request does not: the last that both take, the next.
STRICTER: Final[list[tuple[str, str, Any, Any]]] = [
    ("whale_transactions", "value_eth", DIGITS, "1" + DIGITS),
    ("whale_transactions", "value_eth", "9" * 61 + "." + "9" * 18, "9" * 62 + "." + "9" * 18),
    ("whale_transactions", "value_usd", "0.01", "0.001"),
    ("whale_transactions", "whale_score", "0.9999", "0.99999"),
    ("whale_transactions", "trace_path", "0_" * 1_049 + "10", "0_" * 1_050 + "0"),
    ("liquidity_zones", "price_level", "-" + "9" * 79, "-" + "9" * 80),
    ("liquidity_zones", "price_level", "0." + "9" * 78, "0." + "9" * 79),
    ("liquidity_zones", "size", DIGITS, "1" + DIGITS),
    ("liquidity_zones", "strength", "0.0001", "0.00001"),
    ("smc_patterns", "price_level", DIGITS, "1" + DIGITS),
    ("smc_patterns", "confidence_score", "0.9999", "0.99999"),
    ("market_data", "volume", DIGITS, "1" + DIGITS),
]
SQL_REFUSES: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


async def is_stored(connection: asyncpg.Connection, table: str, changed: Body) -> bool:
    attempt = connection.transaction()
    await attempt.start()
    try:
        await insert(connection, table, **changed)
    except SQL_REFUSES:
        return False
    finally:
        await attempt.rollback()
    return True


def with_price(field: str, value: Any) -> Body:
    return (
        {field: value}
        | (WHOLE_PRICE if field == "value_usd" else {})
        | (
            {"value_usd": "1", "priced_at": WHOLE_PRICE["priced_at"]}
            if field == "price_source"
            else {}
        )
    )


async def test_where_no_check_ends_both_end_alike(rolled_back: asyncpg.Connection) -> None:
    await prepare(rolled_back)
    for table, field, last, beyond in ENDS:
        for value, taken in ((last, True), (beyond, False)):
            changed = with_price(field, value)
            assert is_taken(table, body_of(table, changed)) is taken, (table, field, value)
            assert await is_stored(rolled_back, table, changed) is taken, (table, field, value)


async def test_a_request_is_stricter_where_this_says_so(rolled_back: asyncpg.Connection) -> None:
    await prepare(rolled_back)
    for table, field, last, beyond in STRICTER:
        for value, taken in ((last, True), (beyond, False)):
            changed = with_price(field, value)
            assert is_taken(table, body_of(table, changed)) is taken, (table, field, value)
            assert await is_stored(rolled_back, table, changed), (table, field, value)


async def test_what_has_no_place_is_refused_by_both(rolled_back: asyncpg.Connection) -> None:
    await prepare(rolled_back)
    for table in CREATES:
        assert is_taken(table, valid_body(table)), table
        assert not is_taken(table, valid_body(table) | {"canary": 1}), table
        for name in ("id", "user_id", "created_at", "updated_at", "orphaned_at", "retracted_at"):
            assert not is_taken(table, valid_body(table) | {name: OTHER_ACCOUNT}), (table, name)
    assert not is_taken("whale_transactions", valid_body("whale_transactions") | {"hash": HASH[1:]})
