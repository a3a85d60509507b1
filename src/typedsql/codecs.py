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
from typing import TYPE_CHECKING, Any, cast

import msgspec

from typedsql import timestamps

if TYPE_CHECKING:
    import asyncpg

JSONB_VERSION = b"\x01"
"""First byte of every jsonb value on the wire (jsonb_send and jsonb_recv)."""

MICROSECONDS_PER_S = 1_000_000

_NON_FINITE = (b"null", b"NaN", b"Infinity")
NON_FINITE_DOCUMENT = "a JSON document cannot hold NaN or Infinity"
_encode_document = msgspec.json.Encoder(decimal_format="number").encode


def encode_numeric(value: object) -> str:
    """Text of an exact number; refuses floats, strings and booleans."""
    if isinstance(value, Decimal):
        if value.is_snan():
            raise ValueError("a signalling NaN has no text in PostgreSQL")
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"expected Decimal or int, got {type(value).__name__}")


def encode_json(value: object) -> bytes:
    """JSON text of a document; a Decimal is a number, as it is when it is read.

    Refuses NaN and infinities, which JSON does not have.
    """
    encoded = _encode_document(value)
    # The encoder writes a float that JSON lacks as null, and such a Decimal by its name.
    if any(word in encoded for word in _NON_FINITE) and _has_non_finite(
        msgspec.to_builtins(value, builtin_types=(Decimal,))
    ):
        raise ValueError(NON_FINITE_DOCUMENT)
    return encoded


def _has_non_finite(root: object) -> bool:
    """Walks without recursion: a document may be deeper than Python's stack."""
    pending: list[object] = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, Decimal):
            if not value.is_finite():
                return True
        elif isinstance(value, float):
            if not math.isfinite(value):
                return True
        elif isinstance(value, dict):
            pending.extend(cast("dict[object, object]", value).values())
        elif isinstance(value, list | tuple):
            pending.extend(cast("list[object]", value))
    return False


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
