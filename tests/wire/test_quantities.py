"""Hex strings to exact values, and the refusal of everything else."""

import decimal
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whaledb.wire.quantities import (
    LARGEST_BIGINT,
    LARGEST_UINT256,
    Unreadable,
    address,
    block_or_transaction_hash,
    ether_from_wei,
    moment,
    quantity,
)

UINT256 = st.integers(min_value=0, max_value=LARGEST_UINT256)


@given(UINT256)
def test_a_quantity_round_trips(number: int) -> None:
    assert quantity(hex(number), name="value", largest=LARGEST_UINT256) == number
    assert quantity("0x" + hex(number)[2:].upper(), name="value", largest=number) == number


@given(UINT256, st.integers(min_value=1, max_value=30))
def test_ether_round_trips_to_the_last_wei_in_any_context(wei: int, precision: int) -> None:
    with decimal.localcontext(prec=precision):
        ether = ether_from_wei(wei)
    with decimal.localcontext(prec=100):
        assert ether * 10**18 == wei
    assert ether.as_tuple().exponent == -18


def test_the_default_context_would_round_a_large_amount() -> None:
    wei = 123_456_789_012_345_678_901_234_567_890_123_456_789
    assert Decimal(wei).scaleb(-18) * 10**18 != wei
    assert str(ether_from_wei(wei)) == "123456789012345678901.234567890123456789"


@pytest.mark.parametrize(
    "text",
    [
        "0x" + "1" * 65,
        *[
            "",
            "0x",
            "1",
            "0X1",
            "x1",
            "-0x1",
            "0x-1",
            "0x1g",
            " 0x1",
            "0x1\n",
            "0x_1",
            "0x1_0",
            "0x1.",
            "٣",
            "0x٣",
        ],
    ],
)
def test_what_is_no_hex_quantity_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="value is not a hex quantity"):
        quantity(text, name="value", largest=LARGEST_UINT256)


def test_a_quantity_over_bigint_names_the_limit_and_not_the_content() -> None:
    assert quantity(hex(2**63 - 1), name="gasPrice", largest=LARGEST_BIGINT) == 2**63 - 1
    with pytest.raises(Unreadable) as refused:
        quantity(hex(2**70), name="gasPrice", largest=LARGEST_BIGINT)
    assert str(refused.value) == (
        "gasPrice is out of range: it is over 2^63-1, the most that BIGINT holds"
    )


def test_leading_zeros_are_accepted() -> None:
    assert quantity("0x00ff", name="value", largest=LARGEST_UINT256) == 255


def test_addresses_and_hashes_are_lower_cased() -> None:
    mixed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert address(mixed, name="to") == mixed.lower()
    assert block_or_transaction_hash("0x" + "AB" * 32, name="hash") == "0x" + "ab" * 32


@pytest.mark.parametrize("text", ["", "0x", "0x" + "a" * 39, "0x" + "a" * 41, "0x" + "g" * 40])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="to is not an address"):
        address(text, name="to")


@pytest.mark.parametrize("text", ["", "a" * 66, "0x" + "a" * 63, "0x" + "a" * 65, "0X" + "a" * 64])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="hash is not a hash"):
        block_or_transaction_hash(text, name="hash")


def test_timestamps_are_utc_and_bounded() -> None:
    assert moment(0, name="timestamp") == datetime(1970, 1, 1, tzinfo=UTC)
    assert moment(1_667_253_467, name="timestamp") == datetime(2022, 10, 31, 21, 57, 47, tzinfo=UTC)
    with pytest.raises(Unreadable, match="timestamp is out of range"):
        moment(2**62, name="timestamp")
