"""The entities as tests go through them: valid requests, and rows of any content."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Struct
from pydantic import TypeAdapter

from tests.db import alert_cases
from tests.db.rows import VALID
from whaledb import documents, rows, schemas
from whaledb.alerting import to_document, type_of

Body = dict[str, Any]

CREATES: Final[dict[str, TypeAdapter[Any]]] = {
    "whale_transactions": TypeAdapter(schemas.WhaleTransactionCreate),
    "liquidity_zones": TypeAdapter(schemas.LiquidityZoneCreate),
    "smc_patterns": TypeAdapter(schemas.SMCPatternCreate),
    "market_data": TypeAdapter(schemas.MarketDataCreate),
    "users": TypeAdapter(schemas.UserCreate),
    "alerts": schemas.ALERT_CREATE,
}
"""What stores a row of each table."""
READS: Final[dict[type[Struct], TypeAdapter[Any]]] = {
    rows.WhaleTransaction: TypeAdapter(schemas.WhaleTransactionRead),
    rows.AddressTransfer: TypeAdapter(schemas.AddressTransferRead),
    rows.LiquidityZone: TypeAdapter(schemas.LiquidityZoneRead),
    rows.SMCPattern: TypeAdapter(schemas.SMCPatternRead),
    rows.MarketData: TypeAdapter(schemas.MarketDataRead),
    rows.Block: TypeAdapter(schemas.BlockRead),
    rows.Alert: schemas.ALERT_READ,
    rows.AlertEvent: TypeAdapter(schemas.AlertEventRead),
    rows.User: TypeAdapter(schemas.UserRead),
}
"""What answers each kind of row."""
OWNED: Final = frozenset({"id", "user_id"})
"""Columns that a request never has: the account comes from the token."""


def valid_body(table: str) -> Body:
    """A request for the row that the constraints' cases begin with."""
    return {name: value for name, value in VALID[table].items() if name not in OWNED}


def alert_body(alert_type: str, **changed: Any) -> Body:
    conditions = alert_cases.VALID[alert_type] | changed
    return {"alert_type": alert_type, "conditions": conditions}


def spelt(value: Any) -> Any:
    """The same with floats as amounts are spelt in requests."""
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, dict):
        return {name: spelt(member) for name, member in value.items()}
    return value


INT64: Final = 2**63 - 1
TEXT: Final = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
NUMBERS: Final = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda value: abs(value.adjusted()) < 1_000
) | st.sampled_from([Decimal("1E-18"), Decimal("0.00"), Decimal("-0"), Decimal(2**256 - 1)])
MOMENTS: Final = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(
    [datetime.max, datetime.min, datetime(2026, 1, 1, tzinfo=UTC)]
)
JSON_VALUES: Final[SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers(-INT64, INT64) | TEXT | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS: Final = st.dictionaries(TEXT, JSON_VALUES, max_size=3)
AMOUNTS: Final = st.decimals("0.000000000000000001", 10**20, places=18)
CONDITIONS: Final[SearchStrategy[documents.AlertConditions]] = st.one_of(
    st.builds(documents.LargeTransfer, AMOUNTS, st.none() | st.integers(1, 10**18 - 1)),
    st.builds(
        documents.AddressActivity,
        st.from_regex("0x[0-9a-f]{40}", fullmatch=True),
        st.sampled_from(["from", "to", "any"]),
        st.none() | AMOUNTS,
    ),
    st.builds(
        documents.PriceLevel,
        TEXT.filter(bool),
        TEXT.filter(bool),
        st.sampled_from(get_args(documents.TimeFrame)),
        st.sampled_from(["above", "below"]),
        AMOUNTS | st.integers(-(10**20), 10**20).map(Decimal),
    ),
    st.builds(
        documents.Pattern,
        TEXT.filter(bool),
        min_confidence=st.none() | st.decimals(0, 1, places=4),
    ),
)
CHANNELS: Final = st.sampled_from(get_args(documents.NotificationChannel))
PREFERENCES: Final = st.builds(
    documents.Preferences,
    quote_currency=st.from_regex("[A-Z0-9]{3,10}", fullmatch=True),
    min_value_eth=st.none() | AMOUNTS,
    notify_by=st.lists(CHANNELS, unique=True).map(tuple),
)
_BY_TYPE: Final[dict[Any, SearchStrategy[Any]]] = {
    bool: st.booleans(),
    int: st.integers(0, INT64),
    str: TEXT,
    Decimal: NUMBERS,
    datetime: MOMENTS,
    UUID: st.uuids(),
    dict[str, Any]: DOCUMENTS,
    documents.Preferences: PREFERENCES,
}


def rows_of(kind: type[Struct]) -> SearchStrategy[Any]:
    """Rows of a kind with whatever the database can hold."""
    members = {name: _of(hint) for name, hint in get_type_hints(kind).items()}
    if kind is rows.AddressTransfer:
        members["direction"] = st.sampled_from(["in", "out", "self"])
    built = st.builds(kind, **members)
    if kind is not rows.Alert:
        return built
    return st.builds(_with_conditions, built, CONDITIONS)


def _with_conditions(row: rows.Alert, conditions: documents.AlertConditions) -> rows.Alert:
    return rows.Alert(
        row.id,
        row.user_id,
        type_of(conditions),
        to_document(conditions),
        row.enabled,
        row.created_at,
        row.updated_at,
    )


def _of(hint: Any) -> SearchStrategy[Any]:
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        parts = get_args(hint)
        return st.one_of(*(st.none() if part is type(None) else _of(part) for part in parts))
    return _BY_TYPE[hint]
