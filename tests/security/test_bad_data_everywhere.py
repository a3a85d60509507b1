"""Every parameter of every generated function, and every column that rows are merged into.

Each is given some values of a long list of bad ones; whatever becomes of it, an error is typed,
names something and shows nothing, and no connection is lost.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import cycle
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio
from msgspec import Struct

from tests.failures import everything_of
from tests.queries.test_connection_kinds import ARGUMENTS, SEED, calls
from tests.security.refused import CANARY, NAIVE, SHOWN, UINT256_MAX, WEST, undisturbed
from typedsql.database import Database
from typedsql.errors import ChoiceRefused, DataError
from typedsql.query import RowStream
from typedsql.transaction import Transaction
from whaledb.queries import liquidity_zones, market_data, whale_transactions
from whaledb.rows import NewLiquidityZone, NewMarketData, NewWhaleTransaction

DEPTH: Final = 20_000


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError(CANARY)


class Uncountable:
    def __index__(self) -> int:
        raise ValueError(CANARY)


class Nowhere(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise ValueError(CANARY)


class Anything(Struct):
    member: Any


def deep(around: Callable[[Any], Any]) -> Any:
    made: Any = CANARY
    for _ in range(DEPTH):
        made = around(made)
    return made


BAD: Final = (
    *(f"{CANARY}\0", f"{CANARY}\ud800", CANARY * 1_000, CANARY.encode() + b"\0", "", b""),
    *(int(CANARY) * 10**12, -int(CANARY) * 10**12, int(CANARY) * 10**200_000, UINT256_MAX, -1),
    *(1987.0605, float("nan"), float("inf"), float("-inf"), 1j, True),
    *(Decimal("NaN"), Decimal("-Infinity"), Decimal(f"sNaN{CANARY}"), Decimal(f"{CANARY}E131072")),
    *(Decimal(f"{CANARY}E-20000"), Decimal("1E-999999"), Decimal("9E+999999")),
    *(NAIVE, datetime.max, datetime.min, datetime.max.replace(tzinfo=WEST), date(1987, 6, 5)),
    *(datetime(1987, 6, 5, tzinfo=Nowhere()), datetime.min.replace(tzinfo=UTC), timedelta.max),
    *({"a": f"{CANARY}\0"}, {f"{CANARY}\ud800": 1}, {"a": float("nan")}, {"a": {CANARY: object()}}),
    *({"a": int(CANARY) * 10**5_000}, {"a": Decimal("sNaN")}, {(CANARY, 1): 1}),
    *(deep(lambda inner: {"a": inner}), deep(lambda inner: [inner]), deep(Anything)),
    *([CANARY], [[CANARY], [CANARY, CANARY]], (CANARY,), {1987.0605}, frozenset({NAIVE}), [None]),
    *(None, object(), int, Unshowable(), Uncountable(), range(3), memoryview(b"x"), uuid.uuid4),
)
EACH: Final = 2
"""How many of them each parameter is given; which ones, is another choice for each."""
PARTS: Final = 4
"""Into which the list is cut for columns, of which each is given one."""
LEAST_REFUSED: Final = 1_500
NAMED: Final = ("parameter", "column", "constraint", "foreign key", "unique key", "partition")


@pytest_asyncio.fixture(loop_scope="session")
async def seeded(owner: asyncpg.Connection) -> asyncpg.Connection:
    """The owner's connection, and one row in every table for the functions to find."""
    tables = await owner.fetchval(
        "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables"
        " WHERE schemaname = 'public'"
    )
    await owner.execute(f"TRUNCATE {tables} CASCADE; DELETE FROM auth.users; {SEED}")
    return owner


Begin = Callable[[], AbstractAsyncContextManager[Transaction]]


class Undo(Exception):
    """Rolls back what was stored, as nothing was wrong with it."""


async def tried(begin: Begin, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The failure of a call, None where it took the value for a good one."""
    try:
        async with begin() as tx:
            made = function(tx, **arguments)
            if isinstance(made, RowStream):
                _ = [row async for row in made]
            else:
                await made
            raise Undo
    except Undo:
        return None
    except Exception as failure:
        return failure


def look_at(failure: Any, name: str, field: str, bad: object) -> None:
    where = (name, field, type(bad), type(failure))
    assert isinstance(failure, DataError), where
    assert (failure.query or "").startswith(name), where
    # What a function in the database raises by itself says it in its author's words.
    own_words = isinstance(failure, ChoiceRefused) or "ensure_market_data_months" in str(failure)
    assert own_words or any(word in str(failure) for word in NAMED), (where, str(failure))
    everything = everything_of(failure)
    assert [each for each in SHOWN if each in everything] == [], where


@pytest.mark.case(30)
@pytest.mark.case(31)
@pytest.mark.case(32)
@pytest.mark.case(33)
@pytest.mark.case(34)
@pytest.mark.case(35)
@pytest.mark.case(36)
@pytest.mark.case(38)
@pytest.mark.case(39)
@pytest.mark.case(40)
@pytest.mark.usefixtures("seeded")
async def test_every_parameter_of_every_function(app: Database) -> None:
    next_bad, refused, taken = cycle(BAD), 0, 0
    async with undisturbed(app):
        for call in calls():
            for field, good in call.arguments.items():
                for _ in range(EACH):
                    bad = next(next_bad)
                    given = [bad] if isinstance(good, list) else bad
                    arguments = call.arguments | {field: given}
                    for begin in (app.transaction, app.bulk_transaction):
                        failure = await tried(begin, call.function, arguments)
                        if failure is None:
                            taken += 1
                        else:
                            refused += 1
                            look_at(failure, call.name, field, bad)
    assert refused >= LEAST_REFUSED
    # The control: some are good for something, so that it is not the call that is refused.
    assert 0 < taken < refused / 10


def merges() -> Iterator[tuple[Any, Any, str]]:
    yield whale_transactions, NewWhaleTransaction, "hash"
    yield market_data, NewMarketData, "symbol"
    yield liquidity_zones, NewLiquidityZone, "symbol"


@pytest.mark.case(30)
@pytest.mark.case(31)
@pytest.mark.case(32)
@pytest.mark.case(35)
@pytest.mark.case(36)
@pytest.mark.case(38)
@pytest.mark.case(39)
@pytest.mark.case(40)
async def test_every_column_that_rows_are_merged_into(
    app: Database, seeded: asyncpg.Connection
) -> None:
    refused: list[tuple[Any, DataError]] = []
    for module, row, key in merges():
        name = f"{module.__name__.rpartition('.')[2]}.merge_rows"
        good = {field: ARGUMENTS[field] for field in row.__struct_fields__}
        keys = [f"0x{number:064x}" for number in range(2)]
        async with undisturbed(app):
            for place, field in enumerate(row.__struct_fields__):
                some = BAD[place % PARTS :: PARTS]
                rows = [row(**good | {key: keys[0]}), row(**good | {key: keys[1]})]
                rows[1:1] = [row(**good | {field: bad}) for bad in some]
                refused.clear()
                await module.merge_rows(
                    app, rows, on_rejected=lambda bad, error: refused.append((bad, error))
                )
                assert len(refused) > len(some) / 2
                for bad, failure in refused:
                    look_at(failure, name, field, getattr(bad, field))
                    assert field in (failure.column or "") or failure.constraint, str(failure)
        found = await seeded.fetch(f"SELECT {key} FROM public.{name.partition('.')[0]}")
        assert {each[key] for each in found} >= set(keys)
