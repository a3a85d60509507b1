"""From a request to the query function, and what an absent member leaves as it is."""

import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from pydantic import BaseModel, ValidationError

from tests.db.alert_cases import EIP_55, VALID
from tests.queries.accounts import ALICE, make_accounts
from tests.schemas.cases import CREATES, alert_body, valid_body
from typedsql.database import Database
from whaledb import documents, rows, schemas
from whaledb.queries import alerts, liquidity_zones, market_data, smc_patterns, users
from whaledb.queries import whale_transactions as transfers
from whaledb.schemas import alerts as alert_models

NOW: Final = datetime(2026, 11, 15, 12, tzinfo=UTC)
PRICE: Final = {
    "value_usd": "1.50",
    "price_source": "coinbase",
    "priced_at": "2026-11-15T12:00:00Z",
}


def names_of(function: Callable[..., Any], *beside: str) -> set[str]:
    """The keywords of a query function beside some that a request never has."""
    return set(inspect.signature(function).parameters) - {"db", *beside}


def test_a_request_has_the_arguments_of_its_function() -> None:
    made = {table: model.validate_python(valid_body(table)) for table, model in CREATES.items()}
    for function, table in (
        (transfers.insert, "whale_transactions"),
        (liquidity_zones.insert, "liquidity_zones"),
        (liquidity_zones.merge, "liquidity_zones"),
        (smc_patterns.insert, "smc_patterns"),
        (smc_patterns.merge, "smc_patterns"),
        (market_data.insert, "market_data"),
        (market_data.merge, "market_data"),
    ):
        assert set(made[table].arguments()) == names_of(function), function
    assert set(made["users"].arguments()) == names_of(users.insert, "id")
    assert set(made["users"].arguments()) == names_of(users.merge, "id")
    assert set(made["alerts"].arguments()) == names_of(alerts.insert_mine)
    assert set(made["alerts"].arguments()) == names_of(alerts.insert, "user_id")


async def test_what_is_asked_for_is_stored(db: Database) -> None:
    await make_accounts(db, ALICE)
    await market_data.ensure_months(db, first=NOW, last=NOW)
    for table, insert, beside in (
        ("whale_transactions", transfers.insert, {}),
        ("liquidity_zones", liquidity_zones.insert, {}),
        ("smc_patterns", smc_patterns.insert, {}),
        ("market_data", market_data.insert, {}),
        ("users", users.insert, {"id": ALICE}),
        ("alerts", alerts.insert, {"user_id": ALICE}),
    ):
        arguments = CREATES[table].validate_python(valid_body(table)).arguments()
        row = await insert(db, **beside, **arguments)
        assert {name: getattr(row, name) for name in arguments} == arguments


@pytest.mark.parametrize("alert_type", VALID)
async def test_conditions_are_those_of_the_struct(db: Database, alert_type: str) -> None:
    await make_accounts(db, ALICE)
    request = schemas.ALERT_CREATE.validate_python(alert_body(alert_type) | {"enabled": False})
    row = await alerts.insert(db, user_id=ALICE, **request.arguments())
    assert (row.alert_type, row.enabled) == (alert_type, False)
    answer = schemas.ALERT_READ.validate_python(row, from_attributes=True)
    assert answer.conditions == request.conditions
    paused = schemas.ALERT_UPDATE.validate_python({"enabled": True})
    assert await alerts.update(db, **paused.arguments(row)) == 1
    stored = await alerts.get(db, id=row.id)
    assert stored is not None
    assert (stored.conditions, stored.enabled) == (row.conditions, True)
    for other in VALID:
        changed = schemas.ALERT_UPDATE.validate_python(alert_body(other))
        await alerts.update(db, **changed.arguments(stored))
        again = await alerts.get(db, id=row.id)
        assert again is not None
        assert (again.alert_type, again.enabled) == (other, True)
        assert again.conditions == changed.conditions.document()


def test_conditions_have_the_members_and_defaults_of_their_structs() -> None:
    models = [
        schemas.LargeTransferConditions,
        schemas.AddressActivityConditions,
        schemas.PriceLevelConditions,
        schemas.PatternConditions,
    ]
    for model, struct in [*((each, each.struct) for each in models), (PREFERENCES, None)]:
        struct = struct or documents.Preferences
        told = {each.name: each for each in msgspec.structs.fields(struct)}
        assert set(model.model_fields) == set(told)
        for name, field in model.model_fields.items():
            assert field.is_required() is told[name].required
            if not field.is_required():
                assert field.default == told[name].default
    assert {model.struct for model in models} == set(documents.AlertConditions.__args__)
    assert set(schemas.PreferencesUpdate.model_fields) == set(PREFERENCES.model_fields)


PREFERENCES: Final[type[BaseModel]] = schemas.Preferences


def test_any_case_of_an_address_becomes_lower_case() -> None:
    digits = EIP_55[2:]
    for spelt in (EIP_55, "0x" + digits.upper(), "0x" + digits.lower(), "0x" + digits.swapcase()):
        request = schemas.ALERT_CREATE.validate_python(
            alert_body("address_activity", address=spelt)
        )
        assert request.arguments()["conditions"] == {"address": EIP_55.lower()}
    body = valid_body("whale_transactions") | {"from_address": EIP_55, "hash": "0x" + "AB" * 32}
    made = schemas.WhaleTransactionCreate.model_validate(body)
    assert (made.from_address, made.hash) == (EIP_55.lower(), "0x" + "ab" * 32)


