"""Why a value was refused, and which argument it was, as far as that can be told afterwards."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from typedsql.suspects import Given
from typedsql.unfit import fallback, why_unfit
from typedsql.values import Composite, Range

WEST = dt.timezone(dt.timedelta(hours=-12))
BEYOND = dt.datetime.max.replace(tzinfo=WEST)
TOO_LONG = "Python writes no int of more than 4,300 digits: give a Decimal"


class Price(Composite, frozen=True):
    __composite__: ClassVar[tuple[str, tuple[str, ...]]] = ("public.price", ("numeric", "text"))
    amount: Any
    currency: Any


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("int2", 2**15, "value out of int2 range"),
        ("int4", -(2**31) - 1, "value out of int4 range"),
        ("oid", -1, "value out of oid range"),
        ("xid8", 2**64, "value out of xid8 range"),
        ("float4", 1e39, "value out of float4 range"),
        ("float8", 10**400, "value out of float8 range"),
        ("numeric", "1", "expected Decimal or int, got str"),
        pytest.param("numeric", -(10**4_300), TOO_LONG, id="int too long"),
        ("numeric[]", [Decimal(1), 10**4_300], TOO_LONG),
        ("bool", 1, "expected bool, got int"),
        ("bytea", "x", "expected bytes, got str"),
        ("uuid", 7, "expected UUID, got int"),
        ("uuid", "7", "the text is not that of a UUID"),
        ("interval", 7, "expected timedelta, got int"),
        ("timestamp", dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "without a time zone, got one with"),
        ("timestamp", dt.date(2026, 1, 1), "expected datetime, got date"),
        ("timestamptz", BEYOND, "outside the years 1 to 9999"),
        ("text", 7, "expected str, got int"),
        ("mood", "a\0", "text cannot contain a NUL character"),
        ("text[]", "abc", "expected a list, got str"),
        ("text[]", [["a"], ["b", "\0"]], "text cannot contain a NUL character"),
        ("int8[]", [[1], [2, 3]], "a list of values and lists, or of lists that differ"),
        ("int8[]", [1, [2]], "a list of values and lists, or of lists that differ"),
        ("jsonb", {"a": object()}, "Encoding objects of type object is unsupported"),
        ("jsonb", {"a": 10**5_000}, "the dict cannot be written as JSON"),
        ("jsonb", {"a": Decimal("1E+4300")}, "an integer of more than 4,300 characters"),
        ("jsonb[]", [{"a": "\0"}], "a document cannot contain a NUL character"),
        ("tstzrange", Range(lower=BEYOND), "outside the years 1 to 9999"),
        ("int8multirange", [Range(1, 2), Range(2**63)], "value out of int8 range"),
        ("public.price", Price(Decimal(1), "\ud800"), "half of a surrogate pair"),
        ("public.price[]", [Price(1.5, "EUR")], "expected Decimal or int, got float"),
    ],
)
def test_why(kind: str, value: object, told: str) -> None:
    found = why_unfit(kind, value)
    assert found is not None
    assert told in found


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int8", 2**63 - 1),
        ("float8", float("inf")),
        ("float4", 10**30),
        ("numeric", Decimal("NaN")),
        pytest.param("numeric", 10**4_300 - 1, id="int as long as may be"),
        ("numeric", Decimal(10**4_300)),
        ("json", {"a": "\0"}),
        ("jsonb", {"a": "\\u0000"}),
        ("jsonb", [None, True]),
        ("uuid", str(uuid.UUID(int=7))),
        ("timestamptz", dt.datetime.max),
        ("timestamptz", dt.datetime.max.replace(tzinfo=dt.UTC)),
        ("text[]", (["a", "b"], ["c", None])),
        ("inet", "nowhere"),
        ("int8multirange", []),
        ("public.price", Price(Decimal(1), None)),
        ("text", None),
    ],
)
def test_nothing_is_said_of_what_fits_or_is_not_known(kind: str, value: object) -> None:
    assert why_unfit(kind, value) is None


def test_what_is_left_to_say_tells_both_types() -> None:
    assert fallback("inet", "nowhere") == "the str does not fit the type inet"
    assert fallback(None, 7) == "the int does not fit the type of the parameter"


def given(**arguments: Any) -> Given:
    return Given(tuple(arguments), (), tuple(arguments.values()))


FIELD = "A field with precision 5, scale 4 must round to an absolute value less than 10^1."


@pytest.mark.parametrize(
    ("state", "detail", "arguments", "told"),
    [
        ("22003", FIELD, {"a": Decimal("9.9999"), "b": Decimal("9.99996")}, "parameter b was"),
        ("22003", FIELD, {"a": Decimal("NaN"), "b": 1, "c": "x"}, "parameter a was"),
        ("22003", FIELD, {"a": [Decimal(1)], "b": [None, Decimal(-10)]}, "parameter b was"),
        ("22003", FIELD, {"a": 10, "b": 11}, "one of the parameters a and b was refused: it does"),
        ("22003", "", {"a": "x", "b": 2.5}, "parameter b was refused: told"),
        ("22008", "", {"a": 5, "b": dt.timedelta.max}, "parameter b was"),
        ("22012", "", {"a": 5, "b": 0}, "parameter b was"),
        ("2201W", "", {"a": 5, "b": -1}, "parameter b was"),
        ("22021", "", {"a": "x", "b": ["y", "\0"]}, "parameter b was"),
        ("22P05", "", {"a": "x", "b": "\0", "c": "\0"}, "one of the parameters b and c was"),
        ("54000", "", {"a": "x", "b": "x" * 2_001}, "parameter b was"),
        ("22999", "", {"a": object()}, "parameter a was"),
    ],
)
def test_whom_the_server_means(
    state: str, detail: str, arguments: dict[str, Any], told: str
) -> None:
    found = given(**arguments).accuse(state, "", detail, "told")
    assert found is not None
    assert found.startswith(told)


def test_a_text_too_long_for_its_column_is_found_by_the_length() -> None:
    message = "value too long for type character varying(5)"
    found = given(a="12345", b="123456").accuse("22001", message, "", "told")
    assert found == "parameter b was refused: it is longer than 5 characters"


def test_nobody_is_accused_without_a_reason() -> None:
    assert given(a=1, b=2).accuse("22999", "", "", "told") is None
    assert given(a="x", b="y").accuse("22003", "", "", "told") is None
    assert given().accuse("22003", "", "", "told") is None


def test_an_argument_that_cannot_be_shown_is_found() -> None:
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    assert given(a=1, b=deep).unshowable() == 1
    assert given(a=10**5_000, b=deep).unshowable() == 0
    assert given(a=1, b="x").unshowable() is None
