"""Levels of order books: merged from snapshots and changes, read by price."""

from contextlib import aclosing
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import liquidity_zones
from whaledb.rows import LiquidityZone

pytestmark = pytest.mark.versions

MANY = 1000
SYMBOL: Final = "1000PEPE-USDT-PERPETUAL"
BOOK: Final[dict[str, str]] = {"exchange": "kraken", "symbol": SYMBOL}


def level(price: str, side: str = "bid", **changes: Any) -> dict[str, Any]:
    return (
        {
            "price_level": Decimal(price),
            "size": Decimal("1.5"),
            "side": side,
            "strength": None,
        }
        | BOOK
        | changes
    )


async def stored(db: Database, price: str, side: str = "bid", **changes: Any) -> LiquidityZone:
    return await liquidity_zones.insert(db, **level(price, side, **changes))


async def again(db: Database, row: LiquidityZone) -> LiquidityZone:
    found = await liquidity_zones.get(db, id=row.id)
    assert found is not None
    return found


def prices(rows: list[LiquidityZone]) -> list[str]:
    return [str(row.price_level) for row in rows]


async def test_insert_keeps_every_digit(db: Database) -> None:
    given = level(
        "-13311.50000000000000000001", size=Decimal("99999999999999.000"), strength=Decimal("0.5")
    )
    row = await liquidity_zones.insert(db, **given)
    assert {name: getattr(row, name) for name in given} == given
    assert row.created_at == row.updated_at
    assert await again(db, row) == row
    with pytest.raises(DataError) as refusal:
        await liquidity_zones.insert(db, **given)
    assert refusal.value.constraint == "idx_liquidity_zones_symbol"


async def test_merge_says_whether_it_added_changed_or_found(db: Database) -> None:
    assert await liquidity_zones.merge(db, **level("1900")) is True
    assert await liquidity_zones.merge(db, **level("1900.000")) is None
    assert await liquidity_zones.merge(db, **level("1900", size=Decimal(2))) is False
    half = {"strength": Decimal("0.5")}
    assert await liquidity_zones.merge(db, **level("1900", size=Decimal(2), **half)) is False
    assert await liquidity_zones.merge(db, **level("1900", size=Decimal(2))) is None
    for changes in ({"side": "ask"}, {"exchange": "okx"}, {"symbol": "ETH"}):
        assert await liquidity_zones.merge(db, **level("1900", **changes)) is True
    row = await liquidity_zones.get_level(db, **BOOK, side="bid", price_level=Decimal(1900))
    assert row is not None
    assert (row.size, row.strength) == (Decimal(2), Decimal("0.5"))


async def test_merge_moves_updated_at_only_with_a_change(db: Database) -> None:
    row = await stored(db, "1900", strength=Decimal("0.5"))
    await age(db, "liquidity_zones")
    await liquidity_zones.merge(db, **level("1900"))
    await liquidity_zones.merge(db, **level("1900", strength=Decimal("0.50001")))
    assert (await again(db, row)).updated_at == LONG_AGO
    await liquidity_zones.merge(db, **level("1900", size=Decimal(3)))
    changed = await again(db, row)
    assert changed.updated_at > LONG_AGO
    assert changed.created_at == row.created_at


async def batch(db: Database, *levels: tuple[str, str, str, str | None]) -> list[tuple[Any, ...]]:
    """Merges levels of (side, price, size, strength) and tells what was written, sorted."""
    rows = await liquidity_zones.merge_batch(
        db,
        **BOOK,
        sides=[side for side, _, _, _ in levels],
        price_levels=[Decimal(price) for _, price, _, _ in levels],
        sizes=[Decimal(size) for _, _, size, _ in levels],
        strengths=[None if strength is None else Decimal(strength) for *_, strength in levels],
    )
    return sorted((row.side, row.price_level, row.inserted) for row in rows)


async def test_merge_batch_writes_only_what_changed(db: Database) -> None:
    assert await batch(db, ("bid", "10", "1", None), ("ask", "11", "1", "0.5")) == [
        ("ask", 11, True),
        ("bid", 10, True),
    ]
    await age(db, "liquidity_zones")
    assert await batch(
        db,
        ("bid", "10", "1", None),
        ("ask", "11", "2", None),
        ("bid", "9", "1", None),
    ) == [("ask", 11, False), ("bid", 9, True)]
    rows = await liquidity_zones.list_by_symbol(db, symbol=SYMBOL, max_rows=MANY)
    assert [
        (row.price_level, row.size, row.strength, row.updated_at > LONG_AGO) for row in rows
    ] == [
        (11, 2, Decimal("0.5"), True),
        (9, 1, None, True),
        (10, 1, None, False),
    ]
    assert await batch(db) == []