def test_what_is_left_out_is_not_stored() -> None:
    request = schemas.ALERT_CREATE.validate_python(
        alert_body("address_activity", direction="any", min_value_eth=None, chain_id=None)
    )
    assert request.arguments()["conditions"] == {"address": EIP_55.lower()}


PROFILE: Final = rows.User(
    ALICE, "Alice", documents.Preferences(chain_id=137, notify_by=("push",)), NOW, NOW
)


@pytest.mark.parametrize(
    ("given", "name", "preferences"),
    [
        ({}, "Alice", PROFILE.preferences),
        ({"display_name": None}, None, PROFILE.preferences),
        ({"display_name": "A"}, "A", PROFILE.preferences),
        ({"preferences": {}}, "Alice", PROFILE.preferences),
        (
            {"preferences": {"time_zone": "Europe/Zurich"}},
            "Alice",
            documents.Preferences(time_zone="Europe/Zurich", chain_id=137, notify_by=("push",)),
        ),
        (
            {"preferences": {"chain_id": None, "notify_by": None, "min_value_eth": "0.5"}},
            "Alice",
            documents.Preferences(min_value_eth=Decimal("0.5")),
        ),
    ],
)
def test_a_profile_changes_in_what_was_given(given: Any, name: Any, preferences: Any) -> None:
    update = schemas.UserUpdate.model_validate(given)
    assert update.arguments(PROFILE) == {
        "id": ALICE,
        "display_name": name,
        "preferences": preferences,
    }
    assert set(update.arguments(PROFILE)) == names_of(users.merge)


TRANSFER: Final = rows.WhaleTransaction(
    ALICE,
    "0x" + "ab" * 32,
    1,
    "0x" + "cd" * 32,
    "",
    1,
    NOW,
    EIP_55.lower(),
    None,
    Decimal(1),
    Decimal("2.50"),
    "kraken",
    NOW,
    1,
    21_000,
    True,
    Decimal(0),
    None,
    NOW,
    NOW,
)


def test_each_part_of_a_transfer_is_written_by_its_statement() -> None:
    read = schemas.WhaleTransactionUpdate.model_validate
    nothing = read({})
    assert (nothing.receipt(TRANSFER), nothing.price(TRANSFER), nothing.score(TRANSFER)) == (
        None,
        None,
        None,
    )
    failed = read({"succeeded": False}).receipt(TRANSFER)
    assert failed is not None
    assert set(failed) == names_of(transfers.update_receipt)
    assert (failed["gas_used"], failed["succeeded"]) == (21_000, False)
    priced = read(PRICE).price(TRANSFER)
    assert priced is not None
    assert set(priced) == names_of(transfers.update_usd_price)
    assert (priced["value_usd"], priced["priced_at"]) == (Decimal("1.50"), NOW)
    taken_back = read(dict.fromkeys(PRICE)).price(TRANSFER)
    assert taken_back is not None
    assert {taken_back[name] for name in PRICE} == {None}
    scored = read({"whale_score": "0.5"}).score(TRANSFER)
    assert scored is not None
    assert set(scored) == names_of(transfers.update_whale_score)


@pytest.mark.parametrize(
    "given",
    [
        {"value_usd": "1"},
        {"value_usd": None},
        {"price_source": "x", "priced_at": "2026-11-15T12:00:00Z"},
        PRICE | {"price_source": None},
        PRICE | {"value_usd": None},
    ],
    ids=json.dumps,
)
def test_half_a_price_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        schemas.WhaleTransactionUpdate.model_validate(given)
    assert [each.kind for each in schemas.complaints(refused.value)] == ["price_incomplete"]


def test_the_other_updates_name_the_row_and_what_changes() -> None:
    zone = rows.LiquidityZone(
        ALICE, Decimal(1), Decimal(1), "bid", Decimal("0.5"), "k", "s", NOW, NOW
    )
    pattern = rows.SMCPattern(
        ALICE, "k", "s", "order_block", "1h", NOW, Decimal(1), None, "active", None, NOW, NOW
    )
    read = schemas.LiquidityZoneUpdate.model_validate
    assert read({}).arguments(zone) == {"id": ALICE, "strength": Decimal("0.5")}
    assert read({"strength": None}).arguments(zone) == {"id": ALICE, "strength": None}
    assert set(read({}).arguments(zone)) == names_of(liquidity_zones.update_strength)
    status = schemas.SMCPatternUpdate.model_validate({"status": "expired"}).arguments(pattern)
    assert status == {"id": ALICE, "status": "expired"}
    assert set(status) == names_of(smc_patterns.update_status)


@pytest.mark.parametrize(
    ("model", "member"),
    [
        (schemas.UserUpdate, "preferences"),
        (schemas.SMCPatternUpdate, "status"),
        (schemas.WhaleTransactionUpdate, "gas_used"),
        (schemas.WhaleTransactionUpdate, "succeeded"),
        (alert_models.AlertSwitch, "enabled"),
    ],
)
def test_null_is_refused_where_a_column_has_none(model: type[BaseModel], member: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({member: None})
    (told,) = schemas.complaints(refused.value)
    assert (told.field, told.kind) == (member, "null")
    with pytest.raises(ValidationError):
        model.model_validate({"canary": 1})
    # And its JSON Schema says so.
    schema = model.model_json_schema()
    assert "null" not in json.dumps(schema["properties"][member])
    assert "required" not in schema
