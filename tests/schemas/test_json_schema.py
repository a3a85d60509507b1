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
