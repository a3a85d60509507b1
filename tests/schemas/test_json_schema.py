"""The JSON Schema says what the models do, and is the same whoever prints it."""

import json
import os
import subprocess
import sys
from typing import Any, Final

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from pydantic import ValidationError

from tests.databases import ROOT
from tests.schemas.cases import CREATES, READS, rows_of, valid_body
from tests.schemas.test_limits import CASES, ENDS, STRICTER, body_of, is_taken, with_price
from whaledb import schemas
from whaledb.schemas.json_schema import DIALECT, json_schema, json_schema_text

WHOLE: Final = json_schema()
NAMES: Final = {
    "whale_transactions": "WhaleTransactionCreate",
    "liquidity_zones": "LiquidityZoneCreate",
    "smc_patterns": "SMCPatternCreate",
    "market_data": "MarketDataCreate",
    "users": "UserCreate",
    "alerts": "AlertCreate",
}
# What compares members with each other, or a time with the calendar, is beyond it.
BEYOND: Final = {
    "whale_transactions_price_complete",
    "market_data_prices_ordered",
}


def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/$defs/{name}", "$schema": DIALECT, "$defs": WHOLE["$defs"]},
        validate_formats=True,
    )


def printed(seed: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "whaledb.schemas"],
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return finished.stdout


def test_the_command_prints_it_the_same_each_time() -> None:
    assert printed("1") == printed("2") == json_schema_text()
    assert json_schema_text() == json.dumps(WHOLE, indent=2, sort_keys=True) + "\n"
    assert json.loads(json_schema_text()) == json.loads(json.dumps(WHOLE))


def test_it_is_a_schema_of_its_dialect_with_every_request_and_response() -> None:
    assert DIALECT == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(WHOLE)
    models = {
        name
        for name in schemas.__all__
        if name.endswith(("Create", "Read", "Update", "Conditions", "Page"))
    }
    told = {name.partition("-")[0] for name in WHOLE["$defs"]}
    assert models - {"Create", "Update"} <= told


def test_requests_refuse_unknown_members_and_have_no_float() -> None:
    assert {"WhaleTransactionCreate", "AlertSwitch", "PatternConditions-Input"} <= set(
        WHOLE["$defs"]
    )
    for name, definition in WHOLE["$defs"].items():
        if "properties" in definition and not name.partition("-")[0].endswith(("Read", "Page")):
            assert definition["additionalProperties"] is False, name
    assert '"type":"number"' not in json.dumps(WHOLE, separators=(",", ":"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.constraint)
def test_it_takes_and_refuses_what_the_model_does(case: Any) -> None:
    told = validator(NAMES[case.table])
    for changed in [*case.accepted, *case.refused]:
        if case.constraint == "alerts_conditions_object":
            changed = {"alert_type": "large_transfer"} | changed
        body = body_of(case.table, changed)
        taken = is_taken(case.table, body)
        if taken or case.constraint not in BEYOND:
            assert told.is_valid(body) is taken, body


def test_it_ends_where_the_model_ends() -> None:
    for table, field, last, beyond in [*ENDS, *STRICTER]:
        told = validator(NAMES[table])
        assert told.is_valid(body_of(table, with_price(field, last))), (table, field)
        if field not in ("block_timestamp", "metadata"):
            refused = body_of(table, with_price(field, beyond))
            assert not told.is_valid(refused), (table, field, beyond)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("2024-01-01T00:00:00.123456Z", True),
        ("2024-01-01t00:00:00+01:00", True),
        ("2024-01-01T00:00:00.1234567Z", False),
        ("0000-01-01T00:00:00Z", False),
        ("2024-01-01T00:00:00", False),
    ],
)
def test_it_takes_the_times_that_the_model_takes(written: str, taken: bool) -> None:
    body = body_of("whale_transactions", {"block_timestamp": written})
    assert is_taken("whale_transactions", body) is taken
    assert validator("WhaleTransactionCreate").is_valid(body) is taken


PRICE: Final[dict[str, Any]] = with_price("value_usd", "1")
UNPRICED: Final[dict[str, Any]] = dict.fromkeys(PRICE)


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({}, True),
        (PRICE, True),
        (UNPRICED, True),
        *(({name: value}, False) for name, value in [*PRICE.items(), *UNPRICED.items()]),
        *(
            ({kept: PRICE[kept] for kept in PRICE if kept != name} | {"gas_used": 1}, False)
            for name in PRICE
        ),
    ],
)
def test_the_members_of_a_price_are_changed_together(body: dict[str, Any], taken: bool) -> None:
    try:
        schemas.WhaleTransactionUpdate.model_validate_json(json.dumps(body))
    except ValidationError:
        assert not taken
    else:
        assert taken
    assert validator("WhaleTransactionUpdate").is_valid(body) is taken


def test_each_valid_request_is_valid_by_it() -> None:
    for table in CREATES:
        told = validator(NAMES[table])
        assert told.is_valid(valid_body(table))
        assert not told.is_valid(valid_body(table) | {"canary": 1})


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__) for kind in READS])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_each_response_is_valid_by_it(kind: type[Struct], data: st.DataObject) -> None:
    told = validator(f"{kind.__name__}Read")
    row = data.draw(rows_of(kind))
    assert told.is_valid(json.loads(schemas.encode_row(row)))
    page = json.loads(schemas.encode_page([row], None))
    assert validator("Page").is_valid(page)
    # The control: without one of its members it is not.
    short = json.loads(schemas.encode_row(row))
    del short[kind.__struct_fields__[-1]]
    assert not told.is_valid(short)