async def test_of_a_level_given_twice_the_last_counts(db: Database) -> None:
    written = await batch(
        db, ("bid", "10", "1", None), ("bid", "10.0", "2", None), ("bid", "10", "3", None)
    )
    assert written == [("bid", 10, True)]
    row = await liquidity_zones.get_level(db, **BOOK, side="bid", price_level=Decimal(10))
    assert row is not None
    assert row.size == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"size": Decimal(0)},
        {"size": Decimal(-1)},
        {"side": "buy"},
        {"strength": Decimal("1.0001")},
        {"exchange": ""},
        {"symbol": "x" * 101},
    ],
)
async def test_bounds_are_refused(db: Database, changes: dict[str, Any]) -> None:
    for write in (liquidity_zones.insert, liquidity_zones.merge):
        with pytest.raises(DataError):
            await write(db, **(level("10") | changes))
    assert await liquidity_zones.count(db, **BOOK) == 0


async def test_a_batch_with_a_size_of_zero_is_refused_as_a_whole(db: Database) -> None:
    with pytest.raises(DataError):
        await batch(db, ("bid", "10", "1", None), ("bid", "9", "0", None))
    assert await liquidity_zones.count(db, **BOOK) == 0


async def test_get_level_needs_the_whole_key(db: Database) -> None:
    row = await stored(db, "1900.5")
    key: dict[str, Any] = {**BOOK, "side": "bid", "price_level": Decimal("1900.50")}
    assert await liquidity_zones.get_level(db, **key) == row
    for other in (
        {"exchange": "okx"},
        {"symbol": "ETH"},
        {"side": "ask"},
        {"price_level": Decimal(1)},
    ):
        assert await liquidity_zones.get_level(db, **(key | other)) is None
    assert await liquidity_zones.get(db, id=UUID(int=0)) is None


async def test_list_in_price_range_includes_both_ends(db: Database) -> None:
    for price in ("1899.99", "1900", "2000", "2100", "2100.01"):
        await stored(db, price)
    await stored(db, "2000", symbol="ETH-USD")
    await stored(db, "2000", exchange="okx")
    await stored(db, "2000", "ask")
    rows = await liquidity_zones.list_in_price_range(
        db, min_price=Decimal(1900), max_price=Decimal(2100), side="bid"
    )
    assert [(str(row.price_level), row.symbol, row.exchange) for row in rows] == [
        ("1900", SYMBOL, "kraken"),
        ("2000", SYMBOL, "kraken"),
        ("2000", SYMBOL, "okx"),
        ("2000", "ETH-USD", "kraken"),
        ("2100", SYMBOL, "kraken"),
    ]
    asks = await liquidity_zones.list_in_price_range(
        db, min_price=Decimal(1900), max_price=Decimal(2100), side="ask"
    )
    assert prices(asks) == ["2000"]
    assert not await liquidity_zones.list_in_price_range(
        db, min_price=Decimal(2100), max_price=Decimal(1900), side="bid"
    )


async def test_list_in_price_range_stops_at_1000_levels(db: Database) -> None:
    await batch(db, *(("bid", str(price), "1", None) for price in range(1, 1002)))
    rows = await liquidity_zones.list_in_price_range(
        db, min_price=Decimal(0), max_price=Decimal(5000), side="bid"
    )
    assert (len(rows), rows[-1].price_level) == (1000, 1000)


async def several_books(db: Database) -> list[tuple[str, str, str, str]]:
    keys = [
        (symbol, exchange, side, price)
        for symbol in ("BTC", "ETH")
        for exchange in ("kraken", "okx")
        for side in ("ask", "bid")
        for price in ("-1", "9", "10")
    ]
    for symbol, exchange, side, price in reversed(keys):
        await stored(db, price, side, symbol=symbol, exchange=exchange)
    return keys


def keys_of(rows: list[LiquidityZone]) -> list[tuple[str, str, str, str]]:
    return [(row.symbol, row.exchange, row.side, str(row.price_level)) for row in rows]


async def test_pages_of_a_symbol_walk_every_row_once(db: Database) -> None:
    keys = [key for key in await several_books(db) if key[0] == "ETH"]

    async def following(row: LiquidityZone) -> list[LiquidityZone]:
        return await liquidity_zones.list_by_symbol(
            db,
            symbol="ETH",
            after_exchange=row.exchange,
            after_side=row.side,
            after_price_level=row.price_level,
            max_rows=5,
        )

    first = liquidity_zones.list_by_symbol(db, symbol="ETH", max_rows=5)
    assert keys_of(await walk(first, following)) == keys
    async with aclosing(liquidity_zones.stream_by_symbol(db, symbol="ETH")) as stream:
        assert keys_of([row async for row in stream]) == keys
    assert await liquidity_zones.count(db, exchange="okx", symbol="ETH") == 6


