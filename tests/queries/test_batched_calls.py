"""Calls that become one statement give and store what they do one after the other."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

import whaledb
from tests.databases import Databases
from tests.queries.conftest import Route
from tests.queries.transfers import CHAIN, START, address_of, hash_of, transfer
from typedsql import batching
from typedsql.database import Database
from typedsql.errors import CodeError, DataError
from whaledb.documents import Preferences
from whaledb.queries import alerts, blocks, liquidity_zones, market_data, users, whale_transactions

pytestmark = pytest.mark.versions

COUNT: Final = 40
MADE_BY_THE_SERVER: Final = ("id", "created_at", "updated_at")

Call = Callable[[Database, dict[str, Any]], Awaitable[Any]]


@pytest.fixture(autouse=True)
def all_coalesced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "ALONE_AT_ONCE", 1)


@pytest_asyncio.fixture
async def other(databases: Databases, route: Route) -> AsyncGenerator[Database, None]:
    """Another database with nothing in it."""
    async with (
        databases.fresh(await databases.template()) as target,
        whaledb.connect(route(target)) as opened,
    ):
        yield opened


def comparable(result: Any) -> Any:
    """A result without what the server makes anew each time."""
    if isinstance(result, BaseException):
        return type(result), str(result)
    if isinstance(result, msgspec.Struct):
        return {
            name: value
            for name, value in msgspec.structs.asdict(result).items()
            if name not in MADE_BY_THE_SERVER
        }
    return result


async def one_by_one(db: Database, call: Call, rows: list[dict[str, Any]]) -> list[Any]:
    """Each in a transaction of its own, in which nothing is coalesced."""
    results: list[Any] = []
    for row in rows:
        try:
            async with db.transaction() as tx:
                results.append(await call(tx, row))  # type: ignore[arg-type]
        except (DataError, CodeError) as failure:
            results.append(failure)
    return results


async def at_once(db: Database, call: Call, rows: list[dict[str, Any]]) -> list[Any]:
    return await asyncio.gather(*(call(db, row) for row in rows), return_exceptions=True)


async def stored(db: Database, table: str) -> list[dict[str, Any]]:
    async with db.transaction(readonly=True) as tx:
        rows = await tx.driver_connection.fetch(f"SELECT * FROM public.{table}")
    left = [{k: v for k, v in row.items() if k not in MADE_BY_THE_SERVER} for row in rows]
    return sorted(left, key=str)


def transfers() -> list[dict[str, Any]]:
    """Of every kind: each optional value there or not, in another spelling, refused."""
    rows: list[dict[str, Any]] = []
    for number in range(COUNT):
        priced = {
            "value_usd": Decimal("1234.565"),
            "price_source": "kraken",
            "priced_at": START,
        }
        rows.append(
            transfer(
                number % 32,
                block=number % 3,
                hash=hash_of(0xABCD00 + number % 32).upper().replace("X", "x")
                if number % 2
                else hash_of(0xABCD00 + number % 32),
                trace_path="0" if number % 5 == 0 else "",
                to_address=None if number % 7 == 0 else "0x" + "Ab" * 20,
                value_eth=Decimal(number) / 8,
                gas_used=21_000 if number % 4 == 0 else None,
                succeeded=(None, True, False)[number % 3],
                whale_score=Decimal("0.12345") if number % 6 == 0 else None,
                **(priced if number % 8 == 0 else {}),
            )
        )
    rows[11] |= {"gas_price": -1}
    rows[12] |= {"value_usd": Decimal(1)}
    return rows


def merged_transfers() -> list[dict[str, Any]]:
    rows = [
        {name: value for name, value in row.items() if not name.startswith(("value_usd", "pric"))}
        | {"orphaned_at": START if number % 9 == 0 else None}
        for number, row in enumerate(transfers())
    ]
    for row in rows:
        del row["whale_score"]
    return [*rows, *(row | {"gas_used": 50_000, "succeeded": True} for row in rows[:20])]


def levels() -> list[dict[str, Any]]:
    rows = [
        {
            "price_level": Decimal(number % 25) + Decimal("0.123456789012345678"),
            "size": Decimal(1 + number % 7) / 3,
            "side": ("bid", "ask")[number % 2],
            "strength": None if number % 3 else Decimal("0.44445"),
            "exchange": "kraken",
            "symbol": ("ETH-USD", "BTC-USD")[number % 3 // 2],
        }
        for number in range(COUNT)
    ]
    rows[5] |= {"size": Decimal(0)}
    rows[6] |= {"side": "left"}
    return [*rows, *rows[:9], *(row | {"size": Decimal(9)} for row in rows[:9])]


def candles() -> list[dict[str, Any]]:
    rows = [
        {
            "exchange": "okx",
            "symbol": ("XBTUSD", "ETHUSD")[number % 2],
            "interval": "1h",
            "open_time": START + timedelta(hours=number % 15),
            "open": Decimal(10),
            "high": Decimal(12 + number),
            "low": Decimal(9),
            "close": Decimal(11),
            "volume": Decimal(number) / 3,
            "trade_count": number if number % 3 else None,
        }
        for number in range(COUNT)
    ]
    rows[3] |= {"low": Decimal(11)}
    rows[4] |= {"open_time": datetime(2031, 1, 1, tzinfo=UTC)}
    return [*rows, *rows[-9:]]


WRITES: Final[dict[str, tuple[Call, list[dict[str, Any]]]]] = {
    "whale_transactions": (lambda db, row: whale_transactions.insert(db, **row), transfers()),
    "whale_transactions merged": (
        lambda db, row: whale_transactions.merge(db, **row),
        merged_transfers(),
    ),
    "liquidity_zones": (lambda db, row: liquidity_zones.merge(db, **row), levels()),
    "market_data": (lambda db, row: market_data.merge(db, **row), candles()),
}


@pytest.mark.parametrize("what", WRITES)
async def test_a_write_at_once_is_as_one_by_one(db: Database, other: Database, what: str) -> None:
    call, rows = WRITES[what]
    for each in (db, other):
        await market_data.ensure_months(each, first=START, last=START)
    expected = await one_by_one(other, call, rows)
    told = await at_once(db, call, rows)
    assert [comparable(item) for item in told] == [comparable(item) for item in expected]
    # There are results of every kind among them.
    assert len({str(comparable(item)) for item in expected}) > 2
    assert any(isinstance(item, DataError) for item in expected)
    table = what.partition(" ")[0]
    assert await stored(db, table) == await stored(other, table) != []


async def test_reads_at_once_are_as_one_by_one(db: Database) -> None:
    await market_data.ensure_months(db, first=START, last=START)
    accounts = [UUID(int=number) for number in range(10)]
    made: list[Any] = []
    for number, account in enumerate(accounts):
        await users.merge_account(db, id=account)
        await users.insert(
            db, id=account, display_name=None, preferences=Preferences(chain_id=number + 1)
        )
        made.append(
            await alerts.insert(
                db,
                user_id=account,
                alert_type="large_transfer",
                conditions={"min_value_eth": 1 + number},
                enabled=True,
            )
        )
    await at_once(db, lambda db, row: whale_transactions.insert(db, **row), transfers())
    await at_once(db, lambda db, row: market_data.merge(db, **row), candles())
    for number in range(10):
        await blocks.merge(
            db,
            hash=hash_of(number),
            chain_id=CHAIN,
            number=number,
            parent_hash=hash_of(number + 1),
            block_timestamp=START,
            canonical=True,
            min_value_eth=Decimal(1),
            complete=True,
            traced=False,
        )
    rows = only(transfers(), "hash", "chain_id", "block_hash", "trace_path")
    charts = only(candles(), "exchange", "symbol", "interval", "open_time")
    reads: list[tuple[Call, list[dict[str, Any]]]] = [
        (lambda db, row: whale_transactions.get(db, **row), rows),
        (
            lambda db, row: whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=row["hash"]),
            rows,
        ),
        (lambda db, row: market_data.get(db, **row), charts),
        (
            lambda db, row: blocks.get(db, chain_id=CHAIN, hash=hash_of(row["n"])),
            [{"n": number % 12} for number in range(COUNT)],
        ),
        (
            lambda db, row: users.get(db, id=UUID(int=row["n"])),
            [{"n": number % 12} for number in range(COUNT)],
        ),
        (
            lambda db, row: alerts.get(db, id=row["id"]),
            [{"id": made[n].id if n < 10 else UUID(int=n)} for n in range(12)] * 3,
        ),
    ]
    for call, asked in reads:
        expected = await one_by_one(db, call, asked)
        assert await at_once(db, call, asked) == expected
        assert len({str(row) for row in expected}) > 9
        assert None in expected


def only(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]


def arrays(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


async def test_arrays_are_written_as_they_are_given(db: Database) -> None:
    await market_data.ensure_months(db, first=START, last=START)
    new = [transfer(number, from_address=address_of(number)) for number in (3, 1, 2)]
    added = await whale_transactions.insert_many(db, **arrays(new))
    assert {(row.ordinal, row.hash, row.from_address) for row in added} == {
        (place, row["hash"], row["from_address"]) for place, row in enumerate(new, start=1)
    }
    seen = [row for row in merged_transfers()[:5] if row["gas_price"] > 0]
    told = await whale_transactions.merge_many(db, **arrays(seen))
    assert sorted((row.ordinal, row.inserted) for row in told) == [
        (place, True) for place in range(1, len(seen) + 1)
    ]
    seen[2] |= {"gas_used": 7}
    [changed] = await whale_transactions.merge_many(db, **arrays(seen))
    assert (changed.ordinal, changed.inserted) == (3, False)
    for merge_many, rows, news in (
        (liquidity_zones.merge_many, levels()[:4], {"size": Decimal(5)}),
        (market_data.merge_many, candles()[:3], {"volume": Decimal(5)}),
    ):
        told = await merge_many(db, **arrays(rows))
        assert {row.ordinal for row in told if row.inserted} == set(range(1, len(rows) + 1))
        assert await merge_many(db, **arrays(rows)) == []
        with pytest.raises(CodeError) as twice:
            await merge_many(db, **arrays([rows[0] | news] * 2))
        assert twice.value.sqlstate == "21000"
