"""Bad data is refused with the name of its member, and nothing that is said has the value in it."""

import json
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.schemas.cases import CREATES, alert_body, valid_body
from whaledb import schemas
from whaledb.schemas.complaints import MAX_COMPLAINTS, NOT_VALID
from whaledb.schemas.json_documents import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_DEPTH,
    MAX_DOCUMENT_VALUES,
)

CANARY: Final = "canary-7f3a"
CANARY_DIGITS: Final = "918273645546372819"
UINT256_MAX: Final = 2**256 - 1


def refusal(model: TypeAdapter[Any], given: Any) -> ValidationError:
    try:
        model.validate_python(given)
    except ValidationError as refused:
        return refused
    pytest.fail(f"this was taken: {str(given)[:200]}")


def check(error: ValidationError, field: str, *secrets: str) -> None:
    """One complaint, of this member, and no secret in anything that might be shown."""
    told = schemas.complaints(error)
    assert [each.field for each in told] == [field]
    assert told[0].message.startswith(
        ("Input should", "Field required", "String should", "There is")
    )
    assert schemas.complaints(error.errors()) == told
    plain = error.errors(include_input=False, include_url=False)
    for shown in (repr(told), str(error), repr(error), repr(plain)):
        for secret in secrets:
            assert secret not in shown


AMOUNTS: Final[list[Any]] = [
    1.5,
    0.1,
    math.nan,
    math.inf,
    -math.inf,
    True,
    None,
    "",
    " 1",
    "1 ",
    "+1",
    ".5",
    "5.",
    "1,5",
    "1_000",
    "0x10",
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1E131072",
    "1E5",
    "1e-7",
    "\uff11",
    "1\0",
    "\ud800",
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("1E131072"),
    Decimal("1E-131072"),
    Decimal("1E999999999999"),
    10**80,
    10**4_000,
    ["1"],
    {"1": 1},
    b"1",
    CANARY,
    CANARY_DIGITS * 5,
]


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("whale_transactions", "value_eth"),
        ("liquidity_zones", "price_level"),
        ("liquidity_zones", "size"),
        ("market_data", "volume"),
        ("smc_patterns", "price_level"),
    ],
)
def test_what_is_no_exact_amount_is_refused(table: str, field: str) -> None:
    for value in AMOUNTS:
        error = refusal(CREATES[table], valid_body(table) | {field: value})
        check(error, field, CANARY, CANARY_DIGITS, "131072", "999999999999")


def test_nor_is_it_in_conditions() -> None:
    for value in AMOUNTS:
        body = alert_body("large_transfer", min_value_eth=value)
        error = refusal(schemas.ALERT_CREATE, body)
        check(error, "conditions.min_value_eth", CANARY, CANARY_DIGITS)


@pytest.mark.parametrize("number", ["1.5", "1e3", "NaN", "Infinity", "-Infinity", "1E400"])
def test_json_has_no_number_with_a_point_for_an_amount(number: str) -> None:
    body = json.dumps(valid_body("liquidity_zones") | {"size": 0}).replace(
        '"size": 0', f'"size": {number}'
    )
    with pytest.raises(ValidationError) as refused:
        CREATES["liquidity_zones"].validate_json(body)
    check(refused.value, "size")


def test_the_largest_uint256_is_exact_in_wei_and_in_ether() -> None:
    wei = Decimal(UINT256_MAX)
    for given, stored in (
        (str(UINT256_MAX), wei),
        (UINT256_MAX, wei),
        (wei.scaleb(-18), wei.scaleb(-18)),
        (format(Decimal(f"{UINT256_MAX}E-18"), "f"), Decimal(f"{UINT256_MAX}E-18")),
    ):
        body = valid_body("whale_transactions") | {"value_eth": given}
        made = schemas.WhaleTransactionCreate.model_validate(body)
        assert made.value_eth == stored
        assert Decimal(json.loads(made.model_dump_json())["value_eth"]) == stored


MOMENTS: Final[list[Any]] = [
    datetime(2026, 1, 1),
    "2026-01-01T00:00:00",
    "2026-01-01",
    "2026-01-01 00:00:00Z",
    "2026-01-01T00:00:00.1234567Z",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00+25:00",
    "10000-01-01T00:00:00Z",
    "294276-12-31T23:59:59Z",
    "-0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    "infinity",
    "now",
    "",
    0,
    1_700_000_000,
    "1700000000",
    1.5,
    math.nan,
    math.inf,
    True,
    None,
    "\0",
    "\ud800",
    CANARY,
]


