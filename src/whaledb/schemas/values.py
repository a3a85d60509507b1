"""Values that requests and responses are made of, with the limits that the database has.

Where a column has no limit of its own (numeric, the length of a trace path), the one here is a
named constant. Nothing here repeats what it was given: its complaints go to whoever sent it, and
into logs.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from whaledb.documents import MAX_CHAIN_ID, MAX_NUMBER_LENGTH

INT64_MAX: Final = 2**63 - 1
"""Largest BIGINT."""
MAX_AMOUNT_CHARS: Final = MAX_NUMBER_LENGTH
"""Characters of an exact number, its sign and point included, as in documents.

Enough for the largest uint256 in wei as ether, which takes 79.
"""
MAX_TRACE_PATH_CHARS: Final = 2_100
"""Characters of a trace path: calls nest 1,025 deep, and with longer ones the entry of the
primary key could be larger than PostgreSQL takes, 2,704 bytes."""

_MAX_INTEGER_BITS: Final = 267
"""Of an integer with at most MAX_AMOUNT_CHARS digits."""
_MAX_NUMERIC_DIGITS: Final = 131_072
"""PostgreSQL's numeric has fewer digits before its point, and after it."""
_TEXT_OF_MOMENT: Final = re.compile(
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_PLAIN_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def plain_text(value: Decimal) -> str:
    """All digits of an exact number and no exponent: 0.0000001, where str says 1E-7."""
    return format(value, "f")


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact number of a request: a string or an integer in JSON, never a float.

    `pattern` is what its text must match as a whole, `expected` says the same in words.
    """

    pattern: str
    expected: str
    smallest: int = 0
    """Of those that are given as integers."""
    largest: int = 10**MAX_AMOUNT_CHARS - 1

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=_as_plain_text()
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        text: JsonSchemaValue = {
            "type": "string",
            "pattern": f"^(?:{self.pattern})$",
            "maxLength": MAX_AMOUNT_CHARS,
            "description": f"Exact number: {self.expected}.",
        }
        if handler.mode == "serialization":
            return text
        whole = {"type": "integer", "minimum": self.smallest, "maximum": self.largest}
        return {"anyOf": [text, whole]}

    def read(self, value: object) -> Decimal:
        """The number; refuses what is not one, or has more digits than it may have."""
        text = self._text_of(value)
        if text is None or len(text) > MAX_AMOUNT_CHARS or not re.fullmatch(self.pattern, text):
            raise PydanticCustomError("exact_number", "{expected}", {"expected": self._complaint})
        return Decimal(text)

    @property
    def _complaint(self) -> str:
        return f"Input should be an exact number as a string or integer: {self.expected}"

    def _text_of(self, value: object) -> str | None:
        if isinstance(value, str):
            return value
        if isinstance(value, Decimal):
            # Written in full, 1E+999999999 would take a gigabyte.
            if not value.is_finite() or abs(value.adjusted()) > MAX_AMOUNT_CHARS:
                return None
            exponent = value.as_tuple().exponent
            if not isinstance(exponent, int) or exponent < -MAX_AMOUNT_CHARS:
                return None
            return plain_text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value) if value.bit_length() <= _MAX_INTEGER_BITS else None
        return None


@dataclass(frozen=True, slots=True)
class StoredNumber:
    """An exact number of a response: whatever the database holds, all of its digits."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read_stored, serialization=_as_plain_text()
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{_PLAIN_NUMBER.pattern}$"}


def _as_plain_text() -> core_schema.SerSchema:
    return core_schema.plain_serializer_function_ser_schema(
        plain_text, return_schema=core_schema.str_schema(), when_used="json"
    )


def _read_stored(value: object) -> Decimal:
    number: Decimal | None = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, str):
        number = Decimal(value) if _PLAIN_NUMBER.fullmatch(value) else None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    if number is not None and number.is_finite():
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and (
            exponent > -_MAX_NUMERIC_DIGITS and number.adjusted() < _MAX_NUMERIC_DIGITS
        ):
            return number
    raise PydanticCustomError("exact_number", "Input should be an exact number as a string")


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("text_nul", "Input should not contain the character NUL")
    return value


def _lower(value: str) -> str:
    return value.lower()


def _moment_or_its_text(value: object) -> object:
    # Others would be taken for seconds or milliseconds since 1970, by their size, and a seventh
    # digit of a fraction would be dropped.
    if isinstance(value, datetime) or (isinstance(value, str) and _TEXT_OF_MOMENT.fullmatch(value)):
        return value
    raise PydanticCustomError(
        "moment",
        "Input should be a time as of RFC 3339 with Z or an offset, to the microsecond at most",
    )


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError(
            "moment", "Input should be a time from year 1 to year 9999 in UTC"
        ) from None


