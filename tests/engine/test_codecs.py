"""Numbers and documents cross the wire exactly, or are refused by name."""

import sys
from decimal import Decimal, localcontext
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typedsql import codecs
from typedsql.decoding import document_decoder


@pytest.mark.parametrize(
    "value",
    [
        Decimal("0"),
        Decimal("-0.000000000000000001"),
        Decimal("1E-7"),
        Decimal("115792089237316195423570985008687907853269984665640564039457.584007913129639935"),
        Decimal("1E+30"),
        2**256 - 1,
    ],
)
async def test_numeric_round_trip_is_exact(connection: Any, value: Decimal | int) -> None:
    await codecs.install(connection)
    assert await connection.fetchval("SELECT CAST($1 AS NUMERIC)", value) == value


async def test_numeric_too_large_is_refused_where_the_drivers_own_codec_stores_zero(
    connection: Any,
) -> None:
    huge = Decimal("1E131072")
    # Control: without our codec the value silently becomes 0.
    assert await connection.fetchval("SELECT CAST($1 AS NUMERIC)", huge) == 0
    await codecs.install(connection)
    with pytest.raises(asyncpg.PostgresError):
        await connection.fetchval("SELECT CAST($1 AS NUMERIC)", huge)


@pytest.mark.parametrize("value", [1.5, "1.5", True, Decimal("sNaN"), None.__class__])
def test_encoder_refuses_what_is_not_an_exact_number(value: object) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        codecs.encode_numeric(value)
    assert "1.5" not in str(caught.value)


async def test_an_int_is_refused_from_where_python_does_not_write_it(connection: Any) -> None:
    await codecs.install(connection)
    largest = 10**4_300 - 1
    for value in (largest, -largest, Decimal(largest + 1)):
        assert await connection.fetchval("SELECT CAST($1 AS NUMERIC)", value) == value
    for value in (largest + 1, -largest - 1):
        with pytest.raises(ValueError, match="no int of more than 4,300 digits: give a Decimal"):
            codecs.encode_numeric(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_a_null_in_a_document_is_no_reason_to_refuse_it(value: object) -> None:
    assert codecs.encode_json(value)


@pytest.mark.parametrize(
    "bad",
    [
        *(float(text) for text in ("nan", "inf", "-inf")),
        *(Decimal(text) for text in ("NaN", "Infinity", "-Infinity", "sNaN")),
    ],
)
def test_a_number_that_json_lacks_is_refused_at_any_depth(bad: float | Decimal) -> None:
    with pytest.raises(ValueError, match="NaN or Infinity"):
        codecs.encode_json({"a": [1, {"b": (bad,)}]})


async def test_documents_come_as_bytes_and_arrays_of_numbers_as_decimals(connection: Any) -> None:
    await codecs.install(connection)
    row = await connection.fetchrow(
        "SELECT CAST($1 AS JSONB) AS document, CAST($2 AS NUMERIC[]) AS numbers, "
        "CAST($3 AS JSON) AS plain",
        {"a": [1, None]},
        [Decimal("1.10"), None],
        ["x"],
    )
    assert row["document"] == b'{"a": [1, null]}'
    assert row["numbers"] == [Decimal("1.10"), None]
    assert row["plain"] == b'["x"]'


async def test_a_decimal_in_a_document_stays_the_same_number(connection: Any) -> None:
    await codecs.install(connection)
    exact = Decimal("0.1000000000000000055511151231257827")
    value = {"price": exact, "tiny": Decimal("1E-30"), "word": "NaN"}
    read = await connection.fetchval("SELECT CAST($1 AS JSONB)", value)
    decoded = document_decoder(dict[str, Any])(read)
    assert decoded == value
    assert isinstance(decoded["price"], Decimal)


@pytest.mark.parametrize(
    "value",
    [
        10**4_300 - 1,
        1 - 10**4_299,
        Decimal("1E+4299"),
        Decimal("-1E+4298"),
        Decimal("0E+5000"),
        Decimal("1E-16383"),
        Decimal(f"0.{'1' * 5_000}"),
        Decimal(f"-{'1' * 5_000}.5"),
        sys.float_info.max,
        sys.float_info.min,
        "1E+5000",
        "1" * 5_000,
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_longest_number_in_a_document_is_read_back(
    connection: Any, value: object
) -> None:
    await codecs.install(connection)
    read = await connection.fetchval("SELECT CAST($1 AS JSONB)", {"a": [value]})
    (decoded,) = document_decoder(dict[str, Any])(read)["a"]
    assert decoded == (Decimal(repr(value)) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    "value",
    [
        -(10**4_299),
        Decimal("1E+4300"),
        Decimal("-1E+4299"),
        Decimal(10**4_300),
        Decimal("1.5E+999999"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_longer_one_is_refused_wherever_it_stands(value: object) -> None:
    for document in ({"a": [1, {"b": (value,)}]}, value, {"x" * 50: [value], "y": "z" * 5_000}):
        with pytest.raises(ValueError, match="an integer of more than 4,300 characters"):
            codecs.encode_json(document)
    with localcontext(capitals=0), pytest.raises(ValueError, match="more than 4,300 characters"):
        codecs.encode_json([value])


def test_what_is_too_long_does_not_depend_on_what_a_process_lets_itself_write() -> None:
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(ValueError, match="no int of more than 4,300 digits"):
            codecs.encode_numeric(10**4_300)
        with pytest.raises(ValueError, match="more than 4,300 characters"):
            codecs.encode_json([10**4_300])
    finally:
        sys.set_int_max_str_digits(usual)


async def test_the_server_stores_what_no_reader_takes(connection: Any) -> None:
    """The control of the test before."""
    await codecs.install(connection)
    read = await connection.fetchval("SELECT CAST(CAST($1 AS TEXT) AS JSONB)", "1E+4300")
    assert len(read) == 4_301
    for text in (read, b"-1" + b"0" * 4_299):
        with pytest.raises(msgspec.ValidationError, match="out of range"):
            document_decoder(Any)(text)
