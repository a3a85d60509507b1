"""Patterns: merged from one analysis after another, read by chart, type and price."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.queries.paging import walk
from tests.queries.stamps import LONG_AGO, age
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import smc_patterns
from whaledb.rows import SMCPattern

pytestmark = pytest.mark.versions

MANY = 1000
START: Final = datetime(2026, 11, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
CHART: Final[dict[str, str]] = {"exchange": "binance", "symbol": "ETH-USD", "time_frame": "1h"}


def pattern(hour: int = 0, price: str = "2000", **changes: Any) -> dict[str, Any]:
    return (
        CHART
        | {
            "pattern_type": "order_block",
            "detected_at": START + hour * HOUR,
            "price_level": Decimal(price),
            "confidence_score": None,
            "status": "active",
            "metadata": None,
        }
        | changes
    )


async def stored(db: Database, hour: int = 0, price: str = "2000", **changes: Any) -> SMCPattern:
    return await smc_patterns.insert(db, **pattern(hour, price, **changes))


async def again(db: Database, row: SMCPattern) -> SMCPattern:
    found = await smc_patterns.get(db, id=row.id)
    assert found is not None
    return found


async def test_insert_returns_the_row_as_stored(db: Database) -> None:
    document = {"top": Decimal("1.5"), "mitigated_index": 0, "nested": {"a": [None, "ü"]}}
    given = pattern(price="-563.3", confidence_score=Decimal("0.1235"), metadata=document)
    row = await smc_patterns.insert(db, **given)
    assert {name: getattr(row, name) for name in given} == given
    assert await again(db, row) == row
    bare = await stored(db, 1)
    assert (bare.confidence_score, bare.metadata) == (None, None)
    with pytest.raises(DataError) as refusal:
        await stored(db, 1)
    assert refusal.value.constraint == "smc_patterns_natural_key"


async def test_merge_learns_and_never_forgets(db: Database) -> None:
    assert await smc_patterns.merge(db, **pattern()) is True
    assert await smc_patterns.merge(db, **pattern()) is None
    assert await smc_patterns.merge(db, **pattern(confidence_score=Decimal("0.5"))) is False
    assert await smc_patterns.merge(db, **pattern(metadata={"a": 1, "b": 2})) is False
    assert await smc_patterns.merge(db, **pattern(metadata={"b": 2, "a": 1})) is None
    assert await smc_patterns.merge(db, **pattern(status="mitigated")) is False
    [row] = await smc_patterns.list_by_chart(db, **CHART, max_rows=MANY)
    assert (row.confidence_score, row.metadata, row.status) == (
        Decimal("0.5"),
        {"a": 1, "b": 2},
        "mitigated",
    )
    for changes in ({"exchange": "okx"}, {"symbol": "BTC"}, {"time_frame": "4h"}):
        assert await smc_patterns.merge(db, **(pattern() | changes)) is True
    assert await smc_patterns.merge(db, **pattern(pattern_type="liquidity")) is True
    assert await smc_patterns.merge(db, **pattern(1)) is True
    assert await smc_patterns.merge(db, **pattern(price="2001")) is True


async def test_merge_moves_updated_at_only_with_a_change(db: Database) -> None:
    row = await stored(db, confidence_score=Decimal("0.5"), metadata={"a": 1})
    await age(db, "smc_patterns")
    await smc_patterns.merge(db, **pattern())
    await smc_patterns.merge(db, **pattern(confidence_score=Decimal("0.50001"), metadata={"a": 1}))
    assert (await again(db, row)).updated_at == LONG_AGO
    await smc_patterns.merge(db, **pattern(metadata={}))
    changed = await again(db, row)
    assert changed.metadata == {}
    assert changed.updated_at > LONG_AGO
    assert changed.created_at == row.created_at


async def batch(db: Database, *patterns: dict[str, Any]) -> list[tuple[Any, ...]]:
    rows = await smc_patterns.merge_batch(
        db,
        **CHART,
        pattern_types=[each["pattern_type"] for each in patterns],
        detected_ats=[each["detected_at"] for each in patterns],
        price_levels=[each["price_level"] for each in patterns],
        confidence_scores=[each["confidence_score"] for each in patterns],
        statuses=[each["status"] for each in patterns],
        metadatas=[each["metadata"] for each in patterns],
    )
    return sorted((row.detected_at, row.price_level, row.inserted) for row in rows)


async def test_merge_batch_writes_only_what_changed(db: Database) -> None:
    document = {"swing": {"length": 50}}
    assert await batch(db, pattern(0, metadata=document), pattern(1, metadata=document)) == [
        (START, 2000, True),
        (START + HOUR, 2000, True),
    ]
    await age(db, "smc_patterns")
    assert await batch(db, pattern(0), pattern(1, confidence_score=Decimal("0.5")), pattern(2)) == [
        (START + HOUR, 2000, False),
        (START + 2 * HOUR, 2000, True),
    ]
    rows = await smc_patterns.list_by_chart(db, **CHART, max_rows=MANY)
    assert [(row.confidence_score, row.metadata, row.updated_at > LONG_AGO) for row in rows] == [
        (None, document, False),
        (Decimal("0.5"), document, True),
        (None, None, True),
    ]
    assert await batch(db, pattern(1, status="expired")) == [(START + HOUR, 2000, False)]
    changed = (await smc_patterns.list_by_chart(db, **CHART, max_rows=MANY))[1]
    assert (changed.confidence_score, changed.metadata, changed.status) == (
        Decimal("0.5"),
        document,
        "expired",
    )
    assert await batch(db) == []


async def test_of_a_pattern_given_twice_the_last_counts(db: Database) -> None:
    written = await batch(db, pattern(), pattern(price="2000.0", status="expired"))
    assert written == [(START, 2000, True)]
    [row] = await smc_patterns.list_by_chart(db, **CHART, max_rows=MANY)
    assert row.status == "expired"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "done"},
        {"time_frame": "7m"},
        {"pattern_type": "Order Block"},
        {"confidence_score": Decimal("1.0001")},
        {"exchange": ""},
        {"symbol": "x" * 101},
    ],
)
async def test_bounds_are_refused(db: Database, changes: dict[str, Any]) -> None:
    for write in (smc_patterns.insert, smc_patterns.merge):
        with pytest.raises(DataError):
            await write(db, **(pattern() | changes))


async def test_list_active_near_price_is_nearest_first(db: Database) -> None:
    for hour, price in enumerate(("2010", "1990", "2000", "2050", "1950", "2050.01", "1949.99")):
        await stored(db, hour, price)
    await stored(db, 0, "2001", status="mitigated")
    await stored(db, 0, "2001", symbol="BTC-USD")
    await stored(db, 9, "2000", exchange="okx")
    near: dict[str, Any] = {
        "symbol": "ETH-USD",
        "price_level": Decimal(2000),
        "within": Decimal(50),
    }
    rows = await smc_patterns.list_active_near_price(db, **near, max_rows=MANY)
    assert [(str(row.price_level), row.exchange) for row in rows] == [
        ("2000", "okx"),
        ("2000", "binance"),
        ("1990", "binance"),
        ("2010", "binance"),
        ("1950", "binance"),
        ("2050", "binance"),
    ]
    assert await smc_patterns.list_active_near_price(db, **near, max_rows=2) == rows[:2]


async def test_patterns_as_near_and_as_new_come_by_id(db: Database) -> None:
    for exchange in ("a", "b", "c", "d"):
        await stored(db, exchange=exchange)
    rows = await smc_patterns.list_active_near_price(
        db, symbol="ETH-USD", price_level=Decimal(0), within=Decimal(2000), max_rows=MANY
    )
    ids = [row.id for row in rows]
    assert (len(ids), ids) == (4, sorted(ids))


async def test_pages_of_a_chart_walk_every_row_once(db: Database) -> None:
    keys = [
        (kind, START + hour * HOUR, Decimal(price))
        for kind in ("fair_value_gap", "order_block")
        for hour in (0, 1)
        for price in (-1, 9, 10)
    ]
    for kind, detected_at, price in reversed(keys):
        await stored(db, pattern_type=kind, detected_at=detected_at, price_level=price)
    for changes in ({"time_frame": "4h"}, {"exchange": "okx"}, {"symbol": "BTC-USD"}):
        await stored(db, pattern_type="breaker", **changes)

    async def following(row: SMCPattern) -> list[SMCPattern]:
        return await smc_patterns.list_by_chart(
            db,
            **CHART,
            after_pattern_type=row.pattern_type,
            after_detected_at=row.detected_at,
            after_price_level=row.price_level,
            max_rows=5,
        )

    rows = await walk(smc_patterns.list_by_chart(db, **CHART, max_rows=5), following)
    assert [(row.pattern_type, row.detected_at, row.price_level) for row in rows] == keys
    async with aclosing(smc_patterns.stream_by_symbol(db, symbol="ETH-USD")) as stream:
        streamed = [row async for row in stream]
    assert streamed[:12] == rows
    assert [(row.exchange, row.time_frame) for row in streamed[12:]] == [
        ("binance", "4h"),
        ("okx", "1h"),
    ]
    assert await smc_patterns.count(db, symbol="ETH-USD") == 14


async def test_pages_of_a_type_walk_every_row_once(db: Database) -> None:
    for hour in range(3):
        for exchange in ("a", "b", "c"):
            await stored(db, hour, exchange=exchange, status="expired")
    await stored(db, pattern_type="liquidity")

    async def following(row: SMCPattern) -> list[SMCPattern]:
        return await smc_patterns.list_by_type(
            db,
            pattern_type="order_block",
            before_detected_at=row.detected_at,
            before_id=row.id,
            max_rows=2,
        )

    first = smc_patterns.list_by_type(db, pattern_type="order_block", max_rows=2)
    rows = await walk(first, following)
    order = [(row.detected_at, row.id) for row in rows]
    assert (len(order), order) == (9, sorted(order, reverse=True))


async def test_list_all_walks_every_row_once(db: Database) -> None:
    ids = sorted([(await stored(db, hour)).id for hour in range(5)])

    async def following(row: SMCPattern) -> list[SMCPattern]:
        return await smc_patterns.list_all(db, after_id=row.id, max_rows=2)

    rows = await walk(smc_patterns.list_all(db, max_rows=2), following)
    assert [row.id for row in rows] == ids


async def test_count_by_status_leaves_out_what_is_empty(db: Database) -> None:
    for hour, status in enumerate(("active", "mitigated", "active", "expired")):
        await stored(db, hour, status=status)
    await stored(db, symbol="BTC-USD", status="invalidated")
    rows = await smc_patterns.count_by_status(db, symbol="ETH-USD")
    assert [(row.status, row.pattern_count) for row in rows] == [
        ("active", 2),
        ("expired", 1),
        ("mitigated", 1),
    ]


async def test_update_status_changes_its_row_alone_and_only_once(db: Database) -> None:
    row, other = await stored(db), await stored(db, 1)
    await age(db, "smc_patterns")
    assert await smc_patterns.update_status(db, id=row.id, status="mitigated") == 1
    changed = await again(db, row)
    assert changed.status == "mitigated"
    assert changed.updated_at > LONG_AGO
    assert (await again(db, other)).updated_at == LONG_AGO
    assert await smc_patterns.update_status(db, id=row.id, status="mitigated") == 0
    assert await again(db, row) == changed
    with pytest.raises(DataError):
        await smc_patterns.update_status(db, id=row.id, status="done")
    assert await smc_patterns.update_status(db, id=UUID(int=0), status="expired") == 0


async def test_delete_takes_one_pattern(db: Database) -> None:
    row, other = await stored(db), await stored(db, 1)
    assert await smc_patterns.delete(db, id=row.id) == 1
    assert await smc_patterns.delete(db, id=row.id) == 0
    assert await smc_patterns.get(db, id=row.id) is None
    assert await again(db, other) == other
