"""What people are shown: values from a database, at 80 columns, harmless to a terminal."""

from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from tests.cli.commands import whaledb
from typedsql.cli.output import cell, columns, readable, write_rows
from typedsql.settings import ConnectionTarget

CELLS: list[tuple[object, str]] = [
    (None, "NULL"),
    (True, "true"),
    (Decimal("1E+30"), "1000000000000000000000000000000"),
    (Decimal("-0.000000000000000001"), "-0.000000000000000001"),
    (-(2**63), "-9223372036854775808"),
    (b"\x00\xff", r"\x00ff"),
    ("two\nlines\tand a tab", r"two\nlines\tand a tab"),
    ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    ("\x9b2J\x07\x7f", r"\x9b2J\x07\x7f"),
    ("safe\u202egnp.exe", r"safe\u202egnp.exe"),
    ("鯨 🐋 é", "鯨 🐋 é"),
    ({"a": "\x1b]0;title\x07"}, r'{"a":"\u001b]0;title\u0007"}'),
]


@pytest.mark.parametrize(("value", "expected"), CELLS, ids=repr)
def test_a_cell_is_one_line_without_control_characters(value: object, expected: str) -> None:
    assert cell(value) == expected


def test_text_of_several_lines_keeps_them_and_nothing_else() -> None:
    assert readable("a\n\tb\r\x1b[K") == "a\n\tb\\r\\x1b[K"


def test_columns_of_a_terminal() -> None:
    assert [columns(text) for text in ("abc", "鯨", "e\u0301", "\uff57", "é")] == [3, 2, 1, 2, 1]


class Row(msgspec.Struct):
    name: str
    amount: Decimal | None


def shown(rows: list[Any], capsys: pytest.CaptureFixture[str]) -> list[str]:
    write_rows(rows)
    return capsys.readouterr().out.splitlines()


def test_a_table_is_straight_with_wide_text_null_and_negative_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [Row("鯨", None), Row("whale", Decimal("-12.50")), Row("\x1b[1m", Decimal(7))]
    assert shown(rows, capsys) == [
        "name     amount",
        "-------  ------",
        "鯨         NULL",
        "whale    -12.50",
        r"\x1b[1m       7",
    ]


def test_nothing_is_shown_of_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown([], capsys) == []


def test_a_row_that_is_too_wide_is_a_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown([Row("x" * 90, None)], capsys) == [f"name    {'x' * 90}", "amount  NULL"]


ESCAPE = "\x1b[31mRED\x1b[0m"


async def test_text_of_the_database_cannot_drive_the_terminal(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO public.liquidity_zones (price_level, size, side, exchange, symbol)"
        " VALUES (1, 1, 'bid', 'kraken', $1)",
        ESCAPE,
    )
    zone = await connection.fetchval("SELECT id FROM public.liquidity_zones")
    people = whaledb("query", "liquidity_zones.get", f"id={zone}", target=target)
    assert r"\x1b[31mRED\x1b[0m" in people.out
    assert "\x1b" not in people.out
    exact = whaledb("query", "liquidity_zones.get", f"id={zone}", "--json", target=target)
    assert exact.json()["symbol"] == ESCAPE


async def test_what_an_old_locale_cannot_write_is_escaped_and_json_stays_utf8(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO public.liquidity_zones (price_level, size, side, exchange, symbol)"
        " VALUES (1, 1, 'bid', 'kraken', '鯨é')"
    )
    zone = await connection.fetchval("SELECT id FROM public.liquidity_zones")
    words = ("query", "liquidity_zones.get", f"id={zone}")
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    people = whaledb(*words, target=target, environment=ascii_only)
    assert people.code == 0, people.err
    assert r"\u9be8\xe9" in people.out
    exact = whaledb(*words, "--json", target=target, environment=ascii_only)
    assert exact.json()["symbol"] == "鯨é"
