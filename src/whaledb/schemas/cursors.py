"""Where a page ends: the key of its last row, as a text that a client sends back unread.

A cursor holds no secret and gives no rights: it is the sort key of a row that its holder was
shown, and row level security decides what follows it. Whoever forges one pages from elsewhere.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Generic, Self, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from typedsql.errors import DataError
from whaledb.rows import LiquidityZoneSide

MAX_CURSOR_CHARS: Final = 8_000
"""Characters of a cursor, of which few need more than 300; servers take so much in a URL."""
MAX_PAGE_ROWS: Final = 1_000
"""Rows of a page at most."""

MAX_CURSOR_DIGITS: Final = 100
"""Digits of a number in a cursor; requests take 80 characters."""

_INT64_MAX: Final = 2**63 - 1
_TOO_LONG: Final = "the list cannot be continued: its last row has too long a key"

Text = Annotated[str, Meta(max_length=100, pattern="^[^\\x00]*$")]
Hash = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}\\Z")]
TracePath = Annotated[str, Meta(max_length=5_000, pattern="^([0-9]+(_[0-9]+)*)?\\Z")]
ChainId = Annotated[int, Meta(ge=1, le=_INT64_MAX)]
Number = Annotated[int, Meta(ge=0, le=_INT64_MAX)]
Moment = Annotated[datetime, Meta(tz=True)]


class CursorRefused(DataError, ValueError):
    """What was sent as a cursor is none of this list; ask for the first page again."""


class Keyset(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key of a list's last row, named as the parameters of its statement are."""

    lists: ClassVar[tuple[str, ...]] = ()
    """The statements that take it."""
    columns: ClassVar[dict[str, str]] = {}
    """Columns whose name is not that of the parameter without before_ or after_."""

    @classmethod
    def of(cls, row: Struct) -> Self:
        """The key of a row.

        Raises:
            CursorRefused: a number in it is longer than a cursor takes.
        """
        key = {
            name: getattr(row, cls.columns.get(name, name.partition("_")[2]))
            for name in cls.__struct_fields__
        }
        try:
            return cls(**key)
        except ValueError:
            raise CursorRefused(_TOO_LONG) from None

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the list's function for what follows."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            # A forged cursor may hold NaN, or a number without end.
            if isinstance(value, Decimal) and not _is_short(value):
                raise ValueError("a number of a cursor is finite and short")


def _is_short(value: Decimal) -> bool:
    return (
        value.is_finite()
        and abs(value.adjusted()) <= MAX_CURSOR_DIGITS
        and len(value.as_tuple().digits) <= MAX_CURSOR_DIGITS
    )


class AlertsBefore(Keyset, frozen=True, tag="alerts"):
    lists = ("alerts.list_mine", "alerts.list_by_user")

    before_created_at: Moment
    before_id: UUID


class AlertEventsBefore(Keyset, frozen=True, tag="alert_events"):
    lists = ("alert_events.list_mine", "alert_events.list_by_user", "alert_events.list_by_alert")

    before_fired_at: Moment
    before_id: UUID


class AlertsAfter(Keyset, frozen=True, tag="alerts_after"):
    lists = ("alerts.list_enabled",)

    after_id: UUID


class AlertEventsOfBlockAfter(Keyset, frozen=True, tag="alert_events_of_block"):
    lists = ("alert_events.list_by_block",)

    after_transaction_hash: Hash
    after_trace_path: TracePath
    after_alert_id: UUID


class AlertEventsChangedAfter(Keyset, frozen=True, tag="alert_events_changed"):
    lists = ("alert_events.list_changed",)

    after_updated_at: Moment
    after_id: UUID


class UsersAfter(Keyset, frozen=True, tag="users"):
    lists = ("users.list_all",)

    after_id: UUID


class TransfersBefore(Keyset, frozen=True, tag="transfers"):
    lists = ("whale_transactions.list_recent", "whale_transactions.list_by_address")

    columns = {"before_timestamp": "block_timestamp"}

    before_timestamp: Moment
    before_hash: Hash
    before_chain_id: ChainId
    before_block_hash: Hash
    before_trace_path: TracePath