@dataclass(frozen=True, slots=True)
class NotNull:
    """Refuses null where None stands for a member that was left out."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_not_null, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        told = handler(schema)
        kinds = [kind for kind in told.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            return cast("JsonSchemaValue", kinds[0])
        return {**told, "anyOf": kinds} if kinds else told


def _not_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError(
            "null", "Input should not be null; leave the member out to keep what is stored"
        )
    return value


def _infinity_as_utc(value: object) -> object:
    # The engine hands out PostgreSQL's infinities as the only times without a zone.
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


T = TypeVar("T")

Unchanged = Annotated[T | None, NotNull()]
"""A member of an update that may be left out, but not null: its column cannot be NULL."""

Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment_or_its_text),
    AfterValidator(_in_utc),
    Field(strict=False, json_schema_extra={"pattern": f"^(?:{_TEXT_OF_MOMENT.pattern})$"}),
]
"""A time with Z or an offset, to the microsecond; in UTC once it is read."""

StoredMoment = Annotated[AwareDatetime, BeforeValidator(_infinity_as_utc)]
"""A time of a response. PostgreSQL's infinity is the last microsecond of year 9999, -infinity the
first of year 1: JSON has no other."""

Hash = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$"), AfterValidator(_lower)]
"""Hash of a block or transaction in any case; lower case once it is read."""
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$"), AfterValidator(_lower)]
"""Address in any case, as of EIP-55, whose checksum is not verified; lower case once read."""
TracePath = Annotated[
    str, Field(pattern=r"^(?:[0-9]+(?:_[0-9]+)*)?$", max_length=MAX_TRACE_PATH_CHARS)
]
"""Path of an internal transfer, such as 0_1_2; empty for the transaction itself."""
ChainId = Annotated[int, Field(ge=1, le=INT64_MAX)]
"""EIP-155 number of a chain."""
DocumentChainId = Annotated[int, Field(ge=1, le=MAX_CHAIN_ID)]
"""The same in the conditions of an alert and in preferences."""
Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
"""BIGINT that is not negative: a block's height, gas, trades."""

_NO_NUL: dict[str, Any] = {"pattern": "^[^\\u0000]*$"}
Exchange = Annotated[
    str, Field(min_length=1, max_length=50, json_schema_extra=_NO_NUL), AfterValidator(_without_nul)
]
Symbol = Annotated[
    str,
    Field(min_length=1, max_length=100, json_schema_extra=_NO_NUL),
    AfterValidator(_without_nul),
]
"""Name of an instrument, as the exchange writes it."""
PriceSource = Annotated[
    str,
    Field(min_length=1, max_length=100, json_schema_extra=_NO_NUL),
    AfterValidator(_without_nul),
]
DisplayName = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra=_NO_NUL),
    AfterValidator(_without_nul),
]
PatternType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
"""Kind of a pattern in snake_case."""

Ether = Annotated[
    Decimal,
    Amount(
        r"[0-9]+(?:\.[0-9]{1,18}0*)?",
        "0 or more, to the wei (18 digits after the point), in at most 80 characters",
    ),
]
"""Amount in a chain's native unit, exact to the wei."""
EtherThreshold = Annotated[
    Decimal,
    Amount(r"(?=.*[1-9])[0-9]+(?:\.[0-9]+)?", "above 0, in at most 80 characters", smallest=1),
]
"""Least amount in ether that an alert asks for."""
Dollars = Annotated[
    Decimal,
    Amount(
        r"[0-9]{1,18}(?:\.[0-9]{1,2}0*)?",
        "0 or more, with at most 18 digits before the point and 2 after it",
        largest=10**18 - 1,
    ),
]
"""US dollars to the cent."""
Price = Annotated[
    Decimal,
    Amount(
        r"-?[0-9]+(?:\.[0-9]+)?",
        "in at most 80 characters, negative for some spreads",
        smallest=1 - 10 ** (MAX_AMOUNT_CHARS - 1),
    ),
]
"""Quote currency of a symbol."""
Quantity = Annotated[Decimal, Amount(r"[0-9]+(?:\.[0-9]+)?", "0 or more, in at most 80 characters")]
"""Base currency of a symbol, or contracts."""
PositiveQuantity = Annotated[
    Decimal,
    Amount(r"(?=.*[1-9])[0-9]+(?:\.[0-9]+)?", "above 0, in at most 80 characters", smallest=1),
]
Score = Annotated[
    Decimal,
    Amount(
        r"0(?:\.[0-9]{1,4}0*)?|1(?:\.0+)?",
        "0 to 1 with at most 4 digits after the point",
        largest=1,
    ),
]
"""How remarkable, strong or certain something is."""
Confidence = Annotated[
    Decimal,
    Amount(r"0(?:\.[0-9]+)?|1(?:\.0+)?", "0 to 1 in at most 80 characters", largest=1),
]
"""Least confidence_score that an alert asks for."""
Exact = Annotated[Decimal, StoredNumber()]
"""Any number that the database holds, in a response."""
