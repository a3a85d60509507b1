"""Text from the command line becomes what a generated function takes, or is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from msgspec import Struct

from typedsql.cli.arguments import parse_arguments
from typedsql.cli.invocation import WrongUsage
from typedsql.values import Range

WISHES = "a JSON object of Wishes (languages, days)"


class Wishes(Struct, forbid_unknown_fields=True):
    languages: list[str] = []
    days: int = 3

    def __post_init__(self) -> None:
        if self.days > 7:
            raise ValueError(f"not that many: {self.days}")


GOOD: list[tuple[Any, str, object]] = [
    (int, "-9223372036854775808", -(2**63)),
    (Decimal, "0.000000000000000001", Decimal("0.000000000000000001")),
    (Decimal, "123456789012345678901234567890", Decimal("123456789012345678901234567890")),
    (Decimal, "+1.50e-3", Decimal("0.00150")),
    (Decimal, ".5", Decimal("0.5")),
    (Decimal, "-Infinity", Decimal("-Infinity")),
    (Sequence[Decimal], '["1.5", 2]', [Decimal("1.5"), Decimal(2)]),
    (float, "-1.5e300", -1.5e300),
    (float, "inf", float("inf")),
    (bool, "true", True),
    (bool, "false", False),
    (str, "a=b c", "a=b c"),
    (str, "", ""),
    (str | None, "", None),
    (int | None, "7", 7),
    (datetime, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    (
        datetime,
        "2026-01-31 13:00:00.123456+0100",
        datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC),
    ),
    (UUID, "6f1f0f62-8b0e-4d3e-8f3c-1d2e3f405162", UUID("6f1f0f62-8b0e-4d3e-8f3c-1d2e3f405162")),
    (bytes, r"\x00ff", b"\x00\xff"),
    (bytes, "0x00ff", b"\x00\xff"),
    (Sequence[str], '["a", "b"]', ["a", "b"]),
    (Sequence[Decimal | None], "[1.10, null]", [Decimal("1.10"), None]),
    (Sequence[int | None], "[]", []),
    (Sequence[object], '[{"a": 1}, 2]', [{"a": 1}, 2]),
    (Sequence[datetime], '["2026-01-31T12:00:00Z"]', [datetime(2026, 1, 31, 12, tzinfo=UTC)]),
    (dict[str, Any], '{"above": 5}', {"above": 5}),
    (dict[str, Any], '{"a": 0.12345678901234567890}', {"a": Decimal("0.12345678901234567890")}),
    (dict[str, Any] | None, "", None),
    (Wishes, '{"languages": ["en"]}', Wishes(languages=["en"])),
    (Literal["bid", "ask"], "ask", "ask"),
    (Literal["bid", "ask"] | None, "", None),
    (Sequence[Literal["bid", "ask"] | None], '["bid", null]', ["bid", None]),
    (Range[int], '{"lower": 1, "upper": 3}', Range(1, 3)),
    (Range[Decimal], '{"lower": "1.5", "upper": 3}', Range(Decimal("1.5"), Decimal(3))),
]

BAD: list[tuple[Any, str, str]] = [
    (int, "0x10", "an integer"),
    (int, "1e3", "an integer"),
    (int, "", "an integer"),
    (Decimal, "1,5", "a number"),
    (Decimal, "1_0.5", "a number"),
    (Decimal, "\N{ARABIC-INDIC DIGIT ONE}.5", "a number"),
    (Decimal, " 1.5", "a number"),
    (Decimal, "\N{LATIN SMALL LETTER DOTLESS I}nf", "a number"),
    (Decimal, "", "a number"),
    (float, "1_0.5", "a number"),
    (bool, "maybe", "true or false"),
    (datetime, "2025-01-31T12:00:00", "a time with its zone"),
    (datetime, "yesterday", "a time with its zone"),
    (datetime, "1704067200", "a time with its zone"),
    (datetime, "1704067200.5", "a time with its zone"),
    (datetime, "2025-01-31T12:00:00.1234567Z", "a time with its zone, to the microsecond at most"),
    (UUID, "6f1f0f62", "a UUID"),
    (bytes, "xyz", "bytes in hexadecimal"),
    (Sequence[str], "a,b", "a JSON list, each text"),
    (Sequence[str], "[1]", "a JSON list, each text"),
    (Sequence[datetime | None], '["2026-01-31"]', "each a time with its zone"),
    (Sequence[datetime], '["2026-01-31T12:00:00.1234567Z"]', "which it is not at [0] "),
    (Sequence[Decimal | None], '[null, "1_0.5"]', "which it is not at [1] "),
    (Range[Decimal], '{"lower": "1_0.5"}', "JSON, which it is not at lower "),
    (Sequence[int | None], '["1"]', "each an integer, such as 7 or null"),
    (dict[str, Any], "[]", "a JSON object"),
    (dict[str, Any], "{", "a JSON object"),
    (Literal["bid", "ask"], "middle", "bid or ask"),
    (Sequence[Literal["bid", "ask"]], '["middle"]', "each bid or ask"),
    (Range[int], '{"lower": "a"}', "JSON, which it is not at lower"),
    (Wishes, '{"languages": ["en", 7]}', f"{WISHES}, which it is not at languages[1] "),
    (Wishes, '{"days": "seven"}', f"{WISHES}, which it is not at days "),
    (Wishes, '{"secret": 7}', f"{WISHES} "),
    (Wishes, '{"days": 99}', f"{WISHES} "),
    (Sequence[Wishes], '[{"days": "seven"}]', "each a JSON object of Wishes"),
]


@pytest.mark.parametrize(("kind", "text", "expected"), GOOD, ids=repr)
def test_good_text(kind: Any, text: str, expected: object) -> None:
    (value,) = parse_arguments("file.name", {"it": kind}, [f"it={text}"]).values()
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("kind", "text", "told"), BAD, ids=repr)
def test_bad_text_is_refused_by_type_and_never_repeated(kind: Any, text: str, told: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse_arguments("file.name", {"it": kind}, [f"it={text}"])
    message = str(caught.value)
    assert message.startswith("file.name: it must be ")
    assert told.replace(", such as 7", "") in message
    if len(text) > 2:
        assert text not in message


def test_optional_parameters_may_be_left_out() -> None:
    assert parse_arguments("q", {"a": int | None, "b": int}, ["b=1"]) == {"a": None, "b": 1}


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(WrongUsage) as caught:
        parse_arguments("q", {"a": int, "b": str}, ["a=x", "c=1"])
    assert str(caught.value) == (
        "q: it has no parameter c; a must be an integer; b is missing (text) (parameters: a, b)"
    )
    assert caught.value.query == "q"