@pytest.mark.parametrize(
    ("table", "field"), [("whale_transactions", "block_timestamp"), ("market_data", "open_time")]
)
def test_what_is_no_moment_is_refused(table: str, field: str) -> None:
    for value in MOMENTS:
        error = refusal(CREATES[table], valid_body(table) | {field: value})
        check(error, field, CANARY, "1700000000", "294276")


def test_a_moment_with_an_offset_is_the_same_in_utc() -> None:
    body = valid_body("market_data") | {"open_time": "2026-01-01t02:30:00.5+02:30"}
    made = schemas.MarketDataCreate.model_validate(body)
    assert made.model_dump_json().count('"2026-01-01T00:00:00.500000Z"') == 1


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("whale_transactions", "price_source"),
        ("liquidity_zones", "symbol"),
        ("market_data", "exchange"),
        ("users", "display_name"),
    ],
)
def test_what_is_no_text_is_refused(table: str, field: str) -> None:
    price = {"value_usd": "1", "priced_at": "2026-01-01T00:00:00Z"}
    body = valid_body(table) | (price if field == "price_source" else {})
    for value in ("a\0b", "\ud800", CANARY * 1_000_000, 5, True, [CANARY], b"text", ""):
        check(refusal(CREATES[table], body | {field: value}), field, CANARY)


@pytest.mark.parametrize("field", ["chain_id", "block_number", "gas_price", "gas_used"])
def test_what_is_no_bigint_is_refused(field: str) -> None:
    for value in (2**63, -(2**63) - 1, 10**4_000, 1.0, "1", True, math.nan):
        body = valid_body("whale_transactions") | {field: value}
        check(refusal(CREATES["whale_transactions"], body), field, str(2**63), "e+")


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"a": document}
    return document


def with_metadata(metadata: Any) -> dict[str, Any]:
    return valid_body("smc_patterns") | {"metadata": metadata}


