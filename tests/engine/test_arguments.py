"""Arguments of a wrong kind: refused by name, never stored as something else."""

import datetime as dt
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.failures import everything_of
from typedsql.database import Database
from typedsql.errors import DataError
from typedsql.query import as_fetched
from typedsql.statements import Statement
from typedsql.values import Range, from_driver_range

pytestmark = pytest.mark.versions

DAY = dt.datetime(1987, 6, 5, 4, 3)


def deep() -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(20_000):
        document = {"a": document}
    return document


def echo(kind: str) -> Statement:
    return Statement(
        name="echo.value",
        sql=f"SELECT CAST($1 AS {kind}) AS value",
        suffix="^",
        parameters=("given",),
        declared=("given",),
        prose="",
        location="",
    )


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("int8", 19870605.5, "expected int, got float"),
        ("int8", Decimal("19870605.5"), "expected int, got Decimal"),
        ("int4", True, "expected int, got bool"),
        ("int8", "19870605", "expected int, got str"),
        ("int8", 2**63 + 19870605, "value out of int8 range"),
        ("int8[]", [1, None, 19870605.5], "expected int, got float"),
        ("float8", Decimal("19870605"), "expected float, got Decimal"),
        ("timestamptz", DAY, "expected a datetime with a time zone"),
        ("timestamptz[]", [DAY.replace(tzinfo=dt.UTC), DAY], "a datetime with a time zone"),
        ("timestamptz", DAY.date(), "expected datetime, got date"),
        ("date", DAY, "expected date, got datetime"),
        ("text", "19870605\x00", "text cannot contain a NUL character"),
        ("text", "19870605\ud800", "a text with half of a surrogate pair has no UTF-8"),
        ("uuid", "19870605", "the text is not that of a UUID"),
        ("bool", 19870605, "expected bool, got int"),
        ("numeric", Decimal("19870605E131072"), "value out of numeric range"),
        ("numeric", 19870605 * 10**4_293, "no int of more than 4,300 digits: give a Decimal"),
        ("numeric[]", [1, -19870605 * 10**4_293], "no int of more than 4,300 digits"),
        ("jsonb", {"a": Decimal("19870605E4293")}, "an integer of more than 4,300 characters"),
        ("jsonb", {"a": "19870605\x00"}, "a document cannot contain a NUL character"),
        ("jsonb", deep(), "it is nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
async def test_refused_by_name_and_without_the_value(
    db: Database, kind: str, value: object, told: str
) -> None:
    statement = echo(kind)
    with pytest.raises(DataError) as caught:
        await db.fetch_one(statement, [value], as_fetched)
    assert str(caught.value).startswith("echo.value: parameter given was refused: ")
    assert told in str(caught.value)
    assert "19870605" not in everything_of(caught.value)
    assert "1987-06-05" not in everything_of(caught.value)
    row = await db.fetch_one(statement, [None], as_fetched)
    assert row is not None


async def test_the_driver_alone_stores_something_else(connection: asyncpg.Connection) -> None:
    """The control of the test before."""
    assert await connection.fetchval("SELECT CAST($1 AS INT8)", 1.5) == 1
    naive = await connection.fetchval("SELECT CAST($1 AS TIMESTAMPTZ)", DAY)
    assert naive == DAY.astimezone()
    assert await connection.fetchval("SELECT CAST($1 AS DATE)", DAY) == DAY.date()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int8", 2**63 - 1),
        ("int8[]", [[1, 2], [3, None]]),
        ("float8", 1),
        ("timestamptz", DAY.replace(tzinfo=dt.timezone(dt.timedelta(hours=5)))),
        ("timestamptz", dt.datetime.max),
        ("timestamptz", dt.datetime.min),
        ("date", DAY.date()),
        ("date", dt.date.max),
        ("timestamp", DAY),
    ],
)
async def test_what_fits_comes_back(db: Database, kind: str, value: object) -> None:
    row = await db.fetch_one(echo(kind), [value], as_fetched)
    assert row is not None
    assert row["value"] == value


async def test_a_value_that_python_cannot_hold_is_a_typed_error(db: Database) -> None:
    for text in ("'20000-01-01'::date", "'20000-01-01'::timestamptz", "'24:00'::time"):
        statement = echo(f"INT) AS x, ({text}")
        with pytest.raises(DataError, match=r"echo\.value: a value in the result") as caught:
            await db.fetch_one(statement, [1], as_fetched)
        assert "20000" not in str(caught.value.__cause__)
        assert await db.fetch_one(echo("INT"), [1], as_fetched) is not None


async def test_a_stream_takes_a_range(db: Database) -> None:
    statement = echo("INT8RANGE")
    async with db.transaction() as transaction:
        (records,) = [
            records async for records in transaction.batches(statement, [Range(lower=1, upper=3)])
        ]
    assert from_driver_range(records[0]["value"]) == Range(lower=1, upper=3)