async def test_list_all_walks_every_symbol(db: Database) -> None:
    keys = await several_books(db)

    async def following(row: LiquidityZone) -> list[LiquidityZone]:
        return await liquidity_zones.list_all(
            db,
            after_symbol=row.symbol,
            after_exchange=row.exchange,
            after_side=row.side,
            after_price_level=row.price_level,
            max_rows=7,
        )

    rows = await walk(liquidity_zones.list_all(db, max_rows=7), following)
    assert keys_of(rows) == keys


async def test_list_depth_around_adds_up_each_side(db: Database) -> None:
    for price, size in (("95", "1"), ("99", "2.5"), ("105", "4"), ("105.01", "8"), ("94.99", "8")):
        await stored(db, price, size=Decimal(size))
    await stored(db, "101", "ask", size=Decimal(3))
    await stored(db, "101", exchange="binance")
    await stored(db, "101", symbol="ETH-USD")
    given: dict[str, Any] = {"symbol": SYMBOL, "price": Decimal(100), "within": Decimal(5)}
    rows = await liquidity_zones.list_depth_around(db, **given, max_rows=MANY)
    assert [
        (
            row.exchange,
            row.side,
            row.level_count,
            row.total_size,
            row.lowest_price,
            row.highest_price,
        )
        for row in rows
    ] == [
        ("binance", "bid", 1, Decimal("1.5"), 101, 101),
        ("kraken", "ask", 1, 3, 101, 101),
        ("kraken", "bid", 3, Decimal("7.5"), 95, 105),
    ]
    assert await liquidity_zones.list_depth_around(db, **given, max_rows=2) == rows[:2]
    nowhere = given | {"price": Decimal(500)}
    assert not await liquidity_zones.list_depth_around(db, **nowhere, max_rows=MANY)


async def test_update_strength_changes_its_row_alone_and_only_once(db: Database) -> None:
    row, other = await stored(db, "10"), await stored(db, "9")
    await age(db, "liquidity_zones")
    strength = Decimal("0.12345")
    assert await liquidity_zones.update_strength(db, id=row.id, strength=strength) == 1
    assert (await again(db, row)).strength == Decimal("0.1235")
    assert (await again(db, row)).updated_at > LONG_AGO
    assert (await again(db, other)).updated_at == LONG_AGO
    await age(db, "liquidity_zones")
    assert await liquidity_zones.update_strength(db, id=row.id, strength=strength) == 0
    assert (await again(db, row)).updated_at == LONG_AGO
    assert await liquidity_zones.update_strength(db, id=row.id, strength=None) == 1
    assert await liquidity_zones.update_strength(db, id=row.id, strength=None) == 0
    with pytest.raises(DataError):
        await liquidity_zones.update_strength(db, id=row.id, strength=Decimal("-0.1"))


async def test_levels_are_deleted_by_id_key_list_and_book(db: Database) -> None:
    rows = [await stored(db, price) for price in ("1", "2", "3", "4", "5")]
    ask = await stored(db, "3", "ask")
    elsewhere = await stored(db, "3", exchange="okx")
    assert await liquidity_zones.delete(db, id=rows[0].id) == 1
    assert await liquidity_zones.delete(db, id=rows[0].id) == 0
    two: dict[str, Any] = {**BOOK, "side": "bid", "price_level": Decimal("2.0")}
    for other in ({"exchange": "okx"}, {"symbol": "ETH"}, {"side": "ask"}):
        assert await liquidity_zones.delete_level(db, **(two | other)) == 0
    assert await liquidity_zones.delete_level(db, **two) == 1
    assert await liquidity_zones.delete_level(db, **two) == 0
    removed = await liquidity_zones.delete_levels(
        db,
        **BOOK,
        sides=["bid", "bid", "bid", "ask"],
        price_levels=[Decimal(3), Decimal(3), Decimal(99), Decimal(4)],
    )
    assert removed == 1
    left = await liquidity_zones.list_by_symbol(db, symbol=SYMBOL, max_rows=MANY)
    assert left == [ask, rows[3], rows[4], elsewhere]
    assert await liquidity_zones.delete_book(db, **BOOK) == 3
    assert await liquidity_zones.delete_book(db, **BOOK) == 0
    assert await again(db, elsewhere) == elsewhere
