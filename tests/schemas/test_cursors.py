"""Pages: every row once, whatever ties there are, and forged cursors that are only refused."""

import inspect
import re
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tests.databases import ROOT
from tests.queries.accounts import ALICE, make_accounts
from tests.schemas.cases import rows_of
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb import rows, schemas
from whaledb.queries import alerts, liquidity_zones, market_data
from whaledb.schemas import cursors
from whaledb.schemas.cursors import MAX_CURSOR_CHARS, Keyset

KINDS: Final = [
    kind
    for kind in vars(cursors).values()
    if isinstance(kind, type) and issubclass(kind, Keyset) and kind is not Keyset
]
ROW_OF: Final[dict[str, type[Struct]]] = {
    "alerts": rows.Alert,
    "alert_events": rows.AlertEvent,
    "users": rows.User,
    "whale_transactions": rows.WhaleTransaction,
    "liquidity_zones": rows.LiquidityZone,
    "smc_patterns": rows.SMCPattern,
    "market_data": rows.MarketData,
    "blocks": rows.Block,
}
# Lists of workers: their rows are no entities, and nobody sends their keys.
OF_WORKERS: Final = {
    "alerts.list_matching",
    "alerts.list_matching_candles",
    "alerts.list_matching_patterns",
    "alerts.list_enabled_with_owner",
    "ingest_claims.list_all",
    "ingest_cursors.list_all",
    "dead_letters.list_by_source",
    "dead_letters.list_recent",
}
NOW: Final = datetime(2026, 11, 15, 12, tzinfo=UTC)


