"""Bad values at every entrance of the library: refused by name, alone, and never shown.

Each is given to a typed function (by itself, in a transaction, in a bulk transaction), to one
whose concurrent calls are sent together, and to a merge of rows. The controls are the plain
driver's: what it stores in their place, and what it tells of them.
"""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg
import pytest

from tests.failures import everything_of
from tests.queries.transfers import hash_of, transfer
from tests.security.attempts import value
from tests.security.refused import (
    CANARY,
    NAIVE,
    SHOWN,
    UINT256_MAX,
    WEST,
    failure_of,
    insert,
    look_at,
    new,
    stored,
    undisturbed,
)
from typedsql import batching
from typedsql.database import Database
from typedsql.errors import DataError
from whaledb.queries import whale_transactions
from whaledb.rows import WhaleTransaction

BAD: Final = [
    pytest.param(
        "from_address",
        f"0x{CANARY}\0",
        "text cannot contain a NUL character",
        marks=pytest.mark.case(30),
        id="NUL",
    ),
    pytest.param(
        "from_address",
        f"0x{CANARY}\ud800",
        "a text with half of a surrogate pair has no UTF-8",
        marks=pytest.mark.case(31),
        id="lone surrogate",
    ),
    pytest.param(
        "gas_price",
        int(CANARY) * 10**12,
        "value out of int8 range",
        marks=pytest.mark.case(32),
        id="int over int64",
    ),
    pytest.param(
        "block_number",
        -int(CANARY) * 10**12,
        "value out of int8 range",
        marks=pytest.mark.case(32),
        id="int below int64",
    ),
    pytest.param(
        "gas_used",
        int(CANARY) * 10**5000,
        "value out of int8 range",
        marks=pytest.mark.case(32),
        id="int too long to be written",
    ),
    pytest.param(
        "value_eth",
        Decimal("NaN"),
        "check constraint whale_transactions_value_eth_range",
        marks=pytest.mark.case(33),
        id="NaN",
    ),
    pytest.param(
        "gas_price",
        float("nan"),
        "expected int, got float",
        marks=pytest.mark.case(33),
        id="float NaN",
    ),
    pytest.param(
        "value_eth",
        Decimal("Infinity"),
        "check constraint whale_transactions_value_eth_range",
        marks=pytest.mark.case(34),
        id="infinity",
    ),
    pytest.param(
        "value_eth",
        Decimal(f"sNaN{CANARY}"),
        "PostgreSQL has no NaN with a sign, a signal or a payload",
        marks=pytest.mark.case(34),
        id="sNaN",
    ),
    pytest.param(
        "value_eth",
        Decimal("1.9870605E131072"),
        "value out of numeric range",
        marks=pytest.mark.case(35),
        id="1E131072",
    ),
    pytest.param(
        "value_eth",
        int(CANARY) * 10**4_293,
        "Python writes no int of more than 4,300 digits: give a Decimal",
        marks=pytest.mark.case(35),
        id="int too long for a number",
    ),
    pytest.param(
        "value_eth",
        1987.0605,
        "expected Decimal or int, got float",
        marks=pytest.mark.case(36),
        id="float amount",
    ),
    pytest.param(
        "gas_price",
        1987.0605,
        "expected int, got float",
        marks=pytest.mark.case(36),
        id="float of wei",
    ),
    pytest.param(
        "gas_price",
        UINT256_MAX,
        "value out of int8 range",
        marks=pytest.mark.case(37),
        id="uint256 where there is no room",
    ),
    pytest.param(
        "block_timestamp",
        NAIVE,
        "expected a datetime with a time zone, got one without",
        marks=pytest.mark.case(38),
        id="naive datetime",
    ),
    pytest.param(
        "block_timestamp",
        datetime.max.replace(tzinfo=WEST),
        "in UTC it is outside the years 1 to 9999",
        marks=pytest.mark.case(39),
        id="year 10000",
    ),
    pytest.param(
        "block_timestamp",
        datetime.max,
        "check constraint whale_transactions_block_timestamp_finite",
        marks=pytest.mark.case(39),
        id="the end of time",
    ),
    pytest.param(
        "block_timestamp",
        date(1987, 6, 5),
        "expected datetime, got date",
        marks=pytest.mark.case(39),
        id="date",
    ),
]