NO_DOCUMENTS: Final[list[Any]] = [
    nested(MAX_DOCUMENT_DEPTH + 1),
    nested(20_000),
    {"a": [0] * (MAX_DOCUMENT_VALUES - 1)},
    {"a": CANARY * (MAX_DOCUMENT_BYTES // len(CANARY) + 1)},
    {"a": "\x01" * (MAX_DOCUMENT_BYTES // 6)},
    {CANARY * 10_000: 1},
    {"a": "\0"},
    {"\0": CANARY},
    {"a": "\ud800"},
    {"\udfff": CANARY},
    {"a": math.nan},
    {"a": [math.inf]},
    {"a": Decimal("NaN")},
    {"a": Decimal("sNaN")},
    {"a": Decimal("-Infinity")},
    {"a": Decimal("1E131072")},
    {"a": int(CANARY_DIGITS * 5)},
    {"a": 10**4_000},
    {1: CANARY},
    {"a": {1: CANARY}},
    {"a": {CANARY}},
    {"a": b"bytes"},
    [CANARY],
    CANARY,
    5,
    True,
]


def test_what_is_no_document_of_bounded_size_is_refused() -> None:
    for document in NO_DOCUMENTS:
        error = refusal(CREATES["smc_patterns"], with_metadata(document))
        check(error, "metadata", CANARY, CANARY_DIGITS)


@pytest.mark.parametrize(
    "document",
    [
        nested(MAX_DOCUMENT_DEPTH),
        {"a": [0] * (MAX_DOCUMENT_VALUES - 2)},
        {"a": "x" * (MAX_DOCUMENT_BYTES - len('{"a":""}'))},
        {"a": UINT256_MAX, "b": -1.5, "c": None, "d": [True, {}, []], "é": "é\n\x01"},
        {},
    ],
)
def test_a_document_at_its_limits_is_taken_as_it_is(document: Any) -> None:
    made = schemas.SMCPatternCreate.model_validate(with_metadata(document))
    assert made.metadata == document


def test_a_fraction_in_a_document_is_a_double_and_its_schema_says_so() -> None:
    body = json.dumps(with_metadata({"a": "@", "b": "0.12345678901234567890"}))
    for written, read in (("0.12345678901234567890", 0.12345678901234568), ("1e-400", 0.0)):
        made = schemas.SMCPatternCreate.model_validate_json(body.replace('"@"', written))
        assert made.metadata == {"a": read, "b": "0.12345678901234567890"}
    told = schemas.SMCPatternCreate.model_json_schema()["properties"]["metadata"]
    (document, _null) = told["anyOf"]
    assert "is read as a double" in document["description"]


@pytest.mark.parametrize("opening", ['{"a":', "[", '{"metadata":{"a":'])
def test_json_deeper_than_the_stack_is_a_complaint(opening: str) -> None:
    for model in CREATES.values():
        with pytest.raises(ValidationError) as refused:
            model.validate_json(opening * 20_000)
        (told,) = schemas.complaints(refused.value)
        assert told.kind == "json_invalid"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "alert_type"),
        ({"alert_type": CANARY}, "alert_type"),
        ({"alert_type": CANARY, "conditions": {}}, "alert_type"),
        ({"alert_type": [CANARY]}, "alert_type"),
        ({"alert_type": None}, "alert_type"),
        ({"alert_type": "pattern"}, "conditions"),
        (alert_body("pattern") | {"enabled": "true"}, "enabled"),
        (alert_body("pattern") | {"conditions": CANARY}, "conditions"),
        (alert_body("pattern") | {"conditions": [CANARY]}, "conditions"),
        (alert_body("pattern", symbol="\0"), "conditions.symbol"),
        (alert_body("pattern", time_frame=CANARY), "conditions.time_frame"),
        (alert_body("pattern", pattern_type=CANARY), "conditions.pattern_type"),
        (alert_body("pattern", min_value_eth="1"), "conditions.min_value_eth"),
        (alert_body("price_level", price=1.5), "conditions.price"),
        (alert_body("price_level", direction=CANARY), "conditions.direction"),
        (alert_body("address_activity", address=CANARY), "conditions.address"),
        (alert_body("address_activity", chain_id=10**18), "conditions.chain_id"),
    ],
)
def test_what_is_wrong_with_an_alert_is_named(given: Any, field: str) -> None:
    check(refusal(schemas.ALERT_CREATE, given), field, CANARY)
    if given and set(given) != {"enabled"}:
        check(refusal(schemas.ALERT_UPDATE, given), field, CANARY)


@pytest.mark.parametrize("given", [None, 5, "text", [], [{}], True])
def test_what_is_no_object_is_refused_as_a_whole(given: Any) -> None:
    for table, model in CREATES.items():
        (told,) = schemas.complaints(refusal(model, given))
        assert told.field == ("alert_type" if table == "alerts" else "")


def test_a_member_that_nobody_knows_is_named_if_it_has_a_name() -> None:
    for name, told in (("adress", "adress"), ("x" * 65, "(another member)"), ("a b", None)):
        error = refusal(CREATES["users"], {name: CANARY})
        (complaint,) = schemas.complaints(error)
        assert complaint.field == (told or "(another member)")
        assert CANARY not in repr(complaint)


def test_a_long_list_of_mistakes_is_a_short_answer() -> None:
    error = refusal(CREATES["users"], {f"m{number}": 1 for number in range(1_000)})
    assert len(error.errors()) == 1_000
    assert len(schemas.complaints(error)) == MAX_COMPLAINTS


def test_a_place_may_begin_with_where_a_framework_found_it() -> None:
    errors = [
        {"type": "missing", "loc": ("body", "pattern", "conditions"), "msg": "Field required"}
    ]
    assert schemas.complaints(errors, without=["body"])[0].field == "conditions"
    assert schemas.complaints(errors)[0].field == "body.conditions"


def test_the_control_pydantic_by_itself_repeats_the_value() -> None:
    """Without the settings of our models the canary is where these tests look for it."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(dict[str, int]).validate_python({"a": CANARY})
    assert CANARY in str(refused.value)
    assert CANARY in repr(refused.value.errors())
    assert CANARY not in repr(schemas.complaints(refused.value))


def test_a_message_that_quotes_the_input_is_not_handed_on() -> None:
    error = {"type": "value_error", "loc": ("a",), "msg": f"Value error, not {CANARY}"}
    (told,) = schemas.complaints([error])
    assert (told.field, told.message) == ("a", NOT_VALID)