def paged_statements() -> dict[str, tuple[str, ...]]:
    """Statements whose before_ or after_ parameters may be left out, and those."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((ROOT / "queries").glob("*.sql")):
        for block in re.split(r"^-- name: ", path.read_text(), flags=re.M)[1:]:
            name = re.split(r"\W", block, maxsplit=1)[0]
            for names in re.findall(r"^-- @optional (.*)$", block, flags=re.M):
                keys = tuple(each.strip() for each in names.split(","))
                if keys[0].startswith(("before_", "after_")):
                    found[f"{path.stem}.{name}"] = keys
    return found


def test_each_list_that_has_pages_has_its_cursor() -> None:
    paged = paged_statements()
    assert len(paged) > 15
    by_list = {name: kind.__struct_fields__ for kind in KINDS for name in kind.lists}
    assert {name: keys for name, keys in paged.items() if name not in OF_WORKERS} == by_list
    assert set(paged) >= OF_WORKERS
    assert len({kind.__struct_config__.tag for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_cursor_is_the_arguments_of_its_lists(kind: type[Keyset]) -> None:
    for name in kind.lists:
        module, _, function = name.partition(".")
        taken = inspect.signature(getattr(import_module(f"whaledb.queries.{module}"), function))
        assert set(schemas.arguments_after(None, kind)) <= set(taken.parameters)
        assert set(schemas.arguments_after(None, kind).values()) == {None}


def keyset_of(kind: type[Keyset], data: st.DataObject) -> Keyset:
    row = data.draw(rows_of(ROW_OF[kind.lists[0].partition(".")[0]]))
    told: dict[str, Any] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if name.endswith("hash"):
            told[name] = "0x" + "ab" * 32
        elif name == "trace_path":
            told[name] = "0_1"
        elif name in ("pattern_type", "chain_id", "id"):
            told[name] = {"pattern_type": "a", "chain_id": 1, "id": UUID(int=7)}[name]
        elif isinstance(value, datetime) or (value is None and name.endswith("_at")):
            told[name] = NOW
        elif isinstance(value, Decimal) and abs(value.adjusted()) > 50:
            told[name] = Decimal("1.50")
    return kind.of(msgspec.structs.replace(row, **told))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_cursor_comes_back_as_it_went(kind: type[Keyset], data: st.DataObject) -> None:
    keyset = keyset_of(kind, data)
    text = schemas.write_cursor(keyset)
    assert re.fullmatch("[A-Za-z0-9_-]+", text)
    assert len(text) <= MAX_CURSOR_CHARS
    assert schemas.read_cursor(text, kind) == keyset
    assert schemas.arguments_after(text, kind) == keyset.arguments()
    for other in KINDS:
        if other is not kind:
            with pytest.raises(schemas.CursorRefused):
                schemas.read_cursor(text, other)


def refuse(text: str, kind: type[Keyset]) -> None:
    with pytest.raises(schemas.CursorRefused) as refused:
        schemas.arguments_after(text, kind)
    assert str(refused.value) == "cursor is no cursor of this list; ask for the first page again"
    assert isinstance(refused.value, DataError)
    assert isinstance(refused.value, ValueError)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: packed(raw)))
def test_anything_else_is_no_cursor(text: str) -> None:
    for kind in (cursors.AlertsBefore, cursors.ZonesAfter, cursors.TransfersBefore):
        refuse(text, kind)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_cursor_that_was_changed_is_refused_or_another_key(data: st.DataObject) -> None:
    keyset = cursors.ZonesAfter("ETH/USD", "kraken", "bid", Decimal("1900.5"))
    text = schemas.write_cursor(keyset)
    for end in range(len(text)):
        refuse(text[:end], cursors.ZonesAfter)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters()) + text[at + 1 :]
    try:
        read = schemas.read_cursor(changed, cursors.ZonesAfter)
    except schemas.CursorRefused:
        return
    assert schemas.write_cursor(read) == changed
    assert read.after_price_level.is_finite()


def packed(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(*members: Any) -> str:
    return packed(msgspec.msgpack.encode(list(members)))


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "NaN")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "sNaN")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "-Infinity")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "1E131072")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "1E999999999")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "9" * 101)),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", 1.5)),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "both", "1")),
        (cursors.ZonesAfter, ("zones", "a\0b", "kraken", "bid", "1")),
        (cursors.ZonesAfter, ("zones", "x" * 101, "kraken", "bid", "1")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", None, "bid", "1")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid")),
        (cursors.ZonesAfter, ("zones", "ETH/USD", "kraken", "bid", "1", 1)),
        (cursors.ZonesAfter, ()),
        (cursors.AlertsBefore, ("alerts", NOW.replace(tzinfo=None), UUID(int=1))),
        (cursors.AlertsBefore, ("alerts", "0001-01-01T00:00:00+14:00", UUID(int=1))),
        (cursors.AlertsBefore, ("alerts", "2026-01-01T00:00:00", UUID(int=1))),
        (cursors.AlertsBefore, ("alerts", NOW, "canary")),
        (cursors.AlertsBefore, ("alerts", 10**18, UUID(int=1))),
        (cursors.BlocksBefore, ("blocks", 2**63)),
        (cursors.BlocksBefore, ("blocks", -1)),
        (cursors.BlocksBefore, ("blocks", True)),
        (cursors.BlocksBefore, ("blocks", 1.0)),
        (cursors.BlocksAfter, ("blocks_after", "0x" + "AB" * 32, 1)),
        (cursors.BlocksAfter, ("blocks_after", "0x" + "ab" * 32 + "\n", 1)),
        (cursors.BlocksAfter, ("blocks_after", "0x" + "ab" * 32, 0)),
    ],
)
def test_a_forged_cursor_is_refused_before_the_database(
    kind: type[Keyset], members: tuple[Any, ...]
) -> None:
    refuse(forged(*members), kind)


def test_a_cursor_deeper_or_longer_than_any_is_refused() -> None:
    refuse(packed(b"\x91" * 5_000), cursors.AlertsBefore)
    refuse(packed(b"\xdd\xff\xff\xff\xff" * 10), cursors.AlertsBefore)
    refuse("A" * (MAX_CURSOR_CHARS + 1), cursors.AlertsBefore)
    refuse("A" * 10_000_000, cursors.AlertsBefore)
    refuse("", cursors.AlertsBefore)
    refuse("\ud800", cursors.AlertsBefore)


def test_the_parameter_is_named() -> None:
    with pytest.raises(schemas.CursorRefused, match=r"^page\[after\] is no cursor"):
        schemas.read_cursor("x", cursors.AlertsBefore, parameter="page[after]")


def test_a_key_too_long_for_a_cursor_is_a_typed_error() -> None:
    row = rows.LiquidityZone(
        UUID(int=1), Decimal("1E+101"), Decimal(1), "bid", None, "kraken", "ETH/USD", NOW, NOW
    )
    with pytest.raises(schemas.CursorRefused, match="too long a key"):
        cursors.ZonesAfter.of(row)
    with pytest.raises(schemas.CursorRefused, match="too long a key"):
        schemas.write_cursor(
            cursors.TransfersBefore(NOW, "0x" + "ab" * 32, 1, "0x" + "ab" * 32, "0_" * 9_000 + "0")
        )


def test_a_page_says_where_the_next_begins_only_if_there_is_one() -> None:
    some = [
        rows.MarketData(
            "k", "s", "1m", NOW + timedelta(minutes=number), *[Decimal(1)] * 5, 1, NOW, NOW
        )
        for number in range(3)
    ]
    for length in range(4):
        cut = schemas.cut(some[:length], cursors.CandlesAfter, page_rows=2)
        assert list(cut.rows) == some[: min(length, 2)]
        assert (cut.next_cursor is not None) == (length > 2)
    last = schemas.cut(some, cursors.CandlesAfter, page_rows=2).next_cursor
    assert schemas.arguments_after(last, cursors.CandlesAfter) == {
        "after_open_time": some[1].open_time
    }


async def walk(
    ask: Callable[..., Awaitable[list[Any]]], kind: type[Keyset], page_rows: int
) -> list[Any]:
    """All rows of a list, as a client that sends back what each page says."""
    seen: list[Any] = []
    cursor: str | None = None
    for _ in range(20):
        found = await ask(max_rows=page_rows + 1, **schemas.arguments_after(cursor, kind))
        page = schemas.cut(found, kind, page_rows=page_rows)
        seen += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return seen
    raise AssertionError("still not at the end after 20 pages")


async def test_pages_of_real_lists_have_every_row_once(db: Database) -> None:
    await make_accounts(db, ALICE)
    async with db.transaction() as tx:  # one transaction: all are created at one time
        for number in range(7):
            await alerts.insert(
                tx,
                user_id=ALICE,
                alert_type="large_transfer",
                conditions={"min_value_eth": number + 1},
                enabled=True,
            )
        await market_data.ensure_months(tx, first=NOW, last=NOW)
        for number in range(7):
            await market_data.insert(
                tx,
                exchange="kraken",
                symbol="ETH/USD",
                interval="1m",
                open_time=NOW + timedelta(minutes=number),
                open=Decimal(1),
                high=Decimal(1),
                low=Decimal(1),
                close=Decimal(1),
                volume=Decimal(0),
            )
            await liquidity_zones.insert(
                tx,
                exchange="kraken",
                symbol="ETH/USD",
                side="bid",
                price_level=Decimal(f"0.{number}0000001"),
                size=Decimal(1),
            )

    async def mine(**asked: Any) -> list[Any]:
        return await alerts.list_by_user(db, user_id=ALICE, **asked)

    async def candles(**asked: Any) -> list[Any]:
        return await market_data.list_recent(
            db, exchange="kraken", symbol="ETH/USD", interval="1m", **asked
        )

    async def zones(**asked: Any) -> list[Any]:
        return await liquidity_zones.list_all(db, **asked)

    for ask, kind in (
        (mine, cursors.AlertsBefore),
        (candles, cursors.CandlesBefore),
        (zones, cursors.ZonesAfter),
    ):
        whole = await ask(max_rows=100)
        assert len(whole) == 7
        for page_rows in (1, 2, 3, 7, 8):
            assert await walk(ask, kind, page_rows) == whole
