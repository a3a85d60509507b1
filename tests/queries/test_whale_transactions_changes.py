"""Updates of single transfers, each of which leaves alone what is said already."""

from decimal import Decimal
from typing import Any

import pytest

from tests.queries.stamps import LONG_AGO, age
from tests.queries.transfers import START, again, hash_of, key, stored
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import whale_transactions

pytestmark = pytest.mark.versions

PRICE: dict[str, Any] = {
    "value_usd": Decimal("450000.25"),
    "price_source": "coinbase",
    "priced_at": START,
}


@pytest.mark.parametrize(
    ("update", "values"),
    [
        (whale_transactions.update_receipt, {"gas_used": 21_000, "succeeded": True}),
        (whale_transactions.update_receipt, {"gas_used": 21_000, "succeeded": None}),
        (whale_transactions.update_usd_price, PRICE),
        (whale_transactions.update_whale_score, {"whale_score": Decimal("0.8750")}),
    ],
)
async def test_an_update_changes_its_row_alone_and_only_once(
    db: Database, update: Any, values: dict[str, Any]
) -> None:
    row = await stored(db, 7)
    others = [
        await stored(db, 7, **changes)
        for changes in ({"trace_path": "0"}, {"chain_id": 10}, {"block_hash": hash_of(1)})
    ]
    await age(db, "whale_transactions")
    assert await update(db, **key(row), **values) == 1
    changed = await again(db, row)
    assert {name: getattr(changed, name) for name in values} == values
    assert changed.updated_at > LONG_AGO
    for other in others:
        assert (await again(db, other)).updated_at == LONG_AGO

    await age(db, "whale_transactions")
    assert await update(db, **key(row), **values) == 0
    assert (await again(db, row)).updated_at == LONG_AGO

    assert await update(db, **key(row), **dict.fromkeys(values)) == 1
    assert [getattr(await again(db, row), name) for name in values] == [None] * len(values)
    assert await update(db, **(key(row) | {"hash": hash_of(8)}), **values) == 0


async def test_what_is_stored_rounded_counts_as_said_already(db: Database) -> None:
    row = await stored(db, 7)
    price = PRICE | {"value_usd": Decimal("450000.254")}
    score = {"whale_score": Decimal("0.87654")}
    assert await whale_transactions.update_usd_price(db, **key(row), **price) == 1
    assert await whale_transactions.update_whale_score(db, **key(row), **score) == 1
    assert await whale_transactions.update_usd_price(db, **key(row), **price) == 0
    assert await whale_transactions.update_whale_score(db, **key(row), **score) == 0
    changed = await again(db, row)
    assert (changed.value_usd, changed.whale_score) == (Decimal("450000.25"), Decimal("0.8765"))


async def test_a_receipt_that_tells_of_failure_changes_the_score(db: Database) -> None:
    row = await stored(db, 7, value_eth=Decimal(1000))
    given = {**key(row), "gas_used": 1}
    custom = {**key(row), "whale_score": Decimal("0.99")}
    assert await whale_transactions.update_whale_score(db, **custom) == 1
    assert await whale_transactions.update_receipt(db, **given, succeeded=row.succeeded) == 1
    assert (await again(db, row)).whale_score == Decimal("0.99"), "nothing new of success"
    assert await whale_transactions.update_receipt(db, **given, succeeded=False) == 1
    assert (await again(db, row)).whale_score == 0
    assert await whale_transactions.update_receipt(db, **given, succeeded=True) == 1
    assert (await again(db, row)).whale_score == Decimal("0.6")


async def test_bounds_are_refused_and_leave_the_row(db: Database) -> None:
    row = await stored(db, 7)
    for score in ("-0.0001", "1.0001"):
        with pytest.raises(DataError):
            await whale_transactions.update_whale_score(db, **key(row), whale_score=Decimal(score))
    with pytest.raises(DataError):
        await whale_transactions.update_usd_price(
            db, **key(row), **(PRICE | {"price_source": None})
        )
    with pytest.raises(DataError):
        await whale_transactions.update_receipt(db, **key(row), gas_used=-1, succeeded=None)
    assert await again(db, row) == row


async def test_delete_takes_one_row(db: Database) -> None:
    row = await stored(db, 7)
    others = [
        await stored(db, 7, **changes)
        for changes in ({"trace_path": "0"}, {"chain_id": 10}, {"block_hash": hash_of(1)})
    ]
    assert await whale_transactions.delete(db, **key(row)) == 1
    assert await whale_transactions.delete(db, **key(row)) == 0
    for other in others:
        assert await again(db, other) == other
