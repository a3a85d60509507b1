"""Amounts, addresses and bars as text."""

from decimal import Decimal

import pytest

from whaledb.cli import chart

TWO = [("00:00", Decimal(1000)), ("01:00", Decimal(250)), ("02:00", Decimal(0))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("1", "1.00"),
        ("1234567.891", "1,234,567.89"),
        ("1E+6", "1,000,000.00"),
        ("0.500000000000000000", "0.5"),
        ("1E-18", "0.000000000000000001"),
    ],
)
def test_amounts_have_separators_and_no_exponent(value: str, text: str) -> None:
    assert chart.amount(Decimal(value)) == text


def test_addresses_are_shortened() -> None:
    whole = "0x" + "1234" + "0" * 32 + "abcd"
    assert chart.address(whole, chart.UNICODE) == "0x1234…abcd"
    assert chart.address(whole, chart.ASCII) == "0x1234..abcd"


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-16"])
def test_signs_of_unicode_where_they_can_be_written(encoding: str) -> None:
    assert chart.signs_for(encoding) is chart.UNICODE


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "unheard-of", None])
def test_ascii_elsewhere(encoding: str | None) -> None:
    assert chart.signs_for(encoding) is chart.ASCII
    assert "".join(chart.bars(TWO, columns=40, signs=chart.ASCII)).isascii()


def test_bars_are_in_proportion() -> None:
    assert chart.bars(TWO, columns=36, signs=chart.UNICODE) == [
        "  00:00  1,000  " + "█" * 20,
        "  01:00    250  " + "█" * 5,
        "  02:00      -",
    ]
    halves = [("a", Decimal(2)), ("b", Decimal(1)), ("c", Decimal("0.001"))]
    assert chart.bars(halves, columns=13, signs=chart.UNICODE) == [
        "  a  2  █████",
        "  b  1  ██▌",
        "  c  0  ▌",
    ]
    assert chart.bars(halves, columns=13, signs=chart.ASCII)[1:] == ["  b  1  ##", "  c  0  #"]


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_bars_fit(columns: int) -> None:
    rows = [(f"01-05 {hour:02}:00", Decimal(10) ** (hour // 4)) for hour in range(24)]
    lines = chart.bars(rows, columns=columns, signs=chart.UNICODE)
    assert max(map(len, lines)) <= columns
    assert len(lines) == 24
    assert all("█" in line or "▌" in line for line in lines)


def test_no_bars_of_nothing() -> None:
    assert chart.bars([], columns=80, signs=chart.UNICODE) == []
    assert chart.bars([("a", Decimal(0))], columns=80, signs=chart.UNICODE) == ["  a  -"]
