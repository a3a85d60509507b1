"""Conditions in Python: what is stored is what is read, and what Python refuses is refused."""

from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from tests.queries.accounts import ALICE, make_accounts
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb import documents
from whaledb.alerting import read_conditions, to_document, type_of
from whaledb.documents import (
    AddressActivity,
    AlertConditions,
    LargeTransfer,
    Pattern,
    PriceLevel,
)
from whaledb.queries import alerts
from whaledb.rows import AlertAlertType, MarketDataInterval

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
CHART: dict[str, Any] = {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1h"}
ALL: list[AlertConditions] = [
    LargeTransfer(min_value_eth=Decimal("0.000000000000000001")),
    LargeTransfer(min_value_eth=Decimal("1E+3"), chain_id=137),
    AddressActivity(address=ADDRESS),
    AddressActivity(
        address=ADDRESS, direction="to", min_value_eth=Decimal("1.5"), chain_id=10**18 - 1
    ),
    PriceLevel(**CHART, direction="below", price=Decimal("-13311.5")),
    Pattern(symbol="ETH/USD"),
    Pattern(
        symbol="ETH/USD",
        exchange="kraken",
        pattern_type="order_block",
        time_frame="1M",
        min_confidence=Decimal("0.5"),
    ),
]


@pytest.mark.parametrize("conditions", ALL, ids=repr)
async def test_what_is_stored_is_what_is_read(db: Database, conditions: AlertConditions) -> None:
    await make_accounts(db, ALICE)
    document = to_document(conditions)
    assert None not in document.values()
    row = await alerts.insert(
        db, user_id=ALICE, alert_type=type_of(conditions), conditions=document, enabled=True
    )
    assert read_conditions(row) == conditions


@pytest.mark.parametrize("conditions", ALL, ids=repr)
def test_the_tag_tells_them_apart(conditions: AlertConditions) -> None:
    tagged = {"alert_type": type_of(conditions), **to_document(conditions)}
    assert msgspec.convert(tagged, AlertConditions) == conditions
    assert msgspec.json.decode(msgspec.json.encode(conditions), type=AlertConditions) == conditions
    for other in {*get_args(AlertAlertType)} - {type_of(conditions)}:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(tagged | {"alert_type": other}, AlertConditions)


def test_each_type_of_alert_has_its_conditions() -> None:
    assert {type_of(each) for each in ALL} == set(get_args(AlertAlertType))
    assert set(get_args(documents.TimeFrame)) == set(get_args(MarketDataInterval))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"min_value_eth": "secret"},
        {"min_value_eth": 1, "secret": 1},
        {"min_value_eth": 1, "alert_type": "large_transfer"},
        {"symbol": "secret", "alert_type": "pattern"},
    ],
    ids=repr,
)
async def test_a_document_of_another_shape_is_an_error_without_its_content(
    db: Database, document: dict[str, Any]
) -> None:
    """As after a newer migration: what is stored passed the checks of the database."""
    await make_accounts(db, ALICE)
    row = await alerts.insert(
        db,
        user_id=ALICE,
        alert_type="large_transfer",
        conditions={"min_value_eth": 1},
        enabled=True,
    )
    with pytest.raises(DataError) as refusal:
        read_conditions(msgspec.structs.replace(row, conditions=document))
    assert str(row.id) in str(refusal.value)
    assert "secret" not in str(refusal.value)