class ZonesOfSymbolAfter(Keyset, frozen=True, tag="zones_of_symbol"):
    lists = ("liquidity_zones.list_by_symbol",)

    after_exchange: Text
    after_side: LiquidityZoneSide
    after_price_level: Decimal


class ZonesAfter(Keyset, frozen=True, tag="zones"):
    lists = ("liquidity_zones.list_all",)

    after_symbol: Text
    after_exchange: Text
    after_side: LiquidityZoneSide
    after_price_level: Decimal


class PatternsOfChartAfter(Keyset, frozen=True, tag="patterns_of_chart"):
    lists = ("smc_patterns.list_by_chart",)

    after_pattern_type: Text
    after_detected_at: Moment
    after_price_level: Decimal


class PatternsOfTypeBefore(Keyset, frozen=True, tag="patterns_of_type"):
    lists = ("smc_patterns.list_by_type",)

    before_detected_at: Moment
    before_id: UUID


class PatternsAfter(Keyset, frozen=True, tag="patterns"):
    lists = ("smc_patterns.list_all",)

    after_id: UUID


class CandlesAfter(Keyset, frozen=True, tag="candles_after"):
    lists = ("market_data.list_candles",)

    after_open_time: Moment


class CandlesBefore(Keyset, frozen=True, tag="candles_before"):
    lists = ("market_data.list_recent",)

    before_open_time: Moment


class BlocksBefore(Keyset, frozen=True, tag="blocks"):
    lists = ("blocks.list_recent",)

    before_number: Number


class BlocksAfter(Keyset, frozen=True, tag="blocks_after"):
    lists = ("blocks.list_all",)

    after_hash: Hash
    after_chain_id: ChainId


K = TypeVar("K", bound=Keyset)
R = TypeVar("R", bound=Struct)


def write_cursor(keyset: Keyset) -> str:
    """The text of a cursor: letters, digits, - and _.

    Raises:
        CursorRefused: the key is longer than MAX_CURSOR_CHARS.
    """
    text = urlsafe_b64encode(msgspec.msgpack.encode(keyset)).rstrip(b"=").decode()
    if len(text) > MAX_CURSOR_CHARS:
        raise CursorRefused(_TOO_LONG)
    return text


def read_cursor(text: str, kind: type[K], *, parameter: str = "cursor") -> K:
    """The key that a client sent back as `parameter`.

    Raises:
        CursorRefused: it was not written for this kind of list, or was cut or changed.
    """
    try:
        if len(text) > MAX_CURSOR_CHARS:
            raise ValueError("too long")
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        keyset = msgspec.msgpack.decode(raw, type=kind)
        if write_cursor(keyset) != text:
            raise ValueError("spelt otherwise")
    except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError):
        # Not chained: what msgspec says can quote a value.
        raise CursorRefused(
            f"{parameter} is no cursor of this list; ask for the first page again"
        ) from None
    return keyset


def arguments_after(text: str | None, kind: type[Keyset]) -> dict[str, Any]:
    """Keyword arguments of a list's function: what follows the cursor, or the first page.

    Raises:
        CursorRefused: as of `read_cursor`.
    """
    if text is None:
        return dict.fromkeys(kind.__struct_fields__)
    return read_cursor(text, kind).arguments()


class Cut(Struct, Generic[R], frozen=True):
    """The rows of a page, and the cursor of the next one; None where there is none."""

    rows: Sequence[R]
    next_cursor: str | None


def cut(rows: Sequence[R], kind: type[Keyset], *, page_rows: int) -> Cut[R]:
    """A page of rows that were asked for with `max_rows=page_rows + 1`.

    The row beyond the page tells that another follows, and is left to it.
    """
    if len(rows) <= page_rows:
        return Cut(rows, None)
    return Cut(rows[:page_rows], write_cursor(kind.of(rows[page_rows - 1])))
