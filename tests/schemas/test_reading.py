"""Rows become responses and bytes without anything being lost or copied by hand."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tests.databases import ROOT
from tests.schemas.cases import READS, rows_of, valid_body
from whaledb import rows, schemas

KINDS = [pytest.param(kind, id=kind.__name__) for kind in READS]
NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
CANDLE = rows.MarketData(
    "kraken",
    "ETH/USD",
    "1m",
    NOW,
    Decimal("0.00000071"),
    Decimal("1E+3"),
    Decimal("0.00000071"),
    Decimal("1900.50"),
    Decimal(0),
    None,
    NOW,
    NOW,
)
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_a_row_a_response_and_its_json_say_the_same(
    kind: type[Struct], data: st.DataObject
) -> None:
    row = data.draw(rows_of(kind))
    model = READS[kind]
    response = model.validate_python(row, from_attributes=True)
    written = model.dump_json(response)
    again = model.validate_json(written)
    assert model.dump_json(again) == written
    told = json.loads(written)
    for name in kind.__struct_fields__:
        stored, answered = getattr(row, name), getattr(again, name)
        if isinstance(stored, Decimal):
            assert (answered, Decimal(told[name])) == (stored, stored)
            assert "E" not in told[name]
        elif isinstance(stored, datetime):
            assert answered == (stored if stored.tzinfo else stored.replace(tzinfo=UTC))
            assert told[name].endswith("Z")
        elif isinstance(stored, str | int | UUID) or stored is None:
            assert answered == stored
        else:
            assert name in ("conditions", "metadata", "preferences")


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_encoded_rows_say_what_their_responses_say(kind: type[Struct], data: st.DataObject) -> None:
    some = data.draw(st.lists(rows_of(kind), max_size=3))
    model = READS[kind]
    each = [model.dump_json(model.validate_python(row, from_attributes=True)) for row in some]
    # Decoded, since the two spell some floats and control characters in their own ways.
    told = [json.loads(one) for one in each]
    assert json.loads(schemas.encode_rows(some)) == told
    assert [json.loads(schemas.encode_row(row)) for row in some] == told
    page = json.loads(schemas.encode_page(some, "abc"))
    assert page == {"items": told, "next_cursor": "abc"}
    # Texts apart, to the byte.
    if kind is rows.Block:
        plain = [_without_texts(row) for row in some]
        responses = [schemas.BlockRead.model_validate(row) for row in plain]
        written = schemas.Page[schemas.BlockRead](items=responses, next_cursor=None)
        assert schemas.encode_page(plain, None) == written.model_dump_json().encode()


def _without_texts(row: rows.Block) -> rows.Block:
    return msgspec.structs.replace(row, hash="0x", parent_hash="0x")


def test_members_come_in_the_order_of_the_row() -> None:
    for kind, model in READS.items():
        if kind is not rows.Alert:
            told = model.json_schema(mode="serialization")
            assert tuple(told["properties"]) == kind.__struct_fields__, kind
    named = {name for name in schemas.__all__ if name.endswith("Read")}
    assert named == {f"{kind.__name__}Read" for kind in READS}


def test_ordinary_rows_are_written_byte_for_byte_alike() -> None:
    response = schemas.MarketDataRead.model_validate(CANDLE)
    assert schemas.encode_row(CANDLE) == response.model_dump_json().encode()
    assert b'"open":"0.00000071","high":"1000",' in schemas.encode_row(CANDLE)
    page = schemas.Page[schemas.MarketDataRead](items=[response, response], next_cursor="abc")
    assert schemas.encode_page([CANDLE, CANDLE], "abc") == page.model_dump_json().encode()
    # The control: msgspec by itself writes exponents.
    assert b"7.1E-7" in msgspec.json.encode(CANDLE)


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    row = msgspec.structs.replace(CANDLE, symbol="1E-7")
    assert json.loads(schemas.encode_row(row))["symbol"] == "1E-7"


def test_infinite_times_are_the_ends_of_what_json_can_say() -> None:
    row = msgspec.structs.replace(CANDLE, open_time=datetime.max, created_at=datetime.min)
    for written in (
        schemas.encode_row(row).decode(),
        schemas.MarketDataRead.model_validate(row).model_dump_json(),
    ):
        assert '"open_time":"9999-12-31T23:59:59.999999Z"' in written
        assert '"created_at":"0001-01-01T00:00:00Z"' in written


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (Decimal("1.50"), 1.5),
        (Decimal("1E+3"), 1000.0),
        (Decimal("0.1"), 0.1),
        (7, 7),
        (-(2**53), -(2**53)),
        (2**53 + 1, "9007199254740993"),
        (-(2**53) - 1, "-9007199254740993"),
        (2**53 + 2, 2**53 + 2),
        (2**255, 2**255),
        (2**256 - 1, str(2**256 - 1)),
        (2**256, str(2**256)),
        (10**23, 10**23),
        (15 * 10**299, 1.5e300),
        (15 * 10**299 + 1, str(15 * 10**299 + 1)),
        (10**400, "1" + "0" * 400),
        (Decimal("0.1000000000000000000001"), "0.1000000000000000000001"),
        (Decimal("1E+400"), "1E+400"),
    ],
    ids=str,
)
def test_numbers_of_documents_are_numbers_unless_a_double_would_alter_them(
    number: Any, written: Any
) -> None:
    row = rows.SMCPattern(
        UUID(int=1),
        "kraken",
        "ETH/USD",
        "order_block",
        "1h",
        NOW,
        Decimal(1),
        None,
        "active",
        {"a": [{"b": number}]},
        NOW,
        NOW,
    )
    response = schemas.SMCPatternRead.model_validate(row).model_dump_json()
    for answer in (
        json.loads(schemas.encode_row(row)),
        json.loads(schemas.encode_page([row], None))["items"][0],
        json.loads(response),
    ):
        assert answer["metadata"] == {"a": [{"b": written}]}
        assert type(answer["metadata"]["a"][0]["b"]) is type(written)
        body = valid_body("smc_patterns") | {"metadata": answer["metadata"]}
        again = schemas.SMCPatternCreate.model_validate_json(json.dumps(body))
        assert again.metadata == {"a": [{"b": written}]}
    assert row.metadata == {"a": [{"b": number}]}


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("whaledb, whaledb.alerting, whaledb.ingest", "whaledb.schemas"),
        ("whaledb.schemas", "asyncpg"),
        ("whaledb.schemas", "whaledb.queries"),
    ],
)
def test_a_worker_does_not_load_them_nor_they_the_driver(imported: str, absent: str) -> None:
    code = f"import sys, {imported}\nassert {absent!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
