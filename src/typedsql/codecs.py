"""How values cross the wire where the driver's own way loses something.

numeric travels as text with `decimal.Decimal` as the decoder: faster than the driver's
binary codec, and a value too large for PostgreSQL is refused instead of stored as 0
(Decimal("1E131072") through the binary codec). json and jsonb are handed on as bytes, so
that each column is decoded once, straight to its declared type. An interval with months or
years is refused: the driver would make 30 and 365 days of them.

On a connection with these codecs COPY of records with numeric columns does not work, nor do
records, composites and ranges that contain a numeric: the driver refuses them when it
prepares a statement, an anonymous record when it reads one, and the analysis beforehand.
"""

import datetime
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from typedsql import timestamps
from typedsql.digits import INT_TOO_LONG, MOST_DIGITS, is_too_long

if TYPE_CHECKING:
    import asyncpg

JSONB_VERSION = b"\x01"
"""First byte of every jsonb value on the wire (jsonb_send and jsonb_recv)."""

MICROSECONDS_PER_S = 1_000_000

NON_FINITE_DOCUMENT: Final = "a JSON document cannot hold NaN or Infinity"
INTEGER_TOO_LONG_DOCUMENT: Final = (
    f"a JSON document cannot hold an integer of more than {MOST_DIGITS:,} characters, which Python "
    "does not read: give a text"
)
_STEP: Final = 43
_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_RUN: Final = b"0" * (MOST_DIGITS // _STEP)
"""What a run of so many digits leaves in every 43rd byte, each digit taken for a zero: to look for
it there costs little beside the writing of the document."""
_encode_document = msgspec.json.Encoder(decimal_format="number").encode


def encode_numeric(value: object) -> str:
    """Text of an exact number; refuses floats, strings and booleans."""
    if isinstance(value, Decimal):
        if value.is_snan():
            raise ValueError("a signalling NaN has no text in PostgreSQL")
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if is_too_long(value):
            raise ValueError(INT_TOO_LONG)
        return str(value)
    raise TypeError(f"expected Decimal or int, got {type(value).__name__}")


def encode_json(value: object) -> bytes:
    """JSON text of a document; a Decimal is a number, as it is when it is read.

    Refuses NaN and infinities, which JSON does not have, and integers that could not be read
    back: jsonb writes 1E+5000 with all its digits.
    """
    encoded = _encode_document(value)
    if (
        # The encoder writes a float that JSON lacks as null, and such a Decimal by its name.
        b"null" in encoded
        or b"NaN" in encoded
        or b"Infinity" in encoded
        # A Decimal has the plus, where a float has none; its context says which letter. The plus
        # by itself is found so much faster that documents without one need not wait.
        or (b"+" in encoded and (b"E+" in encoded or b"e+" in encoded))
        or (len(encoded) >= MOST_DIGITS and _LONG_RUN in encoded[::_STEP].translate(_ZEROS))
    ):
        wrong = _wrong_number(msgspec.to_builtins(value, builtin_types=(Decimal,)))
        if wrong is not None:
            raise ValueError(wrong)
    return encoded


def _wrong_number(root: object) -> str | None:
    """Why a number must not be in a document; None where all may.

    Walks without recursion: a document may be deeper than Python's stack.
    """
    pending: list[object] = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, Decimal):
            if not value.is_finite():
                return NON_FINITE_DOCUMENT
            if value.adjusted() >= MOST_DIGITS - 1 and _is_unreadable(value):
                return INTEGER_TOO_LONG_DOCUMENT
        elif isinstance(value, float):
            if not math.isfinite(value):
                return NON_FINITE_DOCUMENT
        elif isinstance(value, dict):
            pending.extend(cast("dict[object, object]", value).values())
        elif isinstance(value, list | tuple):
            pending.extend(cast("list[object]", value))
        # The sign is a character too.
        elif isinstance(value, int) and is_too_long(10 * value if value < 0 else value):
            return INTEGER_TOO_LONG_DOCUMENT
    return None


def _is_unreadable(value: Decimal) -> bool:
    """Whether jsonb makes an integer of it that is too long; a number with a point never is."""
    sign, _, exponent = value.as_tuple()
    is_integer = isinstance(exponent, int) and exponent >= 0 and value != 0
    return is_integer and sign + value.adjusted() >= MOST_DIGITS


def _encode_jsonb(value: object) -> bytes:
    return JSONB_VERSION + encode_json(value)


def _decode_jsonb(data: bytes) -> bytes:
    return data[1:]


def encode_interval(value: object) -> tuple[int, int, int]:
    """Months, days and microseconds of a duration."""
    if not isinstance(value, datetime.timedelta):
        raise TypeError(f"expected timedelta, got {type(value).__name__}")
    return 0, value.days, value.seconds * MICROSECONDS_PER_S + value.microseconds


def decode_interval(parts: tuple[int, int, int]) -> datetime.timedelta:
    """The duration; refuses months and years, whose length depends on the date they are added to.

    An infinite interval counts as one with months, as on the wire.
    """
    months, days, microseconds = parts
    if months:
        raise ValueError("an interval of months, years or infinity has no timedelta")
    return datetime.timedelta(days=days, microseconds=microseconds)


async def install(connection: "asyncpg.Connection[Any]") -> None:
    """Set the codecs on a new connection for queries; the pool calls it once for each."""
    await connection.set_type_codec(
        "numeric", schema="pg_catalog", format="text", encoder=encode_numeric, decoder=Decimal
    )
    await install_bulk(connection)


async def install_bulk(connection: "asyncpg.Connection[Any]") -> None:
    """Set the codecs on a new connection of the bulk pool: all but that of numeric.

    There the driver's own takes part in COPY, and `fitting.refuse_binary_numeric` stands
    before it.
    """
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_encode_jsonb, decoder=_decode_jsonb
    )
    await connection.set_type_codec(
        "json", schema="pg_catalog", format="binary", encoder=encode_json, decoder=bytes
    )
    await connection.set_type_codec(
        "interval",
        schema="pg_catalog",
        format="tuple",
        encoder=encode_interval,
        decoder=decode_interval,
    )
    await timestamps.install(connection)