async def in_a_transaction(app: Database, row: dict[str, Any]) -> None:
    async with app.transaction() as tx:
        await whale_transactions.insert(tx, **transfer(1))
        await whale_transactions.insert(tx, **row)


async def in_a_bulk_transaction(app: Database, row: dict[str, Any]) -> None:
    async with app.bulk_transaction() as tx:
        await whale_transactions.insert(tx, **transfer(1))
        await whale_transactions.insert(tx, **row)


@pytest.mark.parametrize(("field", "bad", "told"), BAD)
async def test_a_typed_function_refuses_it(
    app: Database, owner_of_none: asyncpg.Connection, field: str, bad: object, told: str
) -> None:
    row = transfer(2, **{field: bad})
    async with undisturbed(app):
        for entrance in (insert, in_a_transaction, in_a_bulk_transaction):
            failure = await failure_of(entrance(app, row))
            look_at(failure, "whale_transactions.insert", field, told)
    assert await stored(owner_of_none) == set()


@pytest.mark.parametrize(("field", "bad", "told"), BAD)
async def test_of_calls_that_are_sent_together_it_fails_alone(
    app: Database,
    owner_of_none: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    bad: object,
    told: str,
) -> None:
    monkeypatch.setattr(batching, "ALONE_AT_ONCE", 1)
    rows = [transfer(number) for number in range(12)]
    rows[7][field] = bad
    calls = [failure_of(insert(app, row)) for row in rows]
    async with undisturbed(app):
        failures = await asyncio.gather(*calls)
    look_at(failures.pop(7), "whale_transactions.insert", field, told)
    assert failures == [None] * 11
    assert await stored(owner_of_none) == {row["hash"] for row in rows} - {hash_of(7)}


@pytest.mark.parametrize(("field", "bad", "told"), BAD)
async def test_of_rows_that_are_merged_it_is_rejected_alone(
    app: Database, owner_of_none: asyncpg.Connection, field: str, bad: object, told: str
) -> None:
    rows = [new(number) for number in range(3)]
    rows[1] = new(1, **{field: bad})
    query, refused = "whale_transactions.merge_rows", list[DataError]()
    async with undisturbed(app):
        # Without anybody to tell it to, it ends the merge, and its chunk is not stored.
        look_at(await failure_of(whale_transactions.merge_rows(app, rows)), query, field, told)
        assert await stored(owner_of_none) == set()
        report = await whale_transactions.merge_rows(
            app, rows, on_rejected=lambda _, error: refused.append(error)
        )
    assert (report.inserted, report.rejected) == (2, 1)
    look_at(refused[0], query, field, told)
    assert field in (refused[0].column or refused[0].constraint or "")
    assert await stored(owner_of_none) == {hash_of(0), hash_of(2)}


async def refuses_and_shows(owner: asyncpg.Connection, kind: str, bad: object) -> None:
    with pytest.raises((asyncpg.PostgresError, ValueError)) as caught:
        await owner.fetchval(f"SELECT CAST($1 AS {kind})", bad)
    assert any(each in everything_of(caught.value) for each in SHOWN)


async def makes_of(owner: asyncpg.Connection, kind: str, bad: object) -> str:
    return str(await owner.fetchval(f"SELECT CAST(CAST($1 AS {kind}) AS TEXT)", bad))


@pytest.mark.case(30)
async def test_the_driver_does_not_say_which_text_had_a_nul(owner: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CharacterNotInRepertoireError) as caught:
        await makes_of(owner, "TEXT", "\0")
    assert str(caught.value) == 'invalid byte sequence for encoding "UTF8": 0x00'


@pytest.mark.case(31)
@pytest.mark.case(32)
@pytest.mark.case(39)
async def test_the_driver_shows_the_value_that_it_refuses(owner: asyncpg.Connection) -> None:
    await refuses_and_shows(owner, "TEXT", f"{CANARY}\ud800")
    await refuses_and_shows(owner, "INT8", int(CANARY) * 10**12)
    await refuses_and_shows(owner, "DATE", f"{CANARY} of a thousand")
    with pytest.raises(OverflowError, match="date value out of range"):
        await owner.fetchval("SELECT CAST('10000-01-01Z' AS TIMESTAMPTZ)")


@pytest.mark.case(33)
@pytest.mark.case(34)
@pytest.mark.case(35)
@pytest.mark.case(36)
@pytest.mark.case(37)
async def test_the_driver_stores_another_number(owner: asyncpg.Connection) -> None:
    assert await makes_of(owner, "NUMERIC", Decimal("NaN")) == "NaN"
    assert await makes_of(owner, "NUMERIC", Decimal("sNaN7")) == "NaN"
    assert await makes_of(owner, "NUMERIC", Decimal("-Infinity")) == "-Infinity"
    assert await makes_of(owner, "NUMERIC", Decimal("1E131072")) == "0"
    assert (await makes_of(owner, "NUMERIC", 0.1 + 0.2)).startswith("0.3000000000000000444")
    assert await makes_of(owner, "INT8", 1987.9) == "1987"
    assert await makes_of(owner, "INT8[]", {1987.9}) == "{1987}"
    assert await owner.fetchval("SELECT CAST($1 AS FLOAT8)", UINT256_MAX) != UINT256_MAX


@pytest.mark.case(36)
@pytest.mark.case(38)
async def test_what_an_array_is_made_of_changes_nothing(app: Database) -> None:
    for kind, bad in (
        ("INT8[]", {1987.9}),
        ("INT8[]", {1987.9: 1}.keys()),
        ("INT8[]", [{1987.9}]),
        ("TIMESTAMPTZ[]", frozenset({NAIVE})),
    ):
        failure = await failure_of(value(app, f"SELECT CAST($1 AS {kind})", bad))
        look_at(failure, "raw.statement", "p1", "expected ")


@pytest.mark.case(38)
async def test_the_driver_reads_a_naive_datetime_in_the_zone_of_the_machine(
    owner: asyncpg.Connection,
) -> None:
    found = await owner.fetchval("SELECT CAST($1 AS TIMESTAMPTZ)", NAIVE)
    assert found == NAIVE.astimezone()


@pytest.mark.case(37)
async def test_the_largest_uint256_is_exact_where_there_is_room(
    app: Database, owner_of_none: asyncpg.Connection
) -> None:
    for entrance in (insert, in_a_bulk_transaction):
        await owner_of_none.execute("DELETE FROM whale_transactions")
        await entrance(app, transfer(2, value_eth=UINT256_MAX))
        found = await whale_transactions.get_by_hash(app, chain_id=1, hash=hash_of(2))
        assert isinstance(found, WhaleTransaction)
        assert found.value_eth == UINT256_MAX
    await owner_of_none.execute("DELETE FROM whale_transactions")
    await whale_transactions.merge_rows(app, [new(3, value_eth=Decimal(UINT256_MAX))])
    found = await whale_transactions.get_by_hash(app, chain_id=1, hash=hash_of(3))
    assert found is not None
    assert found.value_eth == UINT256_MAX


@pytest.mark.case(37)
async def test_where_a_number_has_no_room_the_parameters_are_named_that_may_be_it(
    app: Database, owner_of_none: asyncpg.Connection
) -> None:
    score = Decimal(UINT256_MAX)
    query, told = "whale_transactions.insert", "it does not fit numeric(5, 4)"
    row = transfer(1, value_eth=Decimal(1), whale_score=score)
    look_at(await failure_of(insert(app, row)), query, "whale_score", told)
    failure = await failure_of(insert(app, transfer(1, whale_score=score)))
    assert f"one of the parameters value_eth and whale_score was refused: {told}" in str(failure)
    assert SHOWN[-1] not in everything_of(failure or ValueError())
    # The control: the server does not say which, nor does the driver.
    with pytest.raises(asyncpg.NumericValueOutOfRangeError) as caught:
        await owner_of_none.fetchval("SELECT CAST($1 AS NUMERIC(5, 4))", score)
    assert "$1" not in str(caught.value)


@pytest.mark.case(39)
async def test_what_python_has_no_datetime_for_is_a_typed_error(app: Database) -> None:
    async with undisturbed(app):
        failure = await failure_of(value(app, "SELECT CAST('10000-01-01Z' AS TIMESTAMPTZ)"))
    assert isinstance(failure, DataError)
    assert "raw.statement: a value in the result is outside its Python type" in str(failure)
    last = datetime.max.replace(tzinfo=UTC)
    assert await value(app, "SELECT CAST($1 AS TIMESTAMPTZ)", last) == last
    assert await value(app, "SELECT CAST('infinity' AS TIMESTAMPTZ)") == datetime.max
